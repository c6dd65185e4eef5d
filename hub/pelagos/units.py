"""Sizes in bytes and durations in seconds, parsed once, at the edge.

Byte units follow IEC 80000-13: `GiB` is 2**30 bytes, `GB` is 10**9 bytes.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

_BYTE_UNITS = {
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KIB": 2**10,
    "MIB": 2**20,
    "GIB": 2**30,
    "TIB": 2**40,
}
_SECOND_UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_QUANTITY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*")


def _parse(text: Any, units: dict[str, int], fold: Any, example: str) -> int:
    """The whole number of base units in `text`. Raises ValueError with an example."""
    known = ", ".join(units) if fold is str else "B, kB, MB, GB, TB, KiB, MiB, GiB, TiB"
    if isinstance(text, int) and not isinstance(text, bool):
        if text < 0:
            raise ValueError("a negative amount")
        return text
    match = _QUANTITY.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"{text!r} is not a number with a unit ({known}), such as '{example}'")
    number, unit = match.groups()
    factor = units.get(fold(unit))
    if factor is None:
        raise ValueError(f"unknown unit {unit!r} in {text!r} (known: {known})")
    return round(float(number) * factor)


def parse_bytes(text: Any) -> int:
    """Bytes from text such as `2 GiB`, or from an int (already bytes).

    Raises ValueError for a missing or unknown unit.
    """
    return _parse(text, _BYTE_UNITS, str.upper, "2 GiB")


def parse_seconds(text: Any) -> int:
    """Seconds from text such as `90 s`, `30 min`, `2h`, `7d`, or from an int (already seconds).

    Raises ValueError for a missing or unknown unit.
    """
    return _parse(text, _SECOND_UNITS, str, "2h")


def format_bytes(count: int) -> str:
    """Bytes for a person, in binary units: 2147483648 -> `2 GiB`, 1536 -> `1.5 KiB`."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.4g} {unit}"
        value /= 1024
    return f"{value:.4g} TiB"


def format_seconds(seconds: float) -> str:
    """A duration for a person: 7200 -> `2 h`, 90 -> `90 s`."""
    for unit, factor in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= factor and seconds % factor == 0:
            return f"{seconds / factor:.0f} {unit}"
    return f"{seconds:.3g} s"


def format_cores(cores: float) -> str:
    """Cores for a person: 1 -> `1 core`, 2.5 -> `2.5 cores`."""
    return f"{cores:g} core{'' if cores == 1 else 's'}"


Bytes = Annotated[
    int,
    BeforeValidator(parse_bytes),
    WithJsonSchema({"type": ["string", "integer"], "examples": ["2 GiB"]}),
]
Seconds = Annotated[
    int,
    BeforeValidator(parse_seconds),
    WithJsonSchema({"type": ["string", "integer"], "examples": ["2h"]}),
]
