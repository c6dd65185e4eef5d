"""A quick look at a data set: which of its variables is shown first, and under which title."""

from __future__ import annotations

from typing import Any

import numpy as np

from jupyterlab_pelagos.glance.roles import Roles
from jupyterlab_pelagos.glance.shapes import Look, Shown
from jupyterlab_pelagos.glance.values import Unshowable

_TRIED = 20
_VARIABLES = 200


def look(data: Any, variable: str = "", name: str = "") -> Shown:
    """A Preview as JSON, of `variable` or of what is most telling. Raises Unshowable."""
    data = data if hasattr(data, "data_vars") else of_table(data)
    roles = Roles(data)
    if variable:
        if variable not in roles.data:
            raise Unshowable(f"there is no variable {variable[:100]!r} that could be shown")
        wanted = [variable]
    else:
        wanted = _argo(data, roles.data)[:_TRIED]
    why = "there are no numbers in it that could be"
    for one in wanted:
        seen = Look(data, roles, one)
        try:
            shown = seen.show()
        except Unshowable as error:
            why = f"{one}: {error}"
            continue
        return {
            **shown,
            "title": _title(data, name),
            "variables": roles.data[:_VARIABLES],
            "notes": seen.notes,
        }
    raise Unshowable(why)


def _argo(data: Any, names: list[str]) -> list[str]:
    """Of Argo's, adjusted values where there are (DATA_MODE A and D; Argo user's manual 2.2.4)."""
    mode = data.variables.get("DATA_MODE")
    if mode is None or not mode.size:
        return sorted(names, key=lambda one: one.endswith("_ADJUSTED"))
    first = np.asarray(mode.values).ravel()[0]
    text = first.decode() if isinstance(first, bytes) else str(first)
    adjusted = text.strip() in ("A", "D")
    found = []
    for one in names:
        if one.endswith("_ADJUSTED"):
            continue
        both = [one, f"{one}_ADJUSTED"] if f"{one}_ADJUSTED" in names else [one]
        found += both[::-1] if adjusted else both
    return found


def _title(data: Any, name: str) -> str:
    number, cycle = (_first(data, one) for one in ("PLATFORM_NUMBER", "CYCLE_NUMBER"))
    if number and "N_PROF" in data.sizes:
        more = f", cycle {cycle.partition('.')[0]}" if cycle and data.sizes["N_PROF"] == 1 else ""
        return f"Float {number}{more}"
    return name or " ".join(str(data.attrs.get("title", "")).split())[:200]


def _first(data: Any, name: str) -> str:
    one = data.variables.get(name)
    if one is None or not one.size:
        return ""
    value = np.asarray(one.values).ravel()[0]
    return (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)).strip()


def of_table(frame: Any) -> Any:
    """A table as a data set of one dimension: times as numbers, units as attributes."""
    # has no types, and is not there where only the rest is checked
    import pandas  # type: ignore[import-untyped,unused-ignore]
    import xarray

    given_units = frame.attrs.get("units") or {}
    columns: dict[str, Any] = {}
    for name in frame.columns:
        column, text = frame[name], str(name)
        attrs = {"units": given_units[name]} if name in given_units else {}
        if text.lower() in ("time", "datetime", "date") and column.dtype.kind not in "fiuM":
            column = pandas.to_datetime(column, format="ISO8601", errors="coerce", utc=True)
            column = column.dt.tz_localize(None)
        if column.dtype.kind == "M":
            seconds = column.to_numpy(dtype="datetime64[ms]").astype("float64") / 1000.0
            values = np.where(column.isna().to_numpy(), np.nan, seconds)
            attrs = {"units": "seconds since 1970-01-01", "standard_name": "time"}
        elif column.dtype.kind in "fiub":
            values = column.to_numpy(dtype="float64")
        else:
            values = column.astype(str).to_numpy(dtype="object")
        columns[text] = ("row", values, attrs)
    return xarray.Dataset(columns)
