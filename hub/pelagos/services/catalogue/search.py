"""What was asked, read and checked: query parameters and bodies become one `Wanted`.

Everything that can't be read raises QueryError with a sentence that names the field.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import shapely
from pydantic import BaseModel
from shapely.geometry import shape

from pelagos.catalogue.query import Criteria, Facet, Order, QueryError, Slice
from pelagos.catalogue.records import Box, RecordError
from pelagos.services.catalogue.models import IDS, LIMIT, MOST, VALUES

_MOMENT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))",
    re.ASCII,
)
_POINTS = 10_000  # of a geometry
_SHAPES = {
    "Point",
    "MultiPoint",
    "LineString",
    "MultiLineString",
    "Polygon",
    "MultiPolygon",
    "GeometryCollection",
}
_NESTED = 4  # geometry collections in one another
_ORDERS = 5
_NAME = re.compile(r"[A-Za-z0-9_:.\-]{1,200}")


@dataclass(frozen=True)
class Wanted:
    """A search: what is looked for, which part of it, and which members an answer has."""

    criteria: Criteria
    part: Slice
    include: frozenset[str] = frozenset()
    exclude: frozenset[str] = frozenset()
    virtual_lab: str = ""
    # of a POST: its members, for the links to other pages
    is_body: bool = False
    body: dict[str, Any] = field(default_factory=dict)


def of_query(given: dict[str, Any]) -> Wanted:
    """The search that query parameters ask for. Raises QueryError."""
    include, exclude = _fields_of_text(given.get("fields") or "")
    return _wanted(
        given,
        text=given.get("q") or "",
        box=_box_of_text(given.get("bbox")),
        orders=_orders_of_text(given.get("sortby") or ""),
        include=include,
        exclude=exclude,
        collections=_split("collections", given.get("collections")),
        ids=_split("ids", given.get("ids")),
        geometry=_geometry_of_text(given.get("intersects")),
    )


def of_body(sent: BaseModel) -> Wanted:
    """The search that a body asks for. Raises QueryError."""
    given = sent.model_dump(exclude_none=True)
    text = given.get("q") or ""
    fields = given.get("fields") or {}
    geometry = geometry_of(given["intersects"]) if "intersects" in given else None
    wanted = _wanted(
        given,
        text=text if isinstance(text, str) else ",".join(text),
        box=box_of(given["bbox"]) if "bbox" in given else None,
        orders=tuple(
            Order(one["field"], one["direction"] == "desc") for one in given.get("sortby") or ()
        ),
        include=_names(fields.get("include") or ()),
        exclude=_names(fields.get("exclude") or ()),
        collections=tuple(given.get("collections") or ()),
        ids=tuple(given.get("ids") or ()),
        geometry=geometry,
    )
    body = {key: value for key, value in given.items() if key != "token" and value != {}}
    if geometry:
        body["intersects"] = geometry
    return replace(wanted, is_body=True, body=body)


def _wanted(
    given: dict[str, Any],
    *,
    text: str,
    box: Box | None,
    orders: tuple[Order, ...],
    include: frozenset[str],
    exclude: frozenset[str],
    collections: tuple[str, ...],
    ids: tuple[str, ...],
    geometry: dict[str, Any] | None,
) -> Wanted:
    if box and geometry:
        raise QueryError("bbox and intersects: only one of them can be given.")
    if len(orders) > _ORDERS:
        raise QueryError(f"sortby: at most {_ORDERS} fields.")
    start, end = interval_of(given.get("datetime"))
    return Wanted(
        Criteria(
            text=text,
            box=box,
            start=start,
            end=end,
            facets=_facets(given),
            collections=collections,
            ids=ids,
            geometry=geometry,
        ),
        Slice(min(given.get("limit") or LIMIT, MOST), given.get("token") or "", orders),
        include,
        exclude,
        given.get("virtual_lab") or "",
    )


def _facets(given: dict[str, Any]) -> dict[Facet, tuple[str, ...]]:
    found = {}
    for facet in Facet:
        # a form sends what is not filled in as ""
        values = tuple(value for value in given.get(facet.value) or () if value)
        if len(values) > VALUES:
            raise QueryError(f"{facet.value}: at most {VALUES} values.")
        if values:
            found[facet] = values
    return found


def _split(name: str, text: str | None) -> tuple[str, ...]:
    values = tuple(value.strip() for value in (text or "").split(",") if value.strip())
    if len(values) > IDS:
        raise QueryError(f"{name}: at most {IDS}.")
    return values


def _box_of_text(text: str | None) -> Box | None:
    if text is None:
        return None
    try:
        return box_of([float(part) for part in text.split(",")])
    except ValueError as error:
        if isinstance(error, QueryError):
            raise
        raise QueryError(
            "bbox: four numbers with `,` between are needed: west,south,east,north."
        ) from None


def box_of(numbers: Sequence[float]) -> Box:
    """A box from the numbers of `bbox` (RFC 7946 5). Raises QueryError."""
    if len(numbers) not in (4, 6):
        raise QueryError(f"bbox: {len(numbers)} numbers; 4 (or 6 with heights) are needed.")
    if not all(math.isfinite(number) for number in numbers):
        raise QueryError("bbox: a value is not a number.")
    if len(numbers) == 6 and numbers[2] > numbers[5]:
        raise QueryError("bbox: the least height is above the greatest.")
    west, south = numbers[:2]
    east, north = numbers[2:] if len(numbers) == 4 else numbers[3:5]
    for name, value, most in (
        ("west", west, 180),
        ("east", east, 180),
        ("south", south, 90),
        ("north", north, 90),
    ):
        if abs(value) > most:
            raise QueryError(f"bbox: {name} is {value:g}, outside -{most} to {most} degrees.")
    if south > north:
        raise QueryError(f"bbox: south ({south:g}) is north of north ({north:g}).")
    try:
        return Box(west, south, east, north)
    except RecordError as error:
        raise QueryError(f"bbox: {error}.") from None


def interval_of(text: str | None) -> tuple[datetime | None, datetime | None]:
    """The ends of `datetime` (OGC 17-069r4 7.15.7), None where open. Raises QueryError."""
    if text is None:
        return None, None
    parts = text.split("/")
    if len(parts) > 2:
        raise QueryError("datetime: more than one `/`.")
    if len(parts) == 1:
        moment = _moment(text)
        return moment, moment
    start, end = (None if part in ("", "..") else _moment(part) for part in parts)
    if start is None and end is None:
        raise QueryError("datetime: one end at least must be given.")
    if start and end and start > end:
        raise QueryError(f"datetime: it ends before it starts: {text}.")
    return start, end


def _moment(text: str) -> datetime:
    """A moment in UTC (RFC 3339 5.6); of the fraction, microseconds."""
    found = _MOMENT.fullmatch(text)
    if not found:
        raise QueryError(
            f"datetime: {text[:60]!r} is no moment such as 2020-01-31T00:00:00Z (RFC 3339)."
        )
    year, month, day, hour, minute, second, fraction, sign, hours, minutes = found.groups()
    leap = second == "60"
    try:
        moment = datetime(
            int(year),
            int(month),
            int(day),
            int(hour),
            int(minute),
            59 if leap else int(second),
            int((fraction or "0")[:6].ljust(6, "0")),
            tzinfo=UTC,
        )
        if int(hours or 0) > 23 or int(minutes or 0) > 59:
            raise ValueError("offset")
        offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
        moment += offset if sign == "-" else -offset
        return moment + timedelta(seconds=1) if leap else moment
    except (ValueError, OverflowError):
        raise QueryError(f"datetime: there is no moment {text[:60]}.") from None


def _orders_of_text(text: str) -> tuple[Order, ...]:
    orders = []
    for part in text.split(","):
        # in an address a bare + is a space
        name = part.strip().removeprefix("+")
        if name:
            orders.append(Order(name.removeprefix("-"), name.startswith("-")))
    return tuple(orders)


def _fields_of_text(text: str) -> tuple[frozenset[str], frozenset[str]]:
    parts = [part.strip().removeprefix("+") for part in text.split(",")]
    include = _names(part for part in parts if part and not part.startswith("-"))
    return include, _names(part[1:] for part in parts if part.startswith("-"))


def _names(names: Iterable[str]) -> frozenset[str]:
    found = frozenset(names)
    for name in found:
        if not _NAME.fullmatch(name):
            raise QueryError(f"fields: {name[:60]!r} is no name of a member.")
    return found


def _geometry_of_text(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise QueryError("intersects: a GeoJSON geometry is needed, and this is no JSON.") from None
    return geometry_of(found)


def geometry_of(found: Any) -> dict[str, Any]:
    """A GeoJSON geometry, checked (RFC 7946 3.1). Raises QueryError."""
    _check_type(found, 0)
    try:
        geometry = shape(found)
        flat = shapely.get_coordinates(geometry)
    except (
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        AttributeError,
        shapely.errors.ShapelyError,
    ):
        raise QueryError(
            f"intersects: the coordinates of this {found['type']} can't be read."
        ) from None
    if not len(flat) or geometry.is_empty:
        raise QueryError("intersects: the geometry is empty.")
    if len(flat) > _POINTS:
        raise QueryError(f"intersects: {len(flat)} points; the most is {_POINTS}. Simplify it.")
    # comparisons with NaN are false: so it is caught here too
    if not ((abs(flat[:, 0]) <= 180) & (abs(flat[:, 1]) <= 90)).all():
        raise QueryError(
            "intersects: a point is outside -180 to 180 degrees east, -90 to 90 north."
        )
    if not geometry.is_valid:
        raise QueryError("intersects: the geometry crosses itself.")
    return _plain(found)


def _plain(found: dict[str, Any]) -> dict[str, Any]:
    """A checked geometry without what else was sent with it."""
    if found["type"] == "GeometryCollection":
        parts = [_plain(part) for part in found["geometries"]]
        return {"type": "GeometryCollection", "geometries": parts}
    return {"type": found["type"], "coordinates": found["coordinates"]}


def _check_type(found: Any, depth: int) -> None:
    kind = found.get("type") if isinstance(found, dict) else None
    if not isinstance(kind, str) or kind not in _SHAPES:
        raise QueryError(
            "intersects: a GeoJSON geometry is needed; a feature has one as `geometry`."
        )
    if kind == "GeometryCollection":
        parts = found.get("geometries")
        if not isinstance(parts, list) or depth >= _NESTED or len(parts) > _POINTS:
            raise QueryError("intersects: `geometries` is no list, or they nest too deeply.")
        for part in parts:
            _check_type(part, depth + 1)
