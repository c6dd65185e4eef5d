"""Profile, time series or map: which a variable can be shown as, and that, made small."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from jupyterlab_pelagos.glance.roles import LATITUDE, LONGITUDE, TIME, VERTICAL, Roles
from jupyterlab_pelagos.glance.values import (
    CELLS,
    POINTS,
    Unshowable,
    axis,
    exact,
    floats,
    is_bad,
    label,
    milliseconds,
    numbers,
    sample,
    units,
    written,
)

_LOOKED = 256  # profiles or series that are looked through for one with values
_GRID = 4  # a map has more cells than that along each side, if there is a profile or a series, too
_FINE = 600  # rows and columns of a curvilinear grid that are brought onto a regular one
_READ = 4_000_000  # values that are read at once
_ENOUGH = 20  # levels of a profile that is worth to be seen first
_FLAGS = ("{}_QC", "{}_SEADATANET_QC", "{}_qc", "QV:{}")

Shown = dict[str, Any]


class Look:
    """One variable of a data set, to be shown."""

    def __init__(self, data: Any, roles: Roles, name: str) -> None:
        self.data, self.roles, self.name = data, roles, name
        self.variable = data[name]
        self.notes: list[str] = []

    def show(self) -> Shown:
        """Kind and axes. Raises Unshowable."""
        vertical, time, grid = self._vertical(), self._time(), self._grid()
        feature = str(self.data.attrs.get("featureType", "")).lower()
        if grid is not None and (not (vertical or time) or self._cells(grid) > _GRID**2 * 4):
            return self._map(grid)
        if vertical and self._is_rows(vertical):
            if feature == "trajectory" and time:
                return self._series(time)
            rows = self._run(vertical)
            if rows is not None:
                return self._profile_of_rows(vertical, rows)
            if time:
                return self._series(time)
        if vertical:
            return self._profile(vertical)
        if ragged := self._ragged():
            return ragged
        if time:
            return self._series(time)
        if grid is not None:
            return self._map(grid)
        raise Unshowable("it is neither over depth, nor over time, nor on a map")

    # which axes it goes along

    def _vertical(self) -> str:
        """The vertical axis of it: of the same kind (adjusted or not) first."""
        return self._along(VERTICAL)

    def _time(self) -> str:
        return self._along(TIME)

    def _along(self, role: str) -> str:
        dims = self.variable.dims
        fitting = [
            name
            for name in self.roles.axes[role]
            if self.data[name].ndim
            and set(self.data[name].dims) <= set(dims)
            and self.data[name].size > 1
            and self.data[name].sizes[self.data[name].dims[-1]] > 1
        ]
        suffix = "_ADJUSTED" if self.name.endswith("_ADJUSTED") else ""
        fitting.sort(
            key=lambda one: (one.endswith("_ADJUSTED") != bool(suffix), self.data[one].ndim)
        )
        return fitting[0] if fitting else ""

    def _grid(self) -> tuple[str, str] | None:
        """Longitude and latitude, each along its own dimension, or both over two."""
        dims = set(self.variable.dims)
        for east in self.roles.axes[LONGITUDE]:
            for north in self.roles.axes[LATITUDE]:
                x, y = self.data[east], self.data[north]
                own = x.ndim == y.ndim == 1 and x.dims != y.dims
                both = x.ndim == 2 and x.dims == y.dims
                along = {*x.dims, *y.dims}
                wide = all(self.data.sizes[one] > 1 for one in along)
                if (own or both) and along <= dims and wide:
                    return east, north
        return None

    def _cells(self, grid: tuple[str, str]) -> int:
        dims = {dim for name in grid for dim in self.data[name].dims}
        return int(np.prod([self.data.sizes[dim] for dim in dims]))

    def _is_rows(self, vertical: str) -> bool:
        """Whether samples of several profiles stand one below the other."""
        return self.variable.ndim == 1 and any(
            self.data[name].dims == self.variable.dims
            for role in (TIME, LATITUDE, LONGITUDE)
            for name in self.roles.axes[role]
        )

    # values

    def _values(self, chosen: dict[str, Any]) -> Any:
        """Values of a part, without what its flags call bad."""
        part = self.variable.isel(chosen)
        if part.size > _READ:
            raise Unshowable("too much of it would have to be read")
        found = floats(part)
        for pattern in _FLAGS:
            flags = self.data.variables.get(pattern.format(self.name))
            if flags is not None and flags.dims == self.variable.dims:
                bad = is_bad(flags.isel(chosen).values) & np.isfinite(found)
                if bad.any():
                    found = np.where(bad, np.nan, found)
                    self._note("Values that are flagged as bad are left out.")
                break
        return found

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def _column(self, along: str) -> tuple[dict[str, Any], Any]:
        """The first profile or series that has values: where it is, and its values."""
        others = [dim for dim in self.variable.dims if dim != along]
        step = max(1, int(_LOOKED ** (1 / max(1, len(others)))))
        levels = max(1, self.variable.sizes[along])
        while others and step > 2 and step ** len(others) * levels > _READ:
            step //= 2
        looked = {dim: sample(self.variable.sizes[dim], step) for dim in others}
        chosen: dict[str, Any] = {}
        if others:
            whole = self._values(looked)
            order = [self.variable.dims.index(dim) for dim in (*others, along)]
            flat = np.transpose(whole, order).reshape(-1, levels)
            enough = np.flatnonzero(np.isfinite(flat).sum(axis=1) >= min(2, levels))
            if not len(enough):
                raise Unshowable("it has no values where it was looked at")
            place = np.unravel_index(enough[0], [len(looked[dim]) for dim in others])
            chosen = {dim: int(looked[dim][at]) for dim, at in zip(others, place, strict=True)}
        self.notes.extend(self._where(chosen))
        return chosen, self._values(chosen)

    def _where(self, chosen: dict[str, int], is_row: bool = False) -> list[str]:
        """Where a part is, for people; `is_row`: one of many samples, whose number says nothing."""
        told = []
        for dim, at in chosen.items():
            size = self.data.sizes[dim]
            if size > 1 and not is_row:
                told.append(f"{dim}: {at + 1:,} of {size:,}")
        for role in (TIME, LATITUDE, LONGITUDE, *(() if is_row else (VERTICAL,))):
            for name in self.roles.axes[role][:1]:
                one = self.data[name]
                if not set(one.dims) <= set(chosen) or one.size > _READ:
                    continue
                value = float(one.isel({dim: chosen[dim] for dim in one.dims}).values)
                if np.isfinite(value) and (text := self._said(role, name, value)):
                    told.append(text)
        return [f"At {'; '.join(told)}."] if told else []

    def _said(self, role: str, name: str, value: float) -> str:
        attrs = self.data[name].attrs
        if role == TIME:
            try:
                return written(float(milliseconds([value], attrs)[0]))
            except Unshowable:
                return ""
        unit = units(attrs)
        short = {LATITUDE: "latitude", LONGITUDE: "longitude"}.get(role) or label(name, attrs)
        degrees = role in (LATITUDE, LONGITUDE)
        return f"{short} {value:.6g}{'°' if degrees else f' {unit}' if unit else ''}"

    # kinds

    def _profile(self, vertical: str) -> Shown:
        level = self.data[vertical].dims[-1]
        chosen, values = self._column(level)
        at = {dim: chosen[dim] for dim in self.data[vertical].dims if dim != level}
        return self._drawn_profile(vertical, values, floats(self.data[vertical].isel(at)))

    def _drawn_profile(self, vertical: str, values: Any, depths: Any) -> Shown:
        attrs = dict(self.data[vertical].attrs)
        good = np.isfinite(values) & np.isfinite(depths)
        if not good.any():
            raise Unshowable("it has no values")
        values, depths = values[good], depths[good]
        upward = str(attrs.get("positive", "")).lower() == "up" or (
            str(attrs.get("standard_name", "")) in ("altitude", "height")
        )
        if upward:
            depths = -depths
            attrs = {"long_name": "Depth", "units": attrs.get("units", "")}
        order = np.argsort(depths, kind="stable")
        kept = order[sample(len(order), POINTS)]
        self._fewer(len(kept), len(order))
        return {
            "kind": "profile",
            "x": axis(self.name, self.variable.attrs, numbers(values[kept])),
            "y": axis(vertical, attrs, numbers(depths[kept])),
            "z": None,
        }

    def _fewer(self, shown: int, all_: int) -> None:
        if shown < all_:
            self._note(f"{shown:,} of {all_:,} values are shown.")

    def _run(self, vertical: str) -> Any:
        """The rows of the first profile: side by side, at one time and place."""
        keys = [
            floats(self.data[name])
            for role in (TIME, LATITUDE, LONGITUDE)
            for name in self.roles.axes[role][:1]
            if self.data[name].dims == self.variable.dims
        ]
        if not keys or self.variable.size > _READ:
            return None
        changed = np.zeros(self.variable.size, dtype=bool)
        for key in keys:
            changed[1:] |= ~((key[1:] == key[:-1]) | (np.isnan(key[1:]) & np.isnan(key[:-1])))
        edges = [0, *np.flatnonzero(changed).tolist(), self.variable.size]
        depths, values = floats(self.data[vertical]), self._values({})
        good = np.isfinite(depths) & np.isfinite(values)
        best: tuple[int, int, slice] | None = None
        for number, (first, last) in enumerate(pairwise(edges), 1):
            levels = np.unique(depths[first:last][good[first:last]]).size
            if levels >= 2 and (best is None or levels > best[0]):
                best = levels, number, slice(first, last)
            if levels >= _ENOUGH:
                break
        if best is None:
            return None
        if len(edges) > 2:
            self._note(f"Profile {best[1]:,} of {len(edges) - 1:,}.")
        return best[2], values

    def _profile_of_rows(self, vertical: str, found: Any) -> Shown:
        rows, values = found
        (dim,) = self.variable.dims
        self.notes.extend(self._where({dim: rows.start}, is_row=True))
        return self._drawn_profile(vertical, values[rows], floats(self.data[vertical])[rows])

    def _ragged(self) -> Shown | None:
        """Profiles one below the other, with a count for each (CF 9.3.3; as in the WOD)."""
        if self.variable.ndim != 1:
            return None
        counts = {
            str(one.attrs["sample_dimension"]): floats(one)
            for one in self.data.variables.values()
            if "sample_dimension" in one.attrs and one.ndim == 1
        }
        own = counts.get(str(self.variable.dims[0]))
        for vertical in self.roles.axes[VERTICAL]:
            depth = self.data[vertical]
            theirs = counts.get(str(depth.dims[0])) if depth.ndim == 1 else None
            if own is None or theirs is None or own.shape != theirs.shape:
                continue
            mine, other = np.nan_to_num(own).astype(int), np.nan_to_num(theirs).astype(int)
            for number in np.flatnonzero((mine == other) & (mine >= 2))[:1]:
                rows = slice(int(mine[:number].sum()), int(mine[: number + 1].sum()))
                levels = slice(int(other[:number].sum()), int(other[: number + 1].sum()))
                self._note(f"Profile {number + 1:,} of {len(mine):,}.")
                values = self._values({self.variable.dims[0]: rows})
                return self._drawn_profile(
                    vertical, values, floats(depth.isel({depth.dims[0]: levels}))
                )
        return None

    def _series(self, time: str) -> Shown:
        along = self.data[time].dims[-1]
        chosen, values = self._column(along)
        at = {dim: chosen[dim] for dim in self.data[time].dims if dim != along}
        times = floats(self.data[time].isel(at))
        good = np.isfinite(values) & np.isfinite(times)
        if not good.any():
            raise Unshowable("it has no values")
        kept = np.flatnonzero(good)
        kept = kept[sample(len(kept), POINTS)]
        self._fewer(len(kept), int(good.sum()))
        moments = milliseconds(times[kept], self.data[time].attrs)
        order = np.argsort(moments, kind="stable")
        shown = axis(time, {**self.data[time].attrs, "units": ""}, exact(moments[order]))
        return {
            "kind": "series",
            "x": shown,
            "y": axis(self.name, self.variable.attrs, numbers(values[kept][order])),
            "z": None,
        }

    def _map(self, grid: tuple[str, str]) -> Shown:
        east, north = grid
        dims = list(dict.fromkeys([*self.data[north].dims, *self.data[east].dims]))
        curved = self.data[east].ndim == 2
        most = _FINE if curved else CELLS
        chosen: dict[str, Any] = {dim: _stride(self.data.sizes[dim], most) for dim in dims}
        others = {dim: 0 for dim in self.variable.dims if dim not in dims}
        part = self.variable.transpose(*others, *dims)
        found = floats(part.isel({**others, **chosen}))
        if not np.isfinite(found).any():
            raise Unshowable("it has no values where it was looked at")
        self.notes.extend(self._where(others))
        if curved:
            x, y = (floats(self.data[one].isel(chosen)) for one in grid)
            lon, lat, values = _regular(x, y, found)
            self._note("Brought onto a regular grid for this look.")
        else:
            lon = floats(self.data[east].isel({dims[1]: chosen[dims[1]]}))
            lat = floats(self.data[north].isel({dims[0]: chosen[dims[0]]}))
            values = found[np.ix_(np.argsort(lat), np.argsort(lon))]
            lon, lat = np.sort(lon), np.sort(lat)
            cells = self.variable.sizes[dims[0]] * self.variable.sizes[dims[1]]
            self._fewer(values.size, cells)
        return {
            "kind": "map",
            "x": axis(east, self.data[east].attrs, exact(lon)),
            "y": axis(north, self.data[north].attrs, exact(lat)),
            "z": axis(self.name, self.variable.attrs, numbers(values)),
        }


def _stride(size: int, most: int) -> slice:
    return slice(None, None, max(1, -(-size // most)))


def _regular(lon: Any, lat: Any, values: Any) -> tuple[Any, Any, Any]:
    """Means of cells of a regular grid."""
    good = np.isfinite(lon) & np.isfinite(lat) & np.isfinite(values)
    if not good.any():
        raise Unshowable("it has no values")
    x, y, z = lon[good], lat[good], values[good]
    # no finer than the points are
    count = int(np.clip(np.sqrt(good.size) * 0.7, 2, CELLS))
    edges_x = np.linspace(x.min(), x.max() + 1e-9, count + 1)
    edges_y = np.linspace(y.min(), y.max() + 1e-9, count + 1)
    total, _, _ = np.histogram2d(y, x, bins=(edges_y, edges_x), weights=z)
    number, _, _ = np.histogram2d(y, x, bins=(edges_y, edges_x))
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(number > 0, total / number, np.nan)
    return (edges_x[1:] + edges_x[:-1]) / 2, (edges_y[1:] + edges_y[:-1]) / 2, _closed(mean)


def _closed(values: Any) -> Any:
    """Cells that no point fell into, between two that have values, get their mean.

    Rows of a curvilinear grid are further apart in some places than in others. A coast stays, as it
    has values on one side only.
    """
    around = np.pad(values, 1, constant_values=np.nan)
    pairs = (
        (around[:-2, 1:-1] + around[2:, 1:-1]) / 2,
        (around[1:-1, :-2] + around[1:-1, 2:]) / 2,
    )
    for between in pairs:
        values = np.where(np.isnan(values), between, values)
    return values
