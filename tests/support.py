"""A real VRE for tests: `./pelagos up` on a state folder of its own, driven as a user would."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import os
import random
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import docker
import httpx
from pelagos.deployment import ROOT, WORKSPACE_PATH, Deployment, Facts, State
from pelagos.hubconfig.roles import OPERATOR
from pelagos.node import mounts
from pelagos.ops import engine
from pelagos.ops.hubapi import HubApi
from pelagos.ops.kernel import Kernel
from pelagos.settings import BackendKind


def facts_of(state: State, backend: BackendKind = BackendKind.DOCKER) -> Facts:
    """Plausible decisions of `up`."""
    return Facts(
        instance=state.instance(),
        settings_file=None,
        backend=backend,
        bind="127.0.0.1",
        port=8000,
        hub_address="127.0.0.1",
        hub_port=8081,
        proxy_api_port=8001,
        dav_port=8002,
        workspace_port=8003,
        catalogue_port=8004,
        datapool_port=8005,
    )


def free_port() -> int:
    """A port of the loopback that nobody uses now.

    Below those that the kernel gives to connections: it is used later, and tests run side by side,
    each process with ports of its own.
    """
    side = 1 if os.environ.get("PYTEST_XDIST_WORKER", "gw0") != "gw0" else 0
    first = 20_000 + 5_000 * side
    for port in random.SystemRandom().sample(range(first, first + 5_000), 200):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port")


@functools.cache
def docker_engine() -> docker.DockerClient:
    """One client for all tests of a process."""
    return docker.from_env(timeout=120)


def until(condition: Callable[[], Any], seconds: float = 60, what: str = "") -> Any:
    """The first true value of `condition`; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {seconds} s: {what or condition}"
        time.sleep(0.1)


def leeway(seconds: float) -> float:
    """`seconds`, and more where others use the cores too: as much as a bit of work takes longer."""
    spin = 0.2  # several turns of a busy core
    began, busy = time.monotonic(), time.thread_time()
    while time.thread_time() - busy < spin:
        pass
    return seconds * max(1.0, (time.monotonic() - began) / spin)


def until_quiet(pending: Callable[[], Any], seconds: float = 120, what: str = "") -> None:
    """Wait until `pending` was 0 on ten looks in a row.

    One look says little: rclone queues a file a moment after it was closed. Whoever needs to know
    that something arrived looks for it where it should arrive.
    """
    looks = 0

    def quiet() -> bool:
        nonlocal looks
        looks = looks + 1 if pending() == 0 else 0
        return looks >= 10

    until(quiet, seconds, what)


