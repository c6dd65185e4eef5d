"""How often the values of facets occur in what a query finds."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence

import orjson

from pelagos.catalogue.index.entries import NARROWED
from pelagos.catalogue.query import Facet, FacetCount

_VALUES = 500  # of each facet, the most frequent


def of_collections(
    connection: sqlite3.Connection, collections: Iterable[int]
) -> dict[Facet, list[FacetCount]]:
    """Counts over these collections."""
    rows = connection.execute(
        "SELECT value, count(*) FROM collection_value "
        "WHERE collection IN (SELECT value FROM json_each(?)) GROUP BY value",
        (orjson.dumps(sorted(collections)).decode(),),
    )
    return _named(connection, Counter(dict(rows.fetchall())))


def of_granules(
    connection: sqlite3.Connection, rids: Sequence[int]
) -> dict[Facet, list[FacetCount]]:
    """Counts over these granules: their own values, and those of their collections.

    Own platforms and instruments stand for those of the collection.
    """
    groups = connection.execute(
        "SELECT p.collection, t.tags, count(*) FROM json_each(?) j "
        "CROSS JOIN place p ON p.rid = j.value CROSS JOIN tagset t ON t.num = p.tags "
        "GROUP BY p.collection, p.tags",
        (orjson.dumps(rids).decode(),),
    ).fetchall()
    inherited = _inherited(connection, {collection for collection, _, _ in groups})
    marks = {facet.value: mark for facet, mark in NARROWED.items()}
    counts: Counter[int] = Counter()
    for collection, tags, count in groups:
        own = set(tags.split())
        values = {int(tag) for tag in own if tag.isdigit()}
        values.update(
            value for value, facet in inherited.get(collection, ()) if marks.get(facet) not in own
        )
        for value in values:
            counts[value] += count
    return _named(connection, counts)


def _inherited(
    connection: sqlite3.Connection, collections: Iterable[int]
) -> dict[int, list[tuple[int, str]]]:
    """Values of collections, with their facets."""
    found: dict[int, list[tuple[int, str]]] = {}
    for collection, value, facet in connection.execute(
        "SELECT c.collection, c.value, v.facet FROM json_each(?) j "
        "CROSS JOIN collection_value c ON c.collection = j.value "
        "CROSS JOIN value v ON v.num = c.value",
        (orjson.dumps(sorted(collections)).decode(),),
    ):
        found.setdefault(collection, []).append((value, facet))
    return found


def _named(connection: sqlite3.Connection, counts: Counter[int]) -> dict[Facet, list[FacetCount]]:
    """By facet, the most frequent first, then by title."""
    found: dict[Facet, list[FacetCount]] = {facet: [] for facet in Facet}
    for number, facet, value, title, terms in connection.execute(
        "SELECT v.num, v.facet, v.value, v.title, v.terms FROM json_each(?) j "
        "CROSS JOIN value v ON v.num = j.value",
        (orjson.dumps(list(counts)).decode(),),
    ):
        found[Facet(facet)].append(
            FacetCount(value, counts[number], title or value, orjson.loads(terms))
        )
    for values in found.values():
        values.sort(key=lambda one: (-one.count, one.title.casefold(), one.value))
        del values[_VALUES:]
    return found
