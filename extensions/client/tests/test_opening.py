"""What was found or ordered is opened: real profiles, spreadsheets, and servers on loopback."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pelagos_client
import pytest
import xarray as xr
from dap_source import ARRAYS, serve_dap
from download_source import Source, chunks, say
from granules import NAMES, an_item, argo, floats, host
from pelagos_client.errors import OpenError, QuestionError
from pelagos_client.items import Items
from shared_data import shared_data

ODV = "seadatanet/odv_input_profile_diap.txt"
BOM = "seadatanet/odv_input_profile_00563439_ODV_withBOM.txt"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("PELAGOS_DATAPOOL_API", "PELAGOS_CATALOGUE_API", "JUPYTERHUB_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PELAGOS_DATASPACE", str(tmp_path / "dataspace"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", [*NAMES, "1901462_prof.nc", "13857_prof.nc"])
def test_argo_profiles_open_with_their_times(name: str) -> None:
    with pelagos_client.open(argo(name)) as data:  # type: ignore[union-attr]
        assert data["JULD"].dtype.kind == "M"
        assert np.nanmax(data["TEMP"].values) < 40
        assert data["JULD"].dt.year.max() > 1990


def test_an_order_of_one_file_is_a_dataset_and_of_several_a_mapping(source: Source) -> None:
    one = pelagos_client.order(floats(source, NAMES[0]), private_hosts=[host(source)])
    data = pelagos_client.open(one.wait(60, progress=False))
    truth = xr.open_dataset(argo(NAMES[0]))
    assert isinstance(data, xr.Dataset)
    np.testing.assert_array_equal(data["TEMP"].values, truth["TEMP"].values)
    data.close()
    truth.close()
    order = pelagos_client.order(floats(source), private_hosts=[host(source)])
    several = order.wait(60, progress=False).open()
    assert list(several) == [name.removesuffix(".nc") for name in NAMES]
    assert several[NAMES[1].removesuffix(".nc")]["TEMP"].size > 0
    together = order.open(combine=True)
    sizes = [several[name].sizes["N_PROF"] for name in several]
    assert together.sizes["N_PROF"] == sum(sizes)
    levels = max(several[name].sizes["N_LEVELS"] for name in several)
    assert together["TEMP"].sizes["N_LEVELS"] == levels
    last = several[NAMES[2].removesuffix(".nc")]["TEMP"].values
    np.testing.assert_array_equal(
        together["TEMP"].transpose("N_PROF", "N_LEVELS").values[-last.shape[0] :, : last.shape[1]],
        last,
    )
    assert "<" in several._repr_html_()


def test_profiles_are_cut_to_a_box_and_a_time() -> None:
    path = argo("13857_prof.nc")
    with xr.open_dataset(path) as truth:
        west, east = np.quantile(truth["LONGITUDE"], [0.2, 0.6])
        start = pd.Timestamp(np.sort(truth["JULD"].values)[5])
        keep = (truth["LONGITUDE"] >= west) & (truth["LONGITUDE"] <= east)
        keep &= truth["JULD"] >= np.datetime64(start)
        cut = pelagos_client.open(
            path, bbox=(west, -90, east, 90), datetime=(start.to_pydatetime(), None),
            variables=["TEMP"],
        )  # fmt: skip
        assert cut.sizes["N_PROF"] == int(keep.sum()) > 0
        assert set(cut.data_vars) | set(cut.coords) == {"TEMP", "LONGITUDE", "LATITUDE", "JULD"}
        cut.close()


def test_a_remote_file_is_downloaded_once_with_a_note(source: Source, capsys: Any) -> None:
    item = floats(source, NAMES[0]).documents[0]
    for _ in range(2):
        with pelagos_client.open(item, private_hosts=[host(source)]) as data:  # type: ignore[union-attr]
            assert "TEMP" in data
    assert len(source.requests) == 1
    assert "into a temporary folder; order it to keep it." in capsys.readouterr().out


def test_a_large_remote_file_has_to_be_ordered(source: Source) -> None:
    item = an_item("large", source.url("/large.nc"), **{"file:size": 2**40})
    with pytest.raises(OpenError, match=r"has 1 TiB.*Order it"):
        pelagos_client.open(item, private_hosts=[host(source)])
    assert source.requests == []
    # one that does not say how large it is
    source.always["/silent.nc"] = chunks(b"CDF\x01" + bytes(3000))
    with pytest.raises(pelagos_client.PelagosError, match="larger than"):
        pelagos_client.open(
            an_item("silent", source.url("/silent.nc")),
            private_hosts=[host(source)],
            largest=1000,
        )


class Always(dict[str, Any]):
    """One answer to all."""

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self._answer = answer

    def get(self, path: str, default: Any = None) -> Any:
        return self._answer


def test_an_erddap_subset_is_asked_for_by_box_time_and_variables(source: Source) -> None:
    answer = shared_data("argo/erddap/3b78450daf9c_ArgoFloats-reference.nc").read_bytes()
    subset = {
        "protocol": "tabledap",
        "formats": {"nc": "application/x-netcdf"},
        "axes": [
            {"axis": "X", "name": "longitude"},
            {"axis": "Y", "name": "latitude"},
            {"axis": "T", "name": "time", "units": "seconds since 1970-01-01T00:00:00Z"},
        ],
        "variables": [{"name": "temp", "standard_name": "sea_water_temperature"}],
    }
    item = an_item("floats", source.url("/erddap/tabledap/ArgoFloats"),
                   **{"pelagos:access": "subset", "pelagos:subset": subset})  # fmt: skip
    items = Items([item], pelagos_client.asking.criteria_of((-20, 30, -10, 40), "2020-01", "temp"))
    source.always = Always(say(200, answer))
    with pelagos_client.open(items[0], private_hosts=[host(source)]) as data:  # type: ignore[union-attr]
        assert data.sizes
    asked = source.requests[-1][0]
    assert asked.startswith("/erddap/tabledap/ArgoFloats.nc?")
    for part in ("temp", "longitude", "latitude", "2020-01-31"):
        assert part in asked


def test_opendap_sends_only_what_is_used() -> None:
    with serve_dap() as server:
        item = an_item("sst", server.url, **{"pelagos:access": "subset"})
        item["assets"] = {"opendap": item["assets"]["data"]}
        items = Items([item], pelagos_client.asking.criteria_of((-25, -2.5, 15, 3.5), None, "sst"))
        data = pelagos_client.open(items[0])
        assert isinstance(data, xr.Dataset)
        assert data["sst"].shape == (6, 4)
        assert sorted(data["lon"].values) == [0, 10, 340, 350]
        sst = ARRAYS["sst"][1]
        before = server.values
        np.testing.assert_array_equal(data["sst"].values, sst[8:14][:, [0, 1, 34, 35]])
        assert server.values - before < sst.size / 2
        data.close()


def test_an_opendap_server_that_fails_is_said_so(source: Source) -> None:
    with pytest.raises(OpenError, match="does not give the data by OPeNDAP"):
        pelagos_client.open(source.url("/dodsC/nothing"))


def test_zarr_opens(here: Path) -> None:
    truth = xr.Dataset({"t": ("x", np.arange(5.0))}, {"x": [10.0, 20, 30, 40, 50]})
    truth.to_zarr(here / "store", consolidated=False)
    data = pelagos_client.open(here / "store", consolidated=False)
    assert isinstance(data, xr.Dataset)
    xr.testing.assert_identical(data.load(), truth)


def by_hand(path: Path) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of a spreadsheet, with the simplest code that there is."""
    text = path.read_bytes().removeprefix(b"\xef\xbb\xbf").decode("latin-1")
    lines = [line for line in text.splitlines() if line and not line.startswith("//")]
    head, *rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    return head, [row + [""] * (len(head) - len(row)) for row in rows]


