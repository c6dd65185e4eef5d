"""Starting a VRE: what must be there first, the processes, and waiting until people can come."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from pelagos import accounts
from pelagos.accounts import ACCOUNT
from pelagos.backends.engine import connect
from pelagos.backends.process import environment_of
from pelagos.deployment import ROOT, Deployment, Facts, State
from pelagos.errors import EngineError, NetworkError, NotRunningError, PelagosError, StateError
from pelagos.images import ImageGraph, load_graph
from pelagos.ops import build, engine, environments, packages, supervise
from pelagos.ops.down import clear_leftovers, running
from pelagos.ops.ports import check_port, free_port
from pelagos.ops.report import Reporter
from pelagos.settings import BackendKind, Settings, load_settings
from pelagos.sockets import unix_client

DEFAULT_PORT = 8000
DEFAULT_BIND = "0.0.0.0"  # noqa: S104 - people come from outside
READY_SECONDS = 120
# what the node agent calls, and the Debian package that brings it
STORAGE = {"fusermount3": "fuse3", "losetup": "mount", "mkfs.ext4": "e2fsprogs"}
ISOLATED_SECONDS = 30
PROCESS_NOTICE = (
    "Servers run as local processes: nothing keeps people apart from each other or from this "
    "machine, and no limit on cores or memory is enforced. For containers, install Docker (as "
    "root: ./pelagos up does it)."
)

_LET_GO_SECONDS = 15.0


@dataclass(frozen=True)
class Request:
    """What the operator asked of `up`. None: as last time, or the default."""

    state: Path
    settings: Path | None
    port: int | None
    bind: str | None
    backend: BackendKind | None


def settings_file(request: Request, state: State) -> Path | None:
    """The settings file to use: the named one, else the one of the last `up`, else the demo."""
    if request.settings is not None:
        return request.settings.absolute()
    last = last_facts(state)
    return last.settings_file if last else None


def last_facts(state: State) -> Facts | None:
    """What the last `up` decided; None before the first, or if another version wrote it."""
    try:
        return state.facts()
    except (NotRunningError, StateError):
        return None


@contextmanager
def locked(state: State) -> Iterator[None]:
    """Only one command at a time changes a VRE. Raises StateError if another one does."""
    with (state.run / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StateError(
                f"Another ./pelagos command is starting or stopping the VRE in {state.folder}.",
                "Wait for it, then look with ./pelagos status.",
            ) from error
        yield


def already_runs(request: Request, state: State, *, detach: bool) -> Facts | None:
    """The facts if this VRE runs just as asked; None if it does not run.

    Raises StateError if it runs otherwise, or if it should run in the foreground.
    """
    if not running(state):
        return None
    facts = state.facts()
    asked = {
        "port": request.port,
        "bind": request.bind,
        "backend": None if request.backend is BackendKind.AUTO else request.backend,
        "settings_file": request.settings and request.settings.absolute(),
    }
    differs = [k for k, value in asked.items() if value not in (None, getattr(facts, k))]
    if differs or not detach:
        what = f"with another {' and '.join(differs)}" if differs else "already"
        raise StateError(
            f"A VRE runs {what} on the state folder {state.folder}, at {facts.url}.",
            "It goes on running. Stop it first (./pelagos down), or give another --state DIR.",
        )
    return facts


def prepare(request: Request, state: State, reporter: Reporter) -> Deployment:
    """Everything that must be there before the hub starts; safe to repeat.

    Raises PelagosError of some kind with what is wrong and how to mend it.
    """
    graph = load_graph(ROOT)
    path = settings_file(request, state)
    settings = load_settings(path, graph.names)
    backend = choose_backend(request, settings, state, reporter)
    last = last_facts(state)
    ended = clear_leftovers(state, last) if last else 0
    port = request.port or (last.port if last else DEFAULT_PORT)
    bind = request.bind or (last.bind if last else DEFAULT_BIND)
    # what was just ended may take a moment to let go of it
    check_port(bind, port, _LET_GO_SECONDS if ended else 0)
    if supervise.ensure_proxy():
        reporter.step("Installed the proxy (configurable-http-proxy)")
    own = last.model_dump() if last else {"hub_port": 0, "proxy_api_port": 0}
    facts = Facts.model_validate(
        {
            **own,
            "instance": state.instance(),
            "settings_file": path,
            "backend": backend,
            "bind": bind,
            "port": port,
            "hub_address": "127.0.0.1",
        }
    )
    deployment = Deployment(state, facts, settings, graph)
    as_account = _prepare_account(state, reporter)
    if backend is BackendKind.DOCKER:
        facts = facts.model_copy(update={"hub_address": _prepare_docker(deployment, reporter)})
    else:
        settings = _prepare_processes(settings, graph, state, reporter)
    references = {image.name: image.reference for image in graph}
    facts = facts.model_copy(
        update={
            # running servers know the hub's port: it never changes
            "hub_port": facts.hub_port or free_port(facts.hub_address, 8081),
            "proxy_api_port": free_port("127.0.0.1", facts.proxy_api_port or 8001),
            "dav_port": free_port("127.0.0.1", facts.dav_port or 8002),
            # running servers know these too
            "workspace_port": facts.workspace_port or free_port(facts.hub_address, 8083),
            "catalogue_port": facts.catalogue_port or free_port(facts.hub_address, 8084),
            "datapool_port": facts.datapool_port or free_port(facts.hub_address, 8085),
            "references": references,
            "as_account": as_account,
        }
    )
    patience = _LET_GO_SECONDS if ended else 0
    shared = (facts.hub_port, facts.workspace_port, facts.catalogue_port, facts.datapool_port)
    for own_port in shared:
        check_port(facts.hub_address, own_port, patience)
    state.write(facts, settings)
    return Deployment(state, facts, settings, graph)


def choose_backend(
    request: Request, settings: Settings, state: State, reporter: Reporter
) -> BackendKind:
    """The backend to use. `auto` means docker where an engine is or can be had.

    Raises EngineError if docker was named and can't be had.
    """
    wanted = request.backend or settings.backend
    if wanted is not BackendKind.PROCESS:
        try:
            if os.geteuid() != 0:
                raise EngineError(
                    "Only root can set the packet-filter rules that keep containers apart.",
                    "Run ./pelagos up as root for the docker backend.",
                )
            engine.ensure(state.logs / "dockerd.log", reporter)
        except PelagosError as error:
            if wanted is BackendKind.DOCKER:
                raise
            reporter.notice(error.sentence)
        else:
            return BackendKind.DOCKER
    reporter.notice(PROCESS_NOTICE)
    return BackendKind.PROCESS


def _prepare_storage(reporter: Reporter) -> None:
    """The programs with which the node agent mounts; without them servers start all the same."""
    missing = sorted({name for program, name in STORAGE.items() if not shutil.which(program)})
    if not missing:
        return
    try:
        if not packages.can_install():
            raise PelagosError(
                f"People's storage needs {', '.join(missing)}, and this machine has no apt.",
                "Install them, then run ./pelagos up again.",
            )
        packages.install(missing, reporter)
    except PelagosError as error:
        reporter.notice(error.sentence)


def _prepare_docker(deployment: Deployment, reporter: Reporter) -> str:
    """Storage, images and network; the host's address on the servers' network."""
    _prepare_storage(reporter)
    settings, graph = deployment.settings, deployment.graph
    log = deployment.state.logs / "build.log"
    with connect() as client:
        names = build.missing(client, settings, graph)
        if names:
            build.build(client, graph, settings, names, log=log, reporter=reporter)
        return engine.ensure_network(client, deployment)


def _prepare_processes(
    settings: Settings, graph: ImageGraph, state: State, reporter: Reporter
) -> Settings:
    """Environments and homes; the settings without what needs an engine."""
    offered = []
    for image in settings.images:
        name = image if isinstance(image, str) else image.name
        if name in graph and graph[name].requirements:
            environments.build_environment(graph[name], reporter)
            offered.append(name)
        else:
            reporter.notice(f"The image {name!r} needs a container engine and is not offered.")
    state.homes.mkdir(mode=0o711, exist_ok=True)
    if os.geteuid() == 0 and offered:
        _check_account(state, offered[0])
    return offering_only(settings, offered)


def offering_only(settings: Settings, names: list[str]) -> Settings:
    """The settings with these images only, and with the virtual labs that they leave.

    Raises StateError if nothing is left.
    """
    labs = []
    for virtual_lab in settings.virtual_labs:
        images = [name for name in virtual_lab.images if name in names]
        if images or not virtual_lab.images:
            labs.append(virtual_lab.model_copy(update={"images": images}))
    if not labs or not names:
        raise StateError(
            "No image of these settings can run without a container engine.",
            "Install Docker (as root: ./pelagos up does it), or configure the image python.",
        )
    return settings.model_copy(update={"images": names, "virtual_labs": labs})


def _prepare_account(state: State, reporter: Reporter) -> bool:
    """As root, the account for what strangers talk to; whether it can run our programs."""
    if os.geteuid() != 0:
        return False
    if not accounts.exists():
        reporter.step(f"Making the system account {ACCOUNT}")
        accounts.make()
    # the account must pass through these folders, not read them
    for folder in (state.folder, state.run):
        folder.chmod(0o711)
    # services import pelagos and listen below the state folder
    usable = _runs_as_account([sys.executable, "-c", "import pelagos"], cwd=state.folder)
    if not usable:
        reporter.notice(
            f"The account {ACCOUNT} can't run {sys.executable} or reach {state.folder}, so the "
            "WebDAV server and the workspace service run as root. Put the checkout and Python "
            "where everybody can read them, such as /opt/pelagos and Debian's python3."
        )
    return usable


def _runs_as_account(command: list[str], cwd: Path) -> bool:
    def become() -> None:
        accounts.become()
        os.chdir(cwd)

    try:
        done = subprocess.run(
            command, preexec_fn=become, capture_output=True, timeout=60, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


def _check_account(state: State, image: str) -> None:
    """As root, people's servers run under the account, which must reach their environment."""
    state.homes.chmod(0o711)
    program = environment_of(image) / "bin" / "python"
    if not _runs_as_account([str(program), "-c", ""], cwd=Path("/")):
        raise StateError(
            f"The account {ACCOUNT}, which runs people's servers, can't run {program}.",
            "Put the checkout and the Python that made .env where everybody can read them, such as "
            "/opt/pelagos and Debian's python3, or run ./pelagos up as an ordinary user.",
        )


