"""GeoJSON geometries that granules are tested against, on a flat plane (RFC 7946 4)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from pelagos.catalogue.index.cells import Flat, flat
from pelagos.catalogue.query import QueryError

_POINTS = 20_000
_TYPES = frozenset(
    ("Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon")
)


@dataclass(frozen=True)
class Shape:
    """A geometry of a query, and the boxes around its parts."""

    geometry: BaseGeometry
    boxes: tuple[Flat, ...]
    is_box: bool

    @staticmethod
    def of(geojson: dict[str, Any]) -> Shape:
        """Raises QueryError if it is no geometry that can be searched by."""
        geometry = read(geojson)
        if geometry is None:
            raise QueryError("intersects: not a GeoJSON geometry with at most 20000 points")
        x0, y0, x1, y1 = geometry.bounds
        if x0 < -180 or x1 > 180 or y0 < -90 or y1 > 90:
            raise QueryError("intersects: outside -180..180 degrees east, -90..90 degrees north")
        shapely.prepare(geometry)
        parts = shapely.get_parts(geometry)
        bounds = shapely.bounds(parts) if len(parts) <= 8 else [geometry.bounds]
        boxes = tuple((float(a), float(b), float(c), float(d)) for a, b, c, d in bounds)
        is_box = all(
            bool(shapely.equals(part, shapely.box(*box)))
            for part, box in zip(parts, boxes, strict=False)
        ) and len(parts) == len(boxes)
        return Shape(geometry, boxes, is_box)

    def meets(self, box: Flat) -> bool:
        """Whether it has a point in common with a box."""
        return bool(shapely.intersects(self.geometry, shapely.box(*box)))

    def meets_boxes(self, boxes: Sequence[Flat]) -> list[bool]:
        """The same for many stored boxes, which may cross the antimeridian."""
        pieces = [(place, piece) for place, box in enumerate(boxes) for piece in flat(*box)]
        if not pieces:
            return []
        corners = np.array([piece for _, piece in pieces], dtype=float)
        flags = shapely.intersects(self.geometry, _areas(corners))
        found = [False] * len(boxes)
        for (place, _), flag in zip(pieces, flags, strict=True):
            found[place] = found[place] or bool(flag)
        return found

    def meets_geometry(self, geojson: Any) -> bool | None:
        """The same for a geometry of a record; None if it can't be understood."""
        other = read(geojson)
        return None if other is None else bool(shapely.intersects(self.geometry, other))


def _areas(corners: NDArray[np.float64]) -> NDArray[np.object_]:
    """Boxes as geometries; one without width or height is a point or a line, not a polygon."""
    x0, y0, x1, y1 = corners.T
    areas = np.asarray(shapely.box(x0, y0, x1, y1))
    flat_ones = (x0 == x1) | (y0 == y1)
    points = (x0 == x1) & (y0 == y1)
    if flat_ones.any():
        areas[flat_ones] = shapely.linestrings(corners[flat_ones].reshape(-1, 2, 2))
    if points.any():
        areas[points] = shapely.points(corners[points, :2])
    return areas


def read(geojson: Any) -> BaseGeometry | None:
    """A geometry of GeoJSON; None if it is none, or empty, or has too many points."""
    if not isinstance(geojson, dict):
        return None
    if geojson.get("type") == "GeometryCollection":
        members = geojson.get("geometries")
        if not isinstance(members, list) or not 0 < len(members) <= 1000:
            return None
        parts = [None if _is_collection(member) else read(member) for member in members]
        if any(part is None for part in parts):
            return None
        return shapely.GeometryCollection(parts)
    if geojson.get("type") not in _TYPES or _count(geojson.get("coordinates"), 0) is None:
        return None
    try:
        geometry = shapely.geometry.shape(geojson)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, shapely.GEOSException):
        return None
    return None if geometry.is_empty or not all(map(math.isfinite, geometry.bounds)) else geometry


def _is_collection(member: Any) -> bool:
    return isinstance(member, dict) and member.get("type") == "GeometryCollection"


def _count(coordinates: Any, depth: int) -> int | None:
    """How many numbers; None if there is anything else, or too much of it."""
    if isinstance(coordinates, int | float) and not isinstance(coordinates, bool):
        return 1 if math.isfinite(coordinates) else None
    if not isinstance(coordinates, list | tuple) or depth > 4:
        return None
    total = 0
    for part in coordinates:
        count = _count(part, depth + 1)
        if count is None:
            return None
        total += count
        if total > 3 * _POINTS:
            return None
    return total
