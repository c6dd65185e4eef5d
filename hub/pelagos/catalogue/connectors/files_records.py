"""From what files say, and what their description says, to records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from pelagos.catalogue.described import DescribedCollection
from pelagos.catalogue.folders import Entry
from pelagos.catalogue.formats.summary import Summary
from pelagos.catalogue.geometry import hull
from pelagos.catalogue.markup import plain_text
from pelagos.catalogue.records import (
    Asset,
    Box,
    CollectionRecord,
    GranuleRecord,
    Interval,
    Link,
    Parameter,
    Provider,
)
from pelagos.catalogue.rights import licence
from pelagos.settings.sources import FilesSource

_MOST = 500  # of parameters, platforms, keywords of one collection
_MANY = ("parameters", "platforms", "instruments", "keywords", "providers")
_ONE = ("title", "description", "licence", "doi", "citation")


def cleaned(summary: Summary) -> Summary:
    """The same, its texts without markup: they come from files of strangers."""
    return replace(
        summary,
        title=plain_text(summary.title, 300),
        description=plain_text(summary.description, 20_000),
        licence=plain_text(summary.licence, 5_000),
        citation=plain_text(summary.citation, 2_000),
        feature_type=plain_text(summary.feature_type, 40),
        keywords=_plain(summary.keywords),
        platforms=_plain(summary.platforms),
        instruments=_plain(summary.instruments),
        words=_plain(summary.words),
        providers=tuple(replace(one, name=plain_text(one.name, 300)) for one in summary.providers),
        parameters=tuple(
            replace(one, name=plain_text(one.name, 200), units=plain_text(one.units, 100))
            for one in summary.parameters
        ),
    )


def _plain(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, (plain_text(text, 200) for text in texts))))


class Gathered:
    """What the files of one collection have in common, and all together."""

    def __init__(self) -> None:
        self._box: Box | None = None
        self._times: list[datetime] = []
        self._depths: list[float] = []
        self._many: dict[str, dict[object, None]] = {}
        self._one: dict[str, str | None] = {}

    def add(self, summary: Summary) -> None:
        """Take one file in."""
        if summary.box:
            box = Box(*summary.box)
            self._box = hull([self._box, box]) if self._box else box
        for text in (summary.start, summary.end):
            if text:
                moment = datetime.fromisoformat(text)
                self._times = [min([*self._times, moment]), max([*self._times, moment])]
        if summary.depth:
            ends = [*self._depths, *summary.depth]
            self._depths = [min(ends), max(ends)]
        for name in _MANY:
            found = self._many.setdefault(name, {})
            for value in getattr(summary, name):
                if len(found) < _MOST:
                    found[value] = None
        for name in _ONE:
            value = getattr(summary, name)
            # None: they differ
            self._one[name] = value if self._one.get(name, value) == value else None

    def summary(self) -> Summary:
        """All of them as one: what differs is left out."""
        box = self._box
        many: dict[str, Any] = {name: tuple(self._many.get(name, ())) for name in _MANY}
        one: dict[str, Any] = {name: self._one.get(name) or "" for name in _ONE}
        return Summary(
            "",
            box=(box.west, box.south, box.east, box.north) if box else None,
            start=self._times[0].isoformat() if self._times else "",
            end=self._times[1].isoformat() if self._times else "",
            depth=(self._depths[0], self._depths[1]) if self._depths else None,
            **many,
            **one,
        )


def collection_record(
    source: FilesSource,
    identifier: str,
    described: DescribedCollection | None,
    entries: Sequence[Entry],
    summary: Summary,
) -> CollectionRecord:
    """The collection of some files, as described, else as they say together. Raises RecordError."""
    folder = entries[0].folder
    name = folder.rpartition("/")[2] or source.title or source.name
    spdx, terms = licence((summary.licence,), source.licence)
    start, end = _moment(summary.start), _moment(summary.end)
    record = CollectionRecord(
        id=identifier,
        title=summary.title or plain_text(name, 300) or identifier,
        description=summary.description or _counted(len(entries), folder),
        licence=spdx,
        licence_text=terms,
        providers=summary.providers,
        keywords=summary.keywords,
        parameters=summary.parameters,
        platforms=summary.platforms,
        instruments=summary.instruments,
        boxes=(Box(*summary.box),) if summary.box else (),
        interval=Interval(start, end) if start else None,
        depth=summary.depth,
        doi=summary.doi,
        citation=summary.citation,
    )
    return _as_described(record, described) if described else record


def _counted(count: int, folder: str) -> str:
    where = f"the folder {folder}" if folder else "the folder"
    return f"{count} {'file' if count == 1 else 'files'} of {where}."


def _as_described(record: CollectionRecord, described: DescribedCollection) -> CollectionRecord:
    interval = record.interval
    if described.start or described.end:
        interval = Interval(
            described.start or (interval.start if interval else None),
            described.end or (interval.end if interval else None),
        )
    links = [Link(one.rel, str(one.href), title=one.title) for one in described.links]
    if described.licence_url:
        links.append(Link("license", str(described.licence_url), title="Licence"))
    providers = tuple(
        Provider(one.name, tuple(one.roles), str(one.url or "")) for one in described.providers
    )
    return replace(
        record,
        title=described.title,
        description=described.description or record.description,
        licence=described.licence or record.licence,
        licence_text=described.licence_text or record.licence_text,
        providers=providers or record.providers,
        keywords=tuple(dict.fromkeys((*described.keywords, *record.keywords)))[:_MOST],
        parameters=_parameters(described) or record.parameters,
        platforms=tuple(described.platforms) or record.platforms,
        instruments=tuple(described.instruments) or record.instruments,
        boxes=(Box(*described.box),) if described.box else record.boxes,
        interval=interval,
        depth=described.depth or record.depth,
        doi=described.doi or record.doi,
        citation=described.citation or record.citation,
        links=tuple(links),
    )


def _parameters(described: DescribedCollection) -> tuple[Parameter, ...]:
    return tuple(
        Parameter(one.name, one.standard_name, one.p01, one.p02, one.units)
        for one in described.parameters
    )


def granule_record(
    collection: CollectionRecord,
    described: DescribedCollection | None,
    entry: Entry,
    summary: Summary,
    checksum: str,
) -> GranuleRecord:
    """One file, as it says, with what its collection's description says instead.

    Raises RecordError.
    """
    name = entry.path.rpartition("/")[2]
    box = Box(*summary.box) if summary.box else None
    start, end = _moment(summary.start), _moment(summary.end)
    depth = summary.depth
    parameters, instruments = summary.parameters, summary.instruments
    if described:
        box = Box(*described.box) if described.box else box
        start, end = described.start or start, described.end or end
        depth = described.depth or depth
        parameters = () if described.parameters else parameters
        instruments = () if described.instruments else instruments
    platform = summary.platforms[0] if len(summary.platforms) == 1 else ""
    return GranuleRecord(
        id=entry.path,
        title=f"{summary.title} ({name})" if summary.title else name,
        box=box,
        start=start,
        end=end,
        depth=depth,
        platform=platform,
        instruments=() if instruments == collection.instruments else instruments,
        parameters=() if parameters == collection.parameters else parameters,
        words=tuple(dict.fromkeys(_words(entry, summary, platform))),
        assets=(_asset(entry, summary, checksum),),
        updated=_moment(summary.updated) or _modified(entry),
        properties=_properties(summary),
    )


def _asset(entry: Entry, summary: Summary, checksum: str) -> Asset:
    name = entry.path.rpartition("/")[2]
    href = f"files/{quote(entry.path)}"
    return Asset("data", href, summary.media_type, name, entry.size, checksum)


def _properties(summary: Summary) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    if summary.notes:
        properties["pelagos:notes"] = list(summary.notes)
    if summary.feature_type:
        properties["pelagos:feature_type"] = summary.feature_type
    return properties


def _words(entry: Entry, summary: Summary, platform: str) -> Iterator[str]:
    yield from entry.path.split("/")
    yield from summary.words
    yield from summary.keywords
    if not platform:
        yield from summary.platforms


def _moment(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _modified(entry: Entry) -> datetime | None:
    try:
        return datetime.fromtimestamp(entry.modified // 10**9, UTC)
    except (OverflowError, ValueError, OSError):
        return None
