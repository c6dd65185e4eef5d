"""The page of the sources in a real browser: on a laptop, on a phone, in the dark, by keyboard."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi.responses import FileResponse
from jupyterhub._data import DATA_FILES_PATH
from pelagos.catalogue.harvest import RUNS_FILE
from pelagos.catalogue.harvest.records import Counts, Ending, Progress, RunState
from pelagos.catalogue.harvest.runs import Runs
from pelagos.deployment import CATALOGUE_PATH
from playwright.sync_api import Page, expect
from sources_service import fill, make_sources_app
from support import free_port, until

Shot = Callable[[Page, str], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A catalogue's folder with runs of every kind."""
    folder = tmp_path / "catalogue"
    fill(folder)
    return folder


@pytest.fixture
def address(folder: Path) -> Iterator[str]:
    """The page's service, with the hub's own style sheets beside it."""
    app = make_sources_app(folder)

    @app.get("/hub/static/{path:path}")
    def static(path: str) -> FileResponse:
        return FileResponse(Path(DATA_FILES_PATH) / "static" / path)

    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    until(lambda: server.started, 20, "the service")
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(20)


def opened(page: Page, address: str, name: str) -> list[str]:
    """The page of this person; what the browser complains of."""
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    cookie: Any = {"name": "service-catalogue", "value": name, "url": address}
    page.context.add_cookies([cookie])
    page.goto(f"{address}{CATALOGUE_PATH}/sources")
    expect(page.get_by_role("heading", name="Sources of the catalogue")).to_be_visible()
    return complaints


def full(page: Page, shot: Shot, name: str, width: int) -> None:
    """A picture of the whole page; it may not be wider than the screen."""
    page.set_viewport_size({"width": width, "height": 860})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    height = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": width, "height": height})
    shot(page, name)


def test_an_administrator_sees_how_every_source_stands(
    page: Page, address: str, shot: Shot
) -> None:
    complaints = opened(page, address, "admin")
    full(page, shot, "sources-desktop", 1280)
    row = page.get_by_role("row", name=re.compile("^SeaDataNet products"))
    expect(row).to_contain_text("40 collections, 4,960 granules")
    page.get_by_text("212 rejected: why").click()
    expect(page.get_by_text("urn:SDN:CDI:LOCAL:3", exact=True)).to_be_visible()
    full(page, shot, "sources-desktop-unfolded", 1280)
    full(page, shot, "sources-phone", 390)
    page.set_viewport_size({"width": 1280, "height": 860})
    page.get_by_role("button", name="Toggle dark mode").click()
    full(page, shot, "sources-dark", 1280)
    assert complaints == []


def test_others_see_a_summary(page: Page, address: str, shot: Shot) -> None:
    opened(page, address, "ada")
    assert page.get_by_role("button", name=re.compile("^Run")).count() == 0
    full(page, shot, "sources-person", 1280)
    full(page, shot, "sources-person-phone", 390)


def test_the_page_follows_a_run_and_keeps_what_is_unfolded(
    page: Page, address: str, folder: Path
) -> None:
    complaints = opened(page, address, "admin")
    summary = page.get_by_text("212 rejected: why")
    summary.focus()
    page.keyboard.press("Enter")
    row = page.get_by_role("row", name=re.compile("^Argo floats"))
    expect(row).to_contain_text("Being harvested")
    with Runs(folder / RUNS_FILE) as runs:
        [run] = runs.under_way()
        counts = Counts(3, 1_300_000, added=1_300_000)
        runs.progress(run.id, Progress(counts, "Argo profiles of the Pacific"))
        expect(page.get_by_text("Argo profiles of the Pacific")).to_be_visible(timeout=20_000)
        ending = Ending(RunState.DONE)
        runs.finish(run, ending, Progress(counts), next_run=2e9, held={"a": 1_300_000})
    expect(row).to_contain_text("1,300,000 granules", timeout=20_000)
    expect(page.get_by_text("urn:SDN:CDI:LOCAL:3", exact=True)).to_be_visible()
    expect(summary).to_be_focused()
    assert complaints == []


def test_a_run_is_asked_for_by_keyboard(page: Page, address: str, folder: Path) -> None:
    opened(page, address, "admin")
    button = page.get_by_role("button", name="Run SOCAT now")
    for _ in range(40):
        if button.evaluate("element => element === document.activeElement"):
            break
        page.keyboard.press("Tab")
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_text("The harvest of socat was asked for.")).to_be_visible()
    with Runs(folder / RUNS_FILE, write=False) as runs:
        assert [one.source for one in runs.open_requests()] == ["socat"]
