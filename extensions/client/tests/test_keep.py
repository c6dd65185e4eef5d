"""Copies to the workspace: right, whole, and never over something else."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Any

import pytest
from pelagos_client import copying, dataspace
from pelagos_client.errors import (
    ChangedError,
    CopyError,
    ExistsError,
    NotAvailableError,
    OutsideError,
    VerificationError,
)

SAFE = {"workspace": {"state": "mounted", "pending": 0}}
BUSY = {"workspace": {"state": "mounted", "pending": 1}}


@pytest.fixture
def run(storage: Any) -> Path:
    """A folder with three files and an empty folder."""
    folder: Path = storage.dataspace / "me" / "run1"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "a.nc").write_bytes(os.urandom(3 * 2**20 + 7))
    (folder / "deep" / "b c.nc").write_bytes(b"b")
    (folder / "deep" / "er" / "empty").write_bytes(b"")
    return folder


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_folder_arrives_whole(storage: Any, run: Path) -> None:
    kept = dataspace.keep("run1", progress=False)
    assert kept.destination == storage.workspace / "kept" / "me" / "run1"
    assert digests(kept.destination) == digests(run)
    assert (kept.files, kept.bytes, kept.skipped, kept.uploaded) == (3, 3 * 2**20 + 8, 0, None)


def test_a_file_goes_into_the_folder_that_is_named(storage: Any, run: Path) -> None:
    for _ in range(2):  # what `to` means does not depend on what is there
        kept = dataspace.keep(run / "a.nc", to="paper/data", progress=False)
        assert kept.destination == storage.workspace / "paper" / "data" / "a.nc"
    assert kept.skipped == 1


def test_what_is_there_and_the_same_is_skipped(storage: Any, run: Path) -> None:
    kept = dataspace.keep("run1", progress=False)
    (kept.destination / "deep" / "b c.nc").unlink()
    before = (kept.destination / "a.nc").stat().st_mtime_ns
    again = dataspace.keep("run1", progress=False)
    assert (again.files, again.skipped) == (1, 2)
    assert (kept.destination / "a.nc").stat().st_mtime_ns == before
    assert digests(kept.destination) == digests(run)


@pytest.mark.parametrize("content", [b"B", b"longer"])
def test_a_different_file_stops_the_copy_before_it_begins(
    storage: Any, run: Path, content: bytes
) -> None:
    there = storage.workspace / "kept" / "me" / "run1" / "deep" / "b c.nc"
    there.parent.mkdir(parents=True)
    there.write_bytes(content)
    with pytest.raises(ExistsError, match=r"b c\.nc"):
        dataspace.keep("run1", progress=False)
    assert digests(storage.workspace) == {
        "kept/me/run1/deep/b c.nc": hashlib.sha256(content).hexdigest()
    }
    dataspace.keep("run1", progress=False, overwrite=True)
    assert there.read_bytes() == b"b"


def test_a_folder_where_a_file_belongs_is_never_replaced(storage: Any, run: Path) -> None:
    (storage.workspace / "kept" / "me" / "run1" / "a.nc").mkdir(parents=True)
    with pytest.raises(ExistsError, match="is no file"):
        dataspace.keep("run1", progress=False, overwrite=True)


def test_links_within_the_dataspace_bring_what_they_mean(storage: Any, run: Path) -> None:
    (storage.dataspace / "pool" / "item.nc").write_bytes(b"from the pool")
    (storage.dataspace / "pool" / "set").mkdir()
    (storage.dataspace / "pool" / "set" / "x").write_bytes(b"x")
    (run / "link.nc").symlink_to("../../pool/item.nc")
    (run / "linked").symlink_to("../../pool/set")
    kept = dataspace.keep("run1", progress=False)
    assert not (kept.destination / "link.nc").is_symlink()
    assert (kept.destination / "link.nc").read_bytes() == b"from the pool"
    assert (kept.destination / "linked" / "x").read_bytes() == b"x"


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../secret", "/etc"])
def test_a_link_out_of_the_dataspace_stops_the_copy(storage: Any, run: Path, target: str) -> None:
    (storage.dataspace.parent / "secret").write_text("secret")
    (run / "zz").symlink_to(target)
    with pytest.raises(OutsideError):
        dataspace.keep("run1", progress=False)
    with pytest.raises(OutsideError):
        dataspace.keep("run1/zz", progress=False)
    assert digests(storage.workspace) == {}


def test_what_cannot_be_copied_is_said_before_anything_is(storage: Any, run: Path) -> None:
    os.mkfifo(run / "zz")
    with pytest.raises(CopyError, match="neither a file nor a folder"):
        dataspace.keep("run1", progress=False)
    (run / "zz").unlink()
    (run / "zz").symlink_to("nowhere")
    with pytest.raises(CopyError, match="can't be read"):
        dataspace.keep("run1", progress=False)
    (run / "zz").unlink()
    (run / "zz").symlink_to(".")
    with pytest.raises(CopyError, match="link to itself"):
        dataspace.keep("run1", progress=False)
    assert digests(storage.workspace) == {}


@pytest.mark.parametrize("path", ["..", "/etc/passwd", ".", "../pool"])
def test_only_what_is_in_an_area_is_kept(storage: Any, path: str) -> None:
    with pytest.raises(OutsideError):
        dataspace.keep(path, progress=False)


@pytest.mark.parametrize("to", ["..", "/usr", "a/../.."])
def test_nothing_goes_out_of_the_workspace(storage: Any, run: Path, to: str) -> None:
    with pytest.raises(OutsideError, match="not in the workspace"):
        dataspace.keep("run1", to=to, progress=False)


def test_a_workspace_that_is_not_connected_takes_nothing(storage: Any, run: Path) -> None:
    (storage.workspace / "README.txt").write_text("down")
    storage.workspace.chmod(0o555)
    with pytest.raises(NotAvailableError, match="not connected"):
        dataspace.keep("run1", progress=False)
    storage.workspace.chmod(0o755)


def test_a_source_that_changes_meanwhile_leaves_no_copy(
    storage: Any, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Writer(copying.Progress):
        """Somebody writes to the file while it is read."""

        def add(self, count: int, what: str) -> None:
            with (run / "a.nc").open("ab") as file:
                file.write(b"more")

    monkeypatch.setattr(copying, "Progress", Writer)
    with pytest.raises(ChangedError, match="changed while it was copied"):
        dataspace.keep("run1/a.nc", progress=False)
    assert digests(storage.workspace) == {}


def test_a_copy_that_reads_back_differently_is_removed(
    storage: Any, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Breaker(copying.Progress):
        """The disk under the copy flips a byte once it is written."""

        def add(self, count: int, what: str) -> None:
            if what.startswith("comparing"):
                return
            for part in storage.workspace.rglob("*.part"):
                os.truncate(part, 1)

    monkeypatch.setattr(copying, "Progress", Breaker)
    with pytest.raises(VerificationError, match="was removed"):
        dataspace.keep("run1/a.nc", progress=False)
    assert digests(storage.workspace) == {}


def test_what_a_broken_copy_left_is_no_obstacle(storage: Any, run: Path) -> None:
    kept = dataspace.keep("run1/a.nc", progress=False)
    mark = hashlib.sha256(b"a.nc").hexdigest()[:16]
    kept.destination.replace(kept.destination.with_name(f".pelagos-{mark}.part"))
    again = dataspace.keep("run1/a.nc", progress=False)
    assert [path.name for path in again.destination.parent.iterdir()] == ["a.nc"]


def test_the_longest_name_can_be_kept(storage: Any) -> None:
    (storage.dataspace / "me" / ("n" * 255)).write_bytes(b"x")
    assert dataspace.keep("n" * 255, progress=False).files == 1


def test_it_waits_until_the_server_has_everything(
    service: Any, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "_POLL_SECONDS", 0.01)
    service.answers = [(200, BUSY), (200, SAFE), (200, BUSY), (200, SAFE), (200, SAFE)]
    kept = dataspace.keep("run1", progress=False)
    assert kept.uploaded is True
    # one quiet moment is not enough
    assert len(service.asked) == 5


def test_what_never_arrives_is_said_so(
    service: Any, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "_POLL_SECONDS", 0.01)
    service.answers = [(200, BUSY)]
    kept = dataspace.keep("run1", progress=False, wait=0.1)
    assert kept.uploaded is False
    assert "NOT on the server yet" in str(kept)


def test_a_service_that_is_away_leaves_it_open(service: Any, run: Path) -> None:
    service.answers = [(503, {"reason": "away"})]
    assert dataspace.keep("run1", progress=False).uploaded is None


def test_a_log_gets_one_line_and_a_notebook_a_moving_one(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    dataspace.keep("run1")
    text = capsys.readouterr().out
    assert text.count("\n") == 1
    assert "\r" not in text
    assert text.startswith("3 files (3 MiB) kept in ")
    monkeypatch.setitem(__import__("sys").modules, "ipykernel", __import__("types"))
    monkeypatch.setattr("pelagos_client.progress._SECONDS", 0)
    dataspace.keep("run1", to="again")
    lines = capsys.readouterr().out.split("\r")
    assert re.match(r" +\d+ % of 6 MiB  a\.nc", lines[1])
    assert "3 files" in lines[-1]
    dataspace.keep("run1", to="third", progress=False)
    assert capsys.readouterr().out == ""
