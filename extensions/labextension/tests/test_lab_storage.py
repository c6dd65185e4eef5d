"""Storage and server at a glance: the real workspace service over a stand-in of the node agent."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from catalogue_service import HubStandIn
from jupyterlab_pelagos import server_status, watching
from jupyterlab_pelagos.keeping import Keeper
from jupyterlab_pelagos.models.server import WantedPath
from jupyterlab_pelagos.server_status import ServerWatch
from jupyterlab_pelagos.shared import Shared
from lab_server import Ask
from loopback import Asked, Reply, serve
from pelagos.deployment import WORKSPACE_PATH, Deployment, State
from pelagos.images import load_graph
from pelagos.services.workspace.service import make_app
from pelagos.settings import Settings
from stand_ins import PeopleAgent, storage_of_nobody
from support import ROOT, facts_of, until

AREA = {
    "name": "me", "used": 1024, "quota": 2**30, "enforced": True, "state": "ready", "reason": "",
    "expires_after": 604800, "next": [{"path": "run1/a.nc", "expires": 1790000000}], "pins": [],
}  # fmt: skip
STATUS: dict[str, Any] = {**storage_of_nobody(), "dataspace": {"areas": [AREA]}}


@dataclass
class Vre:
    agent: PeopleAgent
    token: str
    workspace: Path
    dataspace: Path


@pytest.fixture
def vre(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vre]:
    folder = tmp_path_factory.mktemp("vre")
    state = State(folder / "state")
    state.prepare()
    deployment = Deployment(state, facts_of(state), Settings(), load_graph(ROOT))
    with contextlib.ExitStack() as stack:
        hub = stack.enter_context(HubStandIn())
        monkeypatch.setattr(Deployment, "hub_api", property(lambda _: hub.url))
        agent = stack.enter_context(PeopleAgent(deployment.people_socket))
        agent.people["ada"] = STATUS
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = listening.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(make_app(deployment), log_level="error"))
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        until(lambda: server.started, 30, "the service")
        token = hub.person("ada", scope="access:services!service=workspace")
        found = Vre(agent, token, folder / "workspace", folder / "dataspace")
        found.workspace.mkdir()
        (found.dataspace / "me" / "run1").mkdir(parents=True)
        api = f"http://127.0.0.1:{port}{WORKSPACE_PATH}/api"
        monkeypatch.setenv("PELAGOS_WORKSPACE_API", api)
        monkeypatch.setenv("JUPYTERHUB_API_TOKEN", token)
        monkeypatch.setenv("PELAGOS_WORKSPACE", str(found.workspace))
        monkeypatch.setenv("PELAGOS_DATASPACE", str(found.dataspace))
        yield found
        server.should_exit = True
        thread.join(30)


def test_what_the_service_says_is_shown(ask: Ask, vre: Vre) -> None:
    found = ask("GET", "storage").json
    assert found["workspace"]["state"] == "absent"
    assert found["dataspace"]["areas"] == [AREA]
    assert found["reason"] == ""
    assert vre.token not in json.dumps(found)


def test_pins_and_retries_reach_the_agent(ask: Ask, vre: Vre) -> None:
    before = int(time.time())
    assert ask("PUT", "storage/pins", {"area": "me", "path": "run1", "days": 3}).status == 200
    assert ask("DELETE", "storage/pins", {"area": "me", "path": "run1"}).status == 200
    assert ask("POST", "storage/retry", {}).json["dataspace"]["areas"] == [AREA]
    asked = [one for one in vre.agent.asked if one[0] != "status"]
    assert [(one[0], one[1]) for one in asked] == [
        ("PUT pin", "ada"), ("DELETE pin", "ada"), ("retry", "ada"),
    ]  # fmt: skip
    pin = asked[0][2]
    assert (pin["area"], pin["path"]) == ("me", "run1")
    assert 3 * 86400 <= pin["until"] - before <= 3 * 86400 + 60
    gone = ask("PUT", "storage/pins", {"area": "me", "path": "gone.nc"})
    assert gone.status == 404
    assert gone.json["reason"] == "There is no gone.nc in your area."


@pytest.mark.parametrize("path", ["/etc/passwd", "../me", "run1/../../x", "a\0b"])
def test_paths_stay_below_their_area(ask: Ask, vre: Vre, path: str) -> None:
    for method, route in (("PUT", "pins"), ("DELETE", "pins"), ("POST", "keep")):
        answer = ask(method, f"storage/{route}", {"area": "me", "path": path})
        assert answer.status == 400, (method, route)
        assert answer.json["reason"]
    assert ask("POST", "storage/keep", {"area": "..", "path": "x"}).status == 400
    assert vre.agent.asked == []


def test_what_is_kept_comes_into_the_workspace(ask: Ask, vre: Vre) -> None:
    (vre.dataspace / "me" / "run1" / "a.nc").write_bytes(b"x" * 5000)
    begun = ask("POST", "storage/keep", {"area": "me", "path": "run1"}).json["keeping"]
    assert [(one["area"], one["path"]) for one in begun] == [("me", "run1")]

    def over() -> Any:
        jobs = ask("GET", "storage").json["keeping"]
        return jobs if jobs[0]["state"] != "running" else None

    (job,) = until(over, 60, "the copy")
    assert job["state"] == "done", job
    assert "1 file (4.88 KiB)" in job["message"]
    assert (vre.workspace / "kept" / "me" / "run1" / "a.nc").stat().st_size == 5000
    missing = ask("POST", "storage/keep", {"area": "me", "path": "nothing"})
    assert missing.status == 200
    jobs = until(over, 60, "the copy")
    assert jobs[0]["state"] == "failed"
    assert "nothing" in jobs[0]["message"]


def test_a_path_is_not_copied_twice_at_once(
    vre: Vre, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pelagos_client import dataspace

    gate, calls, events, active = threading.Event(), [], [], []
    monkeypatch.setattr(
        dataspace, "keep", lambda path, **_: (calls.append(path), gate.wait(30), "kept")[-1]
    )
    shared = Shared(tmp_path, "", "x", events.append, lambda: active.append(1))
    keeper = shared.one(Keeper)
    keeper.keep(WantedPath(area="me", path="run1"))
    keeper.keep(WantedPath(area="me", path="run1/"))
    until(lambda: calls, 10, "a copy")
    assert [one.state for one in keeper.jobs()] == ["running"]
    assert active
    gate.set()
    until(lambda: keeper.jobs()[0].state == "done", 10, "the end")
    keeper.keep(WantedPath(area="me", path="run1"))
    until(lambda: [one.state for one in keeper.jobs()] == ["done", "done"], 10, "the end")
    assert len(calls) == 2
    assert {one["kind"] for one in events} == {"storage"}
    # threads that keep the server awake end with the copies
    until(lambda: not any("keep" in one.name for one in threading.enumerate()), 10, "threads")


def test_a_service_that_hangs_holds_up_nothing(
    ask: Ask, jp_fetch: Any, jp_asyncio_loop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()

    def slow(asked: Asked) -> Reply:
        gate.wait(30)
        return Reply(json.dumps(STATUS))

    with serve({"/api/status": slow}) as server:
        monkeypatch.setenv("PELAGOS_WORKSPACE_API", f"{server.url}/api")
        monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "secret")

        async def both() -> tuple[Any, float, float]:
            began = time.monotonic()
            storage = asyncio.ensure_future(jp_fetch("pelagos", "storage"))
            await jp_fetch("pelagos", "about")
            other = time.monotonic() - began
            found = await storage
            return json.loads(found.body), other, time.monotonic() - began

        found, other, all_of_it = jp_asyncio_loop.run_until_complete(both())
        assert other < 1
        assert 2 < all_of_it < 3
        assert found["workspace"] is None
        assert "takes long" in found["reason"]
        assert found["server"]["cores"] > 0
        gate.set()
        until(lambda: ask("GET", "storage").json["workspace"], 30, "an answer")
        # it was asked once, however many asked us
        assert len(server.requests) <= 2
        server.routes["/api/status"] = Reply(b'{"reason": "The agent is away."}', status=503)
        away = ask("GET", "storage")
        assert (away.status, away.json["reason"]) == (200, "The agent is away.")
        server.routes["/api/status"] = Reply(b"<html>", "text/html")
        assert "does not answer" in ask("GET", "storage").json["reason"]


def test_without_a_hub_there_are_sensible_numbers(ask: Ask) -> None:
    found = ask("GET", "storage").json
    assert (found["workspace"], found["dataspace"], found["reason"]) == (None, None, "")
    server = found["server"]
    assert 0 < server["cores"] <= (os.cpu_count() or 1)
    assert 0 < server["memory_used"] <= server["memory_limit"]
    assert 0 < server["home_free"] <= server["home_total"]
    assert (server["killed"], server["killed_at"]) == (0, None)
    refused = ask("POST", "storage/retry", {})
    assert refused.status == 409
    assert "no server of a VRE" in refused.json["reason"]


class Group:
    """A control group whose counter a test moves."""

    count = 3

    def kills(self) -> int | None:
        return self.count

    def limit(self) -> int | None:
        return 2**20


def test_kernels_that_were_killed_are_counted_from_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "memory.current").write_text("500000\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 100000\n")
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    monkeypatch.setattr(server_status, "CGROUP", tmp_path)
    events: list[Any] = []
    shared = Shared(tmp_path, "", "x", events.append, lambda: None)
    group = Group()
    watch = ServerWatch(shared, lambda: group)
    first = watch.status()
    assert (first.killed, first.killed_at) == (0, None)
    assert (first.memory_limit, first.memory_used) == (2**20, 400000)
    assert server_status.cores(tmp_path) <= 1.5
    assert events == []
    group.count = 5
    now = watch.status()
    assert now.killed == 2
    assert now.killed_at
    assert [one["kind"] for one in events] == ["memory"]
    assert watch.status() == now
    assert len(events) == 1


def test_a_kernel_that_is_killed_is_told_while_kernels_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "_SLOW_LOOK", 0.05)
    monkeypatch.setenv("HOME", str(tmp_path))
    events: list[Any] = []
    kernels = [0]
    shared = Shared(tmp_path, "", "x", events.append, lambda: None, kernels=lambda: kernels[0])
    group = Group()
    shared._parts[ServerWatch] = ServerWatch(shared, lambda: group)
    watcher = shared.one(watching.Watcher)
    watcher.watch_memory()
    kernels[0], group.count = 1, 4
    until(lambda: events, 10, "an event")
    assert [one["kind"] for one in events] == ["memory"]
    shared.stop()
    assert not any(one.is_alive() for one in watcher._threads)
    # where nobody counts there is nothing to look at
    without = Shared(tmp_path, "", "x", events.append, lambda: None)
    without._parts[ServerWatch] = ServerWatch(without, lambda: None)
    without.one(watching.Watcher).watch_memory()
    assert without.one(watching.Watcher)._threads == []
