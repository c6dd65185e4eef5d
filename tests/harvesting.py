"""A source whose records a test decides, and a harvester over it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pelagos.catalogue.connectors.base import Connector
from pelagos.catalogue.fetch import Fetcher
from pelagos.catalogue.harvest import INDEX_FILE, RUNS_FILE
from pelagos.catalogue.harvest.harvester import Harvester, Options
from pelagos.catalogue.harvest.records import Run
from pelagos.catalogue.harvest.runs import Runs
from pelagos.catalogue.harvest.shared import SharedIndex
from pelagos.catalogue.index import Reader, Writer
from pelagos.catalogue.query import Criteria, Slice
from pelagos.catalogue.records import (
    Box,
    CollectionRecord,
    GranuleRecord,
    Rejected,
    Unchanged,
)
from pelagos.settings.sources import FilesSource, Source, SourceKind
from support import until

Found = GranuleRecord | Rejected | Unchanged


def source(name: str = "alpha", **more: Any) -> FilesSource:
    return FilesSource(name=name, kind=SourceKind.FILES, path="/none", **more)


def granule(identifier: str, title: str = "", day: int = 1) -> GranuleRecord:
    moment = datetime(2020, 1, day, tzinfo=UTC)
    return GranuleRecord(
        identifier, title or f"Profile {identifier}", Box(-10, 40, -9, 41), start=moment, end=moment
    )


def granules(count: int, first: int = 0) -> list[Found]:
    return [granule(f"g{number}") for number in range(first, first + count)]


@dataclass
class Remote:
    """What a source answers. `before` is called before each entry, and may raise or wait."""

    collections: dict[str, list[Found]] = field(default_factory=dict)
    others: list[Rejected | Unchanged | CollectionRecord] = field(default_factory=list)
    before: Callable[[str], None] = lambda what: None
    asked: list[str] = field(default_factory=list)
    searchable: bool = True
    memory: dict[str, Any] = field(default_factory=dict)
    known: dict[str, Any] = field(default_factory=dict)

    def connector(
        self, source: Source, fetcher: Fetcher, memory: dict[str, Any]
    ) -> RemoteConnector:
        found = RemoteConnector(source, fetcher, memory)  # type: ignore[arg-type]
        found.remote = self
        return found


class RemoteConnector(Connector[FilesSource]):
    """Reads a Remote."""

    kind = SourceKind.FILES
    remote: Remote

    def collections(self) -> Iterator[CollectionRecord | Rejected | Unchanged]:
        self.remote.known = dict(self.memory)
        self.memory.update(self.remote.memory)
        yield from self.remote.others
        for identifier in list(self.remote.collections):
            self.remote.before(identifier)
            yield CollectionRecord(
                identifier, f"Collection {identifier}", searchable=self.remote.searchable
            )

    def granules(self, collection: CollectionRecord) -> Iterator[Found]:
        self.remote.asked.append(collection.id)
        for found in self.remote.collections[collection.id]:
            self.remote.before(f"{collection.id}/{getattr(found, 'id', '')}")
            yield found


@dataclass
class Place:
    """A catalogue's folder, harvested with what the test says."""

    folder: Path
    sources: list[FilesSource] = field(default_factory=lambda: [source()])
    remotes: dict[str, Remote] = field(default_factory=lambda: {"alpha": Remote()})

    @property
    def remote(self) -> Remote:
        return self.remotes["alpha"]

    @property
    def index(self) -> Path:
        return self.folder / INDEX_FILE

    @property
    def runs_file(self) -> Path:
        return self.folder / RUNS_FILE

    def connect(self, source: Source, fetcher: Fetcher, memory: dict[str, Any]) -> Connector[Any]:
        return self.remotes[source.name].connector(source, fetcher, memory)

    @contextlib.contextmanager
    def harvester(
        self, *, scheduled: bool = False, stop: threading.Event | None = None
    ) -> Iterator[Harvester]:
        self.folder.mkdir(exist_ok=True)
        runs = Runs(self.runs_file)
        index = SharedIndex(lambda: Writer(self.index))
        harvester = Harvester(
            self.sources,
            runs,
            index,
            self.connect,
            Options(scheduled=scheduled),
            stop or threading.Event(),
        )
        try:
            yield harvester
        finally:
            harvester.stop.set()
            assert harvester.leave(), "a run did not end"
            index.close()
            runs.close()

    def harvest(self, name: str = "alpha", *, accept_loss: bool = False) -> Run:
        """One run of one source, to its end."""
        with self.harvester() as harvester:
            harvester.begin()
            number = harvester.runs.ask(name, "a test", accept_loss=accept_loss)

            def over() -> Run | None:
                harvester.step()
                request = harvester.runs.request(number)
                run = harvester.runs.run(request.run) if request and request.run else None
                return run if run and run.state.over else None

            found: Run = until(over, 400, "the end of the run")
            return found

    def found(self, name: str = "alpha") -> dict[str, set[str]]:
        """Every granule in the index, by its collection's public identifier."""
        reader = Reader(self.index)
        try:
            documents = reader.collections(Criteria(), Slice(limit=10_000)).documents
            ids = [one["id"] for one in documents if one["id"].startswith(f"{name}.")]
            return {one: self._granules(reader, one) for one in ids}
        finally:
            reader.close()

    def _granules(self, reader: Reader, collection: str) -> set[str]:
        found: set[str] = set()
        token = ""
        while True:
            page = reader.granules(
                Criteria(collections=(collection,)), Slice(limit=1_000, token=token)
            )
            found |= {one["id"] for one in page.documents}
            token = page.next
            if not token:
                return found
