"""The page of the sources: what was harvested when, what failed, what comes next."""

from __future__ import annotations

import asyncio
import datetime
import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fastapi import HTTPException, Request
from fastapi.responses import Response

from pelagos.catalogue.harvest import LOCK_FILE, RUNS_FILE
from pelagos.catalogue.harvest.lock import holder
from pelagos.catalogue.harvest.overview import Health, SourceStatus, overview
from pelagos.catalogue.harvest.records import Rejection, Run, RunState
from pelagos.catalogue.harvest.runs import Runs
from pelagos.errors import AwayError, StateError
from pelagos.services.application import Pages
from pelagos.services.catalogue.access import Views
from pelagos.services.web import CSRF_FIELD, Guard, caller
from pelagos.services.workspace.storage import about
from pelagos.settings.sources import Source

logger = logging.getLogger(__name__)

_FOR_PEOPLE = ("mark", "state_text", "good_text", "next_text")
_MARKS = {
    Health.NEW: ("none", "Not harvested yet"),
    Health.GOOD: ("good", "Up to date"),
    Health.FAILING: ("bad", "Failing: its last good state is shown"),
    Health.STALE: ("bad", "Out of date"),
}
_UNDER_WAY = {RunState.QUEUED: "Waits for its turn", RunState.RUNNING: "Being harvested"}
_LONG_SECONDS = 120.0
_NOT_READ = "The records of harvests can't be read now."


class SourcesPage:
    """The page, over what it is made of. `folder` is the catalogue's; `prefix` has no final slash.

    `views` says which collections somebody may see: of a source without one of them nothing is
    told, of the others how many of theirs there are. Every method raises AwayError if the run
    records can't be used.
    """

    def __init__(
        self,
        pages: Pages,
        guard: Guard,
        sources: Sequence[Source],
        folder: Path,
        prefix: str,
        views: Views | None = None,
    ) -> None:
        self._pages, self._guard, self._sources = pages, guard, sources
        self._folder, self.prefix, self._views = folder, prefix, views

    async def show(self, request: Request, *, asked: str = "") -> Response:
        """The page. `asked` is the name of a source whose harvest was just asked for."""
        admin = caller(request).admin
        rows = await self._rows_for(request)
        known = asked if any(row["name"] == asked for row in rows) else ""
        values = {
            "rows": rows,
            "admin": admin,
            "asked": known,
            "busy": any(row["running"] for row in rows),
            "harvests": await asyncio.to_thread(self._harvests),
            "csrf_field": CSRF_FIELD,
            "csrf": self._guard.csrf(request),
        }
        return self._pages.render("sources.html", values)

    async def ask(self, request: Request, name: str) -> None:
        """Leave the wish that a source be harvested now. Raises HTTPException."""
        person = caller(request)
        if not person.admin:
            raise HTTPException(403, "Only administrators of this VRE may start a harvest.")
        if name not in {source.name for source in self._sources}:
            raise HTTPException(404, "There is no such source in the settings.")
        await asyncio.to_thread(self._ask, name, person.name)
        logger.info("%r asked for a harvest of %s", person.name, name)

    async def as_json(self, request: Request) -> dict[str, Any]:
        """What a program gets: the same as the page."""
        rows = await self._rows_for(request)
        for row in rows:
            for shown in _FOR_PEOPLE:
                row.pop(shown, None)
            if row.get("last"):
                row["last"].pop("seconds_text")
        return {"sources": rows}

    async def _rows_for(self, request: Request) -> list[dict[str, Any]]:
        """What the caller may know of every source."""
        person = caller(request)
        rows = await asyncio.to_thread(self._rows, person.admin)
        if person.admin or self._views is None:
            return rows
        scope = (await self._views.of(person)).scope
        return rows if scope is None else _within(rows, scope)

    def _ask(self, name: str, person: str) -> None:
        try:
            with Runs(self._folder / RUNS_FILE) as runs:
                runs.ask(name, f"the person {person}")
        except StateError as error:
            raise _away(error) from error

    def _harvests(self) -> bool:
        """Whether a process harvests now, or is ready to."""
        try:
            return holder(self._folder / LOCK_FILE) is not None
        except OSError:
            return False

    def _rows(self, admin: bool) -> list[dict[str, Any]]:
        """What is told of every source; of errors only to administrators."""
        path, now = self._folder / RUNS_FILE, time.time()
        try:
            if not path.exists():
                return [_row(one, now, admin) for one in overview(None, self._sources, now)]
            with Runs(path, write=False) as runs:
                return [
                    _row(one, now, admin, _details(runs, one.last) if admin else None)
                    for one in overview(runs, self._sources, now)
                ]
        except (StateError, OSError) as error:
            raise _away(error) from error


