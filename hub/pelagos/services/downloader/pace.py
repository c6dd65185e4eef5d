"""How often the downloader looks, and how long it waits. All in seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """`look`: at the database, if nobody wakes us. `settle`: at most so often an order's progress
    is said. `retries`: pauses before a file is tried again; one more failure is the last.
    `rest`: so long at most a host is left alone by all because of one file that it did not give.
    `no_room`: the same while the pool is full. `upkeep`: between looks at the whole pool.
    `parts`: beginnings of files that nobody has touched for so long go. `copying`: between two
    looks at a copy to the workspace."""

    look: float = 0.5
    settle: float = 0.5
    retries: tuple[float, ...] = (2, 10, 60, 300, 900, 3600)
    rest: float = 30
    no_room: tuple[float, ...] = (5, 15, 30, 60, 120, *(300,) * 12)
    upkeep: float = 120
    parts: float = 2 * 86400
    copying: float = 0.5
