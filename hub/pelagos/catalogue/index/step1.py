"""Step 1: the collections that a query finds, in order."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

import orjson

from pelagos.catalogue.index import cells, corpus, keys, tokens
from pelagos.catalogue.index.corpus import Corpus
from pelagos.catalogue.index.shapes import Shape
from pelagos.catalogue.query import TOTAL_LIMIT, Criteria, Order, Page, QueryError, Slice
from pelagos.catalogue.text import parse

_COLUMNS = {"title": 0, "id": 1, "updated": 2, "datetime": 3}


@dataclass(frozen=True)
class _Found:
    number: int
    sorted_by: tuple[Any, ...]  # as in _COLUMNS


def search(connection: sqlite3.Connection, known: Corpus, criteria: Criteria, part: Slice) -> Page:
    """A page of them."""
    order = _order(part.order)
    name = ",".join(f"{'-' if one.descending else ''}{one.field}" for one in order) or "rank"
    place = tokens.read(part.token, f"c:{name}", (str, int))
    found = numbers(connection, known, criteria)
    ordered = _sorted(connection, found, order, criteria)
    first = 0
    if place is not None:
        at = _position(known, ordered, str(place.key[0]), int(place.key[1]))
        first = max(0, at - part.limit) if place.back else at + 1
        stop = at if place.back else first + part.limit
    else:
        stop = part.limit
    shown = ordered[first:stop]

    def token(number: int, at: int, back: bool) -> str:
        return tokens.write(f"c:{name}", tokens.Place((known.names[number], at), back))

    return Page(
        _documents(connection, shown),
        min(len(ordered), TOTAL_LIMIT),
        len(ordered) > TOTAL_LIMIT,
        token(shown[-1], first + len(shown) - 1, False) if shown and stop < len(ordered) else "",
        token(shown[0], first, True) if shown and first else "",
    )


def numbers(connection: sqlite3.Connection, known: Corpus, criteria: Criteria) -> set[int]:
    """All of them, in no order. Raises QueryError."""
    found = corpus.allowed(known, criteria, known.names)
    text = parse(criteria.text, criteria.prefix)
    if text is not None:
        found = corpus.matching(connection, text, found)
    for facet, wanted in criteria.facets.items():
        if wanted:
            found &= set().union(*corpus.with_values(connection, facet, wanted).values())
    if criteria.start is not None or criteria.end is not None:
        start, end = keys.span(criteria.start, criteria.end)
        rows = connection.execute(
            "SELECT num FROM collection WHERE t0 <= ? AND t1 >= ?", (end, start)
        )
        found &= {number for (number,) in rows}
    if criteria.box is not None:
        boxes = cells.flat(*cells.stored(criteria.box))
        found &= _near(connection, boxes)
    if criteria.geometry is not None:
        shape = Shape.of(criteria.geometry)
        rows = connection.execute("SELECT collection, x0, y0, x1, y1 FROM collection_box")
        kept = [row for row in rows if row[0] in found]
        met = shape.meets_boxes([row[1:] for row in kept])
        found &= {row[0] for row, meets in zip(kept, met, strict=True) if meets}
    return found


def _near(connection: sqlite3.Connection, boxes: list[cells.Flat]) -> set[int]:
    rows = connection.execute("SELECT collection, x0, y0, x1, y1 FROM collection_box")
    return {
        number
        for number, *stored in rows
        if any(
            a[0] <= b[2] and a[2] >= b[0] and a[1] <= b[3] and a[3] >= b[1]
            for a in cells.flat(*stored)
            for b in boxes
        )
    }


def _order(order: tuple[Order, ...]) -> tuple[Order, ...]:
    found = []
    for one in order:
        name = one.field.removeprefix("properties.")
        if name not in _COLUMNS:
            raise QueryError(
                f"sortby: {one.field[:60]!r} is not one of {', '.join(sorted(_COLUMNS))}"
            )
        found.append(Order(name, one.descending))
    return tuple(found)


def _sorted(
    connection: sqlite3.Connection, found: set[int], order: tuple[Order, ...], criteria: Criteria
) -> list[int]:
    rows = connection.execute(
        "SELECT num, title, public, updated, t0 FROM collection "
        "WHERE num IN (SELECT value FROM json_each(?))",
        (orjson.dumps(sorted(found)).decode(),),
    )
    records = [
        _Found(number, (title.casefold(), public, updated, start))
        for number, title, public, updated, start in rows
    ]
    records.sort(key=lambda record: record.sorted_by[:2])
    if not order and criteria.text:
        rank = _ranks(connection, criteria)
        records.sort(key=lambda record: rank.get(record.number, 0.0))
    for one in reversed(order):
        column = _COLUMNS[one.field]
        given = [record for record in records if record.sorted_by[column] is not None]
        missing = [record for record in records if record.sorted_by[column] is None]
        given.sort(key=lambda record: record.sorted_by[column], reverse=one.descending)
        records = given + missing
    return [record.number for record in records]


def _ranks(connection: sqlite3.Connection, criteria: Criteria) -> dict[int, float]:
    """bm25: less is better; a word in the title weighs most."""
    text = parse(criteria.text, criteria.prefix)
    words = corpus.leaves(text) if text is not None else []
    if not words:
        return {}
    match = " OR ".join(dict.fromkeys(map(corpus.fts_string, words)))
    rows = connection.execute(
        "SELECT rowid, bm25(collection_text, 10.0, 4.0, 1.0) FROM collection_text "
        "WHERE collection_text MATCH ?",
        (match,),
    )
    return dict(rows.fetchall())


def _position(known: Corpus, ordered: list[int], public: str, at: int) -> int:
    """Where a collection is now; if it is gone, where it was."""
    number = known.numbers.get(public)
    if number in ordered:
        return ordered.index(number)
    return max(0, min(at, len(ordered)))


def _documents(connection: sqlite3.Connection, numbers: list[int]) -> list[dict[str, Any]]:
    rows = connection.execute(
        "SELECT num, doc FROM collection WHERE num IN (SELECT value FROM json_each(?))",
        (orjson.dumps(numbers).decode(),),
    )
    documents = {number: orjson.loads(doc) for number, doc in rows}
    return [documents[number] for number in numbers]
