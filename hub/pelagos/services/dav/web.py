"""cheroot, set up for large files and for strangers.

What differs from cheroot: our own reading of bodies, `100 Continue` only when the body is
wanted, files sent by the kernel, and a connection whose body was refused is closed in a way that
lets the client read why.
"""

from __future__ import annotations

import contextlib
import logging
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from cheroot import server as cheroot_server
from cheroot import wsgi
from cheroot.makefile import MakeFile

from pelagos.services.dav.body import Body, Pace

logger = logging.getLogger(__name__)

BODY = "pelagos.body"
DONE = "pelagos.done"  # called when the answer was sent

THREADS = 48  # each upload and download holds one
THREADS_PER_PERSON = 8
STALL_SECONDS = 60  # without one byte in either direction, or with hardly any from the client
SHUTDOWN_SECONDS = 10
_MOST_HEADERS = 65536
_LINGER_SECONDS = 5.0
_LINGER_BYTES = 256 << 20
_LINGERING = threading.BoundedSemaphore(8)
SMALL_REST = 65536  # of a refused body: read, so that the connection can stay
_EXPECT = b"X-Pelagos-Expect"

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class FileBody:
    """A part of an open file as a response's body; whoever sends it closes it."""

    def __init__(self, file: Any, offset: int, count: int) -> None:
        self.file, self.offset, self.count = file, offset, count

    def __iter__(self) -> Any:
        raise TypeError("a file is sent by the server, not iterated")


class _Headers(cheroot_server.HeaderReader):
    """Refuses what a proxy before us could read differently, and hides `Expect` from cheroot."""

    def _allow_header(self, key_name: bytes) -> bool:
        # in a WSGI environment X_Forwarded_For would be X-Forwarded-For; cheroot's own reader for
        # that takes bytes for text
        return b"_" not in key_name

    def __call__(self, rfile: Any, hdict: Any = None) -> Any:
        found = super().__call__(_Once(rfile), hdict)
        if b"Transfer-Encoding" in found and b"Content-Length" in found:
            raise ValueError("Both Content-Length and Transfer-Encoding are given")
        length = found.get(b"Content-Length", b"0")
        if not re.fullmatch(rb"[0-9]{1,18}", length):
            raise ValueError("Malformed Content-Length Header.")
        if b"Expect" in found:
            found[_EXPECT] = found.pop(b"Expect")
        return found


class _Once:
    """Header lines, of which some may come only once (RFC 9112, 6.3 and 3.2)."""

    def __init__(self, rfile: Any) -> None:
        self._rfile = rfile
        self._seen: set[bytes] = set()

    def readline(self) -> Any:
        """The next line. Raises ValueError if its header was there already."""
        line = self._rfile.readline()
        name = line.partition(b":")[0].lower()
        if name in (b"content-length", b"transfer-encoding", b"host", b"authorization"):
            if name in self._seen:
                raise ValueError("A header that may come once came twice")
            self._seen.add(name)
        return line


class _Request(cheroot_server.HTTPRequest):
    header_reader = _Headers()

    def parse_request(self) -> None:
        """See cheroot."""
        self.conn.pace.begin()
        super().parse_request()


class _Connection(cheroot_server.HTTPConnection):
    RequestHandlerClass = _Request

    def __init__(self, server: Any, sock: Any, makefile: Any = MakeFile) -> None:
        self.pace = Pace(sock, server.timeout)

        def paced(connection: Any, mode: str, size: int) -> Any:
            return makefile(self.pace if "r" in mode else connection, mode, size)

        super().__init__(server, sock, paced)


class _Gateway(wsgi.Gateway_10):
    def get_environ(self) -> Any:
        """See WSGI; with our body, and without what only cheroot needs."""
        environ = super().get_environ()  # type: ignore[no-untyped-call]
        request = self.req
        expects = request.inheaders.get(_EXPECT, b"").lower() == b"100-continue"
        environ.pop("HTTP_" + _EXPECT.decode().upper().replace("-", "_"), None)
        length = None if request.chunked_read else int(request.inheaders.get(b"Content-Length", 0))

        def invite() -> None:
            request.conn.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")

        connection = request.conn
        self.body = Body(connection.rfile, connection.pace, length, invite if expects else None)
        environ[BODY] = self.body
        # cheroot must not read what is left of a refused body into memory
        request.rfile = None
        return environ

    def respond(self) -> None:
        """Answer, and part in peace from a client that still sends."""
        try:
            self._answer()
        finally:
            self.env.get(DONE, lambda: None)()
        if not self.body.complete and _LINGERING.acquire(blocking=False):
            try:
                _part(self.req.conn.socket)
            finally:
                _LINGERING.release()

    def _answer(self) -> None:
        response = self.req.server.wsgi_app(self.env, self.start_response)
        if not self.body.discard(SMALL_REST):
            self.req.close_connection = True
        try:
            if isinstance(response, FileBody):
                self._send_file(response)
            else:
                for chunk in response:
                    if chunk:
                        self.write(chunk)
                self.req.ensure_headers_sent()
        finally:
            if hasattr(response, "close"):
                response.close()

    def _send_file(self, body: FileBody) -> None:
        with body.file:
            self.req.ensure_headers_sent()
            sent = self.req.conn.socket.sendfile(body.file, body.offset, body.count)
        if sent != body.count:  # cut short by somebody else: the client must notice
            self.req.close_connection = True


def _part(connection: socket.socket) -> None:
    """Read on for a moment after the answer: a reset would take it away from the client."""
    deadline = time.monotonic() + _LINGER_SECONDS
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(1)
        seen = 0
        block = bytearray(65536)
        while seen < _LINGER_BYTES and time.monotonic() < deadline:
            count = connection.recv_into(block)
            if not count:
                return
            seen += count


class DavServer(wsgi.Server):
    """The HTTP server on the loopback."""

    ConnectionClass = _Connection

    def __init__(
        self,
        port: int,
        application: Application,
        *,
        threads: int = THREADS,
        stall: int = STALL_SECONDS,
    ) -> None:
        super().__init__(
            ("127.0.0.1", port),
            application,
            numthreads=threads,
            max=threads,
            request_queue_size=128,
            timeout=stall,
            shutdown_timeout=SHUTDOWN_SECONDS,
            server_name="Pelagos",
        )
        self.gateway = _Gateway
        self.max_request_header_size = _MOST_HEADERS

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        """cheroot's own words into our log."""
        logger.log(level, "%s", msg, exc_info=traceback)
