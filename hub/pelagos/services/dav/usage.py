"""How full a workspace is, without counting it for every request."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from pelagos.services.dav.refusals import refuse
from pelagos.units import format_bytes

RECOUNT_SECONDS = 900.0


class Usage:
    """Bytes in one folder: counted once, then kept by what changes, now and then counted anew.

    `measure` walks the folder; `later` runs a function in the background. Each folder has its own
    lock, so that nobody waits for the count of another's.
    """

    def __init__(
        self, quota: int, measure: Callable[[], int], later: Callable[[Callable[[], None]], None]
    ) -> None:
        self.quota = quota
        self._measure = measure
        self._later = later
        self._counting = threading.Lock()
        self._lock = threading.Lock()
        self._used: int | None = None
        self._reserved = 0
        self._changes = 0
        self._due = 0.0

    def used(self) -> int:
        """Bytes in use. The first call walks the folder."""
        if self._used is None:
            with self._counting:
                if self._used is None:
                    self._count(tries=3)
        elif time.monotonic() > self._due:
            self._due = time.monotonic() + RECOUNT_SECONDS
            self._later(self.recount)
        return self._used or 0

    def available(self) -> int:
        """Bytes that are left."""
        used = self.used()
        with self._lock:
            return max(0, self.quota - used - self._reserved)

    def recount(self) -> None:
        """Walk the folder again; the count is taken if nothing changed meanwhile."""
        with self._counting:
            self._count(tries=1)

    def _count(self, tries: int) -> None:
        while True:
            before = self._changes
            found = self._measure()
            tries -= 1
            with self._lock:
                if self._changes == before or (self._used is None and tries <= 0):
                    self._used = found
                    self._due = time.monotonic() + RECOUNT_SECONDS
                    return
            if tries <= 0:
                return

    def change(self, delta: int) -> None:
        """Something came (positive) or went (negative); call it after that."""
        with self._lock:
            self._changes += 1
            if self._used is not None:  # else the first count will find it so
                self._used = max(0, self._used + delta)

    def reserve(self, credit: int = 0) -> Reservation:
        """Room for something that is about to come and replaces `credit` bytes."""
        self.used()
        return Reservation(self, credit)

    def hold(self, count: int) -> None:
        """Set `count` bytes aside. Raises a refusal (507) if there is no room."""
        with self._lock:
            left = self.quota - (self._used or 0) - self._reserved
            if count > left:
                raise refuse(
                    507,
                    f"The quota of {format_bytes(self.quota)} does not hold this: "
                    f"{format_bytes(max(0, left))} are left. Delete something, or ask an "
                    "administrator for more.",
                )
            self._reserved += count

    def release(self, count: int) -> None:
        """Give back what was set aside."""
        with self._lock:
            self._reserved -= count


class Reservation:
    """Room that is set aside while something comes. A context manager."""

    def __init__(self, usage: Usage, credit: int) -> None:
        self._usage = usage
        self._credit = credit
        self._held = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._usage.release(self._held)

    def grow(self, count: int) -> None:
        """Set `count` more bytes aside. Raises a refusal (507)."""
        free = min(count, self._credit)
        self._credit -= free
        if count > free:
            self._usage.hold(count - free)
            self._held += count - free
