"""Values made small and ready for JSON: samples, masks of bad values, times."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import numpy as np

POINTS = 2_000  # of a profile or a series
CELLS = 200  # of a map, along each side


class Unshowable(Exception):
    """A variable can't be shown so; the text says why."""


def sample(count: int, most: int) -> Any:
    """At most so many indices out of `count`, evenly, with the first and the last."""
    if count <= most:
        return np.arange(count)
    return np.unique(np.linspace(0, count - 1, most).round().astype(int))


def numbers(values: Any) -> list[float | None]:
    """As JSON has them: six digits, None for what is missing."""
    found = np.asarray(values, dtype="float64").ravel()
    return [float(f"{one:.6g}") if np.isfinite(one) else None for one in found]


def exact(values: Any) -> list[float | None]:
    """The same with all digits: places and times."""
    found = np.asarray(values, dtype="float64").ravel()
    return [round(float(one), 6) if np.isfinite(one) else None for one in found]


def floats(variable: Any) -> Any:
    """Its values; what is not finite is missing."""
    found = np.asarray(variable.values, dtype="float64")
    return np.where(np.isfinite(found), found, np.nan)


def label(name: str, attrs: Any) -> str:
    """What a variable is called for people."""
    for key in ("long_name", "standard_name"):
        text = re.sub(r"\s+", " ", str(attrs.get(key, ""))).strip()
        if text:
            text = text.replace("_", " ")[:120]
            return text[:1].upper() + text[1:]
    return name


def units(attrs: Any) -> str:
    """Its units; none for a number without."""
    text = str(attrs.get("units", "")).strip()[:60]
    return "" if text in ("1", "none", "-") else text


def axis(name: str, attrs: Any, values: list[float | None]) -> dict[str, Any]:
    """An axis of a preview."""
    return {"name": name, "label": label(name, attrs), "units": units(attrs), "values": values}


def milliseconds(values: Any, attrs: Any) -> Any:
    """Times as milliseconds since 1970. Raises Unshowable."""
    # has no types, and is not there where only the rest is checked
    import cftime  # type: ignore[import-untyped,unused-ignore]

    given = np.asarray(values, dtype="float64").ravel()
    text = str(attrs.get("units", ""))
    if " since " not in text:
        raise Unshowable("its times have no units")
    good = np.isfinite(given)
    found = np.full(given.shape, np.nan)
    try:
        dates = cftime.num2date(
            given[good],
            re.sub(r"\s+UTC$", "", text),
            calendar=str(attrs.get("calendar", "standard")).lower(),
            only_use_cftime_datetimes=True,
        )
    except (ValueError, OverflowError, TypeError) as error:
        raise Unshowable("its times can't be read") from error
    found[good] = [_epoch(one) for one in np.atleast_1d(dates)]
    return found


def _epoch(date: Any) -> float:
    """Other calendars by the same year, month and day, so that axes say what the data say."""
    if not 1 <= date.year <= 9999:
        return float("nan")
    day = min(date.day, 28) if date.month == 2 or date.day > 30 else date.day
    try:
        moment = dt.datetime(
            date.year, date.month, date.day, date.hour, date.minute, date.second, tzinfo=dt.UTC
        )
    except ValueError:
        moment = dt.datetime(
            date.year, date.month, day, date.hour, date.minute, date.second, tzinfo=dt.UTC
        )
    return moment.timestamp() * 1000.0


def written(moment: float) -> str:
    """A time for people; "" for one that stands for none, as the year 1 of a climatology."""
    if not np.isfinite(moment):
        return ""
    found = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=moment)
    if found.year < 1000:
        return ""
    return found.strftime("%Y-%m-%d" if found.time() == dt.time() else "%Y-%m-%d %H:%M")


def is_bad(flags: Any) -> Any:
    """Where quality flags say bad (4) or missing (9): of Argo, SeaDataNet (L20) and OceanSITES."""
    found = np.asarray(flags)
    if found.dtype.kind in "fiu":
        return np.isin(found, (4, 9))
    text = np.vectorize(lambda one: one.decode() if isinstance(one, bytes) else str(one))(found)
    return np.isin(np.char.strip(text.astype(str)), ("4", "9"))
