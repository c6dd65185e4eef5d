"""What can go wrong with marine data, as a person sees it: each with a next step.

The panel and its server are the real ones of a VRE; the answers of the server extension are what
cannot be had for real in a second.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import marine as sea
import pytest
from axe import barriers
from marine import Marine
from playwright.sync_api import Browser, Locator, Page, Route, expect
from support import until

Shot = Callable[[Page, str], None]
GRANULES = 10_000
SLOW = 10  # s
HTML = "<img src=x onerror=\"document.title='broken'\"><b>Sea</b>"
LONGEST = 100  # ms of one task, in which nothing else of the page can happen


@pytest.fixture(scope="module")
def lab(browser: Browser, marine: Marine) -> Iterator[Page]:
    """A person's JupyterLab, whose state the tests leave as it was."""
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    context.set_default_timeout(60_000)
    page = context.new_page()
    marine.person("sol")
    marine.sign_in(page, "sol")
    sea.panel(page, "Search")
    yield page
    context.close()


def answer(status: int, content: object) -> Callable[[Route], None]:
    def fulfil(route: Route) -> None:
        route.fulfill(status=status, content_type="application/json", body=json.dumps(content))

    return fulfil


def problem(reason: str, mend: str = "") -> dict[str, str]:
    return {"reason": reason, "mend": mend}


def collection(number: int = 0, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"sea.{number}",
        "catalogue": "",
        "title": f"Sea {number}",
        "description": "",
        "infrastructure": "Somewhere",
        "source": "sea",
        "parameters": ["Temperature"],
        "platforms": [],
        "boxes": [[-10, 40, 10, 60]],
        "start": None,
        "end": None,
        "licence": {"id": "CC-BY-4.0", "title": "", "url": ""},
        "doi": "",
        "url": "",
        "granules": None,
    } | fields


def page_of(*collections: dict[str, Any]) -> dict[str, Any]:
    return {
        "collections": list(collections),
        "matched": len(collections),
        "matched_text": str(len(collections)),
        "next": None,
    }


def again(page: Page, words: str) -> Locator:
    """Search for other words than before."""
    field = sea.panel(page, "Search").get_by_role("combobox", name="Search marine data")
    field.fill(words)
    field.press("Enter")
    return sea.panel(page).get_by_role("region", name="Results")


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        ("down", 503, "The catalogue does not answer."),
        ("broken", 500, "Something went wrong in your server."),
    ],
)
def test_a_catalogue_that_fails_is_told_with_another_try(
    lab: Page, shot: Shot, name: str, status: int, said: str
) -> None:
    lab.route("**/pelagos/collections*", answer(status, problem(said, "Try again in a minute.")))
    found = again(lab, f"a {name} one")
    alert = found.get_by_role("alert")
    expect(alert).to_contain_text(said)
    expect(alert).to_contain_text("Try again in a minute.")
    shot(lab, f"marine-state-{name}")
    assert barriers(lab, "#pelagos-panel") == []
    lab.unroute("**/pelagos/collections*")
    found.get_by_role("button", name="Try again").click()
    expect(found.get_by_role("alert")).to_have_count(0)


def test_a_catalogue_that_is_slow_holds_up_nothing(lab: Page, marine: Marine, shot: Shot) -> None:
    found = again(lab, "temperature")
    there = sea.results(lab).get_by_role("list", name="Data sets").locator("> li")
    before = there.count()
    assert before
    with marine.hung("catalogue") as goes_on:
        began = time.monotonic()
        again(lab, "salinity")
        expect(found).to_have_attribute("aria-busy", "true")
        expect(found.locator(".jp-Pelagos-busy")).to_be_visible()
        expect(there).to_have_count(before)  # what was found stays until there is better
        # and all else goes on, for as long as it takes
        turns = 0
        while time.monotonic() - began < SLOW:
            sea.panel(lab, "Basket").get_by_role("region", name="Basket").wait_for(timeout=2000)
            field = sea.panel(lab, "Search").get_by_role("combobox", name="Search marine data")
            expect(field).to_have_value("salinity", timeout=2000)
            turns += 1
            lab.wait_for_timeout(500)  # as a person turns from one to the other
        assert turns > 5
        expect(found.locator("p", has_text="The catalogue is slow")).to_be_visible()
        shot(lab, "marine-state-slow")
        expect(found).to_have_attribute("aria-busy", "true")
        expect(found.get_by_role("alert")).to_have_count(0)
        goes_on()
        expect(found).to_have_attribute("aria-busy", "false")
    expect(found.get_by_role("button", name=sea.PROFILES)).to_be_visible()
    expect(found.get_by_role("heading", name=re.compile(r"^Data sets \("))).to_be_visible()


