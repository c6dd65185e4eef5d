"""One file: from its source into the pool, or a reason why not."""

from __future__ import annotations

import json
import logging
import os
import threading
import urllib.parse
from dataclasses import dataclass, replace
from pathlib import Path

from pelagos_client.access import (
    EmptyError,
    FilePlan,
    Protocol,
    Waiting,
    is_plain,
    obtain,
    wanted,
)
from pelagos_client.download import (
    Download,
    DownloadError,
    DownloadProgress,
    Existing,
    Fetched,
    State,
    Wanted,
)
from pelagos_client.download.checksums import Hasher
from pelagos_client.download.checksums import parse as parse_checksum
from pelagos_client.download.errors import (
    AnswerError,
    AwayError,
    BusyError,
    ChecksumError,
    CutError,
    InUseError,
    OccupiedError,
    ProtocolError,
    SlowError,
    StoppedError,
    StorageError,
    WrongSizeError,
)
from pelagos_client.download.model import Proof
from pelagos_client.download.parts import Part
from pelagos_client.errors import PelagosError as ClientError

from pelagos.datapool.pool import COLLECTION, ITEM
from pelagos.datapool.queue import Task
from pelagos.errors import PelagosError
from pelagos.services.downloader.sources import Known
from pelagos.settings.sources import FilesSource

logger = logging.getLogger(__name__)

_PIECE = 2**20
# what passes by itself, sooner or later; all else is final until somebody tries again
PASSING = (AwayError, BusyError, CutError, InUseError, ProtocolError, SlowError, StorageError)


@dataclass(frozen=True)
class Result:
    """What became of a file: one of these is given. `done`: bytes that are here."""

    got: Fetched | None = None
    waiting: Waiting | None = None
    error: DownloadError | None = None
    done: int = 0
    is_empty: bool = False  # the source has nothing in this part
    no_room: bool = False  # it was stopped for want of it

    @property
    def passing(self) -> bool:
        """Whether trying again later may help."""
        error = self.error
        if isinstance(error, OccupiedError):
            return False
        if type(error) is DownloadError or isinstance(error, AnswerError):
            return bool(error.again)  # as the source's words have it
        return isinstance(error, PASSING)


