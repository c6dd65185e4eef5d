"""What the downloader asks of the tables, and what it says in them. Each within a transaction."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, case, exists, func, or_, select, update

from pelagos.datapool.database import next_change
from pelagos.datapool.model import UNDER_WAY, FileState, OrderState, Target
from pelagos.datapool.tables import files, order_files, orders

CHUNK = 500
_LIVE = tuple(state.value for state in UNDER_WAY)
_NAMED = 3  # files that an error names
NO_ROOM = "The pool is full: it waits until there is room."
STORAGE_AWAY = "All its files are here; its folder is made when its storage answers again."
PASSING = frozenset({NO_ROOM, STORAGE_AWAY})  # notes of what holds just now
CHANGED_ORDER = "The source has changed files since they were first fetched: see the files' notes."
CHANGED = "The source has changed since: this is another version."


@dataclass(frozen=True)
class Live:
    """An order under way. The same number with another attempt is another one."""

    number: int
    attempt: int
    owner: str
    state: OrderState
    target: Target


@dataclass(frozen=True)
class Task:
    """All that is needed to fetch a file."""

    file: int
    place: str
    source: str
    plan: str = field(repr=False)  # JSON
    tries: int
    done: int
    job: str
    checksum: str  # of what was there before


def live_orders(connection: Connection) -> list[Live]:
    """All orders under way, the oldest first."""
    found = connection.execute(
        select(orders.c.number, orders.c.attempt, orders.c.owner, orders.c.state, orders.c.target)
        .where(orders.c.state.in_(_LIVE))
        .order_by(orders.c.number)
    )
    return [
        Live(row.number, row.attempt, row.owner, OrderState(row.state), Target(row.target))
        for row in found
    ]


def recover(connection: Connection) -> None:
    """Nothing is being fetched when we start; what nobody wants is not to be."""
    connection.execute(
        update(files)
        .where(files.c.state == FileState.FETCHING.value)
        .values(state=FileState.QUEUED.value)
    )
    drop_unwanted(connection)


def _wanted() -> Any:
    """Whether an order under way needs the file of the outer query."""
    return exists(
        select(order_files.c.order)
        .join(orders, orders.c.number == order_files.c.order)
        .where(order_files.c.file == files.c.id, orders.c.state.in_(_LIVE))
    )


def drop_unwanted(connection: Connection) -> None:
    """What is queued or prepared for nobody is absent again."""
    idle = (FileState.QUEUED.value, FileState.WAITING.value)
    connection.execute(
        update(files)
        .where(files.c.state.in_(idle), ~_wanted())
        .values(state=FileState.ABSENT.value, not_before=0, tries=0, error="", job="")
    )


def unwanted(connection: Connection, ids: Iterable[int]) -> set[int]:
    """Of these files those that no order under way needs."""
    given = set(ids)
    if not given:
        return set()
    wanted = connection.execute(select(files.c.id).where(files.c.id.in_(given), _wanted()))
    return given - {row.id for row in wanted}


def window(connection: Connection, number: int, now: float, limit: int) -> list[Task]:
    """The next files of an order that can be fetched now, or waited long enough."""
    due = (FileState.QUEUED.value, FileState.WAITING.value)
    columns = (
        files.c.id, files.c.place, files.c.source, files.c.plan,
        files.c.tries, files.c.done, files.c.job, files.c.checksum,
    )  # fmt: skip
    found = connection.execute(
        select(*columns)
        .join(order_files, order_files.c.file == files.c.id)
        .where(order_files.c.order == number, files.c.state.in_(due), files.c.not_before <= now)
        .order_by(order_files.c.position)
        .limit(limit)
    )
    return [Task(*row) for row in found]


def next_due(connection: Connection, now: float) -> float | None:
    """When the next file that waits may be asked for again; None if none waits."""
    due = (FileState.QUEUED.value, FileState.WAITING.value)
    return connection.execute(
        select(func.min(files.c.not_before)).where(files.c.state.in_(due), files.c.not_before > now)
    ).scalar()


def files_of(connection: Connection, number: int, *columns: Any) -> Sequence[Row[Any]]:
    """Rows of an order's files, in its order; small columns only, there may be many."""
    return connection.execute(
        select(*columns)
        .join(order_files, order_files.c.file == files.c.id)
        .where(order_files.c.order == number)
        .order_by(order_files.c.position)
    ).all()


