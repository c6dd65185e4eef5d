"""Unpacks bodies piece by piece, bounded: a small packed answer can be endless unpacked."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

from pelagos.catalogue.fetch_guard import FetchError

ACCEPTED = "gzip, deflate"  # what we ask for (Accept-Encoding); all else is refused
_PIECE = 2**18  # bytes, unpacked
_GZIP = b"\x1f\x8b"
_AUTOMATIC = 32 + zlib.MAX_WBITS  # gzip or zlib, by its head
_BARE = -zlib.MAX_WBITS  # deflate without a head, which some servers call deflate too


def bounded(pieces: Iterable[bytes], host: str, limit: int) -> Iterator[bytes]:
    """`pieces` as they are; raises FetchError after `limit` bytes."""
    total = 0
    for piece in pieces:
        total += len(piece)
        if total > limit:
            raise FetchError(
                f"{host}: the answer has more than {limit} bytes unpacked, and was given up."
            )
        yield piece


def decoded(pieces: Iterable[bytes], host: str, encoding: str) -> Iterator[bytes]:
    """The body without its Content-Encoding. Raises FetchError for a broken or unknown one."""
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return iter(pieces)
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise FetchError(
            f"{host}: the answer is packed as {encoding[:40]!r}, which nobody asked for"
        )
    return _unpacked(pieces, host)


def gunzipped(pieces: Iterable[bytes], host: str) -> Iterator[bytes]:
    """The content of a gzip file; what is no gzip file stays as it is."""
    source = iter(pieces)
    head = b""
    while len(head) < len(_GZIP):
        piece = next(source, None)
        if piece is None:
            break
        head += piece
    rest = _chain(head, source)
    yield from _unpacked(rest, host) if head.startswith(_GZIP) else rest


def _chain(head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if head:
        yield head
    yield from rest


def _unpacked(pieces: Iterable[bytes], host: str) -> Iterator[bytes]:
    """gzip (of one or more members), zlib or bare deflate."""
    engine: zlib._Decompress | None = None
    started = False
    for piece in pieces:
        data = piece
        while data or engine is not None:
            if engine is None:
                if started and not data.startswith(_GZIP[:1]):
                    return  # padding after the last member, as gzip itself ignores it
                engine, started = zlib.decompressobj(_wbits(data)), True
            try:
                out = engine.decompress(data, _PIECE)
            except zlib.error as error:
                raise FetchError(
                    f"{host}: the answer is not what it is packed as: {error}", again=True
                ) from error
            if out:
                yield out
            if engine.eof:
                data, engine = engine.unused_data, None
                continue
            data = engine.unconsumed_tail
            if not data and len(out) < _PIECE:
                break
    if engine is not None:
        raise FetchError(f"{host}: the packed answer ends before its end", again=True)


def _wbits(data: bytes) -> int:
    # RFC 1950 2.2: method 8 in the low bits, and the first two bytes a multiple of 31
    zlib_head = data[0] & 0x0F == 8 and (len(data) < 2 or (data[0] * 256 + data[1]) % 31 == 0)
    return _AUTOMATIC if data.startswith(_GZIP[:1]) or zlib_head else _BARE
