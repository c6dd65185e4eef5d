"""When a source is harvested next."""

from __future__ import annotations

import math
import random

from pelagos.catalogue.harvest.records import RunState, SourceRecord

_FIRST_RETRY = 60.0  # seconds
_LONGEST_RETRY = 6 * 3600.0
_SPREAD = 0.25
_STEP = 300.0  # seconds that a clock may be set back without a run for it
BY_HAND = 0.0  # a next run that never comes by itself


def next_run(
    now: float,
    schedule: float,
    state: RunState,
    failures: int,
    *,
    ever_good: bool = True,
    chance: random.Random | None = None,
) -> float:
    """When the next run is due, in unix seconds; BY_HAND: only when somebody asks.

    `schedule` in seconds, 0: only by hand once there was a good run. `failures` in a row, this one
    included. What fails is tried again after a minute, then two, four, … up to six hours, spread by
    a quarter so that sources that failed together don't come back together; never later than the
    schedule has it.
    """
    good = ever_good or state.good
    if not schedule and good:
        return BY_HAND
    if state is RunState.INTERRUPTED:
        return now
    if state.good:
        return now + schedule
    # past 2**9 the longest holds anyway
    delay = min(_FIRST_RETRY * 2.0 ** min(max(failures, 1) - 1, 9), _LONGEST_RETRY)
    spread = (chance or random.Random()).uniform(1 - _SPREAD, 1 + _SPREAD)  # noqa: S311 - no secret
    return now + min(delay * spread, schedule or math.inf)


def due(record: SourceRecord | None, schedule: float, now: float) -> float:
    """When a source is to be harvested, in unix seconds; BY_HAND: not by itself.

    One that never was is due at once.
    """
    if record is None or record.last is None:
        return now
    if not record.last.state.over or (not schedule and record.good_run):
        return BY_HAND
    if record.last.finished > now + _STEP:
        return now  # the clock was wrong then: nobody knows how long ago that was
    if not schedule:
        return record.next_run or now
    # a schedule that was made shorter since counts
    latest = record.last.finished + schedule
    return min(record.next_run or latest, latest)