def take(connection: Connection, number: int, gone: Iterable[int], now: float) -> None:
    """An order takes its files: `gone` are not what they were; what is absent is queued."""
    fresh = {"not_before": 0, "tries": 0, "error": "", "job": "", "done": 0}
    lost = [{"one": file} for file in gone]
    if lost:
        connection.execute(
            update(files)
            .where(files.c.id == bindparam("one"), files.c.state == FileState.PRESENT.value)
            .values(state=FileState.QUEUED.value, **fresh),
            lost,
        )
    mine = select(order_files.c.file).where(order_files.c.order == number)
    connection.execute(
        update(files)
        .where(files.c.id.in_(mine), files.c.state == FileState.ABSENT.value)
        .values(state=FileState.QUEUED.value, **fresh)
    )
    connection.execute(update(files).where(files.c.id.in_(mine)).values(used=now))


def orders_with(connection: Connection, ids: Sequence[int]) -> set[int]:
    """Orders under way that need any of these files."""
    found: set[int] = set()
    for start in range(0, len(ids), CHUNK):
        rows = connection.execute(
            select(order_files.c.order)
            .join(orders, orders.c.number == order_files.c.order)
            .where(order_files.c.file.in_(ids[start : start + CHUNK]), orders.c.state.in_(_LIVE))
            .distinct()
        )
        found.update(row.order for row in rows)
    return found


@dataclass(frozen=True)
class Tally:
    """An order's files, counted."""

    count: dict[FileState, int]
    known: int
    unknown: int
    done: int
    no_room: bool

    def of(self, *states: FileState) -> int:
        """Files in these states."""
        return sum(self.count.get(state, 0) for state in states)


def tally(connection: Connection, number: int) -> Tally:
    """Count the files of an order."""
    present = files.c.state == FileState.PRESENT.value
    nothing = files.c.state == FileState.EMPTY.value
    size = case((present, files.c.size), (nothing, 0), else_=files.c.declared)
    found = connection.execute(
        select(
            files.c.state,
            func.count().label("count"),
            func.sum(func.coalesce(size, 0)).label("known"),
            func.sum(case((size.is_(None), 1), else_=0)).label("unknown"),
            func.sum(case((present, files.c.size), else_=files.c.done)).label("done"),
            func.max(case((files.c.error == NO_ROOM, 1), else_=0)).label("no_room"),
        )
        .join(order_files, order_files.c.file == files.c.id)
        .where(order_files.c.order == number)
        .group_by(files.c.state)
    ).all()
    return Tally(
        {FileState(row.state): int(row[1]) for row in found},
        sum(int(row.known or 0) for row in found),
        sum(int(row.unknown or 0) for row in found),
        sum(int(row.done or 0) for row in found),
        any(row.no_room for row in found),
    )


def settle(connection: Connection, number: int) -> OrderState | None:
    """Say in an order how its files stand; its state from then on, None if it is not under way."""
    sequence = next_change(connection)  # first, as all do who change orders
    row = connection.execute(
        select(orders).where(orders.c.number == number, orders.c.state.in_(_LIVE))
    ).first()
    if row is None:
        return None
    counted = tally(connection, number)
    state = _state(counted, OrderState(row.state))
    kept = [note for note in json.loads(row.notes) if note not in PASSING]
    values: dict[str, Any] = {
        "state": state.value,
        "files_ready": counted.of(FileState.PRESENT, FileState.EMPTY),
        "files_failed": counted.of(FileState.FAILED),
        "files_waiting": counted.of(FileState.WAITING),
        "bytes_known": counted.known,
        "sizes_unknown": counted.unknown,
        "bytes_done": counted.done,
        "notes": json.dumps([*kept, NO_ROOM] if counted.no_room else kept),
    }
    if state is OrderState.FAILED:
        values |= {"error": _why(connection, number, counted), "finished": time.time()}
    if any(getattr(row, name) != value for name, value in values.items()):
        change(connection, number, sequence, **values)
    return state


