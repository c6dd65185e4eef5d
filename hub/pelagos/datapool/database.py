"""The database of orders: SQLite in the state folder, or PostgreSQL elsewhere."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, exc, select, update

from pelagos.datapool.tables import counter, metadata
from pelagos.errors import AwayError

FILE = "orders.sqlite"
_BUSY_SECONDS = 15


def url_of(folder: Path) -> str:
    """The address of the SQLite file in `folder`."""
    return f"sqlite:///{folder / FILE}"


def open_database(url: str) -> Engine:
    """An engine for the database at `url`. Nothing is asked of it yet."""
    engine = create_engine(url, pool_pre_ping=True, hide_parameters=True)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def migrate(engine: Engine) -> None:
    """Make the tables, or bring those of an older version up to date. Raises AwayError."""
    with transaction(engine) as connection:
        metadata.create_all(connection)
        if connection.execute(select(counter.c.value)).first() is None:
            connection.execute(counter.insert().values(name="changes", value=0))


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """A transaction that is kept if nothing is raised. Raises AwayError if the database is away."""
    try:
        with engine.begin() as connection:
            yield connection
    except (exc.OperationalError, exc.InterfaceError, exc.TimeoutError) as error:
        raise AwayError(
            "The database of orders does not answer.", "Nothing was lost; try again in a minute."
        ) from error


def next_change(connection: Connection) -> int:
    """The next number of changes: for `orders.changed`, in the same transaction."""
    return int(
        connection.execute(
            update(counter)
            .where(counter.c.name == "changes")
            .values(value=counter.c.value + 1)
            .returning(counter.c.value)
        ).scalar_one()
    )


def _prepare_sqlite(connection: sqlite3.Connection, record: Any) -> None:
    # SQLAlchemy begins transactions, not the driver (https://docs.sqlalchemy.org: pysqlite)
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: Connection) -> None:
    # at once for writing: a transaction that reads first and writes later could fail half-way
    connection.exec_driver_sql("BEGIN IMMEDIATE")
