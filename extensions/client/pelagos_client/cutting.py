"""Cuts a box, a time and variables out of what was opened, and joins what came in several files."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pelagos_client.access.model import Criteria
from pelagos_client.errors import OpenError
from pelagos_client.needed import module

_PROFILES = "N_PROF"  # of Argo
_LONGITUDE, _LATITUDE, _TIME = "longitude", "latitude", "time"
_UNITS = {
    _LONGITUDE: ("degrees_east", "degree_east", "degrees_e", "degree_e"),
    _LATITUDE: ("degrees_north", "degree_north", "degrees_n", "degree_n"),
}
_NAMES = {
    _LONGITUDE: ("longitude", "lon", "nav_lon", "x"),
    _LATITUDE: ("latitude", "lat", "nav_lat", "y"),
    _TIME: ("time", "juld", "time_counter", "datetime"),
}


def cut(data: Any, criteria: Criteria) -> Any:
    """What of a Dataset or DataFrame lies within the criteria; coordinates stay.

    Positions and times have to be one-dimensional: of grids, profiles, points and trajectories they
    are. Raises OpenError if there is none of what is to be cut by.
    """
    if criteria == Criteria():
        return data
    if not hasattr(data, "data_vars"):
        return _cut_table(data, criteria)
    for axis, keep in _conditions(criteria):
        variable = _find(data, axis)
        if variable is None:
            raise OpenError(f"The data have no {axis} to be cut by.", "Open them without it.")
        if variable.ndim == 0:
            if not bool(keep(variable.values.reshape(1))[0]):
                raise OpenError(f"Nothing of the data lies there ({axis}).", "Ask for more.")
            continue
        if variable.ndim > 1:
            raise OpenError(
                f"{variable.name} has {variable.ndim} dimensions, and only one can be cut.",
                "Open the data without the box, and select with xarray.",
            )
        data = data.isel({variable.dims[0]: _indices(keep(variable.values))})
    return _variables(data, criteria.variables)


def _conditions(criteria: Criteria) -> list[tuple[str, Any]]:
    numpy = module("numpy", "open")
    found: list[tuple[str, Any]] = []
    if criteria.bbox:
        west, south, east, north = criteria.bbox

        def around(values: Any) -> Any:
            # also where the data count from 0 to 360
            turned = (numpy.asarray(values, dtype=float) - west) % 360.0
            width = 360.0 if east - west >= 360 else (east - west) % 360.0
            return turned <= width

        found.append((_LONGITUDE, around))
        found.append((_LATITUDE, lambda values: (values >= south) & (values <= north)))
    if criteria.start or criteria.end:

        def during(values: Any) -> Any:
            if not numpy.issubdtype(values.dtype, numpy.datetime64):
                raise OpenError(
                    "The time of the data is of another calendar.", "Select with xarray."
                )
            inside = ~numpy.isnat(values)
            if criteria.start:
                inside &= values >= numpy.datetime64(_naive(criteria.start))
            if criteria.end:
                inside &= values <= numpy.datetime64(_naive(criteria.end))
            return inside

        found.append((_TIME, during))
    return found


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)


def _find(data: Any, axis: str) -> Any:
    """The coordinate of an axis: by standard name, units, or name; one-dimensional ones first."""
    found = []
    for name, variable in data.variables.items():
        attrs = variable.attrs
        lower = str(name).lower()
        points = 0
        if str(attrs.get("standard_name", "")).lower() == axis:
            points = 3
        elif str(attrs.get("units", "")).lower() in _UNITS.get(axis, ()):
            points = 2
        elif lower in _NAMES[axis] or (axis == _TIME and attrs.get("axis") == "T"):
            points = 1
        if points:
            plain = lower in _NAMES[axis]
            found.append((variable.ndim <= 1, plain, name in data.coords, points, str(name)))
    return data[max(found)[-1]] if found else None


def _indices(keep: Any) -> Any:
    """As a slice where they are side by side, which a server gives at once."""
    numpy = module("numpy", "open")
    found = numpy.flatnonzero(keep)
    if len(found) and found[-1] - found[0] + 1 == len(found):
        return slice(int(found[0]), int(found[-1]) + 1)
    return found


def _variables(data: Any, names: tuple[str, ...]) -> Any:
    """Raises OpenError if there is no such variable."""
    if not names:
        return data
    chosen: list[Any] = []
    for wanted in names:
        found = [
            name
            for name, variable in data.variables.items()
            if name == wanted or variable.attrs.get("standard_name") == wanted
        ]
        if not found:
            there = ", ".join(str(name) for name in list(data.data_vars)[:12])
            raise OpenError(f"The data have no variable {wanted!r}.", f"They have {there}.")
        chosen += found
    around = [_find(data, axis) for axis in (_LONGITUDE, _LATITUDE, _TIME)]
    kept = dict.fromkeys([*chosen, *(one.name for one in around if one is not None)])
    return data[list(kept)]


def _cut_table(data: Any, criteria: Criteria) -> Any:
    lower = {str(name).lower(): name for name in data.columns}
    keep = None
    for axis, condition in _conditions(criteria):
        name = next((lower[one] for one in _NAMES[axis] if one in lower), None)
        if name is None:
            raise OpenError(f"The table has no column {axis} to be cut by.", "Open it without it.")
        values = data[name]
        if axis == _TIME and values.dtype.kind != "M":
            values = module("pandas", "open").to_datetime(values, utc=True, errors="coerce")
            values = values.dt.tz_localize(None)
        here = condition(values.to_numpy())
        keep = here if keep is None else keep & here
    found = data if keep is None else data[keep].reset_index(drop=True)
    if criteria.variables:
        missing = [name for name in criteria.variables if name not in found.columns]
        if missing:
            there = ", ".join(str(name) for name in list(found.columns)[:12])
            raise OpenError(f"The table has no column {missing[0]!r}.", f"It has {there}.")
        around = [lower[name] for axis in _NAMES for name in _NAMES[axis] if name in lower]
        attrs = found.attrs
        found = found[list(dict.fromkeys([*around, *criteria.variables]))]
        found.attrs = attrs
    return found


def joined(parts: Mapping[str, Any], dim: str | None) -> Any:
    """One Dataset or DataFrame of all. Raises OpenError if they are of different kinds."""
    opened = dict(parts)
    tables = [name for name, data in opened.items() if not hasattr(data, "data_vars")]
    if tables and len(tables) < len(opened):
        raise OpenError("Some files are tables and some are not.", "Open them one by one.")
    if tables:
        pandas = module("pandas", "open")
        frames = [data.assign(item=name) for name, data in opened.items()]
        for frame in frames:  # pandas compares them, and what differs would be lost anyway
            frame.attrs = {}
        found = pandas.concat(frames, ignore_index=True)
        found.attrs["units"] = {
            name: unit
            for data in opened.values()
            for name, unit in data.attrs.get("units", {}).items()
        }
        return found
    return _joined_datasets(opened, dim)


def _joined_datasets(opened: Mapping[str, Any], dim: str | None) -> Any:
    xarray = module("xarray", "open")
    datasets = list(opened.values())
    if dim is None and all(_PROFILES in data.dims for data in datasets):
        dim = _PROFILES
    try:
        if dim is None:
            return xarray.combine_by_coords(
                datasets, combine_attrs="drop_conflicts", data_vars="minimal", coords="minimal",
                compat="override", join="outer",
            )  # fmt: skip
        return _concatenated(xarray, datasets, dim)
    except (ValueError, KeyError, TypeError) as error:
        raise OpenError(
            f"The files can't be joined: {error}.",
            "Say along which dimension: dim='…'; or open them one by one.",
        ) from error


def _concatenated(xarray: Any, datasets: list[Any], dim: str) -> Any:
    """Other dimensions of different lengths get numbers for the moment, so that they fill up."""
    numpy = module("numpy", "open")
    lengths: dict[Any, set[int]] = {}
    for data in datasets:
        for name, size in data.sizes.items():
            lengths.setdefault(name, set()).add(size)
    uneven = [
        name
        for name, sizes in lengths.items()
        if name != dim and len(sizes) > 1 and not any(name in data.coords for data in datasets)
    ]
    numbered = [
        data.assign_coords(
            {name: numpy.arange(data.sizes[name]) for name in uneven if name in data.sizes}
        )
        for data in datasets
    ]
    found = xarray.concat(
        numbered, dim=dim, data_vars="all", coords="different", compat="equals", join="outer",
        combine_attrs="drop_conflicts",
    )  # fmt: skip
    return found.drop_vars(uneven)
