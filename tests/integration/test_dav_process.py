"""The WebDAV server as a process of its own: account, end, litmus."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from dav_server import LOCK, StandInHub
from pelagos import accounts
from pelagos.deployment import DAV_PATH, ROOT, STATE_VARIABLE, State
from pelagos.settings import Settings
from support import facts_of, free_port, until


class Server:
    """`python -m pelagos.services.dav` on a state folder."""

    def __init__(self, state: State, *, as_account: bool = False) -> None:
        self.state = state
        self.hub = StandInHub()
        self.token = self.hub.person("alice")
        self.port = free_port()
        changes = {"hub_port": self.hub.port, "dav_port": self.port, "as_account": as_account}
        # the stand-in knows the service by this token
        (state.secrets / "pelagos-dav").write_text("the-service\n")
        state.write(facts_of(state).model_copy(update=changes), Settings())
        self.log = state.logs / "dav.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Server":
        """Start it, and wait until it answers."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pelagos.services.dav"],
                env={**os.environ, STATE_VARIABLE: str(self.state.folder),
                     "PYTHONPATH": str(ROOT / "hub")},
                stdout=log, stderr=log,
            )  # fmt: skip
        until(self.answers, 60, self.log.read_text)
        return self

    def answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        try:
            return httpx.get(self.url, trust_env=False).status_code == 401
        except httpx.TransportError:
            return False

    def listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
        except OSError:
            return False
        return True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{DAV_PATH}/alice/"

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, auth=("alice", self.token), trust_env=False)

    def stop(self) -> int:
        """End it as supervisord does; its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(30)
        self.hub.leave()


@pytest.fixture
def server(state: State) -> Iterator[Server]:
    server = Server(state)
    yield server.start()
    server.close()


def test_a_request_is_finished_before_the_server_ends(server: Server) -> None:
    assert server.process is not None
    begun = threading.Event()

    def slow() -> Iterator[bytes]:
        yield b"x" * 100_000
        begun.set()
        until(lambda: not server.listens(), what="the server takes nobody new")
        yield b"y" * 100_000

    codes: list[int] = []

    def put() -> None:
        with server.client() as client:
            codes.append(client.put("a", content=slow()).status_code)

    thread = threading.Thread(target=put)
    thread.start()
    assert begun.wait(30)
    assert server.stop() == 0
    thread.join(30)
    assert codes == [201]
    assert "Traceback" not in server.log.read_text()


def test_a_killed_server_starts_again_with_all_files_and_nothing_half(server: Server) -> None:
    assert server.process is not None
    staging = server.state.folder / "workspaces" / "users" / ".staging"
    with server.client() as client:
        client.put("a", content=b"old")

        def endless() -> Iterator[bytes]:
            yield b"x" * 100_000
            until(lambda: os.listdir(staging))
            assert server.process is not None
            server.process.kill()
            server.process.wait(30)
            yield b"x"

        with pytest.raises(httpx.TransportError):
            client.put("a", content=endless())
    server.start()
    until(lambda: not os.listdir(staging))
    with server.client() as client:
        assert client.get("a").content == b"old"


def test_a_second_server_on_the_same_folders_ends_with_a_reason(server: Server) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pelagos.services.dav"],
        env={**os.environ, STATE_VARIABLE: str(server.state.folder),
             "PYTHONPATH": str(ROOT / "hub")},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Does another one run?" in done.stderr


@pytest.fixture
def reachable() -> Iterator[State]:
    """A state folder that the account can pass through, as `up` makes it."""
    if not accounts.exists():
        accounts.make()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        state = State(Path(folder) / "state")
        state.prepare()
        state.folder.chmod(0o711)
        yield state


# Needs root to become somebody else.
@pytest.mark.engine
def test_the_server_gives_root_up(reachable: State) -> None:
    uid = accounts.ids()[0]
    # as an earlier run, by root, left it
    before = reachable.folder / "workspaces" / "users" / "alice"
    before.mkdir(parents=True, mode=0o700)
    (before / "old").write_bytes(b"old")
    (reachable.folder / "dav").mkdir(mode=0o700)
    server = Server(reachable, as_account=True)
    try:
        server.start()
        assert server.process is not None
        status = Path(f"/proc/{server.process.pid}/status").read_text()
        assert re.search(rf"^Uid:\s+{uid}\s+{uid}\s+{uid}\s+{uid}$", status, re.M)
        assert re.search(r"^CapEff:\s+0+$", status, re.M)
        with server.client() as client:
            assert client.put("a", content=b"1").status_code == 201
            assert client.put("old", content=b"2").status_code == 204
            assert client.request("LOCK", "a", content=LOCK).status_code == 200
        assert (before / "a").stat().st_uid == uid
        assert server.stop() == 0
        server.start()
        with server.client() as client:
            assert client.put("a", content=b"2").status_code == 423
        assert "Traceback" not in server.log.read_text()
    finally:
        server.close()


@pytest.mark.engine
def test_what_the_account_plants_makes_root_give_nothing_away(
    reachable: State, tmp_path: Path
) -> None:
    uid, gid = accounts.ids()
    victim = tmp_path / "etc"
    victim.mkdir()
    for name in ("shadow", "locks.sqlite", "locks.sqlite-wal"):
        (victim / name).touch()
    server = Server(reachable, as_account=True)
    try:
        server.start()
        assert server.stop() == 0
        workspaces, dav = reachable.folder / "workspaces", reachable.folder / "dav"
        # in these folders the account can put nothing
        assert [one.stat().st_uid for one in (reachable.folder, workspaces)] == [0, 0]
        folders = (workspaces / "users", workspaces / "virtual-labs", dav)
        assert [one.stat().st_uid for one in folders] == [uid] * 3
        # an earlier version let it
        os.chown(workspaces, uid, gid)
        (workspaces / ".dav").symlink_to(victim)
        for kind in folders[:2]:
            (kind / ".staging").rmdir()
            (kind / ".staging").symlink_to(victim)
        (dav / "locks.sqlite").unlink()
        (dav / "locks.sqlite").symlink_to(victim / "locks.sqlite")
        assert server.process is not None
        with pytest.raises(AssertionError, match="can't use"):
            server.start()
        (dav / "locks.sqlite").unlink()
        # root walks through what was somebody else's
        os.chown(dav, 0, 0)
        (dav / "link").symlink_to(victim)
        (dav / "hard").hardlink_to(victim / "shadow")
        server.start()
        assert {one.stat().st_uid for one in (victim, *victim.iterdir())} == {0}
        assert all((victim / one).stat().st_size == 0 for one in os.listdir(victim))
        assert sorted(os.listdir(victim)) == ["locks.sqlite", "locks.sqlite-wal", "shadow"]
        assert server.stop() == 0
    finally:
        server.close()


@pytest.mark.engine
def test_a_link_in_place_of_the_servers_folder_is_told(reachable: State, tmp_path: Path) -> None:
    (reachable.folder / "dav").symlink_to(tmp_path)
    server = Server(reachable, as_account=True)
    try:
        with pytest.raises(AssertionError, match="is no folder, or a link to one"):
            server.start()
    finally:
        server.close()


# litmus is one of the packages that only the full run installs.
@pytest.mark.engine
def test_litmus_passes_whole(server: Server, tmp_path: Path) -> None:
    done = subprocess.run(
        ["litmus", "-k", server.url, "alice", server.token],
        cwd=tmp_path, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    summaries = re.findall(
        r"summary for `(\w+)': of (\d+) tests run: (\d+) passed, (\d+) failed", done.stdout
    )
    assert [(name, int(passed)) for name, _, passed, _ in summaries] == [
        ("basic", 16), ("copymove", 13), ("props", 30), ("locks", 41), ("http", 4),
    ], done.stdout  # fmt: skip
    assert all(failed == "0" for *_, failed in summaries), done.stdout
    assert "SKIPPED" not in done.stdout
    assert done.returncode == 0
