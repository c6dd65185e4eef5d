"""The workspace service behind a real hub: who sees what, and accounts elsewhere for real."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pelagos.deployment import WORKSPACE_PATH
from pelagos.services.workspace.service import STORAGE_KEY, vault_folder
from pelagos.vault import Vault
from stand_ins import PeopleAgent, storage_of_nobody
from support import Person, Vre, cell, until
from webdav_peers import Apache, apache_server, open_folder

pytestmark = pytest.mark.engine

SCOPE = "access:services!service=workspace"
PAGE = f"{WORKSPACE_PATH}/"


@pytest.fixture(scope="module")
def apache() -> Iterator[Apache]:
    with apache_server() as server:
        yield server


@pytest.fixture(scope="module")
def vre(apache: Apache) -> Iterator[Vre]:
    with open_folder() as folder:
        vre = Vre(
            folder / "state",
            "images: [base]\n"
            "authentication: {admins: [grace]}\n"
            "virtual_labs: [{name: reef, title: Reef, open: true, images: [base]}]\n"
            f"storage: {{workspace: {{kind: webdav, url: '{apache.url}{{user}}/'}}}}\n",
        )
        try:
            yield vre.up("--backend", "docker").wait_for_workspace_service()
        finally:
            vre.down()


@pytest.fixture
def agent(vre: Vre) -> Iterator[PeopleAgent]:
    """A node agent that knows what the test says."""
    with PeopleAgent(vre.deployment.people_socket) as stand_in:
        yield stand_in


@pytest.fixture(scope="module")
def ada(vre: Vre) -> Iterator[Person]:
    with Person(vre, "ada") as person:
        yield person


def token_of(person: Person, scopes: list[str] | None) -> dict[str, Any]:
    """A new token of a person, made as the token page does; `None` for all that they may do."""
    body = {"note": "test"} if scopes is None else {"note": "test", "scopes": scopes}
    answer = person.post(f"/hub/api/users/{person.name}/tokens", json=body)
    assert answer.status_code == 201, answer.text
    model: dict[str, Any] = answer.json()
    return model


def api(vre: Vre, path: str, token: str, method: str = "GET", **more: Any) -> httpx.Response:
    """A program's request, through the proxy."""
    return httpx.request(
        method,
        f"{vre.url}{WORKSPACE_PATH}{path}",
        headers={"Authorization": f"token {token}"},
        timeout=30,
        trust_env=False,
        **more,
    )


def csrf(page: httpx.Response) -> str:
    found = re.search(r'name="csrf" value="(\w+)"', page.text)
    assert found, page.text
    return found[1]


def told(page: httpx.Response) -> str:
    """What the page says of the form that was sent."""
    found = re.search(r'role="(?:alert|status)">([^<]+)<', page.text)
    return found[1] if found else page.text


def busy() -> dict[str, Any]:
    """A person with something in every place of the page."""
    status = storage_of_nobody()
    status["workspace"] |= {
        "state": "unavailable", "reason": "The server refuses the password.", "pending": 3,
        "pending_bytes": 2**20,
        "failed": [{"name": "<b>x</b>.nc", "reason": "full", "tries": 2, "next_try": 60}],
    }  # fmt: skip
    return status


def test_a_person_signs_in_through_the_hub(ada: Person, agent: PeopleAgent) -> None:
    agent.people["ada"] = busy()
    page = ada.client.get(PAGE)
    assert page.status_code == 200, page.text
    assert str(page.url).endswith(PAGE)
    assert "Signed in as ada" in page.text
    assert "The server refuses the password." in page.text
    assert "&lt;b&gt;x&lt;/b&gt;.nc" in page.text
    steps = [step.url.path for step in page.history]
    assert "/hub/api/oauth2/authorize" in steps, steps
    assert f"{WORKSPACE_PATH}/oauth_callback" in steps
    cookies = [c for c in ada.client.cookies.jar if c.path.startswith(WORKSPACE_PATH)]
    assert [(c.name, c.path) for c in cookies] == [("service-workspace", PAGE)]
    assert cookies[0].has_nonstandard_attr("HttpOnly")


def test_each_person_sees_their_own_only(vre: Vre, ada: Person, agent: PeopleAgent) -> None:
    agent.people["ada"] = busy()
    with Person(vre, "bob") as bob:
        page = bob.client.get(f"{PAGE}?user=ada")
        assert "Signed in as bob" in page.text
        assert "refuses the password" not in page.text
        token = token_of(bob, [SCOPE])["token"]
        own = api(vre, "/api/status?user=ada", token)
        assert own.json()["workspace"]["state"] == "absent"
        assert api(vre, "/api/status/ada", token).status_code == 404
    assert {user for _, user, _ in agent.asked} == {"bob"}


