"""Looks after the index: is it whole, and what is made from the rest made anew."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from pelagos.catalogue.index.entries import terms_of
from pelagos.catalogue.index.packing import Unpacker
from pelagos.catalogue.index.schema import IndexError_, open_to_read, unusable
from pelagos.catalogue.index.writer import Writer

_BATCH = 2_000
_PROBLEMS = 20
_COUNTS = {
    "entry": "SELECT count(*) FROM entry",
    "place": "SELECT count(*) FROM place",
    "granule": "SELECT count(*) FROM granule",
    "granule_text": "SELECT count(*) FROM granule_text_docsize",
    "collection": "SELECT coalesce(sum(granules), 0) FROM collection",
}
_ORPHANS = {
    "entries without a place": (
        "SELECT count(*) FROM entry e LEFT JOIN place p ON p.rid = e.rid "
        "AND p.collection = e.collection WHERE p.rid IS NULL"
    ),
    "places without a document": (
        "SELECT count(*) FROM place p LEFT JOIN granule g ON g.rid = p.rid WHERE g.rid IS NULL"
    ),
    "documents without words": (
        "SELECT count(*) FROM granule g LEFT JOIN granule_text_docsize d ON d.id = g.rid "
        "WHERE d.id IS NULL"
    ),
    "granules without their collection": (
        "SELECT count(*) FROM (SELECT DISTINCT collection FROM entry) e "
        "LEFT JOIN collection c ON c.num = e.collection WHERE c.num IS NULL"
    ),
    "collections whose words are missing": (
        "SELECT count(*) FROM collection c LEFT JOIN collection_text t ON t.rowid = c.num "
        "WHERE t.rowid IS NULL"
    ),
}


def check(path: Path) -> list[str]:
    """What is wrong with the index; nothing, if it is whole. Reads all of it."""
    try:
        connection = open_to_read(path)
    except IndexError_ as error:
        return [error.sentence]
    try:
        problems = [
            row[0]
            for row in connection.execute(f"PRAGMA integrity_check({_PROBLEMS})")
            if row[0] != "ok"
        ]
        problems += _disagreements(connection)
    except sqlite3.Error as error:
        return [unusable(path, error).sentence]
    finally:
        connection.close()
    return problems or _full_text(path)


def _disagreements(connection: sqlite3.Connection) -> list[str]:
    connection.execute("BEGIN")  # one state, if somebody writes
    try:
        counts = {name: connection.execute(sql).fetchone()[0] for name, sql in _COUNTS.items()}
        orphans = {name: connection.execute(sql).fetchone()[0] for name, sql in _ORPHANS.items()}
    finally:
        connection.execute("COMMIT")
    problems = [f"{count} {name}" for name, count in orphans.items() if count]
    if len(set(counts.values())) > 1:
        said = ", ".join(f"{name} {count}" for name, count in counts.items())
        problems.append(f"The tables do not agree on how many granules there are: {said}.")
    return problems


def _full_text(path: Path) -> list[str]:
    """FTS5's own check, which SQLite only does on a connection that may write."""
    problems = []
    try:
        with Writer(path) as writer:
            for table in ("collection_text", "granule_text"):
                try:
                    writer.connection.execute(
                        f"INSERT INTO {table} ({table}) VALUES ('integrity-check')"  # noqa: S608
                    )
                except sqlite3.DatabaseError as error:
                    problems.append(f"{table}: {error}")
    except IndexError_ as error:  # somebody else writes: what could not be looked at is said
        problems.append(error.sentence)
    return problems


def rebuild(path: Path) -> int:
    """Make the full-text index of granules anew from what is kept; how many there are.

    Searches go on, and see the new one when it is done. Raises IndexError_.
    """
    with Writer(path) as writer, writer.transaction() as connection:
        connection.execute("INSERT INTO granule_text (granule_text) VALUES ('delete-all')")
        rows = connection.execute(
            "SELECT g.rid, g.packed, p.collection, t.tags, p.t0, p.t1, p.x0, p.y0, p.x1, p.y1 "
            "FROM place p CROSS JOIN granule g ON g.rid = p.rid "
            "CROSS JOIN tagset t ON t.num = p.tags ORDER BY p.rid"
        )
        count, unpack = 0, Unpacker(connection)
        while batch := rows.fetchmany(_BATCH):
            connection.executemany(
                "INSERT INTO granule_text (rowid, words) VALUES (?, ?)",
                [(row[0], f"{unpack.text(row[2], row[1])} {terms_of(*row[2:])}") for row in batch],
            )
            count += len(batch)
        connection.execute(
            "UPDATE collection SET granules = "
            "(SELECT count(*) FROM entry e WHERE e.collection = collection.num)"
        )
        connection.execute("INSERT INTO collection_text (collection_text) VALUES ('rebuild')")
    return count
