"""The index's file: its tables, how it is opened, and how an older one becomes a newer one.

Times are milliseconds since 1970 (UTC); a start or end that is open is FAR_PAST or FAR_FUTURE. A
box is x0, y0, x1, y1 in degrees; x1 is more than 180 where it crosses the antimeridian.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from pelagos.errors import PelagosError
from pelagos.sqlite import use_wal

Migration = Callable[[sqlite3.Connection], None]

FAR_PAST = -62_135_596_800_000
FAR_FUTURE = 253_402_300_800_000
_BUSY_SECONDS = 10.0
_TOKENIZER = 'tokenize = "unicode61 remove_diacritics 2"'


class IndexError_(PelagosError):
    """The index can't be used: it is missing, damaged, of a newer version, or being written."""


_TABLES = """
CREATE TABLE source (num INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, title TEXT NOT NULL);

CREATE TABLE collection (
  num INTEGER PRIMARY KEY,
  source INTEGER NOT NULL REFERENCES source (num),
  id TEXT NOT NULL,          -- of the record
  public TEXT NOT NULL UNIQUE,
  title TEXT NOT NULL COLLATE NOCASE,
  t0 INTEGER, t1 INTEGER,    -- none: no time is known
  updated INTEGER,
  granules INTEGER NOT NULL DEFAULT 0,
  doc BLOB NOT NULL,
  sample BLOB,               -- what its granules are packed with (packing.py)
  UNIQUE (source, id)
);
CREATE TABLE collection_box (
  collection INTEGER NOT NULL,
  x0 REAL NOT NULL, y0 REAL NOT NULL, x1 REAL NOT NULL, y1 REAL NOT NULL
);
CREATE INDEX collection_box_of ON collection_box (collection);
CREATE VIRTUAL TABLE collection_text USING fts5 (title, subject, description, TOKENIZER);

-- values of facets, and which collections have them
CREATE TABLE value (
  num INTEGER PRIMARY KEY,
  facet TEXT NOT NULL,
  value TEXT NOT NULL,
  title TEXT NOT NULL,
  terms TEXT NOT NULL,
  UNIQUE (facet, value)
);
CREATE TABLE collection_value (
  collection INTEGER NOT NULL, value INTEGER NOT NULL, PRIMARY KEY (collection, value)
) WITHOUT ROWID;
CREATE INDEX collection_value_of ON collection_value (value, collection);
-- what granules have of them themselves: numbers, and a mark of each facet that is narrowed so
CREATE TABLE tagset (num INTEGER PRIMARY KEY, tags TEXT NOT NULL UNIQUE);

-- granules: rid says when (keys.py)
CREATE TABLE entry (
  collection INTEGER NOT NULL,
  id TEXT NOT NULL,          -- public
  rid INTEGER NOT NULL,
  hash INTEGER NOT NULL,     -- of all that is kept of it
  PRIMARY KEY (collection, id)
) WITHOUT ROWID;
CREATE TABLE place (
  rid INTEGER PRIMARY KEY,
  collection INTEGER NOT NULL,
  t0 INTEGER, t1 INTEGER,
  x0 REAL, y0 REAL, x1 REAL, y1 REAL,
  shaped INTEGER NOT NULL,   -- its geometry says more than its box
  tags INTEGER NOT NULL      -- of `tagset`
);
CREATE TABLE granule (
  rid INTEGER PRIMARY KEY,
  packed BLOB NOT NULL       -- document and words (packing.py)
);
CREATE VIRTUAL TABLE granule_text USING fts5 (words, content = '', TOKENIZER);

CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('spill', 0), ('collections', 0);
"""


def _make(connection: sqlite3.Connection) -> None:
    for statement in _TABLES.replace("TOKENIZER", _TOKENIZER).split(";\n"):
        if statement.strip():
            connection.execute(statement)


MIGRATIONS: tuple[Migration, ...] = (_make,)


def version_of(connection: sqlite3.Connection) -> int:
    """The version of the tables; 0: there are none."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(
    connection: sqlite3.Connection, path: Path, migrations: Sequence[Migration] = MIGRATIONS
) -> None:
    """Bring the tables up to date, each step in a transaction. Raises IndexError_ if newer."""
    while (version := version_of(connection)) != len(migrations):
        _refuse_newer(version, path, len(migrations))
        connection.execute("BEGIN IMMEDIATE")
        try:
            if version_of(connection) == version:
                migrations[version](connection)
                connection.execute(f"PRAGMA user_version = {version + 1}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise


def _refuse_newer(version: int, path: Path, known: int) -> None:
    if version > known:
        raise IndexError_(
            f"{path} was written by a newer Pelagos (version {version} of its tables, this one "
            f"knows {known}).",
            "Use the newer Pelagos, or delete the file and harvest again.",
        )


def open_to_read(path: Path) -> sqlite3.Connection:
    """A connection that can't write. Raises IndexError_."""
    if not path.is_file():
        raise IndexError_(f"There is no index at {path}.", "Run ./pelagos harvest.")
    try:
        connection = _connect(f"{path.absolute().as_uri()}?mode=ro")
        version = version_of(connection)
    except sqlite3.Error as error:
        raise unusable(path, error) from error
    if version != len(MIGRATIONS):
        connection.close()
        _refuse_newer(version, path, len(MIGRATIONS))
        raise IndexError_(
            f"{path} is of an older version ({version}, needed is {len(MIGRATIONS)}).",
            "Run ./pelagos harvest: it brings it up to date.",
        )
    return connection


def open_to_write(path: Path) -> sqlite3.Connection:
    """A connection that writes, with all tables made. Raises IndexError_."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = _connect(path.absolute().as_uri())
    except (OSError, sqlite3.Error) as error:
        raise unusable(path, error) from error
    try:
        # a commit is safe against the end of the process; the last ones may be lost with the power
        use_wal(connection, _BUSY_SECONDS)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA wal_autocheckpoint = 4000")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        connection.execute("PRAGMA secure_delete = OFF")  # nothing here is secret
        migrate(connection, path)
    except sqlite3.Error as error:
        connection.close()
        raise unusable(path, error) from error
    except IndexError_:
        connection.close()
        raise
    return connection


def _connect(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA busy_timeout = {int(_BUSY_SECONDS * 1000)}")
        connection.execute("PRAGMA cache_size = -65536")  # KiB
        connection.execute("PRAGMA mmap_size = 2147418112")
        connection.execute("PRAGMA schema_version").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def damaged(what: str) -> sqlite3.DatabaseError:
    """What is in the file can't be; becomes an IndexError_ like any other error of SQLite."""
    return sqlite3.DatabaseError(what)


def unusable(path: Path, error: Exception) -> IndexError_:
    """What is said when SQLite can't use the file."""
    return IndexError_(
        f"The index {path} can't be used: {error}.",
        "If it is damaged, delete it and run ./pelagos harvest.",
    )
