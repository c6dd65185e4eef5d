"""Reads what an ERDDAP server says of one data set (`info/ID/index.json`), into a collection.

Field names: ERDDAP documentation, "Working with the datasets.xml file"; global attributes are
ACDD 1.3, those of variables CF.

The asset `subset` says how to cut the data set on the server. Its `href` is the address of the
data set without a format (`…/tabledap/ID`, `…/griddap/ID`): a request is
`HREF.FORMAT?QUERY` (ERDDAP documentation, "tabledap" and "griddap"). `pelagos:subset` in it:

- `protocol`: `tabledap` or `griddap`;
- `formats`: media types by FORMAT;
- `axes`: a list of `{axis, name, units, min, max}`, `axis` one of X, Y, Z, T, or "" for another
  dimension of a grid; `positive` (up, down) for Z where known; times of `min` and `max` are
  seconds since 1970-01-01T00:00:00Z. Ends that the server does not say (or that can't be) are
  left out. Of a grid, `axes` are all its dimensions in the order of the query's brackets, with
  `size`, `ascending` (false: the first index has the greatest value) and, where the server says
  so, `even`: its points are equally far apart;
- `variables`: a list of `{name, type, units, standard_name, long_name}` without the axes; at most
  500, `variables_left_out` counts the rest.

A table is cut with `&NAME>=VALUE` and `&NAME<=VALUE`, a grid with `VARIABLE[(MIN):(MAX)]…` for each
dimension. Longitudes of `min` and `max` are the server's own, and may run from 0 to 360.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pelagos.catalogue.markup import plain_text
from pelagos.catalogue.records import Access, Asset, Box, Interval, Parameter, RecordError
from pelagos.catalogue.terms import term_of
from pelagos.catalogue.values import parse_moment

_VARIABLES = 500
_FORMATS = {"nc": "application/x-netcdf", "csv": "text/csv"}
_SPECIAL = {"longitude": "X", "latitude": "Y", "altitude": "Z", "depth": "Z", "time": "T"}
_NUMBERS = frozenset(
    {"byte", "ubyte", "short", "ushort", "int", "uint", "long", "ulong", "float", "double"}
)
# of ERDDAP's categories (ioos_category), those that are no measured quantity
_NOT_MEASURED = frozenset(
    {"", "Unknown", "Other", "Identifier", "Statistics", "Time", "Location", "Quality", "Taxonomy"}
)
_BESIDE = ("_qc", "_error", "_flag", "_flags", "_quality", "_status")  # of another variable
_DEEPEST, _HIGHEST = 12_000.0, 100_000.0  # metres; what is beyond is a fill value
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,200}", re.ASCII)
_P01 = re.compile(r"SDN:P01::([A-Z0-9]{8})", re.ASCII)
_YEAR = re.compile(r"\d{4}", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Variable:
    """A variable or dimension, with its attributes as text."""

    name: str
    type: str
    dimension: bool = False
    properties: Mapping[str, str] = field(default_factory=dict)
    attributes: dict[str, str] = field(default_factory=dict)

    def get(self, name: str) -> str:
        """An attribute, "" if it has none."""
        return self.attributes.get(name, "").strip()

    @property
    def axis(self) -> str:
        """X, Y, Z or T; "" for what is none of them."""
        return _SPECIAL.get(self.name) or (
            self.get("axis") if self.get("axis") in ("X", "Y", "Z", "T") else ""
        )

    @property
    def range(self) -> tuple[float, float] | None:
        """Least and greatest value, as far as the server knows them."""
        values = [number(text) for text in self.get("actual_range").split(",")]
        if len(values) != 2 or values[0] is None or values[1] is None:
            return None
        return min(values[0], values[1]), max(values[0], values[1])


@dataclass(frozen=True)
class Info:
    """One info page. `globals` are the attributes of the whole."""

    globals: dict[str, str]
    variables: dict[str, Variable]

    def get(self, *names: str) -> str:
        """The first global attribute of these that says something."""
        return next((text for name in names if (text := self.globals.get(name, "").strip())), "")


def rows(document: Any) -> list[dict[str, Any]]:
    """ERDDAP's table in JSON as one dict for each row. Raises RecordError if it is none."""
    table = document.get("table") if isinstance(document, dict) else None
    names = table.get("columnNames") if isinstance(table, dict) else None
    lines = table.get("rows") if isinstance(table, dict) else None
    if not isinstance(names, list) or not isinstance(lines, list):
        raise RecordError("not a table of ERDDAP: no table.columnNames and table.rows")
    if not all(isinstance(line, list) and len(line) == len(names) for line in lines):
        raise RecordError("not a table of ERDDAP: a row that has not as many values as columns")
    return [dict(zip(map(str, names), line, strict=True)) for line in lines]


