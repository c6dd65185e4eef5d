"""Says in the database how files stand: one thread, many files in one transaction.

A file that took ten milliseconds to fetch can't wait for a disk of its own. What is written here is
lost at a crash, for the last tenth of a second, and found out again: a file has its name or it has
not.
"""

from __future__ import annotations

import json
import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pelagos_client.download import Fetched
from pelagos_client.download.parts import sync_folder
from sqlalchemy import Connection, Engine, bindparam, or_, update

from pelagos.datapool import queue
from pelagos.datapool.database import transaction
from pelagos.datapool.model import FileState
from pelagos.datapool.tables import files, tallies
from pelagos.errors import AwayError, StateError

logger = logging.getLogger(__name__)

_EVERY = 0.1  # seconds
_MOST = 2000  # entries of one transaction
_FULL = 5000  # entries that wait, after which whoever writes waits
_TROUBLE = 1.0
# not `in_`: that can't be said for many rows at once
_IDLE = or_(
    files.c.state == FileState.QUEUED.value,
    files.c.state == FileState.FETCHING.value,
    files.c.state == FileState.WAITING.value,
)


@dataclass(frozen=True)
class Entry:
    """How a file stands from now on. `ends`: whether it is no longer under way."""

    file: int
    values: Mapping[str, Any]
    ends: bool = True
    changed: bool = False  # it is another version than what was there before
    folder: Path | None = None  # to sync before it may be said
    tally: Mapping[tuple[str, str], int] = field(default_factory=dict)


def begun(file: int) -> Entry:
    """It is being fetched."""
    return Entry(file, {"state": FileState.FETCHING.value, "error": ""}, ends=False)


def progressed(file: int, done: int) -> Entry:
    """So many bytes of it are here."""
    return Entry(file, {"done": done}, ends=False)


def present(task: queue.Task, got: Fetched, now: float) -> Entry:
    """It is in the pool."""
    values = {
        "state": FileState.PRESENT.value,
        "size": got.size,
        "done": got.size,
        "checksum": got.checksum,
        "proof": got.proof.value,
        "notes": json.dumps(list(got.notes)),
        "fetched": now,
        "error": "",
        "tries": 0,
        "not_before": 0,
        "job": "",
    }
    if got.url:  # else it was there already, and what was known of it stays
        values |= {"url": got.url, "etag": got.etag, "modified": got.modified}
    came = {("bytes", task.source): max(got.size - got.resumed, 0), ("files", task.source): 1}
    other = bool(task.checksum) and task.checksum != got.checksum
    return Entry(task.file, values, changed=other, folder=got.path.parent, tally=came)


def again(task: queue.Task, error: str, done: int, tries: int, at: float) -> Entry:
    """It is tried again later."""
    values = {
        "state": FileState.QUEUED.value,
        "error": error,
        "done": done,
        "tries": tries,
        "not_before": at,
    }
    return Entry(task.file, values, tally={("retries", task.source): 1})


def waiting(task: queue.Task, job: Mapping[str, Any], note: str, at: float) -> Entry:
    """Its source prepares it."""
    notes = json.dumps([note] if note else [])
    values = {
        "state": FileState.WAITING.value,
        "job": json.dumps(dict(job)),
        "notes": notes,
        "not_before": at,
        "tries": 0,
        "error": "",
    }
    return Entry(task.file, values)


def failed(task: queue.Task, error: str, done: int) -> Entry:
    """It can't be had."""
    values = {"state": FileState.FAILED.value, "error": error, "done": done, "job": ""}
    return Entry(task.file, values, tally={("failures", task.source): 1})


def empty(task: queue.Task) -> Entry:
    """The source has nothing in this part of what was cut."""
    values = {"state": FileState.EMPTY.value, "error": "", "done": 0, "tries": 0, "job": ""}
    return Entry(task.file, values)


def stopped(task: queue.Task, done: int) -> Entry:
    """Nobody wants it any more, or we stop: it is queued for those who still do."""
    values = {"state": FileState.QUEUED.value, "done": done, "not_before": 0}
    return Entry(task.file, values)


class Ledger:
    """The thread. `told` is called in it after each transaction: files that ended, files that
    changed in any way."""

    def __init__(self, database: Engine, told: Callable[[Sequence[Entry]], None]) -> None:
        self._database, self._told = database, told
        self._changed = threading.Condition()
        self._entries: list[Entry] = []
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="pelagos-ledger", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def check(self) -> None:
        """Raises StateError if it has ended by a fault: nothing would be said any more."""
        if not self._thread.is_alive():
            raise StateError("The downloader can't write down what it does.", "See its log.")

    def put(self, *entries: Entry) -> None:
        """Say this soon; waits while the database is away and much is unsaid."""
        with self._changed:
            while len(self._entries) > _FULL and not self._closing:
                self._changed.wait(1)
            self._entries.extend(entries)
            self._changed.notify_all()

    def close(self, patience: float = 5) -> None:
        """Say the rest, if the database answers."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(patience)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._entries and not self._closing:
                    self._changed.wait()
                if not self._entries:
                    return
                batch = self._entries[:_MOST]
            if not self._say(batch) and self._closing:
                return
            with self._changed:
                if not self._closing:
                    self._changed.wait_for(lambda: self._closing, _EVERY)

    def _say(self, batch: list[Entry]) -> bool:
        for folder in {entry.folder for entry in batch if entry.folder}:
            sync_folder(folder)
        try:
            with transaction(self._database) as connection:
                _write(connection, batch)
        except AwayError as error:
            logger.warning("%s", error)
            with self._changed:
                self._changed.wait_for(lambda: self._closing, _TROUBLE)
            return False
        with self._changed:
            del self._entries[: len(batch)]
            self._changed.notify_all()
        self._told(batch)
        return True


def _write(connection: Connection, batch: Sequence[Entry]) -> None:
    """All of it; of several entries for a file each value as the last one has it."""
    merged: dict[int, dict[str, Any]] = {}
    counts: Counter[tuple[str, str]] = Counter()
    for entry in batch:
        merged.setdefault(entry.file, {}).update(entry.values)
        counts.update(entry.tally)
    by_shape: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for file, values in merged.items():
        given = {f"v_{name}": value for name, value in values.items()}
        by_shape.setdefault(tuple(sorted(values)), []).append({"one": file, **given})
    for shape, rows in by_shape.items():
        connection.execute(
            update(files)
            .where(files.c.id == bindparam("one"), _IDLE)
            .values({name: bindparam(f"v_{name}") for name in shape}),
            rows,
        )
    ended = [entry.file for entry in batch if entry.changed]
    if ended:
        queue.note_changes(connection, ended)
    for (name, source), value in counts.items():
        count(connection, name, source, value)


def count(connection: Connection, name: str, source: str, value: int) -> None:
    """Add to what is counted since the beginning."""
    this = (tallies.c.name == name, tallies.c.source == source)
    done = connection.execute(update(tallies).where(*this).values(value=tallies.c.value + value))
    if not done.rowcount:
        connection.execute(tallies.insert().values(name=name, source=source, value=value))
