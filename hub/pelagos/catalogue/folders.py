"""A folder of data files, walked and opened so that nothing outside of it is ever reached.

Every component is opened below the folder's descriptor without following links; only regular files
count. Somebody else may change the folder at the same time.
"""

from __future__ import annotations

import contextlib
import errno
import importlib.resources
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pelagos.catalogue.records import ID_LIMIT, Rejected
from pelagos.errors import SourceError

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: opening a FIFO does not wait for a writer
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# gone, closed or changed by somebody; all else is the disk's or the mount's fault
_NO_TROUBLE = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES, errno.EPERM))
_DEPTH = 64
NETCDF_SUFFIXES = (".nc", ".nc4", ".cdf", ".netcdf")
ODV_SUFFIXES = (".txt", ".odv")
_SPECIAL = (
    (stat.S_ISLNK, "a link; links are not followed"),
    (stat.S_ISFIFO, "a FIFO, not a file"),
    (stat.S_ISSOCK, "a socket, not a file"),
    (stat.S_ISCHR, "a device, not a file"),
    (stat.S_ISBLK, "a device, not a file"),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A file: its path in the folder with `/`, and what tells whether it changed."""

    path: str
    size: int
    modified: int  # nanoseconds since 1970
    inode: int

    @property
    def folder(self) -> str:
        """The folder it is in; "" at the top."""
        return self.path.rpartition("/")[0]


def is_data(path: str) -> bool:
    """Whether a file of this name may be one that is read."""
    return path.lower().endswith(NETCDF_SUFFIXES + ODV_SUFFIXES)


def is_odv(path: str) -> bool:
    """Whether a file of this name may be an ODV spreadsheet."""
    return path.lower().endswith(ODV_SUFFIXES)


def locate(path: str) -> Path:
    """The folder that a source's `path` means: absolute, or `package:NAME/FOLDER`.

    Raises SourceError if the package is not installed.
    """
    if not path.startswith("package:"):
        return Path(path)
    name, _, below = path.removeprefix("package:").partition("/")
    try:
        found = importlib.resources.files(name)
    except (ImportError, TypeError, ValueError) as error:
        raise SourceError(
            f"the Python package {name} is not installed",
            f"Install it beside Pelagos (pip install {name.replace('_', '-')}), or change the "
            "path of the source.",
        ) from error
    if ".." in below.split("/"):
        raise SourceError(f"{path}: leads out of the package", "Change the path of the source.")
    folder = found.joinpath(below) if below else found
    if not isinstance(folder, Path):
        raise SourceError(
            f"the Python package {name} is not installed as files", "Install it unpacked."
        )
    return folder


class Tree:
    """An open folder. A context manager. Raises SourceError if it can't be opened."""

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            # the operator may have linked the folder itself
            self._base = os.open(root, _FOLDER & ~os.O_NOFOLLOW)
        except OSError as error:
            raise SourceError(
                f"{root}: can't be read: {error.strerror}",
                "Check the path of the source, and that the harvester may read it.",
            ) from error

    def __enter__(self) -> Tree:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it; what it opened stays open."""
        if self._base >= 0:
            os.close(self._base)
            self._base = -1

    def walk(self) -> Iterator[Entry | Rejected]:
        """All files that may be data, sorted by folder; what is skipped on purpose is said.

        Raises SourceError if the disk or the mount fails meanwhile.
        """
        yield from self._walk(os.dup(self._base), "", 0)

    def _walk(self, folder: int, prefix: str, depth: int) -> Iterator[Entry | Rejected]:
        """Takes over the descriptor `folder`."""
        try:
            below = []
            for name in sorted(os.listdir(folder)):
                path = prefix + name
                reason = _unfit(name, path)
                if reason:
                    yield Rejected(path.encode("utf-8", "replace").decode(), reason)
                    continue
                try:
                    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
                except OSError as error:
                    self._check_trouble(path, error)
                    continue  # removed since
                if stat.S_ISDIR(found.st_mode):
                    below.append(name)
                elif not stat.S_ISREG(found.st_mode):
                    yield Rejected(path, _special(found.st_mode))
                elif is_data(name):
                    yield Entry(path, found.st_size, found.st_mtime_ns, found.st_ino)
            for name in below:
                yield from self._below(folder, prefix + name, name, depth)
        except OSError as error:
            self._check_trouble(prefix, error)
            yield Rejected(prefix or ".", f"the folder can't be read: {error.strerror}")
        finally:
            os.close(folder)

    def _below(self, folder: int, path: str, name: str, depth: int) -> Iterator[Entry | Rejected]:
        if depth == _DEPTH:
            yield Rejected(path, f"more than {_DEPTH} folders deep")
            return
        try:
            inner = os.open(name, _FOLDER, dir_fd=folder)
        except OSError as error:
            self._check_trouble(path, error)
            yield Rejected(path, f"the folder can't be read: {error.strerror}")
            return
        yield from self._walk(inner, f"{path}/", depth + 1)

    def _check_trouble(self, path: str, error: OSError) -> None:
        """Raises SourceError if the disk or the mount fails: then nothing is known to be gone."""
        if error.errno not in _NO_TROUBLE:
            raise SourceError(
                f"{self.root / path}: can't be read: {error.strerror}",
                "Is the file system whole, and mounted?",
            ) from error

    def open(self, path: str) -> int:
        """A descriptor of the regular file at `path`, for reading.

        Raises FileNotFoundError for what `walk` would not give, OSError.
        """
        names = path.split("/")
        if len(names) > _DEPTH + 1 or any(_unfit(name, path) for name in names):
            raise FileNotFoundError(path)
        folder = os.dup(self._base)
        try:
            for name in names[:-1]:
                inner = self._open(name, _FOLDER, folder, path)
                os.close(folder)
                folder = inner
            descriptor = self._open(names[-1], _FILE, folder, path)
        finally:
            os.close(folder)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise FileNotFoundError(path)
        return descriptor

    @staticmethod
    def _open(name: str, flags: int, folder: int, path: str) -> int:
        try:
            return os.open(name, flags, dir_fd=folder)
        except PermissionError:
            raise
        except OSError as error:  # a link, no folder, no such file, a device
            raise FileNotFoundError(path) from error

    def text(self, path: str, limit: int) -> str | None:
        """A small text file; None if it is not there. Raises SourceError if it is none."""
        try:
            descriptor = self.open(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SourceError(f"{self.root / path}: can't be read: {error.strerror}") from error
        with contextlib.closing(os.fdopen(descriptor, "rb")) as file:
            content = file.read(limit + 1)
        if len(content) > limit:
            raise SourceError(f"{self.root / path}: larger than {limit} bytes")
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise SourceError(f"{self.root / path}: not UTF-8 text (byte {error.start})") from error


def _unfit(name: str, path: str) -> str:
    """Why a name is never followed; "" if it may be."""
    if name.startswith("."):
        return "hidden (its name begins with a dot)"
    if not name or not name.isprintable() or "\\" in name:
        return "a name that is no plain text"
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return "a name that is not UTF-8"
    return f"a path of more than {ID_LIMIT} characters" if len(path) > ID_LIMIT else ""


def _special(mode: int) -> str:
    return next((reason for fits, reason in _SPECIAL if fits(mode)), "not a file")