@pytest.mark.parametrize("name", [ODV, BOM])
def test_odv_spreadsheets_have_all_their_values(name: str) -> None:
    path = shared_data(name)
    frame = pelagos_client.open(path)
    assert isinstance(frame, pd.DataFrame)
    head, rows = by_hand(path)
    assert len(frame) == len(rows)
    for position, label in enumerate(head):
        column = label.split(" [")[0].strip()
        if (
            column not in frame
            or frame[column].dtype.kind != "f"
            or column in ("Longitude", "Latitude")
        ):
            continue
        flags = [row[position + 1] for row in rows] if head[position + 1 : position + 2] else []
        for got, row, flag in zip(frame[column], rows, flags or [""] * len(rows), strict=True):
            if row[position].strip() and flag.strip() != "9":
                assert got == float(row[position])
    assert frame["Cruise"].notna().all()
    assert frame["time"].dtype.kind == "M"
    assert frame["time"].notna().all()


def test_odv_units_flags_and_parameters_are_known() -> None:
    frame = pelagos_client.open(shared_data(BOM))
    name = "Temperature of the water column"
    assert frame.attrs["units"][name] == "C"
    assert frame.attrs["parameters"][name] == {"P01": "TEMPPR01", "P06": "UPAA"}
    assert frame.attrs["quality"][name] == f"QV:{name}"
    assert set(frame[f"QV:{name}"]) == {"1"}
    assert frame["Longitude"].nunique() == 1
    assert frame["time"].iloc[-1] == pd.Timestamp("2006-02-18T12:54:17")


