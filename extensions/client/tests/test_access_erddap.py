"""Subsets of ERDDAP: what comes lies in the box, and nothing that lies in it is missing."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
from access_support import column, engine, fetched, harvested
from erddap_server import GRID, REFERENCE, TABLE, Erddap
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pelagos_client.access import AccessError, Criteria, EmptyError, obtain, plan
from pelagos_client.access.longitudes import spans
from pelagos_client.download import DownloadError, Engine, Proof
from shared_data import shared_data

QUICK = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def running() -> Iterator[Engine]:
    with engine() as found:
        yield found


@pytest.fixture(scope="module")
def real() -> Iterator[Erddap]:
    tables = {"ArgoFloats": shared_data(TABLE), "ArgoFloats-reference": shared_data(REFERENCE)}
    server = Erddap(tables, {"GEBCO_2020": shared_data(GRID)}).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def items(real: Erddap) -> dict[str, Any]:
    return harvested(real)


def time(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def made(path: Path, axes: dict[str, Any], units: str = "") -> Path:
    """A grid whose every value is its own number."""
    standard = {"longitude": "degrees_east", "latitude": "degrees_north", "time": units}
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as file:
        for name, values in axes.items():
            file.createDimension(name, len(values))
            variable = file.createVariable(name, "f8", (name,))
            variable.units = standard[name]
            variable[:] = values
        for name in ("sst", "ice"):
            variable = file.createVariable(name, "f4", tuple(axes))
            variable.long_name = name
            variable.standard_name = {"sst": "sea_surface_temperature", "ice": "sea_ice"}[name]
            variable.units = "1"
            variable[:] = np.arange(np.prod([len(v) for v in axes.values()])).reshape(
                [len(v) for v in axes.values()]
            )
    return path


def test_a_table_is_cut_to_box_time_and_variables(
    real: Erddap, items: dict[str, Any], running: Engine, tmp_path: Path
) -> None:
    criteria = Criteria((-20, 36.5, -12, 39), time("2010-01-01"), time("2016-01-01"), ("temp",))
    plans = plan(items["ArgoFloats-reference"], criteria)
    assert [one.is_subset for one in plans] == [True]
    assert all(character not in plans[0].url for character in '<>" []')
    (path,) = fetched(plans, running, tmp_path)

    source = [shared_data(REFERENCE)]
    lon, lat = column(source, "longitude"), column(source, "latitude")
    when = column(source, "time")
    inside = (lon >= -20) & (lon <= -12) & (lat >= 36.5) & (lat <= 39)
    inside &= (when >= criteria.start.timestamp()) & (when <= criteria.end.timestamp())  # type: ignore[union-attr]
    assert 0 < inside.sum() < len(lon)
    assert np.array_equal(column([path], "temp"), column(source, "temp")[inside], equal_nan=True)
    assert np.array_equal(column([path], "longitude"), lon[inside])
    with netCDF4.Dataset(path) as file:
        assert {"time", "latitude", "longitude", "temp"} <= set(file.variables)
        assert "psal" not in file.variables


def test_without_criteria_the_whole_table_comes(
    items: dict[str, Any], running: Engine, tmp_path: Path
) -> None:
    (one,) = plan(items["ArgoFloats"], Criteria())
    assert (one.name, one.is_subset, "?" in one.url) == ("ArgoFloats.nc", False, False)
    (path,) = fetched([one], running, tmp_path)
    assert np.array_equal(column([path], "temp"), column([shared_data(TABLE)], "temp"))


def test_a_grid_is_cut_to_just_the_points_in_the_box(
    items: dict[str, Any], running: Engine, tmp_path: Path
) -> None:
    criteria = Criteria((90.01, -60, 95, -58.3), variables=("elevation",))
    paths = fetched(plan(items["GEBCO_2020"], criteria), running, tmp_path)
    lon, lat = column([shared_data(GRID)], "longitude"), column([shared_data(GRID)], "latitude")
    assert np.array_equal(column(paths, "longitude"), lon[(lon >= 90.01) & (lon <= 95)])
    assert np.array_equal(column(paths, "latitude"), lat[(lat >= -60) & (lat <= -58.3)])


def test_nothing_in_the_box_is_said_before_anything_is_asked(
    real: Erddap, items: dict[str, Any]
) -> None:
    asked = len(real.requests)
    for name in ("GEBCO_2020", "ArgoFloats"):
        with pytest.raises(AccessError, match="nothing of it lies in the box"):
            plan(items[name], Criteria((0, 60, 10, 70)))
    with pytest.raises(AccessError, match="nothing of it lies in the time range"):
        plan(items["ArgoFloats"], Criteria(end=time("1950-01-01")))
    assert len(real.requests) == asked


def test_an_answer_without_rows_is_told_as_that(
    items: dict[str, Any], running: Engine, tmp_path: Path
) -> None:
    (one,) = plan(items["ArgoFloats"], Criteria((-16.2, 0.43, -16.199, 0.431)))
    with pytest.raises(EmptyError, match="has nothing of it within"):
        obtain(one, running, tmp_path, one.name)
    assert list(tmp_path.iterdir()) == []


def test_unknown_variables_are_named_with_those_there_are(items: dict[str, Any]) -> None:
    with pytest.raises(AccessError, match=r"none of the variables chlorophyll.*It has elevation"):
        plan(items["GEBCO_2020"], Criteria(variables=("chlorophyll",)))


def test_another_cut_has_another_name(items: dict[str, Any]) -> None:
    names = {
        plan(items["ArgoFloats"], Criteria((-17, 0, east, 1)))[0].name for east in (-16, -15.5)
    }
    assert len(names) == 2
    assert all(name.endswith(".nc") for name in names)


@pytest.mark.parametrize("announced", [True, False])
def test_a_cut_answer_never_becomes_a_file_and_is_begun_anew(
    real: Erddap, items: dict[str, Any], tmp_path: Path, announced: bool
) -> None:
    (one,) = plan(items["ArgoFloats-reference"], Criteria((-20, 36, -10, 40)))
    real.announced = announced
    try:
        with engine() as running:
            asked = len(real.requests)
            real.cut = [70_000]
            (path,) = fetched([one], running, tmp_path / "second")
            assert len(real.requests) == asked + 2
            whole = path.read_bytes()
            real.cut = [70_000, 100_000, 1_000, 90_000, 80_000] * 4
            with pytest.raises(DownloadError):
                obtain(one, running, tmp_path / "never", one.name)
            assert not (tmp_path / "never" / one.name).exists()
            real.cut = []
            result = obtain(one, running, tmp_path / "never", one.name)
            assert result.resumed == 0  # type: ignore[union-attr]
            assert result.proof is (Proof.LENGTH if announced else Proof.NONE)  # type: ignore[union-attr]
            assert (tmp_path / "never" / one.name).read_bytes() == whole
    finally:
        real.announced, real.cut = True, []


longitudes = st.floats(-180, 180).map(lambda value: round(value, 3))
WEST_EAST = st.tuples(longitudes, longitudes).filter(lambda pair: pair[0] != pair[1])
SOUTH_NORTH = st.tuples(st.floats(-90, 90), st.floats(-90, 90)).map(
    lambda pair: sorted(round(value, 4) for value in pair)
)


def in_box(west: float, east: float, longitude: Any) -> Any:
    """By the definition of RFC 7946, for longitudes of any convention."""
    wrapped = ((np.asarray(longitude) + 180) % 360 - 180).round(9)
    # what lies on the antimeridian is both -180 and 180
    other = np.where(wrapped == -180, 180.0, wrapped)

    def inside(value: Any) -> Any:
        if west <= east:
            return (value >= west) & (value <= east)
        return (value >= west) | (value <= east)

    return inside(wrapped) | inside(other)


@pytest.fixture(scope="module", params=["0..360", "-180..180", "descending"])
def grid(request: pytest.FixtureRequest) -> Iterator[tuple[Erddap, dict[str, Any], Path]]:
    """Grids that count longitudes their own way, latitudes up or down, with an uneven time."""
    lon = (
        np.arange(0, 360, 7.5) if request.param != "-180..180" else np.arange(-180, 180, 7.5) + 0.25
    )
    lat = np.arange(-88, 90, 4.0)
    if request.param == "descending":
        lat = lat[::-1]
    days = np.array([0, 31, 59, 90, 120, 151]) * 86400.0
    with tempfile.TemporaryDirectory() as folder:
        axes = {"time": days, "latitude": lat, "longitude": lon}
        path = made(Path(folder) / "sst.nc", axes, "seconds since 1970-01-01T00:00:00Z")
        server = Erddap({}, {"sst": path}).start()
        yield server, harvested(server)["sst"], path
        server.stop()


@given(around=WEST_EAST, along=SOUTH_NORTH)
@QUICK
def test_of_a_grid_just_what_lies_in_the_box_comes(
    grid: tuple[Erddap, dict[str, Any], Path], around: tuple[float, float], along: list[float]
) -> None:
    _, item, path = grid
    west, east = around
    lon, lat = column([path], "longitude"), column([path], "latitude")
    columns, rows = in_box(west, east, lon), (lat >= along[0]) & (lat <= along[1])
    with netCDF4.Dataset(path) as file:
        expected = file.variables["sst"][0][np.ix_(rows, columns)].ravel()
    criteria = Criteria((west, along[0], east, along[1]), variables=("sea_surface_temperature",))
    try:
        plans = plan(item, criteria)
    except AccessError:
        assert not len(expected)
        return
    with tempfile.TemporaryDirectory() as folder, engine() as running:
        got = []
        for file_path in fetched(plans, running, Path(folder)):
            with netCDF4.Dataset(file_path) as file:
                got.append(file.variables["sst"][0].ravel())
    assert sorted(np.concatenate(got)) == sorted(expected)


@given(
    days=st.tuples(st.integers(-20, 180), st.integers(-20, 180)).map(sorted),
)
@QUICK
def test_of_an_uneven_time_axis_nothing_is_missing_and_one_step_more_at_most(
    grid: tuple[Erddap, dict[str, Any], Path], days: list[int]
) -> None:
    _, item, path = grid
    start, end = (datetime.fromtimestamp(day * 86400, UTC) for day in days)
    times = column([path], "time")
    inside = times[(times >= start.timestamp()) & (times <= end.timestamp())]
    try:
        plans = plan(item, Criteria(start=start, end=end, variables=("sst",)))
    except AccessError:
        assert not len(inside)
        return
    with tempfile.TemporaryDirectory() as folder, engine() as running:
        got = column(fetched(plans, running, Path(folder)), "time")
    assert set(inside) <= set(got)
    assert len(got) <= len(inside) + 2


@pytest.fixture(scope="module", params=[0.0, 180.0])
def table(request: pytest.FixtureRequest) -> Iterator[tuple[dict[str, Any], Path]]:
    """Places all around the world, by either way to count longitudes."""
    random = np.random.default_rng(5)
    lon = random.uniform(-179.9, 179.9, 400).round(3)
    lon[:6] = [-179.999, 179.999, 0, 0.001, -0.001, 90]
    if not request.param:
        lon = (lon % 360).round(9)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.nc"
        with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as file:
            file.createDimension("row", len(lon))
            for name, values in {
                "time": np.arange(len(lon)) * 3600.0,
                "latitude": random.uniform(-90, 90, len(lon)),
                "longitude": lon,
                "temp": np.arange(len(lon)),
            }.items():
                file.createVariable(name, "f8", ("row",))[:] = values
            file.variables["time"].units = "seconds since 1970-01-01T00:00:00Z"
        server = Erddap({"table": path}).start()
        yield harvested(server)["table"], path
        server.stop()


@given(around=WEST_EAST, along=SOUTH_NORTH)
@QUICK
def test_of_a_table_just_the_rows_in_the_box_come(
    table: tuple[dict[str, Any], Path], around: tuple[float, float], along: list[float]
) -> None:
    item, path = table
    lon, lat = column([path], "longitude"), column([path], "latitude")
    inside = in_box(*around, lon) & (lat >= along[0]) & (lat <= along[1])
    try:
        plans = plan(item, Criteria((around[0], along[0], around[1], along[1])))
    except AccessError:
        assert not inside.any()
        return
    assert len(plans) <= 2
    with tempfile.TemporaryDirectory() as folder, engine() as running:
        try:
            got = column(fetched(plans, running, Path(folder)), "temp")
        except EmptyError:
            got = np.array([])
    assert sorted(got) == sorted(column([path], "temp")[inside])


@given(
    around=WEST_EAST,
    ends=st.sampled_from(
        [(-180.0, 180.0), (0.0, 360.0), (0.0, 359.75), (-78.3, 40.2), (None, None)]
    ),
)
def test_no_span_reaches_out_of_the_box(
    around: tuple[float, float], ends: tuple[float | None, float | None]
) -> None:
    found = spans(*around, *ends)
    for left, right in found:
        for place in (left, (left + right) / 2, right):
            assert (
                in_box(*around, round(place, 9))
                or np.isclose((place - np.array(around)) % 360 % 359.999999, 0, atol=1e-5).any()
            )
    assert sum(right - left for left, right in found) <= 360
