"""How long a classic NetCDF file should be, from its header.

The C library reads what is missing at the end of such a file as zeros, and says nothing: a broken
download would be at 0°N 0°E. The format is in the NetCDF User Guide, appendix "File Format
Specifications" (CDF-1, CDF-2 and CDF-5).
"""

from __future__ import annotations

import struct
from typing import BinaryIO

from pelagos.catalogue.formats.summary import UnreadableError

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}
_LIST_LIMIT = 100_000  # dimensions, variables or attributes
_DIMENSIONS, _VARIABLES, _ATTRIBUTES = 10, 11, 12


class _Header:
    """Reads the header from its beginning; what runs out or makes no sense is UnreadableError."""

    def __init__(self, file: BinaryIO, length: int) -> None:
        self._file = file
        self._length = length
        version = self._take(4)[3]
        self._count = ">q" if version == 5 else ">i"
        self._offset = ">i" if version == 1 else ">q"

    def _take(self, size: int) -> bytes:
        if size < 0 or size > self._length:
            raise UnreadableError("its header says something impossible")
        data = self._file.read(size)
        if len(data) != size:
            raise UnreadableError("it ends within its header")
        return data

    def _number(self, form: str) -> int:
        return int(struct.unpack(form, self._take(struct.calcsize(form)))[0])

    def _skip_text(self) -> None:
        size = self._number(self._count)
        self._take(size + -size % 4)

    def _list(self, tag: int) -> range:
        found, count = self._number(">i"), self._number(self._count)
        if found not in (0, tag) or not 0 <= count <= _LIST_LIMIT or (found == 0 and count):
            raise UnreadableError("its header says something impossible")
        return range(count)

    def _skip_attributes(self) -> None:
        for _ in self._list(_ATTRIBUTES):
            self._skip_text()
            size = _SIZES.get(self._number(">i"))
            count = self._number(self._count)
            if size is None or count < 0:
                raise UnreadableError("its header has an attribute of no known type")
            self._take(count * size + -(count * size) % 4)

    def needed(self) -> int:
        """Bytes that the file must have for all of its values."""
        records = self._number(self._count)
        lengths = []
        for _ in self._list(_DIMENSIONS):
            self._skip_text()
            lengths.append(self._number(self._count))
        self._skip_attributes()
        ends, of_records = [0], []
        for _ in self._list(_VARIABLES):
            begin, size, recorded = self._variable(lengths)
            if recorded:
                of_records.append((begin, size))
            else:
                ends.append(begin + size)
        if of_records and records > 0:  # -1 is a stream of unknown length
            # a single record variable is not padded
            padded = [size + -size % 4 for _, size in of_records]
            step = of_records[0][1] if len(of_records) == 1 else sum(padded)
            ends += [begin + (records - 1) * step + size for begin, size in of_records]
        return max(ends)

    def _variable(self, lengths: list[int]) -> tuple[int, int, bool]:
        """Where it begins, bytes of it (of one record), and whether it has records."""
        self._skip_text()
        count = self._number(self._count)
        if not 0 <= count <= 1024:  # NC_MAX_VAR_DIMS
            raise UnreadableError("its header says something impossible")
        shape = []
        for _ in range(count):
            number = self._number(self._count)
            if not 0 <= number < len(lengths):
                raise UnreadableError("its header names a dimension that is not there")
            shape.append(lengths[number])
        self._skip_attributes()
        size = _SIZES.get(self._number(">i"))
        self._number(self._count)  # vsize, which overflows in large files
        begin = self._number(self._offset)
        if size is None or begin < 0:
            raise UnreadableError("its header says something impossible")
        recorded = bool(shape) and shape[0] == 0
        for length in shape[1:] if recorded else shape:
            size *= length
        return begin, size, recorded


def check_length(file: BinaryIO, length: int) -> None:
    """Raises UnreadableError if a classic file of `length` bytes is broken or cut off.

    `file` stands at its beginning. A file of another format passes.
    """
    magic = file.read(4)
    file.seek(0)
    if magic[:3] != b"CDF":
        return
    if len(magic) < 4 or magic[3] not in (1, 2, 5):
        raise UnreadableError("it begins like NetCDF, but is of no known version")
    needed = _Header(file, length).needed()
    if needed > length:
        raise UnreadableError(f"it is cut off: {length} bytes, and should have {needed}")
