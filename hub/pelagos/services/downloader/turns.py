"""Whose turn it is of the orders that are to be finished: the longest due, once at a time.

An order that has to wait holds no thread meanwhile, and one that is added while a thread still
works on it (it was cancelled and tried again, or has lost files) has its turn after that.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from pelagos.datapool.queue import Live


class Turns:
    """Safe for threads. `clock`: seconds that only grow."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._queued: dict[int, tuple[float, Live]] = {}  # by number: when, and the last attempt
        self._busy: set[int] = set()
        self._ended = False

    def add(self, order: Live) -> None:
        """It may have its turn; adding it twice is no harm."""
        with self._changed:
            self._queued[order.number] = (self._clock(), order)
            self._changed.notify_all()

    def take(self) -> Live | None:
        """Wait for the next one; None after `end`. Say `done` afterwards."""
        with self._changed:
            while not self._ended:
                free = [(at, one) for one, (at, _) in self._queued.items() if one not in self._busy]
                at, number = min(free, default=(None, 0))
                wait = None if at is None else at - self._clock()
                if wait is not None and wait <= 0:
                    self._busy.add(number)
                    return self._queued.pop(number)[1]
                self._changed.wait(wait)
            return None

    def done(self, order: Live, again: float = 0) -> None:
        """Its turn is over; it has another after `again` seconds, unless that is 0."""
        with self._changed:
            self._busy.discard(order.number)
            if again:
                self._queued.setdefault(order.number, (self._clock() + again, order))
            self._changed.notify_all()

    def end(self) -> None:
        """Nobody has a turn any more."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
