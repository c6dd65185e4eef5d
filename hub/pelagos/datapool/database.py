"""The database of orders: SQLite in the state folder, or PostgreSQL elsewhere.

One writes at a time: on PostgreSQL a `transaction` first locks the row of the counter, as on SQLite
it locks the file. So numbers of changes (`next_change`) become visible in their order, what was
read at the beginning holds at the end, and no two that lock files in another order wait for each
other.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import (
    URL,
    Connection,
    Engine,
    create_engine,
    event,
    exc,
    make_url,
    select,
    text,
    update,
)

from pelagos.datapool.tables import counter
from pelagos.errors import AwayError, StateError
from pelagos.settings import DataPool
from pelagos.sqlite import use_wal

FILE = "orders.sqlite"
BUSY_SECONDS = 15
_CONNECTIONS = 16
_CONNECT_SECONDS = 4
_WAIT_SECONDS = 5  # for a connection, and for what another transaction holds
_STATEMENT_SECONDS = 30
_SILENCE_SECONDS = 15  # of the network
_MIGRATION_LOCK = 7_305_117_042  # any number, the same in all programs
_READING = "pelagos_reading"
_ALONE = select(counter.c.value).where(counter.c.name == "changes").with_for_update()
_AWAY = (exc.DatabaseError, exc.InterfaceError, exc.TimeoutError)
_OURS = (exc.IntegrityError, exc.ProgrammingError, exc.DataError, exc.NotSupportedError)


def database_url(settings: DataPool, folder: Path) -> str:
    """The database of the settings: of the address in their file, else SQLite in `folder`.

    Only root may be able to read the file: call it before root is given up. The result may hold a
    password. Raises StateError.
    """
    if not settings.database_file:
        return url_of(folder)
    path = settings.database_file
    try:
        # the errors of neither may be shown: what could not be read is the password
        found = make_url(Path(path).read_text().strip())
    except OSError as error:
        raise StateError(
            f"The file {path} (datapool.database_file) can't be read: {error.strerror}.",
            "It must hold the address of a PostgreSQL database.",
        ) from None
    except (ValueError, exc.ArgumentError):
        raise _no_address(path) from None
    if found.get_backend_name() != "postgresql":
        raise _no_address(path)
    found = found.set(drivername="postgresql+psycopg")
    return found.render_as_string(hide_password=False)


def url_of(folder: Path) -> str:
    """The address of the SQLite file in `folder`."""
    return URL.create("sqlite", database=str(folder / FILE)).render_as_string()


def open_database(url: str, busy_seconds: float = BUSY_SECONDS) -> Engine:
    """An engine for the database at `url`. Nothing is asked of it yet.

    Nothing waits longer than `busy_seconds` for a file that another program holds.
    """
    found = make_url(url)
    limits = {"pool_size": _CONNECTIONS, "max_overflow": 0, "pool_timeout": _WAIT_SECONDS}
    if found.get_backend_name() == "sqlite":
        engine = create_engine(found, hide_parameters=True, **limits)
        event.listen(engine, "connect", _preparing_sqlite(busy_seconds))
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    return create_engine(
        found,
        hide_parameters=True,
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": _CONNECT_SECONDS,
            "tcp_user_timeout": _SILENCE_SECONDS * 1000,
            "application_name": "pelagos",
            "options": f"-c statement_timeout={_STATEMENT_SECONDS}s "
            f"-c lock_timeout={_WAIT_SECONDS}s -c idle_in_transaction_session_timeout=60s",
        },
        **limits,
    )


def migrate(engine: Engine) -> None:
    """Make the tables, or bring those of an older version up to date.

    Several programs may do so at once. Raises AwayError; StateError if the tables are of a newer
    version.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    script = ScriptDirectory.from_config(config)
    with _answering(), engine.begin() as connection:  # there may be no counter yet
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL lock_timeout = '60s'"))
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
        config.attributes["connection"] = connection
        config.attributes["check"] = lambda version: _check(version, script)
        command.upgrade(config, "head")


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """A transaction that is kept if nothing is raised, and the only one that writes meanwhile.

    Raises AwayError if the database is away.
    """
    with _answering(), engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(_ALONE)
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One state of the database, only to read: it waits for nobody. Raises AwayError."""
    options: dict[str, Any] = {_READING: True}
    if engine.dialect.name == "postgresql":
        options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with (
        _answering(),
        engine.connect() as bare,
        bare.execution_options(**options) as connection,
        connection.begin(),
    ):
        yield connection


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


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except _OURS:
        raise  # it answers, and something here is wrong
    except _AWAY as error:
        raise AwayError(
            "The database of orders does not answer.", "Nothing was lost; try again in a minute."
        ) from error


def _no_address(path: str) -> StateError:
    return StateError(
        f"The file {path} (datapool.database_file) holds no address of a PostgreSQL database.",
        "It looks like postgresql+psycopg://USER:PASSWORD@HOST/DATABASE, in one line.",
    )


def _check(version: str | None, script: ScriptDirectory) -> None:
    """Raises StateError for tables that these programs do not know."""
    known = {one.revision for one in script.walk_revisions()}
    if version is not None and version not in known:
        raise StateError(
            f"The database of orders is of a newer Pelagos (version {version[:40]!r} of its "
            "tables).",
            "Use the newer Pelagos, or restore a backup that this one has made.",
        )


def _preparing_sqlite(busy_seconds: float) -> Any:
    def prepare(connection: sqlite3.Connection, record: Any) -> None:
        # SQLAlchemy begins transactions, not the driver (https://docs.sqlalchemy.org: pysqlite)
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {int(busy_seconds * 1000)}")
        use_wal(connection, busy_seconds)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")

    return prepare


def _begin_sqlite(connection: Connection) -> None:
    # at once for writing: a transaction that reads first and writes later could fail half-way
    reads = connection.get_execution_options().get(_READING)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
