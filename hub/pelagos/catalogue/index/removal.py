"""Takes granules and parts of collections out of all tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING

import orjson

from pelagos.catalogue.index.entries import terms_of
from pelagos.catalogue.index.packing import Unpacker

if TYPE_CHECKING:
    from pelagos.catalogue.index.writer import Writer

_BATCH = 2_000


def remove_rows(
    connection: sqlite3.Connection, rids: Sequence[int]
) -> dict[int, tuple[int | None]]:
    """Remove what hangs on these keys, but for `entry`. The start of each."""
    wanted = orjson.dumps(sorted(rids)).decode()  # FTS5 wants them in order
    rows = connection.execute(
        "SELECT g.rid, g.packed, t.tags, p.collection, p.t0, p.t1, p.x0, p.y0, p.x1, p.y1 "
        "FROM json_each(?) j CROSS JOIN granule g ON g.rid = j.value "
        "CROSS JOIN place p ON p.rid = g.rid CROSS JOIN tagset t ON t.num = p.tags",
        (wanted,),
    ).fetchall()
    # FTS5 keeps no copy: it must be told what the words were
    unpack = Unpacker(connection)
    connection.executemany(
        "INSERT INTO granule_text (granule_text, rowid, words) VALUES ('delete', ?, ?)",
        [
            (row[0], f"{unpack.text(row[3], row[1])} {terms_of(row[3], row[2], *row[4:])}")
            for row in rows
        ],
    )
    keys = [(row[0],) for row in rows]
    connection.executemany("DELETE FROM granule WHERE rid = ?", keys)
    connection.executemany("DELETE FROM place WHERE rid = ?", keys)
    return {row[0]: (row[4],) for row in rows}


def remove_unseen(writer: Writer, seen: str, collection: int) -> int:
    """Remove the granules of a collection that are not in the table `seen`; how many."""
    removed, last = 0, ""
    while True:
        rows = writer.connection.execute(
            "SELECT e.id, e.rid FROM entry e WHERE e.collection = ? AND e.id > ? "  # noqa: S608
            f"AND NOT EXISTS (SELECT 1 FROM {seen} s WHERE s.rid = e.rid) "
            "ORDER BY e.id LIMIT ?",
            (collection, last, _BATCH),
        ).fetchall()
        if not rows:
            return removed
        with writer.transaction() as connection:
            remove_rows(connection, [rid for _, rid in rows])
            connection.executemany(
                "DELETE FROM entry WHERE collection = ? AND id = ?",
                [(collection, identifier) for identifier, _ in rows],
            )
            add_to_count(connection, collection, -len(rows))
        removed, last = removed + len(rows), rows[-1][0]


def remove_collection_parts(connection: sqlite3.Connection, number: int) -> None:
    """Remove what hangs on a collection, but for its row and its granules."""
    connection.execute("DELETE FROM collection_text WHERE rowid = ?", (number,))
    connection.execute("DELETE FROM collection_box WHERE collection = ?", (number,))
    connection.execute("DELETE FROM collection_value WHERE collection = ?", (number,))


def add_to_count(connection: sqlite3.Connection, collection: int, count: int) -> None:
    """The collection has so many granules more; readers are told if it had none or has none."""
    if not count:
        return
    (now,) = connection.execute(
        "UPDATE collection SET granules = granules + ? WHERE num = ? RETURNING granules",
        (count, collection),
    ).fetchone()
    if now in (0, count):
        note_collections(connection)


def note_collections(connection: sqlite3.Connection) -> None:
    """Readers look at the collections again."""
    connection.execute("UPDATE meta SET value = value + 1 WHERE name = 'collections'")
