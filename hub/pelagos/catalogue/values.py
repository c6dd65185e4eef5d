"""Times, numbers and boxes as services write them; RecordError for what can't be meant."""

from __future__ import annotations

import calendar
import math
import re
from datetime import UTC, datetime, timedelta

from pelagos.catalogue.records import Box, Interval, RecordError

Span = tuple[datetime | None, datetime | None]

_FIRST_YEAR, _LAST_YEAR = 2, 8999  # beyond: an end that somebody had to fill in, so open
_OPEN = frozenset(
    {"", "..", "now", "present", "unknown", "inapplicable", "none", "null", "ongoing"}
)
_TIME = re.compile(
    r"""(?P<year>\d{4}|[+-]\d{4,6})
    (?:-(?P<month>\d{1,2})(?:-(?P<day>\d{1,2}))?
       (?:(?:[T\ ]\s*)?(?P<hour>\d{2})(?::?(?P<minute>\d{2})(?::?(?P<second>\d{2})
          (?:[.,](?P<fraction>\d{1,12}))?)?)?)?
    )?
    \s*(?P<zone>Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?""",
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
_COMPACT = re.compile(r"^(\d{4})(\d{2})(\d{2})", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_SLACK = 1e-6  # degrees that rounding may take a box over the edge
_FARTHEST = 540  # degrees: 0..360, and a box that goes on beyond either end
_DEEPEST = 1e6  # metres, either way; more is a fill value


def parse_time(text: str, field: str = "time") -> Span:
    """The first and the last moment of what `text` says; None for an open or unknown end.

    ISO 8601 as services write it, also compact, with a blank for T, or a date with an offset;
    without one it is UTC. `2020` and `2020-05` are whole spans. Raises RecordError.
    """
    text = text.strip()
    if text.lower() in _OPEN:
        return None, None
    match = _TIME.fullmatch(_COMPACT.sub(r"\1-\2-\3", text, count=1))
    if match is None:
        raise RecordError(f"{field}: {text[:40]!r} is no time")
    try:
        span = _span(match)
    except OverflowError:
        return None, None
    except ValueError as error:
        raise RecordError(f"{field}: {text[:40]!r} is no time: {error}") from error
    return span if _FIRST_YEAR <= int(match["year"]) <= _LAST_YEAR else (None, None)


def parse_moment(text: str, field: str = "time") -> datetime | None:
    """The first moment of what `text` says; None if it is open. Raises RecordError."""
    return parse_time(text, field)[0]


def parse_interval(start: str | None, end: str | None, field: str = "time") -> Interval | None:
    """From the first moment of `start` to the last of `end`; None if both are open."""
    first = parse_time(start or "", field)[0]
    last = parse_time(end or "", field)[1]
    return Interval(first, last) if first or last else None


def _span(match: re.Match[str]) -> tuple[datetime, datetime]:
    year = min(max(int(match["year"]), 1), 9999)
    month, day = int(match["month"] or 1), int(match["day"] or 1)
    hour, minute, second = (int(match[part] or 0) for part in ("hour", "minute", "second"))
    extra = timedelta()
    if (hour, minute, second) == (24, 0, 0):  # ISO 8601: the end of the day
        hour, extra = 0, timedelta(days=1)
    if second == 60:  # a leap second
        second = 59
    micro = int((match["fraction"] or "0")[:6].ljust(6, "0"))
    shift = _offset(match["zone"])
    first = datetime(year, month, day, hour, minute, second, micro, tzinfo=UTC)
    if match["hour"]:
        return (moment := first + extra - shift), moment
    # a date is a day of people, wherever they are: its offset moves both ends
    if not match["month"]:
        month, day = 12, 31
    elif not match["day"]:
        day = calendar.monthrange(year, month)[1]
    return first - shift, datetime(year, month, day, 23, 59, 59, tzinfo=UTC) - shift


def _offset(zone: str | None) -> timedelta:
    if not zone or zone.upper() in ("Z", "UTC", "GMT"):
        return timedelta()
    digits = zone[1:].replace(":", "").ljust(4, "0")
    hours, minutes = int(digits[:2]), int(digits[2:])
    if hours > 14 or minutes > 59:
        raise ValueError(f"offset {zone}")
    shift = timedelta(hours=hours, minutes=minutes)
    return -shift if zone[0] == "-" else shift


def parse_number(value: object, field: str = "number") -> float:
    """A finite number. Raises RecordError for anything else (NaN, text, nothing)."""
    number = math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = float(value) if abs(value) < 1e300 else math.inf
    elif isinstance(value, str) and len(value) < 100 and _NUMBER.fullmatch(value.strip()):
        number = float(value)
    if not math.isfinite(number):
        raise RecordError(f"{field}: {str(value)[:40]!r} is no number")
    return number


def parse_box(west: object, south: object, east: object, north: object, field: str = "box") -> Box:
    """A box in degrees; longitudes of 0..360 become -180..180. Raises RecordError.

    West of more than east crosses the antimeridian.
    """
    w, e = parse_number(west, f"{field}: west"), parse_number(east, f"{field}: east")
    s = _latitude(parse_number(south, f"{field}: south"), field)
    n = _latitude(parse_number(north, f"{field}: north"), field)
    if max(abs(w), abs(e)) > _FARTHEST:
        raise RecordError(f"{field}: longitude outside -180..180 and 0..360: {w}, {e}")
    if e - w >= 360 - _SLACK:
        return Box(-180.0, s, 180.0, n)
    outside = max(abs(w), abs(e)) > 180 + _SLACK
    w, e = _longitude(w), _longitude(e)
    if outside and w == 180 and e != 180:
        w = -180.0
    if outside and e == -180 and w != -180:
        e = 180.0
    return Box(w, s, e, n)


def parse_point(longitude: object, latitude: object, field: str = "position") -> Box:
    """A box of one point. Raises RecordError."""
    return parse_box(longitude, latitude, longitude, latitude, field)


def parse_depth(least: object, most: object, field: str = "depth") -> tuple[float, float] | None:
    """(least, greatest) depth in metres; None if neither is given. Raises RecordError."""
    given = [value for value in (least, most) if value not in (None, "")]
    if not given:
        return None
    values = sorted(parse_number(value, field) for value in given)
    if max(abs(value) for value in values) > _DEEPEST:
        raise RecordError(f"{field}: {values[0]}..{values[-1]} m can't be")
    return values[0], values[-1]


def _latitude(value: float, field: str) -> float:
    if abs(value) > 90 + _SLACK:
        raise RecordError(f"{field}: latitude outside -90..90: {value}")
    return min(max(value, -90.0), 90.0)


def _longitude(value: float) -> float:
    if abs(value) <= 180 + _SLACK:
        return min(max(value, -180.0), 180.0)
    return (value + 180) % 360 - 180
