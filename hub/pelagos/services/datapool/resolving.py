"""From what a person names to the files that this means, by the catalogue's own index.

Nothing that a person sends is ever an address: it names items of collections that they may see.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pelagos_client.access import AccessError, Criteria, FilePlan, Protocol, Terms, plan, terms_of

from pelagos.catalogue.index import Reader
from pelagos.catalogue.query import Criteria as Search
from pelagos.catalogue.query import QueryError, Slice
from pelagos.datapool.orders_model import NewFile, NewItem, files_of
from pelagos.errors import RefusedError
from pelagos.services.catalogue.access import Views
from pelagos.services.catalogue.live import Live
from pelagos.services.catalogue.readers import Readers
from pelagos.services.datapool.models import WantedCriteria, WantedItem
from pelagos.services.identity import Caller
from pelagos.settings import Settings
from pelagos.settings.sources import FilesSource

LIVE_ITEMS = 500  # of one order: each page of them is asked of its source
_LIVE_PAGE = 100
_MISSING = "There is no such item in the catalogue that you may see."
Document = dict[str, Any]
Pair = tuple[str, str]


@dataclass(frozen=True)
class Refused:
    """An item that can't be ordered, and why."""

    collection: str
    item: str
    reason: str


@dataclass
class Resolved:
    """The items of an order with their files, what can't be ordered, and what must be accepted."""

    items: list[NewItem] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    terms: dict[str, Terms] = field(default_factory=dict)
    files: list[NewFile] = field(default_factory=list)


class Resolver:
    """Finds out what is ordered."""

    def __init__(self, settings: Settings, readers: Readers, views: Views, live: Live) -> None:
        self._readers, self._views, self._live = readers, views, live
        self._sources = {source.name: source for source in settings.catalogue.sources}

    async def check_virtual_lab(self, caller: Caller, name: str) -> None:
        """Raises RefusedError unless it is one of the caller's."""
        try:
            await self._views.of(caller, name)
        except QueryError as error:
            raise RefusedError(
                f"You are in no virtual lab {name[:60]!r}.", "Name one of yours, or none."
            ) from error

    async def resolve(
        self, caller: Caller, wanted: Sequence[WantedItem], criteria: Criteria
    ) -> Resolved:
        """What these items are. Raises AwayError, IndexError_, SourceError, RefusedError."""
        merged = _merged(wanted)
        by_collection: dict[str, list[str]] = {}
        for collection, item in merged:
            by_collection.setdefault(collection, []).append(item)
        collections: dict[str, Document] = {}
        found: dict[Pair, Document] = {}
        live_items = 0
        for collection, items in by_collection.items():
            document = await self._collection(caller, collection)
            if document is None:
                continue
            collections[collection] = document
            if self._live.only([collection]):
                live_items += len(items)
                _check_live(live_items)
            found.update(await self._items(caller, document, items))
        return await asyncio.to_thread(self._planned, merged, found, collections, criteria)

    async def _collection(self, caller: Caller, identifier: str) -> Document | None:
        view = await self._views.of(caller)

        def question(reader: Reader) -> Document | None:
            return reader.collection(identifier, view.scope)

        return await self._readers.ask_for(caller.name, question)

    async def _items(
        self, caller: Caller, collection: Document, items: Sequence[str]
    ) -> dict[Pair, Document]:
        identifier = collection["id"]
        if not self._live.only([identifier]):

            def question(reader: Reader) -> dict[str, Document]:
                # its collection was found in the caller's view
                return reader.granules_by_id(identifier, items, None)

            found = await self._readers.ask_for(caller.name, question)
            return {(identifier, item): document for item, document in found.items()}
        result: dict[Pair, Document] = {}
        for begin in range(0, len(items), _LIVE_PAGE):
            part = items[begin : begin + _LIVE_PAGE]
            page = await self._live.granules(
                caller.name, collection, Search(ids=tuple(part)), Slice(limit=len(part))
            )
            result.update(((identifier, one["id"]), one) for one in page.documents)
        return result

    def _planned(
        self,
        merged: Mapping[Pair, list[str] | None],
        found: Mapping[Pair, Document],
        collections: Mapping[str, Document],
        criteria: Criteria,
    ) -> Resolved:
        result = Resolved()
        for (collection, item), assets in merged.items():
            document = found.get((collection, item))
            try:
                if document is None:
                    raise RefusedError(_MISSING)
                source = collection.partition(".")[0]
                plans = plan(document, criteria, assets)
                self._check(source, plans)
            except (AccessError, RefusedError) as error:
                result.refused.append(Refused(collection, item, str(error)))
                continue
            needed = {one.accept for one in plans if one.accept}
            result.terms.update((one.key, one) for one in terms_of(document) if one.key in needed)
            result.items.append(
                NewItem(source, collection, item, document, collections[collection], tuple(plans))
            )
        result.files = files_of(result.items)
        return result

    def _check(self, source: str, plans: Iterable[FilePlan]) -> None:
        """Raises RefusedError for what no downloader of this VRE would get."""
        configured = self._sources.get(source)
        if configured is None:
            raise RefusedError(f"Its source {source!r} is not among this VRE's any more.")
        is_folder = isinstance(configured, FilesSource) and bool(configured.path)
        if any(one.protocol is Protocol.LOCAL for one in plans) and not is_folder:
            raise RefusedError("Its source is no folder of this machine.")


def criteria_of(wanted: WantedCriteria) -> Criteria:
    """What is cut out. Raises RefusedError."""
    for moment in (wanted.start, wanted.end):
        if moment is not None and moment.tzinfo is None:
            raise RefusedError("criteria: a time without a time zone.", "Put a Z behind it.")
    if wanted.start and wanted.end and wanted.start > wanted.end:
        raise RefusedError("criteria: the time ends before it starts.")
    if wanted.bbox and wanted.bbox[1] > wanted.bbox[3]:
        raise RefusedError("criteria: the box's south is north of its north.")
    return Criteria(wanted.bbox, wanted.start, wanted.end, tuple(wanted.variables))


def _merged(wanted: Iterable[WantedItem]) -> dict[Pair, list[str] | None]:
    """Each item once, with all assets that are wanted of it; None is all its data."""
    found: dict[Pair, dict[str, None] | None] = {}
    for one in wanted:
        pair = (one.collection, one.item)
        if one.assets is None:
            found[pair] = None
            continue
        before = found.setdefault(pair, {})
        if before is not None:
            before.update(dict.fromkeys(one.assets))
    return {pair: None if assets is None else list(assets) for pair, assets in found.items()}


def _check_live(count: int) -> None:
    if count > LIVE_ITEMS:
        raise RefusedError(
            f"The order has {count} items that are asked of their source one by one; "
            f"{LIVE_ITEMS} are the most.",
            "Make several orders of it.",
        )
