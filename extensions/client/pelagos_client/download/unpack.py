"""Unpacks gzip bodies that nobody asked for, by pieces: a small one can be endless unpacked."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

from pelagos_client.download.errors import CutError, ProtocolError

KNOWN = ("gzip", "x-gzip", "deflate")
_PIECE = 2**18  # bytes, unpacked
_MEMBER = b"\x1f"  # how each begins
_AUTOMATIC = 32 + zlib.MAX_WBITS  # gzip or zlib, by its head
_BARE = -zlib.MAX_WBITS  # deflate without a head, which some servers call deflate too


def unpacked(pieces: Iterable[bytes], name: str) -> Iterator[bytes]:
    """gzip (of one or more members), zlib or bare deflate. Raises ProtocolError, CutError."""
    engine: zlib._Decompress | None = None
    started = False
    for piece in pieces:
        data = piece
        while data:
            if engine is None:
                if started and not data.startswith(_MEMBER):
                    return  # padding after the last member, as gzip itself ignores it
                engine, started = zlib.decompressobj(_wbits(data)), True
            try:
                out = engine.decompress(data, _PIECE)
                while out:
                    yield out
                    data = engine.unconsumed_tail
                    # also what the engine still holds when all input is used up
                    out = b"" if engine.eof else engine.decompress(data, _PIECE)
            except zlib.error as error:
                raise ProtocolError(
                    f"{name}: the body is not what it says it is packed as.", again=True
                ) from error
            data = b""
            if engine.eof:
                data, engine = engine.unused_data, None
    if engine is not None:
        raise CutError(f"{name}: the packed body ended before its end.", again=True)


def _wbits(data: bytes) -> int:
    # RFC 1950 2.2: method 8 in the low bits, and the first two bytes a multiple of 31
    zlib_head = data[0] & 0x0F == 8 and (len(data) < 2 or (data[0] * 256 + data[1]) % 31 == 0)
    return _AUTOMATIC if data.startswith(_MEMBER) or zlib_head else _BARE