def test_a_token_opens_the_api_if_it_has_the_scope(
    vre: Vre, ada: Person, agent: PeopleAgent
) -> None:
    agent.people["ada"] = busy()
    status = api(vre, "/api/status", token_of(ada, [SCOPE])["token"])
    assert status.status_code == 200, status.text
    assert status.json()["workspace"]["pending"] == 3
    # all that a person may do includes their files
    assert api(vre, "/api/status", token_of(ada, None)["token"]).status_code == 200
    without = api(vre, "/api/status", token_of(ada, ["read:users:name!user"])["token"])
    assert without.status_code == 403
    assert SCOPE in without.json()["reason"]
    assert api(vre, "/api/status", "no-such-token").status_code == 401
    # a service is nobody with files
    reader = vre.state.secret("pelagos-dav")
    assert api(vre, "/api/status", reader).status_code == 403


def test_who_signs_out_of_the_hub_is_out_of_the_page_too(vre: Vre, agent: PeopleAgent) -> None:
    with Person(vre, "lea") as lea:
        assert "Signed in as lea" in lea.client.get(PAGE).text
        lea.client.get("/hub/logout")
        until(lambda: lea.client.get(PAGE).url.path == "/hub/login", 15)


def test_a_cookie_does_not_open_the_api(ada: Person, agent: PeopleAgent) -> None:
    ada.client.get(PAGE)
    assert ada.client.get(f"{WORKSPACE_PATH}/api/status").status_code == 401


def test_a_revoked_token_is_refused_within_seconds(vre: Vre, agent: PeopleAgent) -> None:
    # somebody of their own: who asks this often is told to wait
    with Person(vre, "rhea") as rhea:
        model = token_of(rhea, [SCOPE])
        assert api(vre, "/api/status", model["token"]).status_code == 200
        gone = rhea.client.delete(
            f"/hub/api/users/rhea/tokens/{model['id']}",
            headers={"X-XSRFToken": rhea.client.cookies.get("_xsrf", path="/hub/") or ""},
        )
        assert gone.status_code == 204, gone.text
        until(lambda: api(vre, "/api/status", model["token"]).status_code == 401, 15)


def test_pins_pass_through_and_nothing_leaves_its_area(
    vre: Vre, ada: Person, agent: PeopleAgent
) -> None:
    token = token_of(ada, [SCOPE])["token"]
    wanted = {"area": "me", "path": "run 1//out.nc", "until": 4e9}
    too_long = api(vre, "/api/pins", token, "PUT", json=wanted)
    assert too_long.status_code == 400
    wanted["until"] = int(time.time()) + 86400
    assert api(vre, "/api/pins", token, "PUT", json=wanted).status_code == 200
    assert agent.asked[-1] == ("PUT pin", "ada", {**wanted, "path": "run 1/out.nc"})
    for path in ("/etc/passwd", "../x", "a/../../x", "", "a\nb", "."):
        answer = api(vre, "/api/pins", token, "PUT", json={**wanted, "path": path})
        assert answer.status_code == 400, path
        assert "path" in answer.json()["reason"]
    gone = api(vre, "/api/pins", token, "PUT", json={**wanted, "path": "gone.nc"})
    assert (gone.status_code, gone.json()["reason"]) == (404, "There is no gone.nc in your area.")
    api(vre, "/api/pins", token, "DELETE", json={"area": "me", "path": "a.nc"})
    assert agent.asked[-1] == ("DELETE pin", "ada", {"area": "me", "path": "a.nc", "until": 0})


def test_metrics_are_for_administrators_and_monitors(
    vre: Vre, ada: Person, agent: PeopleAgent
) -> None:
    assert api(vre, "/metrics", token_of(ada, None)["token"]).status_code == 403
    assert api(vre, "/metrics", token_of(ada, [SCOPE])["token"]).status_code == 403
    with Person(vre, "grace", vre.state.password("admin-password", 4)) as grace:
        answer = api(vre, "/metrics", token_of(grace, None)["token"])
    assert answer.text == "pelagos_mounts 1\n"


def test_without_the_agent_the_page_opens_and_says_so(vre: Vre, ada: Person) -> None:
    vre.deployment.people_socket.unlink(missing_ok=True)  # nobody listens there
    page = ada.client.get(PAGE)
    assert page.status_code == 200
    assert "The node agent, which looks after storage, does not answer." in page.text
    answer = api(vre, "/api/status", token_of(ada, [SCOPE])["token"])
    assert answer.status_code == 503
    assert "node agent" in answer.json()["reason"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example.org"},
        {"Origin": "null"},
    ],
)
def test_a_form_of_another_site_is_refused(
    ada: Person, agent: PeopleAgent, headers: dict[str, str]
) -> None:
    token = csrf(ada.client.get(PAGE))
    agent.asked.clear()
    answer = ada.client.post(f"{PAGE}retry", data={"csrf": token}, headers=headers)
    assert answer.status_code == 403
    assert agent.asked == []


