"""How every source stands: what the page, the metrics, `status` and `doctor` say of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pelagos.catalogue.harvest import schedule
from pelagos.catalogue.harvest.records import Run, RunState, SourceRecord
from pelagos.catalogue.harvest.runs import Runs
from pelagos.settings.sources import Source

_LATE_SECONDS = 3600.0


class Health(StrEnum):
    """Whether a source's records can be trusted to be of now."""

    NEW = "new"  # never harvested
    GOOD = "good"
    FAILING = "failing"  # the last run failed: what is in the index is older
    STALE = "stale"  # no run for more than twice its schedule


@dataclass(frozen=True)
class SourceStatus:
    """One source at one moment. Times in unix seconds; 0: never, or not by itself."""

    source: Source
    health: Health
    good_run: float
    next_run: float
    failures: int
    collections: int
    granules: int
    last: Run | None

    @property
    def title(self) -> str:
        """The infrastructure's name for people."""
        return self.source.title or self.source.name

    @property
    def under_way(self) -> Run | None:
        """The run that waits or runs now."""
        return self.last if self.last and not self.last.state.over else None


def overview(runs: Runs | None, sources: Sequence[Source], now: float) -> list[SourceStatus]:
    """Every source of the settings, in their order. Raises StateError."""
    known = runs.sources() if runs else {}
    return [_status(one, known.get(one.name, SourceRecord(one.name)), now) for one in sources]


def read_overview(path: Path, sources: Sequence[Source], now: float) -> list[SourceStatus]:
    """The same from the file of run records, which need not be there yet. Raises StateError."""
    if not path.exists():
        return overview(None, sources, now)
    with Runs(path, write=False) as runs:
        return overview(runs, sources, now)


def _status(source: Source, record: SourceRecord, now: float) -> SourceStatus:
    return SourceStatus(
        source=source,
        health=_health(source, record, now),
        good_run=record.good_run,
        next_run=schedule.due(record, source.schedule, now),
        failures=record.failures,
        collections=record.collections,
        granules=record.granules,
        last=record.last,
    )


def _health(source: Source, record: SourceRecord, now: float) -> Health:
    if record.failures:
        return Health.FAILING
    if not record.good_run:
        return Health.NEW
    if source.schedule and now - record.good_run > 2 * source.schedule + _LATE_SECONDS:
        return Health.STALE
    return Health.GOOD


def failed(run: Run) -> bool:
    """Whether a run that is over left the source as it was before."""
    return run.state in (RunState.FAILED, RunState.INTERRUPTED)
