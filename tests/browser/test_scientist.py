"""A scientist with a browser: signs in, starts a server, runs the tutorial on real data."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Locator, Page, Request, expect
from support import Vre, until

PLOTS = 6  # of the tutorial
Shot = Callable[[Page, str], None]


def sign_in(page: Page, vre: Vre, name: str) -> None:
    page.goto(f"{vre.url}/")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password", exact=False).first.fill(vre.password())
    page.get_by_role("button", name="Sign in").click()


def remove(vre: Vre, name: str) -> None:
    with vre.api() as hub:
        hub.call("DELETE", f"/users/{name}/server", missing_ok=True)
        until(lambda: not hub.call("GET", f"/users/{name}")["servers"], 60)
        hub.call("DELETE", f"/users/{name}")


def test_from_sign_in_to_a_plot_of_real_data(page: Page, vre: Vre, shot: Shot) -> None:
    outside: list[str] = []

    def note(request: Request) -> None:
        if not request.url.startswith((vre.url, "data:", "blob:")):
            outside.append(request.url)

    page.on("request", note)
    page.goto(vre.url)
    shot(page, "1-sign-in")
    sign_in(page, vre, "ada")
    expect(page.get_by_role("heading", name="Start a server")).to_be_visible()
    expect(page.get_by_role("radio", name=re.compile("Ocean climate"))).to_be_checked()
    expect(page.get_by_role("radio", name=re.compile("^Small"))).to_be_checked()
    shot(page, "2-spawn")
    page.get_by_role("button", name="Start").click()
    page.wait_for_url(re.compile(r"/user/ada/lab|spawn-pending"))
    page.wait_for_load_state()
    shot(page, "3-progress")
    page.wait_for_url(re.compile(r"/user/ada/lab"))
    page.get_by_role("menuitem", name="File", exact=True).wait_for()
    page.goto(f"{vre.url}/user/ada/lab/tree/tutorials/first-notebook.ipynb")
    until_connected(page)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.locator('.lm-Menu-item[data-command="runmenu:run-all"]').click()
    # plots arrive as images; the last cell's number says that all have run
    plots = page.locator(".jp-OutputArea-output img")
    expect(plots).to_have_count(PLOTS, timeout=180_000)
    until_connected(page)
    assert page.locator(".jp-OutputArea-output[data-mime-type*=error]").count() == 0
    assert page.get_by_text("Traceback").count() == 0
    bring_into_view(page, plots.first)
    page.wait_for_timeout(500)  # the scroll's own animation, for the picture only
    shot(page, "4-lab")
    footer = page.locator("#jp-main-statusbar")
    expect(footer).to_contain_text(re.compile(r"Mem:\s+[\d.]+ / 2(048\.00 MB|\.0+ GB)"))
    expect(footer).to_contain_text("CPU:")
    assert outside == []
    remove(vre, "ada")


def until_connected(page: Page) -> None:
    """The notebook's kernel waits for work."""
    status = page.locator("#jp-main-statusbar")
    expect(status).to_contain_text(re.compile(r"Python 3 \(ipykernel\) \| Idle"), timeout=60_000)


def bring_into_view(page: Page, plot: Locator) -> None:
    """Scroll as a person does: the notebook moves its cells about as they come into view."""
    page.mouse.move(760, 500)
    for _ in range(12):
        box = plot.bounding_box()
        if box and 100 < box["y"] < 500:
            return
        page.mouse.wheel(0, box["y"] - 350 if box else -400)
        page.wait_for_timeout(300)


def test_running_out_of_memory_is_told_in_the_cell(page: Page, vre: Vre, shot: Shot) -> None:
    sign_in(page, vre, "otto")
    page.get_by_role("button", name="Start").click()
    page.wait_for_url(re.compile(r"/user/otto/lab"))
    page.locator(".jp-LauncherCard", has_text="Python 3").first.click()
    until_connected(page)
    cell = page.locator(".jp-Notebook .cm-content").first
    cell.click()
    page.keyboard.type("x = bytearray(4 * 2**30); x[::4096] = x[::4096]")
    page.keyboard.press("Shift+Enter")
    told = page.locator(".jp-OutputArea-output", has_text="ran out of memory")
    expect(told).to_be_visible(timeout=60_000)
    shot(page, "5-out-of-memory")
    remove(vre, "otto")


def test_the_spawn_page_works_by_keyboard_and_on_a_phone(page: Page, vre: Vre, shot: Shot) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    sign_in(page, vre, "phoebe")
    page.get_by_role("radio", name=re.compile("Ocean climate")).focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("radio", name=re.compile("Marine data school"))).to_be_checked()
    # what this virtual lab does not offer is gone from view and from the form
    expect(page.get_by_role("radio", name=re.compile("^Large"))).to_be_hidden()
    expect(page.get_by_role("radio", name=re.compile("^Small"))).to_be_checked()
    wide = page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
    assert not wide, "the page is wider than a phone"
    shot(page, "6-spawn-phone")
    page.get_by_role("button", name="Start").focus()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/user/phoebe/lab"))
    with vre.api() as hub:
        options = hub.call("GET", "/users/phoebe")["servers"][""]["user_options"]
    assert options == {"virtual_lab": "marine-data-school", "image": "python", "size": "small"}
    page.goto(f"{vre.url}/hub/home")
    expect(page.get_by_role("heading", name="Your servers")).to_be_visible()
    shot(page, "7-home-phone")
    page.get_by_role("button", name=re.compile("Stop")).click()
    expect(page.get_by_role("link", name=re.compile("Start Your server"))).to_be_visible()
    remove(vre, "phoebe")


def test_a_failed_start_says_why_and_offers_another_try(page: Page, vre: Vre, shot: Shot) -> None:
    sign_in(page, vre, "fay")
    page.get_by_role("radio", name=re.compile("^Broken")).check()
    page.get_by_role("button", name="Start").click()
    failed = page.get_by_role("heading", name="Your server did not start")
    expect(failed).to_be_visible(timeout=30_000)
    expect(page.get_by_role("alert")).to_have_text(
        "Your server stopped while it was starting: it ended with exit code 3. Try again, or "
        "choose another image; if it happens again, tell an administrator."
    )
    shot(page, "8-failed")
    page.get_by_role("link", name="Choose again").click()
    expect(page.get_by_role("heading", name="Start a server")).to_be_visible()
    assert not [c for c in vre.containers() if "fay" in c.name]
    remove(vre, "fay")