def pelagos(
    *arguments: str | Path, seconds: float = 600, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the launcher, as a person at a terminal would."""
    return subprocess.run(
        [str(ROOT / "pelagos"), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=seconds,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        cwd="/",
    )


class Vre:
    """A VRE of its own: state folder, port, network."""

    def __init__(
        self, folder: Path, settings: str | None = None, env: dict[str, str] | None = None
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.env = env or {}
        self.settings: Path | None = None
        if settings is not None:
            self.settings = folder.with_suffix(".yaml")
            self.settings.write_text(settings)

    def run(self, *arguments: str, seconds: float = 600) -> subprocess.CompletedProcess[str]:
        """One command on this state folder."""
        command, *rest = arguments
        return pelagos(command, "--state", self.folder, *rest, seconds=seconds, env=self.env)

    def up(self, *arguments: str) -> Self:
        """Start it in the background; fails with what it printed."""
        options = ["--detach", "--port", str(self.port), "--bind", "127.0.0.1", *arguments]
        if self.settings:
            options += ["--settings", str(self.settings)]
        done = self.run("up", *options)
        assert done.returncode == 0, done.stdout + done.stderr + self.logs()
        return self

    def wait_for_workspace_service(self) -> Self:
        """Wait until its pages are reached through the proxy."""

        def healthy() -> bool:
            try:
                address = f"{self.url}{WORKSPACE_PATH}/health"
                return httpx.get(address, timeout=10, trust_env=False).is_success
            except httpx.HTTPError:
                return False

        until(healthy, 60, "the workspace service")
        return self

    def down(self) -> None:
        """Stop everything and leave nothing behind."""
        self.run("down", "--servers")
        deployment = self.deployment
        if deployment.facts.backend == "docker":
            client = docker_engine()
            for container in engine.containers(client, deployment):
                container.remove(force=True, v=True)
            engine.remove_network(client, deployment)
            prefix = f"pelagos-{deployment.facts.instance}-home"
            for volume in client.volumes.list(filters={"name": prefix}):
                volume.remove(force=True)
            assert mounts.below(self.folder) == [], "every mount went with the servers"

    def logs(self) -> str:
        """Ends of all logs, for a failure's message."""
        found = sorted((self.folder / "logs").glob("*.log"))
        return "\n".join(
            f"== {path.name}\n{path.read_text(errors='replace')[-3000:]}" for path in found
        )

    @property
    def deployment(self) -> Deployment:
        """Its facts and settings, as they are now."""
        return Deployment.load(self.folder)

    @property
    def state(self) -> State:
        """Its state folder."""
        return State(self.folder)

    @property
    def url(self) -> str:
        """Where people go."""
        return f"http://127.0.0.1:{self.port}"

    def api(self) -> HubApi:
        """The operator's client."""
        return HubApi(self.deployment, timeout=120)

    def password(self) -> str:
        """The demo password."""
        return self.state.password("user-password", 3)

    def status(self) -> dict[str, Any]:
        """What `status --json` says."""
        answer: dict[str, Any] = json.loads(self.run("status", "--json").stdout)
        return answer

    def containers(self) -> list[Any]:
        """Containers of its servers."""
        return engine.containers(docker_engine(), self.deployment)

    def pid(self, name: str) -> int:
        """Number of one of its processes; 0 while it does not run."""
        found = [p for p in self.status()["processes"] if p["name"] == name]
        return int(found[0]["pid"]) if found else 0


class Person:
    """Somebody with a browser: signs in through the login form, keeps cookies."""

    def __init__(self, vre: Vre, name: str, password: str | None = None) -> None:
        self.name = name
        self.vre = vre
        self.client = httpx.Client(
            base_url=vre.url, follow_redirects=True, timeout=120, trust_env=False
        )
        self.client.get("/hub/login")
        answer = self.client.post(
            "/hub/login",
            data={
                "username": name,
                "password": password or vre.password(),
                "_xsrf": self.client.cookies.get("_xsrf", path="/hub/") or "",
            },
        )
        assert answer.status_code == 200, answer.text
        assert "Sign in" not in (re.search(r"<h1[^>]*>(.*?)</h1>", answer.text) or [""])[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def post(self, path: str, **arguments: Any) -> httpx.Response:
        """A POST to the hub with its XSRF token."""
        xsrf = self.client.cookies.get("_xsrf", path="/hub/") or ""
        return self.client.post(
            path, headers={"X-XSRFToken": xsrf, "Referer": f"{self.vre.url}/hub/home"}, **arguments
        )


def start(vre: Vre, user: str, image: str = "base", **options: str) -> None:
    """A person, made if need be, with a running server."""
    with vre.api() as hub:
        if hub.call("GET", f"/users/{user}", missing_ok=True) is None:
            hub.call("POST", f"/users/{user}")
        hub.call("POST", f"/users/{user}/server", {"image": image, **options})
        until(lambda: hub.call("GET", f"/users/{user}")["servers"][""]["ready"], 90)


def stop(vre: Vre, user: str) -> None:
    """The server is gone; the person stays."""
    with vre.api() as hub:
        hub.call("DELETE", f"/users/{user}/server", missing_ok=True)
        until(lambda: not hub.call("GET", f"/users/{user}")["servers"], 60)


def cell(vre: Vre, user: str, source: str, seconds: float = 240) -> str:
    """What a cell on a person's server prints. Raises PelagosError with the cell's own error."""

    async def run() -> str:
        async with Kernel(f"{vre.url}/user/{user}/", vre.state.secret(OPERATOR)) as kernel:
            return (await kernel.run(source, seconds)).text.strip()

    return asyncio.run(run())


class Gate:
    """A Unix socket in front of the real engine's that can be shut: an engine that goes away."""

    def __init__(self, path: Path, target: str = "/var/run/docker.sock") -> None:
        self.path, self._target = path, target
        self._open = threading.Event()
        self._connections: set[socket.socket] = set()
        self._half: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None

    @property
    def env(self) -> dict[str, str]:
        """What makes Docker clients use it."""
        return {"DOCKER_HOST": f"unix://{self.path}"}

    def open(self) -> None:
        """Let everybody through."""
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen(64)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def shut(self) -> None:
        """Nobody listens any more, and open connections break."""
        assert self._listener is not None
        # wakes the thread that accepts, which a mere close would not
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.path.unlink()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):  # ended by itself
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(self._target)
            self._connections |= {near, far}
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=(one, other), daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass  # shut
        with contextlib.suppress(OSError):  # the other direction ended first
            sink.shutdown(socket.SHUT_WR)
        with self._lock:
            # each direction ends once; the second one closes both ends
            if {source, sink} <= self._half:
                self._half -= {source, sink}
                self._connections -= {source, sink}
                source.close()
                sink.close()
            else:
                self._half |= {source, sink}
