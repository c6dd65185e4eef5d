"""The least box around many positions, in bounded memory, also across the antimeridian."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_BINS = 36_000  # of 0.01 degrees; within each the least and greatest are exact
_FULL = 359.999
# a wider gap of a grid than this many of its steps is where it ends
_STEPS = 1.5
# scattered positions with no wider gap than this go around the world
_SCATTER = 1.0


@dataclass
class Span:
    """The least and greatest of numbers, as they come."""

    least: float = np.inf
    greatest: float = -np.inf

    def add(self, values: Floats) -> None:
        """Take these in; NaN counts for nothing."""
        values = values[np.isfinite(values)]
        if values.size:
            self.least = min(self.least, float(values.min()))
            self.greatest = max(self.greatest, float(values.max()))

    def ends(self) -> tuple[float, float] | None:
        """Both; None if there was nothing."""
        return (self.least, self.greatest) if self.least <= self.greatest else None


@dataclass
class Longitudes:
    """Longitudes as they come, in degrees east: 0..360, -180..180 or a mixture.

    `step` is the distance of neighbours in a grid, in degrees; 0: they are no grid.
    """

    step: float = 0.0
    _least: Floats = field(default_factory=lambda: np.full(_BINS, np.inf))
    _greatest: Floats = field(default_factory=lambda: np.full(_BINS, -np.inf))

    def add(self, values: Floats) -> None:
        """Take these in; what is no longitude counts for nothing."""
        values = values[np.isfinite(values) & (np.abs(values) <= 720)]
        around = np.mod(values + 180.0, 360.0)  # 0 is the antimeridian
        around[around >= 360.0] = 0.0
        bins = np.minimum((around * (_BINS / 360)).astype(np.int64), _BINS - 1)
        np.minimum.at(self._least, bins, around)
        np.maximum.at(self._greatest, bins, around)

    def ends(self) -> tuple[float, float] | None:
        """West and east; None if there was nothing.

        They leave out the widest gap; -180 and 180 if there is none but the grid's own steps.
        """
        taken = np.flatnonzero(np.isfinite(self._least))
        if not taken.size:
            return None
        least, greatest = self._least[taken], self._greatest[taken]
        gaps = least[1:] - greatest[:-1]
        around = 360 - greatest[-1] + least[0]
        widest = int(np.argmax(gaps)) if gaps.size else -1
        gap = max(float(gaps[widest]) if gaps.size else 0.0, float(around))
        enough = self.step * _STEPS if self.step else _SCATTER
        if gap <= enough:
            return -180.0, 180.0
        # a box that does not cross the antimeridian is plainer
        if widest < 0 or around >= gaps[widest] - 1e-9:
            return _plain(least[0]), _plain(greatest[-1])
        west, east = _plain(least[widest + 1]), _plain(greatest[widest])
        return west, 180.0 if east == -180 else east  # up to the antimeridian, not across it


def _plain(around: float) -> float:
    return float(np.round(around - 180.0, 9))


def between(west: float, east: float) -> tuple[float, float] | None:
    """A range of longitudes from west to east, as it is said, within -180..180; None if absurd.

    `west` of more than `east` crosses the antimeridian.
    """
    if not (np.isfinite(west) and np.isfinite(east)) or max(abs(west), abs(east)) > 720:
        return None
    if abs(east - west) >= _FULL:
        return -180.0, 180.0
    if -180 <= west <= 180 and -180 <= east <= 180:
        return west, east
    east_turned = (east + 180) % 360 - 180
    return (west + 180) % 360 - 180, 180.0 if east_turned == -180 else east_turned


def depth_of_pressure(pressure: Floats, latitude: float) -> Floats:
    """Depth in metres of a pressure in decibar at a latitude in degrees.

    Fofonoff and Millard (1983), UNESCO technical papers in marine science 44, section 4: for a
    standard ocean (0 °C, salinity 35), within some metres of the truth.
    """
    x = np.sin(np.radians(latitude)) ** 2
    gravity = 9.780318 * (1 + (5.2788e-3 + 2.36e-5 * x) * x) + 1.092e-6 * pressure
    polynomial = ((-1.82e-15 * pressure + 2.279e-10) * pressure - 2.2512e-5) * pressure + 9.72659
    return np.asarray(polynomial * pressure / gravity, dtype=np.float64)
