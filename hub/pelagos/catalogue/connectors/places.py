"""Boxes of geometries that come as well-known text or GeoJSON."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pelagos.catalogue.geometry import hull
from pelagos.catalogue.records import Box, RecordError
from pelagos.catalogue.values import parse_box, parse_number, parse_point

Position = tuple[float, float]  # longitude, latitude

_WKT_LIMIT = 1_000_000  # characters
_WKT = re.compile(
    r"\s*(?:MULTI)?(?:POINT|LINESTRING|POLYGON)\s*(?:ZM|Z|M)?\s*(\([-+.,()\deE\s]*\))\s*",
    re.IGNORECASE | re.ASCII,
)
_DEPTH = 12


def wkt_box(text: str, field: str = "extent") -> Box:
    """The box of a point, line or polygon in well-known text. Raises RecordError."""
    found = _WKT.fullmatch(text) if len(text) <= _WKT_LIMIT else None
    if found is None:
        raise RecordError(f"{field}: {text[:40]!r} is no geometry that is understood")
    positions = []
    for part in re.split(r"[,()]+", found[1]):
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
    boxes: list[Box] = []
    for kind, positions in _parts(geometry, field, 0):
        if kind.endswith("Polygon"):
            boxes.append(_bounds(positions, field))
        else:
            boxes += [parse_point(east, north, field) for east, north in positions]
    return hull(boxes) if boxes else None


def _parts(geometry: Any, field: str, depth: int) -> Iterator[tuple[str, list[Position]]]:
    if geometry is None:
        return
    if not isinstance(geometry, Mapping) or depth > _DEPTH:
        raise RecordError(f"{field}: no GeoJSON, or nested too deep")
    for key in ("geometry", "features", "geometries"):
        inner = geometry.get(key)
        for one in inner if isinstance(inner, list) else [inner]:
            yield from _parts(one, field, depth + 1)
    if geometry.get("coordinates"):
        kind = geometry.get("type")
        yield str(kind), list(_positions(geometry["coordinates"], field, 0))


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
