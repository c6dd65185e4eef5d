"""Searches of collections that are kept here, and whose granules are searched at their source."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any

from pelagos.catalogue.live import LiveSearch
from pelagos.catalogue.query import Criteria, Page, QueryError, Slice
from pelagos.settings import Settings
from pelagos.settings.sources import StacSource

Document = dict[str, Any]
_AT_ONCE = 8  # searches under way at all sources together


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
        self._turns = asyncio.Semaphore(_AT_ONCE)

    def close(self) -> None:
        """Close connections to the sources."""
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

    async def granules(self, collection: Document, criteria: Criteria, part: Slice) -> Page:
        """Granules of a live collection, given by its document."""
        search = self._searches[_source(collection["id"])]
        async with self._turns:
            return await asyncio.to_thread(search.granules, collection, criteria, part)

    async def granule(self, collection: Document, identifier: str) -> Document | None:
        """One of them; None if there is no such."""
        search = self._searches[_source(collection["id"])]
        async with self._turns:
            return await asyncio.to_thread(search.granule, collection, identifier)


def _source(collection: str) -> str:
    return collection.partition(".")[0]
