"""The Argo index connector, on the recorded index and on what is no good index."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from connector_cases import argo_index
from loopback import Asked, Loopback, Reply, serve
from pelagos.catalogue.connectors import connector_for
from pelagos.catalogue.connectors.argo_profiles import read_lines
from pelagos.catalogue.fetch import Fetcher
from pelagos.catalogue.records import (
    Access,
    Box,
    CollectionRecord,
    GranuleRecord,
    Rejected,
    Unchanged,
)
from pelagos.catalogue.stac import granule_document
from pelagos.errors import SourceError
from shared_data import shared_data

HEAD = """\
# Title : Profile directory file of the Argo Global Data Assembly Center
# Description : The directory file describes all individual profile files of the argo GDAC ftp site.
# Project : ARGO
# Format version : 2.0
# Date of update : 20230427112425
# FTP root number 1 : ftp://ftp.example.org/argo/dac
# GDAC node : EXAMPLE
file,date,latitude,longitude,ocean,profiler_type,institution,date_update
"""
GOOD = "aoml/13857/profiles/R13857_001.nc,19970729200300,0.267,-16.032,A,845,AO,20181011180520"


@pytest.fixture
def server() -> Iterator[Loopback]:
    with serve({}) as running:
        yield running


def harvest(
    server: Loopback, memory: dict[str, Any] | None = None, **fields: Any
) -> tuple[list[Any], list[Any]]:
    """What `collections` and, for each, `granules` give."""
    source = argo_index.source(server.url, **fields)
    with Fetcher(source) as fetcher:
        connector = connector_for(source)(source, fetcher, memory)
        collections = list(connector.collections())
        granules = [
            found
            for one in collections
            if isinstance(one, CollectionRecord)
            for found in connector.granules(one)
        ]
    return collections, granules


def read(server: Loopback, *lines: str) -> list[Any]:
    server.routes["/index.txt"] = Reply(HEAD + "\n".join(lines) + "\n", "text/plain")
    return harvest(server)[1]


def test_every_line_of_the_recording_is_a_granule(server: Loopback) -> None:
    content = shared_data(argo_index.RECORDING).read_bytes()
    server.routes["/index.txt"] = Reply(content, "text/plain")
    memory: dict[str, Any] = {}
    _, granules = harvest(server, memory)
    records = [one for one in granules if isinstance(one, GranuleRecord)]
    assert (len(granules), len(records)) == (2702, 2702)
    assert len({record.id for record in records}) == 2702
    assert memory["seen"]["counts"] == {
        "profiles": 2702,
        "rejected": 0,
        "without_place": 7,
        "without_time": 73,
    }
    assert sum(record.box is None for record in records) == 7
    assert sum(record.start is None for record in records) == 73
    assert len({record.platform for record in records}) == len(
        {line.split(b"/")[1] for line in content.splitlines() if b"/profiles/" in line}
    )


def test_a_profile_says_what_its_line_says(server: Loopback) -> None:
    (record,) = read(server, GOOD)
    assert record == GranuleRecord(
        id="13857_001",
        title="Argo float 13857 profile 1",
        box=Box(-16.032, 0.267, -16.032, 0.267),
        start=datetime(1997, 7, 29, 20, 3, tzinfo=UTC),
        end=datetime(1997, 7, 29, 20, 3, tzinfo=UTC),
        platform="13857",
        instruments=("Webb Research float, no conductivity sensor",),
        words=("Atlantic Ocean", "AOML, USA"),
        assets=record.assets,
        updated=datetime(2018, 10, 11, 18, 5, 20, tzinfo=UTC),
        properties={
            "argo:cycle": 1,
            "argo:direction": "ascending",
            "argo:mode": "real-time",
            "argo:dac": "aoml",
            "argo:institution": "AO",
            "argo:ocean": "A",
            "argo:profiler_type": "845",
        },
    )
    (asset,) = record.assets
    assert asset.href == "https://gdac.example.org/dac/aoml/13857/profiles/R13857_001.nc"
    assert (asset.type, asset.access) == ("application/x-netcdf", Access.DIRECT)
    assert granule_document("argo", "argo.profiles", record)["geometry"]["type"] == "Point"


def test_the_name_of_a_file_tells_mode_and_direction(server: Loopback) -> None:
    (record,) = read(server, GOOD.replace("R13857_001.nc", "D13857_001D.nc"))
    assert record.id == "13857_001D"
    assert record.title == "Argo float 13857 profile 1 (descending)"
    assert record.properties["argo:direction"] == "descending"
    assert record.properties["argo:mode"] == "delayed"


def test_a_profile_keeps_its_identifier_in_delayed_mode(server: Loopback) -> None:
    (early,) = read(server, GOOD)
    (late,) = read(server, GOOD.replace("/R", "/D"))
    assert early.id == late.id
    assert early.assets != late.assets


@pytest.mark.parametrize("position", [",", "99999.000,99999.000", "-99.999,-999.999", "1.0,99999."])
def test_a_profile_without_position_has_no_place(server: Loopback, position: str) -> None:
    (record,) = read(server, GOOD.replace("0.267,-16.032", position))
    assert (record.box, record.start is not None) == (None, True)


@pytest.mark.parametrize("date", ["", "99999", "99999999999999", "20990101000000"])
def test_a_profile_without_date_or_from_the_future_has_no_time(server: Loopback, date: str) -> None:
    (record,) = read(server, GOOD.replace("19970729200300", date))
    assert (record.start, record.end, record.box is not None) == (None, None, True)


def test_longitudes_of_0_to_360_are_turned(server: Loopback) -> None:
    (record,) = read(server, GOOD.replace("-16.032", "181.706"))
    assert record.box.west == pytest.approx(-178.294)


def test_an_unknown_code_keeps_its_number(server: Loopback) -> None:
    (record,) = read(server, GOOD.replace(",845,AO,", ",0899,ZZ,"))
    assert record.instruments == ("Profiler type 899",)
    assert record.words == ("Atlantic Ocean", "ZZ")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (GOOD + ",more", "9 values instead of 8"),
        ("aoml/13857/profiles/R13857_001.nc", "1 values instead of 8"),
        (GOOD.replace("19970729200300", "9999-99-99"), "date: not YYYYMMDDHHMMSS"),
        (GOOD.replace("19970729200300", "20201345000000"), "date: there is no 20201345000000"),
        (GOOD.replace("19970729200300", "2020"), "date: not YYYYMMDDHHMMSS"),
        (GOOD.replace("20181011180520", "2018"), "date: not YYYYMMDDHHMMSS"),
        (GOOD.replace("0.267", "91"), "latitude outside"),
        (GOOD.replace("0.267", "nan"), "not a number"),
        (GOOD.replace("-16.032", "-361"), "longitude outside"),
        (GOOD.replace("0.267", "north"), "position: not numbers"),
        (GOOD.replace("aoml/", "../"), "file: not DAC/FLOAT/profiles"),
        (GOOD.replace("aoml/13857/", "http://evil.example/"), "file: not DAC/FLOAT/profiles"),
        (GOOD.replace("/R13857", "/BR13857"), "file: not DAC/FLOAT/profiles"),
        (GOOD.replace("/R13857", "/R13858"), "float 13858 in the folder of float 13857"),
        (GOOD.replace(",845,", ",a long text,"), "not a code"),
        (GOOD.replace("A,845", "Ä,845"), "not ASCII"),
    ],
)
def test_a_bad_line_is_rejected_with_its_number(server: Loopback, line: str, reason: str) -> None:
    other = GOOD.replace("_001", "_002")
    rejected, kept = read(server, line, other)
    assert isinstance(rejected, Rejected)
    assert rejected.which == "line 9"
    assert reason in rejected.reason
    assert kept.id == "13857_002"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("<!DOCTYPE html><html><title>503</title></html>", "line 1 is '<!DOCTYPE html>"),
        ("", "ends before the line of columns"),
        (HEAD.replace("Format version : 2.0", "Format version : 3.1"), "format version is '3.1'"),
        (HEAD.replace("Profile directory", "Trajectory directory"), "its title is"),
        (HEAD.replace("institution,date", "institution,parameters,date"), "line 8 is"),
        (HEAD.replace("20230427112425", "yesterday"), "date of update is 'yesterday'"),
        ("#\n" * 200 + HEAD, "line 101"),
        ("#" * 200_000, "longer than"),
        (HEAD, "no profile can be read"),
        (HEAD + "nothing,good\n", "no profile can be read"),
    ],
)
def test_what_is_no_index_spoils_the_run(server: Loopback, content: str, reason: str) -> None:
    server.routes["/index.txt"] = Reply(content, "text/plain")
    memory: dict[str, Any] = {}
    with pytest.raises(SourceError, match=r"index|profile") as caught:
        harvest(server, memory)
    assert reason in str(caught.value)
    assert memory == {}


def test_a_truncated_download_spoils_the_run(server: Loopback) -> None:
    packed = gzip.compress((HEAD + GOOD + "\n").encode() * 50)
    server.routes["/index.txt"] = Reply(packed[: len(packed) // 2], "application/gzip")
    with pytest.raises(SourceError):
        harvest(server)


def test_the_packed_index_is_read_too(server: Loopback) -> None:
    server.routes["/index.txt.gz"] = Reply(
        gzip.compress((HEAD + GOOD).encode()), "application/gzip"
    )
    _, (record,) = harvest(server, name="index.txt.gz")
    assert record.id == "13857_001"


def test_the_second_run_knows_the_extents_and_asks_only_for_changes(server: Loopback) -> None:
    def index(asked: Asked) -> Reply:
        if asked.headers.get("if-none-match") == '"one"':
            return Reply(status=304)
        return Reply(HEAD + GOOD + "\n", "text/plain", headers={"ETag": '"one"'})

    server.routes["/index.txt"] = index
    memory: dict[str, Any] = {}
    (first,), _ = harvest(server, memory)
    assert first.boxes == (Box(-180, -90, 180, 90),)
    assert harvest(server, memory) == ([Unchanged()], [])
    server.routes["/index.txt"] = Reply(HEAD.replace("20230427", "20230428") + GOOD, "text/plain")
    (second,), _ = harvest(server, memory)
    assert second.boxes == (Box(-16.032, 0.267, -16.032, 0.267),)
    assert second.interval.start == second.interval.end == datetime(1997, 7, 29, 20, 3, tzinfo=UTC)
    assert second.instruments == ("Webb Research float, no conductivity sensor",)


def test_the_same_date_of_update_means_unchanged(server: Loopback) -> None:
    server.routes["/index.txt"] = Reply(HEAD + GOOD, "text/plain")
    memory: dict[str, Any] = {}
    harvest(server, memory)
    assert harvest(server, memory) == ([Unchanged()], [])


def test_lines_are_whole_however_the_pieces_are_cut() -> None:
    text = "".join(f"line {number}\n" for number in range(100)).encode() + b"last"
    for size in (1, 7, 64, 10_000):
        pieces = (text[start : start + size] for start in range(0, len(text), size))
        assert list(read_lines(pieces)) == text.split(b"\n")
