"""Orders as they change, as server-sent events: one look at the database for all who follow.

Protocol: https://html.spec.whatwg.org/multipage/server-sent-events.html. Each event is the whole
order, its `id` the order's `sequence`; a client that comes back with Last-Event-ID misses none.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import threading
import time
from collections.abc import AsyncIterator, Iterator
from types import FrameType

from fastapi import HTTPException
from sqlalchemy import Connection

from pelagos.datapool import orders_shown
from pelagos.datapool.model import OrderState
from pelagos.datapool.orders_shown import OrderRow, Viewer
from pelagos.errors import AwayError
from pelagos.services.datapool import shaping
from pelagos.services.datapool.store import Store

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 0.5  # so no order is sent more than twice a second
_BEAT_SECONDS = 15.0
_LIFE_SECONDS = 900.0  # who follows longer comes back, and shows again who they are
_OF_ONE = 8
_OF_ALL = 200
_CHANGES = 1000  # in one look
MEDIA_TYPE = "text/event-stream"


class Follower:
    """Somebody who follows one order, or all of their own. What they have not read is replaced."""

    def __init__(self, viewer: Viewer, number: int | None) -> None:
        self.viewer, self.number = viewer, number
        self.news = asyncio.Event()
        self.is_over = False
        self._rows: dict[int, OrderRow] = {}
        self._sent: dict[int, int] = {}

    def sees(self, row: OrderRow) -> bool:
        """Whether a change of this order is news for them."""
        if self.number is None:
            return bool(row.owner == self.viewer.name)
        return bool(row.number == self.number)

    def add(self, row: OrderRow) -> None:
        """News."""
        if row.changed > self._sent.get(row.number, 0):
            self._rows[row.number] = row
            self.news.set()

    def end(self) -> None:
        """There is nothing more to follow."""
        self.is_over = True
        self.news.set()

    def take(self) -> list[OrderRow]:
        """What is new, in the order of changes."""
        self.news.clear()
        rows = sorted(self._rows.values(), key=lambda row: int(row.changed))
        self._rows.clear()
        self._sent.update((row.number, row.changed) for row in rows)
        return rows


class Feed:
    """Tells followers what changes. It looks only while there are some. For one event loop."""

    def __init__(self, store: Store, look_seconds: float = _LOOK_SECONDS) -> None:
        self._store, self._look_seconds = store, look_seconds
        self._followers: set[Follower] = set()
        self._task: asyncio.Task[None] | None = None
        self._beginning = asyncio.Lock()
        self._is_closed = False

    def close(self) -> None:
        """End all streams."""
        self._is_closed = True
        for follower in list(self._followers):
            follower.end()

    async def check(self, viewer: Viewer) -> None:
        """Raises HTTPException if too many follow, AwayError if the database is away.

        Once a stream has begun it can only end.
        """
        if self._are_too_many(viewer, 1):
            raise HTTPException(
                429, "Too many follow orders: close some of the others.", {"Retry-After": "5"}
            )
        await self._store.read(orders_shown.last_change)

    def _are_too_many(self, viewer: Viewer, more: int) -> bool:
        mine = sum(one.viewer.name == viewer.name for one in self._followers)
        return mine + more > _OF_ONE or len(self._followers) + more > _OF_ALL

    @contextlib.contextmanager
    def follower(self, viewer: Viewer, number: int | None) -> Iterator[Follower]:
        """Follow one order, or all of one's own, while the context lasts."""
        follower = Follower(viewer, number)
        self._followers.add(follower)
        if self._is_closed:
            follower.end()
        try:
            yield follower
        finally:
            self._followers.discard(follower)
            if not self._followers and self._task and not self._beginning.locked():
                self._task.cancel()
                self._task = None

    async def stream(
        self, viewer: Viewer, number: int | None, last: int | None
    ) -> AsyncIterator[str]:
        """Events for somebody who may see them; `last` is the sequence that they know."""
        # who follows comes back when the database does
        with contextlib.suppress(AwayError), self.follower(viewer, number) as follower:
            if self._are_too_many(viewer, 0):  # they came at once, and all passed `check`
                return
            await self._begin()
            for row in await self._known(viewer, number, last):
                follower.add(row)
            if number is not None and last is not None and not follower.news.is_set():
                # an order that was over before, and whose end they know, never changes by itself
                there = await self._order(viewer, number)
                if there is None or OrderState(there.state).over:
                    return
            yield ": orders\n\n"
            until = time.monotonic() + _LIFE_SECONDS
            while time.monotonic() < until:
                try:
                    await asyncio.wait_for(follower.news.wait(), _BEAT_SECONDS)
                except TimeoutError:
                    yield ": still here\n\n"
                    continue
                for row in follower.take():
                    yield _event(row, viewer)
                    if number is not None and OrderState(row.state).over:
                        return
                if follower.is_over:
                    return

    async def _known(self, viewer: Viewer, number: int | None, last: int | None) -> list[OrderRow]:
        """What somebody who begins to follow does not know yet."""
        if number is None:
            return await self._store.read(lambda c: orders_shown.own_since(c, viewer.name, last))
        row = await self._order(viewer, number)
        return [row] if row is not None and row.changed > (last or 0) else []

    async def _order(self, viewer: Viewer, number: int) -> OrderRow | None:
        return await self._store.read(lambda c: orders_shown.order(c, viewer, number))

    async def _begin(self) -> None:
        """Look for changes from now on, if nobody does. What a follower reads later misses none."""
        async with self._beginning:
            if self._task is None or self._task.done():
                since = await self._store.read(orders_shown.last_change)
                self._task = asyncio.create_task(self._look(since))

    async def _look(self, since: int) -> None:
        """Look for changes again and again."""
        while not self._is_closed:
            with contextlib.suppress(AwayError):  # it is asked again
                since = await self._tell(since)
            await asyncio.sleep(self._look_seconds)

    async def _tell(self, since: int) -> int:
        """Tell followers what changed; the number of the last change."""
        followed = {one.number for one in self._followers if one.number is not None}

        def question(connection: Connection) -> tuple[int, list[OrderRow], set[int]]:
            last = orders_shown.last_change(connection)
            if last == since:
                return last, [], followed
            rows = orders_shown.changed_since(connection, since, _CHANGES)
            return last, rows, orders_shown.existing(connection, followed)

        last, rows, existing = await self._store.read(question)
        for follower in list(self._followers):
            for row in rows:
                if follower.sees(row):
                    follower.add(row)
            if follower.number in followed and follower.number not in existing:
                follower.end()
        return int(rows[-1].changed) if len(rows) == _CHANGES else last


@contextlib.contextmanager
def ended_by_signals(feed: Feed) -> Iterator[None]:
    """End streams as soon as the process is asked to end: uvicorn waits for them otherwise."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def end(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(feed.close)
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    for number in before:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _event(row: OrderRow, viewer: Viewer) -> str:
    document = shaping.order(row, viewer.name).model_dump_json()
    return f"id: {row.changed}\nevent: order\ndata: {document}\n\n"
