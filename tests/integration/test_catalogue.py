"""The catalogue in a running VRE: harvested by itself, searched by people, servers and programs."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pelagos.deployment import CATALOGUE_PATH
from support import Person, Vre, cell, start, stop, until

pytestmark = pytest.mark.engine

SCOPE = "access:services!service=catalogue"


@pytest.fixture(scope="module")
def ada(vre: Vre) -> Iterator[Person]:
    with Person(vre, "ada") as person:
        yield person


@pytest.fixture(scope="module")
def token(ada: Person) -> str:
    answer = ada.post("/hub/api/users/ada/tokens", json={"scopes": [SCOPE], "expires_in": 3600})
    assert answer.is_success, answer.text
    return str(answer.json()["token"])


def get(vre: Vre, path: str, token: str = "", **params: Any) -> httpx.Response:
    headers = {"Authorization": f"token {token}"} if token else {}
    return httpx.get(
        f"{vre.url}{CATALOGUE_PATH}{path}",
        headers=headers,
        params=params,
        timeout=30,
        trust_env=False,
    )


def harvested(vre: Vre, token: str) -> list[dict[str, Any]]:
    """The collections, once the first harvest of the starter source is through."""

    def found() -> list[dict[str, Any]]:
        answer = get(vre, "/collections", token, limit=100)
        collections = answer.json()["collections"] if answer.is_success else []
        return collections if len(collections) >= 4 else []

    return list(until(found, 120, "the starter source"))


def test_a_fresh_vre_has_true_data_to_search(vre: Vre, token: str) -> None:
    titles = " ".join(one["title"] for one in harvested(vre, token))
    assert "tlantic" in titles
    answer = get(vre, "/collections", token, q="salinity", bbox="-60,-30,10,0")
    assert answer.json()["numberMatched"] >= 1
    found = get(vre, "/search", token, q="temperature", limit=3).json()
    assert 1 <= found["numberReturned"] <= 3
    assert all(link["href"].startswith(vre.url) for link in found["links"])


def test_an_asset_of_the_starter_is_the_file_itself(vre: Vre, token: str) -> None:
    harvested(vre, token)
    item = get(vre, "/search", token, q="Atlantic", limit=1).json()["features"][0]
    (asset,) = [a for a in item["assets"].values() if "data" in a["roles"]]
    headers = {"Authorization": f"token {token}"}
    with httpx.Client(headers=headers, timeout=60, trust_env=False) as client:
        whole = client.get(asset["href"])
        assert whole.status_code == 200
        assert len(whole.content) == asset["file:size"]
        part = client.get(asset["href"], headers={"Range": "bytes=0-3"})
        assert (part.status_code, part.content) == (206, whole.content[:4])
    assert httpx.get(asset["href"], timeout=30, trust_env=False).status_code in (401, 403)


def test_nobody_searches_without_a_token(vre: Vre) -> None:
    for path in ("/", "/collections", "/search", "/conformance", "/facets", "/api"):
        answer = get(vre, path)
        assert answer.status_code in (401, 403), path
        assert "starter" not in answer.text


def test_a_token_for_something_else_opens_nothing(vre: Vre, ada: Person) -> None:
    answer = ada.post("/hub/api/users/ada/tokens", json={"scopes": ["read:users:name!user"]})
    assert get(vre, "/collections", answer.json()["token"]).status_code == 403


def test_a_server_searches_with_its_own_token(vre: Vre, token: str) -> None:
    harvested(vre, token)
    start(vre, "nia", "python")
    source = """
import os
from pystac_client import Client
token = os.environ["JUPYTERHUB_API_TOKEN"]
client = Client.open(
    os.environ["PELAGOS_CATALOGUE_API"], headers={"Authorization": f"token {token}"}
)
found = [one.id for one in client.collection_search(q="temperature").collections()]
search = client.search(collections=found, bbox=[-80, -80, 80, 80], max_items=2)
items = list(search.items())
print(len(items), search.matched() >= 2, items[0].get_root_link().href.startswith("http://1"))
"""
    assert cell(vre, "nia", source) == "2 True True"
    stop(vre, "nia")


def test_harvesting_survives_a_kill_and_can_be_asked_for(vre: Vre, token: str) -> None:
    harvested(vre, token)
    os.kill(vre.pid("harvester"), signal.SIGKILL)
    until(lambda: vre.pid("harvester"), 30, "the harvester again")
    done = vre.run("harvest", "starter")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "starter" in done.stdout
    assert vre.run("harvest", "nowhere").returncode != 0
    assert len(harvested(vre, token)) >= 4


def test_people_see_where_it_comes_from_and_only_admins_run_it(vre: Vre, ada: Person) -> None:
    page = ada.client.get(f"{CATALOGUE_PATH}/sources")
    assert page.status_code == 200
    assert "Starter data" in page.text
    assert "Run now" not in page.text
    answer = ada.client.post(f"{CATALOGUE_PATH}/sources/run", data={"source": "starter"})
    assert answer.status_code == 403
    admin = vre.state.password("admin-password", 6)
    with Person(vre, "admin", admin) as grace:
        assert "Run now" in grace.client.get(f"{CATALOGUE_PATH}/sources").text
