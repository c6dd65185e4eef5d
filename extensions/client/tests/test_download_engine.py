"""Files arrive whole and checked; what a source or a disk does wrong is said, and mended."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import gzip
import hashlib
import itertools
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from download_source import (
    Handler,
    Source,
    changed,
    chunks,
    cut,
    give,
    hang,
    left_over,
    multihash,
    raw,
    say,
    serve,
)
from pelagos_client.download import (
    DownloadProgress,
    Engine,
    Existing,
    Fetched,
    Guard,
    Limits,
    Proof,
    State,
    Wanted,
    errors,
    exchange,
)
from pelagos_client.download import fetch as fetch_all

PACKAGE = Path(__file__).resolve().parents[1]
HERE = Guard(named=["127.0.0.1"])
QUICK = Limits(first_wait=0.001, longest_wait=0.01, silence=5, connect=5, overall=60)
CONTENT = random.Random(5).randbytes(3_000_000)  # noqa: S311


@pytest.fixture
def source() -> Iterator[Source]:
    with serve() as running:
        yield running


def fetch(url: str, into: Path, limits: Limits = QUICK, **options: Any) -> Fetched:
    calls = {key: options.pop(key) for key in ("existing", "cancel") if key in options}
    wanted = Wanted(url, options.pop("path", "a.nc"), **options)
    report = fetch_all([wanted], into, limits=limits, guard=HERE, **calls)
    return report.files[0]


def test_a_file_arrives_whole_with_its_checksum(source: Source, tmp_path: Path) -> None:
    url = source.add("/a.nc", CONTENT, modified="Sat, 01 Mar 2025 10:00:00 GMT")
    got = fetch(url, tmp_path / "new" / "folder", path="deep/er/a.nc")
    assert got.state is State.READY
    assert got.error is None
    assert got.path == tmp_path / "new" / "folder" / "deep" / "er" / "a.nc"
    assert got.path.read_bytes() == CONTENT
    assert got.checksum == multihash(CONTENT)
    assert got.proof is Proof.LENGTH
    assert (got.size, got.resumed, got.attempts) == (len(CONTENT), 0, 1)
    assert (got.etag, got.modified) == (source.files["/a.nc"].tag, "Sat, 01 Mar 2025 10:00:00 GMT")
    assert left_over(tmp_path) == []
    assert source.requests[0][1]["accept-encoding"] == "identity"


@pytest.mark.parametrize("kind", ["md5", "sha1", "sha256", "sha512", "multihash"])
def test_a_declared_checksum_is_proof(source: Source, tmp_path: Path, kind: str) -> None:
    told = multihash(CONTENT)
    if kind != "multihash":
        told = f"{kind}:{hashlib.new(kind, CONTENT).hexdigest().upper()}"
    got = fetch(source.add("/a", CONTENT), tmp_path, checksum=told, size=len(CONTENT))
    assert (got.state, got.proof) == (State.READY, Proof.CHECKSUM)


@pytest.mark.parametrize("size", [0, 1, 2**20, 2**20 + 1])
def test_any_size_arrives(source: Source, tmp_path: Path, size: int) -> None:
    got = fetch(source.add("/a", CONTENT[:size]), tmp_path)
    assert got.path.read_bytes() == CONTENT[:size]
    assert got.checksum == multihash(CONTENT[:size])
    assert left_over(tmp_path) == []


def test_many_files_share_connections_and_keep_their_order(source: Source, tmp_path: Path) -> None:
    files = [
        Wanted(source.add(f"/{n}", b"%d" % n * n), f"{n % 7}/{n}", size=len(str(n)) * n)
        for n in range(200)
    ]
    report = fetch_all(files, tmp_path, guard=HERE, limits=QUICK).check()
    assert [file.wanted for file in report.files] == files
    assert all(file.path.read_bytes() == b"%d" % n * n for n, file in enumerate(report.files))
    assert len(source.requests) == 200


def test_one_bad_file_does_not_stop_the_others(source: Source, tmp_path: Path) -> None:
    good = source.add("/good", b"good")
    report = fetch_all(
        [
            Wanted(source.url("/gone"), "gone"),
            Wanted("ftp://127.0.0.1/x", "ftp"),
            Wanted(good, "../outside"),
            Wanted(good, "header", headers={"Range": "bytes=1-"}),
            Wanted(good, "sum", checksum="1220ab"),
            Wanted(good, "good"),
        ],
        tmp_path / "into", guard=HERE, limits=QUICK,
    )  # fmt: skip
    assert [type(file.error) for file in report.files] == [
        errors.NotThereError, errors.RefusedError, errors.RequestError, errors.RequestError,
        errors.RequestError, type(None),
    ]  # fmt: skip
    assert not report.good
    with pytest.raises(errors.NotThereError, match="has no such file"):
        report.check()
    assert [path.name for path in tmp_path.rglob("*")] == ["into", "good"]


# --- continued


def test_a_cut_body_is_continued_where_it_ended(source: Source, tmp_path: Path) -> None:
    url = source.add("/a", CONTENT)
    source.first["/a"] = [cut(1_000_000), cut(500_000)]
    got = fetch(url, tmp_path)
    assert got.path.read_bytes() == CONTENT
    assert got.checksum == multihash(CONTENT)
    assert (got.attempts, got.resumed) == (3, 0)
    assert source.ranges("/a") == ["", "bytes=1000000-", "bytes=1500000-"]
    assert source.requests[1][1]["if-range"] == source.files["/a"].tag


def test_a_bad_line_that_gets_on_each_time_is_no_failure(source: Source, tmp_path: Path) -> None:
    url = source.add("/a", CONTENT[:100_000])
    source.first["/a"] = [cut(5000)] * 19
    got = fetch(url, tmp_path, Limits(attempts=2, first_wait=0.001, longest_wait=0.001))
    assert got.path.read_bytes() == CONTENT[:100_000]
    assert got.attempts == 20


def test_the_next_call_continues_what_the_last_one_left(source: Source, tmp_path: Path) -> None:
    url = source.add("/a", CONTENT)
    source.first["/a"] = [cut(1_234_567)]
    source.always["/a"] = say(500)
    first = fetch(url, tmp_path, Limits(attempts=2, first_wait=0.001, longest_wait=0.001))
    assert (first.state, first.size) == (State.FAILED, 1_234_567)
    assert isinstance(first.error, errors.AnswerError)
    assert left_over(tmp_path) == [".json", ".part"]
    source.always.clear()
    got = fetch(url, tmp_path)
    assert got.checksum == multihash(CONTENT)
    assert got.resumed == 1_234_567
    assert source.ranges("/a")[-1] == "bytes=1234567-"
    assert left_over(tmp_path) == []


def test_without_an_etag_the_date_is_the_condition(source: Source, tmp_path: Path) -> None:
    url = source.add("/a", CONTENT, etag="", modified="Sat, 01 Mar 2025 10:00:00 GMT")
    source.first["/a"] = [cut(1000)]
    assert fetch(url, tmp_path).checksum == multihash(CONTENT)
    assert source.requests[1][1]["if-range"] == "Sat, 01 Mar 2025 10:00:00 GMT"
    assert source.ranges("/a") == ["", "bytes=1000-"]


@pytest.mark.parametrize("etag", ["", 'W/"weak"'])
def test_without_a_reliable_version_it_begins_anew_and_says_so(
    source: Source, tmp_path: Path, etag: str
) -> None:
    url = source.add("/a", CONTENT, etag=etag)
    source.first["/a"] = [cut(1000)]
    got = fetch(url, tmp_path)
    assert got.path.read_bytes() == CONTENT
    assert source.ranges("/a") == ["", ""]
    assert got.notes == ("Begun anew: the source does not say which version it gives.",)


def test_with_a_checksum_no_version_is_needed(source: Source, tmp_path: Path) -> None:
    url = source.add("/a", CONTENT, etag="")
    source.first["/a"] = [cut(1000)]
    assert fetch(url, tmp_path, checksum=multihash(CONTENT)).good
    assert source.ranges("/a") == ["", "bytes=1000-"]


def test_a_date_within_the_second_of_a_change_tells_nothing(source: Source, tmp_path: Path) -> None:
    from email.utils import formatdate

    url = source.add("/a", CONTENT, etag="", modified=formatdate(time.time() + 60, usegmt=True))
    source.first["/a"] = [cut(1000)]
    assert fetch(url, tmp_path).path.read_bytes() == CONTENT
    assert source.ranges("/a") == ["", ""]


OTHER = random.Random(6).randbytes(3_000_000)  # noqa: S311


def test_another_version_between_parts_begins_anew(source: Source, tmp_path: Path) -> None:
    url = source.add("/a", CONTENT)
    source.first["/a"] = [cut(1_000_000), changed(content=OTHER)]
    got = fetch(url, tmp_path)
    assert got.path.read_bytes() == OTHER
    assert got.checksum == multihash(OTHER)
    assert got.notes == ("Begun anew: the source has another version now.",)


@pytest.mark.parametrize(
    "told",
    [
        {"ETag": '"other"'},
        {"Content-Range": "bytes 1000000-2999999/3000001"},
        {"Content-Range": "bytes 999999-2999999/3000000"},
        {"Content-Range": "bytes 1000000-2999998/3000000"},
        {"Content-Range": "bytes 1000000-3000000/3000000"},
        {"Content-Range": "items 1-2/3"},
        {"Content-Range": ""},
        {"ETag": "", "Last-Modified": "Sun, 02 Mar 2025 10:00:00 GMT"},
    ],
)
def test_a_source_that_ignores_if_range_can_not_mix_versions(
    source: Source, tmp_path: Path, told: dict[str, str]
) -> None:
    url = source.add("/a", CONTENT, modified="Sat, 01 Mar 2025 10:00:00 GMT")

    def wrong_part(handler: Handler) -> None:
        head = {"Content_Range": "bytes 1000000-2999999/3000000", "ETag": source.files["/a"].tag}
        head |= {name.replace("-", "_"): value for name, value in told.items()}
        say(206, OTHER[1_000_000:], **head)(handler)

    source.first["/a"] = [cut(1_000_000), wrong_part]
    got = fetch(url, tmp_path)
    assert got.path.read_bytes() == CONTENT
    assert source.ranges("/a") == ["", "bytes=1000000-", ""]


def test_a_source_without_parts_begins_anew(source: Source, tmp_path: Path) -> None:
    url = source.add("/a", CONTENT, ranges=False)
    source.first["/a"] = [cut(1_000_000)]
    got = fetch(url, tmp_path)
    assert got.path.read_bytes() == CONTENT
    assert got.notes == ("Begun anew: the source gives no parts.",)


def test_no_such_part_begins_anew(source: Source, tmp_path: Path) -> None:
    url = source.add("/a", CONTENT)
    source.first["/a"] = [cut(1_000_000), say(416)]
    assert fetch(url, tmp_path).path.read_bytes() == CONTENT


def test_a_part_that_nobody_asked_for_is_refused(source: Source, tmp_path: Path) -> None:
    source.always["/a"] = say(206, b"abc", Content_Range="bytes 0-2/10")
    got = fetch(source.url("/a"), tmp_path)
    assert isinstance(got.error, errors.ProtocolError)
    assert left_over(tmp_path) == []


def part_of(folder: Path) -> Path:
    return next(folder.glob(".pelagos-*.part"))


def leave_a_part(source: Source, folder: Path) -> str:
    """A call that ended early: 1,000,000 bytes of a file."""
    url = source.add("/a", CONTENT)
    source.first["/a"] = [cut(1_000_000)]
    one = Limits(attempts=1, first_wait=0.001)
    source.first["/a"] += [say(500)]
    assert not fetch(url, folder, one).good
    source.first["/a"] = []
    assert part_of(folder).stat().st_size == 1_000_000
    return url


@pytest.mark.parametrize("damage", ["no words", "torn words", "other words", "another list"])
def test_a_part_without_its_words_begins_anew(source: Source, tmp_path: Path, damage: str) -> None:
    url = leave_a_part(source, tmp_path)
    words = next(tmp_path.glob(".pelagos-*.json"))
    if damage == "no words":
        words.unlink()
    else:
        words.write_text({"torn words": words.read_text()[:50], "other words": '{"a": 1}'}.get(
            damage, "[1]"
        ))  # fmt: skip
    got = fetch(url, tmp_path)
    assert got.path.read_bytes() == CONTENT
    assert got.resumed == 0
    assert "Begun anew" in got.notes[0]


def test_a_part_of_another_address_begins_anew(source: Source, tmp_path: Path) -> None:
    leave_a_part(source, tmp_path)
    got = fetch(source.add("/b", OTHER), tmp_path)
    assert got.path.read_bytes() == OTHER
    assert got.notes == ("Begun anew: what was here of it was from another address.",)


def test_after_a_restart_of_the_machine_only_a_checksum_is_trusted(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = leave_a_part(source, tmp_path)
    # the system did not write these before it went down
    with part_of(tmp_path).open("r+b") as part:
        part.seek(500_000)
        part.write(bytes(500_000))
    monkeypatch.setattr("pelagos_client.download.transfer.boot", lambda: "another")
    got = fetch(url, tmp_path)
    assert got.path.read_bytes() == CONTENT
    assert got.notes == ("Begun anew: the machine was restarted since it was begun.",)


def test_a_part_that_was_damaged_is_found_out_by_the_checksum(
    source: Source, tmp_path: Path
) -> None:
    url = leave_a_part(source, tmp_path)
    with part_of(tmp_path).open("r+b") as part:
        part.write(b"zeros")
    got = fetch(url, tmp_path, checksum=multihash(CONTENT))
    assert got.path.read_bytes() == CONTENT
    assert source.ranges("/a")[-1] == ""


def test_what_was_whole_but_for_its_name_is_not_asked_for_again(
    source: Source, tmp_path: Path
) -> None:
    url = leave_a_part(source, tmp_path)
    part_of(tmp_path).write_bytes(CONTENT)
    asked = len(source.requests)
    got = fetch(url, tmp_path)
    assert got.path.read_bytes() == CONTENT
    assert (got.resumed, got.etag) == (3_000_000, source.files["/a"].tag)
    assert len(source.requests) == asked


# --- large: written and hashed while it is received


LARGE = random.Random(9).randbytes(20_000_001)  # noqa: S311


@pytest.mark.parametrize("direct", [True, False], ids=["past the cache", "through the cache"])
def test_a_large_file_arrives_and_is_continued(
    source: Source, tmp_path: Path, direct: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not direct:
        monkeypatch.setattr("pelagos_client.download.parts._DIRECT", 0)
    url = source.add("/a", LARGE)
    assert fetch(url, tmp_path / "whole", size=len(LARGE)).checksum == multihash(LARGE)
    assert (tmp_path / "whole" / "a.nc").read_bytes() == LARGE
    source.first["/a"] = [cut(1_234_567)]
    got = fetch(url, tmp_path)
    assert got.path.read_bytes() == LARGE
    assert got.checksum == multihash(LARGE)
    assert source.ranges("/a")[1:] == ["", "bytes=1234567-"]


def test_a_large_file_goes_where_nothing_can_be_written_past_the_cache(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.pwrite

    def refuses(file: int, data: memoryview, offset: int) -> int:
        if fcntl.fcntl(file, fcntl.F_GETFL) & os.O_DIRECT:
            raise OSError(errno.EINVAL, "Invalid argument")
        return real(file, data, offset)

    monkeypatch.setattr(os, "pwrite", refuses)
    assert fetch(source.add("/a", LARGE), tmp_path).path.read_bytes() == LARGE


def test_a_disk_that_fills_while_a_large_file_comes_keeps_what_fits(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.pwrite
    full = True

    def fills(file: int, data: memoryview, offset: int) -> int:
        room = 3_000_000 - offset if full else len(data)
        if room < 512:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(file, data[: room // 512 * 512 if len(data) > room else len(data)], offset)

    monkeypatch.setattr(os, "pwrite", fills)
    url = source.add("/a", LARGE)
    got = fetch(url, tmp_path)
    assert isinstance(got.error, errors.SpaceError)
    assert 2_990_000 < got.size <= 3_000_000
    full = False
    again = fetch(url, tmp_path)
    assert again.path.read_bytes() == LARGE
    assert again.resumed == got.size


def test_many_large_files_at_once_need_little_memory(source: Source, tmp_path: Path) -> None:
    code = """
