"""The workspace service without a hub: what it refuses, what it sends to the node agent."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pelagos.deployment import WORKSPACE_PATH, Deployment
from pelagos.errors import AccountError, AwayError, StateError
from pelagos.services.identity import Caller, Hub
from pelagos.services.pace import Pace
from pelagos.services.workspace import elsewhere
from pelagos.services.workspace.agent import Agent, AgentRefusal, PersonStatus
from pelagos.services.workspace.service import make_app, prepare_folder, vault_folder
from pelagos.services.workspace.storage import about
from stand_ins import PeopleAgent, storage_of_nobody
from support import free_port

ACCOUNT = (54321, 54321)  # user and group number of nobody here
OPEN = {f"{WORKSPACE_PATH}/health", f"{WORKSPACE_PATH}/oauth_callback"}


@pytest.fixture
async def client(deployment: Deployment) -> AsyncIterator[httpx.AsyncClient]:
    # a hub that is away, whatever runs on this machine
    deployment.facts = deployment.facts.model_copy(update={"hub_port": free_port()})
    app = make_app(deployment)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://vre.example.org"
        ) as client,
    ):
        client.app = app  # type: ignore[attr-defined]
        yield client


def routes(deployment: Deployment) -> Iterator[tuple[str, str]]:
    """Every method and path that the application answers to."""
    for included in make_app(deployment).routes:
        # FastAPI keeps an included router as one entry that knows its routes
        contexts: list[Any] = list(included.effective_route_contexts())  # type: ignore[attr-defined]
        assert contexts
        for route in contexts:
            yield from ((method, route.path) for method in route.methods)


def test_each_route_for_programs_has_a_heading(deployment: Deployment, root: Path) -> None:
    page = (root / "docs" / "reference" / "workspace-api.md").read_text()
    programs = [
        f"{method} {path}"
        for method, path in routes(deployment)
        if path.endswith(("/health", "/metrics")) or "/api/" in path
    ]
    assert len(programs) == 6
    assert [call for call in programs if f"\n## `{call}`\n" not in page] == []


async def test_every_route_but_two_refuses_a_stranger(
    client: httpx.AsyncClient, deployment: Deployment
) -> None:
    found = set(routes(deployment))
    assert len(found) >= 12, found
    assert {path for _, path in found} >= OPEN
    for method, path in found:
        answer = await client.request(method, re.sub(r"{\w+}", "storage.js", path))
        if path in OPEN:
            assert answer.status_code in (200, 403), (method, path)
        elif answer.status_code == 302:
            assert answer.headers["location"].startswith("/hub/api/oauth2/authorize?")
        else:
            assert answer.status_code in (401, 403), (method, path)


@pytest.mark.parametrize("path", ["/", "/api/status", "/health", "/nothing", "/oauth_callback"])
async def test_every_answer_carries_the_security_headers(
    client: httpx.AsyncClient, path: str
) -> None:
    answer = await client.get(f"{WORKSPACE_PATH}{path}")
    policy = answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-inline" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


async def test_a_sign_in_begins_with_pkce_and_a_state_of_its_own(
    client: httpx.AsyncClient,
) -> None:
    answers = [
        await client.get(f"{WORKSPACE_PATH}/", headers={"X-Forwarded-Proto": "https,http"})
        for _ in range(2)
    ]
    queries = [parse_qs(urlsplit(answer.headers["location"]).query) for answer in answers]
    assert queries[0]["code_challenge_method"] == ["S256"]
    assert queries[0]["redirect_uri"] == [f"{WORKSPACE_PATH}/oauth_callback"]
    assert queries[0]["state"] != queries[1]["state"]
    assert queries[0]["code_challenge"] != queries[1]["code_challenge"]
    cookie = answers[0].headers["set-cookie"]
    assert {"HttpOnly", "Secure", "SameSite=lax"} <= set(cookie.split("; "))
    assert f"Path={WORKSPACE_PATH}/oauth_callback" in cookie
    assert queries[0]["state"][0] not in cookie


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Mode": "cors"}, {"X-CSRF-Token": "x"}])
async def test_a_script_does_not_begin_sign_ins(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    answer = await client.get(f"{WORKSPACE_PATH}/", headers=headers)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


async def test_a_sign_in_that_was_not_begun_here_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{WORKSPACE_PATH}/oauth_callback?code=abc&state=def")
    assert answer.status_code == 403
    assert "not begun here" in answer.text
    assert "set-cookie" not in answer.headers


async def test_a_hub_that_is_away_is_said_so(client: httpx.AsyncClient) -> None:
    headers = {"Authorization": "token abc"}
    answer = await client.get(f"{WORKSPACE_PATH}/api/status", headers=headers)
    assert answer.status_code == 503
    assert "hub" in answer.json()["reason"]
    client.cookies.set("service-workspace", "abc")
    page = await client.get(f"{WORKSPACE_PATH}/")
    assert page.status_code == 503
    assert "The hub, which knows who you are, does not answer" in page.text


async def test_a_request_that_is_too_long_is_not_read(client: httpx.AsyncClient) -> None:
    answer = await client.post(f"{WORKSPACE_PATH}/account", content=b"x" * 70_000)
    assert answer.status_code == 413

    async def body() -> AsyncIterator[bytes]:
        yield b"x"

    answer = await client.post(f"{WORKSPACE_PATH}/account", content=body())
    assert answer.status_code == 411


async def test_the_service_says_nothing_of_what_it_is_made_of(client: httpx.AsyncClient) -> None:
    for path in ("/openapi.json", "/docs", "/redoc", f"{WORKSPACE_PATH}/openapi.json"):
        assert (await client.get(path)).status_code == 404


@pytest.fixture
def signed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub knows every token, as that of the person of this name."""

    async def who(hub: Hub, token: str) -> Caller:
        return Caller(token, True, False, frozenset({"access:services"}))

    monkeypatch.setattr(Hub, "who", who)


