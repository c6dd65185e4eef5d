"""How many requests at a time a host gets, over all calls of an engine, and when it has a rest."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pelagos_client.download.watch import SLICE, Watch


@dataclass
class _Host:
    active: int = 0
    waiting: deque[object] = field(default_factory=deque)
    rests_until: float = 0.0


class Hosts:
    """Turns for each host, first come first served. Safe for many threads."""

    def __init__(self, per_host: int) -> None:
        self._per_host = per_host
        self._changed = threading.Condition()
        self._hosts: dict[tuple[str, int], _Host] = {}

    @contextmanager
    def turn(self, place: tuple[str, int], watch: Watch) -> Iterator[None]:
        """Wait for a turn, and give it back at the end. Raises what `watch` does."""
        ticket = object()
        with self._changed:
            host = self._hosts.setdefault(place, _Host())
            host.waiting.append(ticket)
            try:
                while not self._is_next(host, ticket):
                    watch.check()
                    self._changed.wait(SLICE)
                host.active += 1
            finally:
                host.waiting.remove(ticket)
                self._changed.notify_all()  # the next one may have a turn as well
        try:
            yield
        finally:
            with self._changed:
                host.active -= 1
                self._forget(place, host)
                self._changed.notify_all()

    def rest(self, place: tuple[str, int], seconds: float) -> None:
        """Nobody asks this host again so soon."""
        with self._changed:
            host = self._hosts.setdefault(place, _Host())
            host.rests_until = max(host.rests_until, time.monotonic() + seconds)

    def _is_next(self, host: _Host, ticket: object) -> bool:
        return (
            host.waiting[0] is ticket
            and host.active < self._per_host
            and host.rests_until <= time.monotonic()
        )

    def _forget(self, place: tuple[str, int], host: _Host) -> None:
        idle = not host.active and not host.waiting and host.rests_until <= time.monotonic()
        if idle and self._hosts.get(place) is host:
            del self._hosts[place]
