"""A real HTTP server on loopback that serves files, or misbehaves as a test tells it to."""

from __future__ import annotations

import contextlib
import hashlib
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Answer = Callable[["Handler"], None]


@dataclass
class File:
    """A file of the source: `etag` empty: none is told; `ranges`: whether parts are given."""

    content: bytes
    etag: str | None = None
    modified: str = ""
    ranges: bool = True
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def tag(self) -> str:
        if self.etag is None:
            return f'"{hashlib.sha256(self.content).hexdigest()[:12]}"'
        return self.etag


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    source: Source

    def do_GET(self) -> None:
        self.source.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
        self.source.came.set()
        queued = self.source.first.get(self.path, [])
        answer = queued.pop(0) if queued else self.source.always.get(self.path)
        if answer is not None:
            answer(self)
        elif self.path in self.source.files:
            give(self)
        else:
            say(404)(self)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.do_GET()

    def log_message(self, *_: Any) -> None:
        pass


class Source:
    """`first`: answers to the first requests of a path; `always`: to all after; else `files`."""

    def __init__(self, context: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.files: dict[str, File] = {}
        self.first: dict[str, list[Answer]] = {}
        self.always: dict[str, Answer] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.came = threading.Event()
        self.stopping = threading.Event()
        outer = self

        class Own(Handler):
            source = outer

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *_: Any) -> None:
                """A client that hangs up is what many of these tests are about."""

        self._server = Server(("127.0.0.1", port), Own)
        if context:
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = self._server.server_address[1]
        self.scheme = "https" if context else "http"
        self.host = "localhost" if context else "127.0.0.1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def add(self, path: str, content: bytes, **options: Any) -> str:
        self.files[path] = File(content, **options)
        return self.url(path)

    def url(self, path: str) -> str:
        return f"{self.scheme}://{self.host}:{self.port}{path}"

    def ranges(self, path: str) -> list[str]:
        """The Range headers that came for a path, in order; empty without."""
        return [headers.get("range", "") for asked, headers in self.requests if asked == path]

    def stop(self) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def give(handler: Handler, cut: int | None = None, **changes: Any) -> None:
    """The file as an orderly server gives it; `cut`: hang up after so many bytes of the body."""
    file = handler.source.files[handler.path]
    for name, value in changes.items():
        setattr(file, name, value)
    content, start = file.content, 0
    found = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
    condition = handler.headers.get("If-Range", "")
    if found and file.ranges and condition in ("", file.tag, file.modified):
        start = int(found[1])
        if start >= len(content):
            return say(416)(handler)
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
    else:
        handler.send_response(200)
    body = content[start:]
    headers = {"Content-Length": str(len(body)), "ETag": file.tag, "Last-Modified": file.modified}
    for name, value in (headers | file.headers).items():
        if value:
            handler.send_header(name, value)
    handler.end_headers()
    if cut is not None:
        body = body[:cut]
        handler.close_connection = True
    handler.wfile.write(body)
    return None


def cut(after: int) -> Answer:
    return lambda handler: give(handler, cut=after)


def changed(**changes: Any) -> Answer:
    """From this request on the file is another one."""
    return lambda handler: give(handler, **changes)


def say(status: int, body: bytes = b"internal detail", **headers: str) -> Answer:
    """An answer; underscores in names of headers stand for hyphens."""

    def answer(handler: Handler) -> None:
        handler.send_response(status)
        for name, value in ({"Content_Length": str(len(body))} | headers).items():
            if value:
                handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def chunks(*pieces: bytes, end: bool = True, **headers: str) -> Answer:
    """A chunked body, with or without its end."""

    def answer(handler: Handler) -> None:
        handler.send_response(200)
        for name, value in {"Transfer-Encoding": "chunked", **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        for piece in pieces:
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        if end:
            handler.wfile.write(b"0\r\n\r\n")
        else:
            handler.close_connection = True

    return answer


def raw(data: bytes) -> Answer:
    """These bytes and nothing else, then the end."""

    def answer(handler: Handler) -> None:
        handler.wfile.write(data)
        handler.close_connection = True

    return answer


def hang(handler: Handler) -> None:
    """The head and one byte, then nothing until the test ends."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"x")
    handler.wfile.flush()
    handler.source.stopping.wait(30)
    handler.close_connection = True


@contextlib.contextmanager
def serve(context: ssl.SSLContext | None = None) -> Iterator[Source]:
    source = Source(context)
    try:
        yield source
    finally:
        source.stop()


def multihash(content: bytes) -> str:
    return "1220" + hashlib.sha256(content).hexdigest()


def left_over(folder: Path) -> list[str]:
    """Names of parts and their words."""
    return sorted(path.suffix for path in folder.rglob(".pelagos-*"))


class _Slow:
    """A file for writing that takes its time."""

    def __init__(self, file: Any, rate: float, stopping: threading.Event) -> None:
        self._file, self._rate, self._stopping = file, rate, stopping

    def write(self, data: bytes) -> None:
        step = 16_384
        for start in range(0, len(data), step):
            if start and self._stopping.wait(step / self._rate):
                return
            self._file.write(data[start : start + step])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def slow(rate: float) -> Answer:
    """An orderly answer at `rate` bytes per second."""

    def answer(handler: Handler) -> None:
        real = handler.wfile
        handler.wfile = _Slow(real, rate, handler.source.stopping)  # type: ignore[assignment]
        try:
            give(handler)
        finally:
            handler.wfile = real

    return answer


def late(seconds: float) -> Answer:
    """An orderly answer, after a while."""

    def answer(handler: Handler) -> None:
        handler.source.stopping.wait(seconds)
        give(handler)

    return answer
