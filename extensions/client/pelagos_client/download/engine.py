"""Downloads many files at once: threads of its own below, one plain call above."""

from __future__ import annotations

import logging
import os
import random
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pelagos_client.download.addresses import Guard
from pelagos_client.download.asking import Asked, Said, ask
from pelagos_client.download.errors import (
    DownloadError,
    RequestError,
    SpaceError,
    StoppedError,
    StorageError,
)
from pelagos_client.download.exchange import Session
from pelagos_client.download.hosts import Hosts
from pelagos_client.download.model import (
    DownloadProgress,
    Existing,
    Fetched,
    Limits,
    Report,
    State,
    Wanted,
)
from pelagos_client.download.parts import Part, check_path, sync_folder
from pelagos_client.download.transfer import Declared, Transfer
from pelagos_client.download.watch import Watch
from pelagos_client.download.wire import Lines
from pelagos_client.needed import module
from pelagos_client.progress import readable

logger = logging.getLogger(__name__)

_TELL_SECONDS = 0.5
Tell = Callable[[DownloadProgress], None]


class Engine:
    """Shares connections, and turns at each host, between calls; also from many threads.

    A context manager. `trust`: certificates; the system's (or SSL_CERT_FILE's) if None.
    """

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        guard: Guard | None = None,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        module("stamina", "download")  # late, so that the package is quick to import without it
        self.limits = limits or Limits()
        self.guard = guard or Guard()
        self._lines = Lines(self.guard, self.limits, trust)
        self._session = Session(self.guard, self._lines, Hosts(self.limits.per_host), self.limits)

    def fetch(
        self,
        files: Sequence[Wanted],
        into: str | os.PathLike[str],
        *,
        progress: Tell | None = None,
        cancel: threading.Event | None = None,
        existing: Existing = Existing.KEEP,
    ) -> Report:
        """Download `files` into the folder `into`; returns when all have ended.

        A file that fails is no exception: its result says why. `progress` is called in this
        thread, at most twice a second and at the end. Once `cancel` is set the call ends within a
        second; so it does on Ctrl-C, and if `progress` raises. What came is continued by the next
        call.

        Raises RequestError if two files have the same name, SpaceError if the known sizes don't
        fit; then nothing was downloaded.
        """
        run = _Run(self, self._session, files, Path(into), cancel, existing)
        return run.all(progress)

    def download(
        self,
        wanted: Wanted,
        into: str | os.PathLike[str],
        *,
        cancel: threading.Event | None = None,
        existing: Existing = Existing.KEEP,
    ) -> Download:
        """One file that the caller's own thread downloads: for those who have a queue of theirs."""
        return Download(_Run(self, self._session, [wanted], Path(into), cancel, existing))

    def ask(
        self,
        method: str,
        url: str,
        *,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        largest: int = 2**20,
        seconds: float = 120,
        follow: bool = True,
        cancel: threading.Event | None = None,
    ) -> Said:
        """A small answer: see `asking.ask`."""
        return ask(
            self._session,
            self.limits,
            Asked(method, url, json, headers or {}, largest, seconds, follow),
            cancel,
        )

    def close(self) -> None:
        """Close idle connections."""
        self._lines.close()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def fetch(
    files: Sequence[Wanted],
    into: str | os.PathLike[str],
    *,
    limits: Limits | None = None,
    guard: Guard | None = None,
    progress: Tell | None = None,
    cancel: threading.Event | None = None,
    existing: Existing = Existing.KEEP,
) -> Report:
    """Download `files` into the folder `into` with an engine of its own: see `Engine.fetch`.

    Without `guard` every public host may be asked.
    """
    with Engine(limits=limits, guard=guard) as engine:
        return engine.fetch(files, into, progress=progress, cancel=cancel, existing=existing)


