"""The ERDDAP connector, on recorded pages and on servers that answer something else.

allDatasets.json, griddap and `files/` have no recording: those answers are written here as
ERDDAP's documentation has them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from connector_cases import erddap
from loopback import Asked, Loopback, Reply, serve
from pelagos.catalogue.connectors import connector_for
from pelagos.catalogue.connectors.erddap_info import box_of, read_info, rows, time_of
from pelagos.catalogue.fetch import Fetcher, FetchError
from pelagos.catalogue.fetch_network import Patience
from pelagos.catalogue.records import (
    Access,
    Box,
    CollectionRecord,
    GranuleRecord,
    Parameter,
    RecordError,
    Rejected,
    Unchanged,
)
from pelagos.catalogue.stac import collection_document, granule_document
from pelagos.errors import SourceError

ALL = ("datasetID", "accessible", "title", "minLongitude", "maxLongitude", "minLatitude",
       "maxLatitude", "minTime", "maxTime", "griddap", "tabledap", "files", "old")  # fmt: skip
QUICK = Patience(attempts=1)


@pytest.fixture
def server() -> Iterator[Loopback]:
    with serve({}) as running:
        yield running


def harvest(
    server: Loopback, memory: dict[str, Any] | None = None, **fields: Any
) -> tuple[list[Any], dict[str, list[Any]]]:
    source = erddap.source(server.url, **fields)
    with Fetcher(source, patience=QUICK) as fetcher:
        connector = connector_for(source)(source, fetcher, memory)
        collections = list(connector.collections())
        granules = {
            one.id: list(connector.granules(one))
            for one in collections
            if isinstance(one, CollectionRecord)
        }
    return collections, granules


def table(names: tuple[str, ...], *lines: tuple[Any, ...]) -> Reply:
    return Reply(json.dumps({"table": {"columnNames": names, "rows": lines}}))


def info(*attributes: tuple[str, str, str], dimensions: tuple[str, ...] = ()) -> Reply:
    """An info page with the variable `temp`, and those that the attributes name."""
    names = dict.fromkeys(name for name, _, _ in attributes if name != "NC_GLOBAL")
    lines: list[tuple[str, ...]] = []
    for dimension in dimensions:
        name, _, values = dimension.partition(" ")
        lines.append(("dimension", name, "", "double", values))
    for name in {**names, "temp": None}:
        if name not in {line[1] for line in lines}:
            lines.append(("variable", name, "", "float", ""))
    lines += [("attribute", name, key, "String", value) for name, key, value in attributes]
    names_ = ("Row Type", "Variable Name", "Attribute Name", "Data Type", "Value")
    return table(names_, *lines)


def row(identifier: str, **fields: Any) -> tuple[Any, ...]:
    defaults = {"datasetID": identifier, "accessible": "public", "tabledap": "x", "title": "T"}
    return tuple((defaults | fields).get(name) for name in ALL)


def recorded(server: Loopback) -> None:
    server.routes |= erddap.routes(server)


def one(server: Loopback, page: Reply, **fields: Any) -> Any:
    """What becomes of one data set of allDatasets."""
    server.routes["/erddap/tabledap/allDatasets.json"] = table(ALL, row("a", **fields))
    server.routes["/erddap/info/a/index.json"] = page
    (found,), _ = harvest(server)
    return found


def test_every_data_set_of_the_recorded_list_is_accounted_for(server: Loopback) -> None:
    recorded(server)
    collections, granules = harvest(server)
    stored = [found.id for found in collections if isinstance(found, CollectionRecord)]
    rejected = {found.which: found.reason for found in collections if isinstance(found, Rejected)}
    assert sorted(stored) == sorted(erddap.INFOS)
    assert len(collections) == 53  # 54 with the list itself
    assert len(rejected) == 50
    assert "some people only" in rejected.pop("ArgoFloats-reference-CTD")
    assert all("404" in reason for reason in rejected.values())  # no page was recorded
    assert {name: len(found) for name, found in granules.items()} == dict.fromkeys(erddap.INFOS, 1)


def test_the_recorded_argo_floats_keep_their_meaning(server: Loopback) -> None:
    recorded(server)
    (record,), granules = harvest(server, datasets=["ArgoFloats"])
    assert record.title == "Argo Float Measurements"
    assert record.description.startswith("Argo float vertical profiles from Coriolis")
    assert record.boxes == (Box(-179.9998, -90, 180, 89.97058333333334),)  # -99.999 can't be
    assert record.interval.start == datetime(1997, 7, 28, 20, 26, 20, tzinfo=UTC)
    parameters = {one.standard_name: one for one in record.parameters}
    assert parameters["sea_water_temperature"] == Parameter(
        "Sea temperature in-situ ITS-90 scale",
        "sea_water_temperature",
        p01="TEMPST01",
        units="degree_Celsius",
    )
    assert parameters["sea_water_pressure"].p01 == "PRESPR01"
    assert len(record.parameters) == len(parameters) == 9
    assert [one.name for one in record.providers] == ["Argo"]
    assert "GCMD" not in record.keywords
    assert "Earth Science > Oceans > Ocean Pressure > Water Pressure" in record.keywords
    (granule,) = granules["ArgoFloats"]
    (asset,) = granule.assets
    assert (asset.href, asset.access) == (server.url + "/erddap/tabledap/ArgoFloats", Access.SUBSET)
    subset = asset.extra["pelagos:subset"]
    assert subset["protocol"] == "tabledap"
    axes = {axis["name"]: axis for axis in subset["axes"]}
    assert axes["longitude"]["min"] == -179.9998
    assert axes["time"]["max"] == 1798382900
    assert axes["pres"] == {"axis": "Z", "name": "pres", "units": "decibar", "positive": "down"}
    assert "min" not in axes["latitude"]  # a fill value stands among the data
    assert {"name": "temp", "type": "float", "units": "degree_Celsius"}.items() <= next(
        one for one in subset["variables"] if one["name"] == "temp"
    ).items()
    document = granule_document("e", "e.ArgoFloats", granule)
    assert document["assets"]["subset"]["pelagos:access"] == "subset"


def test_the_recorded_biogeochemical_floats_have_their_doi_and_quantities(server: Loopback) -> None:
    recorded(server)
    (record,), _ = harvest(server, datasets=["*BGC"])
    assert record.doi == "10.17882/42182"
    assert record.boxes[0].west == -180.0
    assert {
        "sea_water_ph_reported_on_total_scale",
        "moles_of_oxygen_per_unit_mass_in_sea_water",
    } <= {one.standard_name for one in record.parameters}
    names = [one.name for one in record.parameters]
    assert not any("QC process" in name for name in names)
    assert "not intended for legal use" in record.licence_text
    assert collection_document("e", "E", record)["license"] == "other"


def test_variables_without_units_are_known_by_category_or_name(server: Loopback) -> None:
    recorded(server)
    (record,), _ = harvest(server, datasets=["ArgoFloats-reference"])
    assert [one.name for one in record.parameters] == ["Pressure", "Temperature", "psal"]


def test_all_datasets_gives_the_extents(server: Loopback) -> None:
    found = one(
        server,
        info(("NC_GLOBAL", "title", "Sea <b>surface</b><script>alert(1)</script>")),
        minLongitude=10, maxLongitude=350, minLatitude=-60, maxLatitude=60.5,
        minTime="1990-01-01T00:00:00Z", maxTime=None,
    )  # fmt: skip
    assert found.title == "Sea surface"
    assert found.boxes == (Box(10, -60, -10, 60.5),)
    assert found.interval.end is None
    assert not [asked for asked in server.requests if asked.path.endswith("info/index.json")]


def test_an_info_page_is_asked_for_only_if_the_list_says_something_new(server: Loopback) -> None:
    server.routes["/erddap/tabledap/allDatasets.json"] = table(ALL, row("a"), row("b"))
    server.routes["/erddap/info/a/index.json"] = info()
    server.routes["/erddap/info/b/index.json"] = info()
    memory: dict[str, Any] = {}
    harvest(server, memory)
    assert json.loads(json.dumps(memory)) == memory
    server.requests.clear()
    changed = row("b", maxTime="2026-01-01T00:00:00Z")
    server.routes["/erddap/tabledap/allDatasets.json"] = table(ALL, row("a", old=2), changed)
    first, second = harvest(server, memory)[0]
    assert first == Unchanged("a")
    assert second.interval.end == datetime(2026, 1, 1, tzinfo=UTC)
    assert [asked.path for asked in server.requests][1:] == ["/erddap/info/b/index.json"]


def test_without_the_list_each_info_page_is_compared(server: Loopback) -> None:
    recorded(server)
    memory: dict[str, Any] = {}
    harvest(server, memory, datasets=["ArgoFloats"])
    assert harvest(server, memory, datasets=["ArgoFloats"])[0] == [Unchanged("ArgoFloats")]


def test_the_list_without_all_datasets_has_pages(server: Loopback) -> None:
    names = ("Dataset ID", "Accessible", "tabledap")

    def page(asked: Asked) -> Reply:
        number = int(asked.query["page"])
        if number == 3:
            return Reply("Resource not found", "text/plain", 404)
        start = (number - 1) * 1000
        return table(names, *((f"d{start + n}", "log in", "x") for n in range(1000)))

    server.routes["/erddap/info/index.json"] = page
    collections, _ = harvest(server)
    assert len({found.which for found in collections}) == 2000


def test_a_grid_is_cut_in_the_order_of_its_dimensions(server: Loopback) -> None:
    page = info(
        ("time", "actual_range", "0.0, 86400.0"),
        ("depth", "actual_range", "0.5, 5500.0"),
        ("depth", "units", "m"),
        ("latitude", "actual_range", "-80.0, 90.0"),
        ("longitude", "actual_range", "0.0, 359.75"),
        ("temp", "standard_name", "sea_water_potential_temperature"),
        dimensions=(
            "time nValues=2, evenlySpaced=true, averageSpacing=1 day",
            "depth nValues=50, evenlySpaced=false",
            "latitude nValues=681, evenlySpaced=true, averageSpacing=-0.25",
            "longitude nValues=1440, evenlySpaced=true, averageSpacing=0.25",
        ),
    )
    found = one(server, page, griddap="x", tabledap="")
    assert found.depth == (0.5, 5500)
    subset = found.assets[0].extra["pelagos:subset"]
    assert found.assets[0].href.endswith("/griddap/a")
    assert [(axis["axis"], axis["size"], axis["ascending"]) for axis in subset["axes"]] == [
        ("T", 2, True), ("Z", 50, True), ("Y", 681, False), ("X", 1440, True),
    ]  # fmt: skip
    assert subset["axes"][3]["max"] == 359.75
    assert [variable["name"] for variable in subset["variables"]] == ["temp"]


def test_files_are_granules_as_far_as_they_are_listed(server: Loopback) -> None:
    names = ("Name", "Last modified", "Size", "Description")
    server.routes["/erddap/files/a/.json"] = table(
        names, ("2020/", None, None, None), ("../", None, None, None),
        ("read me.txt", 1_580_850_460_000, 120, ""),
    )  # fmt: skip
    server.routes["/erddap/files/a/2020/.json"] = table(
        names, ("a.nc", "2020-02-04T21:07:40Z", "NaN", ""), ("../../secret", 0, 0, "")
    )
    server.routes["/erddap/tabledap/allDatasets.json"] = table(ALL, row("a", files="x"))
    server.routes["/erddap/info/a/index.json"] = info()
    _, granules = harvest(server)
    subset, text, netcdf = granules["a"]
    assert subset.id == "a"
    assert text.assets[0].href == server.url + "/erddap/files/a/read%20me.txt"
    assert (text.assets[0].size, text.assets[0].access) == (120, Access.DIRECT)
    assert text.updated == netcdf.updated == datetime(2020, 2, 4, 21, 7, 40, tzinfo=UTC)
    assert netcdf == GranuleRecord(
        "files/2020/a.nc", "2020/a.nc", assets=netcdf.assets, updated=netcdf.updated
    )
    assert netcdf.assets[0].size is None


def test_a_folder_that_leads_ever_deeper_is_left(server: Loopback) -> None:
    names = ("Name", "Last modified", "Size", "Description")
    server.default = lambda asked: table(names, ("on/", None, None, None), ("a.nc", 0, 1, ""))
    server.routes["/erddap/tabledap/allDatasets.json"] = table(ALL, row("a", files="x"))
    server.routes["/erddap/info/a/index.json"] = info()
    _, granules = harvest(server)
    assert len(granules["a"]) == 21


@pytest.mark.parametrize(
    ("page", "fields", "reason"),
    [
        (Reply("<html>busy</html>", "text/html"), {}, "page or XML instead of JSON"),
        (Reply('{"table": {"rows": []}}'), {}, "not a table of ERDDAP"),
        (Reply('{"table": {"columnNames": ["a"], "rows": [[1, 2]]}}'), {}, "as many values"),
        (Reply('{"table": {"columnNames": [], "rows": []}}'), {}, "names no variable"),
        (info(), {"minTime": "9999-99-99"}, "is no time"),
        (info(), {"minTime": "2021", "maxTime": "2020"}, "ends before it starts"),
        (
            info(),
            {"minLongitude": 9, "maxLongitude": 1, "minLatitude": 0, "maxLatitude": 1},
            "west",
        ),
        (info(), {"tabledap": ""}, "neither griddap nor tabledap"),
        (info(), {"accessible": "log in"}, "some people only"),
    ],
)
def test_a_bad_data_set_is_rejected_with_its_reason(
    server: Loopback, page: Reply, fields: dict[str, Any], reason: str
) -> None:
    found = one(server, page, **fields)
    assert isinstance(found, Rejected)
    assert found.which == "a"
    assert reason in found.reason


def test_strange_and_double_identifiers_are_rejected(server: Loopback) -> None:
    server.routes["/erddap/tabledap/allDatasets.json"] = table(
        ALL, row("../../status"), row("a"), row("a"), row("")
    )
    server.routes["/erddap/info/a/index.json"] = info()
    collections, _ = harvest(server)
    assert [type(found) for found in collections] == [
        Rejected, CollectionRecord, Rejected, Rejected,
    ]  # fmt: skip


def test_what_is_known_is_kept_while_its_info_page_fails(server: Loopback) -> None:
    server.routes["/erddap/tabledap/allDatasets.json"] = table(ALL, row("a"))
    server.routes["/erddap/info/a/index.json"] = info()
    memory: dict[str, Any] = {}
    harvest(server, memory)
    server.routes["/erddap/tabledap/allDatasets.json"] = table(ALL, row("a", title="New"))
    server.routes["/erddap/info/a/index.json"] = Reply("no", "text/plain", 500)
    rejected, kept = harvest(server, memory)[0]
    assert "500" in rejected.reason
    assert kept == Unchanged("a")
    server.routes["/erddap/info/a/index.json"] = info()
    assert isinstance(harvest(server, memory)[0][0], CollectionRecord)


def test_a_server_that_fails_again_and_again_spoils_the_run(server: Loopback) -> None:
    server.routes["/erddap/tabledap/allDatasets.json"] = table(ALL, *(row(c) for c in "abcdefgh"))
    server.default = Reply("no", "text/plain", 503)
    with pytest.raises(FetchError, match="503"):
        harvest(server)


@pytest.mark.parametrize("body", ["<html>It works!</html>", "{}", "[]", '{"table": []}'])
def test_a_list_that_is_none_spoils_the_run(server: Loopback, body: str) -> None:
    server.routes["/erddap/tabledap/allDatasets.json"] = Reply(body)
    with pytest.raises(SourceError):
        harvest(server)


def test_boxes_of_fill_values_hide_nothing() -> None:
    assert box_of("-999.999", "-99.999", "181.706", "82.99") == Box(-180, -90, 180, 82.99)
    assert box_of(0, -10, 359.75, 10) == Box(0, -10, -0.25, 10)
    assert box_of(0, -10, 360, 10) == Box(-180, -10, 180, 10)
    assert box_of(200, 0, 220, 1) == Box(-160, 0, -140, 1)
    assert box_of("NaN", 0, 1, 1) is None
    assert box_of(None, None, None, None) is None
    with pytest.raises(RecordError):
        box_of(0, 5, 1, -5)


def test_times_are_iso_or_seconds() -> None:
    moment = datetime(2020, 1, 1, tzinfo=UTC)
    assert (
        time_of("2020-01-01T00:00:00Z") == time_of(1577836800) == time_of("1.5778368E9") == moment
    )
    assert time_of("2020") == moment
    assert time_of("NaN") is None
    assert time_of("") is None
    with pytest.raises(RecordError):
        time_of("1e300")


def test_a_table_must_be_one() -> None:
    assert rows({"table": {"columnNames": ["a"], "rows": [[1]]}}) == [{"a": 1}]
    for bad in (None, 1, {}, {"table": {"columnNames": 1, "rows": []}}):
        with pytest.raises(RecordError):
            rows(bad)
    with pytest.raises(RecordError):
        read_info({"table": {"columnNames": ["Row Type"], "rows": [["attribute"]]}})
