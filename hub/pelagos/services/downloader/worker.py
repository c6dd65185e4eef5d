"""The downloader: looks for orders, hands their files to threads, and says how they stand.

One thread looks (`run`); `downloads` threads fetch, one file each; the ledger's thread writes. What
is in memory can be lost at any moment.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Sequence

from pelagos_client.download.errors import AwayError as SourceAway
from pelagos_client.download.errors import BusyError, DownloadError, SpaceError, StoppedError
from sqlalchemy import Engine

from pelagos.datapool import ledger, queue
from pelagos.datapool.database import reading, transaction
from pelagos.datapool.eviction import Room
from pelagos.datapool.ledger import Entry, Ledger
from pelagos.datapool.model import FileState, OrderState
from pelagos.datapool.pool import Pool
from pelagos.datapool.queue import Live, Task
from pelagos.datapool.schedule import Job, Schedule
from pelagos.datapool.tables import files
from pelagos.errors import AwayError
from pelagos.services.downloader.fetching import Fetch, Result
from pelagos.services.downloader.finishing import Finisher
from pelagos.services.downloader.pace import Pace
from pelagos.services.downloader.sources import Sources

logger = logging.getLogger(__name__)

_WINDOW = 500  # files of one order in memory
_IN_MEMORY = 20_000  # files of all orders
_SWEEP = 30.0
_POLITE = 300.0  # seconds that a source may want all of us to wait, because of one file


class Downloader:
    """Works from `start` until `stop`. `wake` makes it look at once; safe from any thread."""

    def __init__(
        self,
        database: Engine,
        pool: Pool,
        room: Room,
        sources: Sources,
        finisher: Finisher,
        *,
        downloads: int,
        per_host: int,
        wake: Callable[[], None],
        pace: Pace | None = None,
    ) -> None:
        self._database, self._pool, self._room, self._sources = database, pool, room, sources
        self._finisher, self._wake = finisher, wake
        self._pace = pace or Pace()
        self._changed = threading.Condition()
        # all below is shared, and used with `_changed` held
        self._schedule = Schedule(per_host, time.monotonic)
        self._tasks: dict[int, Task] = {}
        self._running: dict[int, Fetch] = {}
        self._touched: set[int] = set()
        self._dropped: set[int] = set()  # files under way that nobody wanted
        self._ended: set[int] = set()  # files that ended since a window was last read
        self._sweep = True
        self._due = 0.0  # when files that wait may be asked for again
        self._stopping = False
        # all below is of the thread that looks
        self._live: dict[tuple[int, int], Live] = {}
        self._dirty: dict[int, float] = {}  # orders to settle, and when
        self._settled: dict[int, tuple[float, float]] = {}  # when, and how long it took
        self._told: dict[int, int] = {}  # progress by file
        self._ticked = self._swept = 0.0
        self._ledger = Ledger(database, self._written)
        self._threads = [
            threading.Thread(target=self._work, name=f"pelagos-fetch-{number}", daemon=True)
            for number in range(downloads)
        ]

    # the thread that looks

    def start(self) -> None:
        """Put right what an end in the middle left, and begin. Raises AwayError."""
        with transaction(self._database) as connection:
            queue.recover(connection)
        self._room.count()
        self._ledger.start()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End all transfers; what came of them is kept."""
        with self._changed:
            self._stopping = True
            for fetch in self._running.values():
                fetch.cancel.set()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(3)
        self._ledger.close()

    def look(self) -> float:
        """Do what there is to do now; after how many seconds there is more, at the latest.

        Raises AwayError; StateError if there is no going on.
        """
        self._ledger.check()
        self._orders()
        self._feed()
        self._progress()
        self._settle()
        now = time.monotonic()
        soonest = min((when - now for when in self._dirty.values()), default=self._pace.look)
        with self._changed:
            rests = self._schedule.rests_until()
        if rests is not None:
            soonest = min(soonest, rests - now)
        return min(max(soonest, 0.01), self._pace.look)

    def _orders(self) -> None:
        """Orders that came, and those that nobody wants any more."""
        with reading(self._database) as connection:
            found = {(one.number, one.attempt): one for one in queue.live_orders(connection)}
        gone = [key for key in self._live if key not in found]
        for key in gone:
            del self._live[key]
            self._settled.pop(key[0], None)
            self._dirty.pop(key[0], None)
            with self._changed:
                self._schedule.drop_order(key[0])
        with self._changed:
            # now and then: an order may have come and gone between two looks
            old = time.monotonic() - self._swept > _SWEEP
            sweep, self._sweep = self._sweep or bool(gone) or old, False
        if sweep:
            self._drop_unwanted()
        for key, order in found.items():
            if key not in self._live:
                self._take(order)
                self._live[key] = order

    def _drop_unwanted(self) -> None:
        """What no order under way needs any more is not fetched, or not any further."""
        with self._changed:
            flying = self._schedule.flying
        try:
            with transaction(self._database) as connection:
                queue.drop_unwanted(connection)
                idle = queue.unwanted(connection, flying)
        except AwayError:
            with self._changed:
                self._sweep = True
            raise
        with self._changed:
            self._swept = time.monotonic()
            self._dropped |= idle
            for file in idle:
                if file in self._running:
                    self._running[file].cancel.set()
                else:
                    self._sweep = True  # it is about to begin, or has just ended
            self._prune()
            self._schedule.look_again()  # what they were to fetch others may need

    def _prune(self) -> None:
        waited_for = self._schedule.waiting
        self._tasks = {file: task for file, task in self._tasks.items() if file in waited_for}

    def _take(self, order: Live) -> None:
        """An order that we have not seen: look at its files on the disk, and queue what is not
        there."""
        columns = (files.c.id, files.c.place, files.c.state, files.c.size, files.c.fetched)
        with reading(self._database) as connection:
            rows = queue.files_of(connection, order.number, *columns)
        lost = [
            row.id
            for row in rows
            if row.state == FileState.PRESENT.value
            and not self._pool.is_there(row.place, row.size, row.fetched)
        ]
        places = {row.id: row.place for row in rows if row.id in set(lost)}
        for place in places.values():
            self._pool.remove(place)  # not what was put there
        with transaction(self._database) as connection:
            queue.take(connection, order.number, lost, time.time())
            state = queue.settle(connection, order.number)
        if state is OrderState.VERIFYING:
            self._finisher.add(order)
            return
        with self._changed:
            self._schedule.add_order(order.number, order.owner)
            self._schedule.look_again([order.number])

    def _feed(self) -> None:
        """Fill windows that are low."""
        with self._changed:
            if time.time() >= self._due:
                self._schedule.look_again()
                self._due = 0.0
            most = max(8, min(_WINDOW, _IN_MEMORY // max(len(self._live), 1)))
            hungry = self._schedule.hungry(max(most // 4, 1))
        for number in hungry:
            now = time.time()
            with self._changed:
                self._ended = set()
            with reading(self._database) as connection:
                tasks = queue.window(connection, number, now, most)
            jobs = [
                Job(task.file, self._sources.host_of(task.source, json.loads(task.plan)))
                for task in tasks
            ]
            with self._changed:
                # of files that ended meanwhile we know how they were, not how they are
                ended = self._ended
                jobs = [job for job in jobs if job.file not in ended]
                known = self._schedule.flying | ended
                self._tasks |= {task.file: task for task in tasks if task.file not in known}
                self._schedule.feed(number, jobs, more=len(tasks) == most or bool(ended))
                self._changed.notify_all()
        if not self._due:
            with reading(self._database) as connection:
                due = queue.next_due(connection, time.time())
            with self._changed:
                if not self._due:
                    self._due = due or float("inf")

    def _progress(self) -> None:
        """How far the files under way are."""
        now = time.monotonic()
        if now - self._ticked < self._pace.settle:
            return
        self._ticked = now
        with self._changed:
            running = dict(self._running)
        self._told = {file: done for file, done in self._told.items() if file in running}
        for file, fetch in running.items():
            done = fetch.done
            self._room.grow(file, max(done, fetch.total or 0))
            if done != self._told.get(file, 0):
                self._told[file] = done
                self._ledger.put(ledger.progressed(file, done))
        unknown = [one for one in running.values() if one.plan.size is None]
        if unknown and (pressed := self._room.pressed()) and self._room.evict(pressed) < pressed:
            # nobody knew how large they are: the one that has least waits until there is room
            least = min(unknown, key=lambda one: one.done)
            least.no_room = True
            least.cancel.set()

    def _settle(self) -> None:
        """Say how orders stand whose files have changed."""
        with self._changed:
            touched, self._touched = self._touched, set()
        now = time.monotonic()
        live = {order.number: order for order in self._live.values()}
        if touched:
            try:
                with reading(self._database) as connection:
                    numbers = queue.orders_with(connection, sorted(touched))
            except AwayError:
                with self._changed:
                    self._touched |= touched
                raise
            for number in numbers & live.keys():
                when, took = self._settled.get(number, (0.0, 0.0))
                # of a large order less often: at most a twentieth of the time
                self._dirty.setdefault(number, when + max(self._pace.settle, 20 * took))
        for number in [one for one, when in self._dirty.items() if when <= now]:
            began = time.monotonic()
            with transaction(self._database) as connection:
                state = queue.settle(connection, number)
            del self._dirty[number]
            self._settled[number] = (now, time.monotonic() - began)
            if state is OrderState.VERIFYING and number in live:
                with self._changed:
                    self._schedule.drop_order(number)
                self._finisher.add(live[number])
            elif state is None or state.over:
                self._wake()

    def back(self, order: Live) -> None:
        """From the finisher: files of an order are no longer there after all."""
        with self._changed:
            self._schedule.add_order(order.number, order.owner)
            self._schedule.look_again([order.number])
        self._wake()

    # the ledger's thread

    def _written(self, entries: Sequence[Entry]) -> None:
        with self._changed:
            ended = [entry for entry in entries if entry.ends]
            self._schedule.settled(entry.file for entry in ended)
            self._touched.update(entry.file for entry in entries)
            for entry in ended:
                self._ended.add(entry.file)
                if entry.file in self._dropped:
                    self._dropped.discard(entry.file)
                    self._sweep = True
                if entry.values["state"] != FileState.PRESENT.value:
                    self._due = min(self._due or float("inf"), entry.values.get("not_before", 0))
                    # stopped: nobody may want it any more
                    self._sweep = self._sweep or "error" not in entry.values
        self._wake()

    # the threads that fetch

    def _work(self) -> None:
        while True:
            with self._changed:
                job = None
                while not self._stopping and (job := self._schedule.next()) is None:
                    self._changed.wait(1)
                if job is None:
                    return
                task = self._tasks.pop(job.file, None)
                hungry = bool(self._schedule.hungry(1))
            if hungry:
                self._wake()
            if task is None:
                logger.error("File %d is scheduled, and nobody knows what it is", job.file)
                with self._changed:
                    self._schedule.ended(job.file)
                    self._schedule.settled([job.file])
                continue
            try:
                entry = self._fetch(task, job.host)
            except Exception as error:  # without this thread all would wait for ever
                logger.exception("File %d", task.file)
                fault = f"A fault of this program ({type(error).__name__})."
                entry = ledger.failed(task, fault, task.done)
            with self._changed:
                self._running.pop(task.file, None)
                self._schedule.ended(task.file)
                self._changed.notify()
            if entry.values["state"] == FileState.PRESENT.value:
                self._room.came(entry.values["size"])
            self._room.release(task.file)
            self._ledger.put(entry)

    def _fetch(self, task: Task, host: str) -> Entry:
        known = self._sources.get(task.source)
        if known is None:
            return ledger.failed(
                task, f"Its source, {task.source}, is no longer one of this VRE's.", task.done
            )
        fetch = Fetch(task, known, self._pool.root)
        try:
            if not self._room.reserve(task.file, fetch.plan.size or task.done, task.done):
                return self._no_room(task, task.done)
        except (AwayError, OSError) as error:
            logger.warning("No room can be made: %s", error)
            return ledger.again(task, task_error(error), task.done, task.tries, time.time() + 5)
        with self._changed:
            self._running[task.file] = fetch
            if self._stopping:
                fetch.cancel.set()
        self._ledger.put(ledger.begun(task.file))
        return self._entry(task, host, fetch.run())

    def _entry(self, task: Task, host: str, result: Result) -> Entry:
        now = time.time()
        if result.got:
            # by whatever clock the disk has: what is newer than this is not what we put there
            there = self._pool.look(task.place)
            return ledger.present(task, result.got, max(now, there.changed if there else 0))
        if result.is_empty:
            return ledger.empty(task)
        if result.waiting:
            at = now + max(result.waiting.seconds, 0.1)
            return ledger.waiting(task, result.waiting.job, result.waiting.note, at)
        error = result.error or DownloadError("It ended.")
        if isinstance(error, StoppedError):
            if result.no_room and task.file not in self._dropped:
                return self._no_room(task, result.done)
            return ledger.stopped(task, result.done)
        if isinstance(error, SpaceError):
            return self._no_room(task, result.done)
        # as long as it grows it is worth while
        before = task.tries if task.tries <= len(self._pace.retries) else 0  # it waited for room
        tries = 1 if result.done > task.done else before + 1
        if not result.passing or tries > len(self._pace.retries):
            return ledger.failed(task, task_error(error), result.done)
        pause = max(self._pace.retries[tries - 1], error.after)
        if isinstance(error, SourceAway | BusyError):
            with self._changed:  # others of that host need not find out one by one
                self._schedule.rest(
                    host, min(pause, max(self._pace.rest, min(error.after, _POLITE)))
                )
        return ledger.again(task, task_error(error), result.done, tries, now + pause)

    def _no_room(self, task: Task, done: int) -> Entry:
        tries = task.tries + 1
        if tries > len(self._pace.no_room):
            return ledger.failed(
                task, "There was no room in the pool: orders under way or kept fill it.", done
            )
        at = time.time() + self._pace.no_room[tries - 1]
        return ledger.again(task, queue.NO_ROOM, done, tries, at)


def task_error(error: Exception) -> str:
    """What is said of it in the order. Never an address of ours: see `pelagos_client.download`."""
    return error.message if isinstance(error, DownloadError) else str(error)
