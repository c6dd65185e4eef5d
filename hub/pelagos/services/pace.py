"""How often one person may ask a service for what costs work: the rest is answered with 429."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from time import monotonic

from fastapi import HTTPException, Request

from pelagos.services.web import caller

_PEOPLE = 1000  # remembered; those who have been quiet are forgotten first


class Pace:
    """At most `burst` requests of a person at once, and `rate` per second after that.

    A token bucket per person. The methods are dependencies for routes whose router has a guard:
    they ask it who calls, and raise HTTPException with the status 429.
    """

    def __init__(self, rate: float, burst: int) -> None:
        self._rate, self._burst = rate, burst
        # what is left, and when that was; who is not in it has everything left
        self._left: dict[str, tuple[float, float]] = {}
        self._busy: set[str] = set()

    async def limited(self, request: Request) -> None:
        """Dependency: refuse what comes too often."""
        self._take(caller(request).name)

    async def alone(self, request: Request) -> AsyncIterator[None]:
        """Dependency: refuse what comes too often, or while the person's last one still runs."""
        name = caller(request).name
        if name in self._busy:
            raise _too_many("The same is still being done for you.", 1)
        self._take(name)
        self._busy.add(name)
        try:
            yield
        finally:
            self._busy.discard(name)

    def _take(self, name: str) -> None:
        now = monotonic()
        left = self._now(name, now)
        if left < 1:
            raise _too_many("You ask too often.", math.ceil((1 - left) / self._rate))
        self._left[name] = (left - 1, now)
        if len(self._left) > _PEOPLE:
            full = [one for one in self._left if self._now(one, now) >= self._burst]
            for one in full:
                del self._left[one]

    def _now(self, name: str, now: float) -> float:
        """What is left for a person at a moment."""
        left, since = self._left.get(name, (float(self._burst), now))
        return min(float(self._burst), left + (now - since) * self._rate)


def _too_many(reason: str, seconds: int) -> HTTPException:
    unit = "second" if seconds == 1 else "seconds"
    return HTTPException(
        429, f"{reason} Try again in {seconds} {unit}.", {"Retry-After": str(seconds)}
    )
