"""Searches of collections that are kept here, and whose granules are searched at their source."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from pelagos.catalogue.live import LiveSearch
from pelagos.catalogue.query import Criteria, Page, QueryError, Slice
from pelagos.errors import AwayError
from pelagos.services.catalogue.readers import BUSY
from pelagos.services.catalogue.turns import Turns
from pelagos.settings import Settings
from pelagos.settings.sources import StacSource

Document = dict[str, Any]
T = TypeVar("T")

_AT_ONCE = 8  # searches under way at all sources together
_WAITING = 64  # that wait for them
_OF_ONE = 3  # of one person at once


class Live:
    """The live sources of the settings. Close it at the end.

    `key` is a secret of the service. Searches raise QueryError for what a source can't be asked,
    and SourceError if it does not answer.
    """

    def __init__(self, settings: Settings, key: str) -> None:
        seal = hashlib.sha256(b"pelagos live search\0" + key.encode()).digest()
        self._searches = {
            source.name: LiveSearch(source, settings.site.contact, seal)
            for source in settings.catalogue.sources
            if isinstance(source, StacSource) and source.live
        }
        self._turns = Turns(_OF_ONE, _WAITING // 8)
        # of its own: what waits for a slow source must not keep others from asyncio's few threads
        self._threads = ThreadPoolExecutor(_AT_ONCE, "live")
        self._under_way = 0

    def close(self) -> None:
        """Close connections to the sources; what waits for them is left behind."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for search in self._searches.values():
            search.close()

    def only(self, collections: Sequence[str]) -> str:
        """The live collection that is searched, "" if none is.

        Raises QueryError if there are others beside it: their granules can't be put in one order.
        """
        live = [one for one in collections if _source(one) in self._searches]
        if live and len(collections) > 1:
            raise QueryError(
                f"collections: the items of {live[0][:200]!r} are searched at its source; "
                "name it alone."
            )
        return live[0] if live else ""

    async def granules(
        self, person: str, collection: Document, criteria: Criteria, part: Slice
    ) -> Page:
        """Granules of a live collection, given by its document, for a person."""
        search = self._searches[_source(collection["id"])]
        return await self._ask(person, lambda: search.granules(collection, criteria, part))

    async def granule(self, person: str, collection: Document, identifier: str) -> Document | None:
        """One of them; None if there is no such."""
        search = self._searches[_source(collection["id"])]
        return await self._ask(person, lambda: search.granule(collection, identifier))

    async def _ask(self, person: str, question: Callable[[], T]) -> T:
        async with self._turns.of(person):
            if self._under_way >= _AT_ONCE + _WAITING:
                raise AwayError(BUSY, "Try again in a moment.")
            self._under_way += 1
            try:
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._threads, question)
            finally:
                self._under_way -= 1


def _source(collection: str) -> str:
    return collection.partition(".")[0]
