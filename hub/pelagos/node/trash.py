"""The trash of one area: how an old file goes without a race, in two steps.

Between a look at a file and its deletion, somebody may open it, rewrite it or put another in its
place. So first (`take`): open it without following links, ask the kernel for a write lease, which
it gives only if nobody else has the file open (fcntl(2), F_SETLEASE), look again, and rename it
into the trash, where nobody can find it. Whoever opens it in this moment waits for the lease, and
then has the file in the trash. So then (`settle`), some seconds later: with another lease, look
whether it is as it was; if somebody has it open or changed it, it goes back, else it is deleted.
"""

from __future__ import annotations

import contextlib
import enum
import errno
import fcntl
import json
import logging
import os
import signal
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pelagos.node.areas import Place
from pelagos.renames import rename_new

logger = logging.getLogger(__name__)

_NAME_MAX = 255  # bytes
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOATIME
OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Outcome(enum.Enum):
    """What became of an old file."""

    TAKEN = "taken"
    OPEN = "open"
    CHANGED = "changed"
    GONE = "gone"


class TrashFullError(Exception):
    """The area is so full that even a rename needs space: settle, then go on."""


@dataclass(frozen=True)
class Settled:
    """One file that was in the trash: deleted, or back in its place."""

    path: str
    deleted: bool
    size: int


@dataclass(frozen=True)
class _Entry:
    """One file in the trash, as it was right after it came. `ctime` is 0 if it has more names."""

    name: str
    path: str
    size: int
    mtime: int
    ctime: int

    def is_still(self, found: os.stat_result) -> bool:
        """Whether nobody touched it since. The ctime also betrays a write with a faked mtime."""
        if (found.st_size, found.st_mtime_ns) != (self.size, self.mtime):
            return False
        # renaming or deleting one name of a file changes the ctime that all of them show
        return self.ctime in (0, found.st_ctime_ns)


