"""Workspaces on a node: nothing that was written is ever lost, whatever dies in between.

The real agent, rclone and WebDAV server; no hub, whose absence is thereby a fault that every one of
these tests has.
"""

from __future__ import annotations

import itertools
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pelagos.node import mounts, placeholder
from pelagos.node.rclone import processes
from pelagos.settings import Settings
from pelagos.sockets import unix_client
from storage_node import Node, hashes, kill_mounts, random_file, rclone_pid
from support import until

BIG = 300 << 20


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    node = Node(
        tmp_path_factory.mktemp("node"),
        Settings.model_validate({"storage": {"workspace": {"quota": "2 GiB"}}}),
    )
    try:
        node.start("dav")
        node.start("agent")
        yield node
    finally:
        node.close()


def uploading(node: Node, user: str) -> bool:
    """Whether a file is under way right now."""
    return node.status(user)["pending"] > 0


def write_big(node: Node, user: str) -> str:
    """A file that is being uploaded when this returns; its hash."""
    expected = random_file(node.mount(user) / "big.nc", BIG)
    partial = node.deployment.layout.workspaces
    before = size_of(partial)
    until(lambda: size_of(partial) > before, 30, "the upload began")
    assert uploading(node, user)
    return expected


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder, which may change meanwhile."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total


def test_what_is_written_arrives_on_the_server(node: Node) -> None:
    data = node.mount("ada")
    (data / "cruise").mkdir()
    (data / "cruise" / "notes 2026 é✓.txt").write_text("depth 200 m")
    random_file(data / "cruise" / "ctd.bin", 5 << 20)
    node.arrived("ada", hashes(data))
    assert hashes(node.on_server("ada")) == hashes(data)
    owner = (data / "cruise").stat()
    assert (owner.st_uid, owner.st_gid, owner.st_mode & 0o777) == (1000, 1000, 0o700)


def test_sqlite_and_writes_in_place_and_mmap_work(node: Node) -> None:
    import mmap

    data = node.mount("ada")
    with sqlite3.connect(data / "stations.sqlite") as base:
        base.execute("create table station (name text, depth real)")
        base.executemany("insert into station values (?, ?)", [(str(n), n) for n in range(5000)])
    base.close()
    path = data / "grid.bin"
    path.write_bytes(bytes(1 << 20))
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        memory[4096:4100] = b"SALT"
        memory.flush()
    with path.open("r+b") as file:
        file.seek(10)
        file.write(b"TEMP")
    with path.open("ab") as file:
        file.write(b"appended")
    node.arrived("ada", hashes(data))
    arrived = (node.on_server("ada") / "grid.bin").read_bytes()
    assert arrived == path.read_bytes()
    assert arrived[4096:4100] == b"SALT"
    assert arrived[10:14] == b"TEMP"
    assert arrived.endswith(b"appended")
    with sqlite3.connect(node.on_server("ada") / "stations.sqlite") as base:
        assert base.execute("select count(*) from station").fetchone() == (5000,)
    base.close()


def test_a_thousand_small_files_arrive(node: Node) -> None:
    data = node.mount("ada") / "many"
    data.mkdir()
    for number in range(1000):
        (data / f"{number}.txt").write_text(f"profile {number}\n" * 100)
    expected = {f"many/{name}": digest for name, digest in hashes(data).items()}
    node.arrived("ada", expected, 300)
    assert hashes(node.on_server("ada") / "many") == hashes(data)


def test_files_that_change_and_move_while_they_upload_arrive_as_they_are(node: Node) -> None:
    data = node.mount("ada")
    random_file(data / "run.nc", 20 << 20)
    for number in range(30):  # let go each time, so that some of this meets an upload
        with (data / "run.nc").open("ab") as file:
            file.write(f"step {number}\n".encode() * 1000)
        (data / ".notebook~").write_text(f"version {number}\n" * 100)
        (data / ".notebook~").rename(data / "notebook")
        time.sleep(0.02 * (number % 15))
    node.arrived("ada", hashes(data))
    assert (node.on_server("ada") / "notebook").read_text() == "version 29\n" * 100


def test_a_stop_waits_for_the_upload_and_then_unmounts(node: Node) -> None:
    expected = write_big(node, "bea")
    node.release("bea")
    assert node.status("bea")["state"] in ("leaving", "mounted")
    until(lambda: not mounts.is_mount(node.data("bea")), 120, node.log("agent"))
    assert hashes(node.on_server("bea"))["big.nc"] == expected
    assert (node.data("bea") / "README.txt").exists()
    until(lambda: not node.rclone_pid("bea"), 10)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_new_agent_goes_on_with_the_mounts_of_the_old_one(node: Node, how: int) -> None:
    user = f"carl{how:d}"
    expected = write_big(node, user)
    pid = node.rclone_pid(user)
    node.kill("agent", how)
    assert node.rclone_pid(user) == pid, "the mount outlives the agent"
    assert (node.data(user) / "big.nc").stat().st_size == BIG
    node.start("agent")
    node.arrived(user, {"big.nc": expected})
    assert node.rclone_pid(user) == pid
    assert hashes(node.on_server(user))["big.nc"] == expected


