"""What one run counts, and tells its record now and then."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator

from pelagos.catalogue.harvest.records import Counts, Progress, Rejection
from pelagos.catalogue.harvest.runs import KEPT_REJECTIONS, Runs

_TELL_SECONDS = 1.0
_KINDS = 50  # of reasons that are told apart
_OTHER = "other reasons"
_TEXT_LIMIT = 300  # characters
_VALUES = re.compile(r"'[^']*'|\"[^\"]*\"|(?<![A-Za-z])-?\d(?:[\w.:+-]*\w)?")


class Tally:
    """The counts of one run; written to its record about once a second."""

    def __init__(self, runs: Runs, run: int) -> None:
        self._runs, self._run = runs, run
        self.counts = Counts()
        self.seconds = {"reading": 0.0, "storing": 0.0, "removing": 0.0}
        self.current = ""
        self._reasons: dict[str, int] = {}
        self._told = 0  # rejections that are in the record already
        self._fresh: list[Rejection] = []
        self._next = 0.0

    def reject(self, which: str, reason: str) -> None:
        """A record is not kept."""
        self.counts.rejected += 1
        kind = kind_of(reason)
        if kind not in self._reasons and len(self._reasons) >= _KINDS:
            kind = _OTHER
        self._reasons[kind] = self._reasons.get(kind, 0) + 1
        if self._told + len(self._fresh) < KEPT_REJECTIONS:
            self._fresh.append(Rejection(_plain(which), _plain(reason)))

    @contextlib.contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """What is done inside counts as this step's time."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[step] += time.perf_counter() - began

    @property
    def most_often(self) -> str:
        """The commonest reason of rejections; empty if there were none."""
        return max(self._reasons, key=lambda kind: self._reasons[kind], default="")

    @property
    def progress(self) -> Progress:
        """The run as it is now."""
        seconds = {step: round(spent, 3) for step, spent in self.seconds.items()}
        return Progress(self.counts, self.current, seconds, dict(self._reasons))

    def rest(self) -> list[Rejection]:
        """Rejections that the record does not have yet."""
        rest, self._fresh = self._fresh, []
        self._told += len(rest)
        return rest

    def tell(self) -> None:
        """Bring the record up to date, if that was not done a moment ago."""
        if time.monotonic() >= self._next:
            self._runs.progress(self._run, self.progress, self.rest())
            self._next = time.monotonic() + _TELL_SECONDS


def kind_of(reason: str) -> str:
    """A reason without the values in it, so that alike ones count together."""
    return _VALUES.sub("…", _plain(reason))


def _plain(text: str) -> str:
    """Remote text for one line of a page or terminal."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text[: 2 * _TEXT_LIMIT])
    return shown if len(shown) <= _TEXT_LIMIT else f"{shown[: _TEXT_LIMIT - 1]}…"