class Trash:
    """The trash of the area at `place`. `journal`: a file of root's, beside no user's files.

    Use as a context manager: it holds the folders open.
    """

    def __init__(self, place: Place, journal: Path) -> None:
        self._place = place
        self._journal = journal
        self._files = self._trash = -1
        self._count = 0

    def __enter__(self) -> Trash:
        self._files = os.open(self._place.files, OPEN_FOLDER)
        try:
            self._trash = os.open(self._place.trash, OPEN_FOLDER)
        except OSError:
            os.close(self._files)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._files)
        os.close(self._trash)

    @property
    def files(self) -> int:
        """The folder with the area's files, open."""
        return self._files

    @property
    def empty(self) -> bool:
        """Whether nothing waits to be settled."""
        with os.scandir(self._trash) as entries:
            return next(entries, None) is None

    def take(self, folder: int, name: str, path: str, seen: os.stat_result) -> Outcome:
        """Rename `name` in the open `folder` into the trash, if it is still as `seen`.

        `path` is where it goes back to if need be. Raises TrashFullError, OSError.
        """
        with contextlib.ExitStack() as stack:
            if stat.S_ISREG(seen.st_mode):
                try:
                    file = stack.enter_context(_leased(name, folder))
                except FileNotFoundError:
                    return Outcome.GONE
                except BlockingIOError:
                    return Outcome.OPEN
                found = os.fstat(file)
            else:
                found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if _identity(found) != _identity(seen):
                return Outcome.CHANGED
            self._count += 1
            new = f"{seen.st_mtime_ns}.{os.getpid()}.{self._count}"
            try:
                os.rename(name, new, src_dir_fd=folder, dst_dir_fd=self._trash)
            except FileNotFoundError:
                return Outcome.GONE
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise TrashFullError from error
                raise
            moved = os.stat(new, dir_fd=self._trash, follow_symlinks=False)
            if (moved.st_ino, moved.st_mtime_ns) != (seen.st_ino, seen.st_mtime_ns):
                # another file had been put in its place since the look
                self._put_back(new, path, folder)
                return Outcome.CHANGED
            self._note(_entry(new, path, moved))
        return Outcome.TAKEN

    def settle(self, keeps: Callable[[str], bool]) -> Iterator[Settled]:
        """Delete what is in the trash, or put it back where somebody uses or `keeps` it.

        What can't be settled now stays for the next time.
        """
        working = self._journal.with_suffix(".settling")
        if not working.exists():  # else a crash came in between
            with contextlib.suppress(FileNotFoundError):
                self._journal.replace(working)
        left = []
        for entry in _read(working):
            try:
                settled = self._settle(entry, keeps)
            except FileNotFoundError:
                continue
            except OSError as error:
                logger.warning("%s: %s stays in the trash: %s", self._place.folder, entry, error)
                left.append(entry)
                continue
            yield settled
        known = {entry.name for entry in left}
        working.unlink(missing_ok=True)
        for entry in left:
            self._note(entry)
        yield from self._orphans(known)

    def _settle(self, entry: _Entry, keeps: Callable[[str], bool]) -> Settled:
        found = os.stat(entry.name, dir_fd=self._trash, follow_symlinks=False)
        if keeps(entry.path) or not entry.is_still(found):
            return self._back(entry)
        if not stat.S_ISREG(found.st_mode):
            os.unlink(entry.name, dir_fd=self._trash)
            return Settled(entry.path, True, 0)
        try:
            with _leased(entry.name, self._trash) as file:
                if entry.is_still(os.fstat(file)):
                    os.unlink(entry.name, dir_fd=self._trash)
                    # with another name left, its bytes stay
                    size = found.st_blocks * 512 if found.st_nlink == 1 else 0
                    return Settled(entry.path, True, size)
        except BlockingIOError:
            pass  # somebody has it open
        return self._back(entry)

    def _back(self, entry: _Entry) -> Settled:
        self._put_back(entry.name, entry.path, None)
        return Settled(entry.path, False, 0)

    def _orphans(self, known: set[str]) -> Iterator[Settled]:
        """What a crash left in the trash without a line in the journal."""
        journaled = {entry.name for entry in _read(self._journal)} | known
        with os.scandir(self._trash) as entries:
            names = [entry.name for entry in entries if entry.name not in journaled]
        for name in names:
            found = os.stat(name, dir_fd=self._trash, follow_symlinks=False)
            path = f"recovered-{found.st_ino}"
            # it had been old when it came; its name says how old
            if name.partition(".")[0] == str(found.st_mtime_ns):
                yield self._settle(_entry(name, path, found), lambda _: False)
            else:
                self._put_back(name, path, None)
                yield Settled(path, False, 0)

    def _note(self, entry: _Entry) -> None:
        self._journal.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        line = json.dumps([entry.name, entry.path, entry.size, entry.mtime, entry.ctime])
        with open(
            self._journal, "a", opener=lambda name, flags: os.open(name, flags, 0o600)
        ) as file:
            file.write(line + "\n")

    def _put_back(self, name: str, path: str, folder: int | None) -> None:
        """Rename a file of the trash to its path; beside it if the name is taken by now."""
        above, _, leaf = path.rpartition("/")
        with contextlib.ExitStack() as stack:
            if folder is not None:
                try:
                    self._rename_back(name, folder, leaf)
                    return
                except FileNotFoundError:
                    pass  # the folder itself is gone: make it again
            try:
                parent = stack.enter_context(self._folder(above))
            except OSError as error:
                # a folder of its path is a file or a link by now
                logger.info("%s goes back to the top of its area: %s", path, error)
                parent = self._files
            self._rename_back(name, parent, leaf)

    def _rename_back(self, name: str, folder: int, leaf: str) -> None:
        for attempt in range(1000):
            suffix = f".kept-{attempt}".encode() if attempt else b""
            target = os.fsencode(leaf)[: _NAME_MAX - len(suffix)] + suffix
            if rename_new(self._trash, os.fsencode(name), folder, target):
                return
        raise FileExistsError(errno.EEXIST, "a thousand such names are taken", leaf)

    @contextlib.contextmanager
    def _folder(self, path: str) -> Iterator[int]:
        """The folder at `path` in the area, open; made again if it is gone."""
        owner = os.fstat(self._files)
        folder = os.dup(self._files)
        try:
            for part in path.split("/") if path else []:
                try:
                    below = os.open(part, OPEN_FOLDER, dir_fd=folder)
                except FileNotFoundError:
                    os.mkdir(part, 0o700, dir_fd=folder)
                    below = os.open(part, OPEN_FOLDER, dir_fd=folder)
                    os.fchown(below, owner.st_uid, owner.st_gid)
                os.close(folder)
                folder = below
            yield folder
        finally:
            os.close(folder)


@contextlib.contextmanager
def _leased(name: str, folder: int) -> Iterator[int]:
    """The file, open here and nowhere else. Raises BlockingIOError if somebody has it open."""
    try:
        file = os.open(name, _OPEN, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.ENODEV):
            raise FileNotFoundError(errno.ENOENT, "it is no file any more", name) from error
        raise
    try:
        # when somebody waits for the lease: the default, SIGIO, would end this process
        fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        yield file
    finally:
        os.close(file)  # with it, the lease goes


def _entry(name: str, path: str, found: os.stat_result) -> _Entry:
    ctime = found.st_ctime_ns if found.st_nlink == 1 else 0
    return _Entry(name, path, found.st_size, found.st_mtime_ns, ctime)


def _identity(found: os.stat_result) -> tuple[Any, ...]:
    return (
        found.st_dev,
        found.st_ino,
        stat.S_IFMT(found.st_mode),
        found.st_size,
        found.st_mtime_ns,
        found.st_ctime_ns,
    )


def _read(journal: Path) -> Iterator[_Entry]:
    try:
        with journal.open() as lines:
            for line in lines:
                try:
                    yield _Entry(*json.loads(line))
                except (ValueError, TypeError):
                    continue  # a crash in the middle of a line: the file is an orphan
    except FileNotFoundError:
        return
