"""Files that are being downloaded: names, locks, and what survives a crash.

Beside the file `name` stand `.pelagos-<mark>.part`, its first bytes, and `.pelagos-<mark>.json`,
which says what they are the first bytes of. The second is removed before the first is begun anew,
and written after that, so that bytes never stand beside the words of another version.
Only a whole file gets its name, once the disk has it.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

from pelagos_client.download.errors import (
    InUseError,
    OccupiedError,
    RequestError,
    SpaceError,
    StorageError,
)
from pelagos_client.progress import readable

PREFIX = ".pelagos-"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
_OPEN = os.O_CLOEXEC | os.O_NOFOLLOW
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_SIDECAR_BYTES = 2**16
_READ = 2**20
_WORTH = 2**16  # bytes; less of a killed download is begun anew
_DIRECT = getattr(os, "O_DIRECT", 0)
_ALIGNED = 4096  # bytes; what disks want of offsets and sizes then
_FLUSH = 2**25  # bytes after which the disk is told to begin; else all waits for the last sync


def check_path(text: str) -> tuple[str, ...]:
    """The parts of a relative path. Raises RequestError for one that could lead elsewhere."""
    parts = text.split("/")
    for part in parts:
        bad = (
            part in ("", ".", "..")
            or part.startswith(PREFIX)
            or "\\" in part
            or not part.isprintable()
            or len(part.encode(errors="replace")) > 255
        )
        if bad:
            raise RequestError(
                f"{text[:200]!r} can't be a file's name here.",
                "A name is relative, of printable characters, without empty parts, . and ..",
            )
    return tuple(PurePosixPath(text).parts)


@dataclass(frozen=True)
class Sidecar:
    """What the first bytes are of. `source`: SHA-256 of the URL, which may hold secrets."""

    source: str
    checksum: str
    total: int | None
    etag: str
    modified: str
    boot: str

    @classmethod
    def read(cls, text: str) -> Sidecar | None:
        """None for what was not written by us, or not to its end."""
        try:
            given = json.loads(text)
            found = cls(**given)
        except (ValueError, TypeError):
            return None
        kinds = {"total": (int, type(None))}
        good = all(isinstance(value, kinds.get(key, (str,))) for key, value in given.items())
        return found if good else None


def sync_folder(path: Path) -> None:
    """Names in a folder survive a power cut from now on, where a file system can say so."""
    with suppress(OSError):
        folder = os.open(path, _FOLDER)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@cache
def boot() -> str:
    """Which start of the machine this is; empty if nobody knows."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