def start(deployment: Deployment, *, foreground: bool) -> subprocess.Popen[bytes] | None:
    """Start the supervised processes; the supervisor's process if it stays in the foreground."""
    command = supervise.command(deployment, foreground=foreground)
    environment = supervise.environment()
    if foreground:
        # a session of its own: Ctrl-C reaches this command, which stops everything in order
        return subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, start_new_session=True
        )
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, timeout=60, check=False
    )
    if done.returncode != 0:
        raise PelagosError(
            "The supervisor does not start.", f"Its log: {deployment.state.logs}/supervisor.log"
        )
    return None


def wait_isolated(deployment: Deployment) -> None:
    """Wait until the packet-filter rules stand. Raises NetworkError: servers would be open."""
    if deployment.facts.backend is not BackendKind.DOCKER:
        return
    deadline = time.monotonic() + ISOLATED_SECONDS
    reason = "the node agent does not answer"
    with unix_client(deployment.agent_socket, 30) as client:
        while time.monotonic() < deadline:
            try:
                answer = client.put("/network").json()
            except (httpx.HTTPError, ValueError):
                time.sleep(0.1)  # not listening yet
                continue
            if answer["ok"]:
                return
            reason = answer["reason"]
            time.sleep(1)
    raise NetworkError(
        f"People's servers can't be kept apart, so nothing was started: {reason}",
        f"The agent's log: {deployment.state.logs}/agent.log",
    )


def wait_ready(deployment: Deployment, reporter: Reporter) -> float:
    """Wait until people can sign in; seconds it took. Raises PelagosError with the hub's log."""
    began = time.monotonic()
    facts = deployment.facts
    url = f"{facts.url}hub/health"
    reporter.step("Starting the hub")
    while True:
        try:
            if httpx.get(url, timeout=5, trust_env=False).status_code == 200:
                break
        except httpx.HTTPError:
            pass  # not yet
        if time.monotonic() - began > READY_SECONDS:
            raise PelagosError(
                f"The hub does not answer after {READY_SECONDS} s. Its log ends:\n"
                + tail(deployment.state.logs / "hub.log"),
                f"The logs are in {deployment.state.logs}; ./pelagos down stops everything.",
            )
        time.sleep(0.1)
    return time.monotonic() - began


def tail(path: Path, lines: int = 15) -> str:
    """The last lines of a log."""
    try:
        return "\n".join("  " + line for line in path.read_text().splitlines()[-lines:])
    except OSError:
        return "  (no log)"
