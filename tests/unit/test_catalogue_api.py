"""The catalogue's STAC API over HTTP: searches, paging, links, refusals."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from catalogue_service import (
    FLOAT_COUNT,
    FLOATS,
    SECRET,
    STATIONS,
    TITLE,
    HubStandIn,
    Service,
    build,
    settings,
)
from pelagos.catalogue.index import Reader, Writer
from pelagos.catalogue.records import CollectionRecord
from pelagos.deployment import CATALOGUE_PATH
from pelagos.errors import AwayError
from pelagos.services.catalogue.readers import Readers
from stac_schemas import problems
from support import until

POINT = {"type": "Point", "coordinates": [20.5, 20.5]}


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
    with Service(index, hub, settings()) as service:
        yield service


@pytest.fixture
def client(service: Service, hub: HubStandIn) -> Iterator[httpx.Client]:
    with service.client(hub.person("ada")) as client:
        yield client


def search(client: httpx.Client, **query: Any) -> dict[str, Any]:
    answer = client.get("/search", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def ids(found: dict[str, Any]) -> list[str]:
    return [one["id"] for one in found.get("features", found.get("collections", []))]


def link(found: dict[str, Any], rel: str) -> dict[str, Any]:
    return next((one for one in found["links"] if one["rel"] == rel), {})


def test_the_landing_page_leads_to_everything(client: httpx.Client, service: Service) -> None:
    found = client.get("/").json()
    assert problems(found) == []
    for one in found["links"]:
        assert one["href"].startswith(service.url)
        answer = client.get(one["href"])
        assert answer.is_success, one
        assert answer.headers["content-type"].partition(";")[0] == one["type"].partition(";")[0]
    assert client.get("/conformance").json()["conformsTo"] == found["conformsTo"]
    assert not [name for name in found["conformsTo"] if "advanced" in name or "oas30" in name]


def test_links_follow_the_address_that_the_request_came_by(client: httpx.Client) -> None:
    headers = {"Host": "vre.example.org", "X-Forwarded-Proto": "https,http"}
    for path in ("/", "/collections", "/search", f"/collections/{FLOATS}/items/profile-001"):
        found = client.get(path, headers=headers).json()
        found = [found, *found.get("features", []), *found.get("collections", [])]
        hrefs = [one["href"] for part in found for one in part["links"]]
        hrefs += [a["href"] for part in found for a in part.get("assets", {}).values()]
        ours = [href for href in hrefs if "example.org/" not in href or "services" in href]
        assert ours
        base = f"https://vre.example.org{CATALOGUE_PATH}/"
        assert all(href.startswith(base) for href in ours), ours


def test_a_request_without_a_proper_host_is_refused(client: httpx.Client) -> None:
    answer = client.get("/search", headers={"Host": 'evil"/><script>'})
    assert answer.status_code == 400


def test_documents_are_valid_stac_with_links_and_assets(
    client: httpx.Client, service: Service
) -> None:
    collections = client.get("/collections").json()
    items = search(client, limit=1000)
    for document in [*collections["collections"], *items["features"]]:
        assert problems(document) == []
        here = client.get(link(document, "self")["href"])
        assert here.json() == document
    item = client.get(f"/collections/{FLOATS}/items/profile-007").json()
    assert item["assets"]["data"]["href"] == f"{service.url}/files/argo/007.nc"
    assert link(client.get(f"/collections/{FLOATS}").json(), "license")["href"].startswith("https")


def test_markup_in_titles_stays_data(client: httpx.Client) -> None:
    answer = client.get(f"/collections/{FLOATS}")
    assert answer.json()["title"] == TITLE
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, {FLOATS, STATIONS, SECRET, "emodnet.empty"}),
        ({"q": "floats"}, {FLOATS}),
        ({"q": "floats,stations"}, {FLOATS, STATIONS}),
        ({"q": "no such thing"}, set()),
        ({"q": "sali*"}, {STATIONS}),
        ({"q": "sali"}, set()),
        ({"q": "s*"}, set()),
        ({"bbox": "179,-10,-179,-5"}, {STATIONS}),
        ({"bbox": "0.5,0.5,0.6,0.6"}, {FLOATS, SECRET}),
        ({"datetime": "2019-01-01T00:00:00Z/2019-06-01T00:00:00Z"}, set()),
        ({"datetime": "2024-01-01T00:00:00Z/.."}, {STATIONS}),
        ({"infrastructure": "emodnet"}, {STATIONS, "emodnet.empty"}),
        ({"infrastructure": ["argo", "closed"]}, {FLOATS, SECRET}),
        ({"platform": "float"}, {FLOATS}),
        ({"licence": "CC-BY-4.0", "instrument": "CTD"}, {FLOATS}),
    ],
)
def test_collection_search_finds_what_matches(
    client: httpx.Client, query: dict[str, Any], expected: set[str]
) -> None:
    found = client.get("/collections", params=query).json()
    assert set(ids(found)) == expected
    assert found["numberMatched"] == found["numberReturned"] == len(expected)
    body: dict[str, Any] = {**query}
    for name in ("infrastructure", "platform", "licence", "instrument"):
        if isinstance(query.get(name), str):
            body[name] = [query[name]]
    if "bbox" in query:
        body["bbox"] = [float(part) for part in query["bbox"].split(",")]
    assert set(ids(client.post("/collections", json=body).json())) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"bbox": "179,-10,-179,-5"}, ["antimeridian"]),
        ({"bbox": "179,-10,180,-5"}, ["antimeridian"]),
        ({"bbox": "-180,-10,-179,-5"}, ["antimeridian"]),
        ({"bbox": "10,85,10,90"}, ["north-pole"]),
        ({"bbox": "-180,-90,180,-90"}, ["south-pole"]),
        ({"bbox": "0,-90,0,-90"}, ["south-pole"]),
        ({"bbox": "110,10,111,11", "datetime": "2020-02-01T00:00:00Z"}, []),
        ({"bbox": "110,10,111,11", "datetime": "2030-01-01T00:00:00Z/.."}, ["since"]),
        ({"bbox": "110,10,111,11", "datetime": "../1990-01-01T00:00:00Z"}, ["before"]),
        ({"bbox": "100,10,101,11"}, ["never"]),
        ({"bbox": "100,10,101,11", "datetime": "../2030-01-01T00:00:00Z"}, []),
        ({"ids": "nowhere", "datetime": "2020-01-01T00:00:00Z"}, ["nowhere"]),
        ({"ids": "nowhere", "bbox": "-180,-90,180,90"}, []),
        ({"ids": "nowhere,never"}, ["never", "nowhere"]),
        ({"intersects": json.dumps({"type": "Point", "coordinates": [-178, -7]})},
         ["antimeridian"]),
    ],
)  # fmt: skip
def test_odd_extents_are_found_where_they_are(
    client: httpx.Client, query: dict[str, Any], expected: list[str]
) -> None:
    assert sorted(ids(search(client, collections=STATIONS, **query))) == expected


def test_a_search_without_criteria_finds_every_item(client: httpx.Client) -> None:
    found = search(client, limit=1000)
    assert found["numberMatched"] == found["numberReturned"] == FLOAT_COUNT + 7 + 3
    assert found["pelagos:matched"] == "70"
    assert len(set(ids(found))) == 70


@pytest.mark.parametrize("body", [False, True])
def test_pages_lead_through_all_of_it_and_back(client: httpx.Client, body: bool) -> None:
    query: dict[str, Any] = {"collections": FLOATS, "limit": 7, "sortby": "-datetime"}
    if body:
        query |= {
            "collections": [FLOATS],
            "sortby": [{"field": "datetime", "direction": "desc"}],
            "intersects": {"type": "LineString", "coordinates": [[20, 20.5], [30, 20.5]]},
        }
        page = client.post("/search", json=query).json()
    else:
        page = search(client, **query)
    seen, pages = ids(page), [page]
    assert not link(page, "prev")
    while following := link(page, "next"):
        page = client.request(
            following["method"], following["href"], json=following.get("body")
        ).json()
        assert page["numberMatched"] == FLOAT_COUNT
        seen += ids(page)
        pages.append(page)
    assert seen == [f"profile-{number:03}" for number in reversed(range(FLOAT_COUNT))]
    back = link(page, "prev")
    before = client.request(back["method"], back["href"], json=back.get("body")).json()
    assert ids(before) == ids(pages[-2])


def test_the_items_of_a_collection_are_its_own(client: httpx.Client, service: Service) -> None:
    found = client.get(f"/collections/{STATIONS}/items").json()
    assert len(ids(found)) == found["numberMatched"] == 7
    assert link(found, "self")["href"] == f"{service.url}/collections/{STATIONS}/items"
    assert client.get("/collections/emodnet.empty/items").json()["features"] == []


def test_sorted_by_a_field_of_the_collections(client: httpx.Client) -> None:
    up = ids(client.get("/collections", params={"sortby": "title"}).json())
    down = ids(client.get("/collections", params={"sortby": "-title"}).json())
    assert up == list(reversed(down))
    assert up[0] == FLOATS


def test_fields_leave_out_what_was_not_asked_for(client: httpx.Client) -> None:
    for fields in ("id,properties.datetime", "id,+properties.datetime,-links"):
        found = search(client, collections=FLOATS, fields=fields, limit=1)["features"][0]
        assert set(found) == {"type", "stac_version", "id", "collection", "properties"}
        assert set(found["properties"]) == {"datetime"}
    body = {"fields": {"exclude": ["assets"]}, "collections": [FLOATS], "limit": 1}
    found = client.post("/search", json=body).json()["features"][0]
    assert "assets" not in found
    assert "geometry" in found
    collections = client.get("/collections", params={"fields": "title"}).json()["collections"]
    assert {frozenset(one) for one in collections} == {
        frozenset({"type", "stac_version", "id", "title"})
    }


def test_facets_count_collections_or_the_items_of_some(client: httpx.Client) -> None:
    found = client.get("/facets").json()
    assert (found["of"], found["counted"], found["partial"]) == ("collections", 4, False)
    assert set(found["facets"]) == {
        "infrastructure", "parameter", "platform", "instrument", "licence",
    }  # fmt: skip
    counts = {one["value"]: one for one in found["facets"]["infrastructure"]}
    assert counts["emodnet"] == {"value": "emodnet", "title": "EMODnet", "count": 2}
    parameters = found["facets"]["parameter"]
    assert {one["terms"]["standard_name"] for one in parameters} == {
        "sea_water_temperature", "sea_water_practical_salinity",
    }  # fmt: skip
    narrowed = client.get("/facets", params={"q": "salinity"}).json()
    assert [one["value"] for one in narrowed["facets"]["infrastructure"]] == ["emodnet"]
    assert client.get("/facets", params={"q": "salin*"}).json() == narrowed
    found = client.get("/facets", params={"collections": FLOATS}).json()
    assert (found["of"], found["counted"]) == ("items", FLOAT_COUNT)
    assert {one["value"]: one["count"] for one in found["facets"]["platform"]} == {
        f"float-{number}": FLOAT_COUNT // 3 for number in range(3)
    }


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"bbox": "0,0,1"}, "bbox: 3 numbers"),
        ({"bbox": "nan,0,1,1"}, "bbox: a value is not a number"),
        ({"bbox": "0,0,1,91"}, "bbox: north is 91"),
        ({"bbox": "0,2,1,1"}, "bbox: south"),
        ({"datetime": "9999-99-99"}, "datetime: "),
        ({"datetime": "../.."}, "datetime: one end"),
        ({"datetime": "2021-01-01T00:00:00Z/2020-01-01T00:00:00Z"}, "datetime: it ends before"),
        ({"limit": "0"}, "limit: "),
        ({"limit": "-1"}, "limit: "),
        ({"limit": "1e9"}, "limit: "),
        ({"sortby": "nonsense"}, "sortby: "),
        ({"token": "nonsense"}, "token: "),
        ({"fields": "a b"}, "fields: "),
        ({"q": "x" * 3000}, "q: "),
        ({"colections": "x"}, "colections: there is no such parameter"),
        ({"virtual_lab": "nobodys"}, "virtual_lab: 'nobodys' is none of yours"),
    ],
)
@pytest.mark.parametrize("path", ["/search", "/collections", f"/collections/{FLOATS}/items"])
def test_what_cannot_be_is_refused_with_its_name(
    client: httpx.Client, path: str, query: dict[str, str], words: str
) -> None:
    answer = client.get(path, params=query)
    assert answer.status_code == 400, answer.text
    assert answer.json()["code"] == "BadRequest"
    assert words in answer.json()["description"]
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"bbox": [0, 0, NaN, 1]}', "bbox: "),
        (b'{"limit": 0}', "limit: "),
        (b'{"limit": true}', "limit: "),
        (b'{"limit": 1.5}', "limit: "),
        (b'{"filter": {}}', "filter: "),
        (b'{"query": {}}', "query: "),
        (b'{"q": "\\ud800"}', "q"),
        (b'{"sortby": [{"field": "id", "direction": "sideways"}]}', "sortby"),
        (b'{"intersects": {"type": "Point"}}', "intersects: "),
        (b'{"intersects": {"type": "Point", "coordinates": [0, 0]}, "bbox": [0, 0, 1, 1]}',
         "only one"),
        (b"{", "JSON"),
        (b"[]", ""),
        (b"", ""),
        (b"\xff\xfe", ""),
        (b'{"intersects":' + b'{"a":' * 20_000, ""),
    ],
)  # fmt: skip
def test_bodies_that_cannot_be_are_refused(client: httpx.Client, body: bytes, words: str) -> None:
    answer = client.post("/search", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400, answer.text
    assert words in answer.json()["description"]


def test_a_body_that_is_too_long_is_not_read(client: httpx.Client) -> None:
    answer = client.post("/search", content=b" " * 300_000)
    assert answer.status_code == 413
    assert answer.json()["code"]


@pytest.mark.parametrize(
    "path",
    [
        "/collections/nope", "/collections/nope/items", f"/collections/{FLOATS}/items/nope",
        "/collections/nope/items/nope", "/nope", "/collections/%00", "/collections/..%2f..%2fx",
        "/collections/a%22%3Cscript%3E/items/%F0%9F%90%9F",
    ],
)  # fmt: skip
def test_what_is_not_there_is_said_so(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404, answer.text
    assert answer.json()["code"] == "NotFound"
    assert answer.json()["description"].endswith(".")


def test_an_unknown_collection_in_a_search_finds_nothing(client: httpx.Client) -> None:
    assert search(client, collections="nope")["features"] == []
    assert client.post("/search", json={"collections": ["nope"]}).json()["numberMatched"] == 0


def test_a_token_of_another_search_is_refused_or_finds_the_same_kind(client: httpx.Client) -> None:
    token = httpx.URL(link(search(client, limit=2), "next")["href"]).params["token"]
    answer = client.get("/collections", params={"token": token})
    assert answer.status_code == 400
    assert answer.json()["description"].startswith("token: ")


def test_the_description_for_programs_names_every_parameter(client: httpx.Client) -> None:
    answer = client.get("/api")
    assert answer.headers["content-type"].startswith("application/vnd.oai.openapi+json")
    paths = answer.json()["paths"]
    names = {one["name"] for one in paths[f"{CATALOGUE_PATH}/search"]["get"]["parameters"]}
    assert names >= {"q", "collections", "ids", "bbox", "intersects", "datetime", "sortby",
                     "fields", "limit", "token", "infrastructure", "virtual_lab"}  # fmt: skip
    assert f"{CATALOGUE_PATH}/facets" in paths
    assert set(paths[f"{CATALOGUE_PATH}/collections"]) == {"get", "post"}
    assert "cdn" not in answer.text


def test_each_route_for_programs_has_a_heading(client: httpx.Client, root: Path) -> None:
    page = (root / "docs" / "reference" / "catalogue-api.md").read_text()
    calls = [
        f"{method.upper()} {path}"
        for path, methods in client.get("/api").json()["paths"].items()
        for method in methods
    ]
    assert len(calls) == 10
    assert [call for call in calls if f"\n## `{call}`\n" not in page] == []
    names = {
        one["name"]
        for methods in client.get("/api").json()["paths"].values()
        for operation in methods.values()
        for one in operation.get("parameters", ())
        if one["in"] == "query"
    }
    assert [name for name in names if f"`{name}`" not in page] == []


def test_before_the_first_harvest_the_catalogue_says_so(tmp_path: Path, hub: HubStandIn) -> None:
    path = tmp_path / "index.sqlite"
    with Service(path, hub, settings()) as service, service.client(hub.person("ada")) as client:
        answer = client.get("/collections")
        assert answer.status_code == 503
        assert "nothing was harvested yet" in answer.json()["description"]
        assert str(tmp_path) not in answer.text
        build(path)
        assert len(ids(client.get("/collections").json())) == 4


def test_a_rebuilt_index_is_read_anew(tmp_path: Path, hub: HubStandIn) -> None:
    path, other = tmp_path / "index.sqlite", tmp_path / "other" / "index.sqlite"
    build(path)
    other.parent.mkdir()
    with Writer(other) as writer:
        run = writer.run("argo", "Argo GDAC")
        run.collection(CollectionRecord("new", "New"))
        run.finish()
    with (
        Service(path, hub, settings(), threads=1) as service,
        service.client(hub.person("ada")) as client,
    ):
        assert FLOATS in ids(client.get("/collections").json())
        other.replace(path)
        assert ids(client.get("/collections", params={"infrastructure": "argo"}).json()) == [
            "argo.new"
        ]


def endless(reader: Reader, *_: Any) -> Any:
    with reader._state():
        return reader._connection.execute(
            "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
        ).fetchone()


def test_a_search_that_takes_too_long_is_stopped(
    index: Path, hub: HubStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Reader, "granules", endless)
    with (
        Service(index, hub, settings(), seconds=0.2, threads=1) as service,
        service.client(hub.person("ada")) as client,
    ):
        answer = client.get("/search")
        assert answer.status_code == 503
        assert "takes longer than 0.2 s" in answer.json()["description"]
        assert answer.headers["retry-after"]
        # and its thread is free again
        assert client.get("/collections").is_success


async def test_a_search_that_waited_too_long_for_a_thread_is_refused_too(index: Path) -> None:
    readers = Readers(index, threads=1, seconds=0.3, waiting=1)
    readers.open()
    try:
        found = await asyncio.gather(
            *(readers.ask(endless) for _ in range(4)), return_exceptions=True
        )
        assert all(isinstance(error, AwayError) for error in found), found
        assert {str(error).partition(" t")[0] for error in found} == {
            "This search", "The catalogue has",
        }  # fmt: skip
        assert await readers.ask(lambda reader: reader.collection(FLOATS, None))
    finally:
        readers.close()


async def started(readers: Readers) -> asyncio.Task[Any]:
    """A search without an end, that a thread has begun."""
    task = asyncio.create_task(readers.ask(endless))
    await asyncio.to_thread(until, lambda: readers._running, 20, "the search")
    return task


async def test_a_search_ends_though_nobody_waits_for_it_any_more(index: Path) -> None:
    readers = Readers(index, threads=1, seconds=0.5)
    readers.open()
    try:
        task = await started(readers)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(until, lambda: not readers._running, 20, "its end")
        assert await readers.ask(lambda reader: reader.collection(FLOATS, None))
    finally:
        readers.close()


async def test_the_end_of_the_service_waits_for_no_search(index: Path) -> None:
    readers = Readers(index, threads=1, seconds=1000)
    readers.open()
    task = await started(readers)
    waiting = asyncio.create_task(readers.ask(endless))
    await asyncio.sleep(0)
    readers.close()
    for one in (task, waiting):
        with pytest.raises((AwayError, asyncio.CancelledError)):
            await one