def test_a_catalogue_that_is_stopped_is_found_again(lab: Page, marine: Marine, shot: Shot) -> None:
    with marine.stopped("catalogue") as back:
        found = again(lab, "oxygen")
        alert = found.get_by_role("alert")
        expect(alert).to_contain_text("catalogue")
        assert "Traceback" not in alert.inner_text()
        shot(lab, "marine-state-stopped")
        alert.get_by_role("button", name="Try again").click()
        expect(found).to_have_attribute("aria-busy", "false")
        expect(alert).to_be_visible()  # it is still away
        back()
    again(lab, "temperature")
    sea.results(lab)

    def mended() -> bool:
        if alert.count():
            alert.get_by_role("button", name="Try again").click()
            sea.results(lab)
        return alert.count() == 0

    until(mended, 30, "the catalogue")
    expect(found.get_by_role("button", name=sea.PROFILES)).to_be_visible()


def test_nothing_found_says_what_to_let_go(lab: Page, shot: Shot) -> None:
    found = again(lab, "xyzzyplugh")
    expect(found).to_contain_text("No data set matches all of this")
    shot(lab, "marine-state-empty")
    found.get_by_role("button", name=re.compile("xyzzyplugh")).click()
    expect(found.get_by_role("button", name=sea.PROFILES)).to_be_visible()


def test_titles_are_text_and_a_data_set_may_have_no_place(lab: Page, shot: Shot) -> None:
    given = page_of(collection(1, title=HTML), collection(2, title="Nowhere", boxes=[]))
    lab.route("**/pelagos/collections*", answer(200, given))
    found = again(lab, "html")
    expect(found.get_by_role("button", name=HTML)).to_be_visible()
    expect(found.locator("li").filter(has_text="Nowhere")).to_contain_text("place not given")
    assert found.locator("img").count() == 0
    assert lab.title() != "broken"
    shot(lab, "marine-state-html")
    lab.unroute("**/pelagos/collections*")


def test_an_ended_sign_in_says_how_to_sign_in_again(lab: Page, shot: Shot) -> None:
    lab.route("**/pelagos/collections*", answer(403, {"message": "Forbidden"}))
    found = again(lab, "signed out")
    expect(found.get_by_role("alert")).to_contain_text("Your sign-in has ended.")
    shot(lab, "marine-state-signed-out")
    lab.unroute("**/pelagos/collections*")


def test_ten_thousand_granules_do_not_hold_up_the_page(lab: Page, shot: Shot) -> None:
    rows = [
        {
            "collection": "argo.profiles",
            "id": f"g{number}",
            "title": f"Granule {number}",
            "bbox": [x := number % 300 - 150, y := number % 140 - 70, x + 0.5, y + 0.5],
            "shape": None,
            "start": "2020-01-01T00:00:00Z",
            "end": None,
            "size": 1000,
            "files": 1,
            "platform": "",
            "formats": [],
        }
        for number in range(GRANULES)
    ]

    def page_by_page(route: Route) -> None:
        asked = route.request.post_data_json
        first, limit = int(asked.get("token") or asked.get("next") or 0), asked.get("limit") or 100
        after = first + limit
        given = {
            "granules": rows[first:after],
            "matched": GRANULES,
            "matched_text": f"{GRANULES:,}",
            "next": str(after) if after < GRANULES else None,
        }
        answer(200, given)(route)

    lab.route("**/pelagos/granules*", page_by_page)
    # twice: who shares the processor's caches may make one of them slow, the page both
    longest = min(look_through(lab, words, shot) for words in ("temperature", "salinity"))
    print(f"longest task: {longest:.0f} ms")
    assert 0 < longest < LONGEST
    lab.unroute("**/pelagos/granules*")


