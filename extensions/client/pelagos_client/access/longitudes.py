"""Boxes on servers that count longitudes their own way: from -180 to 180, or from 0 to 360."""

from __future__ import annotations

Interval = tuple[float, float]


def spans(west: float, east: float, low: float | None, high: float | None) -> list[Interval]:
    """What a box from `west` to `east` (-180 to 180, west of more than east crosses the
    antimeridian) is on an axis from `low` to `high` degrees, as far as that is known: intervals
    of it from west to east. Empty if nothing of the axis lies in the box.

    An interval may reach beyond the axis, but never out of the box. One that is only the
    antimeridian itself, because the box ends there, is left out.
    """
    first, last = window(low, high)
    if east < west:
        east += 360
    if east - west >= 360:
        return [(first, last)]
    found: list[Interval] = []
    for turn in (-720, -360, 0, 360, 720):
        # without the noise that a sum brings: ends are included
        left, right = round(west + turn, 9), round(east + turn, 9)
        left, right = max(left, first), min(right, last)
        beyond = (low is not None and right < low) or (high is not None and left > high)
        if left > right or beyond:
            continue
        if left == right and west != east and left % 360 == 180:
            continue
        found.append((left, right))
    return found


def window(low: float | None, high: float | None) -> Interval:
    """The degrees that a server counts in."""
    if low is None or high is None or high <= 180:
        return min(-180.0, low or 0.0), 180.0
    return (0.0, max(360.0, high)) if low >= 0 else (min(low, -180.0), high)
