"""The database of orders: how it is found, made, and what happens while it is away."""

from __future__ import annotations

import logging
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from pelagos.datapool.database import (
    database_url,
    migrate,
    next_change,
    open_database,
    reading,
    transaction,
    url_of,
)
from pelagos.datapool.tables import counter, metadata, orders
from pelagos.errors import AwayError, StateError
from pelagos.settings import DataPool
from postgres import Postgres
from sqlalchemy import Engine, inspect, select, text
from support import leeway

SECRET = "s3cr3t-of-the-database"


def test_migrations_make_just_the_tables_that_the_programs_use(orders_url: str) -> None:
    engine = open_database(orders_url)
    migrate(engine)
    migrate(engine)  # nothing is left to do
    with transaction(engine) as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, metadata) == []
        assert connection.execute(select(counter)).all() == [("changes", 0)]
        assert next_change(connection) == 1
    migrated = schema(orders_url)
    engine.dispose()
    assert migrated["orders"]["unique"] == [("owner", "key")]
    assert {"ix_orders_owner_number", "ix_orders_state"} <= migrated["orders"]["indexes"]
    assert migrated["order_files"]["on_delete"] == {"orders": "CASCADE", "files": None}


def schema(url: str) -> dict[str, dict[str, object]]:
    """What an inspector sees and Alembic does not compare."""
    engine = open_database(url)
    found = inspect(engine)
    result = {
        name: {
            "unique": sorted(
                tuple(one["column_names"]) for one in found.get_unique_constraints(name)
            ),
            "indexes": {one["name"] for one in found.get_indexes(name)},
            "on_delete": {
                one["referred_table"]: one.get("options", {}).get("ondelete")
                for one in found.get_foreign_keys(name)
            },
        }
        for name in metadata.tables
    }
    engine.dispose()
    return result


def test_programs_that_start_together_make_the_tables_once(orders_url: str) -> None:
    program = (
        "import sys\nfrom pelagos.datapool.database import *\n"
        "engine = open_database(sys.argv[1])\nsys.stdin.read()\nmigrate(engine)\n"
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-c", program, orders_url],
            stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(4)
    ]  # fmt: skip
    time.sleep(1.5)  # they have imported all by then, most likely: nothing depends on it
    for child in children:
        assert child.stdin
        child.stdin.close()
    for child in children:
        assert child.stderr
        errors = child.stderr.read()
        child.stderr.close()
        assert child.wait(60) == 0, errors
    engine = open_database(orders_url)
    with reading(engine) as connection:
        assert connection.execute(select(counter)).all() == [("changes", 0)]
    engine.dispose()


def test_a_newer_database_is_left_alone(orders_url: str) -> None:
    engine = open_database(orders_url)
    migrate(engine)
    with transaction(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StateError, match=r"of a newer Pelagos.*'9999'"):
        migrate(engine)
    with reading(engine) as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).all() == [
            ("9999",)
        ]
    engine.dispose()


