"""Which file comes next: fair between people, and never more than a host may be asked at a time.

Pure and in memory: the database stays the truth, and this can be made anew from it at any time. Of
a large order only a window is here; whoever fills it asks `hungry` which orders want more.

The next file belongs to the person with the fewest files under way, of these to the one who was
served longest ago; of that person's orders the oldest comes first. A file that several people wait
for is fetched once, and counts for all of them.
"""

from __future__ import annotations

import itertools
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

_LOW = 100  # files of a window; with fewer it wants more


@dataclass(frozen=True)
class Job:
    """A file to fetch. `host`: what has to be shared: host and port, or a source."""

    file: int
    host: str


@dataclass
class _Order:
    number: int
    owner: str
    hosts: dict[str, deque[Job]] = field(default_factory=dict)
    files: set[int] = field(default_factory=set)
    more: bool = True  # the database may have files that are not in this window


class Schedule:
    """Not safe for threads: whoever uses it has a lock. `clock`: seconds that only grow."""

    def __init__(self, per_host: int, clock: Callable[[], float]) -> None:
        self._per_host, self._clock = per_host, clock
        self._orders: dict[int, _Order] = {}
        self._waiting: dict[int, set[int]] = {}  # orders by file
        self._flying: dict[int, tuple[Job, set[str]]] = {}
        self._settling: set[int] = set()
        self._in_flight: Counter[str] = Counter()  # by owner
        self._of_host: Counter[str] = Counter()
        self._served: dict[str, int] = {}
        self._turn = itertools.count(1)
        self._rests: dict[str, float] = {}

    def add_order(self, number: int, owner: str) -> None:
        """An order whose files may be asked for; it is hungry."""
        self._orders.setdefault(number, _Order(number, owner))

    def drop_order(self, number: int) -> None:
        """Nothing of it is asked for any more; what is under way stays so."""
        order = self._orders.pop(number, None)
        for file in order.files if order else ():
            self._unlink(file, number)

    def hungry(self, low: int = _LOW) -> list[int]:
        """Orders with fewer than `low` files here, though there may be more of them."""
        found = [one for one in self._orders.values() if one.more and len(one.files) < low]
        return sorted(one.number for one in found)

    def feed(self, number: int, jobs: Iterable[Job], *, more: bool) -> None:
        """Files of an order that can be fetched now. `more`: whether there are others."""
        order = self._orders.get(number)
        if order is None:
            return
        order.more = more
        for job in jobs:
            if job.file in order.files or job.file in self._settling:
                continue
            if job.file in self._flying:
                self._charge(job.file, order.owner)
                continue
            order.files.add(job.file)
            order.hosts.setdefault(job.host, deque()).append(job)
            self._waiting.setdefault(job.file, set()).add(number)

    def look_again(self, numbers: Iterable[int] | None = None) -> None:
        """The database may have more for these orders, or for all."""
        for number in self._orders if numbers is None else numbers:
            if number in self._orders:
                self._orders[number].more = True

    def next(self) -> Job | None:
        """The file to fetch now, which is under way from now on; None if there is none."""
        owners: dict[str, list[_Order]] = {}
        for order in self._orders.values():
            if order.files:
                owners.setdefault(order.owner, []).append(order)
        for owner in sorted(
            owners, key=lambda one: (self._in_flight[one], self._served.get(one, 0))
        ):
            for order in sorted(owners[owner], key=lambda one: one.number):
                if job := self._of(order):
                    self._begin(job)
                    return job
        return None

    def _of(self, order: _Order) -> Job | None:
        for host, jobs in list(order.hosts.items()):
            while jobs and jobs[0].file not in order.files:
                jobs.popleft()  # came through another order
            if not jobs:
                del order.hosts[host]
            elif self._free(host):
                return jobs.popleft()
        return None

    def _free(self, host: str) -> bool:
        if self._rests.get(host, 0) > self._clock():
            return False
        self._rests.pop(host, None)
        return self._of_host[host] < self._per_host

    def _begin(self, job: Job) -> None:
        numbers = self._waiting.pop(job.file, set())
        owners = {self._orders[number].owner for number in numbers}
        for number in numbers:
            self._orders[number].files.discard(job.file)
        self._flying[job.file] = (job, set())
        self._of_host[job.host] += 1
        for owner in owners:
            self._charge(job.file, owner)

    def _charge(self, file: int, owner: str) -> None:
        owners = self._flying[file][1]
        if owner not in owners:
            owners.add(owner)
            self._in_flight[owner] += 1
            self._served[owner] = next(self._turn)

    def ended(self, file: int) -> None:
        """A file is no longer under way, however it ended. The database says so when `settled`."""
        self._settling.add(file)
        job, owners = self._flying.pop(file)
        self._of_host[job.host] -= 1
        if not self._of_host[job.host]:
            del self._of_host[job.host]
        for owner in owners:
            self._in_flight[owner] -= 1
            if not self._in_flight[owner]:
                del self._in_flight[owner]
        if len(self._served) > 10_000:  # people who have long been served
            self._served = {
                one: turn for one, turn in self._served.items() if one in self._in_flight
            }

    def settled(self, files: Iterable[int]) -> None:
        """The database says how these ended; they may be fed again."""
        self._settling.difference_update(files)

    def rest(self, host: str, seconds: float) -> None:
        """Ask nothing of a host for so long."""
        self._rests[host] = max(self._rests.get(host, 0), self._clock() + seconds)

    def rests_until(self) -> float | None:
        """When the first host that has a rest may be asked again; None if none has one."""
        now = self._clock()
        self._rests = {host: until for host, until in self._rests.items() if until > now}
        return min(self._rests.values(), default=None)

    @property
    def waiting(self) -> set[int]:
        """Files that wait here."""
        return set(self._waiting)

    @property
    def flying(self) -> set[int]:
        """Files under way."""
        return set(self._flying)

    def _unlink(self, file: int, number: int) -> None:
        numbers = self._waiting.get(file)
        if numbers is not None:
            numbers.discard(number)
            if not numbers:
                del self._waiting[file]
