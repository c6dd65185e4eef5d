"""Room in the pool: how much is used, and what goes when more is needed.

What no order needs goes first, the longest unused before others: the later of the last order that
took it and the last time that somebody read it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator

from pelagos_client.download.parts import PREFIX
from sqlalchemy import Connection, Engine, bindparam, func, select, update

from pelagos.datapool import queue
from pelagos.datapool.database import transaction
from pelagos.datapool.ledger import count
from pelagos.datapool.model import FileState
from pelagos.datapool.pool import COLLECTION, ITEM, Found, Pool
from pelagos.datapool.tables import files

logger = logging.getLogger(__name__)

_PRESENT = files.c.state == FileState.PRESENT.value
_AT_ONCE = 200
_SPARE_SHARE, _SPARE_MOST = 0.02, 2**30
_SETTLED = 5.0  # seconds; a file read just after it was ordered is no later use


class Room:
    """How full the pool is. Safe for many threads. Sizes in bytes."""

    def __init__(self, pool: Pool, database: Engine, quota: int) -> None:
        self._pool, self._database, self.quota = pool, database, quota
        self._lock = threading.Lock()
        self._evicting = threading.Lock()
        self._used = 0
        self._reserved: dict[int, int] = {}

    @property
    def spare(self) -> int:
        """What stays free on the disk."""
        return int(min(_SPARE_MOST, self._pool.free()[1] * _SPARE_SHARE))

    def count(self) -> None:
        """Ask the database how much is there. Raises AwayError."""
        with transaction(self._database) as connection:
            used = connection.execute(select(func.sum(files.c.size)).where(_PRESENT)).scalar()
        with self._lock:
            self._used = int(used or 0)

    def reserve(self, file: int, size: int, here: int = 0) -> bool:
        """Room for a file, if there is: what can go goes first. `here`: bytes that are there.

        Raises AwayError.
        """
        missing = self._try(file, size, here)
        if missing > 0:
            with self._evicting:
                missing = self._try(file, size, here)
                if missing > 0:
                    self.evict(missing)
                    missing = self._try(file, size, here)
        return missing <= 0

    def _try(self, file: int, size: int, here: int) -> int:
        """How many bytes are missing; if none, they are reserved."""
        free = self._pool.free()[0] - self.spare
        with self._lock:
            held = sum(self._reserved.values())
            missing = max(self._used + held + size - self.quota, max(size - here, 0) - free)
            if missing <= 0:
                self._reserved[file] = size
            return missing

    def release(self, file: int) -> None:
        """The file ended; if it is there now, `came` says so."""
        with self._lock:
            self._reserved.pop(file, None)

    def grow(self, file: int, size: int) -> None:
        """A file whose size was not known is at least so large."""
        with self._lock:
            if file in self._reserved:
                self._reserved[file] = max(self._reserved[file], size)

    def came(self, size: int) -> None:
        """A file is in the pool."""
        with self._lock:
            self._used += size

    def pressed(self) -> int:
        """Bytes that are too many now: of the quota, or of the disk."""
        free = self._pool.free()[0] - self.spare
        with self._lock:
            held = sum(self._reserved.values())
            return max(self._used + held - self.quota, -free, 0)

    def evict(self, needed: int) -> int:
        """Remove at least `needed` bytes of what may go, or all of it; how many. Raises AwayError.

        First without what was read since it was ordered, then that, too.
        """
        freed = 0
        for spared in (True, False):
            if freed < needed:
                freed += self._evict(needed - freed, spared)
        if freed:
            logger.info("%d bytes were removed from the pool: room was needed", freed)
        return freed

    def _evict(self, needed: int, spared: bool) -> int:
        freed = 0
        passed: tuple[float, int] = (-1.0, -1)
        while freed < needed:
            now = time.time()
            gone: list[int] = []
            read: list[dict[str, float]] = []
            with transaction(self._database) as connection:
                found = connection.execute(
                    select(files.c.id, files.c.place, files.c.size, files.c.used)
                    .where(
                        _PRESENT,
                        ~queue.protected(now),
                        (files.c.used > passed[0])
                        | ((files.c.used == passed[0]) & (files.c.id > passed[1])),
                    )
                    .order_by(files.c.used, files.c.id)
                    .limit(_AT_ONCE)
                ).all()
                for row in found:
                    passed = (row.used, row.id)
                    seen = self._pool.look(row.place)
                    if spared and seen and seen.used > row.used + _SETTLED:
                        read.append({"one": row.id, "when": seen.used})
                        continue
                    # the file first: a name without a row is found, and removed, too
                    self._pool.remove(row.place)
                    gone.append(row.id)
                    freed += row.size or 0
                    if freed >= needed:
                        break
                if gone:
                    self._forget(connection, gone)
                if read:
                    connection.execute(
                        update(files)
                        .where(files.c.id == bindparam("one"))
                        .values(used=bindparam("when")),
                        read,
                    )
            if not found:
                break
        with self._lock:
            self._used = max(self._used - freed, 0)
        return freed

    @staticmethod
    def _forget(connection: Connection, gone: list[int]) -> None:
        connection.execute(
            update(files).where(files.c.id.in_(gone)).values(state=FileState.ABSENT.value, done=0)
        )
        queue.expire(connection, gone)
        count(connection, "evicted_files", "", len(gone))


def strangers(
    pool: Pool, database: Engine, now: float, parts_after: float
) -> Iterator[tuple[str, int]]:
    """Files on the disk that no row of the database knows as present: place and size.

    Of parts only those that nobody has touched for `parts_after` seconds, and that are of no file
    that is wanted. Raises AwayError.
    """
    batch = []
    for found in pool.walk():
        batch.append(found)
        if len(batch) == queue.CHUNK:
            yield from _strange(database, batch, now, parts_after)
            batch = []
    yield from _strange(database, batch, now, parts_after)


def _strange(
    database: Engine, batch: list[Found], now: float, parts_after: float
) -> Iterator[tuple[str, int]]:
    names = []
    for found in batch:
        name = found.place.rpartition("/")[2]
        if name.startswith(PREFIX):
            if now - max(found.changed, found.used) > parts_after:
                yield found.place, found.size
        elif name not in (ITEM, COLLECTION):
            names.append(found)
    if not names:
        return
    with transaction(database) as connection:
        rows = connection.execute(
            select(files.c.place, files.c.state).where(
                files.c.place.in_([found.place for found in names])
            )
        )
        known = {row.place for row in rows if row.state != FileState.ABSENT.value}
        # within the transaction: else one that is ordered just now would be fetched and then go.
        # A minute: what has just got its name may not be in the database yet
        yield from (
            (found.place, found.size)
            for found in names
            if found.place not in known and now - found.changed > 60
        )
