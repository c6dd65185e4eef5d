"""How the data pool stands, for `./pelagos status` and `doctor`: read from its database alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Connection, exc, func, select

from pelagos.datapool.database import FILE, database_url, open_database, reading
from pelagos.datapool.model import UNDER_WAY, FileState, OrderState
from pelagos.datapool.tables import files, order_files, orders
from pelagos.deployment import Deployment, State
from pelagos.errors import NotRunningError, StateError
from pelagos.settings import DataPool
from pelagos.units import format_bytes

DAY = 86400.0
_BUSY_SECONDS = 5.0


@dataclass(frozen=True)
class PoolStatus:
    """The pool at one moment. `orders`: how many by state; `failed`: orders of the last day that
    failed; `used` and `quota` in bytes; `files`: how many are in the pool."""

    orders: dict[str, int] = field(default_factory=dict)
    failed: int = 0
    files: int = 0
    used: int = 0
    quota: int = 0

    @property
    def line(self) -> str:
        """One line for a person."""
        under_way = sum(self.orders.get(state, 0) for state in UNDER_WAY)
        parts = [f"{under_way} order{'' if under_way == 1 else 's'} under way"]
        if waiting := self.orders.get(OrderState.WAITING, 0):
            parts[0] += f" ({waiting} waiting for a source)"
        if self.failed:
            parts.append(f"{self.failed} failed in the last day")
        parts.append(
            f"{format_bytes(self.used)} of {format_bytes(self.quota)} in "
            f"{self.files:,} file{'' if self.files == 1 else 's'}"
        )
        return f"data pool: {', '.join(parts)}"


@dataclass(frozen=True)
class Failures:
    """Files of one source that orders of the last day could not get; `error`: of one of them."""

    source: str
    files: int
    error: str


@contextmanager
def database(state: State, settings: DataPool) -> Iterator[Connection]:
    """The database of orders, to read. Raises NotRunningError where there is none yet, AwayError,
    StateError."""
    url = database_url(settings, state.datapool)
    # to look must not make it: the service's own account does
    if not settings.database_file and not (state.datapool / FILE).exists():
        raise NotRunningError("Nobody has ordered anything yet.", "./pelagos up")
    engine = open_database(url, busy_seconds=_BUSY_SECONDS)
    try:
        with reading(engine) as connection:
            yield connection
    except exc.SQLAlchemyError as error:
        raise StateError(
            "The database of orders can't be read: it is damaged, or has no tables of ours.",
            "./pelagos restore brings back that of a backup.",
        ) from error
    finally:
        engine.dispose()


def datapool_status(deployment: Deployment) -> PoolStatus:
    """How the pool stands. Raises as `database` does."""
    with database(deployment.state, deployment.settings.datapool) as connection:
        return pool_status(connection, deployment.settings.datapool.quota, time.time())


def pool_status(connection: Connection, quota: int, now: float) -> PoolStatus:
    """How the pool stands at `now`; `quota` in bytes."""
    states = connection.execute(select(orders.c.state, func.count()).group_by(orders.c.state))
    failed = connection.execute(
        select(func.count()).where(
            orders.c.state == OrderState.FAILED.value, orders.c.finished > now - DAY
        )
    ).scalar_one()
    count, used = connection.execute(
        select(func.count(), func.coalesce(func.sum(files.c.size), 0)).where(
            files.c.state == FileState.PRESENT.value
        )
    ).one()
    return PoolStatus(
        {str(state): int(number) for state, number in states}, int(failed), count, int(used), quota
    )


def failures(connection: Connection, now: float) -> list[Failures]:
    """What orders of the last day could not get, by source."""
    found = connection.execute(
        select(files.c.source, func.count(files.c.id.distinct()), func.max(files.c.error))
        .join(order_files, order_files.c.file == files.c.id)
        .join(orders, orders.c.number == order_files.c.order)
        .where(
            orders.c.state == OrderState.FAILED.value,
            orders.c.finished > now - DAY,
            files.c.state == FileState.FAILED.value,
        )
        .group_by(files.c.source)
        .order_by(files.c.source)
    )
    return [Failures(source, int(count), error) for source, count, error in found]
