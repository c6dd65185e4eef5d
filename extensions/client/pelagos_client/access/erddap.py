"""What an ERDDAP server is asked for: a box, a time range and variables, in one request.

Protocol: ERDDAP documentation, "tabledap" and "griddap"; the asset's fields are written by the
catalogue's connector `erddap`. Answers are NetCDF.

Of a table the rows are given whose values lie between the ends, both included. Of a grid the server
gives the points that are nearest to the ends; where the axis is even we name the outermost points
inside instead, so just those inside come. On an uneven axis (often time) one point more may come at
each end, never one less.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from pelagos_client.access.longitudes import spans
from pelagos_client.access.model import AccessError, Criteria, FilePlan
from pelagos_client.access.names import cut_name, file_name

Asset = Mapping[str, Any]
_KEPT = "-_.~,()=:&"  # of a query; ERDDAP wants the rest as %XX
_FORMATS = ("nc",)
_CLOSE = 1e-6  # of a step of an axis: rounding of what the server says


@dataclass(frozen=True)
class Axis:
    """An axis as the catalogue describes it. `low`, `high`: its ends, None if not known; times in
    seconds since 1970. `size`, `even`: of a grid."""

    kind: str
    name: str
    low: float | None = None
    high: float | None = None
    size: int | None = None
    ascending: bool = True
    even: bool = False

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Axis:
        """Raises KeyError, TypeError, ValueError for what is none."""
        ends = [document.get("min"), document.get("max")]
        low, high = (None if end is None else float(end) for end in ends)
        size = document.get("size")
        return cls(
            str(document.get("axis") or ""),
            str(document["name"]),
            low,
            high,
            int(size) if size is not None else None,
            document.get("ascending") is not False,
            document.get("even") is True,
        )


@dataclass(frozen=True)
class Served:
    """What a server says of a data set that it cuts."""

    href: str
    media: str
    ending: str
    axes: tuple[Axis, ...]
    variables: tuple[Mapping[str, Any], ...]
    left_out: int

    @classmethod
    def of(cls, key: str, asset: Asset) -> Served:
        """Raises AccessError for what was not written by the catalogue."""
        found = asset.get("pelagos:subset") or {}
        formats = found.get("formats") or {}
        format_ = next((name for name in _FORMATS if name in formats), None)
        try:
            axes = tuple(map(Axis.of, found.get("axes") or ()))
            variables = tuple(dict(one) for one in found.get("variables") or ())
            left_out = int(found.get("variables_left_out") or 0)
        except (KeyError, TypeError, ValueError, AttributeError):
            format_ = None
        if format_ is None:
            raise AccessError(
                f"The asset {key!r} does not say how its server cuts it to NetCDF.",
                "Ask the operator to harvest this source again.",
            )
        href = str(asset.get("href") or "")
        return cls(href, str(formats[format_]), f".{format_}", axes, variables, left_out)

    @property
    def id(self) -> str:
        """The data set's identifier."""
        return self.href.rstrip("/").rpartition("/")[2]

    def axis(self, kind: str) -> Axis | None:
        """The first one of a kind (X, Y, T)."""
        return next((axis for axis in self.axes if axis.kind == kind), None)

    def chosen(self, names: Sequence[str]) -> list[str]:
        """The variables that are asked for by name or standard name. Raises AccessError."""
        found = [
            str(one["name"])
            for one in self.variables
            if one.get("name") in names or (one.get("standard_name") or None) in names
        ]
        taken = {axis.name for axis in self.axes}
        if names and not found and not taken & set(names):
            some = ", ".join(str(one.get("name")) for one in self.variables[:12])
            raise AccessError(
                f"{self.id} has none of the variables {', '.join(names)[:200]}.",
                f"It has {some}{' and others' if len(self.variables) > 12 else ''}.",
            )
        return found


def plan_table(key: str, asset: Asset, criteria: Criteria) -> list[FilePlan]:
    """Rows of a table. Raises AccessError."""
    served = Served.of(key, asset)
    names = served.chosen(criteria.variables)
    wanted = [axis.name for axis in served.axes] + names if criteria.variables else []
    common = [*_rows(served, "Y", _latitudes(criteria)), *_times(served, criteria)]
    sides = _sides(served, criteria)
    queries = []
    for side in sides:
        parts = [",".join(wanted), *_rows(served, "X", side), *common]
        queries.append("&".join(parts) if len(parts) > 1 else parts[0])
    return _files(key, served, queries)


def plan_grid(key: str, asset: Asset, criteria: Criteria) -> list[FilePlan]:
    """Points of a grid: a request for each side of the box. Raises AccessError."""
    served = Served.of(key, asset)
    names = served.chosen(criteria.variables)
    queries = []
    empty: AccessError | None = None
    for side in _sides(served, criteria):
        try:
            brackets = [_bracket(served, axis, side, criteria) for axis in served.axes]
        except AccessError as error:
            empty = error
            continue
        if not names and not any(brackets):
            queries.append("")
            continue
        dimensions = "".join(bracket or "[0:1:last]" for bracket in brackets)
        queries.append(",".join(name + dimensions for name in names or _all(served)))
    if not queries and empty is not None:
        raise empty
    return _files(key, served, queries)


def _all(served: Served) -> list[str]:
    if served.left_out:
        raise AccessError(
            f"{served.id} has {len(served.variables) + served.left_out} variables, too many to "
            "cut all of them at once.",
            "Name the variables that you want.",
        )
    return [str(one["name"]) for one in served.variables]


