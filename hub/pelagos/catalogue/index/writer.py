"""Keeps the index like the sources: runs that add, change and remove, a short transaction each.

One process writes at a time (a lock beside the file says so); readers go on meanwhile, each on the
state of when it began. Whenever the process ends, what was committed is whole.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import orjson

from pelagos.catalogue.index import cells, entries, removal
from pelagos.catalogue.index.allocation import Allocator
from pelagos.catalogue.index.keys import span
from pelagos.catalogue.index.schema import IndexError_, open_to_write, unusable
from pelagos.catalogue.records import (
    CollectionRecord,
    GranuleRecord,
    Parameter,
    RecordError,
    Rejected,
    collection_id,
)

BATCH = 2_000  # records of one transaction
_TAGSETS = 50_000  # whose numbers are remembered

_Tagged = tuple[tuple[Parameter, ...], str, tuple[str, ...]]


@dataclass
class Stored:
    """What became of some granules. `duplicates`: ids that this run had before; the first stays."""

    added: int = 0
    changed: int = 0
    same: int = 0
    duplicates: list[str] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)


@dataclass
class _Row:
    """A granule on its way in."""

    record: GranuleRecord
    id: str
    text: str
    doc: bytes
    hash: int
    place: tuple[int | None, int | None, float | None, float | None, float | None, float | None]
    shaped: bool
    rid: int = 0


class Writer:
    """Writes to the index at `path`, which is made if missing. A context manager.

    Raises IndexError_ if it can't be used, or if another process writes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = _lock(path)
        try:
            self.connection = open_to_write(path)
        except BaseException:
            os.close(self._lock)
            raise
        self.connection.execute("PRAGMA temp_store = FILE")
        self.allocator = Allocator(self.connection)
        self._tagsets: dict[_Tagged, tuple[int, str]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let others write."""
        self.connection.close()
        os.close(self._lock)

    def run(self, source: str, title: str) -> Run:
        """A new generation of the records of one source; `title` is the infrastructure's."""
        with self.transaction() as connection:
            connection.execute(
                "INSERT INTO source (name, title) VALUES (?, ?) "
                "ON CONFLICT (name) DO UPDATE SET title = excluded.title",
                (source, title or source),
            )
            (number,) = connection.execute(
                "SELECT num FROM source WHERE name = ?", (source,)
            ).fetchone()
        return Run(self, source, title, number)

    def forget(self, source: str) -> int:
        """Remove a source that is no longer configured; how many collections it had."""
        row = self.connection.execute("SELECT num FROM source WHERE name = ?", (source,)).fetchone()
        if row is None:
            return 0
        count = Run(self, source, source, row[0]).finish()
        with self.transaction() as connection:
            connection.execute("DELETE FROM source WHERE num = ?", row)
        return count

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing. Raises IndexError_ where SQLite can't."""
        try:
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                self.forget_numbers()
                raise
        except (sqlite3.OperationalError, sqlite3.DatabaseError) as error:
            if isinstance(error, sqlite3.IntegrityError):
                raise
            raise unusable(self.path, error) from error

    def value_number(self, value: entries.Value) -> int:
        """The number of a value of a facet, made if it is new. Within a transaction."""
        key = (value.facet.value, value.value)
        self.connection.execute(
            "INSERT OR IGNORE INTO value (facet, value, title, terms) VALUES (?, ?, ?, ?)",
            (*key, value.title, orjson.dumps(dict(value.terms)).decode()),
        )
        row = self.connection.execute(
            "SELECT num FROM value WHERE facet = ? AND value = ?", key
        ).fetchone()
        return int(row[0])

    def tags_of(self, record: GranuleRecord) -> tuple[int, str]:
        """Number and text of what a granule has of facets itself. Within a transaction."""
        key = (record.parameters, record.platform, record.instruments)
        if (found := self._tagsets.get(key)) is None:
            found = self._tagset(*key)
            if len(self._tagsets) >= _TAGSETS:
                self._tagsets.clear()
            self._tagsets[key] = found
        return found

    def _tagset(
        self, parameters: tuple[Parameter, ...], platform: str, instruments: tuple[str, ...]
    ) -> tuple[int, str]:
        values = entries.own_values(parameters, (platform,) if platform else (), instruments)
        tags = [str(self.value_number(value)) for value in values]
        facets = dict.fromkeys(value.facet for value in values)
        tags += [entries.NARROWED[facet] for facet in facets if facet in entries.NARROWED]
        text = " ".join(tags)
        self.connection.execute("INSERT OR IGNORE INTO tagset (tags) VALUES (?)", (text,))
        row = self.connection.execute("SELECT num FROM tagset WHERE tags = ?", (text,)).fetchone()
        return int(row[0]), text

    def forget_numbers(self) -> None:
        """What was numbered may not have been kept."""
        self.allocator.forget()
        self._tagsets.clear()


class Run:
    """One generation of a source's records; made by `Writer.run`.

    Identifiers of collections are those of the records. Nothing is removed before it is said that a
    collection, or the whole, is finished.
    """

    def __init__(self, writer: Writer, source: str, title: str, number: int) -> None:
        self._writer, self._source, self._title, self._number = writer, source, title, number
        self._numbers: dict[str, int] = {}  # of collections seen
        self._kept: set[int] = set()
        writer.connection.execute("DROP TABLE IF EXISTS temp.seen")
        writer.connection.execute("CREATE TEMP TABLE seen (rid INTEGER PRIMARY KEY)")

    def collection(self, record: CollectionRecord) -> None:
        """Insert or update it, and mark it as seen. Raises RecordError if another has its id."""
        row = entries.collection_row(self._source, self._title, record)
        with self._writer.transaction() as connection:
            known = connection.execute(
                "SELECT num, doc FROM collection WHERE source = ? AND id = ?",
                (self._number, record.id),
            ).fetchone()
            if known is not None and known[1] == row.doc:
                self._numbers[record.id] = known[0]
                return
            try:
                number = self._put_collection(known and known[0], record.id, row)
            except sqlite3.IntegrityError as error:
                raise RecordError(f"id: another collection is {row.public!r} too") from error
            values = [(number, self._writer.value_number(value)) for value in row.values]
            connection.executemany("INSERT OR IGNORE INTO collection_value VALUES (?, ?)", values)
        self._numbers[record.id] = number

    def _put_collection(
        self, number: int | None, identifier: str, row: entries.CollectionRow
    ) -> int:
        connection = self._writer.connection
        content = (row.public, row.title, *row.span, row.updated, row.doc)
        if number is None:
            number = connection.execute(
                "INSERT INTO collection (source, id, public, title, t0, t1, updated, doc) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (self._number, identifier, *content),
            ).lastrowid
        else:
            removal.remove_collection_parts(connection, number)
            connection.execute(
                "UPDATE collection SET public = ?, title = ?, t0 = ?, t1 = ?, updated = ?, doc = ? "
                "WHERE num = ?",
                (*content, number),
            )
        connection.execute(
            "INSERT INTO collection_text (rowid, title, subject, description) VALUES (?, ?, ?, ?)",
            (number, row.title, row.subject, row.description),
        )
        connection.executemany(
            "INSERT INTO collection_box VALUES (?, ?, ?, ?, ?)",
            [(number, *box) for box in row.boxes],
        )
        removal.note_collections(connection)
        return int(number or 0)

    def granules(self, collection: str, records: Sequence[GranuleRecord]) -> Stored:
        """Insert or update them, and mark them as seen. Raises IndexError_."""
        number = self._number_of(collection)
        public = collection_id(self._source, collection)
        stored = Stored()
        for start in range(0, len(records), BATCH):
            made = self._make(public, records[start : start + BATCH], stored)
            with self._writer.transaction():
                self._put(number, made, stored)
        return stored

    def keep(self, collection: str) -> None:
        """It has not changed: all its granules count as seen."""
        self._kept.add(self._number_of(collection))

    def finish_collection(self, collection: str) -> int:
        """Remove its granules that this run has not seen; how many."""
        number = self._number_of(collection)
        if number in self._kept:
            return 0
        return removal.remove_unseen(self._writer, number)

    def finish(self) -> int:
        """Remove the collections that this run has not seen, with their granules; how many."""
        seen = set(self._numbers.values()) | self._kept
        rows = self._writer.connection.execute(
            "SELECT num FROM collection WHERE source = ?", (self._number,)
        ).fetchall()
        gone = [number for (number,) in rows if number not in seen]
        for number in gone:
            removal.remove_unseen(self._writer, number)
            with self._writer.transaction() as connection:
                removal.remove_collection_parts(connection, number)
                connection.execute("DELETE FROM collection WHERE num = ?", (number,))
                removal.note_collections(connection)
        return len(gone)

    def _number_of(self, collection: str) -> int:
        if (number := self._numbers.get(collection)) is not None:
            return number
        row = self._writer.connection.execute(
            "SELECT num FROM collection WHERE source = ? AND id = ?", (self._number, collection)
        ).fetchone()
        if row is None:
            raise RecordError(f"collection: {collection!r} is not known of {self._source}")
        self._numbers[collection] = row[0]
        return int(row[0])

    def _make(self, public: str, records: Iterable[GranuleRecord], stored: Stored) -> list[_Row]:
        """Rows without tags and keys; what can't be written as JSON is rejected."""
        rows: dict[str, _Row] = {}
        for record in records:
            try:
                identifier, doc, text = entries.granule_document_of(self._source, public, record)
                encoded = text.encode()
            except (TypeError, ValueError) as error:
                stored.rejected.append(Rejected(ascii(record.id)[1:-1], f"not JSON: {error}"))
                continue
            if identifier in rows:
                stored.duplicates.append(record.id)
                continue
            place = (*span(record.start, record.end), *_box(record))
            rows[identifier] = _Row(
                record,
                identifier,
                text,
                doc,
                entries.hash_of(doc, encoded),
                place,
                record.geometry is not None,
            )
        return list(rows.values())

    def _put(self, number: int, rows: list[_Row], stored: Stored) -> None:
        connection = self._writer.connection
        known = {
            identifier: (rid, hashed, seen)
            for identifier, rid, hashed, seen in connection.execute(
                "SELECT e.id, e.rid, e.hash, s.rid IS NOT NULL FROM json_each(?) j "
                "CROSS JOIN entry e ON e.collection = ? AND e.id = j.value "
                "LEFT JOIN temp.seen s ON s.rid = e.rid",
                (orjson.dumps([row.id for row in rows]).decode(), number),
            )
        }
        fresh: list[_Row] = []
        replaced: dict[int, _Row] = {}
        same: list[int] = []
        for row in rows:
            rid, hashed, seen = known.get(row.id, (0, 0, None))
            if seen is None:
                fresh.append(row)
            elif seen:
                stored.duplicates.append(row.record.id)
            elif hashed == row.hash:
                same.append(rid)
            else:
                replaced[rid] = row
        if replaced:
            old = removal.remove_rows(connection, list(replaced))
            for rid, row in replaced.items():
                if old.get(rid, ()) == row.place[:1]:
                    row.rid = rid
        written = [*fresh, *replaced.values()]
        self._writer.allocator.assign([row for row in written if not row.rid])
        self._insert(number, written)
        connection.executemany(
            "INSERT INTO temp.seen VALUES (?)",
            [*((rid,) for rid in same), *((row.rid,) for row in written)],
        )
        removal.add_to_count(connection, number, len(fresh))
        stored.added += len(fresh)
        stored.changed += len(replaced)
        stored.same += len(same)

    def _insert(self, number: int, rows: list[_Row]) -> None:
        connection = self._writer.connection
        tagged = [self._writer.tags_of(row.record) for row in rows]
        connection.executemany(
            "INSERT INTO place VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (row.rid, number, *row.place, row.shaped, tagset)
                for row, (tagset, _) in zip(rows, tagged, strict=True)
            ],
        )
        connection.executemany(
            "INSERT INTO granule VALUES (?, ?, ?)", [(row.rid, row.text, row.doc) for row in rows]
        )
        connection.executemany(
            "INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?)",
            [(number, row.id, row.rid, row.hash) for row in rows],
        )
        connection.executemany(
            "INSERT INTO granule_text (rowid, words) VALUES (?, ?)",
            [
                (row.rid, f"{row.text} {entries.terms_of(number, tags, *row.place)}")
                for row, (_, tags) in zip(rows, tagged, strict=True)
            ],
        )


def _box(
    record: GranuleRecord,
) -> tuple[float, float, float, float] | tuple[None, None, None, None]:
    return cells.stored(record.box) if record.box else (None, None, None, None)


def _lock(path: Path) -> int:
    """A descriptor that holds the lock while it is open."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise unusable(path, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise IndexError_(
            f"Another process writes to the index {path}.", "Wait until its harvest has ended."
        ) from error
    return descriptor
