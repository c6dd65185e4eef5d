"""Goes along the granules of a plan in the order of time, and reads their documents."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from operator import itemgetter
from typing import Any

import orjson

from pelagos.catalogue.index.keys import SHIFT, TIMED, Phase
from pelagos.catalogue.index.packing import Unpacker
from pelagos.catalogue.index.plan import Plan, long_terms

_CHUNK = 250
_FIRST = itemgetter(0)
_FIRST_WIDTH = 30 * 86_400_000 << SHIFT  # of keys that are read together; a month


def matches(
    connection: sqlite3.Connection,
    found: Plan,
    newest_first: bool = True,
    after: int | None = None,
) -> Iterator[int]:
    """Keys in order of time, lazily; from behind `after`."""
    for phase in found.phases if newest_first else reversed(found.phases):
        low, high = phase.low, phase.high
        if after is not None and newest_first:
            low = max(low, after + 1)
        elif after is not None:
            high = min(high, after - 1)
        if phase in found.listed:
            rids = found.listed[phase]
            for rid in rids if newest_first else reversed(rids):
                if low <= rid <= high:
                    yield rid
        elif low <= high:
            part = Phase(low, high, phase.longer)
            yield from (_in_phase if newest_first else _backwards)(connection, found, part)


def _backwards(connection: sqlite3.Connection, found: Plan, phase: Phase) -> Iterator[int]:
    """The oldest first: piece by piece, each read forwards, since FTS5 must not go backwards."""
    width, high = _FIRST_WIDTH, phase.high
    while high >= phase.low:
        (last,) = connection.execute(
            "SELECT max(rid) FROM place WHERE rid BETWEEN ? AND ?", (phase.low, high)
        ).fetchone()
        if last is None:
            return
        low = max(phase.low, last - width, TIMED if last > TIMED else phase.low)
        part = list(_in_phase(connection, found, Phase(low, last, phase.longer)))
        yield from reversed(part)
        width = width * 4 if len(part) < _CHUNK else max(width // 4, 1)
        high = low - 1


def _in_phase(connection: sqlite3.Connection, found: Plan, phase: Phase) -> Iterator[int]:
    terms = long_terms(phase.longer) if phase.longer else None
    parts = (found.first, terms, found.match, found.text_match)
    match = " AND ".join(part for part in parts if part is not None) or None
    conditions, values = list(found.conditions), list(found.values)
    if match is None:
        source, key = "place p", "p.rid"
    else:
        source, key = "granule_text f", "f.rowid"
        if conditions or found.shape is not None:
            source += " CROSS JOIN place p ON p.rid = f.rowid"
        conditions.insert(0, "f.granule_text MATCH ?")
        values.insert(0, match)
    conditions += [f"{key} >= ?", f"{key} <= ?"]
    values += [phase.low, phase.high]
    if found.rids is not None:
        conditions.append(f"{key} IN (SELECT value FROM json_each(?))")  # noqa: S608
        values.append(orjson.dumps(found.rids).decode())
    columns = key if found.shape is None else f"{key}, p.shaped, p.x0, p.y0, p.x1, p.y1"
    cursor = connection.execute(
        f"SELECT {columns} FROM {source} WHERE {' AND '.join(conditions)} ORDER BY {key}",  # noqa: S608
        values,
    )
    try:
        if found.shape is None:
            while rows := cursor.fetchmany(_CHUNK):
                yield from map(_FIRST, rows)
        else:
            yield from _shaped(connection, found, cursor)
    finally:
        cursor.close()


def _shaped(connection: sqlite3.Connection, found: Plan, cursor: sqlite3.Cursor) -> Iterator[int]:
    """Those whose geometry, or box, meets the shape."""
    shape = found.shape
    if shape is None:
        return
    while rows := cursor.fetchmany(_CHUNK):
        met = shape.meets_boxes([row[2:] for row in rows])
        for row, meets in zip(rows, met, strict=True):
            if not meets:
                continue
            if row[1]:
                document = documents_of(connection, [row[0]])[0]
                if shape.meets_geometry(document["geometry"]) is False:
                    continue
            yield row[0]


def documents_of(connection: sqlite3.Connection, rids: list[int]) -> list[dict[str, Any]]:
    """The documents with these keys, in their order."""
    rows = connection.execute(
        "SELECT g.rid, p.collection, g.packed FROM json_each(?) j "
        "CROSS JOIN granule g ON g.rid = j.value CROSS JOIN place p ON p.rid = g.rid",
        (orjson.dumps(rids).decode(),),
    )
    unpack = Unpacker(connection)
    documents = {rid: orjson.loads(unpack.document(number, doc)) for rid, number, doc in rows}
    return [documents[rid] for rid in rids]
