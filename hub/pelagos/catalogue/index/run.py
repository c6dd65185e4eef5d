"""One generation of a source's records on its way into the index."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson

from pelagos.catalogue.index import cells, entries, removal
from pelagos.catalogue.index.keys import span
from pelagos.catalogue.index.packing import Packer, content_of, sample_of
from pelagos.catalogue.records import (
    CollectionRecord,
    GranuleRecord,
    RecordError,
    Rejected,
    collection_id,
)

if TYPE_CHECKING:
    from pelagos.catalogue.index.writer import Writer

BATCH = 2_000  # records of one transaction
_RUNS = itertools.count()


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
    content: bytes
    hash: int
    place: tuple[int | None, int | None, float | None, float | None, float | None, float | None]
    shaped: bool
    rid: int = 0


class Run:
    """One generation of a source's records; made by `Writer.run`.

    Identifiers of collections are those of the records. Nothing is removed before it is said that a
    collection, or the whole, is finished.
    """

    def __init__(self, writer: Writer, source: str, title: str, number: int) -> None:
        self._writer, self._source, self._title, self._number = writer, source, title, number
        self._numbers: dict[str, int] = {}  # of collections seen
        self._kept: set[int] = set()
        self._changes = 0
        self._packers: dict[int, Packer] = {}
        # of this run alone: runs of other sources may be under way at the same time
        self._seen = f"temp.seen_{next(_RUNS)}"
        writer.connection.execute(f"CREATE TABLE {self._seen} (rid INTEGER PRIMARY KEY)")

    def close(self) -> None:
        """Forget what was seen; nothing else can be asked of it then."""
        self._writer.connection.execute(f"DROP TABLE IF EXISTS {self._seen}")

    def known(self) -> dict[str, int]:
        """How many granules each collection of the source has now, by the records' identifiers."""
        rows = self._writer.connection.execute(
            "SELECT id, granules FROM collection WHERE source = ?", (self._number,)
        )
        return dict(rows.fetchall())

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
            try:
                with self._writer.transaction():
                    self._put(number, made, stored)
            except BaseException:
                self._packers.clear()  # its sample may not have been kept
                raise
        return stored

    def keep(self, collection: str) -> None:
        """It has not changed: all its granules count as seen."""
        self._kept.add(self._number_of(collection))

    def finish_collection(self, collection: str) -> int:
        """Remove its granules that this run has not seen; how many."""
        number = self._number_of(collection)
        self._packers.pop(number, None)  # there may be many collections
        if number in self._kept:
            return 0
        return removal.remove_unseen(self._writer, self._seen, number)

    def finish(self) -> int:
        """Remove the collections that this run has not seen, with their granules; how many."""
        seen = set(self._numbers.values()) | self._kept
        rows = self._writer.connection.execute(
            "SELECT num FROM collection WHERE source = ?", (self._number,)
        ).fetchall()
        gone = [number for (number,) in rows if number not in seen]
        for number in gone:
            removal.remove_unseen(self._writer, self._seen, number)
            with self._writer.transaction() as connection:
                removal.remove_collection_parts(connection, number)
                connection.execute("DELETE FROM collection WHERE num = ?", (number,))
                removal.note_collections(connection)
        if self._changes:
            self._writer.tidy(self._changes)
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
                content = content_of(doc, text)
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
                content,
                entries.hash_of(content),
                place,
                record.geometry is not None,
            )
        return list(rows.values())

    def _put(self, number: int, rows: list[_Row], stored: Stored) -> None:
        connection = self._writer.connection
        known = {
            identifier: (rid, hashed, seen)
            for identifier, rid, hashed, seen in connection.execute(
                "SELECT e.id, e.rid, e.hash, s.rid IS NOT NULL FROM json_each(?) j "  # noqa: S608
                "CROSS JOIN entry e ON e.collection = ? AND e.id = j.value "
                f"LEFT JOIN {self._seen} s ON s.rid = e.rid",
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
        self._writer.allocator.assign(
            [row for row in written if not row.rid], [row.rid for row in written if row.rid]
        )
        written.sort(key=lambda row: row.rid)  # else FTS5 begins a piece with each step back
        self._insert(number, written)
        connection.executemany(
            f"INSERT INTO {self._seen} VALUES (?)",  # noqa: S608
            [*((rid,) for rid in same), *((row.rid,) for row in written)],
        )
        removal.add_to_count(connection, number, len(fresh))
        self._changes += len(written)
        stored.added += len(fresh)
        stored.changed += len(replaced)
        stored.same += len(same)

    def _insert(self, number: int, rows: list[_Row]) -> None:
        connection = self._writer.connection
        if not rows:
            return
        pack = self._packer(number, rows).pack
        tagged = [self._writer.tags_of(row.record) for row in rows]
        connection.executemany(
            "INSERT INTO place VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (row.rid, number, *row.place, row.shaped, tagset)
                for row, (tagset, _) in zip(rows, tagged, strict=True)
            ],
        )
        connection.executemany(
            "INSERT INTO granule VALUES (?, ?)",
            [(row.rid, pack(row.content)) for row in rows],
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

    def _packer(self, number: int, rows: Sequence[_Row]) -> Packer:
        """What packs the granules of a collection; the first ones are its sample."""
        if number not in self._packers:
            connection = self._writer.connection
            (sample,) = connection.execute(
                "SELECT sample FROM collection WHERE num = ?", (number,)
            ).fetchone()
            if sample is None:
                sample = sample_of([row.content for row in rows])
                connection.execute(
                    "UPDATE collection SET sample = ? WHERE num = ?", (sample, number)
                )
            self._packers = {number: Packer(sample)}  # one at a time: each has a window of its own
        return self._packers[number]


def _box(
    record: GranuleRecord,
) -> tuple[float, float, float, float] | tuple[None, None, None, None]:
    return cells.stored(record.box) if record.box else (None, None, None, None)
