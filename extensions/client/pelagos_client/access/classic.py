"""Writes the header of a classic NetCDF file, so that its values can follow as they come.

"The NetCDF Classic Format Specification", 64-bit offsets (CDF-2), without records.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

# nc_type and width in bytes, by what array.array calls them
TYPES = {"b": (1, 1), "h": (3, 2), "i": (4, 4), "f": (5, 4), "d": (6, 8)}
LARGEST = 2**32 - 4  # bytes of a variable
Value = str | Sequence[int] | Sequence[float]


@dataclass(frozen=True)
class Attribute:
    """`kind`: of numbers, as in TYPES; "" for a text."""

    kind: str
    value: Value


@dataclass(frozen=True)
class Stored:
    """A variable. `kind` as in TYPES."""

    name: str
    kind: str
    dimensions: tuple[str, ...]
    attributes: Mapping[str, Attribute] = field(default_factory=dict)


def header(
    sizes: Mapping[str, int], attributes: Mapping[str, Attribute], variables: Sequence[Stored]
) -> bytes:
    """The header. The values of each variable follow in this order, big-endian, each padded to a
    multiple of four bytes. Raises ValueError if one is too large."""
    for one in variables:
        if nbytes(one, sizes) > LARGEST:
            raise ValueError(f"{one.name} is too large for a classic file")
    place = 0
    for _ in range(2):  # the length does not depend on what the offsets are
        text = _header(sizes, attributes, variables, place)
        place = len(text)
    return text


def nbytes(variable: Stored, sizes: Mapping[str, int]) -> int:
    """Bytes of a variable's values, without padding."""
    count = TYPES[variable.kind][1]
    for name in variable.dimensions:
        count *= sizes[name]
    return count


def padding(count: int) -> int:
    """Bytes up to a multiple of four."""
    return -count % 4


def _header(
    sizes: Mapping[str, int],
    attributes: Mapping[str, Attribute],
    variables: Sequence[Stored],
    place: int,
) -> bytes:
    out = bytearray(b"CDF\x02" + struct.pack(">I", 0))
    out += struct.pack(">II", 10 if sizes else 0, len(sizes))
    for name, size in sizes.items():
        out += _name(name) + struct.pack(">I", size)
    out += _attributes(attributes)
    out += struct.pack(">II", 11 if variables else 0, len(variables))
    index = {name: number for number, name in enumerate(sizes)}
    for one in variables:
        out += _name(one.name) + struct.pack(">I", len(one.dimensions))
        for dimension in one.dimensions:
            out += struct.pack(">I", index[dimension])
        out += _attributes(one.attributes)
        count = nbytes(one, sizes)
        count += padding(count)
        out += struct.pack(">IIQ", TYPES[one.kind][0], count, place)
        place += count
    return bytes(out)


def _attributes(attributes: Mapping[str, Attribute]) -> bytes:
    out = bytearray(struct.pack(">II", 12 if attributes else 0, len(attributes)))
    for name, one in attributes.items():
        out += _name(name)
        if isinstance(one.value, str):
            data = one.value.encode()
            out += struct.pack(">II", 2, len(data))
        else:
            data = struct.pack(f">{len(one.value)}{one.kind}", *one.value)
            out += struct.pack(">II", TYPES[one.kind][0], len(one.value))
        out += data + bytes(padding(len(data)))
    return bytes(out)


def _name(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">I", len(data)) + data + bytes(padding(len(data)))