class Fetch:
    """One file that a thread fetches with `run`. Others may read `done`, and set `cancel`."""

    def __init__(self, task: Task, known: Known, root: Path) -> None:
        self.task = task
        self.cancel = threading.Event()
        self.no_room = False  # set before `cancel` if that is why
        self.plan = FilePlan.from_json(json.loads(task.plan))
        self._known, self._root = known, root
        self._download: Download | None = None
        self._copied = 0

    @property
    def done(self) -> int:
        """Bytes that are here."""
        return self._download.done if self._download else self._copied

    @property
    def total(self) -> int | None:
        """Bytes that there will be, as far as is known."""
        return self._download.total if self._download else self.plan.size

    def run(self) -> Result:
        """To its end."""
        try:
            found = self._run()
        except DownloadError as error:
            return Result(error=error, done=self.done, no_room=self.no_room)
        except EmptyError as error:
            if self.plan.request.get("may_be_empty"):  # another part may have something
                return Result(is_empty=True)
            return Result(error=DownloadError(f"{error} {error.mend}".strip()))
        except (PelagosError, ClientError) as error:
            sentence = f"{error} {error.mend}".strip()
            return Result(error=DownloadError(sentence), done=self.done)
        except Exception as error:  # a thread that dies would leave the order waiting for ever
            logger.exception("File %d", self.task.file)
            fault = f"a fault of this program ({type(error).__name__})"
            return Result(error=DownloadError(f"{self.plan.name}: {fault}."), done=self.done)
        if isinstance(found, Waiting):
            return Result(waiting=found, done=self.done)
        if found.good:
            return Result(got=found, done=found.size)
        why = found.error or DownloadError("It ended.")
        return Result(error=why, done=self.done, no_room=self.no_room)

    def _run(self) -> Fetched | Waiting:
        if self.plan.protocol is Protocol.LOCAL:
            return self._copy()
        if is_plain(self.plan):
            return self._direct()
        try:
            return self._obtained(self._existing())
        except OccupiedError:
            return self._obtained(Existing.REPLACE)

    def _obtained(self, existing: Existing) -> Fetched | Waiting:
        """Whatever takes more than one GET."""
        return obtain(
            self.plan,
            self._known.engine,
            self._root,
            self.task.place,
            headers=self._known.headers_for(self.plan),
            job=json.loads(self.task.job) if self.task.job else None,
            cancel=self.cancel,
            progress=self._tell,
            existing=existing,
        )

    def _tell(self, progress: DownloadProgress) -> None:
        self._copied = progress.done

    def _existing(self) -> Existing:
        """Under a name of ours there is only what was whole: a crash came before we said so."""
        taken = self.task.place.rpartition("/")[2] in (ITEM, COLLECTION)
        return Existing.REPLACE if taken else Existing.KEEP

    def _direct(self) -> Fetched:
        request = wanted(self.plan, self.task.place)
        engine, existing = self._known.engine, self._existing()
        self._download = engine.download(request, self._root, cancel=self.cancel, existing=existing)
        found = self._download.run()
        if isinstance(found.error, OccupiedError) and existing is Existing.KEEP:
            self._download = engine.download(
                request, self._root, cancel=self.cancel, existing=Existing.REPLACE
            )
            found = self._download.run()
        return found

    def _copy(self) -> Fetched:
        """A file of a folder of this machine. Raises DownloadError."""
        from pelagos.catalogue.own_files import open_file  # netCDF4 is large

        source = self._known.source
        path = urllib.parse.unquote(self.plan.url.removeprefix("files/"))
        name = self.plan.name
        if not isinstance(source, FilesSource):
            raise DownloadError(f"{name}: its source is no folder any more.", "Search again.")
        try:
            descriptor = open_file(source, path)
        except FileNotFoundError as error:
            raise DownloadError(f"{name}: its source has it no longer.", "Search again.") from error
        except OSError as error:
            raise StorageError(f"{name}: it can't be read ({error.strerror}).") from error
        with open(descriptor, "rb", buffering=0) as file, Part(self._root, self.task.place) as part:
            return self._copied_from(file.fileno(), part)

    def _copied_from(self, file: int, part: Part) -> Fetched:
        plan = self.plan
        declared = parse_checksum(plan.checksum) if plan.checksum else None
        hasher = Hasher(declared.kind if declared else "sha256")
        part.open()
        part.begin(None)
        try:
            while data := self._read(file):
                if self.cancel.is_set():
                    raise StoppedError(f"{plan.name}: cancelled.")
                part.write(data)
                hasher.update(data)
                self._copied = part.size
            found = hasher.checksum()
        finally:
            hasher.rest()
        size = os.fstat(file).st_size
        if part.size != size or (plan.size is not None and plan.size != size):
            part.begin(None)
            raise WrongSizeError(
                f"{plan.name}: it has {size} bytes, and {plan.size} are declared.",
                "The catalogue may describe another version: search again.",
            )
        if declared and found != declared:
            part.begin(None)
            raise ChecksumError(f"{plan.name}: its checksum is not the declared one.")
        part.finish()
        request = Wanted(plan.url, self.task.place)
        proof = Proof.CHECKSUM if declared else Proof.LENGTH
        fetched = Fetched(request, part.path, State.READY, proof=proof, url=plan.url)
        return replace(fetched, size=part.size, checksum=str(found))

    def _read(self, file: int) -> bytes:
        try:
            return os.read(file, _PIECE)
        except OSError as error:
            raise StorageError(f"{self.plan.name}: it can't be read ({error.strerror}).") from error
