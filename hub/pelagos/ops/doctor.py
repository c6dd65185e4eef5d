"""What is wrong with this machine or this VRE, and how to mend it."""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import docker.errors
import httpx
import psutil

from pelagos.backends.engine import connect
from pelagos.backends.process import environment_of
from pelagos.deployment import ROOT, Deployment, State
from pelagos.errors import EngineError, NotRunningError, PelagosError, SettingsError
from pelagos.images import ImageGraph, load_graph
from pelagos.ops import build, engine, packages, supervise
from pelagos.ops.findings import Finding, Level, Patient
from pelagos.ops.look_catalogue import LOOKS as CATALOGUE_LOOKS
from pelagos.ops.look_datapool import LOOKS as DATAPOOL_LOOKS
from pelagos.ops.look_storage import LOOKS as STORAGE_LOOKS
from pelagos.ops.ports import check_port
from pelagos.ops.up import DEFAULT_BIND, DEFAULT_PORT, last_facts
from pelagos.services.reconciler import read_reports
from pelagos.settings import BackendKind, Settings, load_settings
from pelagos.sockets import unix_client
from pelagos.units import format_bytes, format_cores

_MIN_FREE = 5 * 2**30
_MIN_ENGINE = (20, 10)
_MAX_CLOCK_SECONDS = 60.0


def patient(state: State, settings_file: Path | None) -> Patient:
    """Gather what there is, broken or not. Raises SettingsError if images.yaml is broken."""
    graph = load_graph(ROOT)
    facts = last_facts(state) if state.folder.exists() else None
    path = settings_file or (facts.settings_file if facts else None)
    settings, wrong = None, None
    try:
        settings = load_settings(path, graph.names)
    except SettingsError as error:
        wrong = error
    return Patient(
        state=state,
        settings_file=path,
        graph=graph,
        settings=settings,
        settings_error=wrong,
        bind=facts.bind if facts else DEFAULT_BIND,
        port=facts.port if facts else DEFAULT_PORT,
        runs=bool(supervise.processes(state)),
        backend=facts.backend if facts else BackendKind.AUTO,
    )


def look_at_settings(found: Patient) -> Iterator[Finding]:
    """The settings file."""
    where = str(found.settings_file or "built-in demo")
    if found.settings_error:
        yield Finding(
            "settings",
            Level.ERROR,
            str(found.settings_error),
            found.settings_error.mend
            or "Correct the lines named; docs/reference/settings.md lists every key.",
        )
    else:
        yield Finding("settings", Level.OK, where)


def look_at_state(found: Patient) -> Iterator[Finding]:
    """The state folder."""
    if not found.state.folder.exists():
        yield Finding("state", Level.OK, f"{found.state.folder}: ./pelagos up will make it")
        return
    try:
        found.state.check_owner()
    except PelagosError as error:
        yield Finding("state", Level.ERROR, str(error), error.mend)
    else:
        yield Finding("state", Level.OK, str(found.state.folder))


def look_at_engine(found: Patient) -> Iterator[Finding]:
    """The container engine and its version."""
    try:
        with connect(timeout=10) as client:
            yield from _version(client)
    except EngineError as error:
        if found.backend is BackendKind.PROCESS:
            detail = "none; the process backend is used"
            yield Finding("engine", Level.WARNING, detail, "As root, ./pelagos up installs one.")
        elif packages.can_install():
            detail = "none answers; ./pelagos up installs and starts one"
            yield Finding("engine", Level.WARNING, detail, "Run ./pelagos up.")
        else:
            yield Finding("engine", Level.ERROR, str(error), error.mend)


def _version(client: docker.DockerClient) -> Iterator[Finding]:
    version = engine.version(client)
    numbers = tuple(int(part) for part in version.split("+")[0].split(".")[:2] if part.isdigit())
    if numbers < _MIN_ENGINE:
        yield Finding(
            "engine",
            Level.ERROR,
            f"Docker Engine {version} is older than 20.10",
            "Upgrade Docker.",
        )
    else:
        yield Finding("engine", Level.OK, f"Docker Engine {version}")
    if not client.info().get("LiveRestoreEnabled"):
        yield Finding(
            "engine restart",
            Level.WARNING,
            "people's servers end when the engine restarts",
            'Set "live-restore": true in /etc/docker/daemon.json and reload Docker.',
        )


