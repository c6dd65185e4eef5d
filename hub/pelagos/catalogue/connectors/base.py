"""What every connector is: a small class that turns one kind of remote into records."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from pelagos.catalogue.records import CollectionRecord, GranuleRecord, Rejected, Unchanged
from pelagos.settings.sources import Source, SourceKind

if TYPE_CHECKING:
    from pelagos.catalogue.fetch import Fetcher

S = TypeVar("S", bound=Source)


class Connector(ABC, Generic[S]):
    """Reads one configured source.

    It streams: it never holds more than one answer of the remote, and yields record by record.
    A record that can't be read is yielded as `Rejected`, with its reason; what spoils the whole
    run is raised (FetchError and whatever else is a SourceError). It remembers in `memory`
    (JSON, kept by the harvester after a good run) what the next run needs to ask for changes only.
    """

    kind: ClassVar[SourceKind]

    def __init__(self, source: S, fetcher: Fetcher, memory: dict[str, Any] | None = None) -> None:
        self.source = source
        self.fetch = fetcher
        self.memory: dict[str, Any] = {} if memory is None else memory

    @abstractmethod
    def collections(self) -> Iterator[CollectionRecord | Rejected | Unchanged]:
        """All data sets of the source. A single `Unchanged("")` ends the run: nothing is new."""

    @abstractmethod
    def granules(
        self, collection: CollectionRecord
    ) -> Iterator[GranuleRecord | Rejected | Unchanged]:
        """All granules of one of them. `Unchanged` as the first and only: keep what is there."""
