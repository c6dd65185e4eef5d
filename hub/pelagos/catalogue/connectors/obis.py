"""OBIS, by its API version 3 (api.obis.org): data sets of occurrences of species.

A data set is a collection. What one can order of it are two granules: its Darwin Core archive,
from the publisher's own server, and its occurrences, which the API cuts out. Verified against:
recording (`/dataset`, `/occurrence`); `/statistics/years`, which gives a data set's years, by
documentation only (robis, obis.org/manual/api). EurOBIS' data sets are those of its OBIS node;
its own descriptions of them are read by the connector `dcat`.

The asset `occurrences` says in `pelagos:subset` how it is asked for:

- `protocol`: `obis`; `url`, `parameters`: where, and what every request has;
- `geometry`, `start`, `end`, `depth`: names of the parameters that cut: a WKT polygon, ISO 8601
  dates, and the least and greatest depth in metres;
- `size`, `most`, `after`, `records`, `id`: how to page: at most `most` records with the parameter
  named by `size`, going on with `after` the last record's `id`; the records stand in `records`;
- `columns`: where a record has its longitude, latitude, time and depths.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, ClassVar

from pelagos.catalogue.connectors import rest
from pelagos.catalogue.connectors.base import Connector
from pelagos.catalogue.connectors.places import wkt_box
from pelagos.catalogue.fetch import FetchError
from pelagos.catalogue.markup import plain_text
from pelagos.catalogue.records import (
    TITLE_LIMIT,
    Access,
    Asset,
    CollectionRecord,
    GranuleRecord,
    Interval,
    Link,
    Provider,
    RecordError,
    Rejected,
    Unchanged,
)
from pelagos.catalogue.rights import find_doi, licence
from pelagos.catalogue.values import parse_moment
from pelagos.settings.sources import ObisSource, SourceKind

_EARLIEST = 1600  # a year before it is no year of an observation
_AGAIN = 1  # raised when records are made in another way: what is remembered doesn't count then


class ObisConnector(Connector[ObisSource]):
    """Reads OBIS: see the module."""

    kind: ClassVar[SourceKind] = SourceKind.OBIS

    def collections(self) -> Iterator[CollectionRecord | Rejected | Unchanged]:
        """All data sets, or those of the node."""
        known = self.memory.get("updated", {}) if self.memory.get("made") == _AGAIN else {}
        fresh: dict[str, str] = {}
        paging = rest.Paging(self.source.name)
        total = 1
        while paging.read < total:
            parameters = {"offset": str(paging.read)}
            if self.source.node:
                parameters["nodeid"] = self.source.node
            answer = self.fetch.get(self._address("dataset"), params=parameters)
            document = answer.json()
            found = rest.listed(answer.url, document, "results")
            total = rest.total(answer.url, document, "total")
            if not found:
                break
            for position, record in enumerate(found, start=paging.read + 1):
                yield self._data_set(record, position, paging, known, fresh)
            paging.page(len(found))
        paging.finish(total)
        self.memory.update(made=_AGAIN, updated=fresh)

    def granules(
        self, collection: CollectionRecord
    ) -> Iterator[GranuleRecord | Rejected | Unchanged]:
        """Its archive and its occurrences."""
        for asset in collection.assets:
            yield GranuleRecord(
                id=asset.key,
                title=f"{collection.title}: {asset.title}"[-TITLE_LIMIT:],
                box=collection.boxes[0] if collection.boxes else None,
                start=collection.interval.start if collection.interval else None,
                end=collection.interval.end if collection.interval else None,
                assets=(asset,),
                updated=collection.updated,
            )

    def _address(self, path: str) -> str:
        return f"{self.source.url.rstrip('/')}/{path}"

    def _data_set(
        self,
        record: Any,
        position: int,
        paging: rest.Paging,
        known: dict[str, str],
        fresh: dict[str, str],
    ) -> CollectionRecord | Rejected | Unchanged:
        try:
            identifier = rest.text(record, "id")
            if identifier and not paging.new(identifier):
                raise RecordError("id: another data set has it already")
            updated = rest.text(record, "updated")
            if updated and known.get(identifier) == updated:
                fresh[identifier] = updated
                return Unchanged(identifier)
            made = self._collection(record, identifier)
        except RecordError as error:
            return Rejected(rest.which(record, "id", position), str(error))
        if updated:
            fresh[identifier] = updated
        return made

    def _collection(self, record: rest.Record, identifier: str) -> CollectionRecord:
        terms = rest.text(record, "intellectualrights")
        spdx, licence_text = licence((terms,), self.source.licence)
        extent = rest.text(record, "extent")
        page = rest.web(rest.text(record, "url"))
        citation = plain_text(rest.text(record, "citation"))
        return CollectionRecord(
            id=identifier,
            title=plain_text(rest.text(record, "title"), TITLE_LIMIT),
            description=plain_text(rest.text(record, "abstract")),
            licence=spdx,
            licence_text=licence_text,
            providers=_providers(record),
            keywords=_keywords(record),
            boxes=(wkt_box(extent),) if extent else (),
            interval=self._years(identifier),
            doi=find_doi(rest.text(record, "citation_id")) or find_doi(citation),
            citation=citation,
            assets=tuple(self._assets(record, identifier)),
            links=(Link("about", page, "text/html", "At its publisher"),) if page else (),
            updated=parse_moment(rest.text(record, "updated"), "updated"),
        )

    def _years(self, identifier: str) -> Interval | None:
        """The years of its occurrences; the list of data sets says nothing of time."""
        try:
            answer = self.fetch.get(
                self._address("statistics/years"), params={"datasetid": identifier}
            )
        except FetchError as error:
            if 400 <= error.status < 500:  # it has none
                return None
            raise
        entries = rest.entries({"years": rest.listed(answer.url, answer.json())}, "years")
        found = [rest.count(entry, "year") for entry in entries]
        years = [y for y in found if y is not None and _EARLIEST <= y <= datetime.now(UTC).year]
        if not years:
            return None
        return Interval(
            datetime(min(years), 1, 1, tzinfo=UTC),
            datetime(max(years), 12, 31, 23, 59, 59, tzinfo=UTC),
        )

    def _assets(self, record: rest.Record, identifier: str) -> Iterator[Asset]:
        archive = rest.web(rest.text(record, "archive"))
        if archive:
            yield Asset("archive", archive, "application/zip", "Darwin Core archive")
        occurrences = rest.count(record, "statistics", "Occurrence")
        if occurrences:
            yield Asset(
                key="occurrences",
                href=f"{self._address('occurrence')}?datasetid={identifier}",
                type="application/json",
                title="Occurrences",
                access=Access.SUBSET,
                extra={
                    "pelagos:subset": _subset(self._address("occurrence"), identifier),
                    "pelagos:records": occurrences,
                },
            )


def _subset(address: str, identifier: str) -> dict[str, Any]:
    return {
        "protocol": "obis",
        "url": address,
        "parameters": {"datasetid": identifier},
        "geometry": "geometry",
        "start": "startdate",
        "end": "enddate",
        "depth": ["startdepth", "enddepth"],
        "size": "size",
        "most": 10_000,
        "after": "after",
        "records": "results",
        "id": "id",
        "columns": {
            "longitude": "decimalLongitude",
            "latitude": "decimalLatitude",
            "time": "eventDate",
            "depth": ["minimumDepthInMeters", "maximumDepthInMeters"],
        },
    }


def _providers(record: rest.Record) -> tuple[Provider, ...]:
    """Institutes made it, or else those that its creators belong to; nodes brought it to OBIS."""
    names = [rest.text(entry, "name") for entry in rest.entries(record, "institutes")] or [
        rest.text(entry, "organization")
        for entry in rest.entries(record, "contacts")
        if rest.text(entry, "type") == "creator"
    ]
    nodes = [rest.text(entry, "name") for entry in rest.entries(record, "nodes")]
    roles: dict[str, list[str]] = {}
    for role, group in (("producer", names), ("host", nodes)):
        for name in dict.fromkeys(map(plain_text, group)):
            if name:
                roles.setdefault(name, []).append(role)
    return tuple(Provider(name, tuple(found)) for name, found in roles.items())


def _keywords(record: rest.Record) -> tuple[str, ...]:
    """Words, each by itself; what says only that it is a data set of GBIF is left out."""
    found: dict[str, None] = {}
    for entry in rest.entries(record, "keywords"):
        for word in re.split(r"[,;]", rest.text(entry, "keyword")):
            found.setdefault(plain_text(word))
    return tuple(filter(None, found))
