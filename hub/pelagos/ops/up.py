"""Starting and stopping a VRE."""

from __future__ import annotations

import errno
import fcntl
import os
import pwd
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from pelagos.backends.process import ACCOUNT, environment_of
from pelagos.deployment import ROOT, STATE_VARIABLE, Deployment, Facts, State
from pelagos.errors import EngineError, NetworkError, NotRunningError, PelagosError, StateError
from pelagos.images import ImageGraph, load_graph
from pelagos.node import firewall
from pelagos.node.agent import policy_of
from pelagos.ops import build, engine, supervise
from pelagos.ops.hubapi import HubApi
from pelagos.ops.report import Reporter
from pelagos.settings import BackendKind, Settings, load_settings

DEFAULT_PORT = 8000
DEFAULT_BIND = "0.0.0.0"  # noqa: S104 - people come from outside
READY_SECONDS = 120
ISOLATED_SECONDS = 30
DOWN_SECONDS = 60
PROCESS_NOTICE = (
    "Servers run as local processes: nothing keeps people apart from each other or from this "
    "machine, and no limit on cores or memory is enforced. For containers, install Docker (as "
    "root: ./pelagos up does it)."
)


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


def running(state: State) -> bool:
    """Whether this VRE's processes run."""
    return bool(supervise.processes(state))


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
    if last:
        clear_leftovers(state, last)
    port = request.port or (last.port if last else DEFAULT_PORT)
    bind = request.bind or (last.bind if last else DEFAULT_BIND)
    check_port(bind, port)
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
    if backend is BackendKind.DOCKER:
        facts = facts.model_copy(update={"hub_address": _prepare_docker(deployment, reporter)})
    else:
        settings = _prepare_processes(settings, graph, state, reporter)
    references = {image.name: image.reference for image in graph}
    facts = facts.model_copy(
        update={
            # running servers know the hub's port: it never changes
            "hub_port": facts.hub_port or _free_port(facts.hub_address, 8081),
            "proxy_api_port": _free_port("127.0.0.1", facts.proxy_api_port or 8001),
            "references": references,
        }
    )
    check_port(facts.hub_address, facts.hub_port)
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


def _prepare_docker(deployment: Deployment, reporter: Reporter) -> str:
    """Images and network; the host's address on the servers' network."""
    client = engine.connect()
    log = deployment.state.logs / "build.log"
    names = build.missing(client, deployment.settings, deployment.graph)
    if names:
        build.build(
            client, deployment.graph, deployment.settings, names, log=log, reporter=reporter
        )
    return engine.ensure_network(client, deployment)


def _prepare_processes(
    settings: Settings, graph: ImageGraph, state: State, reporter: Reporter
) -> Settings:
    """Environments and homes; the settings without what needs an engine."""
    offered = []
    for image in settings.images:
        name = image if isinstance(image, str) else image.name
        if name in graph and graph[name].requirements:
            build.build_environment(graph[name], reporter)
            offered.append(name)
        else:
            reporter.notice(f"The image {name!r} needs a container engine and is not offered.")
    state.homes.mkdir(mode=0o711, exist_ok=True)
    if os.geteuid() == 0 and offered:
        _prepare_account(state, offered[0], reporter)
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


def _prepare_account(state: State, image: str, reporter: Reporter) -> None:
    """As root, people's servers run under an account of their own, never as root."""
    try:
        pwd.getpwnam(ACCOUNT)
    except KeyError:
        reporter.step(f"Making the system account {ACCOUNT}, which runs people's servers")
        subprocess.run(
            ["useradd", "--system", "--user-group", "--no-create-home", ACCOUNT],
            check=True,
            timeout=60,
        )
    # the account must pass through the state folder, not read it
    state.folder.chmod(0o711)
    state.homes.chmod(0o711)
    program = environment_of(image) / "bin" / "python"
    done = subprocess.run(
        [str(program), "-c", ""],
        user=ACCOUNT,
        group=ACCOUNT,
        extra_groups=[],
        cwd="/",
        capture_output=True,
        timeout=60,
        check=False,
    )
    if done.returncode != 0:
        raise StateError(
            f"The account {ACCOUNT}, which runs people's servers, can't run {program}.",
            "Put the checkout and the Python that made .env where everybody can read them, such as "
            "/opt/pelagos and Debian's python3, or run ./pelagos up as an ordinary user.",
        )