async def as_person(
    client: httpx.AsyncClient, name: str, method: str, path: str, **more: Any
) -> httpx.Response:
    headers = {"Authorization": f"token {name}"}
    return await client.request(method, f"{WORKSPACE_PATH}/api{path}", headers=headers, **more)


@pytest.mark.usefixtures("signed_in")
@pytest.mark.parametrize(
    ("method", "path", "body", "most"),
    [
        ("POST", "/retry", None, 3),
        ("GET", "/status", None, 20),
        ("DELETE", "/pins", {"area": "me", "path": "x"}, 50),
    ],
)
async def test_who_asks_too_often_waits_and_nobody_else_does(
    client: httpx.AsyncClient,
    deployment: Deployment,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    path: str,
    body: Any,
    most: int,
) -> None:
    now = 0.0
    monkeypatch.setattr("pelagos.services.pace.monotonic", lambda: now)
    with PeopleAgent(deployment.people_socket) as stand_in:
        for _ in range(most):
            assert (await as_person(client, "ada", method, path, json=body)).is_success
        refused = await as_person(client, "ada", method, path, json=body)
        assert refused.status_code == 429
        assert "Try again in" in refused.json()["reason"]
        assert len(stand_in.asked) == most
        assert (await as_person(client, "bob", method, path, json=body)).is_success
        now += int(refused.headers["retry-after"])
        assert (await as_person(client, "ada", method, path, json=body)).is_success


