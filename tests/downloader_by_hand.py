"""The downloader without threads, network or a clock of its own: a test does every step itself."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from pelagos.datapool import eviction, ledger, orders, queue
from pelagos.datapool.database import open_database, reading, transaction
from pelagos.datapool.delivery import DeliveryState, Outcome, Parcel
from pelagos.datapool.eviction import Room
from pelagos.datapool.ledger import Entry
from pelagos.datapool.model import FileState, OrderState, Target
from pelagos.datapool.orders import Bounds
from pelagos.datapool.orders_model import NewItem, NewOrder
from pelagos.datapool.pool import Pool
from pelagos.datapool.queue import Live, Task
from pelagos.datapool.schedule import Job
from pelagos.datapool.space import Limits
from pelagos.datapool.tables import counter, files, metadata, order_files
from pelagos.datapool.tables import orders as table
from pelagos.errors import AwayError
from pelagos.services.downloader import finishing, worker
from pelagos.services.downloader.fetching import Result
from pelagos.services.downloader.finishing import Finisher
from pelagos.services.downloader.pace import Pace
from pelagos.services.downloader.turns import Turns
from pelagos.services.downloader.worker import Downloader
from pelagos_client.access import FilePlan, Waiting
from pelagos_client.download import DownloadError, Fetched, State, Wanted
from pelagos_client.download.errors import CutError, StoppedError
from pelagos_client.download.model import Proof
from sqlalchemy import Connection, Engine, select

BOUNDS = Bounds(live_orders=1000, order_files=1000)
PACE = Pace(look=0.5, settle=0.5, retries=(2, 10), no_room=(5,))
QUOTA = 10**9


class Clock:
    """Stands for the module `time`."""

    def __init__(self) -> None:
        self.now = time.time()

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


class HandLedger:
    """Says what it was given when it is told to."""

    def __init__(self, database: Engine, told: Callable[[Sequence[Entry]], None]) -> None:
        self._database, self._told = database, told
        self.entries: list[Entry] = []

    def put(self, *entries: Entry) -> None:
        self.entries.extend(entries)

    def flush(self) -> None:
        batch, self.entries = self.entries, []
        if batch:
            with transaction(self._database) as connection:
                ledger._write(connection, batch)
            self._told(batch)

    def check(self) -> None: ...

    def start(self) -> None: ...


class HandSources:
    def host_of(self, name: str, plan: dict[str, Any]) -> str:
        return name

    def get(self, name: str) -> None:
        return None


@dataclass(frozen=True)
class Flight:
    """A file under way."""

    task: Task
    job: Job


class Hand:
    """`url`: of an empty database. Use as `with by_hand(...)`: modules get a clock of ours."""

    def __init__(self, url: str, folder: Path, clock: Clock) -> None:
        self.clock = clock
        self.database = open_database(url)
        metadata.create_all(self.database)
        with self.database.begin() as connection:
            connection.execute(counter.insert().values(name="changes", value=0))
        folder.mkdir(parents=True, exist_ok=True)
        self.pool = Pool(folder)
        self.room = Room(self.pool, self.database, QUOTA)
        self.meanwhile: Callable[[Parcel], Outcome | None] = lambda parcel: None
        self.flights: dict[int, Flight] = {}
        self.restart()

    def restart(self) -> None:
        """As after a kill: what is in memory is gone."""
        self.flights = {}
        self.finisher = Finisher(self.database, self.pool, self, keep=100, site="Test", pace=PACE)
        self.turns = {target: Turns(self.clock.monotonic) for target in Target}
        self.finisher._turns = self.turns
        self.downloader = Downloader(
            self.database,
            self.pool,
            self.room,
            HandSources(),  # type: ignore[arg-type]
            self.finisher,
            downloads=0,
            per_host=2,
            wake=lambda: None,
            pace=PACE,
        )
        self.ledger = HandLedger(self.database, self.downloader._written)
        self.downloader._ledger = self.ledger  # type: ignore[assignment]
        self.finisher.back = self.downloader.back
        self.downloader.start()

    # Deliver

    def deliver(self, parcel: Parcel) -> Outcome:
        done = Outcome(DeliveryState.DONE, folder=f"orders/{parcel.number}")
        return self.meanwhile(parcel) or done

    def there(self, owner: str, number: int, target: Target, folder: str = "") -> bool:
        return True

    # people

    def create(self, owner: str, *names: str, size: int | None = 10) -> int:
        """An order of files of an item each; those that begin with `u` have no declared size, of
        those with `e` the source may have nothing."""
        items = [
            NewItem(
                "s", "s.c", name, {"id": name}, {"id": "s.c"},
                (FilePlan("a", f"{name}.nc", f"https://x.org/{name}",
                          size=None if name[0] in "ue" else size,
                          request={"may_be_empty": True} if name[0] == "e" else {}),),
            )
            for name in names
        ]  # fmt: skip
        with transaction(self.database) as connection:
            return orders.create(connection, NewOrder(owner), items, BOUNDS, self.limits)[0]

    @property
    def limits(self) -> Limits:
        return Limits(QUOTA, 10**12, self.clock.now)

    def cancel(self, number: int) -> None:
        with transaction(self.database) as connection:
            orders.cancel(connection, number, self.clock.now)

    def retry(self, number: int) -> None:
        with transaction(self.database) as connection:
            orders.retry(connection, number, BOUNDS, self.limits)

    def remove(self, number: int) -> None:
        with transaction(self.database) as connection:
            orders.remove(connection, number)

    # the downloader

    def look(self) -> None:
        self.downloader.look()

    def begin(self) -> Flight | None:
        """As a thread does: take the next file."""
        downloader = self.downloader
        with downloader._changed:
            job = downloader._schedule.next()
            if job is None:
                return None
            task = downloader._tasks.pop(job.file, None)
        assert job.file not in self.flights, "it is fetched twice at once"
        assert task is not None, "nobody knows what it is"
        flight = self.flights[job.file] = Flight(task, job)
        self.ledger.put(ledger.begun(task.file))
        return flight

    def end(self, flight: Flight, how: str = "ok") -> None:
        """And its end: ok, empty, again, fail, wait, or stop."""
        del self.flights[flight.task.file]
        entry = self.downloader._entry(flight.task, flight.job.host, self._result(flight, how))
        with self.downloader._changed:
            self.downloader._schedule.ended(flight.task.file)
        if entry.values["state"] == FileState.PRESENT.value:
            self.room.came(entry.values["size"])
        self.ledger.put(entry)

    def _result(self, flight: Flight, how: str) -> Result:
        if how == "ok":
            content = flight.task.place.encode()[:10].ljust(10)
            path = self.pool.path(flight.task.place)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            request = Wanted("https://x.org", flight.task.place)
            got = Fetched(request, path, State.READY, proof=Proof.LENGTH, url="https://x.org")
            digest = "1220" + hashlib.sha256(content).hexdigest()
            return Result(got=replace(got, size=10, checksum=digest))
        if how == "empty":
            return Result(is_empty=True)
        if how == "wait":
            return Result(waiting=Waiting(5, {"number": 1}, "It is prepared."))
        errors: dict[str, DownloadError] = {
            "again": CutError("Cut."), "stop": StoppedError("Stopped."),
            "fail": DownloadError("No."),
        }  # fmt: skip
        return Result(error=errors[how], done=3)

    def finish(self) -> list[Live]:
        """All that have their turn now; an order whose turn comes again meanwhile, too."""
        done: list[Live] = []
        for turns in self.turns.values():
            while any(at <= self.clock.now for at, _ in turns._queued.values()):
                order = turns.take()
                assert order
                assert len(done) < 1000, "it goes round and round"
                turns.done(order, self.finisher.once(order))
                done.append(order)
        return done

    # what there is

    def order(self, number: int) -> Any:
        with reading(self.database) as connection:
            found = select(table).where(table.c.number == number)
            return connection.execute(found).one_or_none()

    def orders(self, *states: OrderState) -> list[int]:
        with reading(self.database) as connection:
            query = select(table.c.number).order_by(table.c.number)
            if states:
                query = query.where(table.c.state.in_([state.value for state in states]))
            return list(connection.scalars(query))

    def files(self, number: int | None = None) -> list[Any]:
        with reading(self.database) as connection:
            query = select(files).order_by(files.c.id)
            if number is not None:
                mine = select(order_files.c.file).where(order_files.c.order == number)
                query = query.where(files.c.id.in_(mine))
            return list(connection.execute(query))

    def work(self, rounds: int = 1, seconds: float = 1) -> None:
        """Everything goes well, for so many seconds."""
        for _ in range(rounds):
            self.look()
            while flight := self.begin():
                self.end(flight)
            for flight in list(self.flights.values()):
                self.end(flight)
            self.ledger.flush()
            self.look()
            self.finish()
            self.clock.now += seconds

    def check(self) -> None:
        """What always holds."""
        for number in self.orders(OrderState.READY):
            for row in self.files(number):
                if "may_be_empty" in row.plan and row.state != FileState.PRESENT.value:
                    continue  # it had nothing, or another order asks again
                assert row.state == FileState.PRESENT.value, f"order {number} is ready: {row}"
                assert self.pool.is_there(row.place, row.size, row.fetched), row.place

    def close(self) -> None:
        self.database.dispose()


@contextmanager
def by_hand(url: str, folder: Path) -> Iterator[Hand]:
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        for module in (worker, finishing, queue, eviction):
            patch.setattr(module, "time", clock)
        hand = Hand(url, folder, clock)
        try:
            yield hand
        finally:
            hand.close()


@contextmanager
def trouble(after: int) -> Iterator[None]:
    """The database goes away before the call that comes after so many others, once."""
    left = [after]

    def wrapped(real: Any) -> Any:
        @contextmanager
        def open_(engine: Engine) -> Iterator[Connection]:
            left[0] -= 1
            if left[0] == -1:
                raise AwayError("The database is away.")
            with real(engine) as connection:
                yield connection

        return open_

    with pytest.MonkeyPatch.context() as patch:
        for module in (worker, finishing):
            for name in ("transaction", "reading"):
                patch.setattr(module, name, wrapped(getattr(module, name)))
        yield
