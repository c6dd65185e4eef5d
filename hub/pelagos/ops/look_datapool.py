"""What doctor says of the data pool: its database, its disk, and what it could not get."""

from __future__ import annotations

import shutil
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from pelagos import datapool
from pelagos.errors import NotRunningError, PelagosError
from pelagos.layout import Area, AreaKind, Layout
from pelagos.ops import supervise
from pelagos.ops.datapool import PoolStatus, database, failures, pool_status
from pelagos.ops.findings import Finding, Level, Patient
from pelagos.units import format_bytes

_DOWNLOADER = "downloader"
_MIN_FREE = 2 * 2**30


def look_at_orders(found: Patient) -> Iterator[Finding]:
    """The database of orders: it answers, has this version's tables, and what failed lately."""
    if found.settings is None:
        return
    now = time.time()
    try:
        with database(found.state, found.settings.datapool) as connection:
            version = MigrationContext.configure(connection).get_current_revision()
            if version != _newest():
                yield _other_version(version)
                return
            status = pool_status(connection, found.settings.datapool.quota, now)
            failed = failures(connection, now)
    except NotRunningError:
        return  # nobody has ordered anything yet
    except PelagosError as error:
        mend = (
            "Does the server of datapool.database_file run, and let this machine in?"
            if found.settings.datapool.database_file
            else error.mend
        )
        yield Finding("orders", Level.ERROR, error.sentence, mend)
        return
    for one in failed:
        yield Finding(
            f"downloads from {one.source}",
            Level.WARNING,
            f"{one.files} file{'' if one.files == 1 else 's'} could not be fetched in the last "
            f"day, such as: {one.error}",
            "An order that failed can be tried again by its owner once the source answers; "
            f"the log is {found.state.logs}/{_DOWNLOADER}.log.",
        )
    yield Finding("orders", Level.OK, status.line.removeprefix("data pool: "))
    yield from _disk(found, status)


def _newest() -> str | None:
    folder = Path(datapool.__file__).parent / "migrations"
    return ScriptDirectory(str(folder)).get_current_head()


def _other_version(version: str | None) -> Finding:
    if version is None:  # an empty PostgreSQL, looked at before the first start
        return Finding(
            "orders",
            Level.WARNING,
            "the database of orders answers, and has no tables yet",
            "./pelagos up makes them.",
        )
    return Finding(
        "orders",
        Level.ERROR,
        f"the database of orders is of another version ({version})",
        "./pelagos up brings it up to date, unless a newer Pelagos has made it.",
    )


def _disk(found: Patient, status: PoolStatus) -> Iterator[Finding]:
    """Whether the pool's disk can hold what its quota allows."""
    assert found.settings is not None  # noqa: S101 - for the type checker
    layout = Layout(found.state.folder, found.settings.storage)
    pool = layout.area(Area(AreaKind.POOL))
    there = next(one for one in (pool, *pool.parents) if one.is_dir())
    free, left = shutil.disk_usage(there).free, max(0, status.quota - status.used)
    detail = f"{format_bytes(free)} free at {pool}"
    if free < min(left, _MIN_FREE):
        mend = "Free space there: no order is accepted that does not fit."
        yield Finding("disk (data pool)", Level.ERROR, detail, mend)
    elif free < left:
        yield Finding(
            "disk (data pool)",
            Level.WARNING,
            f"{detail}, and its quota lets it take {format_bytes(left)} more",
            "Lower datapool.quota, or put the dataspace on a larger disk.",
        )
    else:
        yield Finding("disk (data pool)", Level.OK, detail)


def look_at_downloader(found: Patient) -> Iterator[Finding]:
    """Whether the process that fetches runs, where anything does."""
    if not found.runs:
        return
    states = {one.name: one.state for one in supervise.processes(found.state)}
    if states.get(_DOWNLOADER) != "running":
        yield Finding(
            "downloads",
            Level.ERROR,
            "nothing is fetched: the downloader does not run",
            f"Its log says why: {found.state.logs}/{_DOWNLOADER}.log",
        )


def look_at_database_file(found: Patient) -> Iterator[Finding]:
    """Whether others can read the file with the database's password."""
    if found.settings is None or not found.settings.datapool.database_file:
        return
    path = Path(found.settings.datapool.database_file)
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return  # said with the orders
    if mode & 0o077:
        yield Finding(
            "database of orders",
            Level.WARNING,
            f"others can read {path}, which holds a password",
            f"Close it: chmod 600 {path}",
        )
    else:
        yield Finding("database of orders", Level.OK, f"its address is in {path}, closed to others")


LOOKS: list[Callable[[Patient], Iterator[Finding]]] = [
    look_at_orders,
    look_at_downloader,
    look_at_database_file,
]