def check_port(address: str, port: int) -> None:
    """Raise PelagosError if something listens there."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address, port))
    except OSError as error:
        if error.errno == errno.EACCES:
            raise PelagosError(
                f"This user may not listen on port {port}.", "Choose one above 1023: --port N."
            ) from error
        if error.errno != errno.EADDRINUSE:
            raise PelagosError(
                f"Can't listen on {address} port {port}: {error.strerror}.",
                "Give an address of this machine with --bind ADDR.",
            ) from error
        raise PelagosError(
            f"Port {port} on {address or 'this machine'} is in use{_who_listens(port)}.",
            "Choose another one with --port N, or stop what listens there.",
        ) from error


def _who_listens(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == "LISTEN" and connection.laddr[1:] == (port,) and connection.pid:
                name = psutil.Process(connection.pid).name()
                return f" by {name} (process {connection.pid})"
    except psutil.Error:
        pass  # not ours to see
    return ""


def _free_port(address: str, preferred: int) -> int:
    """`preferred` if it is free, else one that the kernel picks."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise PelagosError(f"No free port on {address}.", "Stop something that listens there.")


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


def clear_leftovers(state: State, facts: Facts) -> int:
    """End processes of this VRE whose supervisor was killed, and count them.

    People's servers are not among them.
    """
    mark = str(state.folder)
    ended = 0
    scripts = (
        "pelagos.node.agent",
        "jupyterhub_config.py",
        "pelagos.services",
        "jupyterhub_idle_culler",  # what the culler becomes
    )
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or [])
        try:
            if any(script in line for script in scripts):
                if process.environ().get(STATE_VARIABLE) != mark:
                    continue
            elif "configurable-http-proxy" not in line or (
                f"--api-port {facts.proxy_api_port}" not in line
            ):
                continue
            ended += 1
            process.send_signal(signal.SIGTERM)
            process.wait(10)
        except psutil.TimeoutExpired:
            process.kill()
        except psutil.Error:
            pass  # gone, or not ours
    return ended


def wait_isolated(deployment: Deployment) -> None:
    """Wait until the packet-filter rules stand. Raises NetworkError: servers would be open."""
    if deployment.facts.backend is not BackendKind.DOCKER:
        return
    deadline = time.monotonic() + ISOLATED_SECONDS
    reason = "the node agent does not answer"
    transport = httpx.HTTPTransport(uds=str(deployment.agent_socket))
    with httpx.Client(transport=transport, timeout=30) as client:
        while time.monotonic() < deadline:
            try:
                answer = client.put("http://agent/network").json()
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


def down(state: State, *, servers: bool, reporter: Reporter) -> list[str]:
    """Stop the VRE; people's servers too if `servers`. Names of the servers that were stopped.

    Raises NotRunningError if nothing runs.
    """
    runs = running(state)
    facts = state.facts()
    # without the settings: a stop must work whatever another version left in the folder
    deployment = Deployment(state, facts, Settings(), load_graph(ROOT))
    stopped = stop_servers(deployment, runs, reporter) if servers else []
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


def _remove_network(deployment: Deployment, reporter: Reporter) -> None:
    """With the last server its network and rules go too; the next `up` makes them again."""
    try:
        engine.remove_network(engine.connect(), deployment)
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
            client = engine.connect()
        except EngineError as error:
            reporter.notice(error.sentence)
            return stopped
        deadline = time.monotonic() + DOWN_SECONDS
        while runs and engine.containers(client, deployment) and time.monotonic() < deadline:
            time.sleep(0.2)  # the hub answers before the containers have ended
        for container in engine.containers(client, deployment):
            stopped.append(container.name)
            container.remove(force=True, v=True)
    return stopped