def _state(counted: Tally, before: OrderState) -> OrderState:
    idle = counted.of(FileState.QUEUED, FileState.ABSENT)
    if not idle and not counted.of(FileState.WAITING, FileState.FETCHING):
        good = counted.of(FileState.PRESENT) and not counted.of(FileState.FAILED)
        return OrderState.VERIFYING if good else OrderState.FAILED
    if not idle and not counted.of(FileState.FETCHING):
        return OrderState.WAITING
    begun = counted.of(FileState.FETCHING) or counted.done
    if begun or before is not OrderState.QUEUED:
        return OrderState.FETCHING
    return OrderState.QUEUED


def _why(connection: Connection, number: int, counted: Tally) -> str:
    """A sentence that names the first files that failed."""
    if not counted.of(FileState.FAILED):
        return "The source has nothing in what was asked for. Order a larger box or a longer time."
    failed = connection.execute(
        select(order_files.c.path, files.c.error)
        .join(files, order_files.c.file == files.c.id)
        .where(order_files.c.order == number, files.c.state == FileState.FAILED.value)
        .order_by(order_files.c.position)
        .limit(_NAMED)
    ).all()
    many, total = counted.of(FileState.FAILED), sum(counted.count.values())
    named = "; ".join(f"{row.path} ({row.error.rstrip('.')})" for row in failed)
    rest = f", and {many - len(failed)} more" if many > len(failed) else ""
    return f"{many} of {total} files could not be fetched: {named}{rest}."


def change(connection: Connection, number: int, sequence: int, **values: Any) -> None:
    """Change an order, and say that it has changed; `sequence` is that of the transaction."""
    connection.execute(
        update(orders).where(orders.c.number == number).values(**values, changed=sequence)
    )


def expire(connection: Connection, ids: Sequence[int]) -> None:
    """Ready orders that have any of these files are so no longer."""
    sequence = next_change(connection)
    for start in range(0, len(ids), CHUNK):
        found = connection.execute(
            select(orders.c.number).where(
                orders.c.state == OrderState.READY.value,
                exists(
                    select(order_files.c.order).where(
                        order_files.c.order == orders.c.number,
                        order_files.c.file.in_(ids[start : start + CHUNK]),
                    )
                ),
            )
        ).all()
        for row in found:
            change(connection, row.number, sequence, state=OrderState.EXPIRED.value)


def protected(now: float) -> Any:
    """Whether the file of the outer query may not be evicted."""
    return exists(
        select(order_files.c.order)
        .join(orders, orders.c.number == order_files.c.order)
        .where(
            order_files.c.file == files.c.id,
            or_(
                orders.c.state.in_(_LIVE),
                and_(orders.c.state == OrderState.READY.value, orders.c.expires > now),
            ),
        )
    )


def note_changes(connection: Connection, ids: Sequence[int]) -> None:
    """Orders that had another version of these files learn so."""
    sequence = next_change(connection)
    for start in range(0, len(ids), CHUNK):
        found = connection.execute(
            select(order_files.c.order, order_files.c.position)
            .join(files, files.c.id == order_files.c.file)
            .where(
                files.c.id.in_(ids[start : start + CHUNK]),
                order_files.c.checksum != "",
                order_files.c.checksum != files.c.checksum,
                order_files.c.note == "",
            )
        ).all()
        for row in found:
            connection.execute(
                update(order_files)
                .where(order_files.c.order == row.order, order_files.c.position == row.position)
                .values(note=CHANGED)
            )
        for number in {row.order for row in found}:
            add_note(connection, number, sequence, CHANGED_ORDER)


def add_note(connection: Connection, number: int, sequence: int, note: str) -> None:
    """A sentence for the order's owner, once."""
    notes = json.loads(
        connection.execute(select(orders.c.notes).where(orders.c.number == number)).scalar_one()
    )
    if note not in notes:
        change(connection, number, sequence, notes=json.dumps([*notes, note]))
