"""Folders on disk: nothing here follows a symbolic link or leaves its root.

People of the process backend write to their folders directly, so any name may become a link at
any moment. Therefore no path is ever checked and then used: each step is opened relative to the
step before (`openat`) with O_NOFOLLOW, and the last one is used through its folder's descriptor.
The folder of all workspaces is a descriptor too, opened before privileges are given up, so that the
account needs no way to it.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import secrets
import shutil
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Protocol

from pelagos.layout import Layout
from pelagos.services.dav.usage import Usage

logger = logging.getLogger(__name__)

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # a pipe must not make us wait
_STAGING = ".staging"
_KINDS = ("users", "virtual-labs")
COPY_BLOCK = 8 << 20
ENTRY = 4096  # bytes that each file and folder counts beside its content


@contextmanager
def folder_at(base: int, names: Sequence[str]) -> Iterator[int]:
    """A descriptor of the folder at `names` below `base`. Raises OSError."""
    # the folder of all workspaces lets the account through, not read
    current = os.open(".", FOLDER | os.O_PATH if names else FOLDER, dir_fd=base)
    try:
        for name in names:
            if name in (".", "..") or "/" in name:
                raise NotADirectoryError(name)
            inner = os.open(name, FOLDER, dir_fd=current)
            os.close(current)
            current = inner
        yield current
    finally:
        os.close(current)


def look(folder: int, name: str) -> os.stat_result | None:
    """What stands there, if it is a file or folder: links and devices don't exist for us."""
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # nothing can have that name
            return None
        raise
    return found if stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode) else None


def entries(folder: int) -> list[tuple[str, os.stat_result]]:
    """Files and folders in a folder, by name. Names that are not UTF-8 are left out."""
    found = []
    with os.scandir(folder) as listing:
        for entry in listing:
            try:
                entry.name.encode()
                status = entry.stat(follow_symlinks=False)
            except (UnicodeError, FileNotFoundError):
                continue
            if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
                found.append((entry.name, status))
    found.sort(key=lambda one: one[0])
    return found


def holds_more_than(folder: int, count: int) -> bool:
    """Whether a folder holds more than `count` things of any kind."""
    with os.scandir(folder) as listing:
        return next(islice(listing, count, None), None) is not None


def cost(found: os.stat_result) -> int:
    """What a file or a folder by itself counts: empty ones take room on the disk too."""
    return ENTRY + (found.st_size if stat.S_ISREG(found.st_mode) else 0)


def size_below(base: int, names: Sequence[str]) -> int:
    """What all below a folder counts; something that goes meanwhile counts nothing."""
    total = 0
    waiting = [tuple(names)]
    while waiting:
        here = waiting.pop()
        with contextlib.suppress(OSError), folder_at(base, here) as folder:
            for name, status in entries(folder):
                total += cost(status)
                if stat.S_ISDIR(status.st_mode):
                    waiting.append((*here, name))
    return total


def all_listed(base: int, names: Sequence[str]) -> bool:
    """Whether `entries` leaves out nothing that is below a folder. Raises OSError."""
    waiting = [tuple(names)]
    while waiting:
        here = waiting.pop()
        with folder_at(base, here) as folder:
            found = entries(folder)
            if len(found) != len(os.listdir(folder)):
                return False
        waiting += [(*here, name) for name, one in found if stat.S_ISDIR(one.st_mode)]
    return True


