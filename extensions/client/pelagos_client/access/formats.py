"""Whether what came is what it should be: no web page under a data file's name, no half of one.

The first bytes tell the format; of NetCDF also the length that the file must have:
- classic NetCDF: "The NetCDF Classic Format Specification" (CDF-1, CDF-2, CDF-5);
- NetCDF-4 is HDF5, whose superblock tells the file's end ("HDF5 File Format Specification", II.A).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial

from pelagos_client.download.errors import AnswerError, CutError, ProtocolError
from pelagos_client.download.model import Content, Inspect, Proof

Read = Callable[[int, int], bytes]
_HDF5 = b"\x89HDF\r\n\x1a\n"
_CLASSIC = (b"CDF\x01", b"CDF\x02", b"CDF\x05")
_NETCDF = ("application/x-netcdf", "application/netcdf", "application/x-netcdf4")
_FIRST: dict[str, tuple[bytes, ...]] = {
    **dict.fromkeys(_NETCDF, (*_CLASSIC, _HDF5)),
    "application/x-hdf5": (_HDF5,),
    "application/zip": (b"PK\x03\x04", b"PK\x05\x06"),
    "application/gzip": (b"\x1f\x8b",),
}
_HEADER = 2**26  # bytes of a NetCDF header that are looked at
_WIDTHS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}


def inspector(media: str, *, proven: bool) -> Inspect | None:
    """What looks at a file of a media type before it gets its name; None if nothing is known.

    `proven`: a body whose end nothing marks is taken only if the format says that it is whole.
    """
    media = media.partition(";")[0].strip().lower()
    first = _FIRST.get(media)
    if first is None and not proven:
        return None
    return partial(_inspect, first or (), media in _NETCDF, proven)


def _inspect(first: tuple[bytes, ...], is_netcdf: bool, proven: bool, content: Content) -> None:
    """Raises AnswerError, CutError."""
    begin = content.read(0, 8)
    if first and not begin.startswith(first):
        _refuse(content)
    whole = length_of(content.read, content.size) if is_netcdf else None
    # a source's own file is what it is, if all of it came; what is made for us has to be whole
    if whole is not None and content.size < whole and (proven or content.proof is Proof.NONE):
        raise CutError(
            f"{content.size} bytes came of a file that says that it has {whole}.",
            "Try again later.",
            again=True,
            afresh=True,
        )
    if proven and whole is None and content.proof is Proof.NONE:
        raise ProtocolError(
            "The source does not say where the answer ends, so a cut one can't be told from a "
            "whole one.",
            "Try again later; if it stays so, tell the operator.",
            again=True,
            afresh=True,
        )


def _refuse(content: Content) -> None:
    head = content.read(0, 512).lstrip().lower()
    if content.type == "text/html" or head.startswith((b"<!doctype html", b"<html")):
        raise AnswerError(
            "The source sent a web page instead of the data.",
            "It may want a sign-in, or this network one of its own: open its address in a browser.",
            afresh=True,
        )
    raise AnswerError(
        "The source sent something else than the format that the catalogue declares.",
        "Search again: the file may have been replaced; or tell the operator.",
        afresh=True,
    )


def length_of(read: Read, size: int) -> int | None:
    """How many bytes a NetCDF file must have at least; None if that can't be told.

    `size` bytes of it are here. More than that if not even the header is whole.
    """
    begin = read(0, 64)
    try:
        if begin.startswith(_HDF5):
            return _hdf5_end(begin)
        if begin.startswith(_CLASSIC):
            return _Classic(read, size).end()
    except _MoreError:
        return size + 1
    except (struct.error, ValueError, KeyError):
        return None
    return None


def _hdf5_end(begin: bytes) -> int | None:
    """The end of the file by the superblock at its beginning."""
    version = begin[8]
    if version in (0, 1):
        width, place = begin[13], 24 + (4 if version else 0)
        place += 2 * width
    elif version in (2, 3):
        width, place = begin[9], 12 + 2 * begin[9]
    else:
        return None
    if width not in (4, 8) or len(begin) < place + width:
        return None
    end = int.from_bytes(begin[place : place + width], "little")
    return None if end == 256**width - 1 else end


class _MoreError(Exception):
    """The header goes on after what is here."""


class _Classic:
    """Reads a classic header: only what the length depends on."""

    def __init__(self, read: Read, size: int) -> None:
        self._read, self._size = read, size
        self._buffer, self._start, self._place = b"", 0, 4
        self._version = read(3, 1)[0]

    def _take(self, count: int) -> bytes:
        if self._place + count > _HEADER:
            raise ValueError("too long a header")
        if self._place + count > self._size:
            raise _MoreError
        offset = self._place - self._start
        if offset + count > len(self._buffer):
            self._start, offset = self._place, 0
            self._buffer = self._read(self._place, max(count, 2**16))
        self._place += count
        return self._buffer[offset : offset + count]

    def _int(self) -> int:
        return int(struct.unpack(">I", self._take(4))[0])

    def _count(self) -> int:
        return int(struct.unpack(">Q", self._take(8))[0]) if self._version == 5 else self._int()

    def _offset(self) -> int:
        return self._int() if self._version == 1 else int(struct.unpack(">Q", self._take(8))[0])

    def _name(self) -> None:
        self._take(_padded(self._count()))

    def _attributes(self) -> None:
        self._int()
        for _ in range(self._count()):
            self._name()
            width = _WIDTHS[self._int()]
            self._take(_padded(width * self._count()))

    def end(self) -> int | None:
        """Where the data end; None for a file that is still being written."""
        records = self._count()
        if records == (2**64 if self._version == 5 else 2**32) - 1:
            return None
        self._int()
        lengths = []
        for _ in range(self._count()):
            self._name()
            lengths.append(self._count())
        self._attributes()
        self._int()
        ends, per_record, first = [], [], []
        for _ in range(self._count()):
            self._name()
            dimensions = [lengths[self._count()] for _ in range(self._count())]
            self._attributes()
            width = _WIDTHS[self._int()]
            self._count()  # vsize, which is wrong for large variables
            begin = self._offset()
            is_record = bool(dimensions) and dimensions[0] == 0
            size = width
            for length in dimensions[1:] if is_record else dimensions:
                size *= length
            if is_record:
                per_record.append(size)
                first.append(begin)
            else:
                ends.append(begin + size)
        if per_record and records:
            # of one record variable alone there is no padding between records
            step = per_record[0] if len(per_record) == 1 else sum(map(_padded, per_record))
            last = (records - 1) * step
            ends += [begin + last + n for begin, n in zip(first, per_record, strict=True)]
        return max(ends, default=self._place)


def _padded(count: int) -> int:
    return (count + 3) // 4 * 4
