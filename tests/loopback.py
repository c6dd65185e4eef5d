"""A real HTTP server on loopback that replays recordings, or misbehaves as a test tells it to.

    with serve({"/csw": Reply(recording, type="application/xml")}) as server:
        Fetcher(source_at(server.url + "/csw")).get(...)

Paths are matched without their query; a route may be a function of the request for anything else.
"""

from __future__ import annotations

import contextlib
import hashlib
import ssl
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Reply:
    """What is answered; Content-Length is added unless it stands in `headers`."""

    body: bytes | str = b""
    type: str = "application/json"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Asked:
    """A request that came: for routes, and for tests to look at."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]  # names in lower case
    body: bytes
    server: Loopback
    handler: BaseHTTPRequestHandler = field(repr=False)


Route = Reply | Callable[[Asked], Reply | None]  # None: the route has written the answer itself


class Loopback:
    """A running server: its `url`, the `requests` so far and an event that ends slow routes."""

    def __init__(
        self,
        routes: dict[str, Route],
        default: Route | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.routes = routes
        self.default = default
        self.requests: list[Asked] = []
        self.stopping = threading.Event()
        self.open = 0  # connections
        self._changed = threading.Condition()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                outer._count(1)

            def finish(self) -> None:
                outer._count(-1)
                super().finish()

            def do_GET(self) -> None:
                outer._answer(self)

            do_POST = do_HEAD = do_GET

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                """A client that hangs up is what many of these tests are about."""

        self._server = Server(("127.0.0.1", 0), Handler)
        if tls:
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = self._server.server_address[1]
        self.url = f"https://localhost:{self.port}" if tls else f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def stop(self) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def wait_until_idle(self, seconds: float = 10) -> bool:
        """Whether all connections were closed in time."""
        with self._changed:
            return self._changed.wait_for(lambda: self.open == 0, seconds)

    def _count(self, change: int) -> None:
        with self._changed:
            self.open += change
            self._changed.notify_all()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urllib.parse.urlsplit(handler.path)
        asked = Asked(
            handler.command,
            parts.path,
            dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True)),
            {name.lower(): value for name, value in handler.headers.items()},
            handler.rfile.read(int(handler.headers.get("Content-Length") or 0)),
            self,
            handler,
        )
        self.requests.append(asked)
        route = self.routes.get(parts.path, self.default)
        reply = route(asked) if callable(route) else route
        if route is None:
            reply = Reply("nothing here", "text/plain", 404)
        if reply is not None:
            send(handler, reply)


def send(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    body = reply.body.encode() if isinstance(reply.body, str) else reply.body
    handler.send_response(reply.status)
    headers = {"Content-Type": reply.type, "Content-Length": str(len(body))} | reply.headers
    for name, value in headers.items():
        if value:
            handler.send_header(name, value)
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(body)


def validated(route: Route) -> Route:
    """`route` with an ETag, and 304 for who has it already."""

    def answer(asked: Asked) -> Reply | None:
        reply = route(asked) if callable(route) else route
        if reply is None or reply.status != 200:
            return reply
        body = reply.body.encode() if isinstance(reply.body, str) else reply.body
        tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        if asked.headers.get("if-none-match") == tag:
            return Reply(status=304, headers={"ETag": tag})
        return Reply(body, reply.type, headers=reply.headers | {"ETag": tag})

    return answer


@contextlib.contextmanager
def serve(
    routes: dict[str, Route], default: Route | None = None, tls: ssl.SSLContext | None = None
) -> Iterator[Loopback]:
    server = Loopback(routes, default, tls)
    try:
        yield server
    finally:
        server.stop()