def _sides(served: Served, criteria: Criteria) -> list[tuple[float, float] | None]:
    """The box's longitudes on the server's axis; None for all of them. Raises AccessError."""
    axis = served.axis("X")
    if criteria.bbox is None:
        return [None]
    if axis is None or served.axis("Y") is None:
        raise _no_axis(served, "in a box", "place")
    west, _, east, _ = criteria.bbox
    if (east - west if west <= east else east - west + 360) >= 360:
        return [None]
    found = spans(west, east, axis.low, axis.high)
    if not found:
        raise _nothing(served, "the box")
    return list(found)


def _latitudes(criteria: Criteria) -> tuple[float, float] | None:
    return None if criteria.bbox is None else (criteria.bbox[1], criteria.bbox[3])


def _rows(served: Served, kind: str, ends: tuple[float, float] | None) -> Iterator[str]:
    """Constraints of a table. Raises AccessError."""
    axis = served.axis(kind)
    if ends is None or axis is None:
        return
    if _beyond(axis, *ends):
        raise _nothing(served, "the box")
    yield f"{axis.name}>={_text(ends[0])}"
    yield f"{axis.name}<={_text(ends[1])}"


def _times(served: Served, criteria: Criteria) -> Iterator[str]:
    if criteria.start is None and criteria.end is None:
        return
    axis = served.axis("T")
    if axis is None:
        raise _no_axis(served, "in time", "time")
    start, end = _seconds(criteria.start), _seconds(criteria.end)
    if _beyond(axis, start, end):
        raise _nothing(served, "the time range")
    if criteria.start is not None:
        yield f"{axis.name}>={_moment(criteria.start)}"
    if criteria.end is not None:
        yield f"{axis.name}<={_moment(criteria.end)}"


def _bracket(
    served: Served, axis: Axis, side: tuple[float, float] | None, criteria: Criteria
) -> str:
    """What a grid is asked for along an axis; "" for all of it. Raises AccessError."""
    what = "the box"
    if axis.kind == "X" and axis is served.axis("X"):
        ends: tuple[float | None, float | None] = side or (None, None)
    elif axis.kind == "Y" and axis is served.axis("Y"):
        ends = _latitudes(criteria) or (None, None)
    elif axis.kind == "T" and axis is served.axis("T"):
        ends, what = (_seconds(criteria.start), _seconds(criteria.end)), "the time range"
    else:
        return ""
    low, high = ends
    if low is None and high is None:
        return ""
    if axis.low is None or axis.high is None:
        raise AccessError(
            f"{served.id}: its server does not say where its axis {axis.name} begins and ends.",
            "Order it without cutting that.",
        )
    if _beyond(axis, low, high):
        raise _nothing(served, what)
    low = axis.low if low is None else max(low, axis.low)
    high = axis.high if high is None else min(high, axis.high)
    if (low, high) == (axis.low, axis.high):
        return ""
    if axis.even and axis.size is not None and axis.size > 1:
        low, high = _inside(served, axis, low, high)
    texts = [_moment_of(end) if axis.kind == "T" else _text(end) for end in (low, high)]
    if not axis.ascending:
        texts.reverse()
    return f"[({texts[0]}):1:({texts[1]})]"


def _inside(served: Served, axis: Axis, low: float, high: float) -> tuple[float, float]:
    """The outermost points of an even axis between two ends. Raises AccessError."""
    # for the type checker: who calls has refused an axis without ends
    assert axis.low is not None and axis.high is not None and axis.size  # noqa: S101, PT018
    step = (axis.high - axis.low) / (axis.size - 1)
    first = math.ceil((low - axis.low) / step - _CLOSE)
    last = math.floor((high - axis.low) / step + _CLOSE)
    if first > last:
        unit = "seconds" if axis.kind == "T" else "degrees"
        raise AccessError(
            f"No point of {served.id} lies between the ends along {axis.name}: its points are "
            f"{step:.6g} {unit} apart.",
            "Order a larger box or time range.",
        )
    return axis.low + first * step, axis.low + last * step


def _files(key: str, served: Served, queries: Sequence[str]) -> list[FilePlan]:
    files = []
    for query in dict.fromkeys(queries):
        url = served.href + served.ending
        name = file_name(served.href, served.media)
        if query:
            url += "?" + quote(query, _KEPT)
            mark = hashlib.sha256(f"{key} {url}".encode()).hexdigest()[:8]
            name = cut_name(served.id, served.ending, mark)
        request: dict[str, Any] = {"protocol": "erddap"}
        if len(queries) > 1:
            request["may_be_empty"] = True  # of the sides of a box one may have nothing
        files.append(
            FilePlan(key, name, url, type=served.media, request=request, is_subset=bool(query))
        )
    return files


def _beyond(axis: Axis, low: float | None, high: float | None) -> bool:
    """Whether nothing of the axis lies between."""
    before = high is not None and axis.low is not None and high < axis.low
    after = low is not None and axis.high is not None and low > axis.high
    return before or after


def _nothing(served: Served, what: str) -> AccessError:
    return AccessError(
        f"{served.id}: nothing of it lies in {what}.", "Order a larger one, or leave it out."
    )


def _no_axis(served: Served, how: str, what: str) -> AccessError:
    return AccessError(
        f"{served.id} can't be cut {how}: its server does not say which variable is its {what}.",
        "Order it without cutting that.",
    )


def _text(value: float) -> str:
    """A number as short as it can be written, without an exponent."""
    text = repr(float(value))
    return (format(value, ".12f").rstrip("0").rstrip(".") if "e" in text else text) or "0"


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def _moment(moment: datetime) -> str:
    text = moment.astimezone(UTC).isoformat(
        timespec="milliseconds" if moment.microsecond else "seconds"
    )
    return text.replace("+00:00", "Z")


def _moment_of(seconds: float) -> str:
    try:
        return _moment(datetime.fromtimestamp(round(seconds, 3), UTC))
    except (ValueError, OverflowError, OSError):  # a year that no calendar here has
        return _text(seconds)
