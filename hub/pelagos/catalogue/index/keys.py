"""The key of a granule says when it is: the newest first is the greatest key first.

A key is the start time in milliseconds times 64, plus a number that makes it unique. Where more
than 64 granules start in the same millisecond the number goes on into the next ones; the greatest
such `spill` is kept, and ranges are widened by it. So a range of keys, which both FTS5 and a table
can read backwards from its end, is a range of time in the order that is wanted.

A granule can be long: those that overlap a range may start before it. Each longer one is of a class
by its length, and the further a range of keys lies before the wanted time, the fewer classes can
reach it: `phases`. Granules without time have the least keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pelagos.catalogue.index.schema import FAR_FUTURE, FAR_PAST

_SHIFT = 6
TIMELESS = -(2**62)  # the first key of granules without time
TIMED = -(2**60)  # less than any key with a time
GREATEST = 2**62
_DAY = 86_400_000
# the longest of each class but the last, in milliseconds; class 0 is short
LENGTHS = (32 * _DAY, 366 * _DAY, 3_660 * _DAY)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Phase:
    """Keys from `low` to `high`, both included; of granules of class `longer` or more only."""

    low: int
    high: int
    longer: int = 0


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
    return TIMELESS if start is None else start << _SHIFT


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
        return [Phase(TIMELESS, GREATEST)]
    high = GREATEST if end is None else (end << _SHIFT) + spill + 63
    if start is None:
        return [Phase(TIMED, high)]
    found = []
    for longer in range(len(LENGTHS) + 1):
        low = max((start - LENGTHS[longer]) << _SHIFT, TIMED) if longer < len(LENGTHS) else TIMED
        found.append(Phase(low, high, longer))
        high = low - 1
    return [phase for phase in found if phase.low <= phase.high]
