"""A VRE with a sea of data to search and to order, and ways through the panel of marine data.

Argo's real profiles come from a GDAC on the loopback; the starter source is that of any VRE.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit
from xmlrpc.client import ServerProxy

import psutil
from gdac import STARTER, Gdac, serve_gdac
from pelagos.ops.supervise import socket_of
from playwright.sync_api import BrowserContext, Locator, Page, Request, WebSocket, expect
from supervisor.xmlrpc import SupervisorTransport
from support import Vre, start, until

SETTINGS = f"""
site: {{name: Marine data}}
virtual_labs: [{{name: open-sea, title: Open sea, open: true}}]
images: [python]
catalogue:
  sources:
{STARTER}"""
PROFILES = "Argo float profiles"
# of Chromium's trace: the tasks of each thread, with the processor time that they took
TASKS = "disabled-by-default-devtools.timeline"


class Outside:
    """What pages asked of other machines: `asked`, as addresses."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def watch(self, context: BrowserContext) -> None:
        """All pages of a context, those to come too."""
        context.on("request", self._note)
        context.on("page", lambda page: page.on("websocket", self._note))

    def _note(self, one: Request | WebSocket) -> None:
        parts = urlsplit(one.url)
        here = parts.hostname in ("127.0.0.1", "localhost")
        if not here and parts.scheme not in ("data", "blob", "about"):
            self.asked.append(one.url)


class Starter:
    """The running VRE with starter data."""

    def __init__(self, vre: Vre) -> None:
        self.vre = vre

    @property
    def url(self) -> str:
        """Where people go."""
        return self.vre.url

    def watch(self, page: Page) -> list[str]:
        """Addresses that the page asks and that are not of this VRE: filled as it goes on."""
        outside: list[str] = []

        def note(request: Request) -> None:
            if not request.url.startswith((self.url, "data:", "blob:")):
                outside.append(request.url)

        page.on("request", note)
        return outside

    @contextlib.contextmanager
    def hung(self, program: str) -> Iterator[Callable[[], None]]:
        """A service that takes requests and says nothing, until what is given is called."""
        pid = self.vre.pid(program)
        assert pid
        first = psutil.Process(pid)
        processes = [first, *first.children(recursive=True)]

        def goes_on() -> None:
            for process in processes:
                process.resume()

        for process in processes:
            process.suspend()
        try:
            yield goes_on
        finally:
            goes_on()

    @contextlib.contextmanager
    def stopped(self, program: str) -> Iterator[Callable[[], None]]:
        """A service that does not run, until what is given is called: then it answers again."""
        # killed, the supervisor would have it back at once
        transport = SupervisorTransport(None, None, f"unix://{socket_of(self.vre.state)}")
        with ServerProxy("http://127.0.0.1", transport) as server:
            server.supervisor.stopProcess(program)

            def running() -> bool:
                return self.vre.pid(program) != 0

            def back() -> None:
                if not running():
                    server.supervisor.startProcess(program)

            try:
                yield back
            finally:
                back()

    def person(self, name: str) -> None:
        """Somebody whose server runs."""
        start(self.vre, name, "python")

    def lab(self, name: str) -> str:
        """The address of somebody's JupyterLab."""
        return f"{self.url}/user/{name}/lab"

    def sign_in(self, page: Page, name: str) -> None:
        """As a person does it."""
        page.goto(f"{self.url}/hub/login?next=/user/{name}/lab")
        page.get_by_label("Username").fill(name)
        page.get_by_label("Password", exact=False).first.fill(self.vre.password())
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{self.lab(name)}**")
        lab_ready(page)


class Marine(Starter):
    """The running VRE, and the GDAC that it harvested too."""

    def __init__(self, vre: Vre, gdac: Gdac) -> None:
        super().__init__(vre)
        self.gdac = gdac


@contextlib.contextmanager
def serve_starter(folder: Path, *arguments: str) -> Iterator[Starter]:
    """The VRE up with starter data, which anybody may search."""
    with _served(folder, f"{SETTINGS}  anonymous: true\n", "starter", *arguments) as vre:
        yield Starter(vre)


@contextlib.contextmanager
def serve_marine(folder: Path, *arguments: str) -> Iterator[Marine]:
    """The VRE up, both sources harvested; it goes with everything it made."""
    with (
        serve_gdac() as gdac,
        _served(folder, SETTINGS + gdac.source, "argo starter", *arguments) as vre,
    ):
        yield Marine(vre, gdac)


@contextlib.contextmanager
def _served(folder: Path, settings: str, sources: str, *arguments: str) -> Iterator[Vre]:
    vre = Vre(folder, settings)
    try:
        vre.up("--backend", "docker", *arguments)
        for source in sources.split():
            done = vre.run("harvest", source)
            assert done.returncode == 0, done.stdout + done.stderr
        yield vre
    finally:
        vre.down()


def lab_ready(page: Page) -> None:
    """JupyterLab is there and takes clicks."""
    page.get_by_role("menuitem", name="File", exact=True).wait_for()
    expect(page.locator("#jupyterlab-splash")).to_have_count(0)


