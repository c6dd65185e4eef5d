"""`./pelagos harvest`: through the VRE's harvester if there is one, else in this process."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pelagos import accounts
from pelagos.catalogue.harvest import LOCK_FILE, RUNS_FILE
from pelagos.catalogue.harvest.harvester import Options, unknown_source
from pelagos.catalogue.harvest.lock import BusyError, Who, holder, only_one
from pelagos.catalogue.harvest.overview import failed
from pelagos.catalogue.harvest.records import Rejection, Run
from pelagos.catalogue.harvest.runs import Runs
from pelagos.deployment import ROOT, State
from pelagos.errors import NotRunningError, PelagosError
from pelagos.images import load_graph
from pelagos.ops.up import last_facts
from pelagos.services.harvester import opened
from pelagos.services.own_folder import prepare_folder
from pelagos.settings import Settings, load_settings
from pelagos.settings.sources import Source

_LOOK_SECONDS = 0.5
_GONE_SECONDS = 30.0  # a harvester that died is back before


@dataclass(frozen=True)
class Wanted:
    """What is to be harvested: one source, or all if it is empty."""

    state: State
    settings_file: Path | None = None
    source: str = ""
    accept_loss: bool = False


@dataclass(frozen=True)
class Outcome:
    """How one source went."""

    source: Source
    run: Run
    rejections: list[Rejection] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether the index now says what the source does."""
        return not failed(self.run)

    def as_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        counts = self.run.progress.counts
        return {
            "source": self.source.name,
            "state": self.run.state.value,
            "error": self.run.error,
            "mend": self.run.mend,
            "notice": self.run.notice,
            "collections": counts.collections,
            "found": counts.found,
            "stored": counts.stored,
            "added": counts.added,
            "changed": counts.changed,
            "same": counts.same,
            "removed": counts.removed,
            "removed_collections": counts.removed_collections,
            "rejected": counts.rejected,
            "reasons": self.run.progress.reasons,
            "seconds": round(self.run.duration, 3),
        }


Follow = Callable[[Sequence[Run]], None]  # gets every run that began, again and again


def harvest(wanted: Wanted, follow: Follow) -> list[Outcome]:
    """Harvest, and return once everything wanted is over.

    Raises PelagosError for an unknown source, SettingsError, StateError (another command
    harvests), NotRunningError (the VRE's harvester went away).
    """
    settings = settings_of(wanted)
    sources = chosen(settings, wanted.source)
    wanted.state.prepare()
    facts = last_facts(wanted.state)
    as_account = bool(facts and facts.as_account)
    folder = wanted.state.catalogue
    prepare_folder(folder, as_account=as_account)
    if as_account:
        # what is in the folder is the account's, and what comes is strangers'
        accounts.become()
    umask = os.umask(0o077)
    try:
        with only_one(folder / LOCK_FILE, Who.COMMAND):
            return _here(folder, sources, settings, wanted, follow)
    except BusyError as error:
        if error.holder is None or error.holder.who is not Who.SERVICE:
            raise
    finally:
        os.umask(umask)
    if wanted.settings_file:
        raise PelagosError(
            "The VRE runs, and its harvester has the settings of its last start.",
            "Leave --settings away; or ./pelagos down, then up with the new settings.",
        )
    return _there(folder, sources, wanted, follow)


def settings_of(wanted: Wanted) -> Settings:
    """The settings to go by: the file that was named, else those of the last `up`, else the demo.

    Raises SettingsError.
    """
    if wanted.settings_file is None and wanted.state.facts_file.exists():
        return wanted.state.settings()
    return load_settings(wanted.settings_file, load_graph(ROOT).names)


def chosen(settings: Settings, name: str) -> list[Source]:
    """The sources that are wanted. Raises PelagosError if there are none."""
    sources: list[Source] = [one for one in settings.catalogue.sources if name in ("", one.name)]
    if not sources:
        names = [one.name for one in settings.catalogue.sources]
        raise PelagosError(
            unknown_source(name, names) if name else "The settings name no sources.",
            "Settings are those of the last ./pelagos up, unless --settings names a file: a source "
            "that was added since comes with ./pelagos down, then up."
            if names
            else "Add some below catalogue.sources: docs/how-to/catalogue-sources.md.",
        )
    return sources


def _here(
    folder: Path, sources: list[Source], settings: Settings, wanted: Wanted, follow: Follow
) -> list[Outcome]:
    options = Options(contact=settings.site.contact, scheduled=False)
    with opened(folder, sources, options, threading.Event()) as harvester:
        harvester.begin()
        numbers = _ask(harvester.runs, sources, wanted.accept_loss)
        harvester.step()
        return _followed(harvester.runs, sources, numbers, follow, harvester.step)


def _there(folder: Path, sources: list[Source], wanted: Wanted, follow: Follow) -> list[Outcome]:
    seen = time.monotonic()

    def alive() -> None:
        nonlocal seen
        if holder(folder / LOCK_FILE):
            seen = time.monotonic()
        elif time.monotonic() - seen > _GONE_SECONDS:
            raise NotRunningError(
                "The harvester of the VRE ended before all was done.",
                f"Its log: {wanted.state.logs}/harvester.log. See ./pelagos status.",
            )

    with Runs(folder / RUNS_FILE) as runs:
        numbers = _ask(runs, sources, wanted.accept_loss)
        return _followed(runs, sources, numbers, follow, alive)


def _ask(runs: Runs, sources: list[Source], accept_loss: bool) -> list[int]:
    by = f"./pelagos harvest (process {os.getpid()})"
    return [runs.ask(one.name, by, accept_loss=accept_loss) for one in sources]


def _followed(
    runs: Runs, sources: list[Source], numbers: list[int], follow: Follow, look: Callable[[], None]
) -> list[Outcome]:
    """Follow requests until their runs are over. Raises PelagosError if one is refused."""
    while True:
        found = [_run_of(runs, number) for number in numbers]
        begun = [run for run in found if run is not None]
        follow(begun)
        if len(begun) == len(numbers) and all(run.state.over for run in begun):
            return [
                Outcome(source, run, runs.rejections(run.id))
                for source, run in zip(sources, begun, strict=True)
            ]
        time.sleep(_LOOK_SECONDS)
        look()


def _run_of(runs: Runs, number: int) -> Run | None:
    request = runs.request(number)
    if request is None or request.refusal:
        raise PelagosError(
            request.refusal if request else "The request was forgotten.",
            "The VRE may have other settings than its last start: ./pelagos down, then up.",
        )
    return runs.run(request.run) if request.run else None