def look_through(page: Page, words: str, shot: Shot) -> float:
    """Search, open the granules and scroll to their end; the longest task, ms."""
    browser = page.context.browser
    assert browser
    browser.start_tracing(page=page, categories=[sea.TASKS])
    again(page, words)
    grid = sea.granules(page, sea.PROFILES)
    status = page.get_by_role("status", name="Matches")
    expect(status).to_contain_text("10,000 granules")
    body = grid.locator(".jp-Pelagos-gridBody")
    for _ in range(80):
        body.evaluate("one => one.scrollTo(0, one.scrollHeight)")
        if not status.get_by_text("loaded").count():
            break
        page.wait_for_timeout(50)  # as a person scrolls
    expect(status).not_to_contain_text("loaded")
    assert grid.get_by_role("row").count() < 100
    shot(page, "marine-state-many")
    longest = sea.longest_task(page)
    tab = page.get_by_role("tab", name=sea.PROFILES)
    tab.locator(".lm-TabBar-tabCloseIcon").click()
    expect(tab).to_have_count(0)
    return longest


def test_an_order_without_space_says_what_to_do(lab: Page, shot: Shot) -> None:
    again(lab, "Argo")
    grid = sea.granules(lab, sea.PROFILES)
    grid.get_by_role("row").nth(1).get_by_role("checkbox").click()
    given = {
        "files": 1,
        "known": 5 * 2**30,
        "unknown": 0,
        "cached": 0,
        "free": 2**20,
        "fits": False,
        "reason": "Your dataspace has 1 MiB left.",
        "accept": [],
        "refused": [],
    }
    lab.route("**/pelagos/estimate*", answer(200, given))
    lab.get_by_role("button", name="Add 1 to basket").last.click()
    basket = sea.panel(lab, "Basket")
    expect(basket.locator("strong").get_by_text("It does not fit.")).to_be_visible()
    expect(basket).to_contain_text("remove granules, or choose another place")
    expect(basket.get_by_role("button", name="Order 1 file")).to_be_disabled()
    assert barriers(lab, "#pelagos-panel") == []
    shot(lab, "marine-state-no-space")
    lab.unroute("**/pelagos/estimate*")


def test_themes(lab: Page, shot: Shot) -> None:
    again(lab, "temperature")
    sea.results(lab)
    for theme in ("JupyterLab Dark", "JupyterLab Dark High Contrast", "JupyterLab Light"):
        lab.get_by_role("menuitem", name="Settings", exact=True).click()
        lab.locator(".lm-Menu-item", has_text=re.compile("^Theme$")).hover()
        lab.locator(".lm-Menu-item").get_by_text(theme, exact=True).click()
        dark = "false" if "Dark" in theme else "true"
        expect(lab.locator(f"body[data-jp-theme-light={dark}]")).to_have_count(1)
        expect(lab.locator(f"body[data-jp-theme-name='{theme}']")).to_have_count(1)
        expect(lab.locator("#jupyterlab-splash")).to_have_count(0)
        shot(lab, f"marine-theme-{theme.replace(' ', '-').lower()}")
        assert barriers(lab, "#pelagos-panel") == [], theme


def test_narrow_and_wide(lab: Page, shot: Shot) -> None:
    again(lab, "temperature")
    sea.results(lab)
    sea.group(lab, "Area")
    lab.set_viewport_size({"width": 1600, "height": 900})
    try:
        for width in (600, 250):
            sea.width_of_panel(lab, width)
            for section in ("Basket", "Orders", "Storage", "Search"):
                panel = sea.panel(lab, section)
                expect(panel.get_by_role("tab", name=section)).to_be_visible()
                shot(lab, f"marine-{width}-{section.lower()}")
                assert sideways(panel) == [], (width, section)
    finally:
        lab.set_viewport_size({"width": 1280, "height": 860})


