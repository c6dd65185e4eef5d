"""What is looked after now and then: room, files that nobody knows, orders whose time is over."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from sqlalchemy import Engine, select

from pelagos.datapool import queue
from pelagos.datapool.database import next_change, reading, transaction
from pelagos.datapool.delivery import Deliver
from pelagos.datapool.eviction import Room, strangers
from pelagos.datapool.ledger import count
from pelagos.datapool.model import OrderState, Target
from pelagos.datapool.pool import Pool
from pelagos.datapool.tables import files, order_files, orders
from pelagos.errors import PelagosError
from pelagos.services.downloader.pace import Pace

logger = logging.getLogger(__name__)

_ORDERS = 200  # looked at in one round
_SAMPLE = 50  # files of an order
_FIRST = 5.0


class Upkeep:
    """A thread of its own."""

    def __init__(
        self,
        database: Engine,
        pool: Pool,
        room: Room,
        deliver: Deliver,
        *,
        keep: float,
        pace: Pace,
    ) -> None:
        self._database, self._pool, self._room, self._deliver = database, pool, room, deliver
        self._keep, self._pace = keep, pace
        self._stop = threading.Event()
        self._last = 0  # the order that was looked at last
        self._thread = threading.Thread(target=self._run, name="pelagos-upkeep", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join(3)

    def _run(self) -> None:
        pause = min(_FIRST, self._pace.upkeep)
        while not self._stop.wait(pause):
            pause = self._pace.upkeep
            try:
                self.once()
            except PelagosError as error:
                logger.warning("Upkeep: %s", error)
            except Exception:  # the next round may fare better
                logger.exception("Upkeep")

    def once(self) -> None:
        """One round. Raises AwayError."""
        self._room.count()
        if pressed := self._room.pressed():
            self._room.evict(pressed)
        self._remove_strangers()
        self._look_at_orders()

    def _remove_strangers(self) -> None:
        """Files on the disk that no row knows: after a crash, or a restored database."""
        many = size = 0
        for place, bytes_ in strangers(self._pool, self._database, time.time(), self._pace.parts):
            if self._pool.remove(place):
                many, size = many + 1, size + bytes_
        if many:
            logger.info("%d files (%d bytes) in the pool belonged to nothing: removed", many, size)
            with transaction(self._database) as connection:
                count(connection, "strange_files", "", many)

    def _look_at_orders(self) -> None:
        """Some ready orders, in turn: is the folder there, and are the files used?"""
        with reading(self._database) as connection:
            found = connection.execute(
                select(
                    orders.c.number,
                    orders.c.owner,
                    orders.c.target,
                    orders.c.folder,
                    orders.c.expires,
                )
                .where(orders.c.state == OrderState.READY.value, orders.c.number > self._last)
                .order_by(orders.c.number)
                .limit(_ORDERS)
            ).all()
        self._last = found[-1].number if len(found) == _ORDERS else 0
        for row in found:
            if self._stop.is_set():
                return
            try:
                there = self._deliver.there(row.owner, row.number, Target(row.target), row.folder)
            except PelagosError:
                there = True  # nobody knows now
            if not there:
                self._change(row.number, state=OrderState.EXPIRED.value)
            elif row.expires - time.time() < self._keep / 2:
                self._renew(row)

    def _renew(self, row: Any) -> None:
        """Files that were read keep their order."""
        with reading(self._database) as connection:
            places = connection.execute(
                select(files.c.place)
                .join(order_files, order_files.c.file == files.c.id)
                .where(order_files.c.order == row.number)
                .order_by(order_files.c.position)
                .limit(_SAMPLE)
            ).scalars()
            seen = [self._pool.look(place) for place in places]
        used = max((one.used for one in seen if one), default=0)
        if used + self._keep > row.expires + 60:
            self._change(row.number, expires=used + self._keep)

    def _change(self, number: int, **values: Any) -> None:
        with transaction(self._database) as connection:
            sequence = next_change(connection)
            row = connection.execute(
                select(orders.c.state).where(orders.c.number == number)
            ).first()
            if row is not None and row.state == OrderState.READY.value:
                queue.change(connection, number, sequence, **values)
