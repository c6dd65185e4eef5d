"""Orders in the database: made, cancelled, tried again, deleted.

Every function works in the caller's transaction and begins with `next_change`, so that no two of
them run at a time, and none beside a downloader that does the same.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, exists, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from pelagos.datapool import space
from pelagos.datapool.database import next_change
from pelagos.datapool.model import AGAIN, UNDER_WAY, FileState, OrderState
from pelagos.datapool.orders_model import (
    NewFile,
    NewItem,
    NewOrder,
    digest_of,
    files_of,
    text_of,
)
from pelagos.datapool.space import Known, Limits, chunks
from pelagos.datapool.tables import files, order_files, order_items, orders, records
from pelagos.errors import RefusedError

Row = dict[str, Any]
# of one person, those that are over too: the database is on the disk of the hub's own state
KEPT_ORDERS = 1_000
KEPT_FILES = 1_000_000


@dataclass(frozen=True)
class Bounds:
    """The most that one person may have under way, and one order may have of files."""

    live_orders: int
    order_files: int


def create(
    connection: Connection,
    wanted: NewOrder,
    items: Sequence[NewItem],
    bounds: Bounds,
    limits: Limits,
) -> tuple[int, bool]:
    """Make an order: its number, and whether it is new.

    The same key of the same owner is the same order. Raises RefusedError if it does not fit;
    nothing is kept then.
    """
    change = next_change(connection)
    if wanted.key is not None and (same := by_key(connection, wanted.owner, wanted.key)):
        return same, False
    needed = files_of(items)
    if not needed:
        raise RefusedError("The order has no files.", "Choose granules that have data.")
    if len(needed) > bounds.order_files:
        raise RefusedError(
            f"The order has {len(needed):,} files, and one order may have {bounds.order_files:,}.",
            "Make several orders of it.",
        )
    _check_live(connection, wanted.owner, bounds)
    _check_kept(connection, wanted.owner, len(needed))
    known = space.lookup(connection, [file.identity for file in needed])
    demand = space.demand(needed, known)
    space.check(demand, space.room(connection, known.values(), limits), limits)
    digests = _keep_records(connection, items)
    known = _enter(connection, needed, known, digests, limits.now)
    cached = [one for one in known.values() if one.is_present]
    number = _insert_order(connection, wanted, change, limits.now, demand, cached)
    _insert_parts(connection, number, items, needed, known, digests)
    return number, True


def by_key(connection: Connection, owner: str, key: str) -> int | None:
    """The order that this person made with this key."""
    query = select(orders.c.number).where(orders.c.owner == owner, orders.c.key == key)
    return connection.scalar(query)


def cancel(connection: Connection, number: int, now: float) -> None:
    """End an order that is under way. Raises RefusedError if it is over, other than cancelled."""
    change = next_change(connection)
    state = _state(connection, number)
    if state is OrderState.CANCELLED:
        return
    if state.over:
        raise RefusedError(
            f"Order {number} is {state.value}: there is nothing to cancel.",
            "Delete it, if you do not want it any more.",
        )
    _set(connection, number, change, state=OrderState.CANCELLED.value, finished=now)


def retry(connection: Connection, number: int, bounds: Bounds, limits: Limits) -> None:
    """Get again what an order lacks. Raises RefusedError if it does not fit, or lacks nothing."""
    change = next_change(connection)
    row = connection.execute(
        select(orders.c.state, orders.c.owner).where(orders.c.number == number)
    ).one()
    state = OrderState(row.state)
    if state in UNDER_WAY:
        return
    if state not in AGAIN:
        raise RefusedError(f"Order {number} is {state.value}: nothing of it is missing.")
    _check_live(connection, row.owner, bounds)
    found = _files_of_order(connection, number)
    missing = [one for one in found if not one.is_present and not one.is_asked_for]
    demand = space.Demand(
        files=len(found),
        known=sum(one.size or 0 for one in found),
        unknown=sum(one.size is None for one in found),
        cached=sum(one.size or 0 for one in found if one.is_present),
        new=sum(one.size or 0 for one in missing),
        new_unknown=sum(one.size is None for one in missing),
    )
    space.check(demand, space.room(connection, found, limits), limits)
    _ask_for(connection, [one.id for one in missing])
    _touch(connection, [one.id for one in found], limits.now)
    _set(
        connection,
        number,
        change,
        state=OrderState.QUEUED.value,
        attempt=orders.c.attempt + 1,
        error="",
        finished=None,
        expires=None,
        files_failed=0,
        files_waiting=0,
        bytes_copied=0,
        **_progress(demand, [one for one in found if one.is_present]),
    )


def remove(connection: Connection, number: int) -> None:
    """Forget an order, whatever its state; its files stay in the pool while there is room."""
    next_change(connection)
    kept = connection.execute(
        select(order_items.c.item_record, order_items.c.collection_record).where(
            order_items.c.order == number
        )
    )
    digests = sorted({digest for row in kept for digest in row if digest})
    connection.execute(delete(orders).where(orders.c.number == number))
    for part in chunks(digests):
        connection.execute(
            delete(records)
            .where(records.c.digest.in_(part))
            .where(~exists().where(order_items.c.item_record == records.c.digest))
            .where(~exists().where(order_items.c.collection_record == records.c.digest))
            .where(~exists().where(files.c.item_record == records.c.digest))
        )


def owners(connection: Connection) -> list[str]:
    """Whose orders there are."""
    return list(connection.scalars(select(orders.c.owner).distinct().order_by(orders.c.owner)))


def forget(connection: Connection, owner: str) -> None:
    """Forget all orders of a person."""
    for number in connection.scalars(select(orders.c.number).where(orders.c.owner == owner)).all():
        remove(connection, number)


def _check_live(connection: Connection, owner: str, bounds: Bounds) -> None:
    live = connection.scalar(
        select(func.count())
        .select_from(orders)
        .where(orders.c.owner == owner, orders.c.state.in_(UNDER_WAY))
    )
    if (live or 0) >= bounds.live_orders:
        raise RefusedError(
            f"You have {live} orders under way, and {bounds.live_orders} are the most.",
            "Wait until some are done, or cancel some.",
        )


def _check_kept(connection: Connection, owner: str, coming: int) -> None:
    kept, held = connection.execute(
        select(func.count(), func.coalesce(func.sum(orders.c.files), 0)).where(
            orders.c.owner == owner
        )
    ).one()
    if kept >= KEPT_ORDERS or held + coming > KEPT_FILES:
        raise RefusedError(
            f"You have {kept:,} orders with {held:,} files, those that are over with them: "
            f"{KEPT_ORDERS:,} orders with {KEPT_FILES:,} files are the most.",
            "Delete orders that you do not need any more; files that you have stay.",
        )


def _state(connection: Connection, number: int) -> OrderState:
    query = select(orders.c.state).where(orders.c.number == number)
    return OrderState(connection.execute(query).scalar_one())


def _set(connection: Connection, number: int, change: int, **values: Any) -> None:
    connection.execute(
        update(orders).where(orders.c.number == number).values(changed=change, **values)
    )


def _insert_new(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows, but none whose keys are there."""
    if not rows:
        return
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    connection.execute(dialect.insert(table).on_conflict_do_nothing(), list(rows))


