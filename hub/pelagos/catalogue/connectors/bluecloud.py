"""Blue-Cloud's data discovery service, level 1: what its infrastructures have, as collections.

The address gives a list of addresses (`{"urls": […]}`), each of which gives one record. Verified
against: recording (a record); the list by documentation only. Its second step wants a token and
gives no addresses of files, so only the collections are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from pelagos.catalogue.connectors import rest
from pelagos.catalogue.connectors.base import Connector
from pelagos.catalogue.fetch import FetchError
from pelagos.catalogue.markup import plain_text
from pelagos.catalogue.records import (
    TITLE_LIMIT,
    Box,
    CollectionRecord,
    GranuleRecord,
    Link,
    Parameter,
    Provider,
    RecordError,
    Rejected,
    Unchanged,
)
from pelagos.catalogue.rights import licence
from pelagos.catalogue.values import parse_box, parse_interval, parse_moment
from pelagos.settings.sources import BlueCloudSource, SourceKind

_SIDES = ("West", "South", "East", "North")


class BlueCloudConnector(Connector[BlueCloudSource]):
    """Reads Blue-Cloud's level 1: see the module."""

    kind: ClassVar[SourceKind] = SourceKind.BLUECLOUD

    def collections(self) -> Iterator[CollectionRecord | Rejected | Unchanged]:
        """All records that the list leads to."""
        paging = rest.Paging(self.source.name)
        addresses = rest.listed(self.source.url, self.fetch.get(self.source.url).json(), "urls")
        for position, address in enumerate(addresses, start=1):
            name = address[:200] if isinstance(address, str) else f"address {position}"
            try:
                if not isinstance(address, str) or not rest.web(address):
                    raise RecordError("urls: no address of a record")
                record = self._collection(self.fetch.get(address, limit=2**22).json())
                if not paging.new(record.id):
                    raise RecordError("Identifier: another record has it already")
                yield record
            except RecordError as error:
                yield Rejected(name, str(error))
            except FetchError as error:
                if error.status >= 500 or error.again:  # the service, not this record
                    raise
                yield Rejected(name, str(error))

    def granules(
        self, collection: CollectionRecord
    ) -> Iterator[GranuleRecord | Rejected | Unchanged]:
        """None: see the module."""
        yield from ()

    def _collection(self, record: rest.Record) -> CollectionRecord:
        spdx, licence_text = licence((), self.source.licence)
        page = rest.web(rest.text(record, "OnlineResourceUrl"))
        source = plain_text(rest.text(record, "Source"))
        names = [*map(plain_text, rest.texts(record, "Organisations"))]
        providers = [Provider(name, ("producer",)) for name in names]
        if source and source not in names:
            providers.append(Provider(source, ("host",)))
        return CollectionRecord(
            id=rest.text(record, "Identifier"),
            title=plain_text(rest.text(record, "Title"), TITLE_LIMIT),
            description=plain_text(rest.text(record, "Abstract")),
            licence=spdx,
            licence_text=licence_text,
            providers=tuple(providers),
            keywords=tuple(map(plain_text, rest.texts(record, "Keywords"))),
            parameters=tuple(
                Parameter(plain_text(name)) for name in rest.texts(record, "Parameters")
            ),
            platforms=tuple(map(plain_text, rest.texts(record, "Platforms"))),
            instruments=tuple(map(plain_text, rest.texts(record, "Instruments"))),
            boxes=_boxes(record),
            interval=parse_interval(
                rest.text(record, "Temporal_Extent_Begin"), rest.text(record, "Temporal_Extent_End")
            ),
            links=(Link("about", page, "text/html", "In Blue-Cloud"),) if page else (),
            updated=parse_moment(rest.text(record, "Last_Update"), "Last_Update"),
            searchable=False,
        )


def _boxes(record: rest.Record) -> tuple[Box, ...]:
    sides = [
        rest.number(
            record, f"Bounding_Box_{side}{'Longitude' if side in ('West', 'East') else 'Latitude'}"
        )
        for side in _SIDES
    ]
    west, south, east, north = sides
    if west is None or south is None or east is None or north is None:
        if sides != [None] * 4:
            raise RecordError("Bounding_Box: one of its sides is missing")
        return ()
    return (parse_box(west, south, east, north, "Bounding_Box"),)