def sideways(panel: Locator) -> list[str]:
    """What in the panel has to be scrolled from side to side, or reaches out of it."""
    found: list[str] = panel.evaluate("""one => {
        const edge = one.getBoundingClientRect().right + 1;
        return [one, ...one.querySelectorAll('*')]
            .filter(each => {
                const scrolls = ['auto', 'scroll'].includes(getComputedStyle(each).overflowX);
                return scrolls && each.scrollWidth > each.clientWidth + 1 && each.clientWidth;
            })
            .map(each => `${each.tagName}.${each.className}`)
            .concat([...one.querySelectorAll('button, input, select')]
                .filter(each => each.getBoundingClientRect().right > edge)
                .map(each => `${each.tagName} ${each.textContent} is cut off`));
    }""")
    return found


def test_it_speaks_french(page: Page, marine: Marine, shot: Shot) -> None:
    marine.person("ines")
    marine.sign_in(page, "ines")
    page.get_by_role("menuitem", name="Settings", exact=True).click()
    page.locator(".lm-Menu-item", has_text=re.compile("^Language$")).hover()
    page.locator(".lm-Menu-item", has_text=re.compile("French|français")).click()
    with page.expect_navigation():
        page.locator(".jp-Dialog .jp-mod-accept").click()
    page.get_by_role("menuitem", name="Fichier", exact=True).wait_for()
    expect(page.locator("#jupyterlab-splash")).to_have_count(0)
    page.get_by_role("tab", name="Données marines").click()
    panel = page.locator("#pelagos-panel")
    panel.get_by_role("tab", name="Recherche").click()
    field = panel.get_by_role("combobox", name="Chercher des données marines")
    field.fill("temperature")
    field.press("Enter")
    found = panel.get_by_role("region", name="Résultats")
    expect(found.get_by_role("heading", name=re.compile(r"^Jeux de données \("))).to_be_visible()
    panel.get_by_role("button", name=re.compile("^Zone")).click()
    area = panel.get_by_role("button", name=re.compile("^Zone"))
    if area.get_attribute("aria-expanded") == "false":
        area.click()
    expect(panel.get_by_role("button", name="Tracer un rectangle")).to_be_visible()
    expect(panel.get_by_role("button", name="Monde entier")).to_be_visible()
    expect(panel.get_by_role("group", name="Rectangle en degrés")).to_be_visible()
    shot(page, "marine-french")
    panel.get_by_role("tab", name="Panier").click()
    expect(panel.get_by_text("Votre panier est vide.")).to_be_visible()
    assert barriers(page, "#pelagos-panel") == []
    shot(page, "marine-french-basket")


def test_it_works_by_keyboard_alone(lab: Page) -> None:
    field = sea.panel(lab, "Search").get_by_role("combobox", name="Search marine data")
    field.focus()
    lab.keyboard.press("Control+a")
    lab.keyboard.type("Argo float")
    lab.keyboard.press("Escape")  # the suggestions
    lab.keyboard.press("Enter")
    wanted = sea.results(lab).get_by_role("button", name=sea.PROFILES)
    expect(wanted).to_be_visible()
    for _ in range(60):
        lab.keyboard.press("Tab")
        if wanted.evaluate("one => one === document.activeElement"):
            break
    expect(wanted).to_be_focused()
    lab.keyboard.press("Enter")
    grid = lab.get_by_role("grid", name="Granules")
    expect(grid.get_by_role("row").nth(3)).to_be_visible()
    row = grid.get_by_role("row").nth(1)
    row.focus()
    chosen = grid.locator("[role=row][aria-selected=true]")
    before = chosen.count()
    lab.keyboard.press("ArrowDown")
    lab.keyboard.press("ArrowDown")
    lab.keyboard.press("Space")
    expect(chosen).to_have_count(before + 1)