def open_file(folder: int, name: str) -> int:
    """A descriptor for reading a regular file. Raises OSError."""
    descriptor = os.open(name, os.O_RDONLY | FILE, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(name)
    return descriptor


class Records(Protocol):
    """What is kept about files elsewhere; see store.Store."""

    def weight(self, ref: str) -> int:
        """Bytes that are kept about a canonical address and all below it."""

    def forget(self, ref: str) -> None:
        """Drop all that is kept about them."""


@dataclass
class Root:
    """One person's workspace, or the shared folder of one virtual lab.

    `ref` is its canonical name, the same for whoever looks; `commit` is held while a change takes
    effect.
    """

    base: int
    kind: str
    folder_name: str
    quota: int
    records: Records
    later: Callable[[Callable[[], None]], None]
    commit: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.ref = f"/{self.kind}/{self.folder_name}"
        self._inode: int | None = None
        self._knowing = threading.Lock()
        self.usage = self._uncounted()

    def _uncounted(self) -> Usage:
        return Usage(self.quota, lambda: self.size(()) + self.records.weight(self.ref), self.later)

    def _know(self, inode: int, *, made: bool) -> None:
        """Forget what was known of another folder of the same name.

        The node agent sets the workspace of a deleted account aside, and somebody may get the
        name later.
        """
        with self._knowing:
            if made or self._inode not in (None, inode):
                self.records.forget(self.ref)
                self.usage = self._uncounted()
            self._inode = inode

    @contextmanager
    def folder(self, names: Sequence[str]) -> Iterator[int]:
        """A descriptor of a folder in here; the root itself is made at first use."""
        made = False
        if not names:
            with folder_at(self.base, (self.kind,)) as parent, contextlib.suppress(FileExistsError):
                os.mkdir(self.folder_name, 0o700, dir_fd=parent)
                made = True
        with folder_at(self.base, (self.kind, self.folder_name)) as own:
            self._know(os.fstat(own).st_ino, made=made)
            with folder_at(own, names) as descriptor:
                yield descriptor

    @contextmanager
    def staging(self) -> Iterator[int]:
        """A folder on the same file system that no address leads to."""
        with folder_at(self.base, (self.kind, _STAGING)) as descriptor:
            yield descriptor

    def device(self) -> int:
        """Which file system it is on: a rename works within one only."""
        with self.folder(()) as folder:
            return os.fstat(folder).st_dev

    def stat(self, names: Sequence[str]) -> os.stat_result | None:
        """What is there, if it is a file or folder. Raises OSError if that can't be known."""
        try:
            if not names:
                with self.folder(()) as folder:
                    return os.fstat(folder)
            with self.folder(names[:-1]) as folder:
                return look(folder, names[-1])
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENAMETOOLONG):  # a link stands there
                return None
            raise

    def size(self, names: Sequence[str]) -> int:
        """What a file, or a folder with all below it, counts; the root itself counts nothing."""
        found = self.stat(names)
        if found is None:
            return 0
        own = cost(found) if names else 0
        if stat.S_ISREG(found.st_mode):
            return own
        return own + size_below(self.base, (self.kind, self.folder_name, *names))

    def has_only_listed(self, names: Sequence[str]) -> bool:
        """Whether a copy of what is there is whole: no links, devices or names that are no text."""
        found = self.stat(names)
        if found is None or not stat.S_ISDIR(found.st_mode):
            return True
        return all_listed(self.base, (self.kind, self.folder_name, *names))

    def staged_size(self, name: str) -> int:
        """The same for something that stands in staging."""
        with self.staging() as staging:
            found = look(staging, name)
        if found is None:
            return 0
        below = stat.S_ISDIR(found.st_mode)
        return cost(found) + (size_below(self.base, (self.kind, _STAGING, name)) if below else 0)


def fresh_name() -> str:
    """A name that nothing in a staging folder has."""
    return secrets.token_hex(16)


def throw_away(folder: int, name: str) -> None:
    """Remove a file or a whole folder in a staging folder; what can't be is left and logged."""
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISDIR(found.st_mode):
            shutil.rmtree(name, dir_fd=folder)
        else:
            os.unlink(name, dir_fd=folder)
    except (OSError, RecursionError) as error:
        logger.warning("Left in staging: %s", error)


