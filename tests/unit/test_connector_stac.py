"""The STAC connector, on recorded item collections, made APIs and static catalogues.

Recorded are pages of items only: landing pages and collections around them are made here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from connector_cases import stac
from loopback import Asked, Loopback, Reply, serve
from pelagos.catalogue.connectors import connector_for
from pelagos.catalogue.connectors.stac import with_query
from pelagos.catalogue.connectors.stac_records import collection_record, granule_record, own_fields
from pelagos.catalogue.fetch import Fetcher, FetchError
from pelagos.catalogue.fetch_network import Patience
from pelagos.catalogue.records import (
    Access,
    Box,
    CollectionRecord,
    Interval,
    Parameter,
    RecordError,
    Rejected,
    Unchanged,
)
from pelagos.catalogue.stac import granule_document
from pelagos.errors import SourceError
from pelagos.settings.sources import SourceKind, StacSource
from shared_data import shared_data
from stac_remote import api, collection, features, item, link, reply

HERE = "https://stac.example.org/catalog.json"


@pytest.fixture
def server() -> Iterator[Loopback]:
    with serve({}) as running:
        yield running


def harvest(
    server: Loopback, memory: dict[str, Any] | None = None, path: str = "/stac", **fields: Any
) -> tuple[list[Any], dict[str, list[Any]]]:
    source = StacSource(
        name="remote", kind=SourceKind.STAC, rate=100, url=server.url + path, **fields
    )
    with Fetcher(source, patience=Patience(attempts=1)) as fetcher:
        connector = connector_for(source)(source, fetcher, memory)
        collections = list(connector.collections())
        granules = {
            one.id: list(connector.granules(one))
            for one in collections
            if isinstance(one, CollectionRecord)
        }
    return collections, granules


def test_every_recorded_item_is_stored(server: Loopback) -> None:
    server.routes |= stac.routes(server)
    _, granules = harvest(server)
    for path, (name, _) in stac.RECORDINGS.items():
        recorded = json.loads(shared_data(path).read_text())["features"]
        assert [one.id for one in granules[name]] == [one["id"] for one in recorded]
        for one in granules[name]:
            document = granule_document("remote", "remote.c", one)
            assert document["assets"]
            assert document["geometry"]["type"] == "Polygon"


def test_a_recorded_item_keeps_its_meaning() -> None:
    document = json.loads(shared_data(next(iter(stac.RECORDINGS))).read_text())["features"][0]
    record = granule_record(document, HERE)
    assert record.title == "crop_mask_central_x186y075_2019--P1Y.stac-item"
    assert record.start == datetime(2019, 1, 1, tzinfo=UTC)
    assert record.end == datetime(2019, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    assert record.box == Box(
        4.97480054938215, -1.5051857382785072, 5.969760659258578, -0.7525296804300243
    )
    assert {asset.key for asset in record.assets} == {"mask", "prob", "filtered"}
    assert record.assets[0].href.startswith("s3://deafrica-services/")
    assert record.assets[0].extra["eo:bands"] == [{"name": "mask"}]
    assert record.properties["odc:product"] == "crop_mask_central"
    assert [one.rel for one in record.links] == ["via"]


def test_a_collection_keeps_its_meaning() -> None:
    record = collection_record(
        collection(
            description="**Warm** <i>water</i><script>alert(1)</script>",
            license="proprietary",
            keywords=["ocean", "ocean", 3],
            providers=[
                {
                    "name": "Institute",
                    "roles": ["producer", "boss"],
                    "url": "https://i.example.org",
                },
                {"url": "nameless"},
            ],
            extent={
                "spatial": {"bbox": [[-180, -90, 180, 90], [170, -10, -0.5, -170, 10, 0]]},
                "temporal": {"interval": [[None, "2020-12-31T00:00:00Z"]]},
            },
            summaries={"platform": ["ship"], "instruments": ["CTD"]},
            links=[
                link("license", "https://creativecommons.org/licenses/by/4.0/"),
                link("about", "javascript:alert(1)"),
                link("self", "here.json"),
            ],
            **{
                "sci:doi": "https://doi.org/10.1234/abc",
                "sci:citation": "Institute (2020)",
                "cube:dimensions": {"depth": {"axis": "z", "extent": [0, 5000], "unit": "m"}},
                "cube:variables": {
                    "thetao": {
                        "type": "data",
                        "description": "Temperature",
                        "standardName": "sea_water_potential_temperature",
                        "unit": "degrees_C",
                    },
                    "bounds": {"type": "auxiliary"},
                },
                "pelagos:searchable": False,
            },
        ),
        HERE,
    )
    assert record.description == "**Warm** water"
    assert record.licence == "CC-BY-4.0"
    assert record.keywords == ("ocean",)
    assert [(one.name, one.roles) for one in record.providers] == [("Institute", ("producer",))]
    assert record.boxes == (Box(170, -10, -170, 10),)
    assert record.interval == Interval(None, datetime(2020, 12, 31, tzinfo=UTC))
    assert (record.platforms, record.instruments) == (("ship",), ("CTD",))
    assert (record.doi, record.citation) == ("10.1234/abc", "Institute (2020)")
    assert record.depth == (0, 5000)
    assert record.parameters == (
        Parameter("Temperature", "sea_water_potential_temperature", units="degrees_C"),
    )
    assert [one.href for one in record.links] == [
        "https://creativecommons.org/licenses/by/4.0/",
        "https://stac.example.org/here.json",
    ]
    assert "pelagos:searchable" not in record.extra


@pytest.mark.parametrize(
    ("said", "default", "name"),
    [
        ("CC-BY-4.0", "MIT", "CC-BY-4.0"),
        ("proprietary", "MIT", "other"),
        ("", "MIT", "MIT"),
        (None, "", "other"),
        ("Creative Commons Attribution 4.0", "", "CC-BY-4.0"),
        ("free <b>for all</b>", "", "other"),
    ],
)
def test_licences_are_spdx_or_other(said: Any, default: str, name: str) -> None:
    assert collection_record(collection(license=said), HERE, default).licence == name


def test_items_without_place_or_time_are_kept() -> None:
    record = granule_record(
        item("a", geometry=None, bbox=None, properties={"datetime": None}), HERE
    )
    assert (record.box, record.geometry, record.start, record.end) == (None, None, None, None)


def test_boxes_are_read_in_all_their_forms() -> None:
    deep = granule_record(item("a", bbox=[10, 50, -200, 11, 51, -5]), HERE)
    assert (deep.box, deep.depth) == (Box(10, 50, 11, 51), (5, 200))
    assert granule_record(item("a", bbox=[10, 50, 0, 11, 51, 30]), HERE).depth is None
    across = granule_record(item("a", bbox=[170, -10, -170, 10]), HERE)
    assert across.box == Box(170, -10, -170, 10)
    cut = {
        "type": "MultiPolygon",
        "coordinates": [
            [[[170, 0], [180, 0], [180, 5], [170, 0]]],
            [[[-180, 0], [-175, 0], [-175, 5], [-180, 0]]],
        ],
    }
    without = granule_record(item("a", geometry=cut, bbox=None), HERE)
    assert without.box == Box(170, 0, -175, 5)
    assert without.geometry == cut


def test_a_geometry_that_is_its_box_or_endless_is_not_kept() -> None:
    ring = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.0, 0.0]]
    square = {"type": "Polygon", "coordinates": [ring]}
    assert granule_record(item("a", geometry=square, bbox=[0, 0, 1, 1]), HERE).geometry is None
    long = {"type": "LineString", "coordinates": [[n / 1000, 0] for n in range(6000)]}
    assert granule_record(item("a", geometry=long, bbox=None), HERE).geometry is None


def test_assets_have_absolute_addresses_that_can_be_fetched() -> None:
    record = granule_record(
        item(
            "a",
            assets={
                "near": {"href": "./a.nc", "file:size": 5, "file:checksum": "1220ab", "x:y": 1},
                "script": {"href": "javascript:alert(1)"},
                "nowhere": {"href": None},
                "local": {"href": "file:///etc/passwd"},
                "store": {"href": "https://x.example.org/a.zarr", "type": "application/vnd+zarr"},
                "broken": "text",
            },
        ),
        "https://stac.example.org/items/a.json",
    )
    near, store = record.assets
    assert near.href == "https://stac.example.org/items/a.nc"
    assert (near.size, near.checksum, near.extra) == (5, "1220ab", {"x:y": 1})
    assert (near.access, store.access) == (Access.DIRECT, Access.SUBSET)
    ordered = item("a", properties={"datetime": None, "order:status": "orderable"})
    assert granule_record(ordered, HERE).assets[0].access is Access.ORDER


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("text", "no id"),
        ({"id": 3}, "no id"),
        ({"id": "a"}, "no properties"),
        (item(""), "id"),
        (item("a", bbox=[10, 91, 11, 92]), "latitude"),
        (item("a", bbox=[10, 5, 11, 4]), "upside down"),
        (item("a", bbox=[10, float("nan"), 11, 4]), "bbox"),
        (item("a", bbox=["10", 1, 11, 4]), "bbox"),
        (item("a", bbox=[1, 2, 3]), "bbox"),
        (item("a", geometry={"type": "Point", "coordinates": [0, 91]}), "no such place"),
        (item("a", geometry={"type": "Point", "coordinates": []}), "empty"),
        (item("a", geometry={"type": "Circle"}), "no type of GeoJSON"),
        (
            item("a", geometry={"type": "GeometryCollection", "geometries": []}),
            "GeometryCollection",
        ),
        (item("a", geometry={"type": "Polygon", "coordinates": [[1, 2]]}), "coordinates"),
        (item("a", properties={"datetime": "9999-99-99"}), "no time"),
        (
            item("a", properties={"start_datetime": "2021-01-01", "end_datetime": "2020-01-01"}),
            "ends before it starts",
        ),
    ],
)
def test_a_bad_item_is_rejected_with_its_reason(server: Loopback, bad: Any, reason: str) -> None:
    api(server, collection())
    server.routes["/stac/collections/a/items"] = features(bad, item("good"))
    _, granules = harvest(server)
    rejected, good = granules["a"]
    assert isinstance(rejected, Rejected)
    assert reason in rejected.reason
    assert good.id == "good"


def test_a_remotes_own_fields_stay_within_bounds() -> None:
    kept = own_fields({"a": 1, "pelagos:access": "direct", "big": "x" * 50_000, "b": float("nan")})
    assert kept == {"a": 1}


def test_pages_are_followed_with_get_and_post(server: Loopback) -> None:
    api(server, collection())
    server.routes["/stac/collections/a/items"] = features(
        item("1"), links=(link("next", "/stac/search", method="POST", body={"token": "2"}),)
    )

    def search(asked: Asked) -> Reply:
        body = json.loads(asked.body)
        if body == {"token": "2"}:
            again = link("next", "/stac/search", method="POST", merge=True, body={"page": 3})
            return features(item("2"), links=(again,))
        assert body == {"token": "2", "page": 3}
        return features(item("3"))

    server.routes["/stac/search"] = search
    _, granules = harvest(server)
    assert [one.id for one in granules["a"]] == ["1", "2", "3"]
    first = next(asked for asked in server.requests if asked.path.endswith("items"))
    assert first.query == {"limit": "250"}


def test_a_next_link_in_a_circle_ends_the_reading(server: Loopback) -> None:
    api(server, collection())
    back = link("next", "/stac/collections/a/items?limit=250&page=2")
    server.routes["/stac/collections/a/items"] = lambda asked: features(
        item("1"), item(asked.query.get("page", "one")), links=(back,)
    )
    _, granules = harvest(server)
    *_, last, circle = granules["a"]
    assert last.id == "2"
    assert isinstance(circle, Rejected)
    assert "read already" in circle.reason
    assert len([one for one in server.requests if one.path.endswith("items")]) == 2


def test_a_next_link_to_a_strange_host_spoils_the_run(server: Loopback) -> None:
    api(server, collection())
    away = link("next", "http://metadata.example.org/latest")
    server.routes["/stac/collections/a/items"] = features(item("1"), links=(away,))
    with pytest.raises(FetchError, match=r"metadata\.example\.org"):
        harvest(server)


def test_only_wanted_collections_are_read(server: Loopback) -> None:
    api(server, collection("sea-temperature"), collection("land"), collection("sea-temperature"))
    server.routes["/stac/collections/sea-temperature/items"] = features(item("1"))
    collections, granules = harvest(server, collections=["sea-*"])
    assert [type(one) for one in collections] == [CollectionRecord, Rejected]
    assert list(granules) == ["sea-temperature"]


def test_bad_collections_are_rejected_one_by_one(server: Loopback) -> None:
    extent = {"spatial": {"bbox": [[0, 5, 1, -5]]}}
    api(server, {"type": "Collection"}, collection("b", extent=extent), collection("c"))
    server.routes["/stac/collections/c/items"] = features()
    collections, _ = harvest(server)
    assert [type(one) for one in collections] == [Rejected, Rejected, CollectionRecord]
    assert "upside down" in collections[1].reason


def test_an_unchanged_collection_is_not_read_again(server: Loopback) -> None:
    api(server, collection(), extensions=("sort",))
    newest = item("2", properties={"datetime": None, "updated": "2024-01-01T00:00:00Z"})
    server.routes["/stac/search"] = features(newest, numberMatched=2)
    server.routes["/stac/collections/a/items"] = features(item("1"), newest)
    memory: dict[str, Any] = {}
    assert len(harvest(server, memory)[1]["a"]) == 2
    assert harvest(server, memory)[1]["a"] == [Unchanged("a")]
    asked = next(one for one in server.requests if one.path == "/stac/search")
    assert asked.query == {"collections": "a", "sortby": "-properties.updated", "limit": "1"}
    server.routes["/stac/search"] = features(newest, numberMatched=1)  # one was deleted
    assert len(harvest(server, memory)[1]["a"]) == 2


def test_without_sorting_all_is_read_each_time(server: Loopback) -> None:
    api(server, collection())
    server.routes["/stac/collections/a/items"] = features(item("1"))
    memory: dict[str, Any] = {}
    for _ in range(2):
        assert len(harvest(server, memory)[1]["a"]) == 1


def test_a_live_source_gives_collections_that_say_how_to_search_them(server: Loopback) -> None:
    api(server, collection(), extensions=("sort", "free-text"), post=True)
    (record,), granules = harvest(server, live=True)
    assert granules == {"a": []}
    assert record.searchable
    assert record.extra["pelagos:live"] == {
        "collection": "a",
        "search": {
            "href": server.url + "/stac/search",
            "methods": ["GET", "POST"],
            "extensions": ["sort", "free-text"],
        },
    }


@pytest.mark.parametrize("body", ["<html>hello</html>", "[]", "{}", '{"links": 3}'])
def test_what_is_no_stac_spoils_the_run(server: Loopback, body: str) -> None:
    server.routes["/stac"] = Reply(body)
    with pytest.raises(SourceError):
        harvest(server)


@pytest.mark.parametrize("body", ["<html>hello</html>", "[]", '{"features": 3}'])
def test_a_page_that_is_none_spoils_the_run(server: Loopback, body: str) -> None:
    api(server, collection())
    server.routes["/stac/collections/a/items"] = Reply(body)
    with pytest.raises(SourceError):
        harvest(server)


def static(server: Loopback, documents: dict[str, Any]) -> None:
    for path, document in documents.items():
        server.routes[path] = reply(document)


def test_a_static_catalogue_is_walked(server: Loopback) -> None:
    static(
        server,
        {
            "/s/catalog.json": {"type": "Catalog", "links": [link("child", "./year/catalog.json")]},
            "/s/year/catalog.json": {"type": "Catalog", "links": [link("child", "../c.json")]},
            "/s/c.json": collection(
                links=[link("item", "i/1.json"), link("child", "part.json"), link("root", "x")]
            ),
            "/s/part.json": {"type": "Catalog", "links": [link("item", "i/2.json")]},
            "/s/i/1.json": item("1", assets={"data": {"href": "../1.nc"}}),
            "/s/i/2.json": item("2"),
        },
    )
    (record,), granules = harvest(server, path="/s/catalog.json")
    assert record.id == "a"
    assert [one.id for one in granules["a"]] == ["1", "2"]
    assert granules["a"][0].assets[0].href == server.url + "/s/1.nc"


def test_a_static_catalogue_in_circles_with_holes_is_walked_once(server: Loopback) -> None:
    static(
        server,
        {
            "/s/catalog.json": {
                "type": "Catalog",
                "links": [
                    link("child", "c.json"),
                    link("child", "gone.json"),
                    link("child", "http://elsewhere.example.org/c.json"),
                    link("child", "catalog.json"),
                ],
            },
            "/s/c.json": collection(
                links=[
                    link("child", "catalog.json"),
                    link("item", "1.json"),
                    link("item", "1.json"),
                    link("item", "no.json"),
                ]
            ),
            "/s/1.json": item("1"),
        },
    )
    server.routes["/s/no.json"] = Reply("<html>", "text/html")
    collections, granules = harvest(server, path="/s/catalog.json")
    assert (
        sorted(type(one).__name__ for one in collections) == ["CollectionRecord"] + ["Rejected"] * 4
    )
    assert [type(one).__name__ for one in granules["a"]][:3] == [
        "GranuleRecord",
        "Rejected",
        "Rejected",
    ]


def test_a_static_catalogue_that_is_away_keeps_its_last_state(server: Loopback) -> None:
    links = [link("child", "c.json")]
    server.routes["/s/catalog.json"] = reply({"type": "Catalog", "links": links})
    server.routes["/s/c.json"] = Reply("busy", "text/plain", 503)
    with pytest.raises(FetchError):
        harvest(server, path="/s/catalog.json")


def test_a_catalogue_without_end_is_bounded(server: Loopback) -> None:
    def deeper(asked: Asked) -> Reply:
        return reply({"type": "Catalog", "links": [link("child", f"{asked.path}/on")]})

    server.default = deeper
    (rejected,), _ = harvest(server, path="/s")
    assert "deeper than 12" in rejected.reason


def test_wekeo_s_recorded_data_set_is_no_stac() -> None:
    path: Path = shared_data("services/accessor-wekeo/wekeo_collection.json")
    with pytest.raises(RecordError, match="not a STAC collection"):
        collection_record(json.loads(path.read_text()), HERE)


def test_query_fields_are_added_once() -> None:
    assert with_query("http://a/b", limit=2) == "http://a/b?limit=2"
    assert with_query("http://a/b?limit=5", limit=2) == "http://a/b?limit=5"
    assert with_query("http://a/b?x=1", limit=2, q="a b") == "http://a/b?x=1&limit=2&q=a+b"
