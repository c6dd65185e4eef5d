"""From what files say, and what their description says, to records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeVar
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
T = TypeVar("T")


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


class _Gathered:
    """What the files of one collection have in common, and all together."""

    def __init__(self) -> None:
        self.count = 0
        self.boxes: list[Box] = []
        self.times: list[datetime] = []
        self.depths: list[float] = []
        self.many: dict[str, dict[object, None]] = {}
        self.one: dict[str, str | None] = {}

    def add(self, summary: Summary) -> None:
        self.count += 1
        if summary.box:
            # one box for all that came before: thousands of files, one hull
            self.boxes = [hull([*self.boxes, Box(*summary.box)])]
        for text in (summary.start, summary.end):
            if text:
                moment = datetime.fromisoformat(text)
                self.times = [min([*self.times, moment]), max([*self.times, moment])]
        if summary.depth:
            ends = [*self.depths, *summary.depth]
            self.depths = [min(ends), max(ends)]
        for name in ("parameters", "platforms", "instruments", "keywords", "providers"):
            found = self.many.setdefault(name, {})
            for value in getattr(summary, name):
                if len(found) < _MOST:
                    found[value] = None
        for name in ("title", "description", "licence", "doi", "citation"):
            value = getattr(summary, name)
            # None: they differ
            self.one[name] = value if self.one.get(name, value) == value else None

    def shared(self, name: str) -> str:
        return self.one.get(name) or ""

    def all(self, name: str, kind: type[T]) -> tuple[T, ...]:
        return tuple(value for value in self.many.get(name, {}) if isinstance(value, kind))


def collection_record(
    source: FilesSource,
    identifier: str,
    described: DescribedCollection | None,
    folder: str,
    summaries: Iterable[Summary],
) -> CollectionRecord:
    """The collection of some files, as described, else as they say. Raises RecordError."""
    gathered = _Gathered()
    for summary in summaries:
        gathered.add(summary)
    name = folder.rpartition("/")[2] or source.title or source.name
    spdx, terms = licence((gathered.shared("licence"),), source.licence)
    record = CollectionRecord(
        id=identifier,
        title=gathered.shared("title") or plain_text(name, 300) or identifier,
        description=gathered.shared("description") or _counted(gathered.count, folder),
        licence=spdx,
        licence_text=terms,
        providers=gathered.all("providers", Provider),
        keywords=gathered.all("keywords", str),
        parameters=gathered.all("parameters", Parameter),
        platforms=gathered.all("platforms", str),
        instruments=gathered.all("instruments", str),
        boxes=tuple(gathered.boxes),
        interval=Interval(gathered.times[0], gathered.times[1]) if gathered.times else None,
        depth=(gathered.depths[0], gathered.depths[1]) if gathered.depths else None,
        doi=gathered.shared("doi"),
        citation=gathered.shared("citation"),
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
    asset = Asset(
        "data",
        f"files/{quote(entry.path)}",
        summary.media_type,
        name,
        entry.size,
        checksum,
    )
    properties: dict[str, object] = {}
    if summary.notes:
        properties["pelagos:notes"] = list(summary.notes)
    if summary.feature_type:
        properties["pelagos:feature_type"] = summary.feature_type
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
        assets=(asset,),
        updated=_moment(summary.updated) or _modified(entry),
        properties=properties,
    )


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
