"""Stopping a VRE: its processes in order, and people's servers only if that was asked for."""

from __future__ import annotations

import signal
import time
from contextlib import suppress
from typing import Any

import docker
import httpx
import psutil

from pelagos.backends.engine import connect
from pelagos.deployment import ROOT, STATE_VARIABLE, Deployment, Facts, State
from pelagos.errors import EngineError, NotRunningError, PelagosError
from pelagos.images import load_graph
from pelagos.node import firewall, mounts
from pelagos.node.dataspaces import Dataspaces
from pelagos.node.network import policy_of
from pelagos.node.workspaces import Workspaces
from pelagos.ops import engine, supervise
from pelagos.ops.hubapi import HubApi
from pelagos.ops.report import Reporter
from pelagos.settings import BackendKind, Settings
from pelagos.sockets import unix_client
from pelagos.units import format_bytes

DOWN_SECONDS = 60
CLOSE_SECONDS = 60  # for uploads to arrive
_LEFTOVER_SECONDS = 15  # for a process without supervisor to end what it has under way
_SCRIPTS = (
    "pelagos.node",
    "jupyterhub_config.py",
    "pelagos.services",
    "jupyterhub_idle_culler",  # what the culler becomes
)


def running(state: State) -> bool:
    """Whether this VRE's processes run."""
    return bool(supervise.processes(state))


def clear_leftovers(state: State, facts: Facts) -> int:
    """End processes of this VRE whose supervisor was killed, and count them.

    People's servers are not among them.
    """
    found = [one for one in psutil.process_iter(["cmdline"]) if _is_ours(one, state, facts)]
    for process in found:
        with suppress(psutil.Error):  # gone meanwhile
            process.send_signal(signal.SIGTERM)
    # all at once: each waits for what it has under way
    _, left = psutil.wait_procs(found, timeout=_LEFTOVER_SECONDS)
    for process in left:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(left, timeout=_LEFTOVER_SECONDS)
    return len(found)


def _is_ours(process: psutil.Process, state: State, facts: Facts) -> bool:
    """Whether a process is one of this VRE's own."""
    line = " ".join(process.info["cmdline"] or [])
    try:
        if any(script in line for script in _SCRIPTS):
            return bool(process.environ().get(STATE_VARIABLE) == str(state.folder))
    except psutil.Error:
        return False  # gone, or not ours
    return "configurable-http-proxy" in line and f"--api-port {facts.proxy_api_port}" in line


def down(state: State, *, servers: bool, reporter: Reporter) -> list[str]:
    """Stop the VRE; people's servers too if `servers`. Names of the servers that were stopped.

    Raises NotRunningError if nothing runs.
    """
    runs = running(state)
    facts = state.facts()
    # without the settings: a stop must work whatever another version left in the folder
    deployment = Deployment(state, facts, Settings(), load_graph(ROOT))
    stopped = stop_servers(deployment, runs, reporter) if servers else []
    if servers or not _any_server(deployment):
        _close_storage(deployment, reporter)
    if not runs:
        if stopped or clear_leftovers(state, facts):
            return stopped
        raise NotRunningError(
            f"No VRE runs on the state folder {state.folder}.",
            "Nothing to stop; name another folder with --state DIR if you meant that.",
        )
    # before the end: later nobody knows its number
    pid_file = state.run / "supervisor.pid"
    pid = int(pid_file.read_text()) if pid_file.exists() else 0
    reporter.step(f"Stopping the hub at {facts.url}")
    supervise.shut_down(state)
    deadline = time.monotonic() + DOWN_SECONDS
    while running(state) or (pid and psutil.pid_exists(pid) and _is_supervisor(pid)):
        if time.monotonic() > deadline:
            raise PelagosError(
                f"The supervisor (process {pid}) does not end.", "Look into its log, or kill it."
            )
        time.sleep(0.1)
    if servers and facts.backend is BackendKind.DOCKER:
        _remove_network(deployment, reporter)
    return stopped


def _any_server(deployment: Deployment) -> bool:
    """Whether a server may still use what is mounted."""
    if deployment.facts.backend is not BackendKind.DOCKER:
        return False
    try:
        with connect() as client:
            return bool(engine.containers(client, deployment))
    except EngineError:
        return True  # nobody knows


def _close_storage(deployment: Deployment, reporter: Reporter) -> None:
    """With the last server the mounts go, once everything that people wrote has arrived."""
    if deployment.facts.backend is not BackendKind.DOCKER or not mounts.below(
        deployment.state.folder
    ):
        return
    reporter.step("Waiting for uploads, then unmounting workspaces and dataspaces")
    try:
        with unix_client(deployment.agent_socket, CLOSE_SECONDS + 30) as client:
            answer = client.post("/close", params={"seconds": CLOSE_SECONDS})
            pending = answer.raise_for_status().json()["pending"]
    except (httpx.HTTPError, ValueError, KeyError):
        pending = _close_without_agent(deployment, reporter)
    for one in pending:
        reporter.notice(
            f"{one['pending']} files of {one['user']} ({format_bytes(one['pending_bytes'])}) have "
            "not arrived on the WebDAV server. They wait in a cache and go on after ./pelagos up."
        )


def _close_without_agent(deployment: Deployment, reporter: Reporter) -> list[dict[str, Any]]:
    """Unmount what an agent that is gone has left; what has not arrived waits in caches."""
    try:
        deployment = Deployment.load(deployment.state.folder)
        workspaces = Workspaces(deployment)
        workspaces.recover()
        Dataspaces(deployment.layout, deployment.settings).close_all()
        return [one.as_dict() for one in workspaces.close(0)]
    except PelagosError as error:
        reporter.notice(error.sentence)
        return []


def _remove_network(deployment: Deployment, reporter: Reporter) -> None:
    """With the last server its network and rules go too; the next `up` makes them again."""
    try:
        with connect() as client:
            engine.remove_network(client, deployment)
        firewall.remove(policy_of(deployment))
    except PelagosError as error:
        reporter.notice(error.sentence)


def _is_supervisor(pid: int) -> bool:
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and "supervisor" in " ".join(
            process.cmdline()
        )
    except psutil.Error:
        return False


def stop_servers(deployment: Deployment, runs: bool, reporter: Reporter) -> list[str]:
    """Stop every server: through the hub while it runs, then what is left on the engine."""
    stopped = []
    if runs:
        with HubApi(deployment, timeout=60) as hub:
            for user in hub.users():
                for name, server in user["servers"].items():
                    label = f"{user['name']}/{name}".rstrip("/")
                    reporter.detail(f"stopping {label}")
                    path = f"/users/{user['name']}/" + (f"servers/{name}" if name else "server")
                    hub.call("DELETE", path, missing_ok=True)
                    stopped.append(label)
                    del server
    if deployment.facts.backend is BackendKind.DOCKER:
        try:
            with connect() as client:
                stopped += _stop_containers(client, deployment, DOWN_SECONDS if runs else 0)
        except EngineError as error:
            reporter.notice(error.sentence)
    return stopped


def _stop_containers(
    client: docker.DockerClient, deployment: Deployment, seconds: float
) -> list[str]:
    """Remove those that are left after `seconds`: the hub answers before they have ended."""
    deadline = time.monotonic() + seconds
    while engine.containers(client, deployment) and time.monotonic() < deadline:
        time.sleep(0.2)
    left = engine.containers(client, deployment)
    for container in left:
        container.remove(force=True, v=True)
    return [container.name for container in left]
