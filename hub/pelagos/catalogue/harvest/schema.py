"""The tables of runs.sqlite, and how an older file becomes one of now."""

from __future__ import annotations

import sqlite3

from pelagos.errors import StateError

# what makes each version from the one before; never changed once released
STEPS = (
    """
    CREATE TABLE sources (
      name TEXT PRIMARY KEY,
      memory TEXT NOT NULL DEFAULT '{}',
      settings TEXT NOT NULL DEFAULT '',
      failures INTEGER NOT NULL DEFAULT 0,
      next_run REAL NOT NULL DEFAULT 0,
      good_run REAL NOT NULL DEFAULT 0,
      collections INTEGER NOT NULL DEFAULT 0,
      granules INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE runs (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      source TEXT NOT NULL,
      state TEXT NOT NULL,
      queued REAL NOT NULL,
      started REAL NOT NULL DEFAULT 0,
      finished REAL NOT NULL DEFAULT 0,
      accept_loss INTEGER NOT NULL DEFAULT 0,
      progress TEXT NOT NULL DEFAULT '{}',
      error TEXT NOT NULL DEFAULT '',
      mend TEXT NOT NULL DEFAULT '',
      notice TEXT NOT NULL DEFAULT ''
    );
    CREATE INDEX runs_of_source ON runs (source, id);
    CREATE INDEX runs_under_way ON runs (state) WHERE state IN ('queued', 'running');
    CREATE TABLE rejections (
      run INTEGER NOT NULL,
      number INTEGER NOT NULL,
      which TEXT NOT NULL,
      reason TEXT NOT NULL,
      PRIMARY KEY (run, number)
    ) WITHOUT ROWID;
    CREATE TABLE collections (
      source TEXT NOT NULL,
      id TEXT NOT NULL,
      granules INTEGER NOT NULL,
      finished REAL NOT NULL,
      fresh INTEGER NOT NULL,
      PRIMARY KEY (source, id)
    ) WITHOUT ROWID;
    CREATE TABLE requests (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      source TEXT NOT NULL,
      asked REAL NOT NULL,
      by TEXT NOT NULL,
      accept_loss INTEGER NOT NULL DEFAULT 0,
      run INTEGER NOT NULL DEFAULT 0,
      refusal TEXT NOT NULL DEFAULT ''
    );
    """,
)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the file to this version. Raises StateError if a newer one made it."""
    if check_version(connection) == len(STEPS):
        return
    # another process may do the same now: who comes second finds it done
    connection.execute("BEGIN IMMEDIATE")
    try:
        for number in range(check_version(connection), len(STEPS)):
            # executescript would commit first
            for statement in STEPS[number].split(";"):
                if statement.strip():
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number + 1}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def check_version(connection: sqlite3.Connection) -> int:
    """Which version the file has. Raises StateError if a newer one made it."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > len(STEPS):
        raise StateError(
            f"The run records of the catalogue are of version {version}, this is "
            f"{len(STEPS)}: a newer Pelagos wrote them.",
            "Use that one; or move catalogue/runs.sqlite away: only the records of runs are lost.",
        )
    return version