def read_info(document: Any) -> Info:
    """An info page. Raises RecordError if it is none."""
    whole: dict[str, str] = {}
    variables: dict[str, Variable] = {}
    for row in rows(document):
        kind, name = row.get("Row Type"), str(row.get("Variable Name") or "")
        value = str(row.get("Value") or "")
        if kind in ("variable", "dimension"):
            if not _NAME.fullmatch(name):  # it would stand in requests
                continue
            pairs = (part.partition("=") for part in value.split(","))
            properties = {key.strip(): text.strip() for key, _, text in pairs}
            variables[name] = Variable(
                name, str(row.get("Data Type") or ""), kind == "dimension", properties
            )
        elif kind == "attribute":
            attribute = str(row.get("Attribute Name") or "")
            if name == "NC_GLOBAL":
                whole[attribute] = value
            elif name in variables:
                variables[name].attributes[attribute] = value
    if not variables:
        raise RecordError("its info page names no variable")
    return Info(whole, variables)


def number(value: Any) -> float | None:
    """A finite number; None for anything else."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None


def box_of(west: Any, south: Any, east: Any, north: Any) -> Box | None:
    """A box of what a server says; None if one of its sides is not known.

    Longitudes of 0 to 360 become -180 to 180. Ends that can't be (ERDDAP counts fill values such
    as -999.999 among the data) are moved to the end of the range: nothing is hidden by that.
    """
    sides = [number(side) for side in (west, south, east, north)]
    if any(side is None for side in sides):
        return None
    left, low, right, high = (side for side in sides if side is not None)
    if left > right or low > high:
        raise RecordError(f"extent: west {left} > east {right} or south {low} > north {high}")
    low, high = max(-90.0, low), min(90.0, high)
    if low > high:
        return None
    if left < -180 or right > 360 or right - left >= 360:
        left, right = -180.0, 180.0
    elif right > 180:
        left, right = (left - 360 if left > 180 else left), right - 360
    return Box(left, low, right, high)


def time_of(value: Any) -> datetime | None:
    """A time as ERDDAP writes it: ISO 8601, or seconds since 1970; None for none.

    Raises RecordError for something else.
    """
    text = str(value if value is not None else "").strip()
    seconds = None if _YEAR.fullmatch(text) else number(text)
    if text == "NaN":
        return None
    if seconds is None:
        return parse_moment(text)
    try:
        return _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        raise RecordError(f"time: {text[:40]!r} is none") from None


def interval_of(start: Any, end: Any) -> Interval | None:
    """A span of time; None if neither end is known."""
    first, last = time_of(start), time_of(end)
    return Interval(first, last) if first or last else None


def depth_of(info: Info) -> tuple[float, float] | None:
    """Least and greatest depth in metres, of the axis `depth` or `altitude`, or of the globals."""
    for name, sign in (("depth", 1), ("altitude", -1)):
        variable = info.variables.get(name)
        if variable and variable.range and variable.get("units") in ("m", "meters", "metres"):
            return _depths(*variable.range, sign)
    if info.get("geospatial_vertical_units") in ("m", "meters", "metres"):
        least = number(info.get("geospatial_vertical_min"))
        most = number(info.get("geospatial_vertical_max"))
        sign = -1 if info.get("geospatial_vertical_positive") == "up" else 1
        if least is not None and most is not None:
            return _depths(least, most, sign)
    return None


def _depths(first: float, last: float, sign: int) -> tuple[float, float] | None:
    least, most = sorted((sign * first, sign * last))
    return (least, most) if least >= -_HIGHEST and most <= _DEEPEST else None


def parameters_of(info: Info) -> tuple[Parameter, ...]:
    """The measured quantities, each once: no axes, flags, errors or identifiers."""
    found: dict[str, Parameter] = {}
    for variable in info.variables.values():
        # pressure is an axis, and measured too
        is_axis = variable.dimension or variable.axis in ("X", "Y", "T")
        if is_axis or variable.name in _SPECIAL or not _is_measured(variable):
            continue
        parameter = _parameter(variable)
        same = parameter.standard_name or parameter.p01 or parameter.name.lower()
        found.setdefault(same, parameter)
    return tuple(found.values())[:_VARIABLES]


def _parameter(variable: Variable) -> Parameter:
    name = plain_text(variable.get("standard_name"), 200).split(" ")[
        0
    ]  # a modifier may follow (CF 3.3)
    return Parameter(
        name=plain_text(variable.get("long_name"), 200) or name.replace("_", " ") or variable.name,
        standard_name=name,
        p01=found[1] if (found := _P01.fullmatch(variable.get("sdn_parameter_urn"))) else "",
        units=plain_text(variable.get("units"), 100),
    )


def _is_measured(variable: Variable) -> bool:
    if variable.type not in _NUMBERS or variable.name.lower().endswith(_BESIDE):
        return False
    name, units = variable.get("standard_name"), variable.get("units")
    if name in _SPECIAL or " since " in units or "status_flag" in name or "standard_error" in name:
        return False
    if name or variable.get("sdn_parameter_urn"):
        return True
    measured = variable.get("ioos_category") not in _NOT_MEASURED
    return measured or term_of(_parameter(variable)) is not None


def subset_of(address: str, protocol: str, info: Info) -> Asset:
    """The asset `subset` of a data set at `address`, the base of ERDDAP."""
    proxy = info.get("cdm_altitude_proxy", "cdm_depth_proxy")
    others: list[Variable] = []
    axes: list[dict[str, Any]] = []
    for variable in info.variables.values():
        axis = variable.axis or ("Z" if variable.name == proxy else "")
        is_axis = variable.dimension if protocol == "griddap" else bool(axis)
        if is_axis and (protocol == "griddap" or axis not in {one["axis"] for one in axes}):
            axes.append(_axis(axis, variable))
        else:
            others.append(variable)
    if not others:
        raise RecordError("its info page names no variable beside the axes")
    extra: dict[str, Any] = {
        "protocol": protocol,
        "formats": dict(_FORMATS),
        "axes": axes,
        "variables": [_described(variable) for variable in others[:_VARIABLES]],
    }
    if len(others) > _VARIABLES:
        extra["variables_left_out"] = len(others) - _VARIABLES
    return Asset(
        "subset",
        address,
        _FORMATS["nc"],
        "Subset by box, time and variables (ERDDAP)",
        access=Access.SUBSET,
        extra={"pelagos:subset": extra},
    )


def _axis(axis: str, variable: Variable) -> dict[str, Any]:
    described: dict[str, Any] = {"axis": axis, "name": variable.name}
    if variable.get("units"):
        described["units"] = plain_text(variable.get("units"), 100)
    if variable.range and _is_likely(axis, variable.range):
        described["min"], described["max"] = variable.range
    if axis == "Z":
        positive = variable.get("positive") or {"depth": "down", "altitude": "up"}.get(
            variable.name, "down" if "pressure" in variable.get("standard_name") else ""
        )
        if positive in ("up", "down"):
            described["positive"] = positive
    if variable.dimension:
        size = variable.properties.get("nValues", "")
        if size.isdecimal():
            described["size"] = int(size)
        spacing = variable.properties.get("averageSpacing", "")
        described["ascending"] = not spacing.startswith("-")
        if variable.properties.get("evenlySpaced") == "true":
            described["even"] = True
    return described


def _is_likely(axis: str, ends: tuple[float, float]) -> bool:
    """Whether a range can be: ERDDAP counts fill values among the data."""
    limits = {"X": (-360.0, 540.0), "Y": (-90.0, 90.0), "Z": (-_HIGHEST, _HIGHEST)}
    low, high = limits.get(axis, (-math.inf, math.inf))
    return low <= ends[0] and ends[1] <= high


def _described(variable: Variable) -> dict[str, str]:
    fields = {
        "name": variable.name,
        "type": variable.type,
        "units": variable.get("units"),
        "standard_name": variable.get("standard_name"),
        "long_name": variable.get("long_name"),
    }
    return {key: plain_text(text, 200) for key, text in fields.items() if text}
