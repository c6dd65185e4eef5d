"""Threads that read the index: a few, each with a connection of its own, and a time limit."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from pelagos.catalogue.index import IndexError_, Reader
from pelagos.errors import AwayError
from pelagos.services.catalogue.turns import Turns

T = TypeVar("T")

BUSY = "The catalogue has too much to do at the moment."
_AGAIN_SECONDS = 0.05
SLOW = "This search takes longer than {seconds:g} s and was stopped."


class _Job:
    """A question, who waits for its answer, and the reader that looks for it now."""

    def __init__(self, question: Callable[[Reader], Any]) -> None:
        self.answer: Future[Any] = Future()
        self.watch: asyncio.TimerHandle | None = None
        self._question = question
        self._lock = threading.Lock()
        self._reader: Reader | None = None
        self.late = False

    def run(self, reader: Reader) -> Any:
        """The answer. Raises TimeoutError if `stop` was called."""
        try:
            with self._lock:
                self._reader = reader
                if self.late:
                    raise TimeoutError
            return self._question(reader)
        except IndexError_:
            if self.late:
                raise TimeoutError from None
            raise
        finally:
            with self._lock:
                self._reader = None

    def stop(self) -> None:
        """It took too long. Again, if it goes on: an interrupt between two statements is lost."""
        with self._lock:
            self.late = True
            if self._reader is not None:
                self._reader.interrupt()
            else:
                self.answer.cancel()  # it still waits for a thread


class Readers:
    """Answers questions about one index file in `threads` threads.

    Open it first, and close it at the end. A question may take `seconds`, with the time that it
    waited; `waiting` may wait. More are refused with AwayError at once, and so is what took too
    long.
    """

    def __init__(
        self, path: Path, threads: int = 4, seconds: float = 10.0, waiting: int = 64
    ) -> None:
        self._path, self._seconds = path, seconds
        # of one person at most half of the threads
        self._turns = Turns(threads // 2, waiting // 2)
        self._running: set[_Job] = set()
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
        """End the threads; what they look for now is stopped."""
        with contextlib.suppress(queue.Empty):
            while job := self._jobs.get_nowait():
                job.answer.cancel()
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            while thread.is_alive():
                for job in list(self._running):
                    job.stop()
                thread.join(_AGAIN_SECONDS)

    async def ask_for(self, person: str, question: Callable[[Reader], T]) -> T:
        """The same for a person, whose questions leave threads to others.

        Raises HTTPException (429) if too many of theirs wait.
        """
        async with self._turns.of(person):
            return await self.ask(question)

    async def ask(self, question: Callable[[Reader], T]) -> T:
        """What `question` finds out from a reader. Raises AwayError, and what it raises."""
        job = _Job(question)
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            raise AwayError(BUSY, "Try again in a moment.") from None
        self._watch(job, self._seconds)
        try:
            found: T = await asyncio.wrap_future(job.answer)
        except (TimeoutError, asyncio.CancelledError):
            if not job.late:
                raise
            raise AwayError(
                SLOW.format(seconds=self._seconds),
                "Narrow it: name collections, a smaller area, a shorter time.",
            ) from None
        finally:
            if job.answer.done() and job.watch:
                job.watch.cancel()
        return found

    def _watch(self, job: _Job, seconds: float) -> None:
        """Stop a job after so long, whether somebody still waits for it or not."""

        def look() -> None:
            if not job.answer.done():
                job.stop()
                self._watch(job, _AGAIN_SECONDS)

        job.watch = asyncio.get_running_loop().call_later(seconds, look)

    def _work(self) -> None:
        """One thread: opens the index when it is first asked, and anew when it was replaced."""
        reader: Reader | None = None
        identity: tuple[int, int] | None = None
        try:
            while job := self._jobs.get():
                if not job.answer.set_running_or_notify_cancel():
                    continue  # whoever asked has gone
                try:
                    found = self._identity()
                    if reader is not None and identity != found:
                        reader.close()
                        reader = None
                    if reader is None:
                        reader, identity = Reader(self._path), found
                    self._running.add(job)
                    job.answer.set_result(job.run(reader))
                except BaseException as error:  # whoever asked gets it
                    job.answer.set_exception(error)
                finally:
                    self._running.discard(job)
        finally:
            if reader is not None:
                reader.close()

    def _identity(self) -> tuple[int, int] | None:
        """Which file stands there: a rebuilt index is another."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino
