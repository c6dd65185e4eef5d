"""The files connector on folders: the starter source, described and plain folders, hostile ones."""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import shutil
import socket
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import iris_sample_data
import netCDF4
import numpy as np
import pytest
from pelagos.catalogue.connectors.files import FilesConnector
from pelagos.catalogue.fetch import Fetcher
from pelagos.catalogue.own_files import media_type, open_file
from pelagos.catalogue.records import CollectionRecord, GranuleRecord, Rejected, Unchanged
from pelagos.catalogue.stac import collection_document, granule_document
from pelagos.errors import SourceError
from pelagos.settings.sources import CatalogueSettings, FilesSource, SourceKind
from shared_data import shared_data

SAMPLES = Path(iris_sample_data.path)
STARTER = CatalogueSettings().sources[0]


class Harvest:
    """All that a run gives."""

    def __init__(self, source: Any, memory: dict[str, Any] | None = None) -> None:
        self.memory = {} if memory is None else memory
        self.collections: dict[str, CollectionRecord] = {}
        self.granules: dict[str, GranuleRecord] = {}
        self.of: dict[str, list[str]] = {}
        self.rejected: dict[str, str] = {}
        self.unchanged: list[str] = []
        with Fetcher(source) as fetcher:
            connector = FilesConnector(source, fetcher, self.memory)
            for found in connector.collections():
                if isinstance(found, CollectionRecord):
                    self.collections[found.id] = found
                    self.of[found.id] = []
                    for granule in connector.granules(found):
                        if self._other(granule):
                            continue
                        assert isinstance(granule, GranuleRecord)
                        self.granules[granule.id] = granule
                        self.of[found.id].append(granule.id)
                else:
                    self._other(found)

    def _other(self, found: object) -> bool:
        if isinstance(found, Rejected):
            assert found.which not in self.rejected
            self.rejected[found.which] = found.reason
        if isinstance(found, Unchanged):
            self.unchanged.append(found.collection)
        return isinstance(found, Rejected | Unchanged)


def source_at(folder: Path, description: str = "") -> FilesSource:
    return FilesSource(
        name="mine",
        title="My files",
        kind=SourceKind.FILES,
        path=str(folder),
        description=description,
    )


def write(path: Path, *, title: str = "", south: float = 1.0) -> Path:
    """A small NetCDF file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with netCDF4.Dataset(path, "w") as dataset:
        if title:
            dataset.title = title
        dataset.createDimension("n", 2)
        for name, values, units in (
            ("lat", [south, south + 1], "degrees_north"),
            ("lon", [3, 4], "degrees_east"),
        ):
            variable = dataset.createVariable(name, "f8", ("n",))
            variable.units = units
            variable[:] = values
        variable = dataset.createVariable("temp", "f4", ("n",))
        variable.setncatts({"standard_name": "sea_water_temperature", "units": "degC"})
    return path


# the starter source


@pytest.fixture(scope="module")
def starter() -> Harvest:
    return Harvest(STARTER)


def test_the_starter_source_has_four_collections_of_true_ocean_data(starter: Harvest) -> None:
    assert starter.rejected == {}
    assert starter.of == {
        "ostia-monthly-sst": ["ostia_monthly.nc"],
        "orca2-temperature": ["orca2_votemper.nc"],
        "nemo-monthly-sst": [
            "NEMO/nemo_1m_20150101-20150201_grid-T.nc",
            "NEMO/nemo_1m_20150201-20150301_grid-T.nc",
            "NEMO/nemo_1m_20150301-20150401_grid-T.nc",
        ],
        "atlantic-profiles": ["atlantic_profiles.nc"],
    }


def values(name: str, variable: str) -> Any:
    with netCDF4.Dataset(SAMPLES / name) as dataset:
        return np.ma.compressed(np.ma.masked_invalid(dataset[variable][...]).astype("f8"))


def test_starter_ostia_is_where_and_when_numpy_says(starter: Harvest) -> None:
    record, granule = starter.collections["ostia-monthly-sst"], starter.granules["ostia_monthly.nc"]
    y, x = values("ostia_monthly.nc", "latitude"), values("ostia_monthly.nc", "longitude")
    assert np.ptp(np.diff(x)) < 1e-3
    assert x[-1] + x[1] - x[0] == pytest.approx(360, abs=1e-3)  # all around the world
    assert granule.box is not None
    assert (granule.box.west, granule.box.east) == (-180, 180)
    assert (granule.box.south, granule.box.north) == pytest.approx((y.min(), y.max()), abs=1e-6)
    assert (granule.box.south, granule.box.north) == pytest.approx((-5, 4.444450), abs=1e-4)
    assert record.boxes == (granule.box,)
    # months are whole: the bounds of the means, in hours since 1970
    hours = values("ostia_monthly.nc", "time_bnds")
    assert (
        granule.start
        == datetime.fromtimestamp(hours.min() * 3600, UTC)
        == datetime(2006, 4, 1, tzinfo=UTC)
    )
    assert (
        granule.end
        == datetime.fromtimestamp(hours.max() * 3600, UTC)
        == datetime(2010, 10, 1, tzinfo=UTC)
    )
    assert record.interval is not None
    assert (record.interval.start, record.interval.end) == (granule.start, granule.end)
    assert [(one.standard_name, one.units) for one in record.parameters] == [
        ("surface_temperature", "K")
    ]
    assert granule.depth is None


def test_starter_orca2_is_a_global_grid_without_a_date(starter: Harvest) -> None:
    record, granule = (
        starter.collections["orca2-temperature"],
        starter.granules["orca2_votemper.nc"],
    )
    south = values("orca2_votemper.nc", "nav_lat_bnds").min()
    north = values("orca2_votemper.nc", "nav_lat_bnds").max()
    x = np.sort(values("orca2_votemper.nc", "nav_lon") % 360)
    assert np.diff(x).max() < 1  # no gap as wide as a cell
    assert granule.box is not None
    assert (granule.box.west, granule.box.east) == (-180, 180)
    assert (granule.box.south, granule.box.north) == pytest.approx((south, north), abs=1e-6)
    assert (granule.start, granule.end, record.interval) == (None, None, None)
    assert (granule.depth, record.depth) == ((0, 10), (0, 10))
    assert [(one.standard_name, one.units) for one in record.parameters] == [
        ("sea_water_potential_temperature", "degC")
    ]
    assert "not a real date" in granule.properties["pelagos:notes"][0]


def test_starter_nemo_has_three_months(starter: Harvest) -> None:
    record = starter.collections["nemo-monthly-sst"]
    granules = [starter.granules[name] for name in starter.of["nemo-monthly-sst"]]
    starts = [datetime(2015, month, 1, tzinfo=UTC) for month in (1, 2, 3, 4)]
    assert [(one.start, one.end) for one in granules] == list(itertools.pairwise(starts))
    for granule in granules:
        # 360 days a year since 1900, by hand
        seconds = values(granule.id, "time_centered_bounds")
        days = seconds / 86400
        assert granule.start is not None
        assert granule.start.year == 1900 + days.min() // 360
        assert granule.start.month == 1 + days.min() % 360 // 30
        y = values(granule.id, "bounds_lat")
        assert granule.box is not None
        assert (granule.box.west, granule.box.east) == (-180, 180)
        assert (granule.box.south, granule.box.north) == pytest.approx((y.min(), y.max()), abs=1e-6)
    assert record.interval is not None
    assert (record.interval.start, record.interval.end) == (starts[0], starts[3])
    assert [(one.standard_name, one.units) for one in record.parameters] == [
        ("sea_surface_temperature", "degree_C")
    ]


def test_starter_profiles_lie_across_greenwich(starter: Harvest) -> None:
    record, granule = (
        starter.collections["atlantic-profiles"],
        starter.granules["atlantic_profiles.nc"],
    )
    x, y = values("atlantic_profiles.nc", "lon"), values("atlantic_profiles.nc", "lat")
    assert (x.min(), x[x > 180].min() - 360) == (0.5, -34.5)
    assert granule.box is not None
    assert (granule.box.west, granule.box.east) == (-34.5, 0.5)
    assert (granule.box.south, granule.box.north) == pytest.approx((y.min(), y.max()), abs=1e-6)
    assert granule.start == granule.end == datetime(1984, 12, 1, tzinfo=UTC)
    z = values("atlantic_profiles.nc", "depth")
    assert granule.depth == record.depth == (z.min(), z.max()) == (5, 4478)
    assert {(one.standard_name, one.units) for one in record.parameters} == {
        ("sea_water_practical_salinity", "1e-3"),
        ("sea_water_potential_temperature", "K"),
    }


def test_starter_names_its_licence_as_the_package_does(starter: Harvest) -> None:
    for record in starter.collections.values():
        assert record.licence == "other"  # the package names no version, SPDX has no such licence
        assert "Open Government Licence" in record.licence_text
        assert "Crown copyright" in record.licence_text
        assert any(link.rel == "license" for link in record.links)
        assert record.citation
        assert record.providers
        assert len(record.description) > 200


def test_starter_files_are_the_assets_with_size_and_checksum(starter: Harvest) -> None:
    assert isinstance(STARTER, FilesSource)
    for granule in starter.granules.values():
        (asset,) = granule.assets
        content = (SAMPLES / granule.id).read_bytes()
        assert asset.href == f"files/{granule.id}"
        assert (asset.size, asset.checksum) == (
            len(content),
            "1220" + hashlib.sha256(content).hexdigest(),
        )
        assert asset.type == media_type(granule.id) == "application/x-netcdf"
        with open(open_file(STARTER, granule.id), "rb") as file:
            assert file.read() == content


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("salinity", {"atlantic-profiles"}),
        ("atlantic", {"atlantic-profiles"}),
        ("sea surface", {"ostia-monthly-sst", "nemo-monthly-sst"}),
        (
            "temperature",
            {"ostia-monthly-sst", "orca2-temperature", "nemo-monthly-sst", "atlantic-profiles"},
        ),
        ("ostia", {"ostia-monthly-sst"}),
        ("nemo", {"orca2-temperature", "nemo-monthly-sst"}),
    ],
)
def test_words_find_the_right_starter_collections(
    starter: Harvest, text: str, expected: set[str]
) -> None:
    """All words somewhere in title, description, keywords or parameters."""
    found = set()
    for record in starter.collections.values():
        names = [f"{one.name} {one.standard_name}" for one in record.parameters]
        parts = (record.title, record.description, *record.keywords, *names)
        whole = " ".join(parts).lower().replace("_", " ")
        words = set("".join(sign if sign.isalnum() else " " for sign in whole).split())
        if set(text.split()) <= words:
            found.add(record.id)
    assert found == expected


def test_starter_records_become_stac_documents(starter: Harvest) -> None:
    for record in starter.collections.values():
        document = collection_document("starter", "Starter data", record)
        assert document["id"] == f"starter.{record.id}"
        for name in starter.of[record.id]:
            assert granule_document("starter", document["id"], starter.granules[name])["assets"]


def test_a_second_run_of_unchanged_files_reads_nothing(
    starter: Harvest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hashlib.file_digest", None)  # would fail
    again = Harvest(STARTER, starter.memory)
    assert (again.unchanged, again.collections, again.rejected) == ([""], {}, {})


def test_a_missing_package_is_an_error_with_a_mend() -> None:
    source = FilesSource(name="gone", kind=SourceKind.FILES, path="package:no_such_package/data")
    with pytest.raises(SourceError, match="no_such_package is not installed") as error:
        Harvest(source)
    assert "Install it" in error.value.mend


@pytest.mark.parametrize(
    "path", ["package:iris_sample_data/../numpy", "package:iris_sample_data/none"]
)
def test_a_folder_that_is_not_in_the_package_is_an_error(path: str) -> None:
    with pytest.raises(SourceError):
        Harvest(FilesSource(name="odd", kind=SourceKind.FILES, path=path))


def test_a_source_needs_a_path_or_a_url() -> None:
    with pytest.raises(SourceError, match="either a path or a url"):
        Harvest(FilesSource(name="none", kind=SourceKind.FILES))


# own folders


def test_without_a_description_each_folder_is_a_collection(tmp_path: Path) -> None:
    write(tmp_path / "top.nc", title="Top <b>file</b>")
    write(tmp_path / "winter cruise" / "a.nc", south=1)
    write(tmp_path / "winter cruise" / "b é.nc", south=5)
    (tmp_path / "notes.md").write_text("not data")
    found = Harvest(source_at(tmp_path))
    assert found.rejected == {}
    (top, winter) = found.collections.values()
    assert (top.id, top.title) == ("files", "Top file")
    assert (winter.title, winter.description) == (
        "winter cruise",
        "2 files of the folder winter cruise.",
    )
    assert winter.boxes[0].south == 1
    assert winter.boxes[0].north == 6
    assert (
        found.granules["winter cruise/b é.nc"].assets[0].href
        == "files/winter%20cruise/b%20%C3%A9.nc"
    )


DESCRIPTION = """
others: false
collections:
  - id: winter
    title: Winter cruises
    files: ["winter/**/*.nc", "one.nc"]
    description: What we did in winter.
    licence: CC-BY-4.0
    licence_text: Cite us.
    licence_url: https://creativecommons.org/licenses/by/4.0/
    providers:
      - {name: Our institute, roles: [producer, host], url: "https://example.org"}
    citation: We (2020)
    doi: 10.1000/182
    keywords: [winter]
    platforms: [RV Ours]
    instruments: [CTD]
    parameters:
      - {name: Temperature, standard_name: sea_water_temperature, p01: TEMPPR01, units: degC}
    box: [170, -10, -170, 10]
    start: 2020-01-01
    end: 2020-03-31T23:59:59Z
    depth: [0, 200]
