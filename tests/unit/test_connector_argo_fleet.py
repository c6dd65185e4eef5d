"""Argo's fleet monitoring: four recorded floats. The list of floats is made here."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from connector_cases.argo_fleet import DAC, FLOATS
from loopback import Loopback, Reply, serve
from pelagos.catalogue.connectors.argo_fleet import depth_of
from pelagos.catalogue.records import Box
from pelagos.errors import SourceError
from rest_recordings import Harvest, as_json, harvest, source
from shared_data import shared_data


def run(server: Loopback) -> Harvest:
    return harvest(source("argo-fleet", server, "", files=DAC))


@pytest.fixture(scope="module")
def found() -> Harvest:
    routes: dict[str, Any] = {"/platformCodes": as_json(list(FLOATS))}
    for wmo, name in FLOATS.items():
        routes[f"/floats/{wmo}"] = Reply(shared_data(name).read_bytes())
    with serve(routes) as server:
        return run(server)


def test_every_recorded_float_is_kept(found: Harvest) -> None:
    assert found.rejected == []
    assert [granule.id for granule in found.granules["floats"]] == list(FLOATS)


def test_a_float_has_its_track_sensors_and_files(found: Harvest) -> None:
    one = found.granules["floats"][0]
    assert one.box == Box(8.74817, 37.53851, 13.68118, 40.95073)
    assert one.geometry is not None
    assert one.geometry["coordinates"][0] == [13.3343, 39.1823]  # where it was launched
    assert one.start == datetime(2018, 3, 21, 13, 42, tzinfo=UTC)
    assert one.end == datetime(2021, 1, 1, 5, 48, 30, tzinfo=UTC)
    assert "AANDERAA_OPTODE_4330" in one.instruments
    assert {parameter.standard_name for parameter in one.parameters} == {
        "sea_water_pressure",
        "sea_water_salinity",
        "sea_water_temperature",
        "moles_of_oxygen_per_unit_mass_in_sea_water",
    }
    assert one.assets[0].href == f"{DAC}/coriolis/6903238/6903238_prof.nc"
    assert one.depth == (0.0, 1984.2)


def test_longitude_zero_is_a_longitude_and_null_is_none(found: Harvest) -> None:
    """missingLon.json: launched at 0 E, never heard of again."""
    one = found.granules["floats"][1]
    assert one.box == Box(0, -34.99, 0, -34.99)
    assert one.start == one.end == datetime(2006, 9, 12, 9, 55, tzinfo=UTC)
    assert [asset.key for asset in one.assets] == ["meta"]  # it has no profiles


def test_a_depth_is_that_of_the_published_check_value() -> None:
    """UNESCO technical papers 44, 1983: 9712.653 m at 10000 dbar and 30 degrees."""
    assert depth_of(10_000, 30) == pytest.approx(9712.653, abs=0.001)


def test_bad_floats_are_reported_and_the_others_kept() -> None:
    good = json.loads(shared_data(FLOATS["1900936"]).read_text())
    cycle = {"startDate": "2007-01-01T00:00:00.000+00:00", "lat": 1.0, "lon": 2.0}
    changed: dict[str, Any] = {
        "1900936": good,
        "1900001": good,  # another's number in it
        "1900002": {"cycles": [cycle | {"lat": 91}]},
        "1900003": {"cycles": [cycle | {"lon": "east"}]},
        "1900004": {"cycles": [cycle | {"startDate": "9999-99-99"}]},
        "1900005": {"cycles": {"1": cycle}},
        "1900006": {"dataCenter": {"code": "XX"}},
        "1900007": [],
    }
    codes: list[Any] = [*changed, "1900936", "1900008", "../../etc/passwd", None, {"a": 1}]
    with serve({"/platformCodes": as_json(codes)}) as server:
        for wmo, change in changed.items():
            full = good | {"wmo": wmo} | change if isinstance(change, dict) else change
            server.routes[f"/floats/{wmo}"] = as_json(full)
        found = run(server)
        assert not any("etc" in asked.path for asked in server.requests)
    assert [granule.id for granule in found.granules["floats"]] == ["1900936"]
    assert len(found.rejected) == len(codes) - 1
    reasons = "\n".join(found.reasons)
    for expected in (
        "1900001: wmo: '1900936' was given for 1900001",
        "1900002: position: latitude outside",
        "1900003: lon: str where a number",
        "1900004: startDate: '9999-99-99' is no time",
        "1900005: cycles: dict where a list",
        "1900006: dataCenter.code: 'XX' has no folder",
        "1900007: it: list where an object",
        "1900936: the list has it already",
        "1900008: 127.0.0.1: answered 404",
        "is no WMO number",
    ):
        assert expected in reasons


def test_positions_flagged_as_bad_are_left_out() -> None:
    good = json.loads(shared_data(FLOATS["1900936"]).read_text())
    cycles = [
        {"startDate": "2007-01-01", "lat": 1.0, "lon": 179.0, "positionQc": 1.0},
        {"startDate": "2007-02-01", "lat": 2.0, "lon": -179.0, "positionQc": 1.0},
        {"startDate": "2007-03-01", "lat": 80.0, "lon": 5.0, "positionQc": 4.0},
    ]
    launch = good["deployment"] | {"lat": 1.0, "lon": 178.0}
    with serve({"/platformCodes": as_json(["1900936"])}) as server:
        server.routes["/floats/1900936"] = as_json(good | {"cycles": cycles, "deployment": launch})
        [one] = run(server).all_granules()
    assert one.box == Box(178, 1, -179, 2)  # across the antimeridian
    assert one.end == datetime(2007, 2, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("routes", "reason"),
    [
        ({"/platformCodes": Reply("<html>", "text/html")}, "instead of JSON"),
        ({"/platformCodes": as_json({"error": 1})}, "not an answer of this kind"),
        ({"/platformCodes": as_json(["13857"]), "/floats/13857": Reply("", status=503)}, "503"),
    ],
)
def test_a_service_that_is_away_spoils_the_run(routes: dict[str, Any], reason: str) -> None:
    with serve(routes) as server, pytest.raises(SourceError, match=reason):
        run(server)
