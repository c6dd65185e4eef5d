"""A process that is killed, or a disk that is full, leaves a part to continue, and never a file."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from download_source import Handler, Source, chunks, give, left_over, multihash, say, serve
from pelagos_client.download import Guard, Limits, State, Wanted, errors, fetch

CONTENT = random.Random(7).randbytes(2_500_000)  # noqa: S311
LARGE = random.Random(10).randbytes(18_000_001)  # noqa: S311
HERE = Guard(named=["127.0.0.1"])
QUICK = Limits(attempts=2, first_wait=0.001, longest_wait=0.01)
PACKAGE = Path(__file__).resolve().parents[1]
CHILD = """
import json, sys
sys.path.insert(0, sys.argv[1])
from pelagos_client.download import Guard, Wanted, fetch
guard = Guard(named=["127.0.0.1"])
got = fetch([Wanted(sys.argv[2], "a.nc", checksum=sys.argv[4] or None)], sys.argv[3], guard=guard)
got = got.check().files[0]
print(json.dumps([got.resumed, got.checksum, got.state.value]))
"""
# Kills itself before the n-th system call on files, for every n until one gets through.
EVERY_CALL = """
import os, shutil, signal, sys
sys.path.insert(0, sys.argv[1])
import pelagos_client.download.engine
from pelagos_client.download import Guard, Wanted, fetch
NAMES = ("open", "ftruncate", "write", "pwrite", "fsync", "rename", "unlink", "close")
def run(deadly):
    count = 0
    def counted(real):
        def call(*args, **kw):
            nonlocal count
            count += 1
            if count == deadly:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **kw)
        return call
    for name in NAMES:
        setattr(os, name, counted(getattr(os, name)))
    guard = Guard(named=["127.0.0.1"])
    report = fetch([Wanted(sys.argv[2], "a.nc")], sys.argv[3], guard=guard)
    os._exit(0 if report.good else 1)
def forked(deadly):
    pid = os.fork()
    if not pid:
        run(deadly)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
for deadly in range(1, 200):
    if sys.argv[5] == "changed":
        shutil.rmtree(sys.argv[3], ignore_errors=True)
        shutil.copytree(sys.argv[6], sys.argv[3])
    status = forked(deadly)
    if sys.argv[5] == "changed" and status:
        assert forked(0) == 0, deadly
    if os.path.exists(os.path.join(sys.argv[3], "a.nc")):
        with open(os.path.join(sys.argv[3], "a.nc"), "rb") as file:
            assert file.read() == open(sys.argv[4], "rb").read(), deadly
        if status == 0:
            print(deadly)
            break
        if sys.argv[5] == "again":
            os.unlink(os.path.join(sys.argv[3], "a.nc"))
    else:
        assert status == -9, status
    if sys.argv[5] == "again":
        for name in os.listdir(sys.argv[3]):
            os.unlink(os.path.join(sys.argv[3], name))