def panel(page: Page, section: str = "") -> Locator:
    """The panel of marine data, opened by its tab in the side bar; with one of its sections."""
    found = page.locator("#pelagos-panel")
    if not found.is_visible():
        page.get_by_role("tab", name="Marine data").click()
    expect(found).to_be_visible()
    if section:
        found.get_by_role("tab", name=section).click()
    return found


def group(page: Page, title: str) -> None:
    """Unfold a part of the search form."""
    button = panel(page, "Search").get_by_role("button", name=re.compile(f"^{title}"))
    if button.get_attribute("aria-expanded") == "false":
        button.click()


def search_for(page: Page, words: str) -> Locator:
    """The results of a search for these words."""
    field = panel(page, "Search").get_by_role("combobox", name="Search marine data")
    field.fill(words)
    field.press("Enter")
    return results(page)


def results(page: Page) -> Locator:
    """What the search found, once it has answered."""
    found = panel(page).get_by_role("region", name="Results")
    expect(found).to_have_attribute("aria-busy", "false")
    return found


def draw_box(page: Page, box: tuple[float, float, float, float]) -> list[float]:
    """On the side bar's map, with the mouse; the box that came of it."""
    group(page, "Area")
    found = panel(page)
    chart = found.get_by_role("application", name="Map of the area to search")
    expect(chart).to_have_attribute("aria-busy", "false")
    found.get_by_role("button", name="Whole world").click()
    found.get_by_role("button", name="Draw a box").click()
    west, south, east, north = box
    at = point_of(page, found, chart)
    page.mouse.move(*at(west, north))
    page.mouse.down()
    page.mouse.move(*at(west, north, 3))
    page.mouse.move(*at(east, south), steps=4)
    page.mouse.up()
    sides = found.get_by_role("group", name="Box in degrees")
    expect(sides.get_by_label("West")).not_to_have_value("")
    names = ("West", "South", "East", "North")
    return [float(sides.get_by_label(name).input_value()) for name in names]


def point_of(page: Page, found: Locator, chart: Locator) -> Callable[..., tuple[float, float]]:
    """Where on the screen a place is, as the map itself says under the pointer."""
    view = chart.bounding_box()
    assert view
    place = found.locator(".jp-Pelagos-mapPlace")
    read: list[tuple[float, float, float, float]] = []
    for across, down in ((0.3, 0.4), (0.7, 0.6)):
        x, y = view["x"] + view["width"] * across, view["y"] + view["height"] * down
        told = [""]

        def rests(x: float = x, y: float = y, told: list[str] = told) -> bool:
            # the map still moves after a click on its buttons
            page.mouse.move(x + 1, y + 1)
            page.mouse.move(x, y)
            told.append(place.inner_text())
            return "°" in told[-1] and told[-5:] == [told[-1]] * 5

        until(rests, 30, "the map at rest")
        latitude, longitude = map(degrees, told[-1].split(", "))
        read.append((x, y, longitude, latitude))
    (x1, y1, lon1, lat1), (x2, y2, lon2, lat2) = read

    def at(longitude: float, latitude: float, shift: float = 0) -> tuple[float, float]:
        x = x1 + (longitude - lon1) * (x2 - x1) / (lon2 - lon1)
        y = y1 + (latitude - lat1) * (y2 - y1) / (lat2 - lat1)
        return x + shift, y + shift

    return at


def degrees(text: str) -> float:
    """Of `10.5° W`."""
    value = float(text.split("°")[0])
    return -value if text.endswith(("W", "S")) else value


def granules(page: Page, title: str) -> Locator:
    """The list of the granules of a data set, opened from the results."""
    results(page).get_by_role("button", name=title, exact=True).click()
    grid = page.get_by_role("grid", name="Granules")
    expect(grid).to_be_visible()
    return grid


def basket_ready(page: Page) -> Locator:
    """The basket with an order that can be sent."""
    found = panel(page, "Basket")
    expect(found.locator("strong").get_by_text("It fits.")).to_be_visible()
    return found


def width_of_panel(page: Page, pixels: int) -> None:
    """Drag the edge of the side bar until the panel is so wide."""
    found = panel(page)
    handle = page.locator("#jp-main-split-panel > .lm-SplitPanel-handle:visible").first
    edge, box = handle.bounding_box(), found.bounding_box()
    assert edge
    assert box
    x, y = edge["x"] + edge["width"] / 2, edge["y"] + edge["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - box["width"] + pixels, y, steps=4)
    page.mouse.up()
    until(lambda: (found.bounding_box() or {"width": 0})["width"] == pixels, 10, "the width")


def longest_task(page: Page) -> float:
    """Ends a trace of `TASKS`: milliseconds that the page's thread worked on one task at most.

    Processor time: how long others had the processor meanwhile is not the page's fault.
    """
    browser = page.context.browser
    assert browser
    events = json.loads(browser.stop_tracing())["traceEvents"]
    pages = {
        (one["pid"], one["tid"])
        for one in events
        if one["name"] == "thread_name" and one["args"]["name"] == "CrRendererMain"
    }
    tasks = [
        one["tdur"] / 1000
        for one in events
        if one["name"] == "RunTask" and "tdur" in one and (one["pid"], one["tid"]) in pages
    ]
    assert tasks
    return max(tasks)
