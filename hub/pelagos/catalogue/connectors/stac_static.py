"""Walks a static STAC catalogue: documents that lead to each other by `child` and `item` links."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urldefrag, urljoin

from pelagos.catalogue.connectors.stac_pages import links
from pelagos.catalogue.fetch import FetchError
from pelagos.catalogue.records import GranuleRecord, RecordError, Rejected

if TYPE_CHECKING:
    from pelagos.catalogue.fetch import Fetcher

DEPTH = 12  # of catalogues in catalogues
DOCUMENTS = 100_000  # catalogues and collections
_LIMIT = 16 * 2**20  # bytes of one document


class Walk:
    """Goes through a catalogue depth first, and to no document twice."""

    def __init__(self, fetch: Fetcher) -> None:
        self._fetch = fetch

    def collections(
        self, root: dict[str, Any], address: str
    ) -> Iterator[tuple[dict[str, Any], str] | Rejected]:
        """Every collection with its address, those within collections too."""
        for found in self._documents(root, address, into_collections=True):
            if isinstance(found, Rejected) or found[0].get("type") == "Collection":
                yield found

    def items(
        self, address: str, read: Callable[[Any, str], GranuleRecord]
    ) -> Iterator[GranuleRecord | Rejected]:
        """The items of the collection at `address`, those of the catalogues in it too."""
        root = self._document(address)
        if isinstance(root, Rejected):
            yield root
            return
        seen: set[str] = set()
        for found in self._documents(root, address, into_collections=False):
            if isinstance(found, Rejected):
                yield found
                continue
            for target in _targets(*found, "item"):
                if target in seen:
                    yield Rejected(target, "its item link leads to an item that was read already")
                    continue
                seen.add(target)
                document = self._document(target)
                if isinstance(document, Rejected):
                    yield document
                    continue
                try:
                    yield read(document, target)
                except RecordError as error:
                    yield Rejected(target, str(error))

    def _documents(
        self, root: dict[str, Any], address: str, *, into_collections: bool
    ) -> Iterator[tuple[dict[str, Any], str] | Rejected]:
        """The root and what its child links lead to."""
        seen = {urldefrag(address).url}
        yield root, address
        waiting = [(target, 1) for target in reversed(_targets(root, address, "child"))]
        while waiting:
            target, depth = waiting.pop()
            if target in seen:
                yield Rejected(target, "its child link leads to a document that was read already")
                continue
            if depth > DEPTH or len(seen) >= DOCUMENTS:
                yield Rejected(target, f"deeper than {DEPTH}, or after {DOCUMENTS} documents")
                continue
            seen.add(target)
            document = self._document(target)
            if isinstance(document, Rejected):
                yield document
                continue
            if document.get("type") == "Collection" and not into_collections:
                continue
            yield document, target
            children = _targets(document, target, "child")
            waiting += [(child, depth + 1) for child in reversed(children)]

    def _document(self, address: str) -> dict[str, Any] | Rejected:
        """A document, or why it can't be read. Raises FetchError if the server is away."""
        try:
            document = self._fetch.get(address, limit=_LIMIT).json()
        except FetchError as error:
            if error.again or error.status >= 500 or error.status == 429:
                raise  # what it leads to would count as gone
            return Rejected(address, str(error))
        if not isinstance(document, dict):
            return Rejected(address, "not a STAC document")
        return document


def _targets(document: dict[str, Any], address: str, relation: str) -> list[str]:
    return [
        urldefrag(urljoin(address, link["href"])).url
        for link in links(document)
        if link["rel"] == relation
    ]