"""


def test_a_description_says_what_files_do_not(tmp_path: Path) -> None:
    write(tmp_path / "winter" / "2019" / "a.nc")
    write(tmp_path / "one.nc")
    write(tmp_path / "other.nc")
    (tmp_path / "collections.yaml").write_text(DESCRIPTION)
    found = Harvest(source_at(tmp_path))
    assert found.of == {"winter": ["one.nc", "winter/2019/a.nc"]}
    record, granule = found.collections["winter"], found.granules["one.nc"]
    assert (record.title, record.licence, record.doi) == (
        "Winter cruises",
        "CC-BY-4.0",
        "10.1000/182",
    )
    assert (record.platforms, record.instruments, record.depth) == (
        ("RV Ours",),
        ("CTD",),
        (0, 200),
    )
    assert record.parameters[0].p01 == "TEMPPR01"
    assert record.boxes[0].west == 170
    for one in (record.interval, granule):
        assert one is not None
        assert one.start == datetime(2020, 1, 1, tzinfo=UTC)
        assert one.end == datetime(2020, 3, 31, 23, 59, 59, tzinfo=UTC)
    assert granule.box == record.boxes[0]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "collections:\n  - id: a\n    titel: A\n    title: A\n    files: [a.nc]\n",
            ":3: collections.0.titel",
        ),
        ("collections:\n  - id: a\n    title: A\n    files: []\n", ":4: collections.0.files"),
        ("collections:\n  - id: a b\n    title: A\n    files: [a.nc]\n", ":2: collections.0.id"),
        (
            "collections:\n  - {id: a, title: A, files: [a.nc], box: [0, 5, 0, 1]}\n",
            ":2: collections.0.box",
        ),
        (
            "collections:\n"
            "  - {id: a, title: A, files: [a]}\n"
            "  - {id: a, title: B, files: [b]}\n",
            ":3: collections.1.id: this id stands twice",
        ),
        ("collections: [", "not valid YAML"),
        ("collections: &a [*a]", "aliases"),
        ("- a", "collections.yaml:1"),
    ],
)  # fmt: skip
def test_mistakes_in_a_description_are_named_by_line(
    tmp_path: Path, text: str, problem: str
) -> None:
    (tmp_path / "collections.yaml").write_text(text)
    with pytest.raises(SourceError) as error:
        Harvest(source_at(tmp_path))
    assert problem in str(error.value)
    assert "collections.yaml" in str(error.value)


def test_a_pattern_that_fits_no_file_is_said_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "collections.yaml").write_text(
        "collections:\n  - id: a\n    title: A\n    files: [gone.nc]\n"
    )
    found = Harvest(source_at(tmp_path))
    assert found.collections == {}
    assert "collections.yaml:4: collections.0.files: no file fits gone.nc" in found.rejected["a"]


def test_a_description_elsewhere(tmp_path: Path) -> None:
    folder, text = tmp_path / "data", tmp_path / "mine.yaml"
    write(folder / "a.nc")
    text.write_text("collections:\n  - {id: mine, title: Mine, files: ['*.nc']}\n")
    assert list(Harvest(source_at(folder, str(text))).collections) == ["mine"]
    with pytest.raises(SourceError, match="can't be read"):
        Harvest(source_at(folder, str(tmp_path / "none.yaml")))


def test_what_is_no_plain_file_is_skipped_and_said(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside.nc")
    folder = tmp_path / "data"
    write(folder / "good.nc")
    write(folder / ".hidden.nc")
    write(folder / ".git" / "a.nc")
    (folder / "link.nc").symlink_to(outside)
    (folder / "folder").symlink_to(tmp_path)
    os.mkfifo(folder / "fifo.nc")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "socket.nc"))
        found = Harvest(source_at(folder))
    (folder / "bad.nc").write_bytes(b"not NetCDF")
    (folder / b"no-utf8-\xff.nc".decode("utf-8", "surrogateescape")).write_bytes(b"")
    again = Harvest(source_at(folder))
    assert list(found.granules) == list(again.granules) == ["good.nc"]
    reasons = {
        ".git": "hidden", ".hidden.nc": "hidden", "link.nc": "link", "folder": "link",
        "fifo.nc": "FIFO", "socket.nc": "socket",
    }  # fmt: skip
    assert found.rejected.keys() == reasons.keys()
    for name, reason in reasons.items():
        assert reason in found.rejected[name]
    assert "not NetCDF" in again.rejected["bad.nc"]
    assert "no-utf8-?.nc" in again.rejected


def test_files_of_one_folder_that_are_all_broken_make_no_collection(tmp_path: Path) -> None:
    (tmp_path / "a.nc").write_bytes(b"CDF\x01")
    (tmp_path / "readme.txt").write_text("Dear reader\n")
    found = Harvest(source_at(tmp_path))
    assert found.collections == {}
    assert set(found.rejected) == {"files", "a.nc", "readme.txt"}


def test_a_next_run_hashes_only_what_changed(tmp_path: Path) -> None:
    for name in ("x/a.nc", "x/b.nc", "y/c.nc"):
        write(tmp_path / name)
    first = Harvest(source_at(tmp_path))
    assert Harvest(source_at(tmp_path), first.memory).unchanged == [""]
    write(tmp_path / "x" / "b.nc", south=30)
    # a checksum that was remembered is not computed again
    first.memory["files"]["x/a.nc"][3] = "1220remembered"
    second = Harvest(source_at(tmp_path), first.memory)
    assert second.unchanged == ["y"]
    assert second.granules["x/a.nc"].assets[0].checksum == "1220remembered"
    content = (tmp_path / "x" / "b.nc").read_bytes()
    assert (
        second.granules["x/b.nc"].assets[0].checksum == "1220" + hashlib.sha256(content).hexdigest()
    )
    assert second.collections["x"].boxes[0].north == 31
    (tmp_path / "y" / "c.nc").unlink()
    third = Harvest(source_at(tmp_path), second.memory)
    assert list(third.collections) == ["x"]
    assert set(third.memory["files"]) == {"x/a.nc", "x/b.nc"}


def test_a_collection_whose_granules_were_not_read_is_read_the_next_time(tmp_path: Path) -> None:
    for name in ("x/a.nc", "y/c.nc"):
        write(tmp_path / name)
    source, memory = source_at(tmp_path), dict[str, Any]()
    with Fetcher(source) as fetcher:
        connector = FilesConnector(source, fetcher, memory)
        for record in connector.collections():
            if isinstance(record, CollectionRecord) and record.id == "x":
                assert len(list(connector.granules(record))) == 1
    found = Harvest(source, memory)
    assert found.unchanged == ["x"]
    assert list(found.granules) == ["y/c.nc"]


def test_files_that_stay_broken_are_not_read_in_every_run(tmp_path: Path) -> None:
    write(tmp_path / "a.nc")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "b.nc").write_bytes(b"CDF")
    first = Harvest(source_at(tmp_path))
    assert set(first.rejected) == {"bad", "bad/b.nc"}
    assert Harvest(source_at(tmp_path), first.memory).unchanged == [""]


def test_granules_can_be_asked_for_after_all_collections(tmp_path: Path) -> None:
    for name in ("x/a.nc", "y/c.nc"):
        write(tmp_path / name)
    source = source_at(tmp_path)
    with Fetcher(source) as fetcher:
        connector = FilesConnector(source, fetcher)
        records = [one for one in connector.collections() if isinstance(one, CollectionRecord)]
        found = [list(connector.granules(record)) for record in records]
    assert [[one.id for one in part if isinstance(one, GranuleRecord)] for part in found] == [
        ["x/a.nc"],
        ["y/c.nc"],
    ]


@pytest.mark.parametrize(
    "path",
    ["", ".", "..", "/etc/passwd", "../outside.nc", "x/../good.nc", "./good.nc", "x//a.nc",
     "good.nc/", "link.nc", "linked/a.nc", ".hidden.nc", "fifo.nc", "x", "collections.yaml",
     "notes.md", "none.nc", "good.nc\0", "x\\a.nc", "other/a.nc"],
)  # fmt: skip
def test_only_listed_files_are_opened(tmp_path: Path, path: str) -> None:
    outside = write(tmp_path / "outside.nc")
    folder = tmp_path / "data"
    for name in ("good.nc", "x/a.nc", ".hidden.nc", "other/a.nc"):
        write(folder / name)
    (folder / "link.nc").symlink_to(outside)
    (folder / "linked").symlink_to(folder / "x")
    os.mkfifo(folder / "fifo.nc")
    (folder / "notes.md").write_text("x")
    (folder / "collections.yaml").write_text(
        "others: false\ncollections:\n  - {id: a, title: A, files: ['*.nc', 'x/*', 'linked/*']}\n"
    )
    source = source_at(folder)
    for name in ("good.nc", "x/a.nc"):
        os.close(open_file(source, name))
    with pytest.raises(FileNotFoundError):
        open_file(source, path)


def test_a_folder_of_ten_thousand_levels_ends(tmp_path: Path) -> None:
    write(tmp_path / "a.nc")
    deep = tmp_path
    for _ in range(80):
        deep = deep / "d"
    deep.mkdir(parents=True)
    found = Harvest(source_at(tmp_path))
    assert list(found.granules) == ["a.nc"]
    assert any("folders deep" in reason for reason in found.rejected.values())


def test_no_file_stays_open(tmp_path: Path) -> None:
    write(tmp_path / "a" / "b" / "a.nc")
    before = len(os.listdir("/proc/self/fd"))
    Harvest(source_at(tmp_path))
    with pytest.raises(FileNotFoundError):
        open_file(source_at(tmp_path), "a/none.nc")
    assert len(os.listdir("/proc/self/fd")) == before


# recordings


def test_every_file_of_the_recordings_is_accounted_for(tmp_path: Path) -> None:
    folders = (
        "argo/gdac",
        "argo/erddap",
        "argo/gebco",
        "argo/gdac-index",
        "seadatanet",
        "services/accessor-wod",
    )
    for name in folders:
        shutil.copytree(shared_data(name), tmp_path / name)
    found = Harvest(source_at(tmp_path))
    counts = Counter(name.rpartition("/")[0] for name in found.granules)
    assert counts == {
        "argo/gdac": 58, "argo/erddap": 8, "argo/gebco": 1, "seadatanet": 3,
        "services/accessor-wod": 1,
    }  # fmt: skip
    reasons = {name: reason for name, reason in found.rejected.items() if "/" in name}
    assert set(reasons) == {
        "argo/gdac-index/ar_index_global_prof.txt",  # no ODV spreadsheet
        "seadatanet/odv_input_profile_invalid_diap_invalid.txt",
    }
    floats = {one.platform for name, one in found.granules.items() if name.startswith("argo/gdac/")}
    assert "6902652" in floats
    assert found.granules["seadatanet/odv_input_profile_diap.txt"].assets[0].type == "text/plain"
    assert media_type("a/b.TXT") == "text/plain"


def test_a_process_that_can_not_be_started_is_no_fault_of_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "data" / "a.nc")
    closed = tmp_path / "python"
    closed.write_text("")  # may not be run, as one below /root by the harvester's account
    monkeypatch.setattr(sys, "executable", str(closed))
    with pytest.raises(SourceError, match=r"can be started.*Permission denied") as raised:
        Harvest(source_at(tmp_path / "data"))
    assert "account" in raised.value.mend


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE])
@pytest.mark.parametrize("what", ["listdir", "stat"])
def test_a_failing_disk_or_mount_is_no_deletion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, what: str
) -> None:
    write(tmp_path / "a" / "a.nc")
    write(tmp_path / "b" / "b.nc")
    memory: dict[str, Any] = {}
    assert len(Harvest(source_at(tmp_path), memory).granules) == 2
    there, calls = getattr(os, what), itertools.count(1)

    def fails(*given: Any, **more: Any) -> Any:
        if next(calls) == 3:  # within the folders
            raise OSError(number, os.strerror(number))
        return there(*given, **more)

    monkeypatch.setattr(os, what, fails)
    with pytest.raises(SourceError, match=os.strerror(number)):
        Harvest(source_at(tmp_path), memory)
