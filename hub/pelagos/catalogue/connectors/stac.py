"""A STAC API, or a static STAC catalogue: its collections and items, kept as they are.

Protocol: STAC API 1.0 (landing page, `data`, `items` and `next` links; with the sort extension a
question for the item that changed last tells whether a collection is to be read again), STAC 1.0
and 1.1 (static catalogues: `child` and `item` links).

A live source (`live: true`) gives collections only: `pelagos:live` in them says how `live.py` asks
the remote: `collection` (its identifier there) and `search` (address and methods).

Verified against recordings of two item collections (Digital Earth Africa, NASA CMR). By
documentation only: landing pages and collections, static catalogues, POST paging, sorting.
WEkEO's catalogue is no STAC: its data set documents (a recording is there) need an adapter.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlencode, urlsplit

from pelagos.catalogue.connectors.base import Connector
from pelagos.catalogue.connectors.stac_pages import Question, link_to, matched, pages
from pelagos.catalogue.connectors.stac_records import collection_record, granule_record
from pelagos.catalogue.connectors.stac_static import Walk
from pelagos.catalogue.fetch import FetchError
from pelagos.catalogue.records import (
    CollectionRecord,
    GranuleRecord,
    RecordError,
    Rejected,
    Unchanged,
)
from pelagos.errors import SourceError
from pelagos.settings.sources import SourceKind, StacSource

logger = logging.getLogger(__name__)

LIVE = "pelagos:live"
_PAGE = 250  # items asked for at once
_PAGE_LIMIT = 64 * 2**20  # bytes
_JSON = {"Accept": "application/json, application/geo+json"}


class StacConnector(Connector[StacSource]):
    """Reads a STAC API or a static catalogue, whichever stands at the address."""

    kind = SourceKind.STAC

    def collections(self) -> Iterator[CollectionRecord | Rejected | Unchanged]:
        """All wanted collections. Raises SourceError if no STAC stands at the address."""
        self._items: dict[str, str] = {}  # where the items of a collection are
        self._static: Walk | None = None
        landing = self._landing()
        data = link_to(landing, self._address, "data", method="GET")
        self._search = search_of(landing, self._address)
        if not data:
            yield from self._walked(landing)
            return
        seen: set[str] = set()
        for page in pages(self.fetch, Question(data), _PAGE_LIMIT):
            if isinstance(page, Rejected):
                yield page
                continue
            document, address = page
            listed = document.get("collections") if isinstance(document, dict) else None
            if not isinstance(listed, list):
                raise SourceError(f"{address}: no list of collections", _MEND)
            for one in listed:
                found = self._collection(one, address, seen)
                if found is not None:
                    yield found

    def granules(
        self, collection: CollectionRecord
    ) -> Iterator[GranuleRecord | Rejected | Unchanged]:
        """All items of one; of a live source none."""
        if self.source.live:
            return
        if self._static is not None:
            yield from self._static.items(self._items[collection.id], granule_record)
            return
        address = self._items[collection.id]
        if not address:
            return
        state = self._state(collection.id)
        states: dict[str, Any] = self.memory.setdefault("states", {})
        if state and states.get(collection.id) == state:
            yield Unchanged(collection.id)
            return
        for page in pages(self.fetch, Question(with_query(address, limit=_PAGE)), _PAGE_LIMIT):
            if isinstance(page, Rejected):
                yield page
                continue
            yield from self._features(*page)
        if state:
            states[collection.id] = state
        else:
            states.pop(collection.id, None)

    def _landing(self) -> dict[str, Any]:
        answer = self.fetch.get(self.source.url, headers=_JSON)
        self._address = answer.url
        document = answer.json()
        if not isinstance(document, dict) or not isinstance(document.get("links"), list):
            raise SourceError(f"{self.source.url}: no STAC: a document without links", _MEND)
        return document

    def _is_wanted(self, identifier: str) -> bool:
        wanted = self.source.collections
        return not wanted or any(fnmatchcase(identifier, pattern) for pattern in wanted)

    def _collection(
        self, document: Any, address: str, seen: set[str]
    ) -> CollectionRecord | Rejected | None:
        identifier = document.get("id") if isinstance(document, dict) else None
        which = identifier if isinstance(identifier, str) else f"a collection in {address}"
        if not self._is_wanted(which) and isinstance(identifier, str):
            return None
        if which in seen:
            return Rejected(which, "id: a collection of this identifier was read already")
        seen.add(which)
        own = link_to(document, address, "self") or address
        try:
            record = collection_record(document, own, self.source.licence)
        except RecordError as error:
            return Rejected(which, str(error))
        items = link_to(document, own, "items", method="GET")
        if not items and "GET" in self._search.get("methods", ()):
            items = with_query(self._search["href"], collections=record.id)
        self._items[record.id] = items
        if not self.source.live:
            return record
        live = {"collection": record.id, "search": self._search}
        return replace(
            record,
            searchable=bool(self._search),
            extra={**record.extra, LIVE: live} if self._search else record.extra,
        )

    def _walked(self, landing: dict[str, Any]) -> Iterator[CollectionRecord | Rejected | Unchanged]:
        """A static catalogue's collections; the address may lead to one of them too."""
        self._static = walk = Walk(self.fetch)
        seen: set[str] = set()
        for found in walk.collections(landing, self._address):
            if isinstance(found, Rejected):
                yield found
                continue
            document, address = found
            record = self._collection(document, address, seen)
            if isinstance(record, CollectionRecord):
                self._items[record.id] = address
                if self.source.live:
                    record = replace(record, searchable=False)
            if record is not None:
                yield record

    def _features(self, document: Any, address: str) -> Iterator[GranuleRecord | Rejected]:
        features = document.get("features") if isinstance(document, dict) else None
        if not isinstance(features, list):
            raise SourceError(f"{address}: no list of features", _MEND)
        for position, feature in enumerate(features):
            identifier = feature.get("id") if isinstance(feature, dict) else None
            which = identifier if isinstance(identifier, str) else f"item {position} of {address}"
            try:
                record = granule_record(feature, link_to(feature, address, "self") or address)
            except RecordError as error:
                yield Rejected(which, str(error))
                continue
            yield record

    def _state(self, identifier: str) -> str:
        """What stays the same as long as no item came, changed or went; "" if that is unknown."""
        search = self._search
        if not search or "sort" not in search["extensions"] or "GET" not in search["methods"]:
            return ""
        query = {"collections": identifier, "sortby": "-properties.updated", "limit": "1"}
        try:
            answer = self.fetch.get(search["href"], params=query, headers=_JSON)
            document = answer.json()
            count = matched(document)
            newest = document["features"][0]
            if newest["collection"] != identifier:  # it does not even filter
                return ""
            updated = newest["properties"]["updated"]
        except (FetchError, LookupError, TypeError):
            return ""
        if count is None or not isinstance(updated, str):
            return ""
        text = json.dumps([count, updated, newest.get("id")])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


_MEND = "Check the source's `url`: it must lead to a landing page or a catalog.json."


def search_of(landing: dict[str, Any], address: str) -> dict[str, Any]:
    """How items are searched: `href`, `methods`, `extensions` that it conforms to."""
    href = link_to(landing, address, "search", method="GET")
    posted = link_to(landing, address, "search", method="POST")
    if not (href or posted):
        return {}
    classes = [one for one in landing.get("conformsTo") or [] if isinstance(one, str)]
    extensions = [
        name
        for name in ("sort", "query", "free-text", "advanced-free-text")
        if any(one.endswith(f"/item-search#{name}") for one in classes)
    ]
    methods = [
        name for name, known in (("GET", href), ("POST", posted == (href or posted))) if known
    ]
    return {"href": href or posted, "methods": methods, "extensions": extensions}


def with_query(address: str, **fields: object) -> str:
    """The address with these query fields, where it has them not."""
    before = urlsplit(address).query
    more = {name: value for name, value in fields.items() if f"{name}=" not in before}
    if not more:
        return address
    return f"{address}{'&' if before else '' if address.endswith('?') else '?'}{urlencode(more)}"