class Download:
    """One file, downloaded by the thread that calls `run`; others may read `done` and `total`."""

    def __init__(self, run: _Run) -> None:
        self._run = run

    @property
    def done(self) -> int:
        """Bytes that are here."""
        return self._run.far()[0]

    @property
    def total(self) -> int | None:
        """Bytes that there will be, as far as is known."""
        return self._run.far()[1]

    def run(self) -> Fetched:
        """To its end. `sync_folder` of its folder, which makes its name last, is the caller's."""
        return self._run.only()


class _Run:
    """One call."""

    def __init__(
        self,
        engine: Engine,
        session: Session,
        files: Sequence[Wanted],
        into: Path,
        cancel: threading.Event | None,
        existing: Existing,
    ) -> None:
        self._engine, self._session, self._limits = engine, session, engine.limits
        self._files, self._into, self._existing = files, into, existing
        self._cancel, self._ended = cancel, threading.Event()
        self._results: dict[int, Fetched] = {}
        self._transfers: dict[int, Transfer] = {}
        self._began = time.monotonic()
        self._full: SpaceError | None = None

    def all(self, progress: Tell | None) -> Report:
        """All files. Raises RequestError, SpaceError."""
        lanes = self._lanes()
        self._check_space()
        left = threading.Semaphore(0)
        threads = [
            threading.Thread(
                target=self._drain, args=(lane, left), name="pelagos-download", daemon=True
            )
            for lane in lanes
        ]
        try:
            for thread in threads:
                thread.start()
            for _ in threads:
                while not left.acquire(timeout=_TELL_SECONDS):
                    self._tell(progress)
        finally:
            self._ended.set()
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
        for folder in {file.path.parent for file in self._results.values() if file.good}:
            sync_folder(folder)  # once for all its files
        self._tell(progress)
        results = tuple(self._results[index] for index in range(len(self._files)))
        return Report(results, time.monotonic() - self._began)

    def only(self) -> Fetched:
        """The first file, in this thread."""
        wanted = self._files[0]
        try:
            check_path(wanted.path)
            Declared.of(wanted)
            self._engine.guard.check(wanted.url)
        except DownloadError as error:
            return Fetched(wanted, self._into, State.FAILED, error=error)
        return self._one(wanted, 0)

    def far(self) -> tuple[int, int | None]:
        """Bytes of the first file that are here, and that there will be."""
        transfer = self._transfers.get(0)
        return (transfer.done, transfer.total) if transfer else (0, self._files[0].size)

    def _lanes(self) -> list[deque[int]]:
        """Files by host, once for every thread that works on them. Raises RequestError."""
        by_host: dict[tuple[str, int], deque[int]] = {}
        names: set[str] = set()
        for index, wanted in enumerate(self._files):
            if wanted.path in names:
                raise RequestError(f"Two files have the name {wanted.path!r}.", "Name each once.")
            names.add(wanted.path)
            try:
                check_path(wanted.path)
                Declared.of(wanted)
                place = self._engine.guard.check(wanted.url).place
            except DownloadError as error:
                self._results[index] = Fetched(wanted, self._into, State.FAILED, error=error)
                continue
            by_host.setdefault(place, deque()).append(index)
        most = self._limits.connections
        queues: list[deque[int]] = []
        for number, queue in enumerate(by_host.values()):
            if number < most:
                queues.append(queue)
            else:  # more hosts than threads
                queues[number % most].extend(queue)
        share = max(1, min(self._limits.per_host, most // max(len(queues), 1)))
        return [queue for queue in queues for _ in range(min(share, len(queue)))]

    def _check_space(self) -> None:
        """Raises SpaceError if the known sizes can't fit."""
        needed = 0
        free = None
        for index, wanted in enumerate(self._files):
            if index in self._results or not wanted.size:
                continue
            try:
                with Part(self._into, wanted.path) as part:
                    free = free or part.free()
                    there = self._existing is Existing.KEEP and part.present() is not None
                    needed += 0 if there else max(wanted.size - part.waiting(), 0)
            except StorageError:
                continue  # that file's own result will say so
        if free is not None and needed > free - self._limits.spare:
            raise SpaceError(
                f"The files need {readable(needed)}, and "
                f"{readable(max(free - self._limits.spare, 0))} are free in {self._into}.",
                "Make room there, or order less. Nothing was downloaded.",
            )

    def _drain(self, queue: deque[int], left: threading.Semaphore) -> None:
        try:
            while True:
                try:
                    index = queue.popleft()
                except IndexError:
                    return
                self._results[index] = self._one(self._files[index], index)
        finally:
            left.release()

    def _stopped(self) -> bool:
        return self._ended.is_set() or (self._cancel is not None and self._cancel.is_set())

    def _one(self, wanted: Wanted, index: int) -> Fetched:
        """One file, to its end."""
        began = time.monotonic()
        watch = Watch(wanted.path, self._limits, self._stopped)
        result = Fetched(wanted, self._into / wanted.path, State.FAILED)
        transfer = None
        try:
            watch.check()
            if self._full:
                raise self._full
            with Part(self._into, wanted.path) as part:
                transfer = Transfer(Declared.of(wanted), part, self._limits, watch)
                self._transfers[index] = transfer
                try:
                    result = self._get(transfer, part, watch)
                finally:
                    transfer.close()
        except DownloadError as error:
            state = State.CANCELLED if isinstance(error, StoppedError) else State.FAILED
            if isinstance(error, SpaceError):
                self._full = error
            result = replace(transfer.result if transfer else result, state=state, error=error)
        except Exception as error:  # a thread that dies would leave the call waiting
            logger.exception("%s", wanted.path)
            fault = DownloadError(
                f"{wanted.path}: a fault of this program ({type(error).__name__}).",
                "Please report it.",
            )
            result = replace(result, error=fault)
        return replace(result, seconds=time.monotonic() - began)

    def _get(self, transfer: Transfer, part: Part, watch: Watch) -> Fetched:
        """Try until it is there or can't be. Raises DownloadError."""
        if self._existing is Existing.KEEP and (there := transfer.present()):
            return there
        part.open()
        while True:
            before = transfer.done
            try:
                return self._attempts(transfer, part, watch)
            except DownloadError as error:
                # as long as it grows it is worth while: a bad line ends long files often
                if not error.again or transfer.done <= before:
                    raise

    def _attempts(self, transfer: Transfer, part: Part, watch: Watch) -> Fetched:
        limits = self._limits
        number, wait_at_least = 0, 0.0

        def judge(error: Exception) -> bool | float:
            if not isinstance(error, DownloadError):
                return False
            if error.afresh:
                part.begin(None)
            if error.again is False or number == limits.attempts:
                return False
            wait = wait_at_least * (1 + random.random())  # noqa: S311 (spreads the load)
            if error.again is not True:
                wait = max(wait, error.again)
            # here, because stamina's own sleep can't be cancelled
            watch.pause(wait)
            return 0.0

        for attempt in module("stamina", "download").retry_context(
            on=judge,
            attempts=limits.attempts,
            timeout=None,
            wait_initial=limits.first_wait,
            wait_max=limits.longest_wait,
            wait_jitter=0,
        ):
            number, wait_at_least = attempt.num, attempt.next_wait
            with attempt:
                return transfer.attempt(self._session)
        raise AssertionError("stamina raises the last error")

    def _tell(self, progress: Tell | None) -> None:
        if progress is None:
            return
        results, transfers = self._results.copy(), self._transfers.copy()
        total = unknown = done = 0
        for index, wanted in enumerate(self._files):
            transfer, result = transfers.get(index), results.get(index)
            size, here = wanted.size, 0
            if transfer:
                size, here = transfer.total, transfer.done
            if result:  # of what failed there won't be more than is here
                size = result.size if result.good else here
            done, total, unknown = done + here, total + (size or 0), unknown + (size is None)
        good = sum(result.good for result in results.values())
        seconds = time.monotonic() - self._began
        progress(
            DownloadProgress(
                len(self._files), good, len(results) - good, done, total, unknown, seconds
            )
        )
