"""What is known of runs: their states, counts, and the sources they were of."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class RunState(StrEnum):
    """How far a run is, or how it ended."""

    QUEUED = "queued"  # waits for its turn
    RUNNING = "running"
    DONE = "done"  # read to its end
    UNCHANGED = "unchanged"  # the source said that nothing is new
    FAILED = "failed"
    INTERRUPTED = "interrupted"  # stopped, or its process died

    @property
    def over(self) -> bool:
        """Whether nothing will change any more."""
        return self not in (RunState.QUEUED, RunState.RUNNING)

    @property
    def good(self) -> bool:
        """Whether the index now says what the source does."""
        return self in (RunState.DONE, RunState.UNCHANGED)


@dataclass
class Counts:
    """What a run met. All but the first and last two count granules.

    `found`: granules that the source has. `rejected`: granules and collections that can't be kept;
    those that appear twice are among them.
    """

    collections: int = 0
    found: int = 0
    added: int = 0
    changed: int = 0
    same: int = 0
    removed: int = 0
    removed_collections: int = 0
    rejected: int = 0

    @property
    def stored(self) -> int:
        """Granules that are in the index now."""
        return self.added + self.changed + self.same


@dataclass
class Progress:
    """A run at one moment. `current` is the title of the collection that is being read.

    `seconds` by step (`reading`, `storing`, `removing`); `reasons` of rejections with how often.
    """

    counts: Counts = field(default_factory=Counts)
    current: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Ending:
    """How a run ended: for an error what happened and the mend; a notice for an operator."""

    state: RunState
    error: str = ""
    mend: str = ""
    notice: str = ""


@dataclass(frozen=True)
class Run:
    """One run of one source. Times in unix seconds, 0 where there is none yet."""

    id: int
    source: str
    state: RunState
    queued: float
    started: float
    finished: float
    accept_loss: bool
    progress: Progress
    error: str = ""
    mend: str = ""
    notice: str = ""

    @property
    def duration(self) -> float:
        """Seconds that it took; 0 while it is not over."""
        return max(0.0, self.finished - self.started) if self.started and self.finished else 0.0


@dataclass(frozen=True)
class Rejection:
    """A record that was not kept."""

    which: str
    reason: str


@dataclass(frozen=True)
class Request:
    """Somebody's wish that a source be harvested now. `run` is 0 until it was taken up."""

    id: int
    source: str
    by: str
    accept_loss: bool
    run: int = 0
    refusal: str = ""


@dataclass(frozen=True)
class SourceRecord:
    """What is remembered of a source between runs.

    `failures`: how many runs failed since the last good one; `next_run` in unix seconds, 0: only by
    hand; `good_run`: when the last good run ended, 0: never; `collections` and `granules`: how many
    of it are in the index; `last`: the newest run.
    """

    name: str
    failures: int = 0
    next_run: float = 0.0
    good_run: float = 0.0
    collections: int = 0
    granules: int = 0
    last: Run | None = None
