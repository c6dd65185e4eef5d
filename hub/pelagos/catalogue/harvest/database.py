"""A small SQLite file of ours that several processes use at once."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pelagos.catalogue.harvest.schema import check_version, migrate
from pelagos.errors import StateError
from pelagos.sqlite import use_wal

_BUSY_SECONDS = 20.0


class Database:
    """The file of run records. Threads may share one; close it at the end.

    `write` makes what is missing; without it the file must be there and is never changed. Every
    method raises StateError if the file can't be used.
    """

    def __init__(self, path: Path, *, write: bool = True) -> None:
        self._path = path
        self._lock = threading.RLock()
        with self._told():
            self._db = self._open(write)
            try:
                if write:
                    use_wal(self._db, _BUSY_SECONDS)
                    self._db.execute("PRAGMA synchronous = NORMAL")
                    migrate(self._db)
                else:
                    check_version(self._db)
            except BaseException:
                self._db.close()
                raise

    def _open(self, write: bool) -> sqlite3.Connection:
        if write:
            # closed before anything is in it, and never through somebody's link
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
        elif self._path.is_symlink():
            raise StateError(f"{self._path} is a link.", "Move it away: it is not of Pelagos.")
        connection = sqlite3.connect(
            f"{self._path.absolute().as_uri()}?mode={'rw' if write else 'ro'}",
            uri=True,
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        connection.row_factory = sqlite3.Row
        return connection

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def rows(self, statement: str, *values: Any) -> Sequence[sqlite3.Row]:
        """Everything that a query finds."""
        with self._lock, self._told():
            return self._db.execute(statement, values).fetchall()

    @contextlib.contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """One transaction."""
        with self._lock, self._told():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # a full disk ends it by itself
                    self._db.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """What SQLite refuses, as an error for a person."""
        try:
            yield
        except (sqlite3.Error, OSError, ValueError) as error:
            raise StateError(
                f"The run records of the catalogue, {self._path}, can't be used: {error}.",
                "Is the disk full, or the file damaged? It may be moved away: only the records of "
                "runs are lost, and the next run reads everything again.",
            ) from error
