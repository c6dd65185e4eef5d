"""Harvests sources when they are due or asked for, two at a time."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pelagos import __version__
from pelagos.catalogue.connectors.base import Connector
from pelagos.catalogue.fetch import Fetcher
from pelagos.catalogue.harvest import schedule
from pelagos.catalogue.harvest.harvest import Harvest, Order
from pelagos.catalogue.harvest.records import (
    Ending,
    Progress,
    Rejection,
    Run,
    RunState,
)
from pelagos.catalogue.harvest.runs import Runs
from pelagos.catalogue.harvest.shared import SharedIndex
from pelagos.errors import PelagosError, StateError
from pelagos.settings.sources import Source

logger = logging.getLogger(__name__)

AT_ONCE = 2
_LOOK_SECONDS = 1.0
_GRACE_SECONDS = 5.0
_TROUBLE_SECONDS = 30.0
_DIED = "The process that harvested ended before the source was read to its end."
_LOST = "How it ended could not be recorded: is the disk full?"
_AGAIN = "It goes on by itself."
_FAULT = "This is a fault of the connector: please report it."
_UNREAD = {"name", "title", "schedule", "rate"}  # settings that change nothing of what is found

Connect = Callable[[Source, Fetcher, dict[str, Any]], Connector[Any]]


@dataclass(frozen=True)
class Options:
    """`contact` is what the sources' operators may turn to; `scheduled`: harvest what is due, and
    take sources that are gone from the settings out of the index; else only what is asked for.
    """

    contact: str = ""
    scheduled: bool = True
    at_once: int = AT_ONCE


@dataclass
class Harvester:
    """Harvests `sources` into `index`, with records in `runs`; `connect` makes a connector.

    `stop` ends it, with the runs that are under way.
    """

    sources: Sequence[Source]
    runs: Runs
    index: SharedIndex
    connect: Connect
    options: Options = field(default_factory=Options)
    stop: threading.Event = field(default_factory=threading.Event)
    _threads: dict[str, threading.Thread] = field(default_factory=dict)

    @property
    def _configured(self) -> Mapping[str, Source]:
        return {source.name: source for source in self.sources}

    def run(self) -> None:
        """Harvest until `stop`. Raises StateError; also if somebody took the index away."""
        self.begin()
        while not self.stop.is_set():
            if not self.index.in_place():
                raise StateError(
                    "The index was deleted or replaced under the harvester.",
                    "It starts anew by itself, and reads from the sources what the index lacks.",
                )
            try:
                self.step()
            except PelagosError as error:  # a full disk: it may be mended meanwhile
                logger.error("%s", error.sentence)
                self.stop.wait(_TROUBLE_SECONDS)
            self.stop.wait(_LOOK_SECONDS)

    def begin(self) -> None:
        """Settle what an earlier process left, before the first step."""
        self.runs.mark_interrupted(_DIED, _AGAIN)
        if self.options.scheduled:
            held = self.index.known()
            self._remove_gone(held)
            self._ask_for_lost(held)

    def step(self) -> None:
        """One look at what is to be done."""
        for name in [one for one, thread in self._threads.items() if not thread.is_alive()]:
            del self._threads[name]
        # one whose end could not be recorded, because the disk was full
        self.runs.mark_interrupted(_LOST, _AGAIN, but=self._threads)
        for request in self.runs.open_requests():
            if request.source in self._configured:
                self.runs.take(request)
            elif self.options.scheduled:
                self.runs.refuse(request, unknown_source(request.source, self._configured))
        if self.options.scheduled:
            self._queue_due()
        for run in self.runs.under_way():
            if len(self._threads) >= self.options.at_once:
                break
            if run.state is RunState.QUEUED and run.source not in self._threads:
                self._begin(run)

    def _ask_for_lost(self, held: Mapping[str, Mapping[str, int]]) -> None:
        """Sources of which the index lacks what was stored are due now, whatever their schedule."""
        for name in self._configured:
            collections = held.get(name, {})
            if self.runs.believe(name, collections):
                logger.warning("The index lacks records of %s: all are read again", name)
                self.runs.lost(name, collections)

    def _remove_gone(self, held: Mapping[str, Mapping[str, int]]) -> None:
        """Take sources that are not in the settings any more out of the index."""
        for name in (self.runs.sources().keys() | held.keys()) - self._configured.keys():
            logger.info("%s is not in the settings any more: its records go", name)
            self._in_thread(name, self._remove, name)

    def _remove(self, name: str) -> None:
        try:
            self.index.forget(name)
            self.runs.forget_source(name)
        except Exception:  # no source may stop the others; the next start tries again
            logger.exception("The records of %s can't be removed", name)

    def _queue_due(self) -> None:
        known = self.runs.sources()
        now = time.time()
        for source in self.sources:
            due = schedule.due(known.get(source.name), source.schedule, now)
            if due != schedule.BY_HAND and due <= now:
                self.runs.queue(source.name)

    def _begin(self, run: Run) -> None:
        source = self._configured.get(run.source)
        if source is None:
            if not self.options.scheduled:
                return  # left for the service
            gone = Ending(RunState.INTERRUPTED, "The source is not in the settings any more.")
            self.runs.finish(run, gone, run.progress, next_run=schedule.BY_HAND)
            return
        self.runs.start(run.id)
        self._in_thread(source.name, self._work, source, run)

    def _in_thread(self, source: str, work: Callable[..., None], *arguments: Any) -> None:
        # a daemon: what hangs in the network must not keep the process alive
        thread = threading.Thread(
            target=work, args=arguments, name=f"harvest {source}", daemon=True
        )
        self._threads[source] = thread
        thread.start()

    def _work(self, source: Source, run: Run) -> None:
        """One run, in a thread of its own."""
        outcome = _Outcome(Ending(RunState.FAILED), run.progress)
        try:
            with contextlib.closing(Fetcher(source, self.options.contact)) as fetcher:
                outcome = self._harvest(source, run, fetcher)
        except Exception as error:  # no source may stop the others
            logger.exception("%s could not be harvested", source.name)
            mend = error.mend if isinstance(error, PelagosError) else ""
            reason = str(error) or type(error).__name__
            outcome = _Outcome(Ending(RunState.FAILED, reason, mend), run.progress)
        try:
            self._end(source, run, outcome)
        except Exception:
            # the record still says that it runs: the next start corrects it
            logger.exception("How the run of %s ended can't be recorded", source.name)

    def _harvest(self, source: Source, run: Run, fetcher: Fetcher) -> _Outcome:
        with contextlib.closing(self.index.run(source.name, source.title or source.name)) as index:
            self.runs.believe(source.name, index.known())
            memory = self.runs.memory(source.name, _fingerprint(source))
            connector = self.connect(source, fetcher, memory)
            order = Order(source.name, run.id, source.record_limit, run.accept_loss)
            harvest = Harvest(order, connector, index, self.runs, self.stop)
            ending = harvest.run()
            held = index.known()
        tally = harvest.tally
        try:
            known = {} if harvest.distrusted else connector.memory
            remembered = json.dumps(known, separators=(",", ":"))
        except (TypeError, ValueError) as error:
            fault = f"What the connector remembers is no JSON: {error}"
            ending, remembered = Ending(RunState.FAILED, fault, _FAULT), "{}"
        return _Outcome(ending, tally.progress, tally.rest(), remembered, held)

    def _end(self, source: Source, run: Run, outcome: _Outcome) -> None:
        ending, counts = outcome.ending, outcome.progress.counts
        failed = ending.state is RunState.FAILED
        record = self.runs.source(source.name)
        due = schedule.next_run(
            time.time(),
            source.schedule,
            ending.state,
            record.failures + 1,
            ever_good=record.good_run > 0,
        )
        self.runs.finish(
            run, ending, outcome.progress, outcome.rejections,
            next_run=due, memory=outcome.memory, held=outcome.held,
        )  # fmt: skip
        logger.log(
            logging.WARNING if failed else logging.INFO,
            "%s: %s; %d found, %d added, %d changed, %d removed, %d rejected%s",
            source.name,
            ending.state.value,
            counts.found,
            counts.added,
            counts.changed,
            counts.removed,
            counts.rejected,
            f": {ending.error}" if ending.error else "",
        )

    def leave(self) -> bool:
        """After `stop`: wait a moment for the runs to end; whether they did."""
        deadline = time.monotonic() + _GRACE_SECONDS
        for thread in self._threads.values():
            thread.join(max(0.0, deadline - time.monotonic()))
        left = any(thread.is_alive() for thread in self._threads.values())
        if left:  # in a slow answer, or a long write
            self.runs.mark_interrupted("It was stopped.", _AGAIN)
        return not left


@dataclass(frozen=True)
class _Outcome:
    """What a run left behind."""

    ending: Ending
    progress: Progress
    rejections: Sequence[Rejection] = ()
    memory: str = "{}"
    held: Mapping[str, int] | None = None


def unknown_source(name: str, names: Iterable[str]) -> str:
    """The sentence for a source that is not in the settings."""
    known = ", ".join(sorted(names)) or "none"
    return f"There is no source {name!r}. Those in the settings: {known}."


def _fingerprint(source: Source) -> str:
    """Changes when what is found in a source may: with its settings, and with our own version."""
    told = __version__ + source.model_dump_json(exclude=_UNREAD)
    return hashlib.sha256(told.encode()).hexdigest()[:16]
