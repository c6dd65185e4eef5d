"""Documents and words of granules, made small: those of a collection are much alike.

Each is compressed by itself (deflate, RFC 1951) with a sample of the collection's first granules as
the dictionary, which stays. That takes a seventh of the space, and a search unpacks only one page.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Sequence

from pelagos.catalogue.index.schema import damaged

_LEVEL, _WINDOW, _MEMORY = 3, -15, 6
_SAMPLE = 12_000  # bytes; a longer one takes longer to get ready
_SAMPLES = 6
_LIMIT = 2**28  # bytes of one, unpacked


def sample_of(contents: Sequence[bytes]) -> bytes:
    """A dictionary for contents like these. What is last is found best."""
    step = max(1, len(contents) // _SAMPLES)
    return b"".join(content[: _SAMPLE // 2] for content in contents[::step][:_SAMPLES])[-_SAMPLE:]


class Packer:
    """Makes the granules of one collection small."""

    def __init__(self, sample: bytes) -> None:
        self._begin = zlib.compressobj(
            _LEVEL, zlib.DEFLATED, _WINDOW, _MEMORY, zlib.Z_DEFAULT_STRATEGY, sample
        )

    def pack(self, content: bytes) -> bytes:
        """One of them."""
        stream = self._begin.copy()
        return stream.compress(content) + stream.flush()


def content_of(document: bytes, text: str) -> bytes:
    """What is packed. JSON has no byte 0."""
    return document + b"\0" + text.encode()


class Unpacker:
    """Reads packed granules; keeps the samples of collections meanwhile."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._samples: dict[int, bytes] = {}

    def document(self, collection: int, packed: bytes) -> bytes:
        """The document, as JSON. Raises sqlite3.DatabaseError if it is damaged."""
        return self._unpack(collection, packed).partition(b"\0")[0]

    def text(self, collection: int, packed: bytes) -> str:
        """The words. Raises sqlite3.DatabaseError if they are damaged."""
        return self._unpack(collection, packed).partition(b"\0")[2].decode()

    def _unpack(self, collection: int, packed: bytes) -> bytes:
        if (sample := self._samples.get(collection)) is None:
            (sample,) = self._connection.execute(
                "SELECT sample FROM collection WHERE num = ?", (collection,)
            ).fetchone()
            self._samples[collection] = sample
        try:
            return zlib.decompressobj(_WINDOW, sample).decompress(packed, _LIMIT)
        except zlib.error as error:
            raise damaged(f"a granule of collection {collection}: {error}") from error
