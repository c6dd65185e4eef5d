"""Subsets of OPeNDAP: cut on the server by index, with the same values as in the real file."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
from access_support import engine, kept
from dap_server import Dap
from erddap_server import GRID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pelagos_client.access import (
    AccessError,
    Criteria,
    EmptyError,
    Protocol,
    dap,
    obtain,
    opendap,
    plan,
)
from pelagos_client.download import DownloadError, Fetched
from shared_data import shared_data


def made(path: Path, longitude: Any) -> Path:
    """A grid with scaled values, a scalar, bytes, and a time of days."""
    with netCDF4.Dataset(path, "w", format="NETCDF4_CLASSIC") as file:
        file.title = 'A "quoted" title; with { braces }'
        sizes = {"time": 5, "latitude": 30, "longitude": len(longitude)}
        for name, size in sizes.items():
            file.createDimension(name, size)
        time = file.createVariable("time", "f8", ("time",))
        time.units, time[:] = "days since 2000-01-01 12:00:00", [0, 31, 60, 91, 121]
        latitude = file.createVariable("latitude", "f4", ("latitude",))
        latitude.units, latitude[:] = "degrees_north", np.linspace(87, -87, 30)
        lon = file.createVariable("longitude", "f4", ("longitude",))
        lon.units, lon[:] = "degrees_east", longitude
        sst = file.createVariable("sst", "i2", tuple(sizes), fill_value=-32768)
        sst.standard_name, sst.scale_factor = "sea_surface_temperature", 0.01
        sst.set_auto_maskandscale(False)
        count = 5 * 30 * len(longitude)
        sst[:] = (np.arange(count) % 60_000 - 30_000).reshape(5, 30, -1)
        flag = file.createVariable("flag", "i1", ("time",))
        flag[:] = [0, 1, 2, 3, 127]
        file.createVariable("crs", "i4", ())[:] = 7
    return path


@pytest.fixture(scope="module", params=["0..360", "-180..180"])
def served(request: pytest.FixtureRequest) -> Iterator[tuple[Dap, Path]]:
    start = 0 if request.param == "0..360" else -180
    with tempfile.TemporaryDirectory() as folder:
        path = made(Path(folder) / "sst.nc", np.arange(start, start + 360, 5.0))
        server = Dap({"sst.nc": path, "gebco.nc": shared_data(GRID)})
        yield server, path
        server.stop()


def item(server: Dap, name: str, **more: Any) -> dict[str, Any]:
    """As the connector of THREDDS writes it."""
    href = f"{server.url}/{name}"
    asset = {"href": href, "roles": ["data"], "title": "OPeNDAP", "pelagos:access": "subset"}
    return {"id": "one", "assets": {"opendap": asset, **more}}


def get(document: dict[str, Any], criteria: Criteria, into: Path) -> Fetched:
    (one,) = plan(document, criteria)
    assert one.protocol is Protocol.PAGES
    with engine() as running:
        found = obtain(kept(one), running, into, one.name)
    assert isinstance(found, Fetched)
    return found


def test_the_loopback_server_is_one_that_netcdfs_own_client_reads(
    served: tuple[Dap, Path],
) -> None:
    server, path = served
    with netCDF4.Dataset(f"{server.url}/sst.nc") as remote, netCDF4.Dataset(path) as local:
        assert np.array_equal(remote["sst"][1:3, 4, 5:9], local["sst"][1:3, 4, 5:9])


def test_the_whole_is_as_the_source_has_it(served: tuple[Dap, Path], tmp_path: Path) -> None:
    server, path = served
    found = get(item(server, "sst.nc"), Criteria(), tmp_path)
    assert found.path.name == "sst.nc"
    with netCDF4.Dataset(found.path) as got, netCDF4.Dataset(path) as local:
        assert set(got.variables) == set(local.variables)
        assert got.title == local.title
        for name, variable in local.variables.items():
            if name != "flag":
                assert got[name].dtype == variable.dtype
            assert np.array_equal(got[name][...], variable[...]), name
        assert got["sst"].scale_factor == 0.01


def test_a_real_grid_is_cut_on_the_server(served: tuple[Dap, Path], tmp_path: Path) -> None:
    server, _ = served
    before = len(server.asked)
    found = get(item(server, "gebco.nc"), Criteria((90, -60, 95, -58), None, None), tmp_path)
    with netCDF4.Dataset(found.path) as got, netCDF4.Dataset(shared_data(GRID)) as local:
        lon, lat = local["longitude"][:], local["latitude"][:]
        columns, rows = (lon >= 90) & (lon <= 95), (lat >= -60) & (lat <= -58)
        assert np.array_equal(got["longitude"][:], lon[columns])
        assert np.array_equal(got["elevation"][:], local["elevation"][:][np.ix_(rows, columns)])
    asked = [one for one in server.asked[before:] if one.startswith("elevation")]
    assert asked
    assert all("[0:1:312]" not in one for one in asked)


def test_times_and_variables_are_cut_too(served: tuple[Dap, Path], tmp_path: Path) -> None:
    server, path = served
    criteria = Criteria(
        None, datetime(2000, 2, 1, 12, tzinfo=UTC), datetime(2000, 3, 1, tzinfo=UTC),
        ("sea_surface_temperature",),
    )  # fmt: skip
    found = get(item(server, "sst.nc"), criteria, tmp_path)
    with netCDF4.Dataset(found.path) as got, netCDF4.Dataset(path) as local:
        assert set(got.variables) == {"time", "latitude", "longitude", "sst"}
        assert list(got["time"][:]) == [31]
        assert np.array_equal(got["sst"][:], local["sst"][1:2])


longitudes = st.integers(-180, 180).map(float)
latitudes = st.integers(-90, 90)


@given(west=longitudes, east=longitudes, along=st.tuples(latitudes, latitudes))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_just_the_box_comes_and_runs_from_west_to_east(
    served: tuple[Dap, Path], west: float, east: float, along: tuple[int, int]
) -> None:
    server, path = served
    south, north = sorted(along)
    with netCDF4.Dataset(path) as local:
        lon, lat = np.asarray(local["longitude"][:]), np.asarray(local["latitude"][:])
        width = (east - west) % 360 if west != east else 0.0
        if (west, east) == (-180.0, 180.0):
            width = 360.0
        away = (lon - west) % 360
        order = [i for i in np.argsort(away, kind="stable") if away[i] <= width]
        rows = (lat >= south) & (lat <= north)
        expected = local["sst"][0][rows][:, order]
    with tempfile.TemporaryDirectory() as folder:
        criteria = Criteria((west, south, east, north), variables=("sst",))
        try:
            found = get(item(server, "sst.nc"), criteria, Path(folder))
        except EmptyError:
            assert not expected.size or list(lon[order]) == [-180]
            return
        with netCDF4.Dataset(found.path) as got:
            # a box that ends at the antimeridian is taken from its own side only
            at_end = 180 in (abs(west), abs(east))
            pairs = [
                [value for value in sorted(found_) if not (at_end and value == -180)]
                for found_ in (got["longitude"][:], lon[order])
            ]
            assert pairs[0] == pairs[1]
            if 0 < width < 355 and not at_end:
                assert list(got["longitude"][:]) == list(lon[order])
                assert np.array_equal(got["sst"][0], expected)


def test_large_variables_come_in_pieces(
    served: tuple[Dap, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, path = served
    monkeypatch.setattr(opendap, "_PIECE", 1_000)
    before = len(server.asked)
    found = get(item(server, "sst.nc"), Criteria((170, -90, -170, 90)), tmp_path)
    assert len(server.asked) - before > 10
    with netCDF4.Dataset(found.path) as got, netCDF4.Dataset(path) as local:
        wrapped = [(lon + 180) % 360 - 180 for lon in np.asarray(got["longitude"][:])]
        places = [
            int(np.flatnonzero((np.asarray(local["longitude"][:]) - lon) % 360 == 0)[0])
            for lon in wrapped
        ]
        assert len(places) == 5
        assert np.array_equal(got["sst"][:], local["sst"][:][:, :, places])


def test_a_file_beside_it_is_taken_unless_something_is_cut(served: tuple[Dap, Path]) -> None:
    server, _ = served
    both = item(server, "sst.nc", data={"href": "https://x.example.org/sst.nc", "roles": ["data"]})
    assert [one.asset for one in plan(both, Criteria())] == ["data"]
    assert [one.asset for one in plan(both, Criteria((0, 0, 1, 1)))] == ["opendap"]


def test_a_short_answer_is_no_file(served: tuple[Dap, Path], tmp_path: Path) -> None:
    server, _ = served
    server.cut = [8]
    try:
        with pytest.raises(AccessError, match="bytes came"):
            get(item(server, "sst.nc"), Criteria(), tmp_path)
    finally:
        server.cut = [0]
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_there_is_said(served: tuple[Dap, Path], tmp_path: Path) -> None:
    server, _ = served
    with pytest.raises(DownloadError, match="HTTP 404"):
        get(item(server, "other.nc"), Criteria(), tmp_path)
    with pytest.raises(AccessError, match="none of the variables chlorophyll"):
        get(item(server, "sst.nc"), Criteria(variables=("chlorophyll",)), tmp_path)
    with pytest.raises(EmptyError):
        get(item(server, "sst.nc"), Criteria(end=datetime(1990, 1, 1, tzinfo=UTC)), tmp_path)


_LONG = dap.TEXT - 20


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (dap.parse_dds, "Dataset {" + "Grid{Array:" * (_LONG // 11)),
        (dap.parse_dds, "Dataset {Grid{Array:" + "Maps:" * (_LONG // 5)),
        (dap.parse_dds, "Dataset {" + "a" * _LONG),
        (dap.parse_dds, "Dataset {" + "a b[" * (_LONG // 4)),
        (dap.parse_das, 'Attributes {"' + '\\"' * (_LONG // 2)),
    ],
    ids=["grids without an end", "maps without an end", "a word", "brackets", "a text"],
)
def test_no_text_of_a_server_takes_longer_than_its_length(read: Any, text: str) -> None:
    """Quadratic, four MiB would hold all threads of a downloader for days."""
    began = time.process_time()
    with contextlib.suppress(dap.DapError):
        read(text)
    assert time.process_time() - began < 20  # seconds; it takes one or two
