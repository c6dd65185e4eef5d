"""A node with storage for tests: the real agent and the real WebDAV server, without a hub."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
from pelagos.deployment import OWN_PORTS, STATE_VARIABLE, Deployment, State
from pelagos.images import load_graph
from pelagos.node import firewall, mounts
from pelagos.node.network import policy_of
from pelagos.ops.supervise import environment
from pelagos.settings import BackendKind, Settings
from pelagos.sockets import segment, unix_client
from support import ROOT, facts_of, free_port, until, until_quiet


def sha256(path: Path) -> str:
    """Hash of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hashes(folder: Path) -> dict[str, str]:
    """Hash of every file below a folder, by relative path."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): sha256(path) for path in files}


def wait_for_files(folder: Path, expected: dict[str, str], seconds: float = 120) -> None:
    """Wait until `folder` holds these files; `expected`: hashes by relative path."""

    def there() -> bool:
        try:
            return all(sha256(folder / name) == digest for name, digest in expected.items())
        except FileNotFoundError:
            return False

    until(there, seconds, f"{sorted(expected)[:5]} in {folder}")


def _mount_processes() -> Iterator[tuple[psutil.Process, Path]]:
    """Every `rclone mount REMOTE: TARGET` of this machine, with its target."""
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if line[1:2] == ["mount"] and len(line) > 3 and Path(line[0]).name == "rclone":
            yield process, Path(line[3])


def rclone_pid(mount: Path) -> int:
    """Number of the process behind a mount; 0 if there is none."""
    return next((int(one.pid) for one, target in _mount_processes() if target == mount), 0)


def kill_mounts(folder: Path) -> None:
    """Kill the processes behind all mounts below a folder, and wait for their end."""
    found = [process for process, target in _mount_processes() if target.is_relative_to(folder)]
    for process in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(found, timeout=30)


class Node:
    """Agent and WebDAV server on a state folder of their own."""

    def __init__(self, folder: Path, settings: Settings | None = None) -> None:
        self.state = State(folder)
        self.state.prepare()
        facts = facts_of(self.state, BackendKind.DOCKER).model_copy(
            update={name: free_port() for name in OWN_PORTS}
        )
        self.state.write(facts, settings or Settings())
        self.deployment = Deployment(self.state, facts, settings or Settings(), load_graph(ROOT))
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    # processes

    def start(self, name: str) -> None:
        """Start `agent`, `dav` or `sweeper`, as the supervisor would."""
        module = f"pelagos.{'services' if name == 'dav' else 'node'}.{name}"
        with (self.state.logs / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", module],
                env={**environment(), STATE_VARIABLE: str(self.state.folder)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        answers = {"agent": self.agent_answers, "dav": self.dav_answers}.get(name)
        if answers is None:
            return
        deadline = time.monotonic() + 30
        while not answers():
            assert time.monotonic() < deadline, f"{name} does not answer: {self.log(name)}"
            time.sleep(0.1)

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """End one of them and wait for its end."""
        process = self.processes.pop(name)
        process.send_signal(number)
        process.wait(30)

    def log(self, name: str) -> str:
        """The end of a log, for a failure's message."""
        path = self.state.logs / f"{name}.log"
        return path.read_text(errors="replace")[-3000:] if path.exists() else ""

    def agent_answers(self) -> bool:
        """Whether the agent answers."""
        try:
            return self.call("GET", "/workspaces") is not None
        except httpx.HTTPError:
            return False

    def dav_answers(self) -> bool:
        """Whether the WebDAV server answers, if only with a refusal."""
        try:
            return httpx.get(self.deployment.dav_url, timeout=5, trust_env=False).status_code < 500
        except httpx.HTTPError:
            return False

    def close(self) -> None:
        """End everything and leave no mount behind."""
        if "agent" in self.processes:
            with contextlib.suppress(httpx.HTTPError):
                self.call("POST", "/close?seconds=0")
        for name in list(self.processes):
            self.kill(name)
        for path in mounts.below(self.state.folder):
            mounts.unmount(path, lazy=True)
        firewall.remove(policy_of(self.deployment))
        kill_mounts(self.state.folder)

    # the agent's API

    def call(self, method: str, path: str, **arguments: Any) -> Any:
        """One verb of the agent."""
        with unix_client(self.deployment.agent_socket, 30) as client:
            return client.request(method, path, **arguments).json()

    def status(self, user: str) -> dict[str, Any]:
        """How a person's workspace is."""
        answer: dict[str, Any] = self.call("GET", f"/workspaces/{segment(user)}")
        return answer

    def mount(self, user: str) -> Path:
        """A person's workspace, mounted; its folder."""
        self.call("PUT", f"/workspaces/{segment(user)}")
        until(lambda: self.status(user)["state"] == "mounted", 30, self.log("agent"))
        return self.data(user)

    def release(self, user: str) -> None:
        """The person's last server stopped."""
        self.call("DELETE", f"/workspaces/{segment(user)}")

    def data(self, user: str) -> Path:
        """Where the workspace is mounted."""
        return self.deployment.layout.mount_parent(user) / "data"

    def on_server(self, user: str) -> Path:
        """The folder behind the WebDAV server."""
        return self.deployment.layout.user_workspace(user)

    def rclone_pid(self, user: str) -> int:
        """Process number of the person's mount."""
        return rclone_pid(self.data(user))

    def arrived(
        self,
        user: str,
        expected: dict[str, str],
        seconds: float = 120,
        folder: Path | None = None,
    ) -> None:
        """Wait until these files are on the server (in `folder`), and nothing waits any more.

        `expected`: hashes by relative path, as of `hashes`.
        """
        until_quiet(lambda: self.status(user)["pending"], seconds, f"uploads of {user} end")
        wait_for_files(folder or self.on_server(user), expected, seconds)


def random_file(path: Path, size: int) -> str:
    """Write `size` random bytes; their hash."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for _ in range(0, size, 1 << 20):
            block = os.urandom(min(1 << 20, size))
            digest.update(block)
            file.write(block)
    return digest.hexdigest()
