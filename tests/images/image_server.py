"""A user's server in a container, as the hub starts it, with a stand-in for the hub."""

from __future__ import annotations

import base64
import contextlib
import http.server
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import docker
import httpx
from docker.models.containers import Container

LABEL = {"pelagos.test": "images"}
TOKEN = "t0ken-of-the-server"
PREFIX = "/user/ada/"
GIB = 1024**3
# What the hub's spawner sets; tests/integration proves that it does.
HARDENED: dict[str, Any] = {
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
    "pids_limit": 512,
    "read_only": True,
    "tmpfs": {"/run": "size=16m"},
}


class Hub:
    """Answers what a single-user server asks its hub for: a version, and who holds a token."""

    def __init__(self, address: str) -> None:
        hub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                # the server asks "whose is this token?" of /user, and the version of the rest
                known = self.headers.get("Authorization", "").endswith(TOKEN)
                user = {
                    "kind": "user",
                    "name": "ada",
                    "admin": False,
                    "groups": [],
                    "scopes": ["access:servers!server=ada/"],
                }
                self.answer(200 if known or not self.path.endswith("/user") else 403, user)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.answer(200, {})

            def answer(self, status: int, content: object) -> None:
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("X-JupyterHub-Version", hub.version)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        import jupyterhub

        self.version = jupyterhub.__version__
        self._server = http.server.ThreadingHTTPServer((address, 0), Handler)
        self.url = f"http://{address}:{self._server.server_port}/hub/api"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()


class Server:
    """A running server. Use as a context manager: it always removes what it made."""

    def __init__(
        self,
        client: docker.DockerClient,
        hub: Hub,
        image: str,
        *,
        cpus: float = 1.0,
        memory: int = GIB,
        environment: dict[str, str] | None = None,
        **options: Any,
    ) -> None:
        self._client = client
        env = {
            "JUPYTERHUB_SERVICE_URL": f"http://0.0.0.0:8888{PREFIX}",
            "JUPYTERHUB_SERVICE_PREFIX": PREFIX,
            "JUPYTERHUB_API_URL": hub.url,
            "JUPYTERHUB_API_TOKEN": TOKEN,
            "JUPYTERHUB_ACTIVITY_URL": f"{hub.url}/users/ada/activity",
            "JUPYTERHUB_BASE_URL": "/",
            "JUPYTERHUB_CLIENT_ID": "jupyterhub-user-ada",
            "JUPYTERHUB_USER": "ada",
            "JUPYTERHUB_HOST": "",
            "JUPYTERHUB_OAUTH_CALLBACK_URL": f"{PREFIX}oauth_callback",
            "JUPYTERHUB_OAUTH_SCOPES": '["access:servers!server=ada/"]',
            "JUPYTERHUB_OAUTH_ACCESS_SCOPES": '["access:servers!server=ada/"]',
            "JUPYTERHUB_DISABLE_USER_CONFIG": "1",
            "MEM_LIMIT": str(memory),
            "CPU_LIMIT": str(cpus),
            **(environment or {}),
        }
        settings: dict[str, Any] = {
            **HARDENED,
            "mem_limit": memory,
            "memswap_limit": memory,
            "cpu_period": 100_000,
            "cpu_quota": int(cpus * 100_000),
            "volumes": ["/home/jovyan", "/tmp"],
            **options,
        }
        self.started = time.monotonic()
        self.container: Container = client.containers.run(
            image, detach=True, labels=LABEL, environment=env, **settings
        )
        self._address = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove the container and its anonymous volumes."""
        with contextlib.suppress(docker.errors.NotFound):
            self.container.remove(force=True, v=True)

    @property
    def address(self) -> str:
        """`host:port/prefix/` of the server."""
        if not self._address:
            self.container.reload()
            networks = self.container.attrs["NetworkSettings"]["Networks"]
            self._address = next(iter(networks.values()))["IPAddress"] + f":8888{PREFIX}"
        return self._address

    def http(self) -> httpx.Client:
        """A client that holds the server's token."""
        return httpx.Client(
            base_url=f"http://{self.address}",
            headers={"Authorization": f"token {TOKEN}"},
            timeout=30,
            trust_env=False,
        )

    def wait(self, seconds: float = 60) -> float:
        """Wait until it answers; seconds since the start. Raises TimeoutError with its log."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"http://{self.address}api", trust_env=False).status_code == 200:
                    return time.monotonic() - self.started
            except httpx.TransportError:
                time.sleep(0.02)
            self.container.reload()
            if self.container.status == "exited":
                break
        raise TimeoutError(f"no answer from {self.address}api\n{self.log()}")

    def log(self) -> str:
        """What it wrote so far."""
        return self.container.logs().decode(errors="replace")

    def run(self, *command: str, user: str = "jovyan") -> str:
        """Output of a command in it. Raises AssertionError with the output if it fails."""
        result = self.container.exec_run(list(command), user=user)
        output = result.output.decode(errors="replace")
        assert result.exit_code == 0, f"{command} ended with {result.exit_code}:\n{output}"
        return output

    def python(self, code: str) -> str:
        """Output of Python code in it, with the environment that its kernels get."""
        # docker exec knows nothing of what `start` exported
        return self.run("/opt/pelagos/bin/start", "python", "-c", code)

    def put(self, path: str, content: str) -> None:
        """Write a text file, as the user."""
        data = base64.b64encode(content.encode()).decode()
        self.run("sh", "-c", 'echo "$1" | base64 -d > "$2"', "sh", data, path)

    def cpu_seconds(self) -> float:
        """CPU time of all its processes so far."""
        name = f"/sys/fs/cgroup/cpuacct/docker/{self.container.id}/cpuacct.usage"
        if Path(name).exists():
            return int(Path(name).read_text()) / 1e9
        usage = self.container.stats(stream=False)["cpu_stats"]["cpu_usage"]["total_usage"]
        return float(usage) / 1e9


Start = Callable[..., Server]
