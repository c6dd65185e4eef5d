"""The key of a granule says when it is: the newest first is the least key first.

A key is the time from its start to the year 2100 in milliseconds, times 64, plus a number that
makes it unique. Where more than 64 granules start in the same millisecond the number goes on into
the next ones; the greatest such `spill` is kept, and ranges are widened by it. So a range of keys
is a range of time in the order that is wanted, for FTS5 as for a table. (Ascending keys, since FTS5
of SQLite 3.40 misses rows when it goes backwards: docs/adr/0012.)

A granule can be long: those that overlap a range may start before it. Each longer one is of a class
by its length, and the further a range of keys lies before the wanted time, the fewer classes can
reach it: `phases`. Granules without time have the greatest keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pelagos.catalogue.index.schema import FAR_FUTURE, FAR_PAST

SHIFT = 6
_ORIGIN = 4_102_444_800_000  # 2100: keys of our time are small numbers, which take less space
LEAST = -(2**62)
TIMED = 2**60  # more than any key with a time
TIMELESS = 2**61  # the first key of granules without time
GREATEST = 2**62
_DAY = 86_400_000
# the longest of each class but the last, in milliseconds; class 0 is short
LENGTHS = (32 * _DAY, 366 * _DAY)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Phase:
    """Keys from `low` to `high`, both included; of granules of class `longer` or more only."""

    low: int
    high: int
    longer: int = 0


EVERYTHING = Phase(LEAST, GREATEST)


def milliseconds(moment: datetime) -> int:
    """Since 1970; what is less than a millisecond is cut off."""
    return (moment - _EPOCH) // _MILLISECOND


def span(start: datetime | None, end: datetime | None) -> tuple[int | None, int | None]:
    """A span as it is stored; none if no time is known."""
    if start is None and end is None:
        return None, None
    first = FAR_PAST if start is None else milliseconds(start)
    if start == end:
        return first, first
    return first, FAR_FUTURE if end is None else milliseconds(end)


def first_key(start: int | None) -> int:
    """The key of the first granule that starts then."""
    return TIMELESS if start is None else (_ORIGIN - start) << SHIFT


def length_class(start: int | None, end: int | None) -> int:
    """Which class of length it is of."""
    if start is None or end is None:
        return 0
    length = end - start
    return sum(length > limit for limit in LENGTHS)


def phases(start: int | None, end: int | None, spill: int) -> list[Phase]:
    """Ranges of keys that hold all granules which overlap a time, newest first.

    With `start` and `end` None: all granules, with and without time.
    """
    if start is None and end is None:
        return [EVERYTHING]
    low = LEAST if end is None else first_key(end)
    if start is None:
        return [Phase(low, TIMED)]
    found = []
    for longer in range(len(LENGTHS) + 1):
        high = TIMED
        if longer < len(LENGTHS):
            high = min(first_key(start - LENGTHS[longer]) + spill + (1 << SHIFT) - 1, TIMED)
        found.append(Phase(low, high, longer))
        low = high + 1
    return [phase for phase in found if phase.low <= phase.high]
