"""Connections to checked addresses, watched at the socket, and kept for the next request."""

from __future__ import annotations

import http.client
import io
import os
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from pelagos_client.download.addresses import Guard, Location
from pelagos_client.download.errors import AwayError
from pelagos_client.download.model import Limits
from pelagos_client.download.watch import SLICE, Watch

_READ_AHEAD = 2**16
_IDLE_SECONDS = 15  # servers close idle connections after as little
_IDLE = 64  # connections
Found = TypeVar("Found")


class Wire:
    """What http.client takes for a socket. It is closed when the last reader of it is, too."""

    def __init__(self, sock: socket.socket, watch: Watch) -> None:
        self.watch = watch
        self.surplus = False  # bytes came that belong to no answer
        self.headless = False  # the connection ended in the middle of an answer's head
        self._socket = sock
        self._readers = 0
        self._closed = False

    def sendall(self, data: bytes) -> None:
        """Send a request's head."""
        self._socket.sendall(data)

    def makefile(self, mode: str, *_: Any) -> io.BufferedReader:
        """A reader for one answer."""
        self._readers += 1
        return _Reader(_Source(self), _READ_AHEAD)

    def receive(self, buffer: memoryview) -> int:
        """Some bytes, or 0 at the end. Raises what the watch does, and OSError."""
        while True:
            before = time.monotonic()
            try:
                count = self._socket.recv_into(buffer)
            except TimeoutError:
                self.watch.waited(time.monotonic() - before, 0)
                continue
            self.watch.waited(time.monotonic() - before, count)
            return count

    def silent(self) -> bool:
        """Whether nothing waits to be read: neither an end nor what nobody asked for."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        pending = isinstance(self._socket, ssl.SSLSocket) and self._socket.pending()
        return not pending and not poll.poll(0)

    def close(self) -> None:
        """Close, now or with the last reader."""
        self._closed = True
        if not self._readers:
            self._socket.close()

    def reader_closed(self) -> None:
        """One reader less."""
        self._readers -= 1
        if self._closed and not self._readers:
            self._socket.close()


class _Source(io.RawIOBase):
    """The bytes of one answer, for a buffered reader."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.dry = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        return None if self.dry else self.wire.receive(buffer)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self.wire.reader_closed()


class _Reader(io.BufferedReader):
    """At its end it tells whether more was read than belongs to the answer."""

    def readline(self, size: int | None = -1, /) -> bytes:
        """A line of an answer's head; http.client takes the connection's end for the head's."""
        line = super().readline(size)
        source = self.raw
        assert isinstance(source, _Source)  # noqa: S101 (for the type checker)
        source.wire.headless = not line.strip(b"\r\n") and not line.endswith(b"\n")
        return line

    def close(self) -> None:
        if not self.closed:
            source = self.raw
            assert isinstance(source, _Source)  # noqa: S101 (for the type checker)
            source.dry = True  # look into the buffer only
            source.wire.surplus = source.wire.surplus or bool(self.peek(1))
        super().close()


class Line:
    """One connection of HTTP/1.1."""

    def __init__(self, place: tuple[str, str, int], wire: Wire) -> None:
        self.place = place
        self.wire = wire
        self.idle_since = 0.0
        self.http = http.client.HTTPConnection(place[1], place[2])
        self.http.sock = wire

    def close(self) -> None:
        """Close it."""
        self.http.close()
        self.wire.close()


