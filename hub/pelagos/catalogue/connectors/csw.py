"""CSW 2.0.2 (OGC 07-006r1): each ISO record is a collection, its downloads are the granules.

A full listing is made once a week, which notices deletions; between, only records that were
changed since the last run are asked for, where the server can tell.

Verified against: a recorded EMODnet Chemistry record, exception report and Dublin Core answer;
paging, words and the filter by date with a running pycsw 2.6; GeoNetwork by its documentation only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from lxml import etree
from owslib import fes

from pelagos.catalogue.connectors.base import Connector
from pelagos.catalogue.connectors.iso19139 import (
    TAGS,
    collection_of,
    file_granules,
    identifier_of,
    read_iso,
)
from pelagos.catalogue.markup import parse_xml, plain_text
from pelagos.catalogue.records import (
    CollectionRecord,
    GranuleRecord,
    RecordError,
    Rejected,
    Unchanged,
)
from pelagos.errors import SourceError
from pelagos.settings.sources import CswSource, SourceKind

_CSW = "http://www.opengis.net/cat/csw/2.0.2"
_GMD = "http://www.isotc211.org/2005/gmd"
_PAGE = 20  # records; one may have half a megabyte
_FULL_EVERY = timedelta(days=7)
_MARGIN = timedelta(days=1)  # dates of change have no more than a day, and clocks differ
_COMPLETE = 0.9  # of the records that a server counts; it may keep some that it can't write as ISO


class NoRecordsError(SourceError):
    """The server answered, but not with records."""


@dataclass
class _Progress:
    """What has been seen in one listing; `ids` are those that were good."""

    ids: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)
    count: int = 0
    matched: int = 0


class CswConnector(Connector[CswSource]):
    """Reads a CSW by GetRecords, sent by POST, with the records in ISO 19139.

    Memory: `full`, when all was listed last; `since`, when the last run began; `ids`.
    """

    kind = SourceKind.CSW

    def collections(self) -> Iterator[CollectionRecord | Rejected | Unchanged]:
        """All records; those that describe services are rejected, as there is nothing to order."""
        now = datetime.now(UTC)
        since = self._since(now)
        if since is not None:
            try:
                first = self._page(1, since)
            except NoRecordsError:
                since = None  # it does not know this filter
            else:
                yield from self._changes(first, since)
        if since is None:
            progress = _Progress()
            yield from self._listing(self._page(1, None), None, progress)
            self.memory["full"] = now.isoformat()
            self.memory["ids"] = sorted(progress.ids)
        self.memory["since"] = now.isoformat()

    def granules(
        self, collection: CollectionRecord
    ) -> Iterator[GranuleRecord | Rejected | Unchanged]:
        """Its downloads, each with the extent of the collection."""
        yield from file_granules(collection)

    def _since(self, now: datetime) -> datetime | None:
        """From when on changes are enough; None: everything has to be listed."""
        try:
            full = datetime.fromisoformat(self.memory["full"]).astimezone(UTC)
            since = datetime.fromisoformat(self.memory["since"]).astimezone(UTC)
        except (KeyError, OverflowError, TypeError, ValueError):
            return None
        return since - _MARGIN if now - _FULL_EVERY < full <= now else None

    def _changes(
        self, first: etree._Element, since: datetime
    ) -> Iterator[CollectionRecord | Rejected | Unchanged]:
        progress = _Progress()
        yield from self._listing(first, since, progress)
        old = {str(identifier) for identifier in self.memory.get("ids", [])}
        kept = sorted(old - progress.seen)
        if progress.seen:
            yield from map(Unchanged, kept)
        else:
            yield Unchanged()
        self.memory["ids"] = sorted({*kept, *progress.ids})

    def _listing(
        self, results: etree._Element, since: datetime | None, progress: _Progress
    ) -> Iterator[CollectionRecord | Rejected]:
        """All pages from `results` on."""
        start = 1
        while True:
            progress.matched = _number(results, "numberOfRecordsMatched")
            records = list(results)
            before = len(progress.seen)
            for record in records:
                progress.count += 1
                yield self._record(record, progress)
                record.clear()
            if records and start > 1 and len(progress.seen) == before:
                raise NoRecordsError(
                    f"{self.source.url}: page {start} has only records that were there before.",
                    "The server repeats its pages; nothing of this run is kept.",
                )
            following = _number(results, "nextRecord")
            if not records or following == 0 or following > progress.matched:
                break
            # some say the same place again: then it goes on by what was counted
            start = following if following > start else start + len(records)
            if start > progress.matched or progress.count >= self.source.record_limit:
                break
            results = self._page(start, since)
        if progress.count < min(progress.matched * _COMPLETE, self.source.record_limit):
            raise NoRecordsError(
                f"{self.source.url}: the listing ended after {progress.count} of "
                f"{progress.matched} records; nothing of this run is kept."
            )

    def _record(self, element: etree._Element, progress: _Progress) -> CollectionRecord | Rejected:
        is_iso = element.tag in TAGS
        which = identifier_of(element) if is_iso else plain_text(element.findtext("{*}identifier"))
        which = which or f"record {progress.count}"
        twice = which in progress.seen
        progress.seen.add(which)
        if not is_iso:
            return Rejected(which, f"it is {etree.QName(element).localname}, not ISO 19139")
        if twice:
            return Rejected(which, "the listing has it twice")
        try:
            record = read_iso(element, self.source.licence)
            if record.kind == "service":
                return Rejected(which, "it describes a service, not data")
            found = collection_of(record)
        except RecordError as error:
            return Rejected(which, str(error))
        progress.ids.add(found.id)
        return found

    def _page(self, start: int, since: datetime | None) -> etree._Element:
        """csw:SearchResults from record `start` on. Raises NoRecordsError and FetchError."""
        answer = self.fetch.post(
            self.source.url,
            content=get_records(start, self.source.query, since),
            headers={"Content-Type": "application/xml", "Accept": "application/xml"},
        )
        root = parse_xml(answer.content, self.source.url)
        results = root.find(f"{{{_CSW}}}SearchResults")
        if root.tag != f"{{{_CSW}}}GetRecordsResponse" or results is None:
            said = " ".join(
                plain_text("".join(text.itertext()), 300) for text in root.iter("{*}ExceptionText")
            )
            name = etree.QName(root).localname
            raise NoRecordsError(
                f"{self.source.url}: it answered with {name} instead of records"
                + (f": {said[:600]}" if said else "."),
                "Check the address, and `query` of the source.",
            )
        return results


def get_records(start: int, words: str = "", since: datetime | None = None) -> bytes:
    """A GetRecords request for full ISO records, from record `start` on (1 is the first)."""
    root = etree.Element(
        f"{{{_CSW}}}GetRecords",
        {
            "service": "CSW",
            "version": "2.0.2",
            "resultType": "results",
            "outputFormat": "application/xml",
            "outputSchema": _GMD,
            "startPosition": str(start),
            "maxRecords": str(_PAGE),
        },
        nsmap={"csw": _CSW, "dct": "http://purl.org/dc/terms/"},
    )
    query = etree.SubElement(root, f"{{{_CSW}}}Query", {"typeNames": "csw:Record"})
    etree.SubElement(query, f"{{{_CSW}}}ElementSetName").text = "full"
    conditions: list[fes.OgcExpression] = []
    if words:
        conditions.append(fes.PropertyIsLike("csw:AnyText", f"%{words}%"))
    if since is not None:
        conditions.append(
            fes.PropertyIsGreaterThanOrEqualTo("dct:modified", since.strftime("%Y-%m-%dT%H:%M:%SZ"))
        )
    if conditions:
        constraint = etree.SubElement(query, f"{{{_CSW}}}Constraint", {"version": "1.1.0"})
        both = fes.And(conditions) if len(conditions) > 1 else conditions[0]
        constraint.append(fes.FilterRequest().setConstraint(both))
    content: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8")
    return content


def _number(results: etree._Element, name: str) -> int:
    text = results.get(name, "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
