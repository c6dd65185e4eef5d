"""`keep` of the client package on a real mount of a real WebDAV server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pelagos.deployment import ROOT
from support import until
from webdav_peers import Apache, apache_server

sys.path.insert(0, str(ROOT / "extensions" / "client"))

from pelagos_client import dataspace
from pelagos_client.errors import ExistsError

pytestmark = pytest.mark.engine  # needs root and FUSE


@pytest.fixture(scope="module")
def apache() -> Iterator[Apache]:
    with apache_server() as server:
        yield server


@pytest.fixture
def mount(apache: Apache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A mounted workspace, and a dataspace of plain folders."""
    rclone = Path(sys.executable).with_name("rclone")
    point = tmp_path / "workspace"
    point.mkdir()
    (tmp_path / "dataspace" / "me").mkdir(parents=True)
    obscured = subprocess.run(
        [rclone, "obscure", "-"], input=apache.password, capture_output=True, text=True, check=True
    )
    (tmp_path / "rclone.conf").write_text(
        f"[ws]\ntype = webdav\nurl = {apache.url}ada@elsewhere/\nvendor = other\n"
        f"user = {apache.user}\npass = {obscured.stdout.strip()}\n"
    )
    command = [
        rclone, "mount", "ws:", point, "--config", tmp_path / "rclone.conf",
        "--cache-dir", tmp_path / "cache", "--vfs-cache-mode", "full", "--vfs-write-back", "1s",
        "--dir-cache-time", "5s", "--poll-interval", "0", "--contimeout", "5s",
        "--timeout", "20s", "--log-file", tmp_path / "log",
    ]  # fmt: skip
    process = subprocess.Popen(command)
    monkeypatch.setenv("PELAGOS_WORKSPACE", str(point))
    monkeypatch.setenv("PELAGOS_DATASPACE", str(tmp_path / "dataspace"))
    monkeypatch.delenv("PELAGOS_WORKSPACE_API", raising=False)
    try:
        until(lambda: os.path.ismount(point), 30, "the mount")
        yield point
    finally:
        subprocess.run(["umount", "--lazy", point], check=False)
        process.terminate()
        process.wait(30)


def test_a_kept_folder_arrives_whole_at_the_server(mount: Path, apache: Apache) -> None:
    run = dataspace.path() / "run1"
    (run / "deep er").mkdir(parents=True)
    content = {"a.nc": os.urandom(5 * 2**20 + 3), "deep er/ü b.nc": b"b", "empty": b""}
    for name, data in content.items():
        (run / name).write_bytes(data)
    kept = dataspace.keep("run1", progress=False)
    assert (kept.files, kept.uploaded) == (3, None)
    there = apache.files / apache.user / "kept" / "me" / "run1"

    def arrived() -> bool:
        try:
            return all((there / name).read_bytes() == data for name, data in content.items())
        except OSError:
            return False

    until(arrived, 60, "every file at the server")
    # nothing under a temporary name, neither here nor there
    found = {str(path.relative_to(there)) for path in there.rglob("*") if path.is_file()}
    until(lambda: not list(there.rglob(".pelagos-*")), 60, f"no temporary files, but {found}")
    again = dataspace.keep("run1", progress=False)
    assert (again.files, again.skipped) == (0, 3)
    (run / "a.nc").write_bytes(b"changed")
    with pytest.raises(ExistsError):
        dataspace.keep("run1", progress=False)
    dataspace.keep("run1", progress=False, overwrite=True)
    until(lambda: (there / "a.nc").read_bytes() == b"changed", 60, "the new version")
