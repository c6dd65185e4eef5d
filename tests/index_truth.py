"""What the index must answer, said plainly: each record looked at, one by one.

It knows the grammar only as far as the tests build their texts: words, and words side by side.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import shapely
from pelagos.catalogue.query import Criteria, Facet
from pelagos.catalogue.records import Box, CollectionRecord, GranuleRecord, collection_id, identify
from pelagos.catalogue.terms import complete, key_of, words_of

FIRST = datetime(1, 1, 1, tzinfo=UTC)
LAST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


@dataclass(frozen=True)
class Known:
    """One granule with the collection it is of."""

    source: str
    collection: CollectionRecord
    granule: GranuleRecord

    @property
    def key(self) -> tuple[str, str]:
        return collection_id(self.source, self.collection.id), identify(self.granule.id)


def cut(text: str) -> list[str]:
    """Words of an ASCII text."""
    return re.findall(r"[a-z0-9]+", text.lower())


def has_words(fields: Iterable[str], wanted: list[str]) -> bool:
    """Whether one of the fields has the words side by side."""
    for field in fields:
        words = cut(field)
        for place in range(len(words) - len(wanted) + 1):
            if words[place : place + len(wanted)] == wanted:
                return True
    return False


def named(record: GranuleRecord | CollectionRecord) -> list[str]:
    found = []
    for parameter in record.parameters:
        found += [*words_of(complete(parameter)), parameter.p01, parameter.p02]
    return found


def fields(known: Known) -> list[str]:
    granule, collection = known.granule, known.collection
    own = [granule.id, granule.title, granule.platform, *granule.instruments, *granule.words]
    over = [*collection.keywords]
    for names in (collection.platforms, collection.instruments):
        if len(names) == 1:  # of several, nobody knows which is the granule's
            over += names
    return [*own, *named(granule), collection.title, *over, *named(collection)]


def finds(known: Known, wanted: list[str]) -> bool:
    return has_words(fields(known), wanted)


def pieces(box: Box) -> list[tuple[float, float, float, float]]:
    if box.west <= box.east:
        return [(box.west, box.south, box.east, box.north)]
    return [(box.west, box.south, 180, box.north), (-180, box.south, box.east, box.north)]


def boxes_meet(one: Box, other: Box) -> bool:
    return any(
        a[0] <= b[2] and a[2] >= b[0] and a[1] <= b[3] and a[3] >= b[1]
        for a in pieces(one)
        for b in pieces(other)
    )


def meets_geometry(granule: GranuleRecord, geometry: dict[str, Any]) -> bool:
    shape = shapely.geometry.shape(geometry)
    if granule.box is None:
        return False
    if granule.geometry is not None:
        return bool(shapely.intersects(shape, shapely.geometry.shape(granule.geometry)))
    return any(shapely.intersects(shape, area(*piece)) for piece in pieces(granule.box))


def area(x0: float, y0: float, x1: float, y1: float) -> Any:
    """A box; without width or height it is a line or a point."""
    if (x0, y0) == (x1, y1):
        return shapely.Point(x0, y0)
    if x0 == x1 or y0 == y1:
        return shapely.LineString([(x0, y0), (x1, y1)])
    return shapely.box(x0, y0, x1, y1)


def in_time(granule: GranuleRecord, start: datetime | None, end: datetime | None) -> bool:
    if start is None and end is None:
        return True
    if granule.start is None and granule.end is None:
        return False
    return (granule.start or FIRST) <= (end or LAST) and (granule.end or LAST) >= (start or FIRST)


def values(known: Known, facet: Facet) -> set[str]:
    granule, collection = known.granule, known.collection
    if facet is Facet.INFRASTRUCTURE:
        return {known.source}
    if facet is Facet.LICENCE:
        return {collection.licence}
    if facet is Facet.PARAMETER:
        return {key_of(one) for one in (*granule.parameters, *collection.parameters)}
    if facet is Facet.PLATFORM:
        return {granule.platform} if granule.platform else set(collection.platforms)
    return set(granule.instruments or collection.instruments)


def matches(known: Known, criteria: Criteria, text: Callable[[Known], bool]) -> bool:
    """Whether a granule is found; `text` stands for what criteria.text says."""
    granule = known.granule
    public, identifier = known.key
    return (
        text(known)
        and (criteria.scope is None or public in criteria.scope)
        and (not criteria.collections or public in criteria.collections)
        and (not criteria.ids or identifier in criteria.ids)
        and in_time(granule, criteria.start, criteria.end)
        and (
            criteria.box is None
            or (granule.box is not None and boxes_meet(granule.box, criteria.box))
        )
        and (criteria.geometry is None or meets_geometry(granule, criteria.geometry))
        and all(
            values(known, facet) & set(wanted)
            for facet, wanted in criteria.facets.items()
            if wanted
        )
    )


def newest_first(known: Known) -> tuple[int, float]:
    """Sorts as the index does, but for what starts in the same millisecond."""
    granule = known.granule
    if granule.start is None and granule.end is None:
        return (1, 0)
    return (0, -(granule.start or FIRST).timestamp())