def odv(here: Path, *rows: str, head: str = "") -> Path:
    path = here / "made.txt"
    columns = head or (
        "Cruise\tStation\tType\tyyyy-mm-ddThh:mm\tLongitude [degrees_east]"
        "\tLatitude [degrees_north]\tBot. Depth [m]\tDepth [m]\tQV:SEADATANET\tTemp [C]"
        "\tQV:SEADATANET"
    )
    path.write_text("//SDN_parameter_mapping\n" + columns + "\n" + "\n".join(rows) + "\n")
    return path


def test_odv_missing_values_decimals_and_stations(here: Path) -> None:
    path = odv(
        here,
        "C1\t007\tB\t2020-01-02T03:04\t1,5\t50,5\t\t1\t1\t-1e10\t1",
        "\t\t\t\t\t\t\t2\t1\t12,25\t1",
        "\t\t\t\t\t\t\t3\t1\t-99\t9",
        "C1\t8\tB\t2020-01-03T03:04\t2,5\t51,5\t100\t1\t1\t\t9",
    )
    frame = pelagos_client.open(path)
    assert frame["Longitude"].tolist() == [1.5, 1.5, 1.5, 2.5]
    assert frame["Station"].tolist() == ["007", "007", "007", "8"]
    np.testing.assert_array_equal(frame["Temp"], [np.nan, 12.25, np.nan, np.nan])
    # a station's empty cell stays empty; it is not that of the one before
    np.testing.assert_array_equal(frame["Bot. Depth"], [np.nan, np.nan, np.nan, 100])
    cut = pelagos_client.open(path, bbox=(2, 51, 3, 52), variables=["Temp"])
    assert len(cut) == 1
    assert "Temp" in cut


def test_a_short_row_is_said_by_line(here: Path) -> None:
    with pytest.raises(OpenError, match="line 4: 3 columns, not 11"):
        pelagos_client.open(odv(here, "C\tA\tB\t2020-01-02T03:04\t1\t2\t\t1\t1\t1\t1", "1\t2\t3"))


def test_csv_of_erddap_has_its_units(here: Path) -> None:
    path = here / "a.csv"
    path.write_text("time,latitude,temp\nUTC,degrees_north,degree_C\n2020-01-01T00:00:00Z,1.5,20\n")
    frame = pelagos_client.open(path)
    assert frame["latitude"].tolist() == [1.5]
    assert frame.attrs["units"]["temp"] == "degree_C"
    (here / "b.csv").write_text("a;b\n1;2\n")
    assert pelagos_client.open(here / "b.csv")["b"].tolist() == [2]


def test_tables_are_joined_with_their_item(source: Source) -> None:
    documents = []
    for name in ("a", "b"):
        url = source.add(f"/{name}.csv", f"x,y\n1,{name}\n".encode())
        documents.append(an_item(name, url, type="text/csv"))
    order = pelagos_client.order(documents, private_hosts=[host(source)]).wait(60, progress=False)
    frame = order.open(combine=True)
    assert frame["item"].tolist() == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.nc", b"<!DOCTYPE html><html>", "is no NetCDF"),
        ("a.nc", b"", "is no NetCDF"),
        ("a.zip", b"PK\x03\x04", "zip file"),
        ("a.nc", b"\x89HDF\r\n\x1a\n" + bytes(200), "can't be opened"),
        ("a.txt", b"\0\1\2", "is no NetCDF"),
    ],
)
def test_what_cannot_be_opened_is_said_so(here: Path, name: str, content: bytes, why: str) -> None:
    (here / name).write_bytes(content)
    with pytest.raises(OpenError, match=why):
        pelagos_client.open(here / name)


def test_what_is_not_there_is_said_so(here: Path) -> None:
    with pytest.raises(OpenError, match="can't be read"):
        pelagos_client.open(here / "missing.nc")
    with pytest.raises(OpenError, match="no zarr store"):
        pelagos_client.open(here)
    with pytest.raises(QuestionError):
        pelagos_client.open(5)
    with pytest.raises(OpenError, match="no variable 'NOPE'"):
        pelagos_client.open(argo(NAMES[0]), variables="NOPE")