def test_a_killed_mount_comes_back_and_finishes_its_uploads(node: Node) -> None:
    expected = write_big(node, "dora")
    pid = node.rclone_pid("dora")
    os.kill(pid, signal.SIGKILL)
    until(lambda: node.rclone_pid("dora") not in (0, pid), 60, node.log("agent"))
    until(lambda: node.status("dora")["state"] == "mounted", 60)
    assert (node.data("dora") / "big.nc").stat().st_size == BIG
    node.arrived("dora", {"big.nc": expected})
    assert hashes(node.on_server("dora"))["big.nc"] == expected


def test_a_mount_that_hangs_is_replaced(node: Node) -> None:
    data = node.mount("hal")
    (data / "before.txt").write_text("before")
    node.arrived("hal", hashes(data))
    pid = node.rclone_pid("hal")
    os.kill(pid, signal.SIGSTOP)
    others = time.monotonic()
    node.mount("ada")
    assert time.monotonic() - others < 20, "nobody else waits for it"
    until(lambda: node.rclone_pid("hal") not in (0, pid), 120, node.log("agent"))
    until(lambda: node.status("hal")["state"] == "mounted", 60)
    assert (data / "before.txt").read_text() == "before"


def test_a_killed_webdav_server_gets_the_whole_file_later(node: Node) -> None:
    expected = write_big(node, "emil")
    node.kill("dav")
    assert not (node.on_server("emil") / "big.nc").exists(), "no half file under its name"
    node.start("dav")
    node.arrived("emil", {"big.nc": expected})
    assert hashes(node.on_server("emil"))["big.nc"] == expected


def test_an_outage_of_half_a_minute_loses_nothing(node: Node) -> None:
    expected = write_big(node, "fay")
    written, refused = {}, []
    # a file that is open goes on; a new name may be refused, which its program is told
    with (node.data("fay") / "log.txt").open("w") as log:
        log.write("open\n")
        log.flush()
        node.kill("dav")
        end = time.monotonic() + 30
        for number in itertools.count():
            log.write(f"{number}\n")
            log.flush()
            path = node.data("fay") / f"during-{number}.bin"
            try:
                written[path.name] = random_file(path, 1 << 16)
            except OSError:
                refused.append(path.name)
            if time.monotonic() > end:
                break
            time.sleep(1)
    node.start("dav")
    node.arrived("fay", {**written, "big.nc": expected})
    found = hashes(node.on_server("fay"))
    lines = (node.on_server("fay") / "log.txt").read_text().split()
    assert lines == ["open", *(str(n) for n in range(number + 1))]
    assert {name: found[name] for name in written} == written
    assert not set(refused) & set(found)
    assert found["big.nc"] == expected


def test_a_machine_that_restarts_goes_on_where_it_was(node: Node) -> None:
    others = random_file(node.mount("gus") / "small.bin", 1 << 16)
    expected = write_big(node, "gus")
    # everything dies at once, and the mounts with it
    node.kill("dav")
    node.kill("agent")
    kill_mounts(node.state.folder)
    for path in mounts.below(node.state.folder):
        mounts.unmount(path, lazy=True)
    node.start("agent")
    until(lambda: node.status("gus")["pending"] >= 1, 10, "it knows what waits")
    # the agent listens before its first look
    until(lambda: node.status("gus")["state"] == "unavailable", 30)
    node.start("dav")
    until(lambda: node.status("gus")["state"] == "mounted", 60, node.log("agent"))
    node.arrived("gus", {"big.nc": expected, "small.bin": others})
    assert hashes(node.on_server("gus")) == {"big.nc": expected, "small.bin": others}


def test_uploads_of_somebody_who_left_go_on_after_a_restart(node: Node) -> None:
    expected = write_big(node, "ida")
    node.kill("dav")
    node.release("ida")
    node.kill("agent")
    pid = node.rclone_pid("ida")
    os.kill(pid, signal.SIGKILL)
    node.start("agent")
    node.start("dav")
    until(lambda: node.status("ida")["state"] == "absent", 120, node.log("agent"))
    assert hashes(node.on_server("ida"))["big.nc"] == expected


def test_a_refused_upload_is_told_with_its_reason_and_arrives_later(node: Node) -> None:
    data = node.mount("jon")
    (data / "old.bin").write_bytes(bytes(1 << 20))
    filler = node.on_server("jon") / "filler"
    node.arrived("jon", hashes(data))
    # the quota is 2 GiB: what the server counts is what is in the folder when it starts
    filler.touch()
    os.truncate(filler, 2 << 30)
    node.kill("dav", signal.SIGTERM)
    node.start("dav")
    expected = random_file(data / "refused.nc", 1 << 20)
    until(lambda: node.status("jon")["failed"], 60, str(node.status("jon")))
    [failed] = node.status("jon")["failed"]
    assert failed["name"] == "refused.nc"
    assert "507" in failed["reason"]
    assert failed["tries"] >= 1
    node.release("jon")
    time.sleep(5)
    assert mounts.is_mount(node.data("jon")), "what was refused is not given up"
    node.mount("jon")
    (data / "filler").unlink()
    node.call("PUT", "/workspaces/jon")
    node.arrived("jon", {"refused.nc": expected})
    assert hashes(node.on_server("jon"))["refused.nc"] == expected


