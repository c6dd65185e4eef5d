"""Declared checksums, and digests computed beside the download.

A multihash (https://multiformats.io/multihash/) is the kind of hash and the number of bytes, each
as a varint, then the digest. STAC's `file:checksum` is one, in hexadecimal.
"""

from __future__ import annotations

import hashlib
import queue
import threading
from dataclasses import dataclass

from pelagos_client.download.errors import RequestError

_KINDS = {
    0x11: ("sha1", 20),
    0x12: ("sha256", 32),
    0x13: ("sha512", 64),
    0x20: ("sha384", 48),
    0xD5: ("md5", 16),
}
_NAMES = {"sha-1": "sha1", "sha2-256": "sha256", "sha-256": "sha256", "sha-512": "sha512"}
_CODES = {name: code for code, (name, _) in _KINDS.items()}
_AT_ONCE = 2**20  # bytes; up to here a thread costs more than it saves
_WAITING = 4  # pieces


@dataclass(frozen=True)
class Checksum:
    """A kind of hash by hashlib's name, and a digest."""

    kind: str
    digest: bytes

    def __str__(self) -> str:
        """As a multihash in hexadecimal."""
        head = _varint(_CODES[self.kind]) + _varint(len(self.digest))
        return (head + self.digest).hex()


def parse(text: str) -> Checksum:
    """A declared checksum: a multihash in hexadecimal, or `kind:digest`. Raises RequestError."""
    kind, colon, digits = text.strip().lower().rpartition(":")
    try:
        data = bytes.fromhex(digits)
    except ValueError:
        raise RequestError(f"{text[:80]!r} is no checksum: it is not hexadecimal.") from None
    if colon:
        kind = _NAMES.get(kind, kind)
    else:
        code, rest = _read_varint(data)
        length, data = _read_varint(rest)
        kind = _KINDS.get(code, ("", 0))[0]
        if length != len(data):
            kind = ""
    if kind not in _CODES or len(data) != _KINDS[_CODES[kind]][1]:
        raise RequestError(
            f"{text[:80]!r} is no checksum that is known here.",
            "Known are md5, sha1, sha256, sha384 and sha512: as a multihash, or `md5:…`.",
        )
    return Checksum(kind, data)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def _read_varint(data: bytes) -> tuple[int, bytes]:
    number = 0
    for index, byte in enumerate(data[:9]):
        number |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return number, data[index + 1 :]
    return 0, b""


class Hasher:
    """A digest of what is written, computed in a thread of its own once it is worth one."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.seen = 0
        # a check of content, not of secrets: md5 is what many archives declare
        self._hash = hashlib.new(kind, usedforsecurity=False)
        self._queue: queue.Queue[bytes | None]
        self._thread: threading.Thread | None = None

    def update(self, data: bytes) -> None:
        """The next bytes."""
        self.seen += len(data)
        if self._thread is None and self.seen <= _AT_ONCE:
            self._hash.update(data)
            return
        if self._thread is None:
            self._queue = queue.Queue(_WAITING)
            self._thread = threading.Thread(target=self._run, name="pelagos-hash", daemon=True)
            self._thread.start()
        self._queue.put(data)

    def update_here(self, data: bytes | memoryview) -> None:
        """The next bytes, digested in this thread."""
        self.rest()
        self.seen += len(data)
        self._hash.update(data)

    def _run(self) -> None:
        while (data := self._queue.get()) is not None:
            self._hash.update(data)

    def rest(self) -> None:
        """Digest what waits, and end the thread; it may go on after that."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    def checksum(self) -> Checksum:
        """The digest of all bytes so far."""
        self.rest()
        return Checksum(self.kind, self._hash.digest())
