"""Threads that read the index: a few, each with a connection of its own, and a time limit."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from pelagos.catalogue.index import Reader
from pelagos.errors import AwayError

logger = logging.getLogger(__name__)

T = TypeVar("T")
_Job = tuple[Callable[[Reader], Any], "Future[Any]", float]

BUSY = "The catalogue has too much to do at the moment."
SLOW = "This search takes longer than {seconds:g} s and was stopped."


class SlowError(AwayError):
    """A search took too long."""


class Readers:
    """Answers questions about one index file in `threads` threads.

    Open it first, and close it at the end. A question may take `seconds`, with the time that it
    waited; `waiting` may wait. More are refused with AwayError at once, and who took too long gets
    SlowError.
    """

    def __init__(
        self, path: Path, threads: int = 4, seconds: float = 10.0, waiting: int = 64
    ) -> None:
        self._path, self._seconds = path, seconds
        self._jobs: queue.Queue[_Job | None] = queue.Queue(threads + waiting)
        self._threads = [
            threading.Thread(target=self._work, name=f"catalogue-{number}", daemon=True)
            for number in range(threads)
        ]

    def open(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End the threads, once each has given its last answer."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    async def ask(self, question: Callable[[Reader], T]) -> T:
        """What `question` finds out from a reader. Raises AwayError, and what it raises."""
        future: Future[T] = Future()
        try:
            self._jobs.put_nowait((question, future, time.monotonic() + self._seconds))
        except queue.Full:
            raise AwayError(BUSY, "Try again in a moment.") from None
        return await asyncio.wrap_future(future)

    def _work(self) -> None:
        """One thread: opens the index when it is first asked, and anew when it was replaced."""
        reader: Reader | None = None
        identity: tuple[int, int] | None = None
        try:
            while job := self._jobs.get():
                question, future, until = job
                if not future.set_running_or_notify_cancel():
                    continue  # whoever asked has gone
                try:
                    if reader is None or identity != self._identity():
                        if reader is not None:
                            reader.close()
                            reader = None
                        identity = self._identity()
                        reader = Reader(self._path)
                    future.set_result(self._timed(reader, question, until))
                except BaseException as error:  # whoever asked gets it
                    future.set_exception(error)
        finally:
            if reader is not None:
                reader.close()

    def _timed(self, reader: Reader, question: Callable[[Reader], T], until: float) -> T:
        left = until - time.monotonic()
        if left <= 0:
            raise self._slow()
        return question(reader)

    def _slow(self) -> SlowError:
        return SlowError(
            SLOW.format(seconds=self._seconds),
            "Narrow it: name collections, a smaller area, a shorter time.",
        )

    def _identity(self) -> tuple[int, int] | None:
        """Which file stands there: a rebuilt index is another."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino
