"""What a NetCDF file says of itself, from its attributes and coordinate variables only.

Where and when is computed from the coordinates, since attributes are often those of the file that
another was cut out of; the attributes of ACDD stand in where coordinates can't be read.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import netCDF4
import numpy as np

from pelagos.catalogue.formats import attributes, coordinates, netcdf_values
from pelagos.catalogue.formats.calendars import moment, written
from pelagos.catalogue.formats.extents import Longitudes, Span, between, depth_of_pressure
from pelagos.catalogue.formats.netcdf_classic import check_length
from pelagos.catalogue.formats.structure import Structure, Variable
from pelagos.catalogue.formats.summary import NETCDF, Summary, UnreadableError

_VARIABLES, _ATTRIBUTES, _TEXT = 5_000, 2_000, 100_000
_BROKEN = (OSError, RuntimeError, ValueError, TypeError, KeyError, AttributeError, IndexError,
           MemoryError, OverflowError, UnicodeError)  # fmt: skip
_PLATFORM_VARIABLES = ("PLATFORM_NUMBER", "Platform", "PLATFORM_CODE", "platform_code")
_INSTRUMENT_VARIABLES = ("PLATFORM_TYPE", "Temperature_Instrument")
_WORD_VARIABLES = ("PROJECT_NAME", "PI_NAME", "SDN_CRUISE", "SDN_LOCAL_CDI_ID", "dataset",
                   "WOD_cruise_identifier", "Institute", "Ocean_Vehicle")  # fmt: skip


@dataclass
class _Open:
    """An open data set, its outline, and what was noted while it was read."""

    dataset: Any
    structure: Structure
    notes: list[str] = field(default_factory=list)

    def raw(self, variable: Variable | str) -> Any:
        name = variable if isinstance(variable, str) else variable.name
        return self.dataset[name]

    def small(self, variable: Variable) -> bool:
        """Whether it may be read; notes it if not."""
        if netcdf_values.size_of(variable) <= netcdf_values.VALUES_LIMIT:
            return True
        self.notes.append(f"{variable.name}: too large to be read")
        return False

    def blocks(self, variable: Variable, *, position: bool = False) -> Iterator[Any]:
        """Its values, flat; NaN where they are missing or flagged bad."""
        raw = self.raw(variable)
        flags = netcdf_values.flags_of(self.structure.variables, variable, position=position)
        for index in netcdf_values.blocks(raw):
            values = netcdf_values.floats(raw, variable, index)
            if flags:
                values[netcdf_values.bad(self.raw(flags), index)] = np.nan
            yield values

    def bounds(self, variable: Variable) -> Variable | None:
        """The variable of its cells' bounds, if it is one."""
        for name in (variable.text("climatology"), variable.text("bounds")):
            found = self.structure.variables.get(name)
            if found and found.numeric and found.shape[: len(variable.shape)] == variable.shape:
                return found
        return None


