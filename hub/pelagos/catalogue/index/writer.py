"""Keeps the index like the sources: runs that add, change and remove, a short transaction each.

One process writes at a time (a lock beside the file says so); readers go on meanwhile, each on the
state of when it began. Whenever the process ends, what was committed is whole.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import orjson

from pelagos.catalogue.index import entries
from pelagos.catalogue.index.allocation import Allocator
from pelagos.catalogue.index.run import Run
from pelagos.catalogue.index.schema import IndexError_, open_to_write, unusable
from pelagos.catalogue.records import GranuleRecord, Parameter

_MERGED = 2_000  # pages of the full-text index that are merged in one transaction
_MANY = 5  # a change of a fifth of all granules is worth merging all
_TAGSETS = 50_000  # whose numbers are remembered

_Tagged = tuple[tuple[Parameter, ...], str, tuple[str, ...]]


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
        self._identity = _identity(path)
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

    def known(self) -> dict[str, dict[str, int]]:
        """How many granules each collection has now, by source and by the records' identifiers."""
        try:
            sources = self.connection.execute("SELECT name FROM source").fetchall()
            rows = self.connection.execute(
                "SELECT s.name, c.id, c.granules FROM source s "
                "JOIN collection c ON c.source = s.num"
            ).fetchall()
        except sqlite3.Error as error:
            raise unusable(self.path, error) from error
        found: dict[str, dict[str, int]] = {name: {} for (name,) in sources}
        for name, identifier, granules in rows:
            found[name][identifier] = granules
        return found

    def in_place(self) -> bool:
        """Whether the file it writes to is still the one that readers find at `path`."""
        return self._identity == _identity(self.path)

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

    def tidy(self, changed: int) -> None:
        """Merge the pieces of the full-text index, in short steps, after so many changes.

        All into one after many: each piece is one more place to look at for every word.
        """
        (count,) = self.connection.execute("SELECT sum(granules) FROM collection").fetchone()
        whole = changed * _MANY >= (count or 0)
        step = -_MERGED if whole else _MERGED
        before = -1
        while self.connection.total_changes - before >= 2:  # as FTS5 tells that it did something
            before = self.connection.total_changes
            with self.transaction() as connection:
                connection.execute(
                    "INSERT INTO granule_text (granule_text, rank) VALUES ('merge', ?)", (step,)
                )
            step = _MERGED  # goes on with what was begun

    def forget(self, source: str) -> int:
        """Remove a source that is no longer configured; how many collections it had."""
        row = self.connection.execute("SELECT num FROM source WHERE name = ?", (source,)).fetchone()
        if row is None:
            return 0
        run = Run(self, source, source, row[0])
        count = run.finish()
        run.close()
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
        """The number of a value of a facet, made if it is new. Within a transaction.

        Title and terms are those that were given last: a source can be renamed.
        """
        key = (value.facet.value, value.value)
        self.connection.execute(
            "INSERT INTO value (facet, value, title, terms) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (facet, value) DO UPDATE "
            "SET title = excluded.title, terms = excluded.terms "
            "WHERE title <> excluded.title OR terms <> excluded.terms",
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


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


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
