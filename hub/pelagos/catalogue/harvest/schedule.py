"""When a source is harvested next."""

from __future__ import annotations

import random

from pelagos.catalogue.harvest.records import RunState

_FIRST_RETRY = 60.0  # seconds
_LONGEST_RETRY = 6 * 3600.0
_SPREAD = 0.25
BY_HAND = 0.0  # a next run that never comes by itself


def next_run(
    now: float,
    schedule: float,
    state: RunState,
    failures: int,
    chance: random.Random | None = None,
) -> float:
    """When the next run is due, in unix seconds; BY_HAND: only when somebody asks.

    `schedule` in seconds; `failures` in a row, this one included. What fails is tried again after
    a minute, then two, four, … up to six hours, spread by a quarter so that sources that failed
    together don't come back together; never later than the schedule has it.
    """
    if not schedule:
        return BY_HAND
    if state is RunState.INTERRUPTED:
        return now
    if state is not RunState.FAILED:
        return now + schedule
    # past 2**9 the longest holds anyway
    delay = min(_FIRST_RETRY * 2.0 ** min(max(failures, 1) - 1, 9), _LONGEST_RETRY)
    spread = (chance or random.Random()).uniform(1 - _SPREAD, 1 + _SPREAD)  # noqa: S311 - no secret
    return now + min(delay * spread, schedule)


def first_run(now: float, schedule: float) -> float:
    """When a source that was never harvested is due: at once, unless only by hand."""
    return now if schedule else BY_HAND
