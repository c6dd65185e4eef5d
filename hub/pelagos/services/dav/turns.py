"""Turns for what costs the whole server much: listings of very large folders."""

from __future__ import annotations

import threading
from collections.abc import Callable

from pelagos.services.dav.refusals import refuse

AT_ONCE = 2
WAIT_SECONDS = 10.0


class Turns:
    """At most AT_ONCE people have their turn, each of them once."""

    def __init__(self, wait: float = WAIT_SECONDS) -> None:
        self._wait = wait
        self._changed = threading.Condition()
        self._people: set[str] = set()

    def enter(self, name: str) -> Callable[[], None]:
        """Wait for a turn, which ends when what is returned is called.

        Raises a refusal (503) if it does not come within seconds.
        """

        def free() -> bool:
            return len(self._people) < AT_ONCE and name not in self._people

        with self._changed:
            if not self._changed.wait_for(free, self._wait):
                sentence = "Too many very large folders are being listed: try again."
                raise refuse(503, sentence, headers=[("Retry-After", "5")])
            self._people.add(name)

        def leave() -> None:
            with self._changed:
                self._people.discard(name)
                self._changed.notify_all()

        return leave
