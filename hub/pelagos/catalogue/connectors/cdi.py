"""SeaDataNet's Common Data Index (CDI): ISO 19139 records with SeaDataNet's own elements.

Its aggregation comes in two shapes. A list of addresses (`cdiUrl`), each of one aggregated record
(a discipline, a data centre, a kind of geometry): these are collections, and what can be ordered of
each is its granule. Or a document with the records themselves: these are granules, in collections
by EDMED data set or, without one, by data centre (EDMO). Either way the data are ordered, unless
a record names a file.

Verified against: recorded records of both kinds; the list of addresses by published use only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lxml import etree

from pelagos.catalogue.connectors.base import Connector
from pelagos.catalogue.connectors.cdi_groups import Groups, group_of
from pelagos.catalogue.connectors.iso19139 import (
    TAGS,
    collection_of,
    file_granules,
    identifier_of,
    read_iso,
)
from pelagos.catalogue.fetch import Fetcher, FetchError
from pelagos.catalogue.markup import MarkupError, iterate_xml, parse_xml
from pelagos.catalogue.records import (
    CollectionRecord,
    GranuleRecord,
    RecordError,
    Rejected,
    Unchanged,
)
from pelagos.errors import SourceError
from pelagos.settings.sources import CdiSource, SourceKind

_ADDRESS = "{*}cdiUrl"
_ADDRESSES = 100_000
_FAILURES = 3  # in a row: the server is at fault, not the records
_GONE = (404, 410)


class CdiConnector(Connector[CdiSource]):
    """Reads an aggregation, streamed.

    Memory: `answer`, the validators of a document of records; or `records`, for each address its
    validators and the `id` of its collection.
    """

    kind = SourceKind.CDI

    def __init__(
        self, source: CdiSource, fetcher: Fetcher, memory: dict[str, Any] | None = None
    ) -> None:
        super().__init__(source, fetcher, memory)
        self._groups: Groups | None = None

    def collections(self) -> Iterator[CollectionRecord | Rejected | Unchanged]:
        """All data sets; for a document of records it is read to its end before the first."""
        # the list of addresses may be as it was while a record behind it is not
        known = None if "records" in self.memory else dict(self.memory.get("answer", {}))
        groups = Groups()
        addresses: dict[str, None] = {}
        with self.fetch.stream(self.source.url, known=known) as pieces:
            if pieces is None:
                yield Unchanged()
                return
            for element in iterate_xml(pieces, [*TAGS, _ADDRESS], self.source.url):
                if element.tag not in TAGS:
                    addresses[(element.text or "").strip()] = None
                elif rejected := self._keep(element, groups):
                    yield rejected
                if max(groups.count, len(addresses)) >= min(self.source.record_limit, _ADDRESSES):
                    break
        if groups.found == 0 and not addresses:
            raise SourceError(
                f"{self.source.url}: XML with no ISO 19139 record and no cdiUrl in it.",
                "Check that the address is that of a CDI aggregation.",
            )
        self._groups = groups
        yield from groups.collections()
        yield from self._aggregated(addresses)
        self.memory.pop("answer", None)
        if known and not addresses:
            self.memory["answer"] = known

    def granules(
        self, collection: CollectionRecord
    ) -> Iterator[GranuleRecord | Rejected | Unchanged]:
        """Its records, or what can be ordered of an aggregated one."""
        if self._groups is not None and self._groups.has(collection.id):
            yield from self._groups.granules(collection.id)
        else:
            yield from file_granules(collection)

    def _keep(self, element: etree._Element, groups: Groups) -> Rejected | None:
        groups.found += 1
        which = identifier_of(element) or f"record {groups.found}"
        reason = _no_data(element)
        if reason:
            return Rejected(which, reason)
        try:
            group = group_of(element)
            return groups.add(group, read_iso(element, self.source.licence))
        except RecordError as error:
            return Rejected(which, str(error))

    def _aggregated(
        self, addresses: dict[str, None]
    ) -> Iterator[CollectionRecord | Rejected | Unchanged]:
        """One collection from each address; those that can't be reached now stay as they were."""
        if not addresses:
            self.memory.pop("records", None)
            return
        before = self.memory.get("records", {})
        after: dict[str, dict[str, str]] = {}
        seen: set[str] = set()
        failures = 0
        for address in addresses:
            entry = dict(before.get(address, {}))
            try:
                found = self._record(address, entry)
            except FetchError as error:
                failures = 0 if error.status in _GONE else failures + 1
                if failures >= _FAILURES:
                    raise
                yield Rejected(address, str(error))
                if error.status not in _GONE and entry.get("id"):
                    yield Unchanged(entry["id"])
                    seen.add(entry["id"])
                    after[address] = entry
                continue
            failures = 0
            if isinstance(found, CollectionRecord):
                entry["id"] = found.id
            if isinstance(found, Rejected) or entry["id"] in seen:
                yield (
                    found
                    if isinstance(found, Rejected)
                    else Rejected(address, f"{entry['id']} came from another address already")
                )
                continue
            seen.add(entry["id"])
            after[address] = entry
            yield found
        self.memory["records"] = after

    def _record(
        self, address: str, entry: dict[str, str]
    ) -> CollectionRecord | Rejected | Unchanged:
        """What stands at an address. `entry` is brought up to date. Raises FetchError."""
        answer = self.fetch.get(address, known=entry)
        if answer.unchanged and entry.get("id"):
            return Unchanged(entry["id"])
        try:
            element = parse_xml(answer.content, address)
            if element.tag not in TAGS:
                return Rejected(address, f"it is {etree.QName(element).localname}, not ISO 19139")
            reason = _no_data(element)
            return (
                Rejected(address, reason)
                if reason
                else collection_of(read_iso(element, self.source.licence))
            )
        except (MarkupError, RecordError) as error:
            return Rejected(address, str(error))


def _no_data(element: etree._Element) -> str:
    """Why it is no record of data; "" if it is. SeaDataNet's cruise reports look the same."""
    level = element.find("{*}hierarchyLevelName/*")
    if level is not None and level.get("codeListValue", "").startswith("CSR"):
        return "it is a cruise summary report (CSR), not data"
    return ""
