"""Numbers with units as moments in UTC, whatever calendar they are in (CF 4.4)."""

from __future__ import annotations

import re
import warnings
from datetime import UTC, datetime, timedelta
from typing import Any

import cftime  # type: ignore[import-untyped]

_UNITS = re.compile(
    r"\s*(microsec(ond)?|millisec(ond)?|msec|sec(ond)?|min(ute)?|h(ou)?r|h|s|d|day|month|year|week)"
    r"s?\s+since\s+\S",
    re.IGNORECASE,
)
_REAL = {"standard", "gregorian", "proleptic_gregorian", "julian", ""}


def is_time(units: str) -> bool:
    """Whether these are units of time since a moment."""
    return _UNITS.match(units) is not None


def moment(value: float, units: str, calendar: str) -> tuple[datetime | None, str]:
    """A moment, to the second, and a note on it; None if it stands for no real moment.

    A date of the calendars julian and standard is converted by its Julian day. A model's calendar
    (360_day, noleap, all_leap) has no such rule: the date keeps its name, and 30 February becomes
    the last of February. Years 0 and 1 are the customary names for a climatology or a model's own
    clock. Raises ValueError if it can't be read.
    """
    calendar = calendar.strip().lower()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # year 0 conventions
            date = cftime.num2date(value, units, calendar or "standard")
    except (ValueError, OverflowError, TypeError, KeyError, ArithmeticError) as error:
        raise ValueError(f"{units!r} in calendar {calendar!r}: {error}") from error
    if date.year in (0, 1):
        return None, "its time is that of a model or a climatology, not a real date"
    if not 1 < date.year < 9999:
        raise ValueError(f"year {date.year}")
    if calendar in _REAL:
        return _rounded(_gregorian(date)), ""
    note = f"its dates are of the calendar {calendar}; they stand here as real dates"
    return _rounded(_named(date)), note


def _gregorian(date: Any) -> datetime:
    if date.calendar in ("julian", "standard", "gregorian"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            date = date.change_calendar("proleptic_gregorian")
    return _named(date)


def _named(date: Any) -> datetime:
    for day in range(date.day, date.day - 4, -1):
        try:
            return datetime(
                date.year, date.month, day, date.hour, date.minute, date.second,
                date.microsecond, tzinfo=UTC,
            )  # fmt: skip
        except ValueError:
            continue
    raise ValueError(f"{date} is no date")


def _rounded(date: datetime) -> datetime:
    """To the second: days in double precision are not better than that."""
    return (date + timedelta(microseconds=500_000)).replace(microsecond=0)


def written(value: datetime | None) -> str:
    """RFC 3339; "" for None."""
    return value.isoformat() if value else ""