def look_at_disk(found: Patient) -> Iterator[Finding]:
    """Free space where state and images are kept."""
    folders = {"state": found.state.folder}
    with suppress(EngineError), connect(timeout=10) as client:  # said above
        folders["engine"] = Path(str(client.info()["DockerRootDir"]))
    for name, wanted in folders.items():
        folder = next(path for path in (wanted, *wanted.parents) if path.exists())
        free = shutil.disk_usage(folder).free
        level = Level.OK if free > _MIN_FREE else Level.ERROR
        mend = "" if level is Level.OK else "Free space: docker image prune, docker volume ls."
        yield Finding(f"disk ({name})", level, f"{format_bytes(free)} free at {folder}", mend)


def look_at_machine(found: Patient) -> Iterator[Finding]:
    """Cores and memory against what the sizes promise."""
    cores, memory = os.cpu_count() or 1, psutil.virtual_memory()
    detail = (
        f"{format_cores(cores)}, {format_bytes(memory.total)} of memory, "
        f"{format_bytes(memory.available)} available"
    )
    sizes = found.settings.sizes if found.settings else []
    large = [s.name for s in sizes if s.cores > cores or s.memory > memory.total]
    if memory.available < 2**30:
        yield Finding("memory", Level.ERROR, detail, "Stop something, or use a larger machine.")
    elif large:
        yield Finding(
            "sizes",
            Level.WARNING,
            f"{detail}; more is promised by size {', '.join(large)}",
            "Take them out of the settings, or use a larger machine.",
        )
    else:
        yield Finding("machine", Level.OK, detail)


def look_at_ports(found: Patient) -> Iterator[Finding]:
    """The public port."""
    if found.runs:
        yield Finding("port", Level.OK, f"{found.port}: the VRE listens")
        return
    try:
        check_port(found.bind, found.port)
    except PelagosError as error:
        yield Finding("port", Level.ERROR, str(error), error.mend)
    else:
        yield Finding("port", Level.OK, f"{found.port} is free")


def look_at_images(found: Patient) -> Iterator[Finding]:
    """Whether each image is there and as its recipe says."""
    if found.settings is None:
        return
    if found.backend is BackendKind.PROCESS:
        for name in found.settings.images:
            if isinstance(name, str) and name in found.graph:
                stamp = environment_of(name) / "fingerprint"
                fresh = stamp.exists() and stamp.read_text() == found.graph[name].fingerprint
                detail = "environment is fresh" if fresh else "environment is missing or outdated"
                level = Level.OK if fresh else Level.WARNING
                yield Finding(f"image {name}", level, detail, "" if fresh else "./pelagos up")
        return
    try:
        with connect(timeout=10) as client:
            yield from _images(client, found.settings, found.graph)
    except (EngineError, docker.errors.DockerException):
        return  # said above


def _images(
    client: docker.DockerClient, settings: Settings, graph: ImageGraph
) -> Iterator[Finding]:
    gone = build.missing(client, settings, graph)
    for image in settings.images:
        name = image if isinstance(image, str) else image.name
        if name not in gone:
            yield Finding(f"image {name}", Level.OK, "built from the present recipe")
            continue
        old = client.images.list(f"pelagos/{name}") if name in graph else []
        detail = "older than its recipe" if old else "not built"
        yield Finding(f"image {name}", Level.WARNING, detail, f"./pelagos build {name}")
    outdated = _outdated(client, graph)
    if outdated:
        yield Finding(
            "old images",
            Level.WARNING,
            f"{len(outdated)} of earlier recipes take space",
            f"docker image rm {' '.join(outdated)}",
        )


def _outdated(client: Any, graph: ImageGraph) -> list[str]:
    present = {image.reference for image in graph}
    used = {c.image.id for c in client.containers.list(ignore_removed=True)}
    return sorted(
        tag
        for image in client.images.list(filters={"label": build.FINGERPRINT_LABEL})
        if image.id not in used and not present & set(image.tags)
        for tag in image.tags
        if not tag.endswith(":latest")
    )


