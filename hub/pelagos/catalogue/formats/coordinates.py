"""Which variables of a data set say where and when: CF, COARDS, Argo, SeaDataNet and WOD habits."""

from __future__ import annotations

import re
from collections.abc import Callable

from pelagos.catalogue.formats.calendars import is_time
from pelagos.catalogue.formats.structure import Structure, Variable

_NORTH = re.compile(r"degrees?_?n(orth)?", re.IGNORECASE)
_EAST = re.compile(r"degrees?_?e(ast)?", re.IGNORECASE)
_METRES = re.compile(r"m|metres?|meters?", re.IGNORECASE)
_LATITUDES = {"lat", "latitude", "nav_lat"}
_LONGITUDES = {"lon", "longitude", "nav_lon", "long"}
_DEPTHS = {"depth", "deptht", "depthu", "depthv", "depthw", "deph", "z", "lev"}
_PRESSURES = {"pres", "pressure", "sea_water_pressure"}
_PLAIN_TIMES = ("time", "juld", "time_counter", "ocean_time")
# decibar per unit
PRESSURE_UNITS = {
    "dbar": 1.0, "dbars": 1.0, "decibar": 1.0, "decibars": 1.0, "db": 1.0,
    "bar": 10.0, "bars": 10.0, "pa": 1e-4, "pascal": 1e-4, "pascals": 1e-4,
    "hpa": 1e-2, "kpa": 0.1, "mpa": 100.0,
}  # fmt: skip

Rank = Callable[[Variable], int | None]


def _latitude_like(names: set[str], units: re.Pattern[str], standard: str, axis: str) -> Rank:
    def rank(variable: Variable) -> int | None:
        name = variable.text("standard_name").lower()
        if name == standard:
            return 0
        if name:  # grid_latitude, projection_y_coordinate
            return None
        if units.fullmatch(variable.text("units")):
            return 1
        if variable.text("_CoordinateAxisType").lower() == axis:
            return 2
        return 3 if variable.name.rpartition("/")[2].lower() in names else None

    return rank


def _time_like(variable: Variable) -> int | None:
    if not is_time(variable.text("units")):
        return None
    name, plain = variable.text("standard_name").lower(), variable.name.rpartition("/")[2].lower()
    if name == "time":
        return 0 if plain in _PLAIN_TIMES else 1
    if name:  # forecast_reference_time
        return None
    if plain in _PLAIN_TIMES or variable.text("axis").upper() == "T":
        return 2
    return 3 if variable.dimensions == (variable.name,) else None


def _depth_like(variable: Variable) -> int | None:
    if not _METRES.fullmatch(variable.text("units")):
        return None
    name, plain = variable.text("standard_name").lower(), variable.name.rpartition("/")[2].lower()
    if name == "depth":
        return 0
    vertical = variable.text("axis").upper() == "Z" or bool(variable.text("positive"))
    if name in ("altitude", "height", "height_above_mean_sea_level") and vertical:
        return 2
    if name:
        return None
    return 1 if plain in _DEPTHS and (vertical or variable.numeric) else None


def _pressure_like(variable: Variable) -> int | None:
    if variable.text("units").lower() not in PRESSURE_UNITS:
        return None
    name, plain = variable.text("standard_name").lower(), variable.name.rpartition("/")[2].lower()
    if name in ("sea_water_pressure", "sea_water_pressure_due_to_sea_water"):
        return 0 if plain in _PRESSURES else 1
    return 2 if not name and plain in _PRESSURES else None


def _chosen(structure: Structure, rank: Rank) -> list[Variable]:
    """Variables that fit, the best first: by rank, then the larger, then as in the file."""
    helpers = structure.bounds()
    ranked = []
    for position, variable in enumerate(structure.variables.values()):
        if not variable.numeric or variable.name in helpers:
            continue
        found = rank(variable)
        if found is not None:
            size = 1
            for length in variable.shape:
                size *= length
            ranked.append((found, -size, position, variable))
    return [entry[3] for entry in sorted(ranked, key=lambda entry: entry[:3])]


def horizontal(structure: Structure) -> tuple[Variable, Variable] | None:
    """Latitude and longitude that belong together; None if there are none."""
    latitudes = _chosen(structure, _latitude_like(_LATITUDES, _NORTH, "latitude", "lat"))
    longitudes = _chosen(structure, _latitude_like(_LONGITUDES, _EAST, "longitude", "lon"))
    if not latitudes or not longitudes:
        return None
    latitude = latitudes[0]
    same = [one for one in longitudes if one.dimensions == latitude.dimensions]
    return latitude, (same or longitudes)[0]


def time(structure: Structure) -> Variable | None:
    """The time of the data, not of a forecast's start."""
    found = _chosen(structure, _time_like)
    return found[0] if found else None


def depth(structure: Structure) -> Variable | None:
    """Depth or height in metres."""
    found = _chosen(structure, _depth_like)
    return found[0] if found else None


def pressure(structure: Structure) -> Variable | None:
    """Pressure of sea water, as a coordinate."""
    found = _chosen(structure, _pressure_like)
    return found[0] if found else None


def upwards(variable: Variable) -> bool:
    """Whether greater numbers are higher up."""
    positive = variable.text("positive").lower()
    if positive:
        return positive == "up"
    return variable.text("standard_name").lower() in (
        "altitude",
        "height",
        "height_above_mean_sea_level",
    )
