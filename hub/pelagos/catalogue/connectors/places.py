"""Boxes around positions, tracks and polygons, also across the antimeridian."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pelagos.catalogue.records import Box, RecordError
from pelagos.catalogue.values import parse_box, parse_number

Position = tuple[float, float]  # longitude, latitude

_WKT_LIMIT = 1_000_000  # characters
_WKT = re.compile(
    r"\s*(?:SRID=\d+;\s*)?(?:MULTI)?(POINT|LINESTRING|POLYGON)\s*(?:Z|M|ZM)?\s*(\([-+.,()\deE\s]*\))\s*",
    re.IGNORECASE | re.ASCII,
)
_POSITIONS = 500_000  # of one geometry
_DEPTH = 12
_BINS = 720


class Around:
    """The smallest box around what is added, in bounded memory however much that is.

    Longitudes are a circle: the box leaves out the widest gap, so a track through the Pacific has
    a box that crosses the antimeridian (RFC 7946 5.2) instead of one around the Earth. Gaps of less
    than half a degree don't count.
    """

    def __init__(self) -> None:
        self._south, self._north = 90.0, -90.0
        self._bins: dict[int, tuple[float, float]] = {}

    def point(self, longitude: float, latitude: float) -> None:
        """Add a position. Raises RecordError if it is none."""
        box = parse_box(longitude, latitude, longitude, latitude, "position")
        self._latitudes(box)
        self._longitude(box.west)

    def box(self, box: Box) -> None:
        """Add a box, with all that is inside."""
        self._latitudes(box)
        self._longitude(box.west)
        self._longitude(box.east)
        width = (box.east - box.west) % 360 or (360.0 if box.east > box.west else 0.0)
        for step in range(1, math.ceil(width / 0.5)):
            self._longitude((box.west + step * 0.5 + 180) % 360 - 180)

    def boxes(self) -> tuple[Box, ...]:
        """The box; nothing if nothing was added."""
        if not self._bins:
            return ()
        filled = [self._bins[number] for number in sorted(self._bins)]
        west, east = filled[0][0], filled[-1][1]
        widest = west + 360 - east  # the gap across the antimeridian: the box doesn't cross it
        for (_, before), (after, _) in zip(filled, filled[1:], strict=False):
            if after - before > max(widest, 0.5):
                widest, west, east = after - before, after, before
        if west <= east and len(filled) == _BINS:
            west, east = -180.0, 180.0
        return (Box(west, self._south, east, self._north),)

    def _latitudes(self, box: Box) -> None:
        self._south, self._north = min(self._south, box.south), max(self._north, box.north)

    def _longitude(self, value: float) -> None:
        number = min(int((value + 180) * _BINS / 360), _BINS - 1)
        low, high = self._bins.get(number, (value, value))
        self._bins[number] = (min(low, value), max(high, value))


def wkt_box(text: str, field: str = "extent") -> Box:
    """The box of a point, line or polygon in well-known text. Raises RecordError."""
    found = _WKT.fullmatch(text) if len(text) <= _WKT_LIMIT else None
    if found is None:
        raise RecordError(f"{field}: {text[:40]!r} is no geometry that is understood")
    positions = []
    for part in re.split(r"[,()]+", found[2]):
        numbers = part.split()
        if numbers:
            if not 2 <= len(numbers) <= 4:
                raise RecordError(f"{field}: {part[:40]!r} is no position")
            positions.append((parse_number(numbers[0], field), parse_number(numbers[1], field)))
    return _bounds(positions, field)


def geojson_box(geometry: Any, field: str = "geometry") -> Box | None:
    """The box of a GeoJSON geometry, feature or collection of them; None for none.

    Raises RecordError. Polygons don't cross the antimeridian (RFC 7946 3.1.9), all else may.
    """
    around = Around()
    for kind, positions in _parts(geometry, field, 0):
        if kind.endswith("Polygon"):
            around.box(_bounds(positions, field))
        else:
            for longitude, latitude in positions:
                around.point(longitude, latitude)
    return next(iter(around.boxes()), None)


def _parts(geometry: Any, field: str, depth: int) -> Iterator[tuple[str, list[Position]]]:
    if geometry is None:
        return
    if not isinstance(geometry, Mapping) or depth > _DEPTH:
        raise RecordError(f"{field}: no GeoJSON, or nested too deep")
    for key in ("geometry", "features", "geometries"):
        inner = geometry.get(key)
        for one in inner if isinstance(inner, list) else [inner]:
            yield from _parts(one, field, depth + 1)
    if "coordinates" in geometry:
        positions = list(_positions(geometry["coordinates"], field, 0))
        if len(positions) > _POSITIONS:
            raise RecordError(f"{field}: more than {_POSITIONS} positions")
        if positions:
            yield str(geometry.get("type", "")), positions


def _positions(value: Any, field: str, depth: int) -> Iterator[Position]:
    if not isinstance(value, list) or depth > _DEPTH:
        raise RecordError(f"{field}: coordinates that are no positions")
    if value and not isinstance(value[0], list):
        if len(value) < 2:
            raise RecordError(f"{field}: coordinates that are no positions")
        yield parse_number(value[0], field), parse_number(value[1], field)
        return
    for inner in value:
        yield from _positions(inner, field, depth + 1)


def _bounds(positions: list[Position], field: str) -> Box:
    if not positions:
        raise RecordError(f"{field}: no positions in it")
    easts, norths = [p[0] for p in positions], [p[1] for p in positions]
    return parse_box(min(easts), min(norths), max(easts), max(norths), field)
