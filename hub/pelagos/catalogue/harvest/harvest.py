"""One run of one source: what its connector finds goes into the index, and nothing else changes.

Granules of a collection are removed once the collection was read to its end without them,
collections once the source was. What would take away nearly all of a source is not believed at
once (`loss.py`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from pelagos.catalogue.connectors.base import Connector
from pelagos.catalogue.harvest.loss import Losses
from pelagos.catalogue.harvest.records import Ending, RunState
from pelagos.catalogue.harvest.runs import Runs
from pelagos.catalogue.harvest.tally import Tally
from pelagos.catalogue.records import CollectionRecord, GranuleRecord, Rejected, Unchanged
from pelagos.errors import PelagosError, SourceError

logger = logging.getLogger(__name__)

BATCH = 1_000  # granules that are stored at once
FRESH_SECONDS = 6 * 3600.0
_LACKING = "the source said that it has not changed, and the index lacks it; read anew next time"
_TWICE = "the source has it twice; the first is kept"

T = TypeVar("T")


class Stored(Protocol):
    """What became of a batch. `duplicates` are identifiers that this run had before."""

    added: int
    changed: int
    same: int
    duplicates: list[str]
    rejected: list[Rejected]


class IndexRun(Protocol):
    """What a run needs of the index: see `pelagos.catalogue.index`."""

    def collection(self, record: CollectionRecord) -> None: ...  # noqa: D102
    def granules(self, collection: str, records: Sequence[GranuleRecord]) -> Stored: ...  # noqa: D102
    def keep(self, collection: str) -> None: ...  # noqa: D102
    def finish_collection(self, collection: str) -> int: ...  # noqa: D102
    def finish(self) -> int: ...  # noqa: D102
    def known(self) -> dict[str, int]: ...  # noqa: D102
    def close(self) -> None: ...  # noqa: D102


class Cancelled(Exception):
    """The run is to stop."""


class _Full(Exception):
    """The source has more records than are kept of it."""


@dataclass(frozen=True)
class Order:
    """What to harvest and how. `run` is the number of its record."""

    source: str
    run: int
    record_limit: int
    accept_loss: bool = False


class Harvest:
    """One run. `cancelled` ends it soon; then nothing more is stored or removed."""

    def __init__(
        self,
        order: Order,
        connector: Connector[Any],
        index: IndexRun,
        runs: Runs,
        cancelled: threading.Event,
    ) -> None:
        self._order, self._connector, self._index = order, connector, index
        self._runs, self._cancelled = runs, cancelled
        self.tally = Tally(runs, order.run)
        self._before = index.known()
        self._fresh = runs.fresh(order.source, time.time() - FRESH_SECONDS)
        self._losses = Losses(order.source, self._before, accepted=order.accept_loss)
        self._seen: set[str] = set()
        self.distrusted = False  # whether what the connector remembers is of no use

    def run(self) -> Ending:
        """Read the source. Whatever goes wrong is in the ending; nothing is raised."""
        try:
            return self._read()
        except Cancelled:
            return Ending(
                RunState.INTERRUPTED,
                "It was stopped before the source was read to its end.",
                "The next run goes on with what this one had not finished.",
            )
        except PelagosError as error:
            return Ending(RunState.FAILED, str(error), error.mend)
        except Exception as error:  # a fault of ours: this source fails, the others go on
            logger.exception("The run of %s failed", self._order.source)
            return Ending(
                RunState.FAILED,
                f"Something unforeseen happened: {type(error).__name__}: {error}"[:1000],
                "What the index has of this source stays. The log of the harvester says more.",
            )

    def _read(self) -> Ending:
        notice = ""
        try:
            for found in self._timed(self._connector.collections()):
                if isinstance(found, Unchanged) and not found.collection:
                    return self._unchanged()
                self._one(found)
        except _Full:
            notice = (
                f"The source has more than the {self._order.record_limit:,} records that are kept "
                "of it (record_limit in the settings)."
            )
        self.tally.current = ""
        self._end()
        return Ending(RunState.DONE, notice=notice)

    def _unchanged(self) -> Ending:
        if self._seen:
            raise _unexpected(self._order.source)
        self.tally.counts.collections = len(self._before)
        for granules in self._before.values():
            self._count_kept(granules)
        return Ending(RunState.UNCHANGED)

    def _one(self, found: CollectionRecord | Rejected | Unchanged) -> None:
        """What the list of collections has next."""
        if isinstance(found, Rejected):
            self.tally.reject(found.which, found.reason)
            return
        identifier = found.collection if isinstance(found, Unchanged) else found.id
        if identifier in self._seen:
            self.tally.reject(identifier, _TWICE)
            return
        self._room(1)
        if isinstance(found, Unchanged):
            self._keep(identifier)
        elif self._stored(found):
            self._seen.add(found.id)
            self.tally.current = found.title
            self._granules_of(found)
        self.tally.counts.collections = len(self._seen)

    def _stored(self, record: CollectionRecord) -> bool:
        with self.tally.timed("storing"):
            try:
                self._index.collection(record)
            except ValueError as error:  # the one record can't be written as it should be
                self.tally.reject(record.id, str(error))
                return False
        return True

    def _granules_of(self, record: CollectionRecord) -> None:
        if record.id in self._fresh:
            # read to its end by a run that was interrupted later
            self._keep(record.id)
            return
        if not record.searchable:
            self._losses.expect(record.id)
            self._finish_collection(record.id, 0)
            return
        before = self.tally.counts.found
        full = None
        try:
            kept = self._read_granules(record)
        except _Full as reached:
            kept, full = False, reached
        if kept:
            self._keep(record.id)
        else:
            self._finish_collection(record.id, self.tally.counts.found - before)
        if full:
            raise full

    def _read_granules(self, record: CollectionRecord) -> bool:
        """Store the granules of one; whether the source says that they are as before."""
        batch: dict[str, GranuleRecord] = {}
        full = None
        first = True
        for found in self._timed(self._connector.granules(record)):
            if isinstance(found, GranuleRecord):
                if found.id in batch:
                    self.tally.reject(f"{record.id}: {found.id}", _TWICE)
                    continue
                try:
                    self._room(1 + len(batch))
                except _Full as reached:
                    full = reached
                    break
                batch[found.id] = found
                if len(batch) >= BATCH:
                    self._store(record.id, batch)
                    batch = {}
            elif isinstance(found, Rejected):
                self.tally.reject(f"{record.id}: {found.which}", found.reason)
            elif first:
                return True
            else:
                raise _unexpected(record.id)
            first = False
        self._store(record.id, batch)
        if full:
            raise full
        return False

    def _store(self, collection: str, batch: dict[str, GranuleRecord]) -> None:
        if batch:
            with self.tally.timed("storing"):
                self._store_all(collection, list(batch.values()))
            self.tally.tell()

    def _store_all(self, collection: str, records: list[GranuleRecord]) -> None:
        """Store a batch; if one of it can't be written, halve it until that one is alone."""
        try:
            stored = self._index.granules(collection, records)
        except ValueError as error:
            if len(records) == 1:
                self.tally.reject(f"{collection}: {records[0].id}", str(error))
                return
            middle = len(records) // 2
            self._store_all(collection, records[:middle])
            self._store_all(collection, records[middle:])
            return
        counts = self.tally.counts
        counts.added += stored.added
        counts.changed += stored.changed
        counts.same += stored.same
        counts.found += stored.added + stored.changed + stored.same
        for identifier in stored.duplicates:
            self.tally.reject(f"{collection}: {identifier}", _TWICE)
        for one in stored.rejected:
            self.tally.reject(f"{collection}: {one.which}", one.reason)

    def _keep(self, identifier: str) -> None:
        if identifier not in self._before:
            # it could not be stored, or the memory is of another index
            self.distrusted = True
            self.tally.reject(identifier, _LACKING)
            return
        with self.tally.timed("storing"):
            self._index.keep(identifier)
        granules = self._before[identifier]
        self._seen.add(identifier)
        self._losses.found(identifier, granules)
        self._count_kept(granules)
        self.tally.tell()

    def _count_kept(self, granules: int) -> None:
        self.tally.counts.found += granules
        self.tally.counts.same += granules

    def _finish_collection(self, identifier: str, granules: int) -> None:
        """It was read to its end: what is not in it any more goes, unless that is most of it."""
        if self._losses.found(identifier, granules):
            self._remove_rest(identifier, granules)
        self.tally.tell()

    def _remove_rest(self, identifier: str, granules: int) -> None:
        with self.tally.timed("removing"):
            self.tally.counts.removed += self._index.finish_collection(identifier)
        self._runs.collection_done(self._order.source, identifier, granules)

    def _end(self) -> None:
        """The source was read to its end. Raises SourceError if next to nothing is left of it."""
        self._checkpoint()
        if self.tally.counts.rejected and not self._seen:
            raise SourceError(
                f"None of its {self.tally.counts.rejected:,} records can be kept; most often: "
                f"{self.tally.most_often}.",
                "Has the source changed, or is it of another kind than the settings say?",
            )
        self._losses.check()
        for identifier, granules in self._losses.doubtful.items():
            self._remove_rest(identifier, granules)
        with self.tally.timed("removing"):
            self.tally.counts.removed_collections = self._index.finish()
        gone = self._before.keys() - self._seen
        self.tally.counts.removed += sum(self._before[one] for one in gone)
        self._runs.forget_collections(self._order.source, gone)

    def _room(self, wanted: int) -> None:
        """Raises _Full if so many more records would be too many."""
        if self.tally.counts.found + len(self._seen) + wanted > self._order.record_limit:
            raise _Full

    def _timed(self, found: Iterator[T]) -> Iterator[T]:
        """The same; the time that the source takes is counted, and a request to stop heeded."""
        spent = self.tally.seconds
        while True:
            self._checkpoint()
            began = time.perf_counter()
            try:
                one = next(found)
            except StopIteration:
                return
            finally:
                spent["reading"] += time.perf_counter() - began
            yield one

    def _checkpoint(self) -> None:
        if self._cancelled.is_set():
            raise Cancelled


def _unexpected(what: str) -> SourceError:
    return SourceError(
        f"{what}: the source said that nothing changed after it had begun to tell.",
        "This is a fault of the connector: please report it.",
    )