class Part:
    """The first bytes of a file, locked. A context manager.

    Raises StorageError from all its methods: SpaceError if the disk is full, InUseError if another
    download has it, OccupiedError if a folder or a link stands in the way.
    """

    def __init__(self, into: Path, path: str) -> None:
        self._parts = check_path(path)
        self.path = into.joinpath(*self._parts)
        self.size = 0
        self.sidecar: Sidecar | None = None
        self._flushed = 0
        self._finished = self._unwritten = False
        self._direct, self._may_direct = False, bool(_DIRECT)
        self._folder = self._file = -1
        mark = hashlib.sha256(self._parts[-1].encode()).hexdigest()[:16]
        self._part, self._words = f"{PREFIX}{mark}.part", f"{PREFIX}{mark}.json"
        try:
            self._folder = self._open_folder(into)
        except OSError as error:
            raise self._failed(error) from error

    def _open_folder(self, into: Path) -> int:
        """The folder of the file, made if need be; no link below `into` is followed."""
        into.mkdir(parents=True, exist_ok=True)
        current = os.open(into, _FOLDER)
        try:
            for name in self._parts[:-1]:
                with suppress(FileExistsError):
                    os.mkdir(name, dir_fd=current)
                below = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=current)
                os.close(current)
                current = below
        except BaseException:
            os.close(current)
            raise
        return current

    def present(self) -> int | None:
        """Bytes of the file if it is there under its name. Raises OccupiedError."""
        try:
            found = os.stat(self._parts[-1], dir_fd=self._folder, follow_symlinks=False)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._failed(error) from error
        if not stat.S_ISREG(found.st_mode):
            raise OccupiedError(
                f"{self.path} is there, and is no file.", "Give another name or folder."
            )
        return found.st_size

    def content(self) -> Iterator[bytes]:
        """The bytes of the file under its name."""
        try:
            file = os.open(self._parts[-1], os.O_RDONLY | _OPEN, dir_fd=self._folder)
            try:
                while data := os.read(file, _READ):
                    yield data
            finally:
                os.close(file)
        except OSError as error:
            raise self._failed(error) from error

    def waiting(self) -> int:
        """Bytes of an earlier download, without a lock."""
        with suppress(OSError):
            return os.stat(self._part, dir_fd=self._folder, follow_symlinks=False).st_size
        return 0

    def open(self) -> None:
        """Lock what there is, and read it."""
        try:
            while self._file < 0:
                self._open_locked()
            self.size = os.fstat(self._file).st_size
            self.sidecar = self._read_words() if self.size else None
        except OSError as error:
            raise self._failed(error) from error

    def _open_locked(self) -> None:
        file = os.open(self._part, os.O_RDWR | os.O_CREAT | _OPEN, 0o666, dir_fd=self._folder)
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in _NO_LOCKS:  # some network file systems
                    raise
            mine = os.fstat(file)
            with suppress(FileNotFoundError):
                there = os.stat(self._part, dir_fd=self._folder, follow_symlinks=False)
                if (mine.st_ino, mine.st_dev) == (there.st_ino, there.st_dev):
                    self._file = file
        finally:
            if self._file != file:
                os.close(file)  # another one finished it meanwhile

    def _read_words(self) -> Sidecar | None:
        with suppress(OSError):
            file = os.open(self._words, os.O_RDONLY | _OPEN, dir_fd=self._folder)
            try:
                return Sidecar.read(os.read(file, _SIDECAR_BYTES).decode(errors="replace"))
            finally:
                os.close(file)
        return None

    def begin(self, sidecar: Sidecar | None) -> None:
        """Begin anew. Without `sidecar` the bytes will not be continued after a crash."""
        try:
            self._unlink(self._words)
            os.ftruncate(self._file, 0)
            self.size = self._flushed = 0
            self.sidecar = sidecar
            self._unwritten = sidecar is not None
        except OSError as error:
            raise self._failed(error) from error

    def _write_words(self) -> None:
        """Say what the bytes are of, once they are worth it. Raises OSError."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _OPEN
        file = os.open(self._words, flags, 0o600, dir_fd=self._folder)
        try:
            os.write(file, json.dumps(vars(self.sidecar)).encode())
        finally:
            os.close(file)
        self._unwritten = False

    def write_block(self, data: memoryview) -> None:
        """Append memory that begins at a page, past the page cache where that can be done."""
        odd = self.size % _ALIGNED or len(data) % _ALIGNED
        if not odd and self._set_direct(True):
            try:
                if self._unwritten:
                    self._write_words()
                count = os.pwrite(self._file, data, self.size)
            except OSError as error:
                if error.errno in _FULL:
                    raise self._failed(error) from error
                self._set_direct(False)
                self._may_direct, count = False, 0  # not here after all
            self.size += count
            self._flushed = self.size
            data = data[count:]
        if data:
            self.write(data)

    def _set_direct(self, wanted: bool) -> bool:
        """Whether the file is now written past the page cache."""
        wanted = wanted and self._may_direct
        if self._direct != wanted:
            flags = fcntl.fcntl(self._file, fcntl.F_GETFL) & ~_DIRECT
            try:
                fcntl.fcntl(self._file, fcntl.F_SETFL, flags | (_DIRECT if wanted else 0))
                self._direct = wanted
            except OSError:
                self._may_direct = False
        return self._direct

    def write(self, data: bytes | memoryview) -> None:
        """Append. What could be written before a failure is kept."""
        view = memoryview(data)
        self._set_direct(False)
        try:
            if self._unwritten and self.size + len(view) > _WORTH:
                self._write_words()
            while view:
                count = os.pwrite(self._file, view, self.size)
                if not count:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                view = view[count:]
                self.size += count
        except OSError as error:
            raise self._failed(error) from error
        if self.size - self._flushed >= _FLUSH:
            self._flush()

    def _flush(self) -> None:
        # only begins to write, unlike fsync, so the last sync has little left to do
        with suppress(OSError, AttributeError):  # a hint; not on every system
            os.posix_fadvise(
                self._file, self._flushed, self.size - self._flushed, os.POSIX_FADV_DONTNEED
            )
        self._flushed = self.size

    def read(self) -> Iterator[bytes]:
        """All bytes so far."""
        offset = 0
        self._set_direct(False)
        try:
            while data := os.pread(self._file, min(_READ, self.size - offset), offset):
                offset += len(data)
                yield data
        except OSError as error:
            raise self._failed(error) from error

    def look(self, offset: int, count: int) -> bytes:
        """Some of the bytes so far."""
        self._set_direct(False)
        try:
            return os.pread(self._file, min(count, max(self.size - offset, 0)), offset)
        except OSError as error:
            raise self._failed(error) from error

    def free(self) -> int:
        """Bytes that are left where the file goes."""
        found = os.fstatvfs(self._folder)
        return found.f_bavail * found.f_frsize

    def finish(self) -> None:
        """Give the file its name, once the disk has it whole. `sync_folder` makes that last."""
        try:
            os.fsync(self._file)
            os.rename(self._part, self._parts[-1], src_dir_fd=self._folder, dst_dir_fd=self._folder)
            self._finished = True
            if not self._unwritten:
                self._unlink(self._words)
        except OSError as error:
            raise self._failed(error) from error

    def discard(self) -> None:
        """Nothing of it is of use."""
        with suppress(OSError):
            self._unlink(self._words)
            self._unlink(self._part)

    def _unlink(self, name: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._folder)

    def close(self) -> None:
        """Unlock; what is here stays, unless it is nothing."""
        if self._file >= 0:
            if not self.size and not self._finished:
                self.discard()
            elif self._unwritten and not self._finished:
                with suppress(OSError):
                    self._write_words()
            os.close(self._file)
        if self._folder >= 0:
            os.close(self._folder)
        self._file = self._folder = -1

    def __enter__(self) -> Part:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _failed(self, error: OSError) -> StorageError:
        if isinstance(error, BlockingIOError):
            return InUseError(
                f"{self.path} is being downloaded by another program.", "Wait until it is done."
            )
        if error.errno in _FULL:
            what = "files here may not be larger" if error.errno == errno.EFBIG else "it is full"
            return SpaceError(
                f"{self.path} can't be written any further: {what} ({readable(self.size)} "
                "of it are here).",
                "Make room; it is continued from there the next time.",
            )
        if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EISDIR):
            return OccupiedError(
                f"{self.path} can't be written: a link, file or folder stands in its way.",
                "Give another name or folder.",
            )
        return StorageError(f"{self.path} can't be written: {error.strerror}.", "Check the folder.")
