"""What can be asked of the index, checked; one meaning for API, facets and pages."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from pelagos.catalogue.records import Box

TOTAL_LIMIT = 10_000  # matches that are counted; more are "10,000+"


class QueryError(ValueError):
    """A query can't be answered as it stands; the text says which field and why (for a 400)."""


class Facet(StrEnum):
    """What the panel narrows a search by."""

    INFRASTRUCTURE = "infrastructure"
    PARAMETER = "parameter"
    PLATFORM = "platform"
    INSTRUMENT = "instrument"
    LICENCE = "licence"


@dataclass(frozen=True)
class Criteria:
    """What collections and granules are searched by; everything given must hold.

    `text` is free text as typed (`text.py` says how it is read); with `prefix` its last word may go
    on. `box` may cross the antimeridian; `geometry` (GeoJSON) is met by what has a point in common
    with it, on the flat plane of longitudes and latitudes. A time range that is None on one side is
    open there; a record without time matches no time range, one without place no box. `facets`: any
    of the values of each facet. `collections` and `ids` (of granules) are public identifiers.
    `scope`: collections the caller may see; None: all.
    """

    text: str = ""
    box: Box | None = None
    start: datetime | None = None
    end: datetime | None = None
    facets: dict[Facet, tuple[str, ...]] = field(default_factory=dict)
    collections: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    geometry: dict[str, Any] | None = None
    prefix: bool = False
    scope: frozenset[str] | None = None


@dataclass(frozen=True)
class Order:
    """How results are sorted: a STAC field such as `properties.datetime`, and a direction."""

    field: str
    descending: bool = False


@dataclass(frozen=True)
class Slice:
    """Which part of the results: at most `limit` after the one that `token` stands for."""

    limit: int = 10
    token: str = ""
    order: tuple[Order, ...] = ()


@dataclass(frozen=True)
class Page:
    """Documents (STAC without links), how many there are, and how to go on.

    `total` is exact up to TOTAL_LIMIT; `more`: there are more than that. `next` and `previous`
    are tokens, "" at the ends.
    """

    documents: list[dict[str, Any]]
    total: int
    more: bool
    next: str = ""
    previous: str = ""


@dataclass(frozen=True)
class FacetCount:
    """One value of a facet, with how many of the results have it."""

    value: str
    count: int
    title: str = ""
    # of a parameter: standard_name, p01, p02 where known
    terms: dict[str, str] = field(default_factory=dict)