def _within(rows: list[dict[str, Any]], scope: frozenset[str]) -> list[dict[str, Any]]:
    """Rows of sources of which these collections are, with no count of others."""
    visible = Counter(identifier.partition(".")[0] for identifier in scope)
    found = []
    for row in rows:
        if count := visible[row["name"]]:
            known = count == row["collections"]
            found.append(
                {**row, "collections": count, "granules": row["granules"] if known else None}
            )
    return found


def _away(error: Exception) -> AwayError:
    # its text may name files of this machine
    logger.error("%s", error)
    return AwayError(_NOT_READ, "Try again in a minute.")


def _details(runs: Runs, run: Run | None) -> list[Rejection]:
    return runs.rejections(run.id) if run else []


def _row(
    status: SourceStatus, now: float, admin: bool, rejections: list[Rejection] | None = None
) -> dict[str, Any]:
    running = status.under_way
    mark, text = _MARKS[status.health]
    if running:
        mark, text = "busy", _UNDER_WAY[running.state]
    row: dict[str, Any] = {
        "name": status.source.name,
        "title": status.title,
        "kind": status.source.kind.value,
        "health": status.health.value,
        "mark": mark,
        "state_text": text,
        "collections": status.collections,
        "granules": status.granules,
        "good_run": _moment(status.good_run),
        "good_text": _ago(status.good_run, now),
        "running": running is not None,
    }
    if not admin:
        return row
    last = status.last
    return row | {
        "failures": status.failures,
        "next_run": _moment(status.next_run),
        "next_text": _ahead(status, now),
        "schedule": status.source.schedule,
        "last": _last(last, rejections or [], now) if last else None,
    }


def _last(run: Run, rejections: list[Rejection], now: float) -> dict[str, Any]:
    """The newest run in full."""
    until = run.finished or now
    seconds = max(0.0, until - run.started) if run.started else 0.0
    reasons = sorted(run.progress.reasons.items(), key=lambda one: (-one[1], one[0]))
    return {
        "state": run.state.value,
        "over": run.state.over,
        "started": _moment(run.started),
        "finished": _moment(run.finished),
        "seconds": round(seconds, 1),
        "seconds_text": f"{seconds:.1f} s" if seconds < _LONG_SECONDS else about(seconds),
        "steps": run.progress.seconds,
        "current": run.progress.current,
        **asdict(run.progress.counts),
        "stored": run.progress.counts.stored,
        "error": run.error,
        "mend": run.mend,
        "notice": run.notice,
        "reasons": [{"reason": reason, "count": count} for reason, count in reasons],
        "rejections": [asdict(one) for one in rejections],
    }


def _moment(when: float) -> str:
    """A Unix time in RFC 3339, empty for none."""
    if not when:
        return ""
    return f"{datetime.datetime.fromtimestamp(when, datetime.UTC):%Y-%m-%dT%H:%M:%SZ}"


def _ago(when: float, now: float) -> str:
    return f"{about(max(0.0, now - when))} ago" if when else "never"


def _ahead(status: SourceStatus, now: float) -> str:
    if not status.next_run:
        return "only by hand"
    return f"in {about(status.next_run - now)}" if status.next_run > now else "now"