class Lines:
    """Opens connections where the guard says so, and keeps idle ones. Safe for many threads."""

    def __init__(self, guard: Guard, limits: Limits, trust: ssl.SSLContext | None) -> None:
        self._guard, self._limits = guard, limits
        self._trust = trust
        self._lock = threading.Lock()
        self._idle: list[Line] = []

    def take(self, location: Location) -> Line | None:
        """An idle connection to this place that is still good."""
        place = (location.scheme, *location.place)
        stale, found = [], None
        with self._lock:
            oldest = time.monotonic() - _IDLE_SECONDS
            for line in reversed(self._idle):
                if line.idle_since < oldest:
                    stale.append(line)
                elif line.place == place:
                    found = line
                    break
            for line in [*stale, *([found] if found else [])]:
                self._idle.remove(line)
        for line in stale:
            line.close()
        if found and not found.wire.silent():
            found.close()
            return self.take(location)
        return found

    def give(self, line: Line) -> None:
        """A connection whose answer was read to its end."""
        if line.wire.surplus or line.http.sock is None or not line.wire.silent():
            line.close()
            return
        line.idle_since = time.monotonic()
        with self._lock:
            self._idle.append(line)
            surplus = self._idle[:-_IDLE]
            del self._idle[:-_IDLE]
        for old in surplus:
            old.close()

    def close(self) -> None:
        """Close what is idle."""
        with self._lock:
            idle, self._idle = self._idle, []
        for line in idle:
            line.close()

    def open(self, location: Location, watch: Watch) -> Line:
        """A new connection. Raises RefusedError, AwayError, and what the watch does."""
        until = time.monotonic() + self._limits.connect
        addresses = _in_time(lambda: self._guard.addresses(location), location, until, watch)
        failure: OSError | None = None
        for address in addresses:
            try:
                sock = _connect(address, location, until, watch)
            except OSError as error:
                failure = error
                continue
            try:
                if location.scheme == "https":
                    sock = self._secure(sock, location, until, watch)
            except BaseException:
                sock.close()
                raise
            sock.settimeout(SLICE)
            return Line((location.scheme, *location.place), Wire(sock, watch))
        raise AwayError(
            f"{location.host}: no connection to port {location.port} "
            f"({(failure and failure.strerror) or 'no answer'}).",
            "Try again later; if it stays so, check the address.",
            again=True,
        ) from failure

    def _secure(
        self, sock: socket.socket, location: Location, until: float, watch: Watch
    ) -> socket.socket:
        """TLS for the name of the URL, whatever the address. Raises AwayError."""
        with self._lock:
            if self._trust is None:  # takes a while, and not everybody needs it
                self._trust = ssl.create_default_context()
        try:
            secured = self._trust.wrap_socket(
                sock, server_hostname=location.host, do_handshake_on_connect=False
            )
        except ssl.SSLError as error:
            raise AwayError(f"{location.host}: no TLS ({error.reason}).") from error
        try:
            secured.settimeout(SLICE)
            while True:
                try:
                    secured.do_handshake()
                    return secured
                except TimeoutError:
                    watch.check()
                    if time.monotonic() > until:
                        raise AwayError(
                            f"{location.host}: no TLS within {self._limits.connect:.0f} s.",
                            "Try again later.",
                            again=True,
                        ) from None
        except ssl.SSLCertVerificationError as error:
            secured.close()
            raise AwayError(
                f"{location.host}: its certificate is not trusted ({error.verify_message}).",
                "Check the address, and the certificates of this machine (SSL_CERT_FILE).",
            ) from error
        except OSError as error:
            secured.close()
            raise AwayError(
                f"{location.host}: no TLS ({getattr(error, 'reason', None) or error.strerror}).",
                "Try again later.",
                again=True,
            ) from error
        except BaseException:
            secured.close()
            raise


def _connect(address: str, location: Location, until: float, watch: Watch) -> socket.socket:
    """A TCP connection. Raises OSError, and what the watch does."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        try:
            sock.connect((address, location.port))
        except BlockingIOError:
            poll = select.poll()
            poll.register(sock, select.POLLOUT)
            while not poll.poll(SLICE * 1000):
                watch.check()
                if time.monotonic() > until:
                    raise TimeoutError(0, "no answer") from None
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))
    except BaseException:
        sock.close()
        raise
    return sock


def _in_time(ask: Callable[[], Found], location: Location, until: float, watch: Watch) -> Found:
    """What `ask` returns or raises; a resolver that hangs is left to itself."""
    results: list[Found] = []
    errors: list[BaseException] = []
    done = threading.Event()

    def run() -> None:
        try:
            results.append(ask())
        except BaseException as error:
            errors.append(error)
        finally:
            done.set()

    threading.Thread(target=run, name="pelagos-resolve", daemon=True).start()
    while not done.wait(SLICE):
        watch.check()
        if time.monotonic() > until:
            raise AwayError(f"{location.host}: nobody says its address.", again=True)
    if errors:
        raise errors[0]
    return results[0]
