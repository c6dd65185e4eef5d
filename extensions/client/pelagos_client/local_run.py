"""Carries out one order: fetches its files into its folder, and writes its documents."""

from __future__ import annotations

import contextlib
import getpass
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pelagos_client.access.model import EmptyError, Waiting
from pelagos_client.asking import text_of
from pelagos_client.documents.model import DeliveredFile, OrderFacts
from pelagos_client.errors import MissingPackageError, PelagosError
from pelagos_client.local_state import STOP, LocalFile, LocalState, locked
from pelagos_client.order_model import EMPTY, OrderState, moment

logger = logging.getLogger(__name__)
_SAVE_SECONDS = 1.0
_LOCK_TRIES = 20


@dataclass
class Seen:
    """What has come so far: files and bytes."""

    finished: int = 0
    done: int = 0


class Run(threading.Thread):
    """The thread of an order. Ends with the program: what came is gone on with by `retry`."""

    def __init__(self, folder: Path, state: LocalState) -> None:
        super().__init__(name="pelagos-order", daemon=True)
        self.folder, self.state = folder, state
        self.cancel, self.begun = threading.Event(), threading.Event()
        self.refused = self._paused = False
        self.seen = Seen()
        self._before = Seen()
        self._saved = 0.0

    def run(self) -> None:
        """All of it; its end is in the state."""
        for attempt in range(_LOCK_TRIES):  # who only looks holds the lock for a moment
            with locked(self.folder) as free:
                self.refused = not free
                if free:
                    self.begun.set()
                    self._all()
                    return
            self.cancel.wait(0.1 * (attempt < _LOCK_TRIES - 1))
        self.begun.set()

    def pause(self) -> None:
        """End it, because its program ends."""
        self._paused = True
        self.cancel.set()

    def _all(self) -> None:
        try:
            (self.folder / STOP).unlink(missing_ok=True)
            self._carry_out()
        except PelagosError as error:
            self._end(OrderState.FAILED, str(error).removesuffix(error.mend).strip(), error.mend)
        except OSError as error:
            what = f"Its folder can't be written: {error.strerror}."
            self._end(OrderState.FAILED, what, "Make room there, then retry().")
        except Exception as error:  # a thread that dies silently would be waited for
            logger.exception("order in %s", self.folder)
            what = f"A fault of this program ({type(error).__name__})."
            self._end(OrderState.FAILED, what, "Please report it.")

    def _carry_out(self) -> None:
        from pelagos_client.download.addresses import Guard
        from pelagos_client.download.engine import Engine

        self._to(OrderState.FETCHING)
        with Engine(guard=Guard(named=self.state.named)) as engine:
            self._fetch(engine)
        if self._stopped():
            if self._paused and not (self.folder / STOP).exists():
                self._save()  # as under way: nobody asked for its end
            else:
                self._end(OrderState.CANCELLED)
            return
        failed = [file for file in self.state.files if file.state not in ("ready", EMPTY)]
        if not failed and all(file.state == EMPTY for file in self.state.files):
            self._end(
                OrderState.FAILED,
                "The source has nothing in what was asked for.",
                "Order a larger box or a longer time.",
            )
            return
        if failed:
            self._end(
                OrderState.FAILED,
                f"{len(failed)} of {len(self.state.files)} files could not be had.",
                "retry() tries them again.",
            )
            return
        self._to(OrderState.VERIFYING)
        ready = datetime.now(UTC)
        self._write_documents(ready)
        self._end(OrderState.READY, when=ready)

    def _fetch(self, engine: Any) -> None:
        """Everything that is not here. Errors of one file are that file's."""
        from pelagos_client.access.obtaining import is_plain, wanted

        due = [file for file in self.state.files if file.state not in ("ready", EMPTY)]
        plain = [file for file in due if is_plain(file.plan)]
        if plain:
            requests = [wanted(one.plan, one.path, headers_for(one.plan.url)) for one in plain]
            report = engine.fetch(requests, self.folder, progress=self._tell, cancel=self.cancel)
            for file, result in zip(plain, report.files, strict=True):
                self._took(file, result)
            self._count()
        self._one_by_one(engine, [file for file in due if not is_plain(file.plan)])

    def _one_by_one(self, engine: Any, files: list[LocalFile]) -> None:
        """What a server cuts or prepares; while one is prepared the others go on."""
        due = dict.fromkeys(range(len(files)), 0.0)
        while due and not self._stopped():
            index = min(due, key=lambda one: due[one])
            pause = due[index] - time.monotonic()
            if pause > 0:
                self.state.state = OrderState.WAITING
                self._stopped_after(min(pause, 1))
                continue
            self.state.state = OrderState.FETCHING
            seconds = self._obtain(engine, files[index])
            if seconds is None:
                del due[index]
                self._count()
            else:
                due[index] = time.monotonic() + seconds

    def _obtain(self, engine: Any, file: LocalFile) -> float | None:
        """Seconds after which to ask again; None: it has ended."""
        from pelagos_client.access.obtaining import obtain

        file.state = "fetching"
        try:
            result = obtain(
                file.plan,
                engine,
                self.folder,
                file.path,
                headers=headers_for(file.plan.url),
                job=file.job,
                cancel=self.cancel,
                progress=self._tell,
            )
        except PelagosError as error:
            if isinstance(error, EmptyError) and file.plan.request.get("may_be_empty"):
                file.state, file.error = EMPTY, ""  # another part may have something
            else:
                file.state, file.error, file.job = "failed", str(error), None
            return None
        if isinstance(result, Waiting):
            file.state, file.job = "waiting", result.job
            self._save()
            return result.seconds
        self._took(file, result)
        return None

    def _took(self, file: LocalFile, result: Any) -> None:
        """What the engine says of a file."""
        if not result.good:
            stopped = result.state.value == "cancelled"
            file.state = "queued" if stopped else "failed"
            file.error = "" if stopped else str(result.error)
            return
        file.state, file.error, file.job = "ready", "", None
        file.size, file.checksum, file.proof = result.size, result.checksum, result.proof.value
        file.url, file.etag, file.modified = result.url, result.etag, result.modified
        file.fetched = file.fetched if result.state.value == "present" else ""
        file.fetched = file.fetched or text_of(datetime.now(UTC))
        file.notes = list(result.notes)
        if file.expected and file.checksum != file.expected:
            file.notes.append("The source changed: it is not the file that was here before.")

    def _write_documents(self, ready: datetime) -> None:
        """README, citations, checksums …; a plain note where a library for one is not here."""
        from pelagos_client.documents import texts, writing
        from pelagos_client.documents.citing import cited

        facts = self._facts(ready)
        try:
            documents = writing.write(facts)
        except (MissingPackageError, PelagosError) as error:
            self.state.notes.append(f"Without an RO-Crate: {error}")
            found = cited(facts.items, facts.collections, ready)
            documents = {
                "query.json": texts.query(facts),
                "CITATION.txt": texts.citation_text(found),
                "LICENCES.txt": texts.licences(found),
                **texts.checksums(facts.files),
            }
            documents["README.txt"] = texts.readme(facts, documents)
        for name, text in documents.items():
            (self.folder / name).write_text(text)

    def _facts(self, ready: datetime) -> OrderFacts:
        state = self.state
        files = tuple(
            DeliveredFile(
                path=one.path,
                collection=one.collection,
                item=one.item,
                asset=one.plan.asset,
                size=one.size or 0,
                checksum=one.checksum,
                proof=one.proof,
                type=one.plan.type,
                url=one.url,
                etag=one.etag,
                modified=one.modified,
                fetched=moment(one.fetched),
                is_subset=one.plan.is_subset,
                notes=tuple(one.notes),
            )
            for one in state.files
            if one.state == "ready"
        )
        return OrderFacts(
            number=state.number,
            owner=_user(),
            title=state.title,
            created=moment(state.created) or ready,
            ready=ready,
            criteria=state.criteria,
            query=state.query,
            files=files,
            items={(str(one.get("collection") or ""), str(one["id"])): one for one in state.items},
            collections=state.collections,
            notes=tuple(state.notes),
            target="workspace",  # copies, as there
        )

    def _tell(self, progress: Any) -> None:
        self.seen = Seen(
            self._before.finished + progress.finished, self._before.done + progress.done
        )
        self._stopped()
        if time.monotonic() - self._saved > _SAVE_SECONDS:
            self._save()

    def _count(self) -> None:
        ready = [file for file in self.state.files if file.state == "ready"]
        self._before = Seen(len(ready), sum(file.size or 0 for file in ready))
        self.seen = self._before
        self._save()

    def _stopped(self) -> bool:
        if (self.folder / STOP).exists():  # another program's cancel()
            self.cancel.set()
        return self.cancel.is_set()

    def _stopped_after(self, seconds: float) -> None:
        self.cancel.wait(seconds)

    def _to(self, state: OrderState) -> None:
        self.state.state = state
        self._save()

    def _end(
        self, state: OrderState, error: str = "", mend: str = "", when: datetime | None = None
    ) -> None:
        self.state.error, self.state.next_step = error, mend
        self.state.finished = text_of(when or datetime.now(UTC))
        self.state.state = state
        with contextlib.suppress(PelagosError):  # a full disk: the thread's own state is right
            self.state.save(self.folder)

    def _save(self) -> None:
        self._saved = time.monotonic()
        with contextlib.suppress(PelagosError):  # the next one may succeed; the files say enough
            self.state.save(self.folder)


def headers_for(url: str) -> Mapping[str, str]:
    """The token, for files that the VRE's own catalogue serves."""
    from pelagos_client.searching import token_for

    token = token_for(url)
    return {"Authorization": token} if token else {}


def place_of(url: str) -> str:
    """Host and port, as `Guard` names them."""
    return urlsplit(url).netloc.rpartition("@")[2]


def _user() -> str:
    user: Callable[[], str] = getpass.getuser
    try:
        return user()
    except (OSError, KeyError):  # a container's user without a name
        return "unknown"