def test_without_a_server_the_folder_says_why_and_heals(node: Node) -> None:
    node.kill("dav")
    node.call("PUT", "/workspaces/kim")
    until(lambda: node.status("kim")["state"] == "unavailable", 30)
    assert "does not answer" in node.status("kim")["reason"]
    note = node.data("kim") / "README.txt"
    until(lambda: "does not answer" in note.read_text(), 10)
    denied = subprocess.run(
        ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "touch", "x"],
        cwd=node.data("kim"),
        capture_output=True,
        timeout=30,
    )
    assert denied.returncode != 0, "nothing can be written where it would be lost"
    node.start("dav")
    node.call("PUT", "/workspaces/kim")
    until(lambda: node.status("kim")["state"] == "mounted", 60, node.log("agent"))
    (node.data("kim") / "hello.txt").write_text("hello")
    node.arrived("kim", hashes(node.data("kim")))
    assert (node.on_server("kim") / "hello.txt").read_text() == "hello"


def aside(node: Node) -> dict[str, str]:
    """Hashes of everything that was set aside, by file name."""
    found = hashes(node.deployment.layout.workspaces / "deleted")
    return {path.rpartition("/")[2]: digest for path, digest in found.items()}


def test_the_workspace_of_a_deleted_account_is_set_aside(node: Node) -> None:
    expected = random_file(node.mount("lou") / "thesis.bin", 1 << 16)
    until((node.on_server("lou") / "thesis.bin").exists, 30)
    node.call("DELETE", "/workspaces/lou?deleted=true")
    until(lambda: not node.on_server("lou").exists(), 60, node.log("agent"))
    assert aside(node)["thesis.bin"] == expected
    assert not (node.mount("lou") / "thesis.bin").exists()


def test_who_gets_the_name_of_a_deleted_account_gets_nothing_of_it(node: Node) -> None:
    data = node.mount("max")
    arrived = random_file(data / "arrived.bin", 1 << 16)
    until((node.on_server("max") / "arrived.bin").exists, 30)
    node.kill("dav")
    waiting = random_file(data / "waiting.bin", 1 << 16)
    until(lambda: node.status("max")["pending"] == 1, 30)
    # deleted while something waits, and at once somebody else of that name
    node.call("DELETE", "/workspaces/max?deleted=true")
    node.call("PUT", "/workspaces/max")
    node.start("dav")
    data = node.mount("max")
    until(lambda: os.listdir(data) == ["shared"], 30, str(os.listdir(data)))
    assert {"arrived.bin": arrived, "waiting.bin": waiting}.items() <= aside(node).items()
    (data / "mine.txt").write_text("mine")
    until((node.on_server("max") / "mine.txt").exists, 30)
    # and nothing of the newcomer's is taken away later
    node.kill("agent")
    node.start("agent")
    node.mount("max")
    assert (node.on_server("max") / "mine.txt").read_text() == "mine"


def test_a_mount_that_no_record_knows_is_ended_before_another_is_made(node: Node) -> None:
    node.mount("nia")
    first = rclone_pid(node.data("nia"))
    node.kill("agent")
    (node.state.folder / "agent" / "workspaces" / "nia.json").write_text(
        '{"user": "nia", "wanted": true, "deleted": false, "stamp": ""}'
    )
    node.start("agent")
    until(lambda: rclone_pid(node.data("nia")) not in (0, first), 60, node.log("agent"))
    assert len(processes(node.data("nia"))) == 1


def test_a_persons_own_readme_is_never_replaced_by_ours(node: Node) -> None:
    data = node.mount("ola")
    (data / "README.txt").write_text("my own")
    until((node.on_server("ola") / "README.txt").exists, 30)
    placeholder.make(data.parent, "a look that came late")
    assert (data / "README.txt").read_text() == "my own"


def test_trying_again_is_cheap_however_much_waits(node: Node) -> None:
    data = node.mount("pim")
    assert os.listdir(data) == ["shared"]
    node.kill("dav")
    for number in range(300):
        try:
            (data / f"{number}.txt").write_text("waits")
        except OSError:
            break  # the server has been away for too long
    assert node.status("pim")["pending"]
    with unix_client(node.deployment.people_socket, 30) as client:
        for _ in range(50):
            assert client.post("/people/pim/retry").status_code == 200
    assert node.call("GET", "/health")["reason"] == ""
    node.start("dav")
    written = hashes(data)
    assert written
    node.arrived("pim", written)


@pytest.mark.parametrize("user", ["zoë@sea.example", "o'brien", "a#b;c", "x" * 200, "-rf", "🐟"])
def test_people_of_any_name_have_a_workspace(node: Node, user: str) -> None:
    data = node.mount(user)
    (data / "mine.txt").write_text(user)
    node.arrived(user, hashes(data))
    assert (node.on_server(user) / "mine.txt").read_text() == user
