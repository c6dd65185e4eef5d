"""The ICOS Carbon Portal: data objects, by SPARQL, and each by its own description in JSON.

An object specification ("ICOS OTC FOS Release") is a collection, a data object a granule. SPARQL
(W3C REC 2013-03-21, POST, results as JSON, pages by LIMIT and OFFSET) lists the newest versions
above level 0; `OBJECT/FILE.json` describes one object. Verified against: recording (an object's
description); the queries by documentation only (the portal's own clients; ontology cpmeta). A
specification whose list is as it was, and whose objects were all kept, is unchanged: objects never
change.

The portal gives a file only to who has accepted its licence: the asset's `pelagos:licence` holds
the address that sets the cookie which stands for that (`accept`), and the terms (`page`).
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import quote

from pelagos.catalogue.connectors import icos_object, rest
from pelagos.catalogue.connectors.base import Connector
from pelagos.catalogue.fetch import Fetcher, FetchError
from pelagos.catalogue.geometry import hull
from pelagos.catalogue.markup import plain_text
from pelagos.catalogue.records import (
    TITLE_LIMIT,
    Box,
    CollectionRecord,
    GranuleRecord,
    Interval,
    Link,
    RecordError,
    Rejected,
    Unchanged,
)
from pelagos.catalogue.rights import licence
from pelagos.catalogue.values import parse_interval, parse_moment
from pelagos.settings.sources import IcosSource, SourceKind

_PAGE = 1000  # rows in one answer
_MOST_BOXES = 1000  # that are held to find the box around them
_DESCRIPTION_LIMIT = 16 * 2**20  # bytes: a ship's track is long
_AGAIN = 1  # raised when records are made in another way: what is remembered doesn't count then

_PREFIXES = """prefix cpmeta: <http://meta.icos-cp.eu/ontologies/cpmeta/>
prefix prov: <http://www.w3.org/ns/prov#>
prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#>
prefix xsd: <http://www.w3.org/2001/XMLSchema#>
"""
_SPECIFICATIONS = """select distinct ?spec ?label where {{
  {of}
  ?spec cpmeta:hasDataLevel ?level ; rdfs:label ?label .
  FILTER(?level > 0)
  FILTER NOT EXISTS {{
    ?spec cpmeta:hasAssociatedProject/cpmeta:hasHideFromSearchPolicy "true"^^xsd:boolean
  }}
}} order by ?spec"""
_OF = """{{ ?spec cpmeta:hasAssociatedProject <{iri}> }}
  UNION {{ ?spec cpmeta:hasDataTheme <{iri}> }}"""
_OBJECTS = """select ?dobj ?fileName ?submTime ?timeStart ?timeEnd ?lat ?lon ?coverage where {{
  ?dobj cpmeta:hasObjectSpec <{spec}> ;
    cpmeta:hasSizeInBytes ?size ;
    cpmeta:hasName ?fileName ;
    cpmeta:wasSubmittedBy/prov:endedAtTime ?submTime .
  FILTER NOT EXISTS {{ [] cpmeta:isNextVersionOf ?dobj }}
  OPTIONAL {{ ?dobj cpmeta:hasStartTime | (cpmeta:wasAcquiredBy/prov:startedAtTime) ?timeStart }}
  OPTIONAL {{ ?dobj cpmeta:hasEndTime | (cpmeta:wasAcquiredBy/prov:endedAtTime) ?timeEnd }}
  OPTIONAL {{
    ?dobj cpmeta:wasAcquiredBy/prov:wasAssociatedWith ?station .
    ?station cpmeta:hasLatitude ?lat ; cpmeta:hasLongitude ?lon
  }}
  OPTIONAL {{ ?dobj cpmeta:hasSpatialCoverage/cpmeta:asGeoJSON ?coverage }}
}} order by ?dobj"""

Row = dict[str, str]


class IcosConnector(Connector[IcosSource]):
    """Reads the ICOS Carbon Portal: see the module."""

    kind: ClassVar[SourceKind] = SourceKind.ICOS

    def __init__(
        self, source: IcosSource, fetcher: Fetcher, memory: dict[str, Any] | None = None
    ) -> None:
        super().__init__(source, fetcher, memory)
        self._incomplete: set[str] = set()  # specifications with objects that were rejected

    def collections(self) -> Iterator[CollectionRecord | Rejected | Unchanged]:
        """All specifications that have objects."""
        known = self.memory.get("lists", {}) if self.memory.get("made") == _AGAIN else {}
        fresh: dict[str, str] = {}
        iri = self.source.project
        query = _SPECIFICATIONS.format(of=_OF.format(iri=_checked(iri)) if iri else "")
        for position, row in enumerate(self._rows(query, "spec"), start=1):
            spec, label = row.get("spec", ""), row.get("label", "")
            try:
                summary = self._summary(_checked(spec))
                if not summary.objects:
                    continue
                identifier = _tail(spec)
                if known.get(identifier) == summary.digest:
                    yield Unchanged(identifier)
                else:
                    yield self._collection(identifier, spec, label, summary)
                fresh[identifier] = summary.digest
            except RecordError as error:
                yield Rejected(spec[:200] or f"specification {position}", str(error))
        lists = {name: fresh[name] for name in fresh if name not in self._incomplete}
        self.memory.update(made=_AGAIN, lists=lists)

    def granules(
        self, collection: CollectionRecord
    ) -> Iterator[GranuleRecord | Rejected | Unchanged]:
        """All objects of a specification."""
        spec = collection.extra["icos:specification"]
        for position, row in enumerate(self._rows(_OBJECTS.format(spec=spec), "dobj"), start=1):
            try:
                yield icos_object.granule(self._description(row), _tail(row.get("dobj", "")))
            except RecordError as error:
                self._incomplete.add(collection.id)  # it may be better next time
                self.memory.get("lists", {}).pop(collection.id, None)
                yield Rejected(row.get("dobj", "")[:200] or f"object {position}", str(error))

    def _rows(self, query: str, key: str) -> Iterator[Row]:
        """All rows of a query, page by page; of several about one thing, the first."""
        paging = rest.Paging(self.source.name)
        while True:
            page = f"{_PREFIXES}{query}\nlimit {_PAGE} offset {paging.read}"
            answer = self.fetch.post(
                self.source.url,
                content=page.encode(),
                headers={
                    "Content-Type": "application/sparql-query",
                    "Accept": "application/sparql-results+json",
                },
            )
            found = rest.listed(answer.url, answer.json(), "results", "bindings")
            for binding in found:
                try:
                    row = {name: rest.text(binding, name, "value") for name in binding}
                except (RecordError, TypeError) as error:
                    raise rest.strange(answer.url, str(error)) from error
                if paging.new(row.get(key, "")):
                    yield row
            paging.page(len(found))
            if len(found) < _PAGE:
                return

    def _summary(self, spec: str) -> _Summary:
        summary = _Summary()
        for row in self._rows(_OBJECTS.format(spec=spec), "dobj"):
            summary.add(row)
        return summary

    def _description(self, row: Row) -> rest.Record:
        """What the portal says of one object. Raises RecordError if it says nothing."""
        address = f"{row.get('dobj', '')}/{quote(row.get('fileName', ''), safe='')}.json"
        try:
            found = self.fetch.get(address, limit=_DESCRIPTION_LIMIT).json()
        except FetchError as error:
            if error.status >= 500 or error.again:  # the service, not this object
                raise
            raise RecordError(str(error)) from error
        if not isinstance(found, dict):
            raise RecordError("its description is no object")
        return found

    def _collection(
        self, identifier: str, spec: str, label: str, summary: _Summary
    ) -> CollectionRecord:
        example = icos_object.Example({})
        with contextlib.suppress(RecordError):  # it is reported as a granule
            example = icos_object.Example(self._description(summary.first))
        spdx, licence_text = licence((example.licence,), self.source.licence)
        return CollectionRecord(
            id=identifier,
            title=plain_text(label or identifier, TITLE_LIMIT),
            description=example.about,
            licence=spdx,
            licence_text=licence_text,
            providers=example.providers,
            keywords=example.keywords,
            parameters=example.parameters,
            boxes=(hull(summary.boxes),) if summary.boxes else (),
            interval=summary.interval,
            links=(Link("about", spec, title=label),),
            updated=parse_moment(summary.last),
            extra={"icos:specification": spec},
        )


@dataclass
class _Summary:
    """What the list of a specification's objects tells, without holding it."""

    objects: int = 0
    first: Row = field(default_factory=dict)
    last: str = ""
    start: datetime | None = None
    end: datetime | None = None
    boxes: list[Box] = field(default_factory=list)
    _hash: Any = field(default_factory=hashlib.sha256)

    def add(self, row: Row) -> None:
        """One more object."""
        self.objects += 1
        self.first = self.first or row
        self.last = max(self.last, row.get("submTime", ""))
        self._hash.update(f"{row.get('dobj')} {row.get('submTime')}\n".encode())
        try:
            interval = parse_interval(row.get("timeStart"), row.get("timeEnd"))
        except RecordError:  # reported as a granule
            interval = None
        if interval is not None:
            self.start = min(filter(None, (self.start, interval.start)), default=None)
            self.end = max(filter(None, (self.end, interval.end)), default=None)
        box = icos_object.listed_box(row)
        if box is not None:
            self.boxes.append(box)
        if len(self.boxes) > _MOST_BOXES:
            self.boxes = [hull(self.boxes)]

    @property
    def digest(self) -> str:
        """Changes with the list."""
        return str(self._hash.hexdigest())

    @property
    def interval(self) -> Interval | None:
        """From the first start to the last end."""
        if self.start is None and self.end is None:
            return None
        return Interval(self.start, self.end)


def _checked(iri: str) -> str:
    """An address that may stand in a query. Raises RecordError."""
    if not rest.web(iri):
        raise RecordError(f"{iri[:80]!r} is no address")
    return iri


def _tail(iri: str) -> str:
    return iri.rstrip("/").rsplit("/", 1)[-1]
