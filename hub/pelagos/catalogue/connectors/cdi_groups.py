"""CDI records by data set or data centre, kept on disk until they are asked for.

A collection's extent is known only when all its records have been read, and there may be millions:
so the granules wait in a temporary database, and only what becomes the collection is in memory.
"""

from __future__ import annotations

import pickle
import sqlite3
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lxml import etree

from pelagos.catalogue.connectors.iso19139 import IsoRecord
from pelagos.catalogue.geometry import geometry_of, hull
from pelagos.catalogue.markup import plain_text
from pelagos.catalogue.records import (
    TITLE_LIMIT,
    Box,
    CollectionRecord,
    GranuleRecord,
    Interval,
    Parameter,
    Provider,
    Rejected,
    identify,
)

_SDN = "{http://www.seadatanet.org}"
_MOST = 300  # keywords, organisations, licences of one collection
_EDMED = f"{{*}}identificationInfo/*/{{*}}aggregationInfo//{_SDN}SDN_EDMEDCode"
_CENTRES = ("{*}identificationInfo/*/{*}pointOfContact", "{*}contact")


@dataclass(frozen=True)
class Group:
    """What a record belongs to."""

    id: str
    title: str


def group_of(element: etree._Element) -> Group:
    """The data set of a record, else its data centre."""
    data_set = element.find(_EDMED)
    if data_set is not None and data_set.get("codeListValue"):
        code = data_set.get("codeListValue")
        return Group(f"edmed-{code}", plain_text(data_set.text, TITLE_LIMIT) or f"EDMED {code}")
    for path in _CENTRES:
        centre = element.find(f"{path}//{{*}}organisationName/*")
        name = plain_text(centre.text, 300) if centre is not None else ""
        if centre is not None and (name or centre.get("codeListValue")):
            code = centre.get("codeListValue")
            name = name or f"EDMO {code}"
            return Group(f"edmo-{code}" if code else f"centre-{name}", f"Data held by {name}")
    return Group("centre-unknown", "Data of a centre that is not named")


@dataclass
class _Collected:
    """One collection, as far as it has been read. Dictionaries are ordered sets."""

    title: str
    count: int = 0
    providers: dict[str, Provider] = field(default_factory=dict)
    keywords: dict[str, None] = field(default_factory=dict)
    parameters: dict[Parameter, None] = field(default_factory=dict)
    platforms: dict[str, None] = field(default_factory=dict)
    instruments: dict[str, None] = field(default_factory=dict)
    licences: dict[tuple[str, str], None] = field(default_factory=dict)
    box: Box | None = None
    interval: Interval | None = None
    depth: tuple[float, float] | None = None
    updated: datetime | None = None

    def add(self, record: IsoRecord) -> None:
        self.count += 1
        for values, new in (
            (self.keywords, record.keywords),
            (self.parameters, record.parameters),
            (self.platforms, record.platforms),
            (self.instruments, record.instruments),
            (self.licences, ((record.licence, record.licence_text),)),
        ):
            _extend(values, new)
        for provider in record.providers:
            if len(self.providers) < _MOST:
                self.providers.setdefault(provider.name, provider)
        if record.boxes:
            self.box = hull([*record.boxes, self.box] if self.box else record.boxes)
        self.interval = _around(self.interval, record.interval)
        if record.depth:
            ends = (*record.depth, *(self.depth or ()))
            self.depth = (min(ends), max(ends))
        self.updated = max(filter(None, (self.updated, record.updated)), default=None)

    def record(self, identifier: str) -> CollectionRecord:
        licences = list(self.licences)
        return CollectionRecord(
            id=identifier,
            title=self.title,
            description=f"{self.count} records of the Common Data Index (CDI).",
            licence=licences[0][0] if len({spdx for spdx, _ in licences}) == 1 else "other",
            licence_text=plain_text("; ".join(text for _, text in licences if text), 2_000),
            providers=tuple(self.providers.values()),
            keywords=tuple(self.keywords),
            parameters=tuple(self.parameters),
            platforms=tuple(self.platforms),
            instruments=tuple(self.instruments),
            boxes=(self.box,) if self.box else (),
            interval=self.interval,
            depth=self.depth,
            updated=self.updated,
        )


class Groups:
    """Records by group. `found`: how many were seen; `count`: how many are kept."""

    def __init__(self) -> None:
        self.found = 0
        self.count = 0
        self._collected: dict[str, _Collected] = {}
        # a temporary file that nobody else sees, closed wherever this is collected
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        weakref.finalize(self, self._database.close)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute(
            "CREATE TABLE granule (collection TEXT, id TEXT, record BLOB,"
            " PRIMARY KEY (collection, id)) WITHOUT ROWID"
        )

    def add(self, group: Group, record: IsoRecord) -> Rejected | None:
        """Keep a record; the reason if it can't be. Raises RecordError."""
        granule = granule_of(record)
        identifier = identify(group.id)
        added = self._database.execute(
            "INSERT OR IGNORE INTO granule VALUES (?, ?, ?)",
            (identifier, granule.id, pickle.dumps(granule)),
        )
        if added.rowcount == 0:
            return Rejected(granule.id, f"{group.title} has it twice")
        self.count += 1
        self._collected.setdefault(identifier, _Collected(group.title)).add(record)
        return None

    def collections(self) -> Iterator[CollectionRecord]:
        """All groups, when all records were added."""
        for identifier, collected in self._collected.items():
            yield collected.record(identifier)

    def has(self, collection: str) -> bool:
        """Whether it is one of these groups."""
        return collection in self._collected

    def granules(self, collection: str) -> Iterator[GranuleRecord]:
        """The records of a group."""
        for (record,) in self._database.execute(
            "SELECT record FROM granule WHERE collection = ? ORDER BY id", (collection,)
        ):
            granule: GranuleRecord = pickle.loads(record)  # noqa: S301 (written above)
            yield granule


def granule_of(record: IsoRecord) -> GranuleRecord:
    """A CDI record as a granule. Raises RecordError."""
    interval = record.interval
    return GranuleRecord(
        id=record.id,
        title=record.title,
        box=hull(record.boxes) if record.boxes else None,
        geometry=_geometry(record.boxes),
        start=interval.start if interval else None,
        end=interval.end if interval else None,
        depth=record.depth,
        platform=next(iter(record.platforms), ""),
        instruments=record.instruments,
        parameters=record.parameters,
        words=record.keywords[:50],
        assets=record.assets,
        links=record.links,
        updated=record.updated,
    )


def _geometry(boxes: tuple[Box, ...]) -> dict[str, Any] | None:
    """Of several boxes, which say more than the one around them; of one kind only."""
    shapes = [geometry_of(box) for box in boxes]
    kinds = {shape["type"] for shape in shapes}
    if len(shapes) < 2:
        return None
    if kinds == {"Point"}:
        return {"type": "MultiPoint", "coordinates": [shape["coordinates"] for shape in shapes]}
    if "Point" in kinds:
        return None
    parts: list[Any] = []
    for shape in shapes:
        polygons = shape["coordinates"]
        parts += polygons if shape["type"] == "MultiPolygon" else [polygons]
    return {"type": "MultiPolygon", "coordinates": parts}


def _extend(values: dict[Any, None], new: tuple[Any, ...]) -> None:
    for value in new:
        if len(values) >= _MOST:
            return
        values[value] = None


def _around(one: Interval | None, other: Interval | None) -> Interval | None:
    if one is None or other is None:
        return one or other
    start = min(one.start, other.start) if one.start and other.start else None
    end = max(one.end, other.end) if one.end and other.end else None
    return Interval(start, end) if start or end else one
