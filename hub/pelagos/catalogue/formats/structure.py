"""The outline of a NetCDF file: its attributes and variables without their values.

A file on disk and a data set behind OPeNDAP (DAS and DDS) both give one, so that everything that
is read from attributes is read in one way.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

_POINTING = (
    "ancillary_variables",
    "bounds",
    "climatology",
    "grid_mapping",
    "cell_measures",
    "coordinates",
    "formula_terms",
    "geometry",
    "node_coordinates",
    "node_count",
)
_WORD = re.compile(r"[^\s:]+")


@dataclass(frozen=True)
class Variable:
    """A variable's outline. `numeric`: neither text nor a compound."""

    name: str
    attributes: dict[str, Any] = field(default_factory=dict)
    dimensions: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    numeric: bool = True

    def text(self, *names: str) -> str:
        """The first of these attributes that is text (names in any case); "" if there is none."""
        return text_of(self.attributes, *names)

    def numbers(self, name: str) -> list[float]:
        """An attribute as numbers; empty if it is none."""
        return numbers_of(self.attributes.get(name))


@dataclass(frozen=True)
class Structure:
    """A data set's outline."""

    attributes: dict[str, Any]
    variables: dict[str, Variable]

    def pointed_at(self) -> set[str]:
        """Variables that serve others: bounds, flags, coordinates, grid mappings (CF)."""
        found: set[str] = set()
        for variable in self.variables.values():
            for name in _POINTING:
                found.update(_WORD.findall(variable.text(name)))
        return found

    def bounds(self) -> set[str]:
        """Variables that are the bounds of others."""
        return {
            name
            for variable in self.variables.values()
            for name in (variable.text("bounds"), variable.text("climatology"))
            if name
        }


def text_of(attributes: dict[str, Any], *names: str) -> str:
    """The first of the attributes that is text and not empty, without white space around it."""
    lower = {key.lower(): value for key, value in reversed(attributes.items())}
    for name in names:
        value = attributes.get(name, lower.get(name.lower()))
        if isinstance(value, str) and value.strip(" \t\r\n\x00"):
            return value.strip(" \t\r\n\x00")
    return ""


def numbers_of(value: Any) -> list[float]:
    """A number, a list of them, or their text, as floats; empty for anything else."""
    try:
        if isinstance(value, str):
            return [float(value)]
        if isinstance(value, int | float):
            return [float(value)]
        if isinstance(value, list | tuple):
            return [float(one) for one in value]
    except (TypeError, ValueError, OverflowError):
        pass
    return []