def read_netcdf(path: str) -> Summary:
    """What the file says. Raises UnreadableError.

    Reads in blocks, but a hostile file can make the C library crash, hang or take memory: call it
    in a process that may die (`aside.py`).
    """
    with open(path, "rb") as file:
        check_length(file, os.fstat(file.fileno()).st_size)
    try:
        dataset = netCDF4.Dataset(path, "r")
    except _BROKEN as error:
        raise UnreadableError(f"not NetCDF, or broken: {_reason(error)}") from error
    with contextlib.closing(dataset):
        try:
            dataset.set_auto_maskandscale(False)
            dataset.set_auto_chartostring(False)
            return _summary(_Open(dataset, outline(dataset)))
        except UnreadableError:
            raise
        except _BROKEN as error:
            raise UnreadableError(f"broken: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return attributes.one_line(text or type(error).__name__, 200)


def outline(dataset: Any) -> Structure:
    """Attributes and variables of a netCDF4 data set, also of its groups, three levels deep."""
    variables: dict[str, Variable] = {}
    level, names = [("", dataset)], {}
    for _ in range(3):
        below = []
        for path, group in level:
            names.update({path + name: one for name, one in group.variables.items()})
            below += [(f"{path}{name}/", one) for name, one in group.groups.items()]
        level = below
    if len(names) > _VARIABLES:
        raise UnreadableError(f"it has {len(names)} variables; the most is {_VARIABLES}")
    for name, raw in names.items():
        variables[name] = Variable(
            name,
            _attributes(raw),
            tuple(raw.dimensions),
            tuple(int(length) for length in raw.shape),
            raw.dtype is not str and getattr(raw.dtype, "kind", "") in "fiu",
        )
    return Structure(_attributes(dataset), variables)


def _attributes(holder: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in holder.ncattrs()[:_ATTRIBUTES]:
        try:
            value = holder.getncattr(name)
        except _BROKEN:
            continue  # one attribute of a strange type
        if isinstance(value, str):
            found[name] = value[:_TEXT]
        elif isinstance(value, bytes):
            found[name] = value[:_TEXT].decode("utf-8", "replace")
        elif isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "fiu":
            found[name] = value.ravel()[:100].tolist() if value.ndim else value.item()
        elif isinstance(value, list) and all(isinstance(one, str) for one in value):
            found[name] = ", ".join(value)[:_TEXT]
    return found


def _summary(data: _Open) -> Summary:
    structure = data.structure
    if not structure.variables and not structure.attributes:
        raise UnreadableError("it has neither variables nor attributes")
    place, moments = coordinates.horizontal(structure), coordinates.time(structure)
    box = _box(data, place) or attributes.box(structure)
    start, end = _times(data, moments)
    depth, vertical = _depth(data, box)
    used = {one.name for one in (*(place or ()), moments, vertical) if one}
    platforms, instruments = _platforms(data)
    of = Variable("", structure.attributes)
    updated = attributes.updated(structure)
    return Summary(
        NETCDF,
        title=attributes.title(structure),
        description=attributes.description(structure),
        licence=of.text("license", "licence", "rights")[:5_000],
        providers=attributes.providers(structure),
        keywords=attributes.keywords(structure),
        citation=attributes.citation(structure),
        doi=attributes.doi(structure),
        box=box,
        start=written(start),
        end=written(end),
        depth=depth,
        parameters=attributes.parameters(structure, used),
        platforms=platforms,
        instruments=instruments,
        feature_type=attributes.one_line(of.text("featureType", "cdm_data_type"), 40),
        words=_words(data),
        updated=written(updated),
        notes=tuple(dict.fromkeys(data.notes)),
    )


def _box(
    data: _Open, place: tuple[Variable, Variable] | None
) -> tuple[float, float, float, float] | None:
    if place is None or not all(data.small(one) for one in place):
        return None
    latitude, longitude = place
    paired = latitude.dimensions == longitude.dimensions
    south_north, around = Span(), Longitudes(_step(data, longitude, paired))
    if paired:
        _positions(data, latitude, longitude, south_north, around)
    else:
        for values in data.blocks(latitude, position=True):
            south_north.add(_latitudes(data, values))
        for values in data.blocks(longitude, position=True):
            around.add(values)
    ends, sides = south_north.ends(), around.ends()
    if ends is None or sides is None:
        return None
    if paired or len(longitude.shape) != 1:
        cells = [data.bounds(one) for one in place]
        for one, take in zip(cells, (south_north.add, around.add), strict=True):
            if one and data.small(one) and len(latitude.shape) == 2:
                for values in data.blocks(one):
                    take(_latitudes(data, values) if take == south_north.add else values)
        ends, sides = south_north.ends() or ends, around.ends() or sides
    else:
        ends = _widened(data, latitude, ends)
        sides = _cells(data, longitude, sides)
    south, north = (round(min(max(one, -90.0), 90.0), 6) for one in ends)
    return round(sides[0], 6), south, round(sides[1], 6), north


def _latitudes(data: _Open, values: Any) -> Any:
    outside = np.abs(values) > 90 + 1e-6
    cells = np.abs(values) <= 90.5  # bounds of cells at a pole
    if np.any(outside & ~cells):
        data.notes.append("latitudes beyond 90 degrees were left out")
    return np.where(outside & ~cells, np.nan, values)


def _positions(
    data: _Open, latitude: Variable, longitude: Variable, south_north: Span, around: Longitudes
) -> None:
    """Only where both are known. In a grid, repeated 0, 0 or -1, -1 stand for no position."""
    pairs = zip(
        data.blocks(latitude, position=True), data.blocks(longitude, position=True), strict=True
    )
    for ys, xs in pairs:
        known = np.isfinite(ys) & np.isfinite(xs)
        if len(latitude.shape) == 2:
            for nothing in (0.0, -1.0):
                same = (ys == nothing) & (xs == nothing)
                if np.count_nonzero(same) > 1:
                    known &= ~same
        inside = _latitudes(data, ys)
        known &= np.isfinite(inside)
        south_north.add(inside[known])
        around.add(xs[known])


def _step(data: _Open, longitude: Variable, paired: bool) -> float:
    """The distance of neighbours in a grid, in degrees; 0 if it is none."""
    if len(longitude.shape) != (2 if paired else 1) or 0 in longitude.shape:
        return 0.0
    raw = data.raw(longitude)
    index: tuple[Any, ...] = (slice(0, 100_000),)
    if len(longitude.shape) == 2:
        index = (longitude.shape[0] // 2, slice(0, 100_000))
    values = netcdf_values.floats(raw, longitude, index)
    apart = np.abs(np.diff(values[np.isfinite(values)])) % 360
    apart = np.minimum(apart, 360 - apart)
    return float(np.median(apart[apart > 0])) if np.any(apart > 0) else 0.0


def _widened(data: _Open, variable: Variable, ends: tuple[float, float]) -> tuple[float, float]:
    """Ends of an axis with those of its cells."""
    cells = data.bounds(variable)
    if cells is None or not data.small(cells):
        return ends
    span = Span(*ends)
    for values in data.blocks(cells):
        span.add(values)
    return span.ends() or ends


def _cells(data: _Open, longitude: Variable, sides: tuple[float, float]) -> tuple[float, float]:
    """West and east of an axis, with half a cell more where it has bounds."""
    cells = data.bounds(longitude)
    if cells is None or cells.shape[1:] != (2,) or not data.small(cells) or sides == (-180, 180):
        return sides
    centres = np.concatenate(list(data.blocks(longitude)))
    edges = np.concatenate(list(data.blocks(cells))).reshape(-1, 2)
    if not (np.all(np.isfinite(edges)) and np.all(np.isfinite(centres))):
        return sides
    turned = (centres + 180) % 360 - 180
    west = int(np.argmin(np.abs(turned - sides[0])))
    east = int(np.argmin(np.abs(turned - sides[1])))
    begin, end = float(edges[west].min()), float(edges[east].max())
    covered = float(np.abs(edges[:, 1] - edges[:, 0]).sum())
    if covered >= 359.999:
        return -180.0, 180.0
    return between((begin + 180) % 360 - 180, (end + 180) % 360 - 180 or end) or sides


def _times(data: _Open, variable: Variable | None) -> tuple[datetime | None, datetime | None]:
    said = attributes.times(data.structure)
    if variable is None or not data.small(variable):
        return said
    span = Span()
    cells = data.bounds(variable)
    for one in (variable, cells):
        if one and data.small(one):
            for values in data.blocks(one):
                span.add(values)
    ends = span.ends()
    if ends is None:
        return said
    if variable.text("climatology"):
        data.notes.append("its time is a climatology: from its first to its last year")
    found = []
    try:
        for value in ends:
            date, note = moment(value, variable.text("units"), variable.text("calendar"))
            found.append(date)
            if note:
                data.notes.append(note)
    except ValueError as error:
        data.notes.append(f"{variable.name}: can't be read as time: {error}")
        return said
    return (found[0], found[1]) if all(found) else said


def _depth(
    data: _Open, box: tuple[float, float, float, float] | None
) -> tuple[tuple[float, float] | None, Variable | None]:
    """Depth in metres, and the vertical coordinate."""
    variable = coordinates.depth(data.structure)
    pressure = coordinates.pressure(data.structure)
    ends: tuple[float, float] | None = None
    if variable is not None and data.small(variable):
        ends = _ends(data, variable, 20_000)
        if ends:
            ends = _widened(data, variable, ends)
            ends = (-ends[1], -ends[0]) if coordinates.upwards(variable) else ends
    elif variable is None and pressure is not None and data.small(pressure):
        factor = coordinates.PRESSURE_UNITS[pressure.text("units").lower()]
        ends = _ends(data, pressure, 12_000 / factor)
        if ends:
            middle = (box[1] + box[3]) / 2 if box else 45.0
            dbar = np.maximum(np.array(ends) * factor, 0.0)
            least, greatest = depth_of_pressure(dbar, middle)
            ends = (float(least), float(greatest))
            data.notes.append("depth computed from pressure (UNESCO 44), within some metres")
    found = attributes.sea_depth(*ends) if ends else None
    return found or attributes.depth(data.structure), variable or pressure


def _ends(data: _Open, variable: Variable, limit: float) -> tuple[float, float] | None:
    """Least and greatest; numbers beyond the limit are errors of the file."""
    span = Span()
    for values in data.blocks(variable):
        span.add(values[np.abs(values) <= limit])
    return span.ends()


def _platforms(data: _Open) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Platforms and instruments: from variables of texts, else from attributes."""
    structure = data.structure
    platforms = _texts(data, _PLATFORM_VARIABLES) or attributes.named(
        structure, "platform_name", "platform", "platform_code", "wmo_platform_code"
    )
    if not platforms and "SDN_CRUISE" in structure.variables:
        ship = structure.variables["SDN_CRUISE"].text("shipName")
        platforms = (attributes.one_line(ship, 200),) if ship else ()
    instruments = _texts(data, _INSTRUMENT_VARIABLES) or attributes.named(
        structure, "instrument", "instrument_name", "sensor"
    )
    return platforms[:500], instruments[:100]


def _words(data: _Open) -> tuple[str, ...]:
    """Further words that a file is found by: cruises, projects, identifiers."""
    found = list(_texts(data, _WORD_VARIABLES))
    of = Variable("", data.structure.attributes)
    cruise = data.structure.variables.get("SDN_CRUISE")
    if cruise:
        found += [cruise.text(name) for name in ("long_name", "regionName", "projectName")]
    found += [of.text(name) for name in ("project", "area", "sea_name", "cruise", "site_code")]
    return tuple(dict.fromkeys(attributes.one_line(text, 200) for text in found if text))[:200]


def _texts(data: _Open, names: tuple[str, ...]) -> tuple[str, ...]:
    found: list[str] = []
    for name in names:
        variable = data.structure.variables.get(name)
        if variable and not variable.numeric:
            found += netcdf_values.texts(data.raw(variable))
    return tuple(dict.fromkeys(attributes.one_line(text, 200) for text in found))