import re, sys
sys.path.insert(0, sys.argv[1])
from pelagos_client.download import Guard, Limits, Wanted, fetch
files = [Wanted(sys.argv[2], str(n)) for n in range(24)]
limits = Limits(per_host=24)
report = fetch(files, sys.argv[3], guard=Guard(named=["127.0.0.1"]), limits=limits).check()
print({file.checksum for file in report.files} == {sys.argv[4]})
print(int(re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())[1]) * 1024)
"""
    url = source.add("/a", LARGE)
    arguments = [str(PACKAGE), url, str(tmp_path), multihash(LARGE)]
    told = subprocess.run(
        [sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True
    )
    right, memory = told.stdout.split()
    assert right == "True"
    assert int(memory) < 150_000_000


def test_cancelling_a_large_file_keeps_what_came(source: Source, tmp_path: Path) -> None:
    def half(handler: Handler) -> None:
        give(handler, cut=10_000_000)
        handler.wfile.flush()
        handler.source.stopping.wait(30)

    url = source.add("/a", LARGE)
    source.first["/a"] = [half]
    cancel = threading.Event()

    def tell(progress: DownloadProgress) -> None:
        if progress.done == 10_000_000:
            cancel.set()

    wanted = [Wanted(url, "a.nc")]
    got = fetch_all(wanted, tmp_path, guard=HERE, progress=tell, cancel=cancel).files[0]
    assert (got.state, got.size) == (State.CANCELLED, 10_000_000)
    assert fetch(url, tmp_path).path.read_bytes() == LARGE


# --- refused, busy, away


@pytest.mark.parametrize("status", [401, 403, 407, 451, 404, 410, 400, 204, 304, 501])
def test_some_answers_are_final(source: Source, tmp_path: Path, status: int) -> None:
    source.always["/a"] = say(status, b"" if status in (204, 304) else b"secret")
    got = fetch(source.url("/a?token=secret"), tmp_path)
    source.always["/a?token=secret"] = source.always["/a"]
    got = fetch(source.url("/a?token=secret"), tmp_path)
    assert got.state is State.FAILED
    assert got.attempts == 1
    assert f"HTTP {status}" in str(got.error)
    assert "secret" not in str(got.error)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 408])
def test_some_answers_are_asked_for_again(source: Source, tmp_path: Path, status: int) -> None:
    url = source.add("/a", CONTENT)
    source.first["/a"] = [say(status), say(status)]
    got = fetch(url, tmp_path)
    assert (got.good, got.attempts) == (True, 3)
    source.always["/b"] = say(status)
    got = fetch(source.url("/b"), tmp_path, path="b")
    assert (got.good, got.attempts) == (False, QUICK.attempts)
    assert f"HTTP {status}" in str(got.error)


def test_retry_after_is_honoured_for_the_whole_host(source: Source, tmp_path: Path) -> None:
    times: list[float] = []

    def timed(handler: Handler) -> None:
        times.append(time.monotonic())
        give(handler)

    source.add("/a", b"a")
    source.add("/b", b"b")
    source.first["/a"] = [say(429, Retry_After="1"), timed]
    source.always["/b"] = timed
    began = time.monotonic()
    one = Limits(per_host=1, first_wait=0.001)
    report = fetch_all(
        [Wanted(source.url("/a"), "a"), Wanted(source.url("/b"), "b")],
        tmp_path, guard=HERE, limits=one,
    )  # fmt: skip
    assert report.good
    assert len(times) == 2
    assert min(times) - began >= 1


def test_a_wait_that_is_too_long_is_left_to_the_caller(source: Source, tmp_path: Path) -> None:
    source.always["/a"] = say(503, Retry_After="86400")
    got = fetch(source.url("/a"), tmp_path)
    assert isinstance(got.error, errors.BusyError)
    assert got.attempts == 1
    assert "86400 s" in str(got.error)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7), ("Sat, 01 Mar 2025 10:00:00 GMT", 0), ("", None), ("soon", None), ("-1", None)],
)
def test_retry_after_is_seconds_or_a_date(text: str, seconds: float | None) -> None:
    assert exchange.retry_after(text) == seconds


def test_nobody_there_is_said(source: Source, tmp_path: Path) -> None:
    url = source.url("/a")
    source.stop()
    got = fetch(url, tmp_path)
    assert isinstance(got.error, errors.AwayError)
    assert got.attempts == QUICK.attempts
    assert "no connection" in str(got.error)


@pytest.mark.parametrize(
    "answer",
    [
        b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000,
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n",
    ],
    ids=range(8),
)  # fmt: skip
def test_what_is_not_http_is_no_file(source: Source, tmp_path: Path, answer: bytes) -> None:
    source.always["/a"] = raw(answer)
    got = fetch(source.url("/a"), tmp_path, Limits(attempts=2, first_wait=0.001))
    assert isinstance(got.error, errors.ProtocolError | errors.AwayError | errors.CutError)
    assert not (tmp_path / "a.nc").exists()


def test_a_connection_that_was_closed_while_idle_costs_no_attempt(
    source: Source, tmp_path: Path
) -> None:
    def closes_later(handler: Handler) -> None:
        give(handler)
        handler.close_connection = True  # which was not announced

    source.add("/a", b"a")
    source.add("/b", b"b")
    source.first["/a"] = [closes_later]
    with Engine(limits=QUICK, guard=HERE) as engine:
        for name in ("a", "b"):
            got = engine.fetch([Wanted(source.url(f"/{name}"), name)], tmp_path).files[0]
            assert (got.good, got.attempts) == (True, 1)


# --- too much, too little, wrong


def test_a_wrong_checksum_leaves_nothing(source: Source, tmp_path: Path) -> None:
    url = source.add("/a", CONTENT)
    got = fetch(url, tmp_path, checksum=multihash(OTHER))
    assert isinstance(got.error, errors.ChecksumError)
    assert hashlib.sha256(CONTENT).hexdigest() in str(got.error)
    assert got.attempts == 2  # it might have been the line
    assert list(tmp_path.iterdir()) == []


def test_a_body_that_was_damaged_on_the_way_is_fetched_again(
    source: Source, tmp_path: Path
) -> None:
    url = source.add("/a", CONTENT)
    source.first["/a"] = [say(200, OTHER)]
    got = fetch(url, tmp_path, checksum=multihash(CONTENT))
    assert (got.path.read_bytes(), got.attempts) == (CONTENT, 2)


@pytest.mark.parametrize("size", [2_999_999, 3_000_001])
def test_another_size_than_declared_is_said_before_the_body(
    source: Source, tmp_path: Path, size: int
) -> None:
    got = fetch(source.add("/a", CONTENT), tmp_path, size=size)
    assert isinstance(got.error, errors.WrongSizeError)
    assert got.attempts == 1
    assert list(tmp_path.iterdir()) == []


def test_more_than_declared_without_announcement_is_given_up(
    source: Source, tmp_path: Path
) -> None:
    source.always["/a"] = chunks(CONTENT, CONTENT)
    got = fetch(source.url("/a"), tmp_path, size=3_500_000)
    assert isinstance(got.error, errors.WrongSizeError)
    assert list(tmp_path.iterdir()) == []


def test_less_than_declared_without_announcement_is_no_file(source: Source, tmp_path: Path) -> None:
    source.always["/a"] = chunks(CONTENT)
    got = fetch(source.url("/a"), tmp_path, size=3_500_000)
    assert isinstance(got.error, errors.CutError)
    assert not (tmp_path / "a.nc").exists()


def test_more_than_announced_is_ignored_and_ends_the_connection(
    source: Source, tmp_path: Path
) -> None:
    source.always["/a"] = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\n")
    source.add("/b", b"right")
    with Engine(limits=QUICK, guard=HERE) as engine:
        got = engine.fetch([Wanted(source.url("/a"), "a")], tmp_path).files[0]
        other = engine.fetch([Wanted(source.url("/b"), "b")], tmp_path).files[0]
    assert got.path.read_bytes() == b"abc"
    assert "more than it had announced" in got.notes[0]
    assert other.path.read_bytes() == b"right"


def test_chunks_without_their_end_are_no_file(source: Source, tmp_path: Path) -> None:
    source.always["/a"] = chunks(CONTENT, end=False)
    got = fetch(source.url("/a"), tmp_path)
    assert isinstance(got.error, errors.CutError)
    assert not (tmp_path / "a.nc").exists()
    source.always["/a"] = chunks(CONTENT)
    got = fetch(source.url("/a"), tmp_path)
    assert (got.path.read_bytes(), got.proof) == (CONTENT, Proof.LENGTH)


def test_a_body_that_ends_with_the_connection_proves_nothing(
    source: Source, tmp_path: Path
) -> None:
    source.always["/a"] = raw(b"HTTP/1.1 200 OK\r\n\r\nabc")
    assert fetch(source.url("/a"), tmp_path).proof is Proof.NONE
    sure = fetch(source.url("/a"), tmp_path, path="b", size=3)
    assert (sure.state, sure.proof) == (State.READY, Proof.LENGTH)


def test_nothing_larger_than_the_limit_is_written(source: Source, tmp_path: Path) -> None:
    small = Limits(largest=2_000_000)
    got = fetch(source.add("/a", CONTENT), tmp_path, small)
    assert isinstance(got.error, errors.TooLargeError)
    source.always["/b"] = chunks(CONTENT)
    got = fetch(source.url("/b"), tmp_path, small)
    assert isinstance(got.error, errors.TooLargeError)
    assert list(tmp_path.iterdir()) == []


def test_a_packed_body_that_nobody_asked_for_is_unpacked(source: Source, tmp_path: Path) -> None:
    packed = gzip.compress(CONTENT[:100_000]) + gzip.compress(CONTENT[100_000:])
    url = source.add("/a", packed, headers={"Content-Encoding": "gzip"})
    source.first["/a"] = [cut(1_000_000)]  # parts of it can't be continued
    got = fetch(url, tmp_path, checksum=multihash(CONTENT), size=len(CONTENT))
    assert got.path.read_bytes() == CONTENT
    assert source.ranges("/a") == ["", ""]


def test_a_packed_body_stays_packed_if_its_name_says_so(source: Source, tmp_path: Path) -> None:
    packed = gzip.compress(CONTENT)
    url = source.add("/a", packed, headers={"Content-Encoding": "gzip"})
    assert fetch(url, tmp_path, path="a.nc.gz").path.read_bytes() == packed


def test_a_small_packed_body_can_not_fill_the_disk(source: Source, tmp_path: Path) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    url = source.add("/a", bomb, headers={"Content-Encoding": "gzip"})
    got = fetch(url, tmp_path, Limits(largest=1_000_000))
    assert isinstance(got.error, errors.TooLargeError)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("packed", "encoding"),
    [(gzip.compress(CONTENT)[:-20], "gzip"), (CONTENT, "gzip"), (b"x", "br")],
)
def test_a_badly_packed_body_is_no_file(
    source: Source, tmp_path: Path, packed: bytes, encoding: str
) -> None:
    url = source.add("/a", packed, headers={"Content-Encoding": encoding})
    got = fetch(url, tmp_path)
    assert isinstance(got.error, errors.ProtocolError | errors.CutError)
    assert not (tmp_path / "a.nc").exists()


def test_a_page_in_place_of_a_file_is_noted(source: Source, tmp_path: Path) -> None:
    url = source.add("/a", b"<html>", headers={"Content-Type": "text/html; charset=utf-8"})
    assert "web page" in fetch(url, tmp_path).notes[0]
    assert fetch(url, tmp_path, path="a.html").notes == ()


# --- time


def test_silence_ends_an_attempt(source: Source, tmp_path: Path) -> None:
    source.first["/a"] = [hang]
    url = source.add("/a", CONTENT)
    got = fetch(url, tmp_path, Limits(silence=0.3, first_wait=0.001))
    assert (got.good, got.attempts) == (True, 2)
    source.always["/b"] = hang
    got = fetch(source.url("/b"), tmp_path, Limits(silence=0.3, attempts=1), path="b")
    assert isinstance(got.error, errors.SlowError)


@pytest.mark.parametrize("where", ["head", "body"])
def test_a_trickle_ends_an_attempt(source: Source, tmp_path: Path, where: str) -> None:
    def trickle(handler: Handler) -> None:
        data = b"HTTP/1.1 200 OK\r\n"
        handler.wfile.write(data + (b"Content-Length: 9999\r\n\r\n" if where == "body" else b"X: "))
        with_pause = handler.source.stopping
        while not with_pause.wait(0.02):
            handler.wfile.write(b"x")
            handler.wfile.flush()

    source.always["/a"] = trickle
    got = fetch(source.url("/a"), tmp_path, Limits(attempts=1, window=0.4, least=1000))
    assert isinstance(got.error, errors.SlowError)
    assert "bytes came in" in str(got.error)


def test_a_file_may_not_take_for_ever(source: Source, tmp_path: Path) -> None:
    source.always["/a"] = hang
    got = fetch(source.url("/a"), tmp_path, Limits(overall=0.5))
    assert isinstance(got.error, errors.SlowError)
    assert "not done after" in str(got.error)


@pytest.mark.parametrize("busy", ["hangs", "retries", "rests", "connects"])
def test_cancelling_ends_it_at_once_and_keeps_what_came(
    source: Source, tmp_path: Path, busy: str
) -> None:
    url = source.add("/a", CONTENT)

    def half(handler: Handler) -> None:
        give(handler, cut=1_000_000)
        handler.wfile.flush()
        if busy == "hangs":
            handler.source.stopping.wait(30)

    source.first["/a"] = [half]
    source.always["/a"] = say(503, Retry_After="100" if busy == "rests" else "")
    guard = HERE
    if busy == "connects":
        asked: list[str] = []

        def resolve(host: str, port: int) -> list[str]:
            asked.append(host)
            source.came.set()
            if len(asked) > 1:
                source.stopping.wait(30)
            return ["127.0.0.1"]

        guard = Guard(named=["source.internal"], resolve=resolve)
        url = f"http://source.internal:{source.port}/a"
    cancel, seen = threading.Event(), []

    def tell(progress: DownloadProgress) -> None:
        if progress.done >= 1_000_000 and not cancel.is_set():
            cancel.set()
            seen.append(time.monotonic())

    report = fetch_all(
        [Wanted(url, "a.nc"), Wanted(source.url("/other"), "b.nc")],
        tmp_path, guard=guard, progress=tell, cancel=cancel,
        limits=Limits(first_wait=60, longest_wait=60, connections=1),
    )  # fmt: skip
    assert time.monotonic() - seen[0] < 5  # a minute is left of each wait
    assert report.files[0].state is State.CANCELLED
    assert isinstance(report.files[0].error, errors.StoppedError)
    assert not report.files[1].good
    assert part_of(tmp_path).stat().st_size == 1_000_000


def test_an_interrupt_ends_it_and_goes_on_to_the_caller(source: Source, tmp_path: Path) -> None:
    source.always["/a"] = hang

    def tell(progress: DownloadProgress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_all([Wanted(source.url("/a"), "a")], tmp_path, guard=HERE, progress=tell)
    assert [thread.name for thread in threading.enumerate() if "pelagos" in thread.name] == []


def test_it_works_where_an_event_loop_runs_already(source: Source, tmp_path: Path) -> None:
    url = source.add("/a", CONTENT)

    async def cell() -> Fetched:
        return fetch(url, tmp_path)

    assert asyncio.run(cell()).good


# --- progress


def test_progress_is_told_seldom_and_adds_up(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.add("/known", CONTENT)
    told: list[tuple[float, DownloadProgress]] = []
    release = threading.Event()

    def slow(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"3\r\nabc\r\n")
        handler.wfile.flush()
        release.wait(30)
        handler.wfile.write(b"0\r\n\r\n")

    source.always["/unknown"] = slow
    source.always["/bad"] = say(404)

    def tell(progress: DownloadProgress) -> None:
        told.append((time.monotonic(), progress))
        if len(told) == 3:
            release.set()

    fetch_all(
        [
            Wanted(source.url("/known"), "known", size=len(CONTENT)),
            Wanted(source.url("/unknown"), "unknown"),
            Wanted(source.url("/bad"), "bad", size=10),
        ],
        tmp_path, guard=HERE, limits=QUICK, progress=tell,
    )  # fmt: skip
    times = [at for at, _ in told[:3]]
    assert all(later - at >= 0.5 for at, later in itertools.pairwise(times))
    middle, last = told[2][1], told[-1][1]
    assert (middle.files, middle.finished, middle.failed, middle.unknown) == (3, 1, 1, 1)
    assert (middle.done, middle.total) == (len(CONTENT) + 3, len(CONTENT))
    assert "at least" in str(middle)
    assert (last.finished, last.unknown) == (2, 0)
    assert last.done == last.total == len(CONTENT) + 3


# --- what is there


def test_a_file_that_is_there_is_not_asked_for(source: Source, tmp_path: Path) -> None:
    url = source.add("/a", CONTENT)
    (tmp_path / "a.nc").write_bytes(CONTENT)
    got = fetch(url, tmp_path, checksum=multihash(CONTENT))
    assert (got.state, got.proof) == (State.PRESENT, Proof.CHECKSUM)
    got = fetch(url, tmp_path)
    assert (got.state, got.proof, got.checksum) == (State.PRESENT, Proof.NONE, multihash(CONTENT))
    assert source.requests == []


@pytest.mark.parametrize("declared", [{"size": 1}, {"checksum": multihash(OTHER)}])
def test_another_file_of_that_name_is_not_replaced_unless_told(
    source: Source, tmp_path: Path, declared: dict[str, Any]
) -> None:
    url = source.add("/a", b"n")
    (tmp_path / "a.nc").write_bytes(CONTENT)
    got = fetch(url, tmp_path, **declared)
    assert isinstance(got.error, errors.OccupiedError)
    assert (tmp_path / "a.nc").read_bytes() == CONTENT
    assert fetch(url, tmp_path, existing=Existing.REPLACE).good
    assert (tmp_path / "a.nc").read_bytes() == b"n"


@pytest.mark.parametrize(
    "path",
    ["../a", "a/../../b", "/etc/a", "a//b", "", ".", "a/", "a\\b", "a\0b", "a\nb", "..",
     "n" * 256, ".pelagos-x", "a/.pelagos-1.part", "é" * 128],
)  # fmt: skip
def test_a_name_can_not_lead_elsewhere(source: Source, tmp_path: Path, path: str) -> None:
    got = fetch(source.add("/a", b"a"), tmp_path / "into", path=path)
    assert isinstance(got.error, errors.RequestError)
    assert list(tmp_path.iterdir()) == []


def test_the_longest_name_is_good(source: Source, tmp_path: Path) -> None:
    assert fetch(source.add("/a", b"a"), tmp_path, path="n" * 255).good


def test_links_in_the_way_are_not_followed(source: Source, tmp_path: Path) -> None:
    url = source.add("/a", b"new")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_bytes(b"old")
    into = tmp_path / "into"
    into.mkdir()
    (into / "folder").symlink_to(tmp_path / "outside")
    (into / "file").symlink_to(tmp_path / "outside" / "file")
    (into / "is-folder").mkdir()
    for path in ("folder/a", "file", "is-folder"):
        assert isinstance(fetch(url, into, path=path).error, errors.OccupiedError)
    mark = hashlib.sha256(b"a.nc").hexdigest()[:16]
    (into / f".pelagos-{mark}.part").symlink_to(tmp_path / "outside" / "file")
    assert isinstance(fetch(url, into).error, errors.OccupiedError)
    assert [path.read_bytes() for path in (tmp_path / "outside").iterdir()] == [b"old"]


def test_who_does_not_download_does_not_wait_for_the_engine() -> None:
    code = "import sys; sys.path.insert(0, sys.argv[1]); import pelagos_client; print(*sys.modules)"
    told = subprocess.run(
        [sys.executable, "-c", code, str(PACKAGE)], check=True, capture_output=True, text=True
    )
    assert "pelagos_client.dataspace" in told.stdout.split()
    assert {"pelagos_client.download", "stamina", "tenacity"} & set(told.stdout.split()) == set()


def test_two_files_of_one_name_are_a_mistake(source: Source, tmp_path: Path) -> None:
    url = source.add("/a", b"a")
    with pytest.raises(errors.RequestError, match="Two files"):
        fetch_all([Wanted(url, "a"), Wanted(url, "a")], tmp_path, guard=HERE)


def test_only_one_download_writes_a_file(source: Source, tmp_path: Path) -> None:
    source.always["/a"] = hang
    cancel = threading.Event()
    results: list[Fetched] = []
    thread = threading.Thread(
        target=lambda: results.append(fetch(source.url("/a"), tmp_path, cancel=cancel))
    )
    thread.start()
    assert source.came.wait(10)
    other = fetch(source.url("/a"), tmp_path)
    cancel.set()
    thread.join()
    assert isinstance(other.error, errors.InUseError)
    assert results[0].state is State.CANCELLED


def test_a_folder_that_can_not_be_made_is_said(source: Source, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    got = fetch(source.add("/a", b"a"), tmp_path / "file" / "below")
    assert isinstance(got.error, errors.StorageError)


# --- many at once


def test_calls_share_the_turns_at_a_host(source: Source, tmp_path: Path) -> None:
    lock, now, most = threading.Lock(), [0], [0]

    def counted(handler: Handler) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        give(handler)
        with lock:
            now[0] -= 1

    paths = [f"/{n}" for n in range(40)]
    for path in paths:
        source.add(path, os.urandom(100_000))
        source.always[path] = counted
    reports = []
    with Engine(limits=Limits(per_host=2), guard=HERE) as engine:

        def work(part: list[str]) -> None:
            files = [Wanted(source.url(path), path[1:]) for path in part]
            reports.append(engine.fetch(files, tmp_path))

        threads = [threading.Thread(target=work, args=(paths[n::4],)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(reports) == 4
    assert all(report.good for report in reports)
    # a turn ends when the client has all of an answer, so the server may see one more of each
    assert most[0] <= 4


def test_a_slow_host_does_not_hold_up_another(source: Source, tmp_path: Path) -> None:
    with serve() as slow:
        slow.always["/a"] = hang
        cancel = threading.Event()
        url = source.add("/b", b"b")

        def tell(progress: DownloadProgress) -> None:
            if progress.finished == 20:
                cancel.set()

        files = [Wanted(slow.url("/a"), f"a{n}") for n in range(20)]
        files += [Wanted(url, f"b{n}") for n in range(20)]
        limits = Limits(per_host=2, connections=4)
        report = fetch_all(files, tmp_path, guard=HERE, limits=limits, progress=tell, cancel=cancel)
    states = [file.state for file in report.files]
    assert states == [State.CANCELLED] * 20 + [State.READY] * 20


def test_more_hosts_than_threads_all_have_their_turn(tmp_path: Path) -> None:
    with serve() as one, serve() as two, serve() as three:
        files = [
            Wanted(host.add("/a", b"a"), f"{n}/{i}")
            for n, host in enumerate((one, two, three))
            for i in range(3)
        ]
        assert fetch_all(files, tmp_path, guard=HERE, limits=Limits(connections=2)).good


@pytest.mark.parametrize(
    "head",
    [b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK\r\nContent-Length: 1", b"HTTP/1.1 200 OK"],
)
def test_an_answer_that_ends_within_its_head_is_no_file(
    source: Source, tmp_path: Path, head: bytes
) -> None:
    content = b"x" * 100
    source.first["/a.nc"] = [raw(head)]
    url = source.add("/a.nc", content)
    result = fetch(url, tmp_path)
    assert result.good
    assert result.path.read_bytes() == content