def copy_file(source: int, target_folder: int, name: str, modified: os.stat_result) -> int:
    """Copy an open file's content to a new one, on disk when this returns; its size.

    Raises OSError.
    """
    target = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | FILE, 0o600, dir_fd=target_folder)
    try:
        total = 0
        while count := os.sendfile(target, source, total, COPY_BLOCK):
            total += count
        os.utime(target, ns=(modified.st_mtime_ns, modified.st_mtime_ns))
        os.fsync(target)
        return total
    finally:
        os.close(target)


def copy_tree(source: Root, names: Sequence[str], target: int, name: str, *, deep: bool) -> None:
    """Copy a folder to `name` in the folder `target`; links in it are left out. Raises OSError."""
    waiting: list[tuple[str, ...]] = [()]
    while waiting:
        here = waiting.pop()
        whole = (name, *here)
        with source.folder((*names, *here)) as old, folder_at(target, whole[:-1]) as parent:
            os.mkdir(whole[-1], 0o700, dir_fd=parent)
            if not deep:
                return
            with folder_at(parent, whole[-1:]) as new:
                for member, status in entries(old):
                    if stat.S_ISDIR(status.st_mode):
                        waiting.append((*here, member))
                        continue
                    descriptor = open_file(old, member)
                    try:
                        copy_file(descriptor, new, member, os.fstat(descriptor))
                    finally:
                        os.close(descriptor)


class Disk:
    """All workspaces of this VRE. `base` is the folder of them all, open; closed with this."""

    def __init__(self, layout: Layout, base: int, records: Records) -> None:
        self._layout = layout
        self._records = records
        self.base = base
        self._roots: dict[tuple[str, str], Root] = {}
        self._lock = threading.Lock()
        self._worker = ThreadPoolExecutor(1, "recount")

    def prepare_staging(self) -> None:
        """Make the folders for what is under way; what an earlier run left goes in the background.

        As the account: they are in folders of the account's. Raises OSError.
        """
        for kind in _KINDS:
            with folder_at(self.base, (kind,)) as parent:
                with contextlib.suppress(FileNotFoundError):
                    found = os.stat(_STAGING, dir_fd=parent, follow_symlinks=False)
                    if not stat.S_ISDIR(found.st_mode):
                        os.unlink(_STAGING, dir_fd=parent)
                with contextlib.suppress(FileExistsError):
                    os.mkdir(_STAGING, 0o700, dir_fd=parent)
            with folder_at(self.base, (kind, _STAGING)) as staging:
                left = os.listdir(staging)
            self.later(partial(self._clear, kind, left))

    def _clear(self, kind: str, left: list[str]) -> None:
        with folder_at(self.base, (kind, _STAGING)) as staging:
            for name in left:
                throw_away(staging, name)

    def later(self, job: Callable[[], None]) -> None:
        """Run `job` in the background; not at all if the server ends."""
        with contextlib.suppress(RuntimeError):  # it ends already
            self._worker.submit(job)

    def close(self) -> None:
        """Stop what runs in the background."""
        self._worker.shutdown(wait=True, cancel_futures=True)
        os.close(self.base)

    def user(self, name: str) -> Root:
        """One person's workspace."""
        folder = self._layout.user_workspace(name).name
        return self._root(_KINDS[0], folder, self._layout.storage.workspace.quota)

    def virtual_lab(self, name: str) -> Root:
        """The shared folder of a virtual lab."""
        folder = self._layout.virtual_lab_workspace(name).name
        return self._root(_KINDS[1], folder, self._layout.storage.workspace.virtual_lab_quota)

    def usage_at(self, ref: str) -> Usage | None:
        """How full that is to which a canonical address belongs, if it was in use."""
        kind, folder = ref.strip("/").split("/")[:2]
        with self._lock:
            root = self._roots.get((kind, folder))
        return root.usage if root else None

    def _root(self, kind: str, folder: str, quota: int) -> Root:
        with self._lock:
            key = (kind, folder)
            if key not in self._roots:
                self._roots[key] = Root(self.base, kind, folder, quota, self._records, self.later)
            return self._roots[key]
