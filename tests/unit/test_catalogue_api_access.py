"""Who may search the catalogue, and what each of them sees of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from catalogue_service import FLOATS, SECRET, STATIONS, HubStandIn, Service, build, settings
from pelagos.catalogue.harvest import RUNS_FILE
from pelagos.catalogue.harvest.records import Ending, Progress, RunState
from pelagos.catalogue.harvest.runs import Runs
from pelagos.catalogue.index import Writer
from pelagos.catalogue.records import CollectionRecord
from pelagos.deployment import CATALOGUE_PATH
from pelagos.settings import VirtualLab
from pelagos.settings.sources import CatalogueScope, CatalogueSettings, FilesSource, SourceKind

OPEN = VirtualLab(
    name="open-sea",
    open=True,
    catalogue=CatalogueScope(collections=["argo.*"]),
)
COAST = VirtualLab(
    name="coast",
    members=["bob"],
    catalogue=CatalogueScope(collections=["emodnet.*"], featured=["emodnet.stations"]),
)
NAVY = VirtualLab(
    name="navy",
    catalogue=CatalogueScope(collections=["closed.*", "argo.floats"], featured=["closed.*"]),
)
EVERYTHING = VirtualLab(name="everything")
ALL = {FLOATS, STATIONS, SECRET, "emodnet.empty"}
PATHS = ["/", "/collections", "/search", "/conformance", "/facets", "/api", "/api.html",
         f"/collections/{FLOATS}", f"/collections/{FLOATS}/items",
         f"/collections/{FLOATS}/items/profile-001", "/static/service.css"]  # fmt: skip


@pytest.fixture(scope="module")
def hub() -> Iterator[HubStandIn]:
    with HubStandIn() as hub:
        yield hub


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("catalogue") / "index.sqlite"
    build(path)
    return path


@pytest.fixture(scope="module")
def service(index: Path, hub: HubStandIn) -> Iterator[Service]:
    with Service(index, hub, settings(OPEN, COAST, NAVY, EVERYTHING)) as service:
        yield service


@pytest.fixture(scope="module")
def public(index: Path, hub: HubStandIn) -> Iterator[Service]:
    chosen = settings(OPEN, COAST, NAVY, anonymous=True)
    with Service(index, hub, chosen) as service:
        yield service


def seen(client: httpx.Client, **query: Any) -> set[str]:
    """Collections that the caller sees, the same by each way there is."""
    listed = {one["id"] for one in client.get("/collections", params=query).json()["collections"]}
    items = client.get("/search", params={**query, "limit": 1000}).json()
    in_items = {one["collection"] for one in items["features"]}
    facets = client.get("/facets", params=query).json()
    counted = {one["value"] for one in facets["facets"]["infrastructure"]}
    assert in_items == listed - {"emodnet.empty"}
    assert counted == {name.partition(".")[0] for name in listed}
    assert facets["counted"] == len(listed)
    return listed


@pytest.mark.parametrize(
    ("name", "groups", "admin", "expected"),
    [
        ("eve", (), False, {FLOATS}),
        ("bob", (), False, {FLOATS, STATIONS, "emodnet.empty"}),
        ("cat", ("coast",), False, {FLOATS, STATIONS, "emodnet.empty"}),
        ("dan", ("navy:managers",), False, {FLOATS, SECRET}),
        ("fay", ("coast", "navy"), False, ALL),
        ("gus", ("everything",), False, ALL),
        ("hal", ("no-such-lab",), False, {FLOATS}),
        ("root", (), True, ALL),
    ],
)
def test_a_person_sees_what_their_virtual_labs_allow_together(
    service: Service,
    hub: HubStandIn,
    name: str,
    groups: tuple[str, ...],
    admin: bool,
    expected: set[str],
) -> None:
    with service.client(hub.person(name, *groups, admin=admin)) as client:
        assert seen(client) == expected


def test_without_restrictions_everybody_sees_all(index: Path, hub: HubStandIn) -> None:
    with (
        Service(index, hub, settings(VirtualLab(name="closed-lab"))) as service,
        service.client(hub.person("eve")) as client,
    ):
        assert seen(client) == ALL


def test_with_restrictions_and_no_open_virtual_lab_who_is_in_none_sees_nothing(
    index: Path, hub: HubStandIn
) -> None:
    with (
        Service(index, hub, settings(COAST)) as service,
        service.client(hub.person("eve")) as client,
    ):
        assert seen(client) == set()


def test_one_virtual_lab_of_ones_own_narrows_and_puts_its_featured_first(
    service: Service, hub: HubStandIn
) -> None:
    with service.client(hub.person("fay", "coast", "navy", "everything")) as client:
        assert seen(client, virtual_lab="coast") == {STATIONS, "emodnet.empty"}
        assert seen(client, virtual_lab="everything") == ALL
        found = client.get("/collections", params={"virtual_lab": "navy"}).json()
        assert [one["id"] for one in found["collections"]] == [SECRET, FLOATS]
        # page by page too, there and back
        page = client.get("/collections", params={"virtual_lab": "navy", "limit": 1}).json()
        names = []
        while True:
            names += [one["id"] for one in page["collections"]]
            assert page["numberMatched"] == 2
            following = [one for one in page["links"] if one["rel"] == "next"]
            if not following:
                break
            page = client.get(following[0]["href"]).json()
        assert names == [SECRET, FLOATS]
        back = next(one for one in page["links"] if one["rel"] == "prev")
        before = client.get(back["href"]).json()
        assert [one["id"] for one in before["collections"]] == [SECRET]
        answer = client.get("/collections", params={"virtual_lab": "navy", "token": "other:x"})
        assert answer.status_code == 400


def test_a_virtual_lab_of_others_is_as_unknown_as_none(service: Service, hub: HubStandIn) -> None:
    with service.client(hub.person("eve")) as client:
        answers = [
            client.get(path, params={"virtual_lab": name})
            for path in ("/collections", "/search", "/facets")
            for name in ("navy", "atlantis")
        ]
        assert {answer.status_code for answer in answers} == {400}
        assert {answer.text.replace("atlantis", "navy") for answer in answers} == {answers[0].text}


def test_no_parameter_leads_out_of_the_scope(service: Service, hub: HubStandIn) -> None:
    at = {"type": "Point", "coordinates": [20.2, 20.2]}
    with service.client(hub.person("eve")) as client:
        for query in (
            {"collections": SECRET},
            {"collections": f"{SECRET},{FLOATS}", "ids": "hidden-1"},
            {"ids": "hidden-0,hidden-1,hidden-2"},
            {"q": "hidden"},
            {"q": "nothing OR hidden"},
            {"bbox": "20.15,20.15,20.25,20.25"},
            {"intersects": json.dumps(at)},
            {"infrastructure": "closed"},
            {"platform": "submarine"},
            {"collections": "closed.*"},
            {"collections": "%"},
        ):
            assert client.get("/search", params=query).json()["numberMatched"] == 0, query
        for body in (
            {"collections": [SECRET]},
            {"ids": ["hidden-1"]},
            {"intersects": at},
            {"collections": [SECRET, STATIONS], "infrastructure": ["closed", "emodnet"]},
        ):
            assert client.post("/search", json=body).json()["numberMatched"] == 0, body
        for path in (
            f"/collections/{SECRET}",
            f"/collections/{SECRET}/items",
            f"/collections/{SECRET}/items/hidden-1",
            f"/collections/{STATIONS}/items/antimeridian",
        ):
            answer = client.get(path)
            assert answer.status_code == 404
            assert "Hidden" not in answer.text
        for query in ({"q": "secret"}, {"bbox": "0,0,1,1", "infrastructure": "closed"}):
            assert client.get("/collections", params=query).json()["collections"] == []
            assert client.post("/collections", json={"q": "secret"}).json()["collections"] == []
        facets = client.get("/facets", params={"collections": SECRET}).json()
        assert facets["counted"] == 0
        assert not any(facets["facets"].values())
        assert "submarine" not in client.get("/facets").text


def test_a_token_of_a_page_of_another_scope_shows_nothing_of_it(
    service: Service, hub: HubStandIn
) -> None:
    query = {"limit": 1, "sortby": "id"}
    with (
        service.client(hub.person("root", admin=True)) as admin,
        service.client(hub.person("eve")) as eve,
    ):
        for path, expected in (
            ("/search", f'"collection":"{SECRET}"'),
            ("/collections", f'"id":"{SECRET}"'),
        ):
            shown, page = 0, admin.get(path, params=query)
            while following := [x for x in page.json()["links"] if x["rel"] == "next"]:
                page = admin.get(following[0]["href"])
                shown += expected in page.text
                assert expected not in eve.get(following[0]["href"]).text
            assert shown


@pytest.mark.parametrize("path", PATHS)
def test_without_a_sign_in_nothing_is_shown(service: Service, path: str) -> None:
    with service.client() as client:
        answer = client.get(path)
        assert answer.status_code == 401
        assert answer.json()["code"] == "Unauthorized"
        assert "Authorization: token" in answer.json()["description"]
        assert answer.headers["www-authenticate"] == "Bearer"
        page = client.get(path, headers={"Accept": "text/html", "Sec-Fetch-Mode": "navigate"})
        assert page.status_code == 302
        assert page.headers["location"].startswith("/hub/api/oauth2/authorize?")


def test_every_route_but_two_refuses_a_stranger(service: Service) -> None:
    with service.client() as client:
        assert client.post("/search", json={}).status_code == 401
        assert client.post("/collections", json={}).status_code == 401
        assert client.get("/health").json() == {"ok": True}
        assert client.get("/oauth_callback").status_code == 403
        for path in ("/openapi.json", "/docs", "/redoc", "/_mgmt/ping", "/_mgmt/health"):
            assert client.get(path).status_code == 404
            assert httpx.get(f"{service.origin}{path}", trust_env=False).status_code == 404


@pytest.mark.parametrize(
    "authorization",
    ["token nobodys", "Basic YTpi", "bearer", "token \x7f", "token a b", ""],
)
@pytest.mark.parametrize("which", ["service", "public"])
def test_a_token_that_is_none_is_refused(
    request: pytest.FixtureRequest, which: str, authorization: str
) -> None:
    service: Service = request.getfixturevalue(which)
    with service.client() as client:
        answer = client.get("/search", headers={"Authorization": authorization})
        assert answer.status_code == 401


def test_a_token_for_something_else_is_refused(service: Service, hub: HubStandIn) -> None:
    for scope in ("access:services!service=workspace", "self", "admin:users"):
        with service.client(hub.person("eve", scope=scope)) as client:
            answer = client.get("/search")
            assert answer.status_code == 403
            assert "access:services!service=catalogue" in answer.json()["description"]


def test_a_token_of_a_service_is_refused(service: Service, hub: HubStandIn) -> None:
    token = hub.person("robot")
    hub.people[token]["kind"] = "service"
    with service.client(token) as client:
        assert client.get("/search").status_code == 403


def test_a_browser_that_is_signed_in_reads_pages_and_json(
    service: Service, hub: HubStandIn
) -> None:
    cookies = {"service-catalogue": hub.person("cat", "coast")}
    with service.client(cookies=cookies) as client:
        navigate = {"Sec-Fetch-Mode": "navigate", "Accept": "text/html,*/*"}
        page = client.get("/", headers=navigate)
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert f"{service.url}/" in page.text
        assert f"{CATALOGUE_PATH}/sources" in page.text  # everybody may see it
        assert client.get("/api.html").text == page.text
        found = client.get("/collections", headers={"Sec-Fetch-Mode": "navigate"}).json()
        assert {one["id"] for one in found["collections"]} == {
            FLOATS, STATIONS, "emodnet.empty",
        }  # fmt: skip
    with service.client(cookies={"service-catalogue": hub.person("root", admin=True)}) as client:
        assert f"{CATALOGUE_PATH}/sources" in client.get("/", headers=navigate).text


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "cross-site", "Origin": "https://evil.org"},
        {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
    ],
)
def test_a_cookie_that_another_page_uses_opens_nothing(
    service: Service, public: Service, hub: HubStandIn, headers: dict[str, str]
) -> None:
    cookies = {"service-catalogue": hub.person("cat", "coast")}
    with service.client(cookies=cookies) as client:
        answer = client.get("/collections", headers=headers)
        assert answer.status_code == 403
        assert not [name for name in answer.headers if name.startswith("access-control")]
    with public.client(cookies=cookies) as client:
        found = client.get("/collections", headers=headers).json()
        assert {one["id"] for one in found["collections"]} == {FLOATS}


def test_no_page_elsewhere_may_read_the_answers(service: Service, hub: HubStandIn) -> None:
    headers = {"Origin": "https://evil.org"}
    with service.client(hub.person("eve")) as client:
        for answer in (
            client.get("/search", headers=headers),
            client.options("/search", headers={**headers, "Access-Control-Request-Method": "GET"}),
        ):
            assert not [name for name in answer.headers if name.startswith("access-control")]


def test_anybody_sees_what_open_virtual_labs_allow(public: Service) -> None:
    with public.client() as client:
        assert seen(client) == {FLOATS}
        assert client.get(f"/collections/{SECRET}").status_code == 404
        assert client.get("/collections", params={"virtual_lab": "navy"}).status_code == 400
        answer = client.get("/search", headers={"Origin": "https://elsewhere.org"})
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers
        asked = {"Origin": "https://elsewhere.org", "Access-Control-Request-Method": "POST"}
        assert client.options("/search", headers=asked).status_code == 200
        asked["Access-Control-Request-Headers"] = "authorization"
        refused = client.options("/search", headers=asked)
        assert refused.status_code == 400
        assert refused.headers["x-content-type-options"] == "nosniff"


def test_where_anybody_may_search_a_person_still_sees_more(
    public: Service, hub: HubStandIn
) -> None:
    with public.client(hub.person("fay", "navy")) as client:
        assert seen(client) == {FLOATS, SECRET}


def test_what_a_new_collection_changes_is_seen_soon(
    tmp_path: Path, hub: HubStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pelagos.services.catalogue.access.FRESH_SECONDS", 0.0)
    path = tmp_path / "index.sqlite"
    build(path)
    with (
        Service(path, hub, settings(COAST)) as service,
        service.client(hub.person("bob")) as client,
    ):
        assert seen(client) == {STATIONS, "emodnet.empty"}
        with Writer(path) as writer:
            run = writer.run("emodnet", "EMODnet")
            run.collection(CollectionRecord("new", "New"))
            run.finish()
        found = client.get("/collections").json()["collections"]
        assert [one["id"] for one in found] == ["emodnet.new"]


def test_a_hub_that_is_away_is_said_so(index: Path) -> None:
    with HubStandIn() as hub:
        token = hub.person("eve")
    with Service(index, hub, settings()) as service, service.client(token) as client:
        answer = client.get("/search")
        assert answer.status_code == 503
        assert "The hub, which knows who you are" in answer.json()["description"]


def test_the_page_of_the_sources_tells_nothing_of_collections_out_of_the_scope(
    tmp_path: Path, hub: HubStandIn
) -> None:
    build(tmp_path / "index.sqlite")
    chosen = settings(OPEN, COAST, NAVY)
    names = ("argo", "emodnet", "closed")
    held = {"argo": {"floats": 60}, "emodnet": {"stations": 7, "other": 900}, "closed": {"s": 3}}
    sources = [
        FilesSource(name=name, title=f"Title of {name}", kind=SourceKind.FILES, path="/none")
        for name in names
    ]
    chosen = chosen.model_copy(update={"catalogue": CatalogueSettings(sources=sources)})
    with Runs(tmp_path / RUNS_FILE) as runs:
        for name in names:
            run = runs.run(runs.queue(name))
            assert run is not None
            runs.finish(run, Ending(RunState.DONE), Progress(), next_run=0, held=held[name])
    with Service(tmp_path / "index.sqlite", hub, chosen) as service:
        told = {}
        for person in (hub.person("eve"), hub.person("bob"), hub.person("root", admin=True)):
            with service.client(person) as client:
                answer = client.get("/sources.json")
                del client.headers["authorization"]
                client.cookies.set("service-catalogue", person)
                page = client.get("/sources")
            assert page.is_success
            assert ("closed" in page.text) == ("closed" in answer.text)
            told[person] = {
                one["name"]: (one["collections"], one["granules"])
                for one in answer.json()["sources"]
            }
    eve, bob, root = told.values()
    assert eve == {"argo": (1, 60)}
    assert bob == {"argo": (1, 60), "emodnet": (2, 907)}
    assert set(root) == set(names)