def test_a_form_without_the_sessions_token_is_refused(
    vre: Vre, ada: Person, agent: PeopleAgent
) -> None:
    with Person(vre, "bob") as bob:
        others = csrf(bob.client.get(PAGE))
    ada.client.get(PAGE)
    for data in ({}, {"csrf": ""}, {"csrf": "0" * 64}, {"csrf": others}):
        assert ada.client.post(f"{PAGE}retry", data=data).status_code == 403


def test_a_page_of_somebody_else_on_this_site_cannot_fetch_this_one(
    ada: Person, agent: PeopleAgent
) -> None:
    token = csrf(ada.client.get(PAGE))
    fetched = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"}
    assert ada.client.get(PAGE, headers=fetched).status_code == 403
    assert ada.client.get(PAGE, headers={**fetched, "X-CSRF-Token": token}).status_code == 200
    framed = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}
    assert ada.client.get(PAGE, headers=framed).status_code == 403


def test_try_again_reaches_the_agent(ada: Person, agent: PeopleAgent) -> None:
    agent.people["ada"] = busy()
    token = csrf(ada.client.get(PAGE))
    page = ada.client.post(f"{PAGE}retry", data={"csrf": token})
    assert page.status_code == 200
    assert "Trying again." in page.text
    assert ("retry", "ada", None) in agent.asked


def test_an_account_elsewhere_is_tried_kept_encrypted_and_forgotten(
    vre: Vre, ada: Person, agent: PeopleAgent, apache: Apache
) -> None:
    vault = Vault(vault_folder(vre.deployment), vre.state.secret(STORAGE_KEY))
    token = csrf(ada.client.get(PAGE))

    def enter(password: str) -> httpx.Response:
        form = {"csrf": token, "user": apache.user, "password": password}
        return ada.client.post(f"{PAGE}account", data=form)

    wrong = enter("wrong-password")
    assert wrong.status_code == 400
    assert "does not take this user name and password" in told(wrong)
    assert f'value="{apache.user}"' in wrong.text
    assert "wrong-password" not in wrong.text
    assert vault.get("ada") is None

    apache.stop()
    try:
        down = enter(apache.password)
    finally:
        apache.start()
    assert "refuses connections" in told(down)
    assert vault.get("ada") is None

    page = enter(apache.password)
    assert "took your account" in told(page)
    assert ("retry", "ada", None) in agent.asked
    kept = vault.get("ada")
    assert kept is not None
    assert (kept.user, kept.password) == (apache.user, apache.password)
    assert kept.url == f"{apache.url}ada%40elsewhere/"
    assert vault.users() == ["ada"]
    assert apache.password not in ada.client.get(PAGE).text
    assert apache.password not in vre.logs()
    for path in vre.folder.rglob("*"):
        if path.is_file() and "hub" not in path.parts:
            assert apache.password.encode() not in path.read_bytes(), path

    stamp = vault.stamp("ada")
    apache.set_password("rotated")
    try:
        assert "took your account" in told(enter("rotated"))
    finally:
        apache.set_password(apache.password)
    assert vault.stamp("ada") != stamp

    gone = ada.client.post(f"{PAGE}account/forget", data={"csrf": token})
    assert "is forgotten" in told(gone)
    assert vault.get("ada") is None


def test_an_account_that_is_entered_appears_in_a_running_server_and_leaves_it(
    vre: Vre, ada: Person, apache: Apache
) -> None:
    with vre.api() as hub:
        hub.call("POST", "/users/ada/server", {"image": "base"})
        until(lambda: hub.call("GET", "/users/ada")["servers"][""]["ready"], 90)
    look = "import os; print(sorted(os.listdir('/home/jovyan/workspace')))"
    assert cell(vre, "ada", look) == "['README.txt']"
    token = csrf(ada.client.get(PAGE))
    form = {"csrf": token, "user": apache.user, "password": apache.password}
    assert "took your account" in told(ada.client.post(f"{PAGE}account", data=form))
    write = """
import pathlib, time
folder = pathlib.Path.home() / "workspace"
for _ in range(300):
    try:
        (folder / "ctd.txt").write_text("35.1 psu")
        break
    except OSError:
        time.sleep(0.1)
"""
    cell(vre, "ada", write)
    arrived = apache.files / "ada@elsewhere" / "ctd.txt"
    until(arrived.exists, 60, vre.logs())
    until(lambda: arrived.read_text() == "35.1 psu", 10)
    ada.client.post(f"{PAGE}account/forget", data={"csrf": token})
    until(lambda: cell(vre, "ada", look) == "['README.txt']", 60, vre.logs())
    assert arrived.exists(), "forgetting touches nothing elsewhere"


def test_the_service_runs_as_its_account_or_doctor_says_why_not(vre: Vre) -> None:
    if vre.deployment.facts.as_account:
        assert vault_folder(vre.deployment).owner() == "pelagos-server"
    else:
        assert "the storage services run as root" in vre.run("doctor").stdout
