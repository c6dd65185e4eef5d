"""Boxes in the forms that servers take."""

from __future__ import annotations

Box = tuple[float, float, float, float]
_WIDEST = 90.0  # degrees; of a wider polygon some servers take what lies outside


def halves(box: Box) -> list[Box]:
    """The box without crossing the antimeridian: one, or two."""
    west, south, east, north = box
    if west <= east:
        return [box]
    return [(west, south, 180.0, north), (-180.0, south, east, north)]


def polygons(box: Box) -> str:
    """The box as WKT (OGC 06-103r4): counter-clockwise, in parts at most 90 degrees wide."""
    rings = []
    for west, south, east, north in halves(box):
        left = west
        while True:
            right = min(left + _WIDEST, east)
            corners = ((left, south), (right, south), (right, north), (left, north), (left, south))
            rings.append("((" + ",".join(f"{x:.10g} {y:.10g}" for x, y in corners) + "))")
            if right >= east:
                break
            left = right
    return f"MULTIPOLYGON({','.join(rings)})" if len(rings) > 1 else f"POLYGON{rings[0]}"


def within(box: Box, longitude: float, latitude: float) -> bool:
    """Whether a place lies in the box, its sides included."""
    west, south, east, north = box
    if not south <= latitude <= north:
        return False
    return west <= longitude <= east if west <= east else longitude >= west or longitude <= east
