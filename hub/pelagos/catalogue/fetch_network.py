"""The network below the fetcher: connections to checked addresses, watched at the socket.

Time, speed and bytes are counted where they pass, so that a server that trickles its headers,
its chunk sizes or its body is noticed alike.
"""

from __future__ import annotations

import contextlib
import functools
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass

import httpcore
import httpx

from pelagos.catalogue.fetch_guard import FetchError, Guard

_CONNECTIONS = 8
_SHORTEST = 0.001  # seconds; a socket's timeout of 0 would mean something else


_turns: dict[tuple[str, int | None], float] = {}  # place: when it may be asked next
_turns_lock = threading.Lock()


def take_turn(host: str, port: int | None, rate: float) -> None:
    """Wait until `host` may be asked, at `rate` requests per second by all sources together."""
    with _turns_lock:
        now = time.monotonic()
        turn = max(_turns.get((host, port), 0.0), now)
        _turns[host, port] = turn + 1 / rate
    if turn > now:
        time.sleep(turn - now)


@dataclass(frozen=True)
class Patience:
    """How long a remote may take; all times in seconds.

    `silence`: without one byte. `whole` and `stream`: all the waiting for one answer, held in
    memory or streamed. After its first byte an answer has to bring `least` bytes in every
    `window`. `retry_after`: the longest wait that a remote may ask for.
    """

    connect: float = 20
    silence: float = 120
    whole: float = 600
    stream: float = 6 * 3600
    window: float = 60
    least: int = 6_000
    attempts: int = 4
    first_wait: float = 1
    longest_wait: float = 60
    retry_after: float = 300


class Watch:
    """One answer: what has been waited for it, what came, and when it is given up."""

    def __init__(self, host: str, patience: Patience, deadline: float, size: int) -> None:
        self._host, self._patience = host, patience
        self._deadline, self._size = deadline, size
        self._waited = 0.0
        self._received = 0
        self._window_end = 0.0
        self._window_start_bytes = 0

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """What is read from sockets within counts for this answer."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    def left(self, timeout: float | None) -> float:
        """How long the next wait may be."""
        left = max(self._deadline - self._waited, _SHORTEST)
        return left if timeout is None else min(timeout, left)

    def count(self, seconds: float, received: int) -> None:
        """Raises FetchError if it takes too long, is too slow or too much."""
        self._waited += seconds
        self._received += received
        if self._received > self._size:
            raise FetchError(
                f"{self._host}: the answer is longer than {self._size} bytes, and was given up."
            )
        if self._waited >= self._deadline:
            raise FetchError(
                f"{self._host}: the answer was not complete after {self._deadline:.0f} s of "
                f"waiting ({self._received} bytes came), and was given up.",
                "Try again when the server is less busy.",
            )
        self._check_speed()

    def _check_speed(self) -> None:
        if not self._received:
            return
        if not self._window_end:
            self._window_end = self._waited + self._patience.window
        elif self._waited >= self._window_end:
            came = self._received - self._window_start_bytes
            if came < self._patience.least:
                raise FetchError(
                    f"{self._host}: the answer trickles ({came} bytes in "
                    f"{self._patience.window:.0f} s), and was given up.",
                    "Try again when the server is less busy.",
                )
            self._window_end = self._waited + self._patience.window
            self._window_start_bytes = self._received


_current: ContextVar[Watch | None] = ContextVar("watch", default=None)


class _WatchedStream(httpcore.NetworkStream):
    """A connection whose reads are counted."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        watch = _current.get()
        if watch is None:
            return self._inner.read(max_bytes, timeout)
        before = time.monotonic()
        try:
            data = self._inner.read(max_bytes, watch.left(timeout))
        except httpcore.ReadTimeout:
            watch.count(time.monotonic() - before, 0)
            raise
        watch.count(time.monotonic() - before, len(data))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, timeout)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        return _WatchedStream(self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> object:
        return self._inner.get_extra_info(info)


class _CheckedBackend(httpcore.NetworkBackend):
    """Connects to the addresses that the guard has checked, and to no other."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in self._guard.addresses(host, port):
            try:
                return _WatchedStream(
                    self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


class _Body(httpx.SyncByteStream):
    def __init__(self, stream: Iterable[bytes]) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        yield from self._stream

    def close(self) -> None:
        close = getattr(self._stream, "close", None)
        if close is not None:
            close()


@functools.cache
def tls_context() -> ssl.SSLContext:
    """Whom to trust: SSL_CERT_FILE or SSL_CERT_DIR, if set, else the bundle of certifi."""
    return httpx.create_ssl_context()


class GuardedTransport(httpx.BaseTransport):
    """HTTP/1.1 over such connections; raises httpcore's exceptions and FetchError."""

    def __init__(self, guard: Guard) -> None:
        self._pool = httpcore.ConnectionPool(
            ssl_context=tls_context(),
            max_connections=_CONNECTIONS,
            keepalive_expiry=15,
            network_backend=_CheckedBackend(guard),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """One answer, its body unread."""
        answer = self._pool.handle_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=request.url.raw_scheme,
                    host=request.url.raw_host,
                    port=request.url.port,
                    target=request.url.raw_path,
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        assert isinstance(answer.stream, Iterable)  # noqa: S101 (for the type checker)
        return httpx.Response(
            status_code=answer.status,
            headers=answer.headers,
            stream=_Body(answer.stream),
            extensions=answer.extensions,
        )

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()