def test_a_migration_that_fails_leaves_nothing(
    orders_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_database(orders_url)
    real = Operations.execute

    def fail(self: Operations, *arguments: object, **more: object) -> None:
        raise AwayError("in the middle")

    monkeypatch.setattr(Operations, "execute", fail)
    with pytest.raises(AwayError, match="in the middle"):
        migrate(engine)
    assert inspect(engine).get_table_names() == []
    monkeypatch.setattr(Operations, "execute", real)
    migrate(engine)
    engine.dispose()


def test_the_address_comes_from_the_file_or_is_the_state_folders(tmp_path: Path) -> None:
    assert database_url(DataPool(), tmp_path) == f"sqlite:///{tmp_path}/orders.sqlite"
    odd = tmp_path / "a?b#c %20"
    odd.mkdir()
    engine = open_database(database_url(DataPool(), odd))
    migrate(engine)
    engine.dispose()
    assert (odd / "orders.sqlite").is_file()
    file = tmp_path / "url"
    for given in ("postgresql", "postgresql+psycopg"):
        file.write_text(f"{given}://pelagos:{SECRET}@db.example.org/pelagos\n")
        assert (
            database_url(DataPool(database_file=str(file)), tmp_path)
            == f"postgresql+psycopg://pelagos:{SECRET}@db.example.org/pelagos"
        )


@pytest.mark.parametrize(
    "content",
    [
        None, "", SECRET, f"mysql://a:{SECRET}@b/c", f"sqlite:///{SECRET}", b"\xff\xfe" * 9,
        f"postgresql://a:{SECRET}@b:port/c", f"postgresql+none://a:{SECRET}@",
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_refused_by_its_file(
    tmp_path: Path, content: str | bytes | None
) -> None:
    file = tmp_path / "url"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content is not None:
        file.write_text(content)
    if content and "none" in str(content):
        # the driver is ours
        assert "psycopg" in database_url(DataPool(database_file=str(file)), tmp_path)
        return
    with pytest.raises(StateError) as caught:
        database_url(DataPool(database_file=str(file)), tmp_path)
    assert str(file) in str(caught.value)
    assert SECRET not in caught.value.sentence
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_no_log_holds_the_password(postgres: Postgres, caplog: pytest.LogCaptureFixture) -> None:
    url = postgres.database().replace("unused", SECRET)
    with caplog.at_level(logging.DEBUG):
        engine = open_database(url)
        migrate(engine)
        assert SECRET not in repr(engine)
        engine.dispose()
        away = open_database(url.replace(f":{postgres.port}/", ":1/"))
        with pytest.raises(AwayError) as caught, reading(away):
            pass
        away.dispose()
    assert SECRET not in caplog.text
    assert SECRET not in repr(caught.value.__cause__)


def test_a_reader_does_not_wait_for_who_writes(orders_url: str) -> None:
    engine = open_database(orders_url)
    migrate(engine)
    with transaction(engine) as connection:
        next_change(connection)
        began = time.monotonic()
        with reading(engine) as other:
            assert other.execute(select(counter.c.value)).scalar_one() == 0
        assert time.monotonic() - began < leeway(2)
    engine.dispose()


def test_numbers_of_changes_are_seen_in_their_order(orders_url: str) -> None:
    """Whoever asks for changes since N misses none, however many programs write."""
    engine = open_database(orders_url)
    migrate(engine)

    def write(owner: str) -> None:
        for number in range(30):
            with transaction(engine) as connection:
                connection.execute(orders.insert().values(
                    owner=owner, target="dataspace", state="queued", criteria="{}", query="{}",
                    created=0, files=1, changed=next_change(connection), key=f"{owner}-{number}",
                ))  # fmt: skip

    threads = [threading.Thread(target=write, args=[name]) for name in "abcd"]
    for thread in threads:
        thread.start()
    seen: list[int] = []
    while len(seen) < 120:
        with reading(engine) as connection:
            last = seen[-1] if seen else 0
            seen += connection.scalars(
                select(orders.c.changed).where(orders.c.changed > last).order_by(orders.c.changed)
            )
    for thread in threads:
        thread.join()
    assert seen == list(range(1, 121))
    engine.dispose()


def test_a_file_that_another_program_holds_is_away_for_a_while(tmp_path: Path) -> None:
    engine = open_database(url_of(tmp_path), busy_seconds=0.3)
    migrate(engine)
    holder = sqlite3.connect(tmp_path / "orders.sqlite", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    with pytest.raises(AwayError, match="does not answer"), transaction(engine):
        pass
    assert time.monotonic() - began < leeway(5)
    with reading(engine) as connection:  # who only reads does not mind
        assert connection.execute(select(counter.c.value)).scalar_one() == 0
    holder.execute("ROLLBACK")
    holder.close()
    with transaction(engine) as connection:
        assert next_change(connection) == 1
    engine.dispose()


def test_a_postgresql_that_ends_is_away_until_it_is_back() -> None:
    with Postgres() as server:
        engine = open_database(server.database())
        migrate(engine)
        with pytest.raises(AwayError):
            cut_off(engine, server)
        with pytest.raises(AwayError), reading(engine):
            pass
        server.start()
        with transaction(engine) as connection:
            assert next_change(connection) == 1, "what was not committed is gone"
        engine.dispose()


def cut_off(engine: Engine, server: Postgres) -> None:
    """A transaction in the middle of which the server loses its power."""
    with transaction(engine) as connection:
        next_change(connection)
        server.stop("immediate")
        next_change(connection)