def _keep_records(connection: Connection, items: Sequence[NewItem]) -> dict[int, str]:
    """Keep the documents of items and collections; the digest of each, by the `id` of its object.

    Many items have the same object as their collection: it is written out once.
    """
    digests: dict[int, str] = {}
    texts: dict[str, str] = {}
    for item in items:
        for document in (item.document, item.collection_document):
            if document is not None and id(document) not in digests:
                text = text_of(document)
                digest = digest_of(text)
                digests[id(document)], texts[digest] = digest, text
    rows = [{"digest": digest, "document": text} for digest, text in sorted(texts.items())]
    _insert_new(connection, records, rows)
    return digests


def _enter(
    connection: Connection,
    needed: Sequence[NewFile],
    known: Mapping[str, Known],
    digests: Mapping[int, str],
    now: float,
) -> dict[str, Known]:
    """Make sure that the pool has rows for all these files, and that they come: what it knows."""
    again = [file for file in needed if (there := known.get(file.identity)) and _is_idle(there)]
    if again:
        connection.execute(
            update(files)
            .where(files.c.identity == bindparam("of"))
            .values(plan=bindparam("new_plan"), item_record=bindparam("record")),
            [
                {
                    "of": file.identity,
                    "new_plan": text_of(vars(file.plan)),  # as to_json, but quick
                    "record": digests[id(file.of.document)],
                }
                for file in again
            ],
        )
        _ask_for(connection, [known[file.identity].id for file in again])
    new = [file for file in needed if file.identity not in known]
    rows = [_file_row(file, file.place, digests, now) for file in new]
    _insert_new(connection, files, rows)
    found = space.lookup(connection, [file.identity for file in needed])
    # another file is at the place of these
    rows = [
        _file_row(file, file.other_place, digests, now)
        for file in new
        if file.identity not in found
    ]
    if rows:
        connection.execute(files.insert(), rows)
        found = space.lookup(connection, [file.identity for file in needed])
    _touch(connection, [one.id for one in found.values()], now)
    return found


