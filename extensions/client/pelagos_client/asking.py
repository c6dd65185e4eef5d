"""What is asked for: a box, a time, variables; checked, and with sentences where it can't be."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from pelagos_client.access import Criteria
from pelagos_client.errors import QuestionError

Box = Sequence[float] | str
Moment = str | dt.datetime | dt.date
Time = Moment | tuple[Moment | None, Moment | None] | list[Moment | None]

_BOX_HELP = "Give west, south, east, north in degrees, such as (-10, 35, 5, 60)."
_TIME_HELP = (
    "Give such as 2020, 2020-03, 2020-03-01, 2020-03-01T12:00:00Z, 2020-01/2020-06, 2020/.."
)
_DAY = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?")
_SECOND = dt.timedelta(seconds=1)


def box_of(given: Box | None) -> tuple[float, float, float, float] | None:
    """West, south, east, north in degrees; west of more than east crosses the antimeridian.

    `given` is four numbers, or a text of them with commas. Raises QuestionError.
    """
    if given is None:
        return None
    parts: Iterable[Any] = given.split(",") if isinstance(given, str) else given
    try:
        values = [float(part) for part in parts]
    except (TypeError, ValueError):
        raise QuestionError(f"bbox: {given!r} is not made of numbers.", _BOX_HELP) from None
    if len(values) != 4:
        raise QuestionError(f"bbox: it has {len(values)} numbers, not four.", _BOX_HELP)
    west, south, east, north = values
    if not all(math.isfinite(value) for value in values):
        raise QuestionError("bbox: a number in it is not finite.", _BOX_HELP)
    if not (-90 <= south <= 90 and -90 <= north <= 90):
        raise QuestionError(
            f"bbox: a latitude is outside of -90 to 90 (south {south:g}, north {north:g}).",
            _BOX_HELP,
        )
    if south > north:
        raise QuestionError(
            f"bbox: south ({south:g}) is north of north ({north:g}).", "Swap them. " + _BOX_HELP
        )
    if not (-180 <= west <= 180 and -180 <= east <= 180):
        raise QuestionError(
            f"bbox: a longitude is outside of -180 to 180 (west {west:g}, east {east:g}).",
            "Take 360 from one above 180. A box across the antimeridian has west of more than "
            "east, such as (170, -20, -170, 0).",
        )
    return west, south, east, north


def time_of(given: Time | None) -> tuple[dt.datetime | None, dt.datetime | None]:
    """Start and end, both included, in UTC; None is open. A time without a zone is UTC.

    A year, month or day lasts until its last second. Raises QuestionError.
    """
    if given is None:
        return None, None
    start, end = _both(given)
    if start and end and start > end:
        raise QuestionError(
            f"datetime: the start ({text_of(start)}) is after the end ({text_of(end)}).",
            "Swap them.",
        )
    return start, end


def _both(given: Time) -> tuple[dt.datetime | None, dt.datetime | None]:
    if isinstance(given, str):
        parts: list[Moment | None] = list(given.split("/"))
    elif isinstance(given, tuple | list):
        parts = list(given)
    else:
        parts = [given]
    if len(parts) not in (1, 2):
        raise QuestionError(f"datetime: {given!r} is no moment or range.", _TIME_HELP)
    ends = [_moment(part) for part in parts]
    if len(ends) == 1 and ends[0] == (None, None):
        raise QuestionError(f"datetime: {given!r} is no moment or range.", _TIME_HELP)
    return ends[0][0], ends[-1][1]


def _moment(given: Moment | None) -> tuple[dt.datetime | None, dt.datetime | None]:
    """The first and the last second of it."""
    if given is None or (isinstance(given, str) and given.strip() in ("", "..")):
        return None, None
    if isinstance(given, dt.datetime):
        exact = _utc(given)
        return exact, exact
    if isinstance(given, dt.date):
        given = given.isoformat()
    text = str(given).strip()  # also of numpy.datetime64
    try:
        if found := _DAY.fullmatch(text):
            year, month, day = (int(part) if part else 0 for part in found.groups())
            first = dt.datetime(year, month or 1, day or 1, tzinfo=dt.UTC)
            return first, _after(first, month, day) - _SECOND
        # RFC 3339 allows a blank and small letters; fromisoformat takes at most microseconds
        exact = _utc(dt.datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text.upper())))
    except (ValueError, OverflowError):
        raise QuestionError(f"datetime: {text!r} is no time.", _TIME_HELP) from None
    return exact, exact


def _after(first: dt.datetime, month: int, day: int) -> dt.datetime:
    if day:
        return first + dt.timedelta(days=1)
    if month and month < 12:
        return first.replace(month=month + 1)
    return first.replace(year=first.year + 1, month=1)


def _utc(moment: dt.datetime) -> dt.datetime:
    if moment.tzinfo is None:
        return moment.replace(tzinfo=dt.UTC)
    return moment.astimezone(dt.UTC)


def text_of(moment: dt.datetime) -> str:
    """In RFC 3339, UTC."""
    return moment.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def interval_of(start: dt.datetime | None, end: dt.datetime | None) -> str | None:
    """A `datetime` as STAC has it; None without both."""
    if start is None and end is None:
        return None
    if start == end and start is not None:
        return text_of(start)
    return f"{text_of(start) if start else '..'}/{text_of(end) if end else '..'}"


def variables_of(given: Sequence[str] | str | None) -> tuple[str, ...]:
    """Names of variables; one name, or names with commas, may be a text. Raises QuestionError."""
    if given is None:
        return ()
    names = given.split(",") if isinstance(given, str) else list(given)
    if not all(isinstance(name, str) and name.strip() for name in names):
        raise QuestionError(
            "variables: each must be a name.", "Give such as ['TEMP', 'sea_water_temperature']."
        )
    return tuple(dict.fromkeys(name.strip() for name in names))


def criteria_of(
    bbox: Box | None,
    datetime: Time | None,
    variables: Sequence[str] | str | None,
    otherwise: Criteria | None = None,
) -> Criteria:
    """What was asked for; what is None comes from `otherwise`. Raises QuestionError."""
    found = otherwise or Criteria()
    if bbox is not None:
        found = replace(found, bbox=box_of(bbox))
    if datetime is not None:
        start, end = time_of(datetime)
        found = replace(found, start=start, end=end)
    if variables is not None:
        found = replace(found, variables=variables_of(variables))
    return found