def look_at_names(found: Patient) -> Iterator[Finding]:
    """Whether host names resolve, for the mirror that builds need."""
    mirror = packages.apt_mirror()
    host = httpx.URL(mirror.archive).host if mirror else socket.gethostname()
    try:
        socket.getaddrinfo(host, None)
    except OSError as error:
        yield Finding(
            "names",
            Level.WARNING,
            f"{host} does not resolve: {error}",
            "Check /etc/resolv.conf; without names images can't be built.",
        )
    else:
        yield Finding("names", Level.OK, f"{host} resolves")


def look_at_clock(found: Patient) -> Iterator[Finding]:
    """The clock against a server's `Date` header: tokens and certificates depend on it."""
    mirror = packages.apt_mirror()
    if mirror is None:
        return
    try:
        response = httpx.head(mirror.archive, timeout=10)
        theirs = parsedate_to_datetime(response.headers["date"]).timestamp()
    except (httpx.HTTPError, KeyError, ValueError):
        yield Finding("clock", Level.OK, "nothing to compare it with")
        return
    off = time.time() - theirs
    if abs(off) > _MAX_CLOCK_SECONDS:
        yield Finding(
            "clock",
            Level.WARNING,
            f"{off:+.0f} s away from the Debian mirror's",
            "Synchronise it: apt-get install systemd-timesyncd.",
        )
    else:
        yield Finding("clock", Level.OK, f"within {_MAX_CLOCK_SECONDS:.0f} s of the mirror's")


def look_at_processes(found: Patient) -> Iterator[Finding]:
    """What should run, if anything does."""
    if not found.runs:
        yield Finding("processes", Level.OK, "the VRE does not run")
        return
    for process in supervise.processes(found.state):
        good = process.state == "running"
        yield Finding(
            f"process {process.name}",
            Level.OK if good else Level.ERROR,
            f"{process.state} for {process.seconds} s",
            "" if good else f"Its log says why: {found.state.logs / process.name}.log",
        )


def look_at_isolation(found: Patient) -> Iterator[Finding]:
    """The packet-filter rules, and servers that the hub did not know."""
    if not found.runs or found.backend is not BackendKind.DOCKER:
        return
    try:
        deployment = Deployment.load(found.state.folder)
    except (NotRunningError, PelagosError):
        return  # said above
    try:
        with unix_client(deployment.agent_socket, 30) as client:
            missing = client.get("/network").json()["missing"]
    except (httpx.HTTPError, ValueError) as error:
        missing = [f"the node agent does not answer ({error!r})"]
    if missing:
        yield Finding(
            "isolation",
            Level.ERROR,
            "; ".join(missing),
            f"Look into {deployment.state.logs}/agent.log: it sets the rules every 10 s.",
        )
    else:
        yield Finding("isolation", Level.OK, f"packet-filter rules on {deployment.bridge} stand")
    reports = read_reports(deployment)
    if reports:
        last = reports[-1]
        yield Finding(
            "orphans",
            Level.WARNING,
            f"{len(reports)} servers unknown to the hub were stopped, last {last.container}",
            f"If that is expected, forget them: rm {deployment.state.hub}/orphans.json",
        )


LOOKS: list[Callable[[Patient], Iterator[Finding]]] = [
    look_at_settings,
    look_at_state,
    look_at_engine,
    look_at_disk,
    look_at_machine,
    look_at_ports,
    look_at_images,
    look_at_names,
    look_at_clock,
    look_at_processes,
    look_at_isolation,
    *STORAGE_LOOKS,
    *CATALOGUE_LOOKS,
    *DATAPOOL_LOOKS,
]


def examine(found: Patient) -> Iterator[Finding]:
    """Every finding, in order."""
    for look in LOOKS:
        yield from look(found)


def as_dict(findings: list[Finding]) -> dict[str, Any]:
    """What `--json` prints."""
    return {
        "ok": all(finding.level is not Level.ERROR for finding in findings),
        "findings": [asdict(finding) for finding in findings],
    }