@pytest.mark.usefixtures("signed_in")
async def test_a_person_has_one_retry_at_a_time(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answer = asyncio.Event(), asyncio.Event()

    async def slow(agent: Agent, user: str) -> PersonStatus:
        asked.set()
        await answer.wait()
        return PersonStatus.model_validate(storage_of_nobody())

    monkeypatch.setattr(Agent, "retry", slow)
    first = asyncio.create_task(as_person(client, "ada", "POST", "/retry"))
    async with asyncio.timeout(20):
        await asked.wait()
        refused = await as_person(client, "ada", "POST", "/retry")
        answer.set()
        assert (await first).is_success
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "1"
    assert "still being done" in refused.json()["reason"]
    assert (await as_person(client, "ada", "POST", "/retry")).is_success


def test_the_pace_forgets_who_has_been_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("pelagos.services.pace.monotonic", lambda: now)
    pace = Pace(1, 2)
    for number in range(3000):
        now += 0.01
        pace._take(f"person-{number}")
    assert len(pace._left) <= 1001


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[Agent]:
    agent = Agent(tmp_path / "a.sock")
    yield agent
    await agent.close()


@pytest.mark.parametrize(
    "name", ["ada", "ada@example.org", "a b", "ümlaut", "..", "a%2Fb", "a?b#c"]
)
async def test_any_name_reaches_the_agent_as_it_is(agent: Agent, tmp_path: Path, name: str) -> None:
    with PeopleAgent(tmp_path / "a.sock") as stand_in:
        await agent.status(name)
        await agent.retry(name)
        await agent.pin(name, "me", "run 1/out.nc", 5)
        await agent.unpin(name, "me", "run 1/out.nc")
    body = {"area": "me", "path": "run 1/out.nc"}
    assert stand_in.asked == [
        ("status", name, None),
        ("retry", name, None),
        ("PUT pin", name, {**body, "until": 5}),
        ("DELETE pin", name, {**body, "until": 0}),
    ]


async def test_the_agents_refusal_is_its_own_sentence(agent: Agent, tmp_path: Path) -> None:
    with PeopleAgent(tmp_path / "a.sock"), pytest.raises(AgentRefusal, match=r"no gone\.nc") as got:
        await agent.pin("ada", "me", "gone.nc", 5)
    assert got.value.status == 404


async def test_an_agent_that_is_away_or_talks_nonsense_is_away(
    agent: Agent, tmp_path: Path
) -> None:
    with pytest.raises(AwayError, match="node agent"):
        await agent.status("ada")
    with PeopleAgent(tmp_path / "a.sock") as stand_in:
        stand_in.people["ada"] = storage_of_nobody() | {"workspace": {"state": "dancing"}}
        with pytest.raises(AwayError, match="node agent"):
            await agent.status("ada")


@pytest.mark.parametrize(
    "user", ["a/b", "..", "a\\b", "a\nb", "a\x00", "", " ", ".", "a:b", "x" * 300]
)
def test_a_user_name_that_leaves_its_folder_is_refused(user: str) -> None:
    with pytest.raises(AccountError) as caught:
        elsewhere.account("https://cloud.example.org/dav/{user}/", user, "secret-password")
    assert "secret-password" not in caught.value.sentence


@given(st.text(alphabet=st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=40))
def test_a_user_name_stays_one_part_of_the_path(user: str) -> None:
    try:
        found = elsewhere.account("https://cloud.example.org/dav/{user}/files", user, "p")
    except AccountError:
        return
    parts = urlsplit(found.url)
    assert (parts.netloc, parts.query, parts.fragment) == ("cloud.example.org", "", "")
    assert re.fullmatch(r"/dav/[^/]+/files/", parts.path)
    assert ".." not in parts.path.split("/")


def test_a_user_name_never_chooses_the_host() -> None:
    found = elsewhere.account("https://{user}.example.org/dav/", "evil", "p")
    assert "evil" not in found.url


def test_the_folder_of_passwords_is_closed(deployment: Deployment) -> None:
    vault_folder(deployment).mkdir(parents=True, mode=0o755)
    prepare_folder(vault_folder(deployment), as_account=deployment.facts.as_account)
    assert deployment.state.storage.stat().st_mode & 0o777 == 0o711
    assert vault_folder(deployment).stat().st_mode & 0o777 == 0o700


@pytest.fixture
def of_account(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """A VRE whose services give root up for an account; its folders are that account's."""
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    monkeypatch.setattr("pelagos.accounts.ids", lambda: ACCOUNT)
    folder = vault_folder(deployment)
    folder.mkdir(parents=True)
    (folder / "ada").write_text("kept")
    for path in (folder.parent, folder):
        os.chown(path, *ACCOUNT)  # as an earlier version left it
    facts = deployment.facts.model_copy(update={"as_account": True})
    return Deployment(deployment.state, facts, deployment.settings, deployment.graph)


def owner(path: Path) -> int:
    return path.lstat().st_uid


def test_passwords_are_the_accounts_and_the_folder_above_is_roots(of_account: Deployment) -> None:
    prepare_folder(vault_folder(of_account), as_account=of_account.facts.as_account)
    folder = vault_folder(of_account)
    assert owner(folder) == owner(folder / "ada") == ACCOUNT[0]
    assert owner(of_account.state.storage) == 0
    assert of_account.state.storage.stat().st_mode & 0o777 == 0o711


def test_a_folder_of_passwords_swapped_for_a_link_leads_nowhere(
    of_account: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, outside = vault_folder(of_account), tmp_path / "etc"
    outside.mkdir()
    (outside / "ada").write_text("precious")
    real = os.open

    def swap_first(path: Any, *arguments: Any, **options: Any) -> int:
        if Path(path).name == "ada" and not folder.is_symlink():
            folder.rename(folder.with_name("moved"))
            folder.symlink_to(outside)
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "open", swap_first)
    prepare_folder(vault_folder(of_account), as_account=of_account.facts.as_account)
    assert folder.is_symlink()
    assert owner(outside) == owner(outside / "ada") == 0
    with pytest.raises(StateError, match="can't be used"):
        prepare_folder(vault_folder(of_account), as_account=of_account.facts.as_account)
    assert owner(outside) == owner(outside / "ada") == 0


def test_links_and_folders_among_the_passwords_stay_whose_they_are(
    of_account: Deployment, tmp_path: Path
) -> None:
    folder, precious = vault_folder(of_account), tmp_path / "shadow"
    precious.write_text("precious")
    os.link(precious, folder / "hard")
    (folder / "soft").symlink_to(precious)
    (folder / "folder").mkdir()
    os.mkfifo(folder / "fifo")
    prepare_folder(vault_folder(of_account), as_account=of_account.facts.as_account)
    assert owner(folder / "ada") == ACCOUNT[0]
    assert {owner(folder / name) for name in ("hard", "soft", "folder", "fifo")} == {0}


def test_nobody_changes_the_folder_of_passwords_while_root_looks_at_a_file(
    of_account: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, real, owners = vault_folder(of_account), os.open, []

    def look(path: Any, *arguments: Any, **options: Any) -> int:
        if Path(path).name == "ada":
            owners.append(owner(folder))
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "open", look)
    prepare_folder(vault_folder(of_account), as_account=of_account.facts.as_account)
    assert owners == [0]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(5, "less than a minute"), (60, "1 minute"), (7200, "2 hours"), (200_000, "2 days")],
)
def test_how_long_is_said_in_one_unit(seconds: float, text: str) -> None:
    assert about(seconds) == text
