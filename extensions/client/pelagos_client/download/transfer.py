"""One file: from what is here of it to a whole one under its name."""

from __future__ import annotations

import email.utils
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from pelagos_client.download.checksums import Checksum, Hasher, parse
from pelagos_client.download.errors import (
    ChecksumError,
    CutError,
    OccupiedError,
    ProtocolError,
    RequestError,
    SpaceError,
    TooLargeError,
    WrongSizeError,
)
from pelagos_client.download.exchange import Answer, Session, check_headers
from pelagos_client.download.model import Content, Fetched, Limits, Proof, State, Wanted
from pelagos_client.download.parts import Part, Sidecar, boot
from pelagos_client.download.pipeline import ROOM, Pipeline
from pelagos_client.download.unpack import unpacked
from pelagos_client.download.watch import Watch
from pelagos_client.progress import readable

_PACKED_NAMES = (".gz", ".tgz", ".z")
_LARGE = 2**24  # bytes; threads cost more than they save below
_LOOK = 2**25  # bytes of an unknown number after which the space is looked at
_RANGE = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19}|\*)", re.ASCII)


@dataclass(frozen=True)
class Declared:
    """What is known of a file before it is asked for, checked."""

    wanted: Wanted
    checksum: Checksum | None
    source: str

    @classmethod
    def of(cls, wanted: Wanted) -> Declared:
        """Raises RequestError."""
        check_headers(wanted.headers)
        if wanted.size is not None and wanted.size < 0:
            raise RequestError(f"{wanted.path}: a size can't be negative.")
        checksum = parse(wanted.checksum) if wanted.checksum else None
        return cls(wanted, checksum, hashlib.sha256(wanted.url.encode()).hexdigest())


