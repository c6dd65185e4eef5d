"""What NetCDF files say of themselves: made ones for every trap, real ones against numpy."""

from __future__ import annotations

import glob
import os
import random
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cftime
import netCDF4
import numpy as np
import pytest
from pelagos.catalogue.formats.aside import Reader
from pelagos.catalogue.formats.extents import Longitudes, depth_of_pressure
from pelagos.catalogue.formats.netcdf_metadata import read_netcdf
from pelagos.catalogue.formats.summary import Summary, UnreadableError, from_json, to_json
from shared_data import shared_data

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A NetCDF file of variables: name=(dimensions, values, attributes)."""

    def made(
        attributes: dict[str, Any] | None = None, form: str = "NETCDF4", **variables: Any
    ) -> Path:
        path = tmp_path / f"made{len(list(tmp_path.iterdir()))}.nc"
        with netCDF4.Dataset(path, "w", format=form) as dataset:
            dataset.setncatts(attributes or {})
            for name, (dimensions, values, said) in variables.items():
                array = np.asarray(values)
                for dimension, length in zip(dimensions, array.shape, strict=True):
                    if dimension not in dataset.dimensions:
                        dataset.createDimension(dimension, length)
                left = dict(said)
                fill = left.pop("_FillValue", None)
                variable = dataset.createVariable(name, array.dtype, dimensions, fill_value=fill)
                variable.set_auto_maskandscale(False)
                variable.setncatts(left)
                variable[...] = array
        return path

    return made


LAT = {"standard_name": "latitude", "units": "degrees_north"}
LON = {"standard_name": "longitude", "units": "degrees_east"}


def lat(*values: float) -> tuple[tuple[str, ...], Any, dict[str, str]]:
    return ("lat",), np.array(values, dtype="f8"), LAT


def lon(*values: float) -> tuple[tuple[str, ...], Any, dict[str, str]]:
    return ("lon",), np.array(values, dtype="f8"), LON


def read(path: Path) -> Summary:
    return read_netcdf(str(path))


@pytest.mark.parametrize(
    ("longitudes", "west", "east"),
    [
        ([0.5, 325.5, 355.5], -34.5, 0.5),  # 0..360, across Greenwich
        ([170, 175, 180, 185, 190], 170, -170),  # across the antimeridian
        (list(np.arange(0, 360, 0.5)), -180, 180),  # global
        (list(np.arange(-180, 180, 10)), -180, 180),  # global, coarse
        (list(np.arange(-170, 171, 10)), -170, 170),  # not global: two steps are missing
        ([10, 20, 30], 10, 30),
        ([-180, -170], -180, -170),
        ([-5], -5, -5),
        ([0, 90, 180], 0, 180),
    ],
)
def test_longitudes_leave_out_the_widest_gap(
    make: Make, longitudes: list[float], west: float, east: float
) -> None:
    assert read(make(lat=lat(1, 2), lon=lon(*longitudes))).box == (west, 1, east, 2)


def test_scattered_positions_around_the_world_are_global() -> None:
    found = Longitudes()
    found.add(np.random.default_rng(1).uniform(-180, 180, 20_000))
    assert found.ends() == (-180, 180)


def test_longitudes_agree_with_all_sorted_ones() -> None:
    random_ = np.random.default_rng(2)
    for _ in range(200):
        values = random_.uniform(-180, 540, random_.integers(1, 40))
        found = Longitudes()
        for part in np.array_split(values, 3):
            found.add(part)
        around = np.sort(values % 360)
        gaps = np.diff(np.append(around, around[0] + 360))
        at = int(np.argmax(gaps))
        west, east = around[(at + 1) % around.size], around[at]
        ends = found.ends()
        assert ends is not None
        assert abs((ends[0] - west + 180) % 360 - 180) < 1e-6
        assert abs((ends[1] - east + 180) % 360 - 180) < 1e-6


def test_a_curvilinear_grid_with_bounds_is_as_wide_as_its_cells(make: Make) -> None:
    x, y = np.meshgrid(np.arange(100.0, 110), np.arange(-89.5, -80))
    cells = np.stack([x - 0.5, x + 0.5, x + 0.5, x - 0.5], axis=-1)
    rows = np.stack([y - 0.5, y - 0.5, y + 0.5, y + 0.5], axis=-1)
    found = read(
        make(
            nav_lat=(("y", "x"), y, {**LAT, "bounds": "yb"}),
            nav_lon=(("y", "x"), x, {**LON, "bounds": "xb"}),
            yb=(("y", "x", "four"), rows, {}),
            xb=(("y", "x", "four"), cells, {}),
        )
    )
    assert found.box == (99.5, -90, 109.5, -80)


def test_a_grid_without_positions_on_land_is_not_drawn_to_0_0(make: Make) -> None:
    x, y = np.meshgrid(np.arange(100.0, 110), np.arange(40.0, 50))
    x[:3], y[:3] = 0, 0  # processors on land that NEMO leaves out
    found = read(make(nav_lat=(("y", "x"), y, {}), nav_lon=(("y", "x"), x, {})))
    assert found.box == (100, 43, 109, 49)


def test_one_cell_around_the_world_is_global(make: Make) -> None:
    found = read(
        make(
            lat=lat(-10, 10),
            lon=(("lon",), np.array([180.0]), {**LON, "bounds": "b"}),
            b=(("lon", "two"), np.array([[0.0, 360.0]]), {}),
        )
    )
    assert found.box == (-180, -10, 180, 10)


def test_one_wide_cell_is_as_wide_as_it_is(make: Make) -> None:
    found = read(
        make(
            lat=lat(0),
            lon=(("lon",), np.array([155.0]), {**LON, "bounds": "b"}),
            b=(("lon", "two"), np.array([[10.0, 300.0]]), {}),
        )
    )
    assert found.box == (10, 0, -60, 0)


def test_what_is_missing_flagged_or_impossible_is_no_position(make: Make) -> None:
    found = read(
        make(
            LATITUDE=(
                ("n",),
                np.array([1.0, 99999, 3, np.nan, 95, 6, 7]),
                {**LAT, "_FillValue": 99999.0},
            ),
            LONGITUDE=(
                ("n",),
                np.array([10.0, 20, 30, 40, 50, 60, 99999]),
                {**LON, "_FillValue": 99999.0},
            ),
            POSITION_QC=(("n",), np.array([b"1", b"1", b"2", b"1", b"1", b"4", b"1"]), {}),
        )
    )
    assert found.box == (10, 1, 30, 3)
    assert "latitudes beyond 90 degrees were left out" in found.notes


def test_packed_coordinates_are_unpacked(make: Make) -> None:
    packed = {**LAT, "scale_factor": 0.01, "add_offset": 40.0, "_FillValue": np.int16(-1)}
    found = read(make(lat=(("lat",), np.array([0, 100, -1], "i2"), packed), lon=lon(5, 6)))
    assert found.box == (5, 40, 6, 41)


def test_without_coordinates_the_attributes_count(make: Make) -> None:
    said = {
        "geospatial_lat_min": 10.0, "geospatial_lat_max": "20.5",
        "geospatial_lon_min": 170.0, "geospatial_lon_max": -170.0,
        "time_coverage_start": "2003-01-13", "time_coverage_end": "2003-07-14",
        "geospatial_vertical_min": -50.0, "geospatial_vertical_max": 0.0,
        "geospatial_vertical_positive": "up", "geospatial_vertical_units": "m",
        "doi": "https://doi.org/10.17882/42182", "title": "T", "summary": "S",
        "keywords": "a, b ,a", "license": "CC-BY-4.0", "creator_name": "C", "publisher_name": "P",
        "references": "10.1000/of-a-paper and others", "platform": "FS Meteor",
    }  # fmt: skip
    found = read(make(said, v=(("x",), np.zeros(2), {"long_name": "V", "units": "1"})))
    assert found.box == (170, 10, -170, 20.5)
    assert found.start == "2003-01-13T00:00:00+00:00"
    assert found.end.startswith("2003-07-14T23:59:59")
    assert found.depth == (0, 50)
    assert (found.doi, found.title, found.keywords) == ("10.17882/42182", "T", ("a", "b"))
    assert [(one.name, one.roles) for one in found.providers] == [
        ("C", ("producer",)),
        ("P", ("host",)),
    ]
    assert (found.licence, found.platforms) == ("CC-BY-4.0", ("FS Meteor",))


def test_attributes_of_the_file_it_was_cut_from_do_not_count(make: Make) -> None:
    said = {"geospatial_lat_min": -90.0, "geospatial_lat_max": 90.0,
            "geospatial_lon_min": -180.0, "geospatial_lon_max": 180.0}  # fmt: skip
    assert read(make(said, lat=lat(1, 2), lon=lon(3, 4))).box == (3, 1, 4, 2)


@pytest.mark.parametrize(
    ("units", "calendar", "value", "truth"),
    [
        ("days since 1950-01-01 00:00:00 UTC", "", 18000.5, "1999-04-14T12:00:00"),
        ("seconds since 1900-01-01 00:00:00", "360_day", 3578256000.0, "2015-01-16T00:00:00"),
        ("days since 2015-01-01", "360_day", 59.0, "2015-02-28T00:00:00"),  # 30 February
        ("days since 2015-01-01", "noleap", 59.0, "2015-03-01T00:00:00"),
        ("days since 2016-01-01", "noleap", 59.0, "2016-03-01T00:00:00"),
        # Julian day 2452254.728472 at midnight of SeaDataNet: 10 December 2001, 17:29 UTC
        ("days since -4713-01-01T00:00:00Z", "julian", 2452254.728472, "2001-12-10T17:29:00"),
        ("hours since 2000-01-01 00:00:00 +02:00", "standard", 2.0, "2000-01-01T00:00:00"),
    ],
)
def test_times_of_all_calendars_become_real_moments(
    make: Make, units: str, calendar: str, value: float, truth: str
) -> None:
    said = {"standard_name": "time", "units": units} | ({"calendar": calendar} if calendar else {})
    found = read(make(time=(("time",), np.array([value]), said)))
    assert found.start == found.end == f"{truth}+00:00"
    assert any(calendar in note for note in found.notes) == (calendar in ("360_day", "noleap"))


def test_bounds_say_how_long_a_mean_lasts(make: Make) -> None:
    said = {"standard_name": "time", "units": "days since 2000-01-01", "bounds": "tb"}
    found = read(
        make(
            time=(("time",), np.array([15.5, 45.0]), said),
            tb=(("time", "two"), np.array([[0.0, 31], [31, 60]]), {}),
        )
    )
    assert (found.start, found.end) == ("2000-01-01T00:00:00+00:00", "2000-03-01T00:00:00+00:00")


@pytest.mark.parametrize("year", ["0000", "0001"])
def test_a_climatology_has_no_date(make: Make, year: str) -> None:
    said = {"standard_name": "time", "units": f"days since {year}-01-01", "calendar": "360_day"}
    found = read(make(time=(("time",), np.array([15.0]), said)))
    assert (found.start, found.end) == ("", "")
    assert "not a real date" in found.notes[0]


@pytest.mark.parametrize("value", [1e30, -1e30, np.nan, np.inf])
def test_a_time_that_makes_no_sense_is_none(make: Make, value: float) -> None:
    said = {"standard_name": "time", "units": "days since 1950-01-01"}
    found = read(make(time=(("time",), np.array([value]), said)))
    assert (found.start, found.end) == ("", "")


def test_the_start_of_a_forecast_is_not_the_time_of_the_data(make: Make) -> None:
    units = "days since 2000-01-01"
    found = read(
        make(
            run=(
                ("run",),
                np.array([0.0]),
                {"standard_name": "forecast_reference_time", "units": units},
            ),
            valid=(("t",), np.array([5.0]), {"standard_name": "time", "units": units}),
        )
    )
    assert found.start == "2000-01-06T00:00:00+00:00"


@pytest.mark.parametrize(
    ("said", "values", "depth"),
    [
        ({"standard_name": "depth", "units": "m", "positive": "down"}, [5, 4478], (5, 4478)),
        ({"units": "m", "axis": "Z", "positive": "up"}, [-5000, -10], (10, 5000)),
        ({"standard_name": "altitude", "units": "m", "axis": "Z"}, [-300, -0.5], (0.5, 300)),
        ({"standard_name": "height", "units": "m", "axis": "Z", "positive": "up"}, [2, 10], None),
        ({"standard_name": "depth", "units": "m", "positive": "down"}, [-0.5, 20], (0, 20)),
        ({"standard_name": "ocean_sigma_coordinate", "units": "1", "axis": "Z"}, [-1, 0], None),
        ({"standard_name": "depth", "units": "m", "_FillValue": 99999.0}, [5, 99999], (5, 5)),
    ],
)
def test_depth_is_metres_positive_down(
    make: Make, said: dict[str, Any], values: list[float], depth: Any
) -> None:
    assert read(make(depth=(("depth",), np.array(values, "f8"), said))).depth == depth


def test_pressure_becomes_depth_by_unesco_44() -> None:
    # the check value of Fofonoff and Millard 1983: 9712.653 m at 10000 decibar and 30 degrees
    assert depth_of_pressure(np.array([10000.0]), 30)[0] == pytest.approx(9712.653, abs=1e-3)


def test_depth_from_pressure_says_so(make: Make) -> None:
    said = {"standard_name": "sea_water_pressure", "units": "decibar"}
    found = read(make(lat=lat(30), lon=lon(0), PRES=(("z",), np.array([0.0, 1000]), said)))
    assert found.depth == (0, pytest.approx(990, abs=3))
    assert any("pressure" in note for note in found.notes)


def test_only_what_was_measured_is_a_parameter(make: Make) -> None:
    plain = np.zeros(2)
    found = read(
        make(
            lat=lat(1, 2),
            lon=lon(1, 2),
            TEMP=(("lat",), plain, {"standard_name": "sea_water_temperature", "units": "degC",
                                    "SDN_parameter_urn": "SDN:P01::TEMPPR01",
                                    "ancillary_variables": "TEMP_spread"}),
            TEMP_QC=(("lat",), plain, {"long_name": "quality", "units": "1"}),
            TEMP_spread=(("lat",), plain, {"standard_name": "sea_water_temperature",
                                           "units": "degC"}),
            TEMP_sd=(("lat",), plain, {"standard_name": "sea_water_temperature standard_error",
                                       "units": "K"}),
            tmask=(("lat",), plain, {"standard_name": "sea_binary_mask", "units": "1"}),
            flagged=(("lat",), plain, {"long_name": "f", "units": "1", "flag_values": [0.0, 1.0]}),
            count=(("lat",), plain, {"long_name": "no units"}),
            lasted=(("lat",), plain, {"long_name": "how long", "units": "hours"}),
            chl=(("lat",), plain, {"long_name": "Chlorophyll", "units": "mg m-3"}),
        )
    )  # fmt: skip
    assert [(one.name, one.standard_name, one.p01, one.units) for one in found.parameters] == [
        ("TEMP", "sea_water_temperature", "TEMPPR01", "degC"),
        ("Chlorophyll", "", "", "mg m-3"),
    ]


def test_variables_of_groups_are_found(tmp_path: Path) -> None:
    path = tmp_path / "groups.nc"
    with netCDF4.Dataset(path, "w") as dataset:
        group = dataset.createGroup("science")
        group.createDimension("n", 2)
        for name, values, said in (("lat", [1, 2], LAT), ("lon", [3, 4], LON)):
            variable = group.createVariable(name, "f8", ("n",))
            variable.setncatts(said)
            variable[:] = values
    assert read(path).box == (3, 1, 4, 2)


def test_a_summary_survives_the_way_to_the_other_process(make: Make) -> None:
    path = make({"title": "T", "creator_name": "C"}, lat=lat(1, 2), lon=lon(3, 4),
                v=(("lat",), np.zeros(2), {"standard_name": "speed", "units": "m"}))  # fmt: skip
    found = read(path)
    assert from_json(to_json(found)) == found


# hostile files


@pytest.fixture(scope="module")
def reader() -> Any:
    with Reader(20) as found:
        yield found


def aside(reader: Reader, path: Path) -> Summary | str:
    """What the process aside says: a summary, or why there is none."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return reader.netcdf(descriptor)
    except UnreadableError as error:
        return str(error)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(
    "content",
    [b"", b"CDF", b"CDF\x01", b"CDF\x09" + b"\0" * 50, b"CDF\x01" + b"\xff" * 200, b"<html></html>",
     b"\x89HDF\r\n\x1a\n", b"\x89HDF\r\n\x1a\n" + b"\xff" * 5000, b"CDF\x05" + b"\x7f" * 100],
)  # fmt: skip
def test_garbage_is_unreadable(reader: Reader, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "garbage.nc"
    path.write_bytes(content)
    assert isinstance(aside(reader, path), str)


@pytest.mark.parametrize(
    "form", ["NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA", "NETCDF4"]
)
def test_a_file_that_is_cut_off_anywhere_is_unreadable(
    reader: Reader, make: Make, tmp_path: Path, form: str
) -> None:
    whole = make({"title": "cut"}, form, lat=lat(*range(50)), lon=lon(*range(60)),
                 t=(("lat", "lon"), np.ones((50, 60), "f4"), {"units": "K"}))  # fmt: skip
    content = whole.read_bytes()
    assert isinstance(aside(reader, whole), Summary)
    path = tmp_path / "cut.nc"
    for length in [*sorted(random.Random(3).sample(range(len(content)), 25)), len(content) - 4]:
        path.write_bytes(content[:length])
        assert isinstance(aside(reader, path), str), length


def test_record_variables_count_in_the_length_of_a_classic_file(
    reader: Reader, tmp_path: Path
) -> None:
    path = tmp_path / "records.nc"
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as dataset:
        dataset.createDimension("time", None)
        for name, kind in (("time", "f8"), ("flag", "i1"), ("short", "i2")):
            dataset.createVariable(name, kind, ("time",))[:7] = np.arange(7)
        dataset["time"].units = "days since 2000-01-01"
    found = aside(reader, path)
    assert isinstance(found, Summary)
    assert found.end == "2000-01-07T00:00:00+00:00"
    path.write_bytes(path.read_bytes()[:-8])
    assert "cut off" in str(aside(reader, path))


def test_changed_bytes_never_end_the_reading(reader: Reader, make: Make, tmp_path: Path) -> None:
    content = bytearray(make(lat=lat(*range(9)), lon=lon(*range(9)),
                             t=(("lat", "lon"), np.ones((9, 9)), {})).read_bytes())  # fmt: skip
    random_ = random.Random(4)
    path = tmp_path / "changed.nc"
    for _ in range(60):
        changed = bytearray(content)
        for _ in range(random_.choice((1, 4, 40))):
            changed[random_.randrange(len(changed))] = random_.randrange(256)
        path.write_bytes(changed)
        aside(reader, path)  # whatever it is, no other error
    good = make(lat=lat(1, 2), lon=lon(3, 4))
    assert isinstance(aside(reader, good), Summary)


def test_a_gigantic_coordinate_is_not_read(reader: Reader, tmp_path: Path) -> None:
    path = tmp_path / "gigantic.nc"
    with netCDF4.Dataset(path, "w") as dataset:
        dataset.createDimension("lat", 10**11)
        dataset.createDimension("lon", 2)
        dataset.createVariable("lat", "f8", ("lat",), chunksizes=(1000,)).units = "degrees_north"
        dataset.createVariable("lon", "f8", ("lon",)).units = "degrees_east"
    assert path.stat().st_size < 10**6
    found = aside(reader, path)
    assert isinstance(found, Summary)
    assert found.box is None
    assert "lat: too large to be read" in found.notes


def test_a_piece_too_large_to_unpack_is_refused(reader: Reader, tmp_path: Path) -> None:
    path = tmp_path / "bomb.nc"
    with netCDF4.Dataset(path, "w") as dataset:
        dataset.createDimension("lat", 2**24)
        dataset.createDimension("more", 8)
        for name, said in (("lat", LAT), ("lon", LON)):
            variable = dataset.createVariable(
                name, "i1", ("lat", "more"), chunksizes=(2**24, 8), zlib=True
            )
            variable.setncatts(said)
        dataset["lat"].set_auto_maskandscale(False)
    assert "256 MiB" in str(aside(reader, path)) or "too large" in str(aside(reader, path))


def test_attributes_of_wrong_types_do_no_harm(reader: Reader, make: Make) -> None:
    said = {"title": 5, "geospatial_lat_min": "north", "license": [1, 2, 3], "doi": 4.5,
            "time_coverage_start": "9999-99-99", "keywords": "<script>x</script>"}  # fmt: skip
    odd = {**LAT, "scale_factor": "two", "valid_range": "all", "units": 7}
    path = make(said, lat=(("lat",), np.array([1.0, 2]), odd), lon=lon(1, 2))
    found = aside(reader, path)
    assert isinstance(found, Summary)
    assert (found.title, found.doi, found.box) == ("", "", (1, 1, 2, 2))


def test_a_reader_that_died_is_started_again(make: Make) -> None:
    path = make(lat=lat(1, 2), lon=lon(3, 4))
    with Reader(20) as reader:
        assert isinstance(aside(reader, path), Summary)
        assert reader.process is not None
        os.kill(reader.process, signal.SIGKILL)
        outcomes = [aside(reader, path) for _ in range(2)]
        assert isinstance(outcomes[-1], Summary)


def test_a_reader_that_hangs_is_given_up(make: Make) -> None:
    path = make(lat=lat(1, 2), lon=lon(3, 4))
    with Reader(20) as reader:
        assert isinstance(aside(reader, path), Summary)
        assert reader.process is not None
        reader.seconds = 0.2
        os.kill(reader.process, signal.SIGSTOP)
        assert "took more than" in str(aside(reader, path))
        reader.seconds = 20
        assert isinstance(aside(reader, path), Summary)


def test_the_process_aside_has_no_secrets(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "secret")
    with Reader(20) as reader:
        aside(reader, make(lat=lat(1), lon=lon(1)))
        environment = Path(f"/proc/{reader.process}/environ").read_bytes()
    assert b"secret" not in environment


# real files, against what numpy and cftime say of all of their values


MEASURED = {
    "", "sea_water_temperature", "sea_water_salinity", "sea_water_electrical_conductivity",
    "moles_of_oxygen_per_unit_mass_in_sea_water",
    "temperature_of_sensor_for_oxygen_in_sea_water",
}  # fmt: skip


def truth_of_argo(path: Path) -> tuple[Any, ...]:
    """Platform, box and time of a profile file, straight from its values and flags."""
    with netCDF4.Dataset(path) as dataset:

        def values(name: str, flags: str) -> Any:
            found = np.ma.filled(np.ma.asarray(dataset[name][:], "f8"), np.nan)
            bad = np.isin(np.ma.filled(dataset[flags][:], b" "), [b"4", b"9"])
            return np.where(bad, np.nan, found)

        y, x = values("LATITUDE", "POSITION_QC"), values("LONGITUDE", "POSITION_QC")
        days = values("JULD", "JULD_QC")
        rows = dataset["PLATFORM_NUMBER"][:]
        numbers = {bytes(row.compressed()).decode().strip(" \0") for row in rows}
    known = np.isfinite(x) & np.isfinite(y)
    epoch = datetime(1950, 1, 1, tzinfo=UTC)
    ends = [epoch + timedelta(days=float(one)) for one in (np.nanmin(days), np.nanmax(days))]
    return numbers, (x[known].min(), y[known].min(), x[known].max(), y[known].max()), ends


def test_all_real_argo_profiles_are_where_and_when_numpy_says(reader: Reader) -> None:
    files = sorted(glob.glob(str(shared_data("argo/gdac") / "*.nc")))
    profiles = [name for name in files if not name.endswith(("meta.nc", "tech.nc", "traj.nc"))]
    assert (len(files), len(profiles)) == (58, 54)
    for name in profiles:
        found = aside(reader, Path(name))
        assert isinstance(found, Summary), (name, found)
        numbers, box, (start, end) = truth_of_argo(Path(name))
        assert set(found.platforms) == numbers
        assert found.box == pytest.approx(box, abs=2e-6), name
        assert abs(datetime.fromisoformat(found.start) - start) <= timedelta(seconds=1), name
        assert abs(datetime.fromisoformat(found.end) - end) <= timedelta(seconds=1), name
        names = {one.standard_name for one in found.parameters}
        assert "sea_water_temperature" in names
        assert names <= MEASURED, (name, names)
        if found.depth:
            assert 0 <= found.depth[0] < found.depth[1] < 6100


def test_argo_files_without_profiles(reader: Reader) -> None:
    folder = shared_data("argo/gdac")
    technical = aside(reader, folder / "13857_tech.nc")
    assert isinstance(technical, Summary)
    assert (technical.box, technical.start, technical.platforms) == (None, "", ("13857",))
    meta = aside(reader, folder / "13857_meta.nc")
    assert isinstance(meta, Summary)
    assert meta.box is not None
    assert meta.box[:2] == meta.box[2:]  # where it was launched
    drift = aside(reader, folder / "13857_Rtraj.nc")
    assert isinstance(drift, Summary)
    assert drift.start.startswith("1997-07")


def test_the_world_ocean_database_is_where_its_casts_are(reader: Reader) -> None:
    """Its own attributes say 1°E to 141.2°W, which is not so."""
    path = shared_data("services/accessor-wod") / "wod_mbt_2003.nc"
    found = aside(reader, path)
    assert isinstance(found, Summary)
    with netCDF4.Dataset(path) as dataset:
        x = np.sort(dataset["lon"][:].astype("f8") % 360)
        days = dataset["time"][:]
        ends = cftime.num2date([days.min(), days.max()], dataset["time"].units)
    assert np.diff(x).max() < 360 - x[-1] + x[0]  # one stretch, across the antimeridian
    assert found.box == pytest.approx((x[0], 17.643667, x[-1] - 360, 60.80573), abs=1e-5)
    assert found.start[:16] == ends[0].isoformat()[:16]
    assert found.end[:13] == ends[1].isoformat()[:13]
    assert found.depth == (0, 1002)
    assert len(found.platforms) == 4
    assert {"sea_water_temperature", "wind_speed"} < {one.standard_name for one in found.parameters}


def test_seadatanet_netcdf_has_its_vocabularies(reader: Reader) -> None:
    found = aside(reader, shared_data("seadatanet") / "cfpoint_input_profile_diap.nc")
    assert isinstance(found, Summary)
    assert found.box == pytest.approx((166.747, -21.954333, 167.127167, -20.859), abs=1e-6)
    # as the ODV file of the same cruise has it
    assert (found.start, found.end) == ("2001-12-10T17:29:00+00:00", "2001-12-21T02:59:00+00:00")
    assert ("NTRAYYDZ", "mole_concentration_of_nitrate_in_sea_water") in {
        (one.p01, one.standard_name) for one in found.parameters
    }
    assert found.platforms == ("Alis",)
    assert "FI35200110014_00001_H09" in found.words


def test_gebco_has_its_doi_and_its_corner_of_the_world(reader: Reader) -> None:
    found = aside(reader, shared_data("argo/gebco") / "1d16184686cc_GEBCO_2020.nc")
    assert isinstance(found, Summary)
    assert found.box == pytest.approx((81.002083, -66.997917, 123.002083, -53.997917), abs=1e-6)
    assert (found.doi, found.start) == ("10.5285/a29c5465-b138-234d-e053-6c86abc040b9", "")
    assert [one.p01 for one in found.parameters] == ["BATHHGHT"]


@pytest.mark.parametrize(
    "name",
    ["argo/gdac/13857_prof.nc", "argo/gdac/D4900882_029.nc",
     "services/accessor-wod/wod_mbt_2003.nc", "seadatanet/cfpoint_input_profile_diap.nc",
     "argo/gebco/1d16184686cc_GEBCO_2020.nc"],
)  # fmt: skip
def test_real_files_that_are_cut_off_are_unreadable(
    reader: Reader, tmp_path: Path, name: str
) -> None:
    folder, _, base = name.rpartition("/")
    content = (shared_data(folder) / base).read_bytes()
    path = tmp_path / "cut.nc"
    for length in sorted(random.Random(5).sample(range(len(content) - 4), 12)):
        path.write_bytes(content[:length])
        assert isinstance(aside(reader, path), str), length
