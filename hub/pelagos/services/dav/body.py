"""Bodies of requests, read straight from the connection.

cheroot's own readers take an early end for the end, hold a whole chunk in memory, and accept
chunk sizes such as -1. This one knows whether a body came in whole (RFC 9112, 6.3 and 7.1).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

BLOCK = 1 << 20
_MOST_LINE = 8192
_PATIENCE_SECONDS = 1.0  # for all of a rest
LEAST_RATE = 1000  # bytes per second
_MOST_TRAILER_LINES = 64
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r\n")


class IncompleteError(Exception):
    """The client ended, stalled or garbled the body. The text says which."""


class Pace:
    """A connection that may not be held by sending next to nothing. Else as the socket.

    Of every `window` seconds that we wait for the client, LEAST_RATE must come on average; the
    time that our own disk takes does not count.
    """

    def __init__(self, connection: Any, window: float) -> None:
        self._socket = connection
        self._window = window
        self.begin()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    def begin(self) -> None:
        """Count anew: another request."""
        self._waited = 0.0
        self._got = 0

    def recv_into(self, buffer: Any) -> int:
        """See socket; raises TimeoutError also when too little came for too long."""
        before = time.monotonic()
        count: int = self._socket.recv_into(buffer)
        self._waited += time.monotonic() - before
        self._got += count
        if self._waited >= self._window:
            if self._got < self._window * LEAST_RATE:
                raise TimeoutError("timed out")  # cheroot knows these words
            self.begin()
        return count


class Body:
    """One request's body.

    `length` is None for a chunked one. `invite`, if there is one, is called before the first
    read: it sends the `100 Continue` that a careful client waits for.
    """

    def __init__(
        self,
        reader: Any,
        connection: Any,
        length: int | None,
        invite: Callable[[], None] | None = None,
    ) -> None:
        self.length = length
        self._reader = reader
        self._socket = connection
        self._invite = invite
        self._left = length or 0  # of the body, or of the chunk
        self.complete = length == 0
        self._first_chunk = True
        self._block = memoryview(bytearray(0))

    @property
    def present(self) -> bool:
        """Whether the request has a body at all."""
        return self.length != 0

    def read(self, size: int = BLOCK) -> memoryview | bytes:
        """The next bytes, at most `size`; empty only at the proper end. Raises IncompleteError.

        What is returned is valid until the next call.
        """
        if self.complete:
            return b""
        try:
            if self._invite is not None:
                self._invite()
                self._invite = None
            if self.length is None and self._left == 0:
                self._next_chunk()
                if self.complete:
                    return b""
            data = self._receive(min(size, self._left))
        except OSError as error:
            raise IncompleteError("The body stopped coming.") from error
        if not len(data):
            raise IncompleteError("The body ended too early.")
        self._left -= len(data)
        if self._left == 0 and self.length is not None:
            self.complete = True
        return data

    def read_all(self, most: int) -> bytes | None:
        """The whole body, or None if it is longer than `most` bytes. Raises IncompleteError."""
        if self.length is not None and self.length > most:
            return None
        found = bytearray()
        while data := self.read():
            found += data
            if len(found) > most:
                return None
        return bytes(found)

    def discard(self, most: int) -> bool:
        """Whether the rest, of `most` bytes at most, was read. Nobody who waits is asked for it."""
        if self.complete:
            return True
        if self._invite is not None or self.length is None or self._left > most:
            return False
        # what is there, not what may never come: nobody need have signed in
        deadline = time.monotonic() + _PATIENCE_SECONDS
        patience = self._socket.gettimeout()
        try:
            while not self.complete:
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._socket.settimeout(left)
                self.read()
        except IncompleteError:
            return False
        finally:
            self._socket.settimeout(patience)
        return True

    def _receive(self, size: int) -> memoryview | bytes:
        if self._reader.has_data():
            buffered = len(self._reader.peek(1))
            data: bytes = self._reader.read(min(size, buffered))
            return data
        if len(self._block) == 0:
            self._block = memoryview(bytearray(min(BLOCK, max(size, 65536))))
        count = self._socket.recv_into(self._block[: min(size, len(self._block))])
        return self._block[:count]

    def _next_chunk(self) -> None:
        if not self._first_chunk and self._reader.read(2) != b"\r\n":
            raise IncompleteError("A chunk of the body does not end where it should.")
        self._first_chunk = False
        match = _CHUNK.fullmatch(self._reader.readline(_MOST_LINE))
        if match is None:
            raise IncompleteError("The body ended too early, or a chunk has no size.")
        self._left = int(match[1], 16)
        if self._left == 0:
            self._trailers()
            self.complete = True

    def _trailers(self) -> None:
        for _ in range(_MOST_TRAILER_LINES):
            line = self._reader.readline(_MOST_LINE)
            if line == b"\r\n":
                return
            if not line.endswith(b"\r\n"):
                break
        raise IncompleteError("The body ended too early.")
