"""Run records: which source was harvested when, and how that went (`runs.sqlite`).

The harvester writes; pages and commands read at the same time (WAL) and leave requests. Every
method raises StateError if the file can't be used.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pelagos.catalogue.harvest.database import Database
from pelagos.catalogue.harvest.records import (
    Counts,
    Ending,
    Progress,
    Rejection,
    Request,
    Run,
    RunState,
    SourceRecord,
)

KEPT_RUNS = 20  # of each source
KEPT_REJECTIONS = 200  # of each run
_KEPT_REQUESTS = 200
_UNDER_WAY = (RunState.QUEUED.value, RunState.RUNNING.value)


class Runs:
    """The run records. Threads may share one; close it at the end.

    `write` makes what is missing; without it the file must be there and is never changed.
    `now` is the clock, in unix seconds.
    """

    def __init__(
        self, path: Path, *, write: bool = True, now: Callable[[], float] = time.time
    ) -> None:
        self._file = Database(path, write=write)
        self._now = now

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    # -- requests

    def ask(self, source: str, by: str, *, accept_loss: bool = False) -> int:
        """Leave the request that a source be harvested now; its number.

        One that nobody took up yet is not made twice.
        """
        with self._file.change() as db:
            row = db.execute(
                "SELECT id FROM requests WHERE source = ? AND accept_loss = ? AND run = 0 "
                "AND refusal = ''",
                (source, accept_loss),
            ).fetchone()
            if row:
                return int(row["id"])
            done = db.execute(
                "INSERT INTO requests (source, asked, by, accept_loss) VALUES (?, ?, ?, ?)",
                (source, self._now(), by, accept_loss),
            )
            number = int(done.lastrowid or 0)
            db.execute("DELETE FROM requests WHERE id <= ?", (number - _KEPT_REQUESTS,))
            return number

    def request(self, number: int) -> Request | None:
        """What became of a request."""
        rows = self._file.rows("SELECT * FROM requests WHERE id = ?", number)
        return _request(rows[0]) if rows else None

    def open_requests(self) -> list[Request]:
        """Those that nobody took up yet."""
        rows = self._file.rows("SELECT * FROM requests WHERE run = 0 AND refusal = '' ORDER BY id")
        return [_request(row) for row in rows]

    def take(self, request: Request) -> int:
        """Answer a request with a run; its number.

        One that is under way serves, unless it was not told to accept losses.
        """
        with self._file.change() as db:
            number = self._queue(db, request.source, request.accept_loss)
            db.execute("UPDATE requests SET run = ? WHERE id = ?", (number, request.id))
            return number

    def refuse(self, request: Request, reason: str) -> None:
        """Answer a request with a sentence."""
        with self._file.change() as db:
            db.execute("UPDATE requests SET refusal = ? WHERE id = ?", (reason, request.id))

    # -- the life of a run

    def queue(self, source: str) -> int:
        """A run of this source that waits for its turn; the one under way if there is one."""
        with self._file.change() as db:
            return self._queue(db, source, False)

    def _queue(self, db: sqlite3.Connection, source: str, accept_loss: bool) -> int:
        row = db.execute(
            "SELECT id, state FROM runs WHERE source = ? AND state IN (?, ?) AND accept_loss >= ? "
            "ORDER BY id LIMIT 1",
            (source, *_UNDER_WAY, accept_loss),
        ).fetchone()
        if row:
            return int(row["id"])
        db.execute("INSERT OR IGNORE INTO sources (name) VALUES (?)", (source,))
        done = db.execute(
            "INSERT INTO runs (source, state, queued, accept_loss) VALUES (?, ?, ?, ?)",
            (source, RunState.QUEUED.value, self._now(), accept_loss),
        )
        return int(done.lastrowid or 0)

    def start(self, run: int) -> None:
        """The run begins now."""
        with self._file.change() as db:
            db.execute(
                "UPDATE runs SET state = ?, started = ? WHERE id = ?",
                (RunState.RUNNING.value, self._now(), run),
            )

    def progress(self, run: int, progress: Progress, rejections: Iterable[Rejection] = ()) -> None:
        """The run is at this point; these rejections are new."""
        with self._file.change() as db:
            self._tell(db, run, progress, rejections)

    def _tell(
        self,
        db: sqlite3.Connection,
        run: int,
        progress: Progress,
        rejections: Iterable[Rejection],
    ) -> None:
        db.execute("UPDATE runs SET progress = ? WHERE id = ?", (json.dumps(asdict(progress)), run))
        count = db.execute("SELECT count(*) FROM rejections WHERE run = ?", (run,)).fetchone()[0]
        db.executemany(
            "INSERT INTO rejections VALUES (?, ?, ?, ?)",
            (
                (run, number, one.which, one.reason)
                for number, one in enumerate(rejections, count)
                if number < KEPT_REJECTIONS
            ),
        )

    def finish(
        self,
        run: Run,
        ending: Ending,
        progress: Progress,
        rejections: Iterable[Rejection] = (),
        *,
        next_run: float,
        memory: str = "{}",
        held: Mapping[str, int] | None = None,
    ) -> None:
        """The run is over. After a good one the connector's `memory` (JSON) replaces the older.

        `held`: granules by collection that the index has of the source now, if that is known.
        """
        now = self._now()
        with self._file.change() as db:
            self._tell(db, run.id, progress, rejections)
            db.execute(
                "UPDATE runs SET state = ?, finished = ?, error = ?, mend = ?, notice = ? "
                "WHERE id = ?",
                (ending.state.value, now, ending.error, ending.mend, ending.notice, run.id),
            )
            if ending.state.good:
                db.execute(
                    "UPDATE sources SET failures = 0, next_run = ?, good_run = ?, memory = ? "
                    "WHERE name = ?",
                    (next_run, now, memory, run.source),
                )
                db.execute("UPDATE collections SET fresh = 0 WHERE source = ?", (run.source,))
            else:
                failed = ending.state is RunState.FAILED
                db.execute(
                    "UPDATE sources SET failures = failures + ?, next_run = ? WHERE name = ?",
                    (failed, next_run, run.source),
                )
            if held is not None:
                db.execute(
                    "UPDATE sources SET collections = ?, granules = ? WHERE name = ?",
                    (len(held), sum(held.values()), run.source),
                )
            self._drop_old(db, run.source)

    def _drop_old(self, db: sqlite3.Connection, source: str) -> None:
        """Forget all but the newest runs of a source."""
        old = [
            (row["id"],)
            for row in db.execute(
                "SELECT id FROM runs WHERE source = ? AND state NOT IN (?, ?) "
                "ORDER BY id DESC LIMIT -1 OFFSET ?",
                (source, *_UNDER_WAY, KEPT_RUNS),
            )
        ]
        db.executemany("DELETE FROM rejections WHERE run = ?", old)
        db.executemany("DELETE FROM runs WHERE id = ?", old)

    def mark_interrupted(
        self, reason: str, mend: str = "", *, but: Collection[str] = ()
    ) -> list[Run]:
        """Runs that say they run don't, but for those of some sources: what did them is gone.

        They go on as soon as they can.
        """
        running = [
            run
            for run in self.under_way()
            if run.state is RunState.RUNNING and run.source not in but
        ]
        for run in running:
            ending = Ending(RunState.INTERRUPTED, reason, mend)
            self.finish(run, ending, run.progress, next_run=self._now())
        return running

    # -- what is remembered of a source

    def collection_done(self, source: str, identifier: str, granules: int) -> None:
        """A collection was read to its end, and has so many granules."""
        with self._file.change() as db:
            db.execute(
                "INSERT OR REPLACE INTO collections VALUES (?, ?, ?, ?, 1)",
                (source, identifier, granules, self._now()),
            )

    def forget_collections(self, source: str, identifiers: Iterable[str]) -> None:
        """These are not in the index any more."""
        with self._file.change() as db:
            db.executemany(
                "DELETE FROM collections WHERE source = ? AND id = ?",
                ((source, one) for one in identifiers),
            )

    def fresh(self, source: str, since: float) -> set[str]:
        """Collections that an unfinished run read to their ends after this time."""
        rows = self._file.rows(
            "SELECT id FROM collections WHERE source = ? AND fresh AND finished > ?", source, since
        )
        return {row["id"] for row in rows}

    def believe(self, source: str, held: Mapping[str, int]) -> bool:
        """The index holds these granules by collection: if it lacks some that were stored, forget.

        Whether it does. It may be a new one, or an older one from a backup: then what the connector
        remembers would keep it from ever being filled again.
        """
        rows = self._file.rows("SELECT id, granules FROM collections WHERE source = ?", source)
        lacking = any(held.get(row["id"], -1) < row["granules"] for row in rows)
        if lacking:
            self.forget_memory(source)
        return lacking

    def lost(self, source: str, held: Mapping[str, int]) -> None:
        """The index has only this left of a source: as if it had never been harvested well."""
        with self._file.change() as db:
            db.execute(
                "UPDATE sources SET next_run = ?, good_run = 0, collections = ?, granules = ? "
                "WHERE name = ?",
                (self._now(), len(held), sum(held.values()), source),
            )

    def memory(self, source: str, settings: str) -> dict[str, Any]:
        """What the connector remembers, for a run that begins with these settings.

        What was remembered with others is worth nothing: then everything is read again.
        """
        with self._file.change() as db:
            row = db.execute("SELECT * FROM sources WHERE name = ?", (source,)).fetchone()
            if row is not None and row["settings"] == settings:
                known: dict[str, Any] = json.loads(row["memory"])
                return known
            db.execute("INSERT OR IGNORE INTO sources (name) VALUES (?)", (source,))
            db.execute(
                "UPDATE sources SET memory = '{}', settings = ? WHERE name = ?", (settings, source)
            )
            db.execute("UPDATE collections SET fresh = 0 WHERE source = ?", (source,))
            return {}

    def forget_memory(self, source: str) -> None:
        """The index is not what it was after the last run: everything must be asked for again."""
        with self._file.change() as db:
            db.execute("UPDATE sources SET memory = '{}' WHERE name = ?", (source,))
            db.execute("DELETE FROM collections WHERE source = ?", (source,))

    def forget_source(self, source: str) -> None:
        """A source is not in the settings any more, and its records not in the index."""
        with self._file.change() as db:
            db.execute(
                "DELETE FROM rejections WHERE run IN (SELECT id FROM runs WHERE source = ?)",
                (source,),
            )
            for table, column in (
                ("runs", "source"), ("collections", "source"), ("sources", "name"),
            ):  # fmt: skip
                db.execute(f"DELETE FROM {table} WHERE {column} = ?", (source,))  # noqa: S608

    # -- what readers ask

    def run(self, number: int) -> Run | None:
        """One run."""
        rows = self._file.rows("SELECT * FROM runs WHERE id = ?", number)
        return _run(rows[0]) if rows else None

    def runs(self, source: str) -> list[Run]:
        """Those of a source that are still known, newest first."""
        rows = self._file.rows("SELECT * FROM runs WHERE source = ? ORDER BY id DESC", source)
        return [_run(row) for row in rows]

    def under_way(self) -> list[Run]:
        """Runs that wait or run, oldest first."""
        rows = self._file.rows("SELECT * FROM runs WHERE state IN (?, ?) ORDER BY id", *_UNDER_WAY)
        return [_run(row) for row in rows]

    def rejections(self, run: int) -> list[Rejection]:
        """The first of the records that a run rejected."""
        rows = self._file.rows(
            "SELECT which, reason FROM rejections WHERE run = ? ORDER BY number", run
        )
        return [Rejection(row["which"], row["reason"]) for row in rows]

    def sources(self) -> dict[str, SourceRecord]:
        """What is remembered of each source, by its name."""
        rows = self._file.rows(
            "SELECT name, failures, next_run, good_run, collections, granules, "
            "(SELECT max(id) FROM runs WHERE source = name) AS last FROM sources ORDER BY name"
        )
        return {
            row["name"]: SourceRecord(
                name=row["name"],
                failures=row["failures"],
                next_run=row["next_run"],
                good_run=row["good_run"],
                collections=row["collections"],
                granules=row["granules"],
                last=self.run(row["last"]) if row["last"] else None,
            )
            for row in rows
        }

    def source(self, name: str) -> SourceRecord:
        """The same of one; an empty one if nothing is remembered."""
        return self.sources().get(name, SourceRecord(name))


def _request(row: sqlite3.Row) -> Request:
    return Request(
        row["id"], row["source"], row["by"], bool(row["accept_loss"]), row["run"], row["refusal"]
    )


def _run(row: sqlite3.Row) -> Run:
    told: dict[str, Any] = json.loads(row["progress"])
    progress = Progress(**{**told, "counts": Counts(**told.get("counts", {}))})
    return Run(
        id=row["id"],
        source=row["source"],
        state=RunState(row["state"]),
        queued=row["queued"],
        started=row["started"],
        finished=row["finished"],
        accept_loss=bool(row["accept_loss"]),
        progress=progress,
        error=row["error"],
        mend=row["mend"],
        notice=row["notice"],
    )
