"""What the variables of a data set are: axes, data, or things beside them.

After the CF conventions (`axis`, `standard_name`, `units`, `positive`), else by usual names.
"""

from __future__ import annotations

import re
from typing import Any

LONGITUDE, LATITUDE, TIME, VERTICAL = "longitude", "latitude", "time", "vertical"
AXES = (LONGITUDE, LATITUDE, TIME, VERTICAL)

_STANDARD = {
    "longitude": LONGITUDE,
    "latitude": LATITUDE,
    "grid_longitude": LONGITUDE,
    "grid_latitude": LATITUDE,
    "time": TIME,
    **dict.fromkeys(
        (
            "depth",
            "altitude",
            "height",
            "sea_water_pressure",
            "air_pressure",
            "depth_below_geoid",
            "height_above_mean_sea_level",
            "ocean_sigma_coordinate",
            "ocean_s_coordinate",
            "model_level_number",
        ),
        VERTICAL,
    ),
}
_UNITS = {
    **dict.fromkeys(("degrees_east", "degree_east", "degrees_e", "degree_e"), LONGITUDE),
    **dict.fromkeys(("degrees_north", "degree_north", "degrees_n", "degree_n"), LATITUDE),
}
_NAMES = {
    **dict.fromkeys(("longitude", "lon", "nav_lon", "long"), LONGITUDE),
    **dict.fromkeys(("latitude", "lat", "nav_lat"), LATITUDE),
    **dict.fromkeys(("time", "juld", "time_counter", "datetime", "date_time"), TIME),
    **dict.fromkeys(("depth", "deptht", "depthu", "depthv", "depthw", "depth_m", "z"), VERTICAL),
    **dict.fromkeys(("pres", "pres_adjusted", "pressure", "lev"), VERTICAL),
    # P01 codes, as SeaDataNet names columns
    **dict.fromkeys(("presspr01", "prespr01", "depthpr01", "dephpr01", "adepzz01"), VERTICAL),
}
_AXIS = {"X": LONGITUDE, "Y": LATITUDE, "T": TIME, "Z": VERTICAL}
_BESIDE = re.compile(
    r"((^|_)(qc|qv|flags?|sigfigs|row_?size|status|bnds|bounds|vertices)$)|^bounds_|^qv:|flag$",
    re.IGNORECASE,
)
_LESS = re.compile(r"(error|_std|_sd|uncertainty|stdev|_count|_number|_num|_id)$", re.IGNORECASE)
_FLOOR = re.compile(r"bot(tom)?[._ ]+depth|sea_floor_depth", re.IGNORECASE)
# what a person most likely wants to see first
_WANTED = (
    "sea_water_temperature",
    "sea_water_conservative_temperature",
    "sea_water_potential_temperature",
    "sea_surface_temperature",
    "surface_temperature",
    "sea_water_salinity",
    "sea_water_practical_salinity",
    "mass_concentration_of_chlorophyll_a_in_sea_water",
)


def role_of(name: str, variable: Any) -> str:
    """Which axis it is; "" for none."""
    attrs = variable.attrs
    standard = str(attrs.get("standard_name", "")).strip().lower()
    units, lower = str(attrs.get("units", "")).strip().lower(), name.lower()
    if variable.dtype.kind not in "fiu" or _BESIDE.search(name):
        return ""
    if standard in _STANDARD:
        return _STANDARD[standard]
    if standard:
        # another standard name: a vertical axis only if it says so
        is_vertical = "positive" in attrs or attrs.get("axis") == "Z"
        return VERTICAL if is_vertical and variable.ndim == 1 else ""
    if units in _UNITS:
        return _UNITS[units]
    if lower in _NAMES:
        return _NAMES[lower]
    if " since " in units:
        return TIME
    if "positive" in attrs:
        return VERTICAL
    axis = _AXIS.get(str(attrs.get("axis", "")).upper(), "")
    return axis if variable.ndim == 1 else ""


class Roles:
    """The variables of a data set by what they are."""

    def __init__(self, data: Any) -> None:
        beside = {
            str(one.attrs[name])
            for one in data.variables.values()
            for name in ("bounds", "grid_mapping", "climatology")
            if name in one.attrs
        } | {
            str(one.encoding[name])
            for one in data.variables.values()
            for name in ("bounds", "grid_mapping")
            if name in one.encoding
        }
        self.axes: dict[str, list[str]] = {axis: [] for axis in AXES}
        self.data: list[str] = []
        for name, variable in data.variables.items():
            if not isinstance(name, str) or name in beside:
                continue
            if role := role_of(name, variable):
                self.axes[role].append(name)
            elif _is_data(name, variable):
                self.data.append(name)
        self.data.sort(key=lambda name: -_rank(name, data[name], self._sized(data)))

    def _sized(self, data: Any) -> set[str]:
        """Dimensions along which an axis goes."""
        return {dim for names in self.axes.values() for name in names for dim in data[name].dims}


def _is_data(name: str, variable: Any) -> bool:
    attrs = variable.attrs
    return (
        variable.dtype.kind in "fiu"
        and variable.ndim >= 1
        and variable.size > 1
        and not _BESIDE.search(name)
        and "status_flag" not in str(attrs.get("standard_name", ""))
        and not str(attrs.get("long_name", "")).lower().startswith(("flag", "quality"))
        and not {"flag_values", "flag_masks", "sample_dimension", "cf_role"} & set(attrs)
        and "grid_mapping_name" not in attrs
        and " since " not in str(attrs.get("units", ""))
    )


def _rank(name: str, variable: Any, along: set[str]) -> float:
    standard = str(variable.attrs.get("standard_name", "")).lower()
    points = 2.0 * len(set(variable.dims) & along)
    if standard in _WANTED:
        points += 40 - _WANTED.index(standard)
    elif re.search(r"^(temp|tos|sst)$|temperature", name, re.IGNORECASE):
        points += 26
    elif re.search(r"^(psal|sal)$|salinity", name, re.IGNORECASE):
        points += 25
    points += 6 if standard else 0
    points += 4 if variable.attrs.get("units") else 0
    points -= 30 if _LESS.search(name) or _FLOOR.search(f"{name} {standard}") else 0
    points -= 8 if variable.dtype.kind in "iu" else 0
    return points
