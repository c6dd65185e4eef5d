"""SQLite files that several programs open at once."""

from __future__ import annotations

import sqlite3

import stamina


def use_wal(connection: sqlite3.Connection, seconds: float) -> None:
    """Have the file keep a write-ahead log, which it then remembers.

    Raises sqlite3.Error; for a file that others hold, not before `seconds`. SQLite itself does not
    wait here: who changes from reading to writing could wait for itself, so `busy_timeout` is not
    heeded (https://sqlite.org/c3ref/busy_handler.html). Programs that make a file together need it.
    """
    for attempt in stamina.retry_context(
        on=_is_busy,
        attempts=None,
        timeout=seconds,
        wait_initial=0.01,
        wait_max=0.2,
        wait_jitter=0.02,
    ):
        with attempt:
            connection.execute("PRAGMA journal_mode = WAL").fetchone()


def _is_busy(error: Exception) -> bool:
    if not isinstance(error, sqlite3.OperationalError):
        return False
    return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY  # its low byte is the kind
