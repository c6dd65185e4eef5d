"""The page of a person's storage, as a person sees it: on a laptop, on a phone, by keyboard."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pelagos.deployment import WORKSPACE_PATH
from playwright.sync_api import Page, expect
from stand_ins import PeopleAgent, storage_of_nobody
from support import Vre
from webdav_peers import Apache, apache_server

Shot = Callable[[Page, str], None]
GIB = 2**30
SETTINGS = (
    "images: [base]\nvirtual_labs: [{name: ocean-climate, open: true, images: [base]}]\n"
    "site: {contact: help@vre.example.org}\n"
)


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vre]:
    """A VRE with workspaces of its own."""
    yield from running(tmp_path_factory.mktemp("embedded"), SETTINGS)


@pytest.fixture(scope="module")
def apache() -> Iterator[Apache]:
    with apache_server() as server:
        yield server


@pytest.fixture(scope="module")
def webdav(tmp_path_factory: pytest.TempPathFactory, apache: Apache) -> Iterator[Vre]:
    """A VRE whose workspaces are elsewhere."""
    storage = f"storage: {{workspace: {{kind: webdav, url: '{apache.url}{{user}}/'}}}}\n"
    yield from running(tmp_path_factory.mktemp("webdav"), SETTINGS + storage)


def running(folder: Path, settings: str) -> Iterator[Vre]:
    vre = Vre(folder / "state", settings)
    try:
        yield vre.up("--backend", "docker").wait_for_workspace_service()
    finally:
        vre.down()


def busy() -> dict[str, Any]:
    """Something in every place of the page."""
    now = time.time()
    return {
        "workspace": {
            "state": "mounted", "reason": "", "pending": 3, "pending_bytes": 45 * 2**20,
            "failed": [
                {
                    "name": "results/2026/a-rather-long-name-of-a-file-that-does-not-end.nc",
                    "reason": "The server has no space left for it.", "tries": 4, "next_try": 95,
                }
            ],
            "used": 6 * GIB, "total": 10 * GIB,
        },
        "dataspace": {
            "areas": [
                {
                    "name": "me", "used": 19 * GIB, "quota": 20 * GIB, "enforced": True,
                    "state": "ready", "reason": "", "expires_after": 7 * 86400,
                    "next": [{"path": "run1/sst.nc", "expires": now + 7300},
                             {"path": "run2/heat-content.zarr/0.0", "expires": now + 90_000}],
                    "pins": [{"path": "run7", "until": now + 20 * 86400}],
                },
                {
                    "name": "ocean-climate", "used": 5 * GIB, "quota": 50 * GIB,
                    "enforced": False, "state": "ready", "reason": "",
                    "expires_after": 30 * 86400, "next": [], "pins": [],
                },
                {
                    "name": "pool", "used": None, "quota": None, "enforced": True,
                    "state": "ready", "reason": "", "expires_after": 0, "next": [], "pins": [],
                },
            ]
        },
    }  # fmt: skip


def open_page(page: Page, vre: Vre, name: str) -> list[str]:
    """Open the page as a person who is not signed in yet; what the browser complains of."""
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{vre.url}{WORKSPACE_PATH}/")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password", exact=False).first.fill(vre.password())
    complaints.clear()  # those of the hub's own page
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Your storage")).to_be_visible()
    return complaints


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def phone(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})


def test_a_person_sees_all_storage_and_what_waits(page: Page, embedded: Vre, shot: Shot) -> None:
    with PeopleAgent(embedded.deployment.people_socket) as agent:
        agent.people["ada"] = busy()
        complaints = open_page(page, embedded, "ada")
        workspace = page.get_by_role("region", name="Workspace")
        expect(workspace).to_contain_text("Connected, but some files are refused")
        expect(workspace).to_contain_text("3 files wait to be uploaded (45 MiB).")
        expect(workspace).to_contain_text("4 tries; next in 1 minute")
        mine = page.get_by_role("region", name="Yours: /dataspace/me")
        expect(mine).to_contain_text("run1/sst.nc")
        expect(mine).to_contain_text("(in 2 hours)")
        expect(mine.get_by_role("meter")).to_have_attribute("value", str(19 * GIB))
        lab = page.get_by_role("region", name="Virtual lab ocean-climate")
        expect(lab).to_contain_text("not enforced")
        address = f"{embedded.url}{WORKSPACE_PATH}/dav/ada/"
        expect(page.get_by_text(address, exact=True)).to_be_visible()
        assert page.get_by_role("link", name="Tokens").count() == 2
        full(page, shot, "storage-desktop")
        phone(page)
        assert fits(page), "the page is wider than a phone"
        full(page, shot, "storage-phone")
        # the page brings itself up to date
        agent.people["ada"]["workspace"] |= {"pending": 0, "pending_bytes": 0, "failed": []}
        expect(workspace).to_contain_text("everything is safe on the server", timeout=30_000)
    assert complaints == []


def full(page: Page, shot: Shot, name: str) -> None:
    """A picture of the whole page."""
    width = page.viewport_size["width"] if page.viewport_size else 0
    before = page.viewport_size
    height = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": width, "height": height})
    shot(page, name)
    if before:
        page.set_viewport_size(before)


def test_try_again_works_by_keyboard(page: Page, embedded: Vre, shot: Shot) -> None:
    with PeopleAgent(embedded.deployment.people_socket) as agent:
        agent.people["bob"] = storage_of_nobody()
        agent.people["bob"]["workspace"] |= {
            "state": "unavailable",
            "reason": "The WebDAV server does not answer.",
        }
        open_page(page, embedded, "bob")
        expect(page.get_by_role("status").first).to_contain_text("Not available")
        button = page.get_by_role("button", name="Try again")
        for _ in range(12):
            if button.evaluate("element => element === document.activeElement"):
                break
            page.keyboard.press("Tab")
        expect(button).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_text("Trying again.")).to_be_visible()
        assert ("retry", "bob", None) in agent.asked
        shot(page, "storage-unavailable")


def test_it_works_without_scripts(page: Page, embedded: Vre) -> None:
    assert page.context.browser is not None
    context = page.context.browser.new_context(java_script_enabled=False)
    try:
        with PeopleAgent(embedded.deployment.people_socket) as agent:
            agent.people["carol"] = busy()
            # the hub's own sign-in works without scripts too
            plain = context.new_page()
            open_page(plain, embedded, "carol")
            plain.get_by_role("button", name="Try again").click()
            expect(plain.get_by_text("Trying again.")).to_be_visible()
    finally:
        context.close()


def test_without_the_agent_the_page_says_so(page: Page, embedded: Vre, shot: Shot) -> None:
    embedded.deployment.people_socket.unlink(missing_ok=True)  # nobody listens there
    phone(page)
    open_page(page, embedded, "dora")
    expect(page.get_by_text("The node agent, which looks after storage")).to_be_visible()
    assert fits(page)
    shot(page, "storage-no-agent-phone")


def test_an_account_elsewhere_is_entered_and_forgotten(
    page: Page, webdav: Vre, apache: Apache, shot: Shot
) -> None:
    with PeopleAgent(webdav.deployment.people_socket) as agent:
        agent.people["ada"] = storage_of_nobody()
        complaints = open_page(page, webdav, "ada")
        page.get_by_label("User name on").fill(apache.user)
        page.get_by_label("App password").fill("wrong")
        page.get_by_label("App password").press("Enter")
        told = page.get_by_role("alert").first
        expect(told).to_contain_text("does not take this user name and password")
        expect(page.get_by_label("User name on")).to_have_value(apache.user)
        expect(page.get_by_label("App password")).to_have_value("")
        full(page, shot, "storage-account-wrong")
        phone(page)
        assert fits(page)
        full(page, shot, "storage-account-wrong-phone")
        complaints[:] = [text for text in complaints if "status of 400" not in text]
        page.get_by_label("App password").fill(apache.password)
        page.get_by_role("button", name="Test and keep").click()
        expect(page.get_by_text(re.compile("took your account"))).to_be_visible()
        expect(page.get_by_label("App password")).to_have_value("")
        full(page, shot, "storage-account-kept-phone")
        page.get_by_role("button", name="Forget this account").click()
        expect(page.get_by_text("is forgotten")).to_be_visible()
    assert complaints == []