"""


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.fixture
def source() -> Iterator[Source]:
    with serve() as running:
        yield running


@pytest.mark.parametrize(
    ("content", "checksum"),
    [(CONTENT, ""), (CONTENT, multihash(CONTENT)), (LARGE, "")],
    ids=["unknown", "declared", "large"],
)
def test_a_killed_download_is_continued(
    source: Source, tmp_path: Path, content: bytes, checksum: str
) -> None:
    url = source.add("/a", content)
    given, killed = threading.Event(), threading.Event()
    chance = random.Random(8)  # noqa: S311
    # of a large file up to 1 MiB is in memory
    first = 2_200_000 if content is LARGE else 100_000
    left = [first + chance.randrange(300_000) for _ in range(6)]
    into = tmp_path / "into"

    def size() -> int:
        return max((part.stat().st_size for part in into.glob("*.part")), default=0)

    def partly(handler: Handler) -> None:
        if not left:
            give(handler)
            return
        give(handler, cut=left.pop())
        handler.wfile.flush()
        given.set()
        killed.wait(30)

    source.always["/a"] = partly
    sizes: list[int] = []
    while True:
        killed.clear()
        given.clear()
        command = [sys.executable, "-c", CHILD, str(PACKAGE), url, str(into), checksum]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
            if not left:
                out, _ = child.communicate(timeout=60)
                break
            assert given.wait(60)
            until(lambda: size() > max(sizes, default=2**16))  # less is begun anew
            child.send_signal(signal.SIGKILL)
            child.wait(60)
            killed.set()
        assert not (into / "a.nc").exists()
        sizes.append(size())
    resumed, found, state = json.loads(out)
    assert (into / "a.nc").read_bytes() == content
    assert (found, state) == (multihash(content), "ready")
    assert resumed == sizes[-1] > 0
    assert sizes == sorted(sizes)
    assert left_over(tmp_path) == []


@pytest.mark.parametrize("how", ["again", "continued"])
@pytest.mark.parametrize("content", [CONTENT[:900_000], LARGE], ids=["small", "large"])
def test_killed_before_any_call_on_files_there_is_no_wrong_file(
    source: Source, tmp_path: Path, content: bytes, how: str
) -> None:
    """From nothing each time, and each time from what the last one left."""
    url = source.add("/a", content)
    (tmp_path / "right").write_bytes(content)
    into = tmp_path / "into"
    into.mkdir()
    command = [sys.executable, "-c", EVERY_CALL, str(PACKAGE), url, str(into)]
    told = subprocess.run(
        [*command, str(tmp_path / "right"), how], check=False, capture_output=True, timeout=120
    )
    assert told.returncode == 0, told.stderr
    assert int(told.stdout) > 10
    assert (into / "a.nc").read_bytes() == content


def test_killed_while_it_begins_another_version_nothing_is_mixed(
    source: Source, tmp_path: Path
) -> None:
    """From a part of the old version each time; then once more without being killed."""
    url = source.add("/a", CONTENT[:900_000])
    source.first["/a"] = [lambda handler: give(handler, cut=500_000), say(404)]
    before = tmp_path / "before"
    assert not fetch([Wanted(url, "a.nc")], before, guard=HERE, limits=QUICK).good
    assert left_over(before) == [".json", ".part"]
    source.add("/a", CONTENT[900_000:1_800_000])
    (tmp_path / "right").write_bytes(CONTENT[900_000:1_800_000])
    command = [sys.executable, "-c", EVERY_CALL, str(PACKAGE), url, str(tmp_path / "into")]
    command += [str(tmp_path / "right"), "changed", str(before)]
    told = subprocess.run(command, check=False, capture_output=True, timeout=120)
    assert told.returncode == 0, told.stderr
    assert int(told.stdout) > 10


def test_a_limit_on_files_is_a_full_disk(source: Source, tmp_path: Path) -> None:
    url = source.add("/a", CONTENT)
    code = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))"
    command = [sys.executable, "-c", code + CHILD, str(PACKAGE), url, str(tmp_path), ""]
    told = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert "SpaceError" in told.stderr
    assert "Make room; it is continued from there" in told.stderr
    got = fetch([Wanted(url, "a.nc")], tmp_path, guard=HERE).files[0]
    assert got.path.read_bytes() == CONTENT
    assert got.resumed == 1_000_000


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "small", str(folder)]
    if os.getuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_said_and_continued(source: Source, small: Path) -> None:
    url = source.add("/a", CONTENT)
    others = [Wanted(source.add(f"/{n}", b"x" * 5000), str(n)) for n in range(30)]

    def unannounced(handler: Handler) -> None:
        chunks(CONTENT, ETag=source.files["/a"].tag)(handler)

    source.first["/a"] = [unannounced]
    limits = Limits(per_host=1, first_wait=0.001)
    report = fetch([Wanted(url, "a.nc"), *others], small, guard=HERE, limits=limits)
    first = report.files[0]
    assert isinstance(first.error, errors.SpaceError)
    assert "it is full" in str(first.error)
    assert first.attempts == 1
    assert 900_000 < first.size < 2**20
    assert not any(file.good for file in report.files)
    assert len(source.requests) == 1  # the others are not begun
    subprocess.run(["mount", "-o", "remount,size=9m", str(small)], check=True)
    again = fetch([Wanted(url, "a.nc"), *others], small, guard=HERE, limits=QUICK).check()
    assert again.files[0].resumed == first.size
    assert again.files[0].path.read_bytes() == CONTENT


def test_what_can_not_fit_is_not_begun(source: Source, small: Path) -> None:
    url = source.add("/a", CONTENT)
    with pytest.raises(errors.SpaceError, match="Nothing was downloaded"):
        fetch([Wanted(url, "a.nc", size=len(CONTENT))], small, guard=HERE)
    assert source.requests == []
    got = fetch([Wanted(url, "a.nc")], small, guard=HERE).files[0]  # told by the source
    assert isinstance(got.error, errors.SpaceError)
    assert list(small.iterdir()) == []


def test_some_space_can_be_spared(source: Source, tmp_path: Path) -> None:
    url = source.add("/a", CONTENT)
    with pytest.raises(errors.SpaceError):
        fetch([Wanted(url, "a", size=9)], tmp_path, guard=HERE, limits=Limits(spare=2**60))
    got = fetch([Wanted(url, "a")], tmp_path, guard=HERE, limits=Limits(spare=2**60)).files[0]
    assert got.state is State.FAILED
