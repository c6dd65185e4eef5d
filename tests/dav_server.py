"""The real WebDAV server in a thread, with a stand-in for the hub's two answers that it needs."""

from __future__ import annotations

import base64
import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote
from xml.etree import ElementTree

import httpx
from pelagos.deployment import DAV_PATH, Deployment, mount_password
from pelagos.services.dav.app import App
from pelagos.services.dav.disk import Disk
from pelagos.services.dav.handing import store_for, workspaces_for
from pelagos.services.dav.hub import Hub
from pelagos.services.dav.people import Gate
from pelagos.services.dav.store import Store
from pelagos.services.dav.web import DavServer
from support import until

SCOPE = "access:services!service=workspace"
SERVICE_TOKEN = "the-service"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def do_GET(self) -> None:
        hub: StandInHub = self.server.hub
        if not hub.here:  # a connection from before
            self.close_connection = True
            return
        hub.asked.append(self.path)
        hub.hold.wait(30)
        token = self.headers.get("Authorization", "").removeprefix("token ")
        if self.path == "/hub/api/user":
            found = hub.tokens.get(token)
            self._send(200 if found else 403, found or {"message": "no"})
            return
        assert token == SERVICE_TOKEN
        name = unquote(self.path.removeprefix("/hub/api/users/"))
        self._send(200, {"name": name, "groups": hub.groups.get(name, [])})

    def _send(self, status: int, found: Any) -> None:
        body = json.dumps(found).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


class StandInHub:
    """Answers GET /user and GET /users/NAME as JupyterHub does; can be sent away."""

    def __init__(self) -> None:
        self.tokens: dict[str, dict[str, Any]] = {}
        self.groups: dict[str, list[str]] = {}
        self.asked: list[str] = []
        # cleared, nobody gets an answer until it is set
        self.hold = threading.Event()
        self.hold.set()
        self._server: ThreadingHTTPServer | None = None
        self.port = 0
        self.here = False
        self.come()

    def person(self, name: str, *groups: str, scopes: tuple[str, ...] = (SCOPE,)) -> str:
        """Somebody, and a token of theirs."""
        token = f"token-of-{quote(name, safe='')}-{len(self.tokens)}"
        self.tokens[token] = {"kind": "user", "name": name, "scopes": list(scopes)}
        self.groups[name] = list(groups)
        return token

    def full(self, count: int) -> bool:
        """Whether `count` questions came, and a moment later still no more."""
        until(lambda: len(self.asked) >= count)
        return not threading.Event().wait(0.3) and len(self.asked) == count

    def come(self) -> None:
        """Listen; at the same port as before."""
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), _Handler)
        self._server.daemon_threads = True
        self.here = True
        self._server.hub = self  # type: ignore[attr-defined]
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def leave(self) -> None:
        """Answer nobody any more."""
        self.here = False
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class Clock:
    """Time that tests move."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Dav:
    """A running server. `stall` is in seconds."""

    def __init__(self, deployment: Deployment, stall: int = 30) -> None:
        self.deployment = deployment
        self.hub_server = StandInHub()
        self.clock = Clock()
        self._stall = stall
        self.start()

    def start(self) -> None:
        """Start it, again perhaps, on the same folders."""

        owner = (os.geteuid(), os.getegid())
        layout = self.deployment.layout
        api = f"http://127.0.0.1:{self.hub_server.port}/hub/api"
        self.hub = Hub(api, SERVICE_TOKEN, clock=self.clock)
        self.store = Store(store_for(self.deployment.state.folder, owner))
        self.disk = Disk(layout, workspaces_for(layout.workspaces, owner), self.store)
        self.disk.prepare_staging()
        self.key = self.deployment.state.secret("workspace-mount")
        app = App(self.disk, self.store, Gate(self.hub, self.deployment.settings, self.key), 9)
        self.provider = app.provider
        self.server = DavServer(0, app, threads=12, stall=self._stall)
        self.server.expiration_interval = 0.05  # how soon it notices its end
        self.server.prepare()
        self._thread = threading.Thread(target=self.server.serve, daemon=True)
        self._thread.start()
        self.port = int(self.server.bind_addr[1])

    def stop(self) -> None:
        """Stop it, and leave the folders."""
        self.server.stop()
        self._thread.join(20)
        self.disk.close()
        self.store.close()
        self.hub.close()

    def close(self) -> None:
        """Stop all."""
        self.stop()
        self.hub_server.leave()

    def url(self, user: str, path: str = "") -> str:
        """An address; `path` is encoded already."""
        return f"http://127.0.0.1:{self.port}{DAV_PATH}/{quote(user, safe='')}/{path}"

    @contextmanager
    def client(self, user: str, *groups: str) -> Iterator[httpx.Client]:
        """Somebody with a token."""
        token = self.hub_server.person(user, *groups)
        with httpx.Client(
            base_url=self.url(user), auth=(user, token), timeout=60, trust_env=False
        ) as client:
            yield client

    def mount_password(self, user: str) -> str:
        """What the node agent would use."""
        return mount_password(self.key, user)

    def authorization(self, user: str) -> str:
        """A Basic header for raw requests."""
        text = f"{user}:{self.mount_password(user)}".encode()
        return "Basic " + base64.b64encode(text).decode()

    @contextmanager
    def raw(self, user: str, method: str, path: str, headers: str = "") -> Iterator[socket.socket]:
        """A connection on which a request's head was sent exactly as given."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            head = (
                f"{method} {path} HTTP/1.1\r\nHost: x\r\n"
                f"Authorization: {self.authorization(user)}\r\n{headers}\r\n"
            )
            connection.sendall(head.encode("latin-1"))
            yield connection


def answer_of(connection: socket.socket) -> tuple[int, bytes]:
    """Status and everything that comes until the other side closes or a whole answer is there."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            break
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    while len(body) < length and (more := connection.recv(65536)):
        body += more
    return (int(head.split(b" ")[1]) if head else 0), body


QUOTA = 8 << 20
LOCK = (
    '<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype>'
    "</lockinfo>"
)


def folder_of(dav: Dav, user: str) -> Path:
    return dav.deployment.layout.user_workspace(user)


def staged(dav: Dav) -> list[str]:
    root = dav.deployment.layout.workspaces
    return [
        name for kind in ("users", "virtual-labs") for name in os.listdir(root / kind / ".staging")
    ]


def names(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 207, answer.text
    found = ElementTree.fromstring(answer.content)  # noqa: S314 - our own
    return [href.text or "" for href in found.iter("{DAV:}href")]


def propfind(client: httpx.Client, path: str = "", depth: str = "1") -> httpx.Response:
    return client.request("PROPFIND", path, headers={"Depth": depth})


def move(
    client: httpx.Client, dav: Dav, path: str, to: str, method: str = "MOVE"
) -> httpx.Response:
    user = str(client.base_url).rstrip("/").rpartition("/")[2]
    return client.request(method, path, headers={"Destination": dav.url(user, to)})
