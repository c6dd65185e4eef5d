"""Orders as they are shown: only read, and only what somebody may see."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, func, or_, select

from pelagos.datapool.model import UNDER_WAY, FileState, OrderState, Target
from pelagos.datapool.space import chunks
from pelagos.datapool.tables import counter, files, order_files, order_items, orders, records

# what is as long as its owner likes, and shown to nobody: lists would hold a megabyte of it a row
_LONG = ("criteria", "query", "accepted")
_SHOWN = [column for column in orders.c if column.name not in _LONG]
OrderRow = Row[Any]
FileRow = Row[Any]


@dataclass(frozen=True)
class Viewer:
    """Who looks: a person, and the virtual labs whose members' orders they see."""

    name: str
    virtual_labs: frozenset[str] = frozenset()

    @property
    def sees(self) -> ColumnElement[bool]:
        """What they may see."""
        own = orders.c.owner == self.name
        if not self.virtual_labs:
            return own
        return or_(own, orders.c.virtual_lab.in_(sorted(self.virtual_labs)))


def order(connection: Connection, viewer: Viewer, number: int) -> OrderRow | None:
    """One order; None if there is none that they may see."""
    if not 0 < number < 2**31:
        return None
    return connection.execute(
        select(*_SHOWN).where(orders.c.number == number, viewer.sees)
    ).one_or_none()


def page(
    connection: Connection,
    viewer: Viewer,
    states: Collection[OrderState] = (),
    virtual_lab: str = "",
    before: int | None = None,
    limit: int = 50,
) -> tuple[list[OrderRow], bool]:
    """Orders, the newest first, and whether there are more.

    Their own; of a virtual lab whose orders they see, all.
    """
    query = select(*_SHOWN)
    if virtual_lab:
        query = query.where(orders.c.virtual_lab == virtual_lab, viewer.sees)
    else:
        query = query.where(orders.c.owner == viewer.name)
    if states:
        query = query.where(orders.c.state.in_(states))
    if before is not None:
        query = query.where(orders.c.number < before)
    rows = list(connection.execute(query.order_by(orders.c.number.desc()).limit(limit + 1)))
    return rows[:limit], len(rows) > limit


def files_page(
    connection: Connection, number: int, offset: int, limit: int
) -> tuple[list[FileRow], bool]:
    """Files of an order by their position, and whether there are more."""
    rows = list(
        connection.execute(
            select(
                files,
                order_files.c.path,
                order_files.c.note,
                order_files.c.checksum.label("had"),
            )
            .join(order_files, order_files.c.file == files.c.id)
            .where(order_files.c.order == number)
            .where(order_files.c.position >= offset)
            .order_by(order_files.c.position)
            .limit(limit + 1)
        )
    )
    return rows[:limit], len(rows) > limit


def documents(
    connection: Connection, number: int
) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    """The items of an order, and their collections by identifier, as they were ordered."""
    rows = connection.execute(
        select(order_items).where(order_items.c.order == number).order_by(order_items.c.position)
    ).all()
    wanted = {row.item_record for row in rows} | {row.collection_record for row in rows} - {None}
    texts: dict[str, str] = {}
    for part in chunks(sorted(one for one in wanted if one)):
        found = select(records.c.digest, records.c.document).where(records.c.digest.in_(part))
        texts.update((digest, text) for digest, text in connection.execute(found))
    collections = {}
    for row in rows:
        if row.collection_record and row.collection not in collections:
            collections[row.collection] = json.loads(texts[row.collection_record])
    return [json.loads(texts[row.item_record]) for row in rows], collections


def last_change(connection: Connection) -> int:
    """The number of the last change of any order."""
    return int(connection.execute(select(counter.c.value)).scalar_one())


def changed_since(connection: Connection, change: int, limit: int = 1000) -> list[OrderRow]:
    """Orders that changed after a change, in the order of their last one."""
    query = select(*_SHOWN).where(orders.c.changed > change).order_by(orders.c.changed)
    return list(connection.execute(query.limit(limit)))


def own_since(connection: Connection, owner: str, change: int | None) -> list[OrderRow]:
    """A person's orders that changed after a change; without one, those under way."""
    query = select(*_SHOWN).where(orders.c.owner == owner)
    since = orders.c.state.in_(UNDER_WAY) if change is None else orders.c.changed > change
    found = connection.execute(query.where(since).order_by(orders.c.changed.desc()).limit(200))
    return list(found)[::-1]


def existing(connection: Connection, numbers: Collection[int]) -> set[int]:
    """Which of these orders there are."""
    found: set[int] = set()
    for part in chunks(sorted(numbers)):
        found.update(connection.scalars(select(orders.c.number).where(orders.c.number.in_(part))))
    return found


def bytes_to_workspace(connection: Connection, owner: str, but: int = 0) -> int:
    """Bytes that a person's orders under way still copy to their workspace, all `but` one's."""
    left = orders.c.bytes_known - orders.c.bytes_copied
    return int(
        connection.scalar(
            select(func.coalesce(func.sum(left), 0)).where(
                and_(
                    orders.c.owner == owner,
                    orders.c.number != but,
                    orders.c.target == Target.WORKSPACE,
                    orders.c.state.in_(UNDER_WAY),
                )
            )
        )
        or 0
    )


@dataclass(frozen=True)
class Tally:
    """How all stands: counts by state, bytes in the pool, hits, and failed files by source."""

    orders: dict[OrderState, int]
    files: dict[FileState, int]
    bytes: int
    ordered: int
    cached: int
    failed: dict[str, int]


def tally(connection: Connection) -> Tally:
    """What is measured."""
    by_state = select(orders.c.state, func.count()).group_by(orders.c.state)
    by_file = select(files.c.state, func.count()).group_by(files.c.state)
    failed = (
        select(files.c.source, func.count())
        .where(files.c.state == FileState.FAILED)
        .group_by(files.c.source)
    )
    present = select(func.coalesce(func.sum(files.c.size), 0)).where(
        files.c.state == FileState.PRESENT
    )
    counted = connection.execute(
        select(
            func.coalesce(func.sum(orders.c.files), 0),
            func.coalesce(func.sum(orders.c.files_cached), 0),
        )
    ).one()
    return Tally(
        {OrderState(state): count for state, count in connection.execute(by_state)},
        {FileState(state): count for state, count in connection.execute(by_file)},
        int(connection.execute(present).scalar_one()),
        int(counted[0]),
        int(counted[1]),
        {str(row[0]): int(row[1]) for row in connection.execute(failed)},
    )
