"""The page of a person's orders, as a person sees it: on a laptop, on a phone, by keyboard.

The service is the real one over a real database; only the hub is a stand-in, whose sign-in is a
cookie that is there already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from catalogue_service import HubStandIn
from datapool_service import Service, wanted
from jupyterhub._data import DATA_FILES_PATH
from pelagos.datapool.database import next_change, open_database, transaction, url_of
from pelagos.datapool.tables import orders
from pelagos.deployment import DATAPOOL_PATH
from playwright.sync_api import Browser, Page, Route, expect
from sqlalchemy import update

Shot = Callable[[Page, str], None]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with HubStandIn() as hub, Service(tmp_path, hub, url_of(tmp_path)) as service:
        yield service


@pytest.fixture
def signed_in(browser: Browser, service: Service) -> Iterator[Page]:
    """A page of Ada, with what the browser complains of in `complaints`."""
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    context.set_default_timeout(20_000)
    context.add_cookies([
        {"name": "service-datapool", "value": service.person("ada"), "url": service.origin},
    ])  # fmt: skip
    context.route("**/hub/static/**", hub_file)
    page = context.new_page()
    page.complaints = []  # type: ignore[attr-defined]
    page.on("console", lambda message: page.complaints.append(message.text))  # type: ignore[attr-defined]
    page.on("pageerror", lambda error: page.complaints.append(str(error)))  # type: ignore[attr-defined]
    yield page
    context.close()


def hub_file(route: Route) -> None:
    """The hub's own styles and scripts, which no hub serves here."""
    name = urlsplit(route.request.url).path.removeprefix("/hub/static/")
    path = Path(DATA_FILES_PATH) / "static" / name
    if path.is_file():
        route.fulfill(path=path)
    else:
        route.fulfill(status=200, body="")


def change(service: Service, number: int, **values: Any) -> None:
    engine = open_database(url_of(service.folder))
    with transaction(engine) as connection:
        connection.execute(
            update(orders)
            .where(orders.c.number == number)
            .values(changed=next_change(connection), **values)
        )
    engine.dispose()


def make(service: Service, *numbers: int, **more: Any) -> int:
    with service.client(service.person("ada")) as ada:
        found: int = ada.post("/orders", json=wanted(*numbers, **more)).json()["number"]
        return found


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def test_a_person_sees_orders_go_on_and_acts_on_them(
    signed_in: Page, service: Service, shot: Shot
) -> None:
    page = signed_in
    page.goto(f"{service.origin}{DATAPOOL_PATH}/")
    expect(page.get_by_role("heading", name="No orders yet")).to_be_visible()
    ready = make(service, 1, 2, title="Sea <b>surface</b> temperature")
    # the page brings itself up to date
    first = page.get_by_role("region", name=f"Order {ready}: Sea <b>surface</b> temperature")
    expect(first).to_contain_text("Waits for its turn")
    change(service, ready, state="ready", files_ready=2, bytes_done=2051,
           folder=f"orders/{ready}", expires=2_000_000_000)  # fmt: skip
    expect(first).to_contain_text("Ready")
    expect(first).to_contain_text(f"~/dataspace/me/orders/{ready}")
    failed = make(service, 3, title="a-very-long-title-without-any-space-in-it" * 4)
    change(service, failed, state="failed", files_failed=1,
           error="https://data.example.org answers 404: the file is gone.")  # fmt: skip
    going = make(service, 4, 5, 6, 7)
    change(service, going, state="fetching", files_ready=1, bytes_done=1500)
    bar = page.get_by_role("progressbar", name=f"Order {going}: progress")
    expect(bar).to_have_attribute("value", "36")
    expect(page.get_by_role("region", name=f"Order {failed}")).to_contain_text("answers 404")
    shot(page, "orders-desktop")
    page.set_viewport_size({"width": 360, "height": 780})
    assert fits(page), "the page is wider than a phone"
    page.set_viewport_size(
        {"width": 360, "height": page.evaluate("document.documentElement.scrollHeight")}
    )
    shot(page, "orders-phone")
    page.get_by_role("button", name=f"Try again: order {failed}").click()
    expect(page.get_by_role("status").first).to_contain_text("Trying again")
    expect(page.get_by_role("region", name=f"Order {failed}")).to_contain_text("Waits")
    page.get_by_role("button", name=f"Delete: order {ready}").click()
    expect(page.get_by_role("status").first).to_contain_text("forgotten")
    assert first.count() == 0
    assert page.complaints == []  # type: ignore[attr-defined]


def test_it_works_by_keyboard_and_what_changes_does_not_lose_the_place(
    signed_in: Page, service: Service
) -> None:
    page = signed_in
    one = make(service, 1)
    page.goto(f"{service.origin}{DATAPOOL_PATH}/")
    button = page.get_by_role("button", name=f"Cancel: order {one}")
    for _ in range(20):
        page.keyboard.press("Tab")
        if button.evaluate("one => one === document.activeElement"):
            break
    expect(button).to_be_focused()
    change(service, one, state="fetching", bytes_done=100)
    expect(page.get_by_role("region", name=f"Order {one}")).to_contain_text("Being fetched")
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name=f"Order {one}")).to_contain_text("Cancelled")
    assert page.complaints == []  # type: ignore[attr-defined]


def test_without_scripts_the_page_and_its_forms_work(browser: Browser, service: Service) -> None:
    one = make(service, 1)
    context = browser.new_context(java_script_enabled=False)
    context.add_cookies([
        {"name": "service-datapool", "value": service.person("ada"), "url": service.origin},
    ])  # fmt: skip
    context.route("**/hub/static/**", hub_file)
    page = context.new_page()
    page.goto(f"{service.origin}{DATAPOOL_PATH}/")
    page.get_by_role("button", name=f"Cancel: order {one}").click()
    expect(page.get_by_role("region", name=f"Order {one}")).to_contain_text("Cancelled")
    context.close()


def test_who_is_not_signed_in_is_sent_to_the_hub_and_others_send_no_forms(
    browser: Browser, service: Service
) -> None:
    one = make(service, 1)
    context = browser.new_context()
    page = context.new_page()
    answer = context.request.get(f"{service.origin}{DATAPOOL_PATH}/", max_redirects=0)
    assert (answer.status, answer.headers["location"][:27]) == (
        302,
        "/hub/api/oauth2/authorize?c"[:27],
    )
    context.add_cookies([
        {"name": "service-datapool", "value": service.person("bob"), "url": service.origin},
    ])  # fmt: skip
    address = f"{service.origin}{DATAPOOL_PATH}/orders/{one}/cancel"
    assert context.request.post(address, form={"csrf": "guessed"}).status == 403
    context.route("**/hub/static/**", hub_file)
    page.goto(f"{service.origin}{DATAPOOL_PATH}/")
    csrf = page.locator("#orders").get_attribute("data-csrf") or ""
    headers = {"Sec-Fetch-Site": "same-origin", "Origin": service.origin}
    answer = context.request.post(address, form={"csrf": csrf}, headers=headers)
    assert answer.status == 404, "it is Ada's"
    context.close()
