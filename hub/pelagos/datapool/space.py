"""Whether an order's files fit into the pool: into its quota, and onto its disk.

Sizes are bytes. What is not known is counted, and never guessed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import ColumnElement, Connection, and_, case, func, or_, select

from pelagos.datapool.model import UNDER_WAY, FileState, OrderState
from pelagos.datapool.orders_model import NewFile
from pelagos.datapool.tables import files, order_files, orders
from pelagos.errors import RefusedError
from pelagos.units import format_bytes

T = TypeVar("T")

_CHUNK = 5000  # values in one statement: SQLite takes 32,766, PostgreSQL 65,535
_ASKED = (FileState.QUEUED, FileState.WAITING, FileState.FETCHING)
_BYTES: ColumnElement[int] = func.coalesce(files.c.size, files.c.declared, 0)


@dataclass(frozen=True)
class Known:
    """A file that the pool knows. `size` is None if nobody knows it yet."""

    id: int
    identity: str
    place: str
    state: FileState
    size: int | None
    done: int

    @property
    def is_present(self) -> bool:
        """Whether it is in the pool."""
        return self.state is FileState.PRESENT

    @property
    def is_asked_for(self) -> bool:
        """Whether it comes without being asked for again."""
        return self.state in _ASKED


@dataclass(frozen=True)
class Limits:
    """What the pool may take: its quota, and what is free on its disk. `now` is Unix time."""

    quota: int
    disk: int
    now: float


@dataclass(frozen=True)
class Demand:
    """What an order needs. `known`: bytes of files whose size is known, `unknown`: how many others
    there are; `cached`: bytes that are in the pool; `new`: known bytes that are neither there nor
    asked for by others, `new_unknown`: files of which the same holds."""

    files: int
    known: int
    unknown: int
    cached: int
    new: int
    new_unknown: int


def lookup(connection: Connection, identities: Iterable[str]) -> dict[str, Known]:
    """What the pool knows of these files."""
    size = func.coalesce(files.c.size, files.c.declared)
    columns = (files.c.id, files.c.identity, files.c.place, files.c.state, size, files.c.done)
    found = {}
    for part in chunks(list(identities)):
        for row in connection.execute(select(*columns).where(files.c.identity.in_(part))):
            number, identity, place, state, length, done = row
            found[identity] = Known(number, identity, place, FileState(state), length, done)
    return found


def demand(wanted: Collection[NewFile], known: Mapping[str, Known]) -> Demand:
    """What the files of an order need."""
    total = unknown = cached = new = new_unknown = 0
    for file in wanted:
        there = known.get(file.identity)
        size = there.size if there and there.size is not None else file.plan.size
        total += size or 0
        unknown += size is None
        if there and there.is_present:
            cached += size or 0
        elif not (there and there.is_asked_for):
            new += size or 0
            new_unknown += size is None
    return Demand(len(wanted), total, unknown, cached, new, new_unknown)


def room(connection: Connection, own: Collection[Known], limits: Limits) -> int:
    """Bytes that the pool can take for an order, beside those of its `own` files that it knows.

    What no other live order needs makes room: it is evicted.
    """
    protected = _protected(limits.now)
    present = files.c.state == FileState.PRESENT
    is_asked = files.c.state.in_(_ASKED)
    left = func.coalesce(files.c.declared, 0) - files.c.done
    # all in one look at the table
    taken, evictable, coming = connection.execute(
        select(
            _sum(protected, _BYTES),
            _sum(and_(present, ~protected), _BYTES),
            _sum(and_(is_asked, left > 0), left),
        )
    ).one()
    for part in chunks([one.id for one in own]):
        loose = files.c.id.in_(part) & ~protected
        mine = select(_sum(present, _BYTES), _sum(is_asked, _BYTES)).where(loose)
        own_present, own_asked = connection.execute(mine).one()
        taken += own_present + own_asked
        evictable -= own_present
    return max(0, int(min(limits.quota - taken, limits.disk + evictable - coming)))


def check(needed: Demand, free: int, limits: Limits) -> None:
    """Raises RefusedError if that does not fit into the pool."""
    if needed.known > limits.quota:
        raise RefusedError(
            f"The order has {format_bytes(needed.known)}, and the whole data pool holds "
            f"{format_bytes(limits.quota)}.",
            "Order a part of it, or cut out an area, a time or variables.",
        )
    if needed.new > free or (needed.new_unknown and free <= 0):
        size = format_bytes(needed.new)
        if needed.new_unknown:
            size = f"more than {size}" if needed.new else "some"
        raise RefusedError(
            f"The data pool has no space for this order: it needs {size} more, and "
            f"{format_bytes(free)} can be made free.",
            "Order less, or try again when other orders are done.",
        )


def chunks(values: Sequence[T], size: int = _CHUNK) -> Iterator[Sequence[T]]:
    """Parts of a list that fit into one statement."""
    for begin in range(0, len(values), size):
        yield values[begin : begin + size]


def _protected(now: float) -> ColumnElement[bool]:
    """Files that are not evicted: of orders under way, and of ready ones for a while."""
    live = or_(
        orders.c.state.in_(UNDER_WAY),
        and_(orders.c.state == OrderState.READY, orders.c.expires > now),
    )
    needed = select(order_files.c.file).join(orders, orders.c.number == order_files.c.order)
    return files.c.id.in_(needed.where(live))


def _sum(which: ColumnElement[bool], what: ColumnElement[int]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((which, what), else_=0)), 0)
