"""What an OPeNDAP server says of a data set, and how it is asked for parts of it.

DAP 2.0 (ESE-RFC-004): the DDS has variables and their dimensions, the DAS their attributes; values
are asked for by index, `name[first:1:last]…`, and come in XDR, big-endian.
"""

from __future__ import annotations

import array
import re
import struct
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from pelagos_client.access.classic import TYPES, Attribute, Value

TEXT = 4 * 2**20  # bytes of a DDS or DAS
# how values are sent (width in XDR), and what they become in a classic file
_KINDS = {
    "byte": ("b", 1), "int16": ("h", 4), "uint16": ("i", 4), "int32": ("i", 4),
    "uint32": ("d", 4), "float32": ("f", 4), "float64": ("d", 8),
}  # fmt: skip
# a server may send anything: nothing here is ever looked at twice (possessive quantifiers), or four
# MiB of a hostile text would keep all threads waiting for days
_DECLARED = re.compile(r"\b(\w++)\s++([^\s\[\];{}]++)\s*+((?:\[[^\[\];{}]*+\]\s*+)*+);")
_DIMENSION = re.compile(r"\[\s*+(?:([^\s=\]]++)\s*+=\s*+)?(\d{1,12})\s*\]")
_GRID = re.compile(
    r"Grid\s*+\{\s*+Array:((?:(?!Maps:)[^{}])*+)Maps:([^{}]*+)\}\s*+([^\s;]++)\s*+;", re.I
)
# a text that nothing ends goes to the end
_TOKEN = re.compile(r'"((?:[^"\\]++|\\.)*+)"?|([{};,])|([^\s{};,"]++)', re.S)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.%@+-]{0,200}", re.ASCII)
Attributes = dict[str, dict[str, Attribute]]


class DapError(ValueError):
    """An answer that is not DAP, or of a kind that can't become a file."""


@dataclass(frozen=True)
class Array:
    """A variable of numbers. `asked`: how it is called in a request."""

    name: str
    type: str
    dimensions: tuple[tuple[str, int], ...]
    asked: str

    @property
    def kind(self) -> str:
        """As in `classic.TYPES`."""
        return _KINDS[self.type][0]

    @property
    def sent(self) -> int:
        """Bytes of a value as it is sent."""
        return _KINDS[self.type][1]

    @property
    def is_axis(self) -> bool:
        """Whether it has the values of its own dimension."""
        return [name for name, _ in self.dimensions] == [self.name]


def parse_dds(text: str) -> dict[str, Array]:
    """The variables of numbers, each once. Raises DapError."""
    if not re.match(r"\s*Dataset\s*\{", text, re.I):
        raise DapError("its DDS can't be read")
    found: dict[str, Array] = {}
    for grid in _GRID.finditer(text):
        for one in _arrays(grid[1], f"{grid[3]}."):
            found[one.name] = one
        for one in _arrays(grid[2], f"{grid[3]}."):
            found.setdefault(one.name, one)
    rest = _GRID.sub("", text)
    if re.search(r"\b(Sequence|Structure)\s*\{", rest, re.I):
        raise DapError("it has tables or structures")
    for one in _arrays(rest, ""):
        found[one.name] = one  # by itself it can be asked for by itself
    return found


def _arrays(text: str, prefix: str) -> Iterator[Array]:
    for match in _DECLARED.finditer(text):
        kind, name = match[1].lower(), match[2]
        if kind in _KINDS and _NAME.fullmatch(name):
            dimensions = tuple(
                (one or f"{name}_{number}", int(size))
                for number, (one, size) in enumerate(_DIMENSION.findall(match[3]))
            )
            if all(size and _NAME.fullmatch(one) for one, size in dimensions):
                yield Array(name, kind, dimensions, prefix + name)


def parse_das(text: str) -> Attributes:
    """The attributes of each variable; those of the whole under "". Raises DapError."""
    tokens = [(found[1], found[2] or found[3] or "") for found in _TOKEN.finditer(text)]
    if len(tokens) < 2 or tokens[0][1].lower() != "attributes":
        raise DapError("its DAS can't be read")
    found: Attributes = {}
    path: list[str] = []
    words: list[str] = []
    for quoted, word in tokens[2:]:
        if quoted is None and word == "{":
            path.append(words[-1] if words else "")
            words = []
        elif quoted is None and word == "}":
            path, words = path[:-1], []
        elif quoted is None and word == ";":
            if len(path) == 1 and len(words) > 2 and _NAME.fullmatch(words[1]):
                owner = "" if path[0] in ("NC_GLOBAL", "HDF_GLOBAL") else path[0]
                one = _attribute(words[0], words[2:])
                if one is not None:
                    found.setdefault(owner, {})[words[1]] = one
            words = []
        elif quoted is not None:
            words.append(re.sub(r"\\(.)", r"\1", quoted))
        elif word != ",":
            words.append(word)
    return found


def _attribute(kind: str, values: Sequence[str]) -> Attribute | None:
    kind = kind.lower()
    if kind in ("string", "url"):
        return Attribute("", "\n".join(values))
    if kind not in _KINDS:
        return None
    code = _KINDS[kind][0]
    try:
        numbers: Value = (
            [float(text) for text in values] if code in "fd" else [int(text) for text in values]
        )
        if code == "b":
            numbers = [(int(one) + 128) % 256 - 128 for one in numbers]
        struct.pack(f">{len(numbers)}{code}", *numbers)
    except (ValueError, struct.error, OverflowError):
        return None
    return Attribute(code, numbers)


def query(variable: Array, spans: Sequence[tuple[int, int]]) -> str:
    """What is asked for: `spans` are the first and last index of each dimension."""
    text = variable.asked + "".join(f"[{first}:1:{last}]" for first, last in spans)
    return quote(text, "-_.~:,@")


def values(body: bytes, variable: Array, count: int) -> bytes:
    """Of an answer the values as a classic file has them. Raises DapError."""
    _, mark, data = body.partition(b"\nData:\n")
    if not mark:
        raise DapError("the server gives no values")
    width = variable.sent
    if variable.dimensions:
        told = struct.pack(">I", count)
        if data[:8] != told + told:
            raise DapError("the server gives another number of values than was asked for")
        data = data[8:]
    elif variable.type == "byte":
        return data[3:4]  # by itself it is sent as a whole number
    whole = count * width
    if len(data) - whole not in range(4):
        raise DapError(f"{len(data)} of {whole} bytes came")
    return _narrowed(data[:whole], variable)


def _narrowed(data: bytes, variable: Array) -> bytes:
    if variable.type in ("int16", "uint32"):
        sent = array.array("i" if variable.type == "int16" else "I", data)
        if sys.byteorder == "little":
            sent.byteswap()
        try:
            kept = array.array(variable.kind, sent)
        except OverflowError:
            raise DapError("values that are not of their type") from None
        if sys.byteorder == "little":
            kept.byteswap()
        return kept.tobytes()
    return data


def numbers(data: bytes, kind: str) -> list[float]:
    """Values of a classic file, as numbers."""
    return list(struct.unpack(f">{len(data) // TYPES[kind][1]}{kind}", data))


def text_of(attributes: Mapping[str, Attribute], name: str) -> str:
    """An attribute that is a text; "" for none."""
    found = attributes.get(name)
    return found.value if found is not None and isinstance(found.value, str) else ""
