"""SQLite files that several programs open at once."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pelagos.sqlite import use_wal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.sqlite"


@pytest.fixture
def holder(path: Path) -> Iterator[sqlite3.Connection]:
    """Who writes in the file, and lets nobody else."""
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield other


def test_the_log_waits_for_who_holds_the_file(path: Path, holder: sqlite3.Connection) -> None:
    # SQLite itself waits for nobody here
    with closing(sqlite3.connect(path, timeout=0)) as connection:
        ended = threading.Timer(0.3, holder.execute, ("COMMIT",))
        ended.start()
        use_wal(connection, 20)
        ended.join()
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_it_does_not_wait_for_ever(path: Path, holder: sqlite3.Connection) -> None:
    with closing(sqlite3.connect(path, timeout=0)) as connection:
        began = time.monotonic()
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            use_wal(connection, 0.3)
        assert time.monotonic() - began < 10


def test_what_is_no_database_is_told_at_once(path: Path) -> None:
    path.write_bytes(b"x" * 5000)
    with closing(sqlite3.connect(path)) as connection, pytest.raises(sqlite3.DatabaseError):
        use_wal(connection, 600)
