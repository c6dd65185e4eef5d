"""A person finds real profiles, orders them, sees them arrive and plots them; in a real VRE."""

from __future__ import annotations

import re
from collections.abc import Callable

import marine as sea
from axe import barriers
from gdac import BOX
from marine import Marine
from playwright.sync_api import Browser, Page, expect
from support import stop, until

Shot = Callable[[Page, str], None]
DRAWN = (-75.0, 30.0, -40.0, 50.0)  # with the mouse, on a map of the world; `BOX` is inside
IN_IT = 10  # of the recorded profiles


def test_from_a_word_to_a_plot(page: Page, marine: Marine, shot: Shot) -> None:
    outside = marine.watch(page)
    marine.person("mia")
    marine.sign_in(page, "mia")
    found = sea.search_for(page, "temperature")
    expect(found.get_by_role("button", name=sea.PROFILES)).to_be_visible()
    everything = found.get_by_role("list", name="Data sets").locator("> li").count()
    shot(page, "marine-1-search")

    drawn = sea.draw_box(page, DRAWN)
    assert all(abs(a - b) < 4 for a, b in zip(drawn, DRAWN, strict=True)), drawn
    found = sea.results(page)
    profiles = found.locator("li").filter(has_text=sea.PROFILES)
    profiles.scroll_into_view_if_needed()  # what nobody sees is not counted
    expect(profiles.get_by_text(f"{IN_IT} granules match")).to_be_visible()
    # what is not in the box is said not to match, or is gone
    assert found.get_by_role("list", name="Data sets").locator("> li").count() <= everything
    shot(page, "marine-2-box")

    grid = sea.granules(page, sea.PROFILES)
    expect(page.get_by_role("status", name="Matches")).to_contain_text(f"{IN_IT} granules")
    rows = grid.get_by_role("row")
    picked = []
    for number in (1, 2):
        rows.nth(number).get_by_role("checkbox").click()
        picked.append(rows.nth(number).get_by_role("gridcell").nth(1).inner_text())
    rows.nth(1).click()
    details = page.locator(".jp-Pelagos-details")
    expect(details).to_contain_text(picked[0])
    expect(details).to_contain_text("CC-BY-4.0")
    shot(page, "marine-3-granules")
    assert barriers(page, "#pelagos-panel", ".jp-Pelagos-granules") == []
    page.get_by_role("button", name="Add 2 to basket").click()
    expect(page.get_by_text("2 granules were added to the basket.")).to_be_visible()

    basket = sea.basket_ready(page)
    for name in picked:
        expect(basket).to_contain_text(name)
    expect(basket.locator("summary").first).to_contain_text(sea.PROFILES)  # not an identifier
    shot(page, "marine-4-basket")
    # one file comes slowly, so that something is seen of the way
    slow = [path for path in marine.gdac.files if path.endswith("D4900882_032.nc")]
    assert slow
    marine.gdac.slow[slow[0]] = 5.0
    basket.get_by_role("button", name="Order 2 files").click()
    orders = sea.panel(page)
    bar = orders.get_by_role("progressbar").first
    expect(bar).to_be_visible()
    shot(page, "marine-5-progress")
    # the order is watched from elsewhere
    sea.panel(page, "Search")
    ready = page.locator(".jp-Notification-Toast, .Toastify__toast").filter(has_text="is ready")
    expect(ready).to_be_visible()
    shot(page, "marine-6-ready")
    assert marine.gdac.gets() == 2
    ready.get_by_role("button", name="Add to notebook").click()

    cell = page.locator(".jp-Notebook .jp-CodeCell").first
    expect(cell).to_contain_text("pelagos.open(order)")
    expect(cell).to_contain_text("https://doi.org/10.17882/42182")
    idle(page)
    cell.locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")
    output = page.locator(".jp-Notebook .jp-OutputArea-output")
    expect(output.filter(has_text="4900882_032")).to_be_visible(timeout=120_000)
    page.keyboard.type("for one in data.values(): one['TEMP'].squeeze().plot(y='N_LEVELS')")
    page.keyboard.press("Shift+Enter")
    expect(output.locator("img")).to_be_visible(timeout=120_000)
    assert page.locator(".jp-OutputArea-output[data-mime-type*=error]").count() == 0
    shot(page, "marine-7-plot")
    assert outside == []


def idle(page: Page) -> None:
    """The notebook's kernel waits for work."""
    status = page.locator("#jp-main-statusbar")
    expect(status).to_contain_text(re.compile(r"\| Idle"), timeout=90_000)


def test_what_was_asked_chosen_and_ordered_is_still_there(
    page: Page, browser: Browser, marine: Marine, shot: Shot
) -> None:
    marine.sign_in(page, "mia")
    sea.search_for(page, "temperature")
    sea.group(page, "Area")
    sides = sea.panel(page).get_by_role("group", name="Box in degrees")
    for name, value in zip(("West", "South", "East", "North"), BOX, strict=True):
        sides.get_by_label(name).fill(str(value))
    sides.get_by_label("North").press("Enter")
    area = sea.panel(page).get_by_role("button", name=re.compile("^Area"))
    expect(area).to_contain_text("58° W")
    sea.granules(page, sea.PROFILES)
    page.get_by_role("button", name="Add all that match").click()
    count = re.compile(r"(\d+) granules were added")
    text = page.get_by_text(count).inner_text()
    added = int(count.search(text)[1])  # type: ignore[index]
    assert added >= 5

    # JupyterLab keeps its state a moment after it changed
    kept = f"{marine.lab('mia')}/api/workspaces/default"
    until(lambda: f"[{BOX[0]:g}," in page.request.get(kept).text().replace(" ", ""))
    page.reload()
    sea.lab_ready(page)
    panel = sea.panel(page, "Search")
    expect(panel.get_by_role("combobox", name="Search marine data")).to_have_value("temperature")
    sides = panel.get_by_role("group", name="Box in degrees")
    expect(sides.get_by_label("West")).to_have_value(f"{BOX[0]:g}")
    expect(panel.get_by_role("tab", name=re.compile("Basket"))).to_contain_text(str(added))
    shot(page, "marine-8-reloaded")

    # another tab of the browser shows the same, and learns what happens in the first
    second = page.context.new_page()
    second.goto(f"{marine.lab('mia')}/workspaces/second")
    sea.lab_ready(second)
    there = sea.panel(second, "Orders")
    ready = there.get_by_text("Ready", exact=True)
    expect(ready.first).to_be_visible()
    before = ready.count()
    basket = sea.basket_ready(page)
    basket.get_by_role("button", name=re.compile(r"^Order \d+ files")).click()
    expect(ready).to_have_count(before + 1)
    expect(there.get_by_role("tab", name=re.compile("Basket"))).not_to_contain_text(str(added))
    shot(second, "marine-9-second-tab")
    second.close()

    # and so it is after the server was stopped and started
    panel = sea.panel(page, "Basket")
    grid = page.get_by_role("grid", name="Granules")
    grid.get_by_role("row").nth(1).get_by_role("checkbox").click()
    page.get_by_role("button", name="Add 1 to basket").click()
    expect(panel.get_by_text("It fits.")).to_be_visible()
    stop(marine.vre, "mia")
    marine.person("mia")
    page.goto(marine.lab("mia"))
    sea.lab_ready(page)
    panel = sea.panel(page, "Orders")
    expect(panel.get_by_text("Ready", exact=True)).to_have_count(before + 1)
    expect(panel.get_by_role("tab", name=re.compile("Basket"))).to_contain_text("1")