def _is_idle(there: Known) -> bool:
    return not there.is_present and not there.is_asked_for


def _file_row(file: NewFile, place: str, digests: Mapping[int, str], now: float) -> Row:
    return {
        "identity": file.identity,
        "place": place,
        "source": file.of.source,
        "collection": file.of.collection,
        "item": file.of.item,
        "plan": text_of(vars(file.plan)),  # as to_json, but quick
        "item_record": digests[id(file.of.document)],
        "state": FileState.QUEUED.value,
        "declared": file.plan.size,
        "used": now,
    }


def _ask_for(connection: Connection, ids: Sequence[int]) -> None:
    """Put files that nobody gets into the queue."""
    for part in chunks(ids):
        connection.execute(
            update(files)
            .where(files.c.id.in_(part))
            .values(state=FileState.QUEUED.value, tries=0, not_before=0.0, error="", job="")
        )


def _touch(connection: Connection, ids: Sequence[int], now: float) -> None:
    for part in chunks(ids):
        connection.execute(update(files).where(files.c.id.in_(part)).values(used=now))


def _progress(demand: space.Demand, present: Collection[Known]) -> Row:
    return {
        "files": demand.files,
        "files_ready": len(present),
        "files_cached": len(present),
        "bytes_known": demand.known,
        "sizes_unknown": demand.unknown,
        "bytes_done": sum(one.size or 0 for one in present),
    }


def _insert_order(
    connection: Connection,
    wanted: NewOrder,
    change: int,
    now: float,
    demand: space.Demand,
    cached: Collection[Known],
) -> int:
    values = {
        "owner": wanted.owner,
        "virtual_lab": wanted.virtual_lab,
        "target": wanted.target.value,
        "state": OrderState.QUEUED.value,
        "title": wanted.title,
        "criteria": text_of(wanted.criteria),
        "query": text_of(wanted.query),
        "accepted": text_of(list(wanted.accepted)),
        "key": wanted.key,
        "created": now,
        "changed": change,
        **_progress(demand, cached),
    }
    return int(
        connection.execute(orders.insert().values(**values).returning(orders.c.number)).scalar_one()
    )


def _insert_parts(
    connection: Connection,
    number: int,
    items: Sequence[NewItem],
    needed: Sequence[NewFile],
    known: Mapping[str, Known],
    digests: Mapping[int, str],
) -> None:
    connection.execute(
        order_items.insert(),
        [
            {
                "order": number,
                "position": position,
                "collection": item.collection,
                "item": item.item,
                "item_record": digests[id(item.document)],
                "collection_record": digests.get(id(item.collection_document)),
            }
            for position, item in enumerate(items)
        ],
    )
    paths: set[str] = set()
    rows = []
    for position, file in enumerate(needed):
        path = file.path if file.path not in paths else file.other_path
        paths.add(path)
        there = known[file.identity]
        rows.append(
            {
                "order": number,
                "position": position,
                "file": there.id,
                "path": path,
                "cached": there.is_present,
            }
        )
    connection.execute(order_files.insert(), rows)


def _files_of_order(connection: Connection, number: int) -> list[Known]:
    size = func.coalesce(files.c.size, files.c.declared)
    rows = connection.execute(
        select(files.c.id, files.c.identity, files.c.place, files.c.state, size, files.c.done)
        .join(order_files, order_files.c.file == files.c.id)
        .where(order_files.c.order == number)
    )
    return [Known(a, b, c, FileState(d), e, f) for a, b, c, d, e, f in rows]
