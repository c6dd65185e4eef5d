"""What is known of one file, whatever its format; crosses a process boundary as JSON."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

from pelagos.catalogue.records import Parameter, Provider

NETCDF = "application/x-netcdf"  # no registered type; what servers and clients use
ODV = "text/plain"


class UnreadableError(ValueError):
    """A file is not what its name says, or is broken; the text says what is wrong with it."""


@dataclass(frozen=True)
class Summary:
    """What one file says of itself.

    `box`: west, south, east, north in degrees (west of more than east crosses the antimeridian);
    `start`, `end`: RFC 3339 in UTC; `depth`: least and greatest in metres, positive down;
    `licence`: the terms as they stand in the file; `updated`: RFC 3339; `notes`: what was computed,
    guessed or left out, as sentences.
    """

    media_type: str
    title: str = ""
    description: str = ""
    licence: str = ""
    providers: tuple[Provider, ...] = ()
    keywords: tuple[str, ...] = ()
    citation: str = ""
    doi: str = ""
    box: tuple[float, float, float, float] | None = None
    start: str = ""
    end: str = ""
    depth: tuple[float, float] | None = None
    parameters: tuple[Parameter, ...] = ()
    platforms: tuple[str, ...] = ()
    instruments: tuple[str, ...] = ()
    feature_type: str = ""
    words: tuple[str, ...] = ()
    updated: str = ""
    notes: tuple[str, ...] = ()


def to_json(summary: Summary) -> dict[str, Any]:
    """Plain data, as JSON has it."""
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(summary)))
    return plain


def from_json(data: dict[str, Any]) -> Summary:
    """The same again. Raises TypeError, ValueError or KeyError for something else."""
    known = {field.name for field in dataclasses.fields(Summary)}
    plain = {key: value for key, value in data.items() if key in known}
    plain["providers"] = tuple(
        Provider(str(one["name"]), tuple(map(str, one["roles"])), str(one["url"]))
        for one in data["providers"]
    )
    plain["parameters"] = tuple(
        Parameter(**{key: str(value) for key, value in one.items()}) for one in data["parameters"]
    )
    for name in ("keywords", "platforms", "instruments", "words", "notes"):
        plain[name] = tuple(map(str, data[name]))
    for name, length in (("box", 4), ("depth", 2)):
        if data[name] is not None:
            plain[name] = tuple(map(float, data[name]))
            if len(plain[name]) != length:
                raise ValueError(name)
    return Summary(**plain)
