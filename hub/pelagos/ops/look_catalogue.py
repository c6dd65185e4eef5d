"""What doctor says of the catalogue: its sources, its index, its disk."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from pelagos.catalogue.harvest import INDEX_FILE, RUNS_FILE
from pelagos.catalogue.harvest.overview import Health, SourceStatus, read_overview
from pelagos.errors import StateError
from pelagos.ops.findings import Finding, Level, Patient
from pelagos.services.workspace.storage import about
from pelagos.units import format_bytes

_MIN_FREE = 2 * 2**30
_MEND = "Delete it, then ./pelagos harvest: everything is read again from the sources."


def look_at_sources(found: Patient) -> Iterator[Finding]:
    """Sources that fail, or were not harvested for long."""
    if found.settings is None or not found.state.catalogue.exists():
        return
    path, now = found.state.catalogue / RUNS_FILE, time.time()
    try:
        sources = read_overview(path, found.settings.catalogue.sources, now)
    except (StateError, OSError) as error:
        mend = error.mend if isinstance(error, StateError) else ""
        yield Finding("harvests", Level.ERROR, str(error), mend)
        return
    bad = [one for one in sources if one.health in (Health.FAILING, Health.STALE)]
    for one in bad:
        yield _finding(one, now)
    if not bad:
        granules = sum(one.granules for one in sources)
        never = sum(one.health is Health.NEW for one in sources)
        detail = f"{len(sources)} with {granules:,} granules"
        more = f"; {never} not harvested yet" if never else ""
        yield Finding("catalogue sources", Level.OK, detail + more)


def _finding(status: SourceStatus, now: float) -> Finding:
    name = f"source {status.source.name}"
    age = f"last good run {about(now - status.good_run)} ago" if status.good_run else "no good run"
    if status.health is Health.STALE:
        mend = f"Does the harvester run? ./pelagos status; ./pelagos harvest {status.source.name}"
        return Finding(name, Level.WARNING, f"out of date: {age}", mend)
    error, mend = (status.last.error, status.last.mend) if status.last else ("", "")
    if not error:
        error = f"{status.failures} runs in a row failed"
    return Finding(
        name,
        Level.WARNING,
        f"failing ({age}): {error}",
        mend or f"It is tried again by itself; now: ./pelagos harvest {status.source.name}",
    )


def look_at_index(found: Patient) -> Iterator[Finding]:
    """Whether the index can be read, by SQLite's quick look at its head."""
    path = found.state.catalogue / INDEX_FILE
    if not path.exists():
        return
    try:
        problem = _problem(path)
    except (sqlite3.Error, OSError) as error:
        problem = str(error)
    if problem:
        yield Finding("catalogue index", Level.ERROR, f"{path} is damaged: {problem}", _MEND)
    else:
        # the newest pages stand in the log beside it until a checkpoint
        log = path.with_name(f"{path.name}-wal")
        size = path.stat().st_size + (log.stat().st_size if log.exists() else 0)
        yield Finding("catalogue index", Level.OK, f"{format_bytes(size)} at {path}")


def _problem(path: Path) -> str:
    """What is wrong with the file; empty for nothing. Raises sqlite3.Error, OSError."""
    if path.is_symlink():
        return "it is a link"
    uri = f"{path.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=5)) as db:
        # the tables that searches begin with; the whole of a large index takes minutes
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE type='table'")]
        if "collection" not in tables:
            return "it has no collections table"
        (answer,) = db.execute("PRAGMA quick_check('collection')").fetchone()
    return "" if answer == "ok" else str(answer)


def look_at_catalogue_disk(found: Patient) -> Iterator[Finding]:
    """Free space where the index is."""
    folder = found.state.catalogue
    if not folder.exists():
        return
    free = shutil.disk_usage(folder).free
    good = free > _MIN_FREE
    yield Finding(
        "disk (catalogue)",
        Level.OK if good else Level.ERROR,
        f"{format_bytes(free)} free at {folder}",
        "" if good else "Free space there: harvests fail, and the index stays as it is.",
    )


LOOKS: list[Callable[[Patient], Iterator[Finding]]] = [
    look_at_sources,
    look_at_index,
    look_at_catalogue_disk,
]
