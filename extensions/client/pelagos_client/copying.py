"""Copies from the dataspace to the workspace: verified, never torn, never over something else."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pelagos_client import folders, service, workspace
from pelagos_client.errors import (
    ChangedError,
    CopyError,
    ExistsError,
    OutsideError,
    ServiceError,
    VerificationError,
)
from pelagos_client.progress import Progress, readable

KEPT = Path("kept")
_CHUNK = 2**20
_POLL_SECONDS = 2.0
_SHOWN = 5  # names in a message


@dataclass(frozen=True)
class Kept:
    """What `keep` did. `uploaded`: whether the server has it; None if that is not known."""

    files: int
    bytes: int
    skipped: int
    seconds: float
    destination: Path
    uploaded: bool | None

    def __str__(self) -> str:
        text = f"{self.files} {'file' if self.files == 1 else 'files'} ({readable(self.bytes)})"
        if self.skipped:
            text += f", {self.skipped} already there,"
        told = {
            True: "on the server",
            False: "NOT on the server yet: see workspace.status()",
            None: "whether it is on the server is not known here",
        }
        return f"{text} kept in {self.destination}; {told[self.uploaded]}."


@dataclass(frozen=True)
class _File:
    """One file to copy: the real path that is read, and where it goes below the destination."""

    source: Path
    target: Path
    size: int


def keep(
    path: str | os.PathLike[str],
    to: str | os.PathLike[str] | None = None,
    progress: bool = True,
    overwrite: bool = False,
    wait: float = 300,
) -> Kept:
    """Copy a file or folder from the dataspace to the workspace.

    `path` is absolute or relative to your own area. It goes to `kept/<area>/<path>` in the
    workspace, or into the folder `to` there, under its own name. Files that are there and the
    same are skipped, so that a copy that broke off can be repeated; a different one stops it
    before anything is copied, unless `overwrite`. Links are followed as long as they stay in the
    dataspace. Then waits up to `wait` seconds until the server has everything.

    Every file is read back and compared by SHA-256. That proves that the copy on this machine is
    right; `uploaded` says whether the WebDAV server took it.

    Raises NotAvailableError, OutsideError, CopyError.
    """
    began = time.monotonic()
    root = folders.dataspace()
    source = folders.inside(root / folders.OWN / Path(path).expanduser(), root, "the dataspace")
    target = _target(source, to)
    found = list(_plan(source, target, root, ()))
    wanted, skipped = _compare(found, overwrite)
    total = sum(file.size for file in wanted)
    _check_space(total)
    shown = Progress(2 * total, progress)  # each byte is written, then read
    for file in wanted:
        _copy(file, root, shown)
    uploaded = _await_upload(wait, shown)
    kept = Kept(len(wanted), total, skipped, time.monotonic() - began, target, uploaded)
    shown.end(str(kept))
    return kept


def _target(source: Path, to: str | os.PathLike[str] | None) -> Path:
    """Where the copy goes. Raises OutsideError, NotAvailableError."""
    home = workspace.path()
    below = source.relative_to(os.path.realpath(folders.dataspace()))
    if len(below.parts) < 2:
        raise OutsideError(
            f"{source} is a whole area of the dataspace.", "Name a file or folder in it."
        )
    # under its own name: what `to` means must not depend on what is there
    target = home / (KEPT / below if to is None else Path(to).expanduser() / source.name)
    return folders.inside(target, home, "the workspace")


def _plan(source: Path, target: Path, root: Path, above: tuple[Path, ...]) -> Iterator[_File]:
    """Every file below `source`. Raises OutsideError, CopyError."""
    try:
        found = source.stat()
        if stat.S_ISREG(found.st_mode):
            yield _File(source, target, found.st_size)
        elif stat.S_ISDIR(found.st_mode):
            if source in above:
                raise CopyError(f"{source} holds a link to itself.", "Remove the link.")
            for name in sorted(os.listdir(source)):
                real = folders.inside(source / name, root, "the dataspace")
                yield from _plan(real, target / name, root, (*above, source))
        else:
            raise CopyError(f"{source} is neither a file nor a folder.", "Leave it out.")
    except OSError as error:
        raise CopyError(
            f"{source} can't be read: {error.strerror}.",
            "It may have expired, or be a link to what has.",
        ) from error


def _compare(found: list[_File], overwrite: bool) -> tuple[list[_File], int]:
    """What must be copied, and how many are there already. Raises ExistsError, CopyError."""
    wanted, others = [], []
    for file in found:
        if not os.path.lexists(file.target):
            wanted.append(file)
        elif not file.target.is_file():
            raise ExistsError(f"{file.target} is there and is no file.", "Give another `to`.")
        elif file.target.stat().st_size != file.size or _digest(file.target) != _digest(
            file.source
        ):
            wanted.append(file)
            others.append(str(file.target))
    if others and not overwrite:
        more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
        raise ExistsError(
            f"Different files are already there: {', '.join(others[:_SHOWN])}{more}.",
            "Give another `to`, or overwrite=True. Nothing was copied.",
        )
    return wanted, len(found) - len(wanted)


def _check_space(total: int) -> None:
    free = shutil.disk_usage(workspace.path()).free
    if total > free:
        raise CopyError(
            f"The copy needs {readable(total)} and the workspace has {readable(free)} left.",
            "Remove files there, or keep less.",
        )


def _copy(file: _File, root: Path, shown: Progress) -> None:
    """Copy one file under a temporary name, compare, rename. Raises CopyError, OutsideError."""
    folder = file.target.parent
    mark = hashlib.sha256(file.target.name.encode(errors="surrogateescape")).hexdigest()[:16]
    part = folder / f".pelagos-{mark}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            written = _write(file, part, root, shown)
            if _digest(part, shown) != written:
                raise VerificationError(
                    f"The copy of {file.source} is not what was written, and was removed.",
                    "Try again; if it happens again, tell an administrator.",
                )
            # of a file only: renaming a folder while it is uploaded would tear it
            part.replace(file.target)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise CopyError(
            f"{file.source} can't be copied to {file.target}: {error.strerror}.",
            "What was copied before stays; once this is mended, call keep again.",
        ) from error


def _write(file: _File, part: Path, root: Path, shown: Progress) -> bytes:
    """Write the temporary file; the digest of what was read. Raises ChangedError."""
    digest = hashlib.sha256()
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    with open(file.source, "rb", opener=lambda name, _: os.open(name, flags)) as source:
        before = os.fstat(source.fileno())
        _check_opened(source, file, root)
        with part.open("wb") as target:
            # a file that grows as fast as it is read has no end
            while target.tell() <= before.st_size and (chunk := source.read(_CHUNK)):
                digest.update(chunk)
                target.write(chunk)
                shown.add(len(chunk), file.target.name)
            target.flush()
            os.fsync(target.fileno())
        after = os.fstat(source.fileno())
    if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
        raise ChangedError(
            f"{file.source} changed while it was copied, so no copy was kept.",
            "Wait until nothing writes to it, then try again.",
        )
    return digest.digest()


def _check_opened(source: BinaryIO, file: _File, root: Path) -> None:
    """What was opened is still the file of the plan: in a shared area others may move things."""
    found = os.fstat(source.fileno())
    with suppress(OSError):  # no /proc
        folders.inside(Path(os.readlink(f"/proc/self/fd/{source.fileno()}")), root, "the dataspace")
    if not stat.S_ISREG(found.st_mode) or found.st_size != file.size:
        raise ChangedError(f"{file.source} changed meanwhile.", "Try again.")


def _digest(path: Path, shown: Progress | None = None) -> bytes:
    """SHA-256 of a file, read anew as far as the system lets us."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        with suppress(OSError, AttributeError):  # a hint; not on every system
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            if shown:
                shown.add(len(chunk), f"comparing {path.name}")
    return digest.digest()


def _await_upload(wait: float, shown: Progress) -> bool | None:
    """Whether the server has everything, within `wait` seconds; None if nobody can say."""
    if not service.configured():
        return None
    deadline = time.monotonic() + wait
    quiet = 0
    while True:
        try:
            now = workspace.status()
        except ServiceError:
            return None
        # twice: the mount waits a moment before it begins
        quiet = quiet + 1 if now.safe else 0
        if quiet == 2:
            return True
        if time.monotonic() + _POLL_SECONDS > deadline:
            return False
        refused = f", {len(now.failed)} refused" if now.failed else ""
        shown.say(f"uploading: {now.pending} files, {readable(now.pending_bytes)}{refused}")
        time.sleep(_POLL_SECONDS)
