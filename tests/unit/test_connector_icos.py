"""ICOS: a recorded description of a data object; SPARQL answers are made here (W3C's JSON form)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from connector_cases.icos import FILE, OBJECT, SPEC, Portal, recorded
from loopback import Loopback, Reply, serve
from pelagos.catalogue.connectors import icos
from pelagos.catalogue.connectors.icos_object import granule
from pelagos.catalogue.records import Box, RecordError
from pelagos.errors import SourceError
from rest_recordings import as_json, harvest, source


@pytest.fixture
def server() -> Iterator[Loopback]:
    with serve({}) as running:
        yield running


@pytest.fixture
def portal(server: Loopback) -> Portal:
    return Portal(server)


def test_the_recorded_object_is_a_granule_with_its_file(server: Loopback, portal: Portal) -> None:
    found = harvest(source("icos", server, "/sparql"))
    assert found.rejected == []
    [collection] = found.collections
    assert collection.id == "icosOtcFosL2Product"
    assert (collection.title, collection.licence) == ("ICOS OTC FOS Release", "CC-BY-4.0")
    assert collection.boxes == (Box(2.993217, 51.57989, 2.993217, 51.57989),)
    assert "Ocean data" in collection.keywords
    assert [provider.name for provider in collection.providers] == ["Ocean Thematic Centre"]
    [one] = found.granules[collection.id]
    assert one.title == recorded()["references"]["title"]
    assert one.box == collection.boxes[0]
    assert one.start == datetime(2018, 2, 14, 16, 20, tzinfo=UTC)
    assert one.end == datetime(2020, 7, 10, 20, 0, 31, tzinfo=UTC)
    assert one.platform == "BE-FOS-Thornton Buoy"
    assert one.instruments == ("Thornton Buoy Pro-OCEANUS CO2-Pro",)
    assert [(p.name, p.units) for p in one.parameters] == [
        ("water temperature", "°C"),
        ("practical salinity", "psu"),
        ("CO2 partial pressure (water), SST", "µatm"),
        ("CO2 fugacity (water), SST", "µatm"),
    ]
    assert one.properties["license"] == "CC-BY-4.0"
    assert one.properties["sci:doi"] == "10.18160/TPH2-QBBE"
    assert one.properties["sci:citation"].startswith("Gkritzalis, T., Theetaert, H.")
    [file] = one.assets
    assert (file.href, file.size) == (f"https://data.icos-cp.eu/objects/{OBJECT}", 1042099)
    assert file.type == "text/csv"
    # the object's address is the first part of the same hash, in base64url
    assert file.checksum == ("12209fde238a3004587f797cc367f0cc1de08d0c3669d61f49d9c1b946bba11b1e5b")
    assert file.extra["pelagos:licence"]["accept"] == (
        f"https://data.icos-cp.eu/licence_accept?ids=%5B%22{OBJECT}%22%5D"
    )


def test_only_the_theme_of_the_settings_is_asked_for(server: Loopback, portal: Portal) -> None:
    theme = "http://meta.icos-cp.eu/resources/themes/ocean"
    harvest(source("icos", server, "/sparql", project=theme))
    assert f"hasDataTheme <{theme}>" in portal.queries[0]


def test_a_list_that_did_not_change_is_not_read_object_by_object(
    server: Loopback, portal: Portal
) -> None:
    first = harvest(source("icos", server, "/sparql"))
    server.routes.pop(f"/objects/{OBJECT}/{FILE}.json")
    second = harvest(source("icos", server, "/sparql"), first.memory)
    assert (second.unchanged, second.collections) == (["icosOtcFosL2Product"], [])
    portal.objects.append(portal.objects[0] | {"dobj": f"{server.url}/objects/other"})
    third = harvest(source("icos", server, "/sparql"), first.memory)
    assert len(third.collections) == 1
    assert len(third.rejected) == 2  # neither is described any more
    fourth = harvest(source("icos", server, "/sparql"), third.memory)
    assert (fourth.unchanged, len(fourth.rejected)) == ([], 2)  # still told, and tried again


def test_long_lists_are_read_in_pages(
    server: Loopback, portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(icos, "_PAGE", 10)
    row = portal.objects[0]
    portal.objects = [row | {"dobj": f"{server.url}/objects/o{i:02}"} for i in range(23)]
    portal.objects.append(portal.objects[7])  # a second name of one of them
    server.default = Reply("gone", "text/plain", 404)
    found = harvest(source("icos", server, "/sparql"))
    assert len(found.rejected) == 23
    assert "404" in found.rejected[0].reason


def test_objects_that_are_not_what_they_should_be_are_reported(
    server: Loopback, portal: Portal
) -> None:
    changes: dict[str, dict[str, Any]] = {
        "hash": {"hash": "A" * 43},
        "nofile": {"accessUrl": "javascript:alert(1)"},
        "size": {"size": "large"},
        "place": {"coverageGeo": {"type": "Point", "coordinates": [2, 91]}},
        "nan": {"coverageGeo": {"type": "Point", "coordinates": ["NaN", 1]}},
        "deep": {"coverageGeo": json.loads('{"geometry":' * 40 + "null" + "}" * 40)},
        "columns": {"specificInfo": {"columns": {"a": 1}}},
        "time": {"specificInfo": {"acquisition": {"interval": {"start": "2020", "stop": "2019"}}}},
    }
    row = portal.objects[0]
    portal.objects += [row | {"dobj": f"{server.url}/objects/{name}"} for name in changes]
    for name, change in changes.items():
        plain = {key: value for key, value in recorded().items() if key != "hash"}
        server.routes[f"/objects/{name}/{FILE}.json"] = as_json(plain | change)
    found = harvest(source("icos", server, "/sparql"))
    assert len(found.all_granules()) == 1
    reasons = {r.which.rsplit("/", 1)[-1]: r.reason for r in found.rejected}
    assert set(reasons) == set(changes)
    assert "is not that of object" in reasons["hash"]
    assert "accessUrl" in reasons["nofile"]
    assert "size" in reasons["size"]
    assert "latitude outside -90..90" in reasons["place"]
    assert "nested too deep" in reasons["deep"]
    assert "it ends before it starts" in reasons["time"]


def test_a_track_over_the_antimeridian_has_a_box_over_it() -> None:
    track = {"type": "LineString", "coordinates": [[179.5, 1], [-179.5, 2], [-178, 3]]}
    plain = {key: value for key, value in recorded().items() if key != "hash"}
    found = granule(plain | {"coverageGeo": {"type": "Feature", "geometry": track}}, OBJECT)
    assert found.box == Box(179.5, 1, -178, 3)
    assert found.geometry == track
    track["coordinates"] = [["179.5", "1"], [180.5, 2, 30]]  # as text, over 180, with a height
    found = granule(plain | {"coverageGeo": track}, OBJECT)
    assert found.geometry == {"type": "LineString", "coordinates": [[179.5, 1], [-179.5, 2]]}
    track["coordinates"] = [[[1, 2], [3, 4]]]
    with pytest.raises(RecordError, match="coverageGeo"):
        granule(plain | {"coverageGeo": track}, OBJECT)


def test_a_hash_that_is_not_base64_is_refused() -> None:
    with pytest.raises(RecordError, match="base64url"):
        granule(recorded() | {"hash": OBJECT + "!" * 19}, OBJECT)


@pytest.mark.parametrize(
    "reply",
    [
        Reply("<html>sign in</html>", "text/html"),
        as_json({"results": {}}),
        as_json({"results": {"bindings": {}}}),
        as_json({"results": {"bindings": [{"spec": {"value": ["x"]}}]}}),
        as_json({"results": {"bindings": ["x"]}}),
    ],
)
def test_an_endpoint_that_answers_no_results_spoils_the_run(reply: Reply) -> None:
    with serve({"/sparql": reply}) as server, pytest.raises(SourceError):
        harvest(source("icos", server, "/sparql"))


def test_an_endpoint_that_ignores_the_offset_is_left(
    server: Loopback, portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(icos, "_PAGE", 3)
    page = [{"spec": {"value": f"{SPEC}{i}"}, "label": {"value": "x"}} for i in range(3)]
    endless = as_json({"results": {"bindings": page}})
    server.routes["/sparql"] = lambda asked: (
        as_json({"results": {"bindings": []}}) if b"hasObjectSpec" in asked.body else endless
    )
    with pytest.raises(SourceError, match="repeats"):
        harvest(source("icos", server, "/sparql"))
