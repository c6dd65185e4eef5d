"""Boxes as GeoJSON, and the box around several; both across the antimeridian too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pelagos.catalogue.records import Box

WORLD = Box(-180, -90, 180, 90)


def _ring(west: float, south: float, east: float, north: float) -> list[list[list[float]]]:
    """Corners against the clock (RFC 7946 3.1.6)."""
    return [[[west, south], [east, south], [east, north], [west, north], [west, south]]]


def geometry_of(box: Box) -> dict[str, Any]:
    """A box as a GeoJSON geometry: a point, or a polygon, cut at the antimeridian (3.1.9)."""
    if box.west == box.east and box.south == box.north:
        return {"type": "Point", "coordinates": [box.west, box.south]}
    if box.west > box.east:
        return {
            "type": "MultiPolygon",
            "coordinates": [
                _ring(box.west, box.south, 180, box.north),
                _ring(-180, box.south, box.east, box.north),
            ],
        }
    return {"type": "Polygon", "coordinates": _ring(box.west, box.south, box.east, box.north)}


def hull(boxes: Sequence[Box]) -> Box:
    """The least box around all of them: it leaves out the widest gap of longitudes.

    Raises ValueError if there are none.
    """
    if not boxes:
        raise ValueError("no boxes")
    south, north = min(box.south for box in boxes), max(box.north for box in boxes)
    spans = sorted(_spans(boxes))
    gaps: list[tuple[float, float, float]] = []  # width, where it begins, where it ends
    reach = spans[0][1]
    for west, east in spans[1:]:
        if west > reach:
            gaps.append((west - reach, reach, west))
        reach = max(reach, east)
    # the gap across the antimeridian; first, since a box that does not cross it is plainer
    around = (spans[0][0] + 180) + (180 - reach)
    width, begin, end = max(gaps, default=(0.0, 0.0, 0.0))
    if width > around:
        return Box(end, south, begin, north)
    return Box(spans[0][0], south, reach, north)


def _spans(boxes: Sequence[Box]) -> list[tuple[float, float]]:
    """Longitudes from west to east, those across the antimeridian cut there."""
    spans = []
    for box in boxes:
        if box.west > box.east:
            spans += [(box.west, 180.0), (-180.0, box.east)]
        else:
            spans.append((box.west, box.east))
    return spans
