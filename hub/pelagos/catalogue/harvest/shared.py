"""The index's one writer, shared by the runs of several sources: their batches take turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, Protocol, TypeVar

from pelagos.catalogue.harvest.harvest import IndexRun, Stored
from pelagos.catalogue.records import CollectionRecord, GranuleRecord

P = ParamSpec("P")
T = TypeVar("T")


class IndexWriter(Protocol):
    """What is needed of the index: see `pelagos.catalogue.index`."""

    def run(self, source: str, title: str) -> IndexRun: ...  # noqa: D102
    def forget(self, source: str) -> int: ...  # noqa: D102
    def known(self) -> dict[str, dict[str, int]]: ...  # noqa: D102
    def in_place(self) -> bool: ...  # noqa: D102
    def close(self) -> None: ...  # noqa: D102


class SharedIndex:
    """A writer in a thread of its own, where it is made, used and closed.

    SQLite's connections like one thread; others hand it their batches and wait. Raises what the
    writer raises.
    """

    def __init__(self, make: Callable[[], IndexWriter]) -> None:
        self._thread = ThreadPoolExecutor(1, "index")
        try:
            self._writer = self.call(make)
        except BaseException:
            self._thread.shutdown()
            raise

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do this in the writer's thread, once it is its turn."""
        return self._thread.submit(function, *args, **kwargs).result()

    def run(self, source: str, title: str) -> IndexRun:
        """See the index."""
        return _SharedRun(self, self.call(self._writer.run, source, title))

    def forget(self, source: str) -> int:
        """See the index."""
        return self.call(self._writer.forget, source)

    def known(self) -> dict[str, dict[str, int]]:
        """See the index."""
        return self.call(self._writer.known)

    def in_place(self) -> bool:
        """See the index. Does not wait for its turn: it only looks at the file's name."""
        return self._writer.in_place()

    def close(self) -> None:
        """Close the writer, after what was handed over."""
        try:
            self.call(self._writer.close)
        finally:
            self._thread.shutdown()


class _SharedRun:
    """A run of the writer, called from another thread."""

    def __init__(self, index: SharedIndex, run: IndexRun) -> None:
        self._index, self._run = index, run

    def collection(self, record: CollectionRecord) -> None:
        self._index.call(self._run.collection, record)

    def granules(self, collection: str, records: Sequence[GranuleRecord]) -> Stored:
        return self._index.call(self._run.granules, collection, records)

    def keep(self, collection: str) -> None:
        self._index.call(self._run.keep, collection)

    def finish_collection(self, collection: str) -> int:
        return self._index.call(self._run.finish_collection, collection)

    def finish(self) -> int:
        return self._index.call(self._run.finish)

    def known(self) -> dict[str, int]:
        return self._index.call(self._run.known)

    def close(self) -> None:
        self._index.call(self._run.close)
