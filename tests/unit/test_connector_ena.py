"""ENA: no recording exists. All answers are made here, in the shape that EMBL-EBI documents."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from connector_cases.ena import FOLDER, RUN, STUDY, report
from loopback import Reply, serve
from pelagos.catalogue.connectors import ena
from pelagos.catalogue.records import Box
from pelagos.errors import SourceError
from rest_recordings import Harvest, as_json, harvest, source, windowed


def harvested(studies: list[Any], runs: Reply) -> Harvest:
    routes = {"/api/search": windowed(studies, "offset", "limit"), "/api/filereport": runs}
    with serve(routes) as server:
        return harvest(source("ena", server, query="tax_tree(408172)"))


def test_a_study_is_a_collection_and_a_run_a_granule_with_its_files() -> None:
    found = harvested([STUDY], report(RUN))
    assert found.rejected == []
    [study] = found.collections
    assert (study.id, study.title) == (
        "PRJEB1787",
        "Shotgun Sequencing of Tara Oceans DNA samples",
    )
    assert [provider.name for provider in study.providers] == ["GENOSCOPE"]
    assert study.keywords == ("marine metagenome",)
    [run] = found.granules["PRJEB1787"]
    assert run.box == Box(-6.5669, 36.5533, -6.5669, 36.5533)
    assert (run.start, run.end) == (
        datetime(2009, 9, 15, tzinfo=UTC),
        datetime(2009, 9, 16, 23, 59, 59, tzinfo=UTC),
    )
    assert (run.depth, run.platform) == ((5.0, 5.0), "SV Tara")
    assert run.instruments == ("Illumina HiSeq 2000",)
    first, second = run.assets
    assert first.href == f"https://{FOLDER}/ERR315856_1.fastq.gz"
    assert (first.size, second.size) == (9573498223, 9921482102)
    # multihash: the code of MD5, 0xd5, as a varint (d5 01), then its length in bytes
    assert first.checksum == "d50110d41d8cd98f00b204e9800998ecf8427e"
    assert second.checksum == "d501100cc175b9c0f1b6a831c399e269772661"
    assert first.type == "application/gzip"


def test_the_questions_are_the_documented_ones() -> None:
    routes = {
        "/api/search": windowed([STUDY], "offset", "limit"),
        "/api/filereport": report(RUN),
    }
    with serve(routes) as server:
        harvest(source("ena", server, query='country="*Ocean*"'))
        search, runs = server.requests
    assert search.query["result"] == "read_study"
    assert search.query["query"] == 'country="*Ocean*"'
    assert search.query["format"] == "json"
    assert (runs.query["accession"], runs.query["result"]) == ("PRJEB1787", "read_run")
    assert {"fastq_ftp", "fastq_md5", "fastq_bytes"} <= set(runs.query["fields"].split(","))


def test_submitted_files_stand_in_for_missing_fastq() -> None:
    submitted = RUN | {
        "fastq_ftp": "",
        "fastq_bytes": "",
        "fastq_md5": "",
        "submitted_ftp": "ftp://ftp.sra.ebi.ac.uk/vol1/run/a.cram",
        "submitted_bytes": "17",
    }
    [run] = harvested([STUDY], report(submitted)).all_granules()
    [file] = run.assets
    assert (file.href, file.size) == ("https://ftp.sra.ebi.ac.uk/vol1/run/a.cram", 17)
    assert file.checksum == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "2010",
            (datetime(2010, 1, 1, tzinfo=UTC), datetime(2010, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ),
        ("missing", (None, None)),
        ("not provided", (None, None)),
        ("", (None, None)),
    ],
)
def test_a_time_may_be_a_year_or_missing(text: str, expected: tuple[Any, Any]) -> None:
    [run] = harvested([STUDY], report(RUN | {"collection_date": text})).all_granules()
    assert (run.start, run.end) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("5-10 m", (5, 10)), ("10 - 5", (5, 10)), ("surface", None), ("", None), ("-3", None)],
)
def test_a_depth_may_be_a_range_or_words(text: str, expected: tuple[float, float] | None) -> None:
    [run] = harvested([STUDY], report(RUN | {"depth": text})).all_granules()
    assert run.depth == expected


def test_a_study_whose_runs_are_refused_is_reported() -> None:
    found = harvested([STUDY], Reply("no such study", "text/plain", 400))
    assert len(found.collections) == 1
    assert "PRJEB1787: its runs:" in found.reasons[0]


def test_studies_come_in_pages_until_one_is_not_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ena, "_PAGE", 10)
    studies = [STUDY | {"study_accession": f"PRJEB{i}"} for i in range(20)]
    found = harvested(studies, report())
    assert len(found.collections) == 20  # two full pages, and an empty one


def test_no_study_at_all_is_an_empty_answer() -> None:
    with serve({"/api/search": Reply("", status=204)}) as server:
        assert harvest(source("ena", server, query="x")).collections == []


def test_bad_studies_and_runs_are_reported_and_the_others_kept() -> None:
    studies = [
        STUDY,
        STUDY,
        STUDY | {"study_accession": "../../etc"},
        STUDY | {"study_accession": "PRJEB2", "last_updated": "9999-99-99"},
        STUDY | {"study_accession": "PRJEB3", "center_name": ["x"]},
        ["PRJEB4"],
    ]
    runs: list[Any] = [
        RUN,
        RUN,
        RUN | {"run_accession": "ERR1", "lat": "91"},
        RUN | {"run_accession": "ERR2", "lat": "NaN"},
        RUN | {"run_accession": "ERR3", "fastq_md5": "d41d8cd98f00b204e9800998ecf8427e"},
        RUN | {"run_accession": "ERR4", "fastq_md5": "x;y"},
        RUN | {"run_accession": "ERR5", "fastq_bytes": "-1;2"},
        RUN | {"run_accession": "ERR6", "fastq_ftp": ""},
        RUN | {"run_accession": "ERR7", "fastq_ftp": "javascript:alert(1);b"},
        RUN | {"run_accession": "ERR8", "collection_date": "2010-13-45"},
        RUN | {"run_accession": "no accession"},
        "too\tfew",
    ]
    found = harvested(studies, report(*runs))
    assert (len(found.collections), len(found.all_granules())) == (1, 1)
    assert len(found.rejected) == len(studies) - 1 + len(runs) - 1
    reasons = "\n".join(found.reasons)
    for expected in (
        "PRJEB1787: study_accession: another study",
        "'../../etc' is no accession",
        "PRJEB2: last_updated",
        "PRJEB3: center_name: list where text",
        "ERR315856: run_accession: another run",
        "ERR1: position: latitude outside",
        "ERR2: lat",
        "ERR3: fastq_md5: 1 values for 2 files",
        "ERR4: md5: 'x' is no such checksum",
        "ERR5: bytes: -1.0 where a count",
        "ERR6: fastq_ftp, submitted_ftp: the run has no files",
        "ERR7: fastq_ftp: 'javascript:alert(1)' is no address",
        "ERR8: collection_date",
        "line 13: 2 values where the report has 24 columns",
    ):
        assert expected in reasons


@pytest.mark.parametrize(
    ("studies", "runs", "reason"),
    [
        (Reply("<html>busy</html>", "text/html"), None, "instead of JSON"),
        (as_json({"message": "query is wrong"}), None, "not an answer of this kind"),
        (None, Reply("<html>busy</html>", "text/html"), "not a file report"),
        (None, Reply("x" * 3 * 2**20, "text/plain"), "longer than|not a file report"),
    ],
)
def test_an_answer_that_is_none_spoils_the_run(
    studies: Reply | None, runs: Reply | None, reason: str
) -> None:
    routes = {
        "/api/search": studies or windowed([STUDY], "offset", "limit"),
        "/api/filereport": runs or report(RUN),
    }
    with serve(routes) as server, pytest.raises(SourceError, match=reason):
        harvest(source("ena", server, query="x"))


def test_pages_that_never_end_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ena, "_PAGE", 1)
    routes = {"/api/search": as_json([STUDY]), "/api/filereport": report(RUN)}
    with serve(routes) as server, pytest.raises(SourceError, match="repeats"):
        harvest(source("ena", server, query="x"))
