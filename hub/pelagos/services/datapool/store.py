"""The database of orders for a service: asked in threads, and never waited for too long."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine

from pelagos.datapool.database import migrate, open_database, reading, transaction
from pelagos.errors import AwayError

T = TypeVar("T")
Opening = Callable[[Engine], AbstractContextManager[Connection]]

READ_SECONDS = 10.0
WRITE_SECONDS = 25.0
_BUSY_SECONDS = 5.0
_CLOSE_SECONDS = 3.0
_AWAY = "The database of orders does not answer in time."
_AGAIN = "Nothing was lost; try again in a minute."


class Store:
    """Reads and writes orders. Close it at the end.

    What reads and what writes have threads of their own: a database that another program holds can
    still be read. Each call raises AwayError if there is no answer in time, or if too many wait.
    """

    def __init__(
        self,
        url: str,
        threads: int = 4,
        waiting: int = 100,
        read_seconds: float = READ_SECONDS,
        write_seconds: float = WRITE_SECONDS,
        busy_seconds: float = _BUSY_SECONDS,
    ) -> None:
        self._engine = open_database(url, busy_seconds)
        self._reads = _Lane("orders-read", threads, waiting, read_seconds)
        self._writes = _Lane("orders-write", threads, waiting, write_seconds)
        self._migrating = threading.Lock()
        self._is_ready = False

    def prepare(self) -> None:
        """Make the tables. Raises AwayError; StateError if they are of a newer version.

        Whatever is asked does it first, if it could not be done before.
        """
        with self._migrating:
            if not self._is_ready:
                migrate(self._engine)
                self._is_ready = True

    async def read(self, question: Callable[[Connection], T]) -> T:
        """What `question` finds in one state of the database."""
        return await self._reads.run(lambda: self._within(reading, question))

    async def write(self, change: Callable[[Connection], T]) -> T:
        """Do `change` in a transaction, which is kept if it raises nothing."""
        return await self._writes.run(lambda: self._within(transaction, change))

    def close(self) -> None:
        """Close it; what hangs is left behind."""
        self._reads.close()
        self._writes.close()
        self._engine.dispose()

    def _within(self, opening: Opening, work: Callable[[Connection], T]) -> T:
        if not self._is_ready:
            self.prepare()
        with opening(self._engine) as connection:
            return work(connection)


class _Lane:
    """Some threads, and how much may wait for them."""

    def __init__(self, name: str, threads: int, waiting: int, seconds: float) -> None:
        self._threads = ThreadPoolExecutor(threads, name)
        self._most, self._seconds = threads + waiting, seconds
        self._under_way = 0
        self._running: set[Future[Any]] = set()

    async def run(self, work: Callable[[], T]) -> T:
        if self._under_way >= self._most:
            raise AwayError("Too many wait for the database of orders.", "Try again in a moment.")
        loop = asyncio.get_running_loop()
        self._under_way += 1
        future = self._threads.submit(work)
        self._running.add(future)
        future.add_done_callback(self._running.discard)
        # counted until the thread is free again, whoever still waits for it
        future.add_done_callback(lambda _: self._post(loop))
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), self._seconds)
        except TimeoutError:
            raise AwayError(_AWAY, _AGAIN) from None

    def _post(self, loop: asyncio.AbstractEventLoop) -> None:
        def done() -> None:
            self._under_way -= 1

        try:
            loop.call_soon_threadsafe(done)
        except RuntimeError:  # the loop is closed: nobody asks any more
            done()

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        # their connections go back before the rest is closed
        wait(list(self._running), _CLOSE_SECONDS)
