"""Step 2: the granules that a query finds, in order, and how many there are."""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Iterable, Iterator
from itertools import islice

from pelagos.catalogue.index import tokens
from pelagos.catalogue.index.corpus import Corpus
from pelagos.catalogue.index.keys import EVERYTHING
from pelagos.catalogue.index.plan import Plan, plan
from pelagos.catalogue.index.scan import documents_of, matches
from pelagos.catalogue.index.settle import settle
from pelagos.catalogue.query import TOTAL_LIMIT, Criteria, Order, Page, QueryError, Slice

_CHUNK = 1_000
SORTED = 10_000  # granules whose identifiers are read from their documents
_FIELDS = {
    "datetime": "datetime",
    "properties.datetime": "datetime",
    "id": "id",
    "collection": "collection",
}


def search(connection: sqlite3.Connection, known: Corpus, criteria: Criteria, part: Slice) -> Page:
    """A page of them."""
    order = _order(part.order)
    kinds = {"datetime": (int,), "id": (str, str), "collection": (str, int)}[order.field]
    name = f"g:{'-' if order.descending else ''}{order.field}"
    place = tokens.read(part.token, name, kinds)
    found = plan(connection, known, criteria)
    if found is None:
        return Page([], 0, False)
    settled = settle(connection, found)
    page: list[tuple[int, tokens.Key]]
    if place is None and order == Order("datetime", True):
        first = list(islice(matches(connection, settled), TOTAL_LIMIT + 1))
        count = len(first)
        page = [(rid, (rid,)) for rid in first[: part.limit + 1]]
    else:
        count = _count(connection, settled)
        of = found if order.field == "collection" else settled
        page = list(islice(_after(connection, known, of, order, place), part.limit + 1))
    further, page = len(page) > part.limit, page[: part.limit]
    back = place is not None and place.back
    if back:
        page.reverse()
    documents = documents_of(connection, [rid for rid, _ in page])
    has_next, has_previous = (True, further) if back else (further, place is not None)
    return Page(
        documents,
        min(count, TOTAL_LIMIT),
        count > TOTAL_LIMIT,
        tokens.write(name, tokens.Place(page[-1][1])) if page and has_next else "",
        tokens.write(name, tokens.Place(page[0][1], True)) if page and has_previous else "",
    )


def newest(
    connection: sqlite3.Connection, known: Corpus, criteria: Criteria
) -> tuple[list[int], bool]:
    """Keys of the newest TOTAL_LIMIT at most, and whether there are more."""
    found = plan(connection, known, criteria)
    if found is None:
        return [], False
    settled = settle(connection, found)
    rids = list(islice(matches(connection, settled), TOTAL_LIMIT + 1))
    return rids[:TOTAL_LIMIT], len(rids) > TOTAL_LIMIT


def _order(order: tuple[Order, ...]) -> Order:
    """One field; `collection` may be followed by the newest first, which is what it does."""
    if not order:
        return Order("datetime", True)
    for one in order:
        if one.field not in _FIELDS:
            fields = ", ".join(sorted(_FIELDS))
            raise QueryError(f"sortby: {one.field[:60]!r} is not one of {fields}")
    first, *rest = (Order(_FIELDS[one.field], one.descending) for one in order)
    if rest and (first.field, rest) != ("collection", [Order("datetime", True)]):
        raise QueryError("sortby: one field only, or collection,-datetime")
    return first


def _count(connection: sqlite3.Connection, found: Plan) -> int:
    if found.whole and found.phases == [EVERYTHING]:
        (count,) = connection.execute("SELECT sum(granules) FROM collection").fetchone()
        return min(int(count), TOTAL_LIMIT + 1)
    return sum(1 for _ in islice(matches(connection, found), TOTAL_LIMIT + 1))


def _after(
    connection: sqlite3.Connection,
    known: Corpus,
    found: Plan,
    order: Order,
    place: tokens.Place | None,
) -> Iterator[tuple[int, tokens.Key]]:
    """Keys in any order, with what a token says of each; backwards if the place says so."""
    back = place is not None and place.back
    descending = order.descending ^ back
    key = place.key if place is not None else None
    if order.field == "datetime":
        after = int(key[0]) if key else None
        for rid in matches(connection, found, descending, after):
            yield rid, (rid,)
    elif order.field == "collection":
        yield from _by_collection(connection, known, found, descending, not back, key)
    else:
        yield from _by_id(connection, known, found, descending, key)


def _by_collection(
    connection: sqlite3.Connection,
    known: Corpus,
    found: Plan,
    descending: bool,
    newest_first: bool,
    key: tokens.Key | None,
) -> Iterator[tuple[int, tokens.Key]]:
    names = sorted((known.names[number] for number in found.collections), reverse=descending)
    for name in names:
        after = None
        if key is not None:
            last = str(key[0])
            if (name > last) if descending else (name < last):
                continue
            after = int(key[1]) if name == last else None
        within = found.of(known.numbers[name])
        for rid in matches(connection, within, newest_first, after):
            yield rid, (name, rid)


def _by_id(
    connection: sqlite3.Connection,
    known: Corpus,
    found: Plan,
    descending: bool,
    key: tokens.Key | None,
) -> Iterator[tuple[int, tokens.Key]]:
    """By identifier, then by collection.

    Few are sorted; of many, all keys are held while the entries of the collections are gone along.
    """
    wanted = None if found.whole else set(matches(connection, found))
    walks: list[Iterable[tuple[str, str, int]]]
    if wanted is not None and len(wanted) <= SORTED:
        walks = [_sorted(connection, wanted, descending, key)]
    else:
        walks = [
            _entries(connection, number, known.names[number], descending, key)
            for number in found.collections
        ]
    for identifier, name, rid in heapq.merge(*walks, reverse=descending):
        if wanted is None or rid in wanted:
            yield rid, (identifier, name)


def _sorted(
    connection: sqlite3.Connection, rids: set[int], descending: bool, key: tokens.Key | None
) -> list[tuple[str, str, int]]:
    documents = documents_of(connection, sorted(rids))
    found = [
        (document["id"], document["collection"], rid)
        for document, rid in zip(documents, sorted(rids), strict=True)
    ]
    if key is not None:
        found = [one for one in found if (one[:2] < key if descending else one[:2] > key)]
    return sorted(found, reverse=descending)


def _entries(
    connection: sqlite3.Connection,
    number: int,
    name: str,
    descending: bool,
    key: tokens.Key | None,
) -> Iterator[tuple[str, str, int]]:
    sign, order = ("<", "DESC") if descending else (">", "ASC")
    condition = ""
    values: list[object] = [number]
    if key is not None:
        last = str(key[0])
        beyond = name < str(key[1]) if descending else name > str(key[1])
        condition, values = f"AND id {sign}{'=' if beyond else ''} ?", [number, last]
    while True:
        rows = connection.execute(
            f"SELECT id, rid FROM entry WHERE collection = ? {condition} "  # noqa: S608
            f"ORDER BY id {order} LIMIT ?",
            (*values, _CHUNK),
        ).fetchall()
        for identifier, rid in rows:
            yield identifier, name, rid
        if len(rows) < _CHUNK:
            return
        condition, values = f"AND id {sign} ?", [number, rows[-1][0]]
