"""Gives new granules their keys: see keys.py."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import orjson

from pelagos.catalogue.index.keys import TIMELESS, first_key

_REMEMBERED = 50_000


class Keyed(Protocol):
    """What gets a key: `place` begins with its start."""

    rid: int

    @property
    def place(self) -> tuple[Any, ...]:
        """Start and more."""


class Allocator:
    """Finds keys that are free. Used within the transaction that takes them."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._next: dict[int, int] = {}  # of a first key, the next that may be free

    def forget(self) -> None:
        """What was handed out was not taken."""
        self._next.clear()

    def assign(self, rows: Sequence[Keyed], kept: Iterable[int] = ()) -> None:
        """Set `rid` of all of them; `kept` are keys that look free and are about to be used."""
        if len(self._next) > _REMEMBERED:
            self._next.clear()
        waiting, used, step = list(rows), set(kept), 0
        while waiting:
            for row in waiting:
                row.rid = self._candidate(first_key(row.place[0]), used, step)
                used.add(row.rid)
            candidates = orjson.dumps([row.rid for row in waiting]).decode()
            taken = {
                rid
                for (rid,) in self._connection.execute(
                    "SELECT p.rid FROM json_each(?) j CROSS JOIN place p ON p.rid = j.value",
                    (candidates,),
                )
            }
            waiting = [row for row in waiting if row.rid in taken]
            step = 2 * step + 1  # many start together: gallop past them
        self._note_spill(rows)

    def _candidate(self, first: int, used: set[int], step: int) -> int:
        candidate = self._next.get(first)
        if candidate is None:
            candidate = self._first_free() if first == TIMELESS else first
        candidate += step
        while candidate in used:
            candidate += 1
        self._next[first] = candidate + 1
        return candidate

    def _first_free(self) -> int:
        (last,) = self._connection.execute(
            "SELECT max(rid) FROM place WHERE rid >= ?", (TIMELESS,)
        ).fetchone()
        return TIMELESS if last is None else int(last) + 1

    def _note_spill(self, rows: Sequence[Keyed]) -> None:
        spill = max(
            (row.rid - first_key(row.place[0]) for row in rows if row.place[0] is not None),
            default=0,
        )
        if spill > 0:
            self._connection.execute(
                "UPDATE meta SET value = max(value, ?) WHERE name = 'spill'", (spill,)
            )
