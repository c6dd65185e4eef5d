"""Turns: one person's searches leave room for those of others."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from fastapi import HTTPException

_TOO_MANY = "Too many of your searches are under way or wait. Wait for their answers."


@dataclass
class _Person:
    turns: asyncio.Semaphore
    under_way: int = 0  # with those that wait


class Turns:
    """At most `at_once` of a person at the same time; `waiting` more wait, the rest gets 429.

    All without a sign-in are one person. For one event loop.
    """

    def __init__(self, at_once: int, waiting: int) -> None:
        self._at_once, self._waiting = max(at_once, 1), waiting
        self._people: dict[str, _Person] = {}

    @contextlib.asynccontextmanager
    async def of(self, name: str) -> AsyncIterator[None]:
        """A turn of a person, while the context lasts. Raises HTTPException."""
        person = self._people.setdefault(name, _Person(asyncio.Semaphore(self._at_once)))
        if person.under_way >= self._at_once + self._waiting:
            raise HTTPException(429, _TOO_MANY, {"Retry-After": "1"})
        person.under_way += 1
        try:
            async with person.turns:
                yield
        finally:
            person.under_way -= 1
            if not person.under_way:
                del self._people[name]