class Transfer:
    """One file. `done` and `total` are for progress, and may be read by other threads."""

    def __init__(self, declared: Declared, part: Part, limits: Limits, watch: Watch) -> None:
        self.done = 0
        self.total = declared.wanted.size
        self.attempts = 0
        self._declared, self._wanted = declared, declared.wanted
        self._part, self._limits, self._watch = part, limits, watch
        self._kind = declared.checksum.kind if declared.checksum else "sha256"
        self._hasher = Hasher(self._kind)
        self._result = Fetched(self._wanted, part.path, State.FAILED)
        self._resumed = 0
        self._type = ""
        self._notes: list[str] = []
        self._suspect = False  # a digest of bytes of several answers was wrong

    @property
    def result(self) -> Fetched:
        """What is known of it so far."""
        return replace(
            self._result,
            size=self._part.size,
            attempts=self.attempts,
            resumed=self._resumed,
            notes=tuple(dict.fromkeys(self._notes)),
        )

    def close(self) -> None:
        """End the hashing."""
        self._hasher.rest()

    def present(self) -> Fetched | None:
        """The file if it is there already. Raises OccupiedError if it is another one."""
        size = self._part.present()
        if size is None:
            return None
        hasher = Hasher(self._kind)
        try:
            for data in self._part.content():
                self._watch.check()
                hasher.update(data)
            checksum = hasher.checksum()
        finally:
            hasher.rest()
        declared = self._declared.checksum
        if (declared and checksum != declared) or self._wanted.size not in (None, hasher.seen):
            raise OccupiedError(
                f"{self._part.path} is there, and is not the file that is declared.",
                "Remove it, or ask for it to be replaced.",
            )
        self.done = self.total = hasher.seen
        proof = Proof.CHECKSUM if declared else Proof.NONE
        return replace(
            self._result, state=State.PRESENT, size=hasher.seen, checksum=str(checksum), proof=proof
        )

    def attempt(self, session: Session) -> Fetched:
        """Try once, from what is here. Raises DownloadError; what came is kept unless useless."""
        self.attempts += 1
        offset = self._usable()
        if self.attempts == 1:
            self._resumed = offset
        self._rehash(offset)
        part = self._part
        if not (offset and part.sidecar and offset == part.sidecar.total):
            with session.get(
                self._wanted.url, self._wanted.headers, self._asked(offset), self._watch
            ) as answer:
                if answer.status == 416:
                    raise self._useless("the source has no such part of it")
                self._receive(answer, offset)
        return self._finish()

    def _usable(self) -> int:
        """How many of the bytes that are here can be continued."""
        part = self._part
        self.done = part.size
        if not part.size:
            return 0
        words, declared = part.sidecar, self._declared
        checksum = str(declared.checksum or "")
        if words is None or (words.total is not None and part.size > words.total):
            reason = "what was here of it could not be told from another version"
        elif words.source != declared.source and (not checksum or words.checksum != checksum):
            reason = "what was here of it was from another address"
        elif words.boot != boot() and not checksum:
            # the disk may hold zeros where the system had no time to write
            reason = "the machine was restarted since it was begun"
        elif not (_strong(words.etag) or words.modified or checksum or part.size == words.total):
            reason = "the source does not say which version it gives"
        else:
            return part.size
        self._notes.append(f"Begun anew: {reason}.")
        part.begin(None)
        self.done = 0
        return 0

    def _rehash(self, offset: int) -> None:
        if self._hasher.seen == offset and offset:
            return
        self._hasher.rest()
        self._hasher = Hasher(self._kind)
        if offset:
            for data in self._part.read():
                self._watch.check()
                self._hasher.update(data)

    def _asked(self, offset: int) -> dict[str, str]:
        """The headers of a request for the rest (RFC 9110, 13.1.5 and 14.2)."""
        words = self._part.sidecar
        if not offset or not words:
            return {}
        condition = words.etag if _strong(words.etag) else words.modified
        return {"Range": f"bytes={offset}-"} | ({"If-Range": condition} if condition else {})

    def _useless(self, reason: str) -> ProtocolError:
        return ProtocolError(
            f"{self._wanted.path}: {reason}.", "It is begun anew.", again=True, afresh=True
        )

    def _receive(self, answer: Answer, offset: int) -> None:
        """Write the body of an answer."""
        packed = answer.packed
        if packed and self._wanted.path.lower().endswith(_PACKED_NAMES):
            self._notes.append(
                "The source says that the file is packed; so does its name: kept so."
            )
            packed = ""
        if answer.status == 206:
            if not offset or packed:
                raise ProtocolError(f"{answer.location}: a part that was not asked for.")
            total = self._check_part(answer, offset)
        else:
            total = None if packed else answer.length
            self._check_size(answer, total)
            self._begin_anew(answer, offset, total, bool(packed))
        self._check_space((total or self._wanted.size or 0) - self._part.size)
        page = answer.header("Content-Type").lower().startswith("text/html")
        if page and not self._wanted.path.lower().endswith((".html", ".htm")):
            self._notes.append("The source sent a web page: it may want a sign-in there.")
        self._type = answer.header("Content-Type").partition(";")[0].strip().lower()
        self.total = total if total is not None else self._wanted.size
        proof = Proof.LENGTH
        if total is None and not (answer.chunked or packed or self._wanted.size is not None):
            proof = Proof.NONE
        self._result = replace(
            self._result,
            url=answer.location.bare,
            etag=answer.header("ETag")[:200],
            modified=answer.header("Last-Modified")[:60],
            proof=proof,
        )
        large = not packed and (answer.length or 0) >= _LARGE
        if large and ROOM.acquire(blocking=False):
            try:
                self._write_large(answer)
            finally:
                ROOM.release()
        else:
            pieces = self._within_wire(answer.pieces())
            self._write(unpacked(pieces, str(answer.location)) if packed else pieces)
        if answer.surplus:
            self._notes.append("The source sent more than it had announced; that was ignored.")

    def _write_large(self, answer: Answer) -> None:
        """A body whose size is known, and checked."""

        def fill(view: memoryview) -> int:
            count = answer.receive(view)
            self.done += count
            return count

        try:
            with Pipeline(self._part, self._hasher) as pipeline:
                while answer.left and pipeline.put(fill, answer.left):
                    pass
        finally:
            self.done = self._part.size
        answer.end()

    def _write(self, pieces: Iterator[bytes]) -> None:
        part, hasher = self._part, self._hasher
        largest = self._largest()
        looked = 0
        for data in pieces:
            if part.size + len(data) > largest:
                raise self._too_large(largest)
            if self.total is None and part.size - looked >= _LOOK:
                looked = part.size
                self._check_space(_LOOK)
            part.write(data)
            hasher.update(data)
            self.done = part.size

    def _largest(self) -> int:
        """How many bytes may come at most."""
        bounds = (self._limits.largest, self._wanted.size, self.total)
        return min(bound for bound in bounds if bound is not None)

    def _too_large(self, largest: int) -> TooLargeError | WrongSizeError:
        if largest == self._limits.largest:
            return TooLargeError(
                f"{self._wanted.path}: it is larger than {readable(largest)}, which is the limit.",
                afresh=True,
            )
        return WrongSizeError(
            f"{self._wanted.path}: the source gives more than the {largest} bytes declared.",
            "The catalogue may describe another version: search again.",
            afresh=True,
        )

    def _within_wire(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """What is received counts, too: a packed body may be large and say nothing."""
        came, largest = 0, self._limits.largest
        for piece in pieces:
            came += len(piece)
            if came > largest:
                raise self._too_large(largest)
            yield piece

    def _check_part(self, answer: Answer, offset: int) -> int | None:
        """The size of the whole file, if this is the part that was asked for, of that version."""
        words = self._part.sidecar
        found = _RANGE.fullmatch(answer.header("Content-Range"))
        if not found or not words or int(found[1]) != offset or int(found[2]) < offset:
            raise self._useless("the source gave another part than was asked for")
        etag, modified = answer.header("ETag"), answer.header("Last-Modified")
        total = None if found[3] == "*" else int(found[3])
        span = int(found[2]) + 1 - offset
        if answer.length not in (None, span) or (total is not None and int(found[2]) >= total):
            raise self._useless("the source contradicts itself about the part that it gave")
        changed = (
            (etag and words.etag and etag != words.etag)
            # a date is compared only where there is nothing better: mirrors differ in it
            or (not (etag and words.etag) and modified and modified != words.modified != "")
            or (total is not None and words.total is not None and total != words.total)
        )
        if changed:
            raise self._useless("the source has another version now")
        self._check_size(answer, total)
        return total if total is not None else words.total

    def _check_size(self, answer: Answer, total: int | None) -> None:
        if total is None:
            return
        if self._wanted.size not in (None, total):
            raise WrongSizeError(
                f"{answer.location}: the file has {total} bytes, and {self._wanted.size} are "
                "declared.",
                "The catalogue may describe another version: search again.",
                afresh=True,
            )
        if total > self._limits.largest:
            raise self._too_large(self._limits.largest)

    def _begin_anew(self, answer: Answer, offset: int, total: int | None, packed: bool) -> None:
        etag, modified = answer.header("ETag")[:200], answer.header("Last-Modified")[:60]
        if offset:
            words = self._part.sidecar
            same = words and (etag, modified) == (words.etag, words.modified)
            reason = "gives no parts" if same else "has another version now"
            self._notes.append(f"Begun anew: the source {reason}.")
            self._resumed = 0
        words = Sidecar(
            self._declared.source,
            str(self._declared.checksum or ""),
            total,
            etag,
            modified if _strong(etag) or _settled(modified, answer.header("Date")) else "",
            boot(),
        )
        self._part.begin(None if packed else words)
        self.done = 0
        self._rehash(0)

    def _check_space(self, needed: int) -> None:
        free = self._part.free() - self._limits.spare
        if needed > free:
            raise SpaceError(
                f"{self._part.path}: {readable(needed)} are needed, and {readable(max(free, 0))} "
                "are free.",
                "Make room; it is continued from there the next time.",
            )

    def _finish(self) -> Fetched:
        """Check what is here, and give it its name."""
        part, declared = self._part, self._declared.checksum
        words = part.sidecar
        expected = self._wanted.size
        if expected is None and words:
            expected = words.total
        if expected is not None and part.size < expected:
            raise CutError(
                f"{self._wanted.path}: {part.size} of {expected} bytes came.",
                "It is continued from there the next time.",
                again=True,
                afresh=words is None,
            )
        found = self._hasher.checksum()
        if declared and found != declared:
            raise self._wrong(found, declared)
        if self._wanted.inspect:
            self._wanted.inspect(Content(part.size, part.look, self._result.proof, self._type))
        if words and not self._result.etag and not self._result.modified:
            self._result = replace(self._result, etag=words.etag, modified=words.modified)
        part.finish()
        proof = Proof.CHECKSUM if declared else self._result.proof
        if proof is Proof.NONE and expected is not None:
            proof = Proof.LENGTH
        return replace(self.result, state=State.READY, checksum=str(found), proof=proof)

    def _wrong(self, found: Checksum, declared: Checksum) -> ChecksumError:
        once, self._suspect = not self._suspect, True
        return ChecksumError(
            f"{self._wanted.path}: its {found.kind} is {found.digest.hex()}, and "
            f"{declared.digest.hex()} is declared.",
            "It was removed. The catalogue may describe another version: search again.",
            again=once,
            afresh=True,
        )


def _strong(etag: str) -> bool:
    return len(etag) > 2 and etag.startswith('"') and etag.endswith('"')


def _settled(modified: str, date: str) -> bool:
    """Whether a date tells versions apart: not in the second of a change (RFC 9110, 8.8.2.2)."""
    try:
        changed = email.utils.parsedate_to_datetime(modified)
        return (email.utils.parsedate_to_datetime(date) - changed).total_seconds() >= 1
    except (ValueError, TypeError):
        return False
