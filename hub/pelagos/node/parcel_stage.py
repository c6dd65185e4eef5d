"""The folder from which an order's files are copied: root's, with links to what was looked at.

The pool belongs to the account of the downloader, which reads what strangers send. So every folder
of a place is opened without following links, the file must be a regular one, and it is this very
file that is linked (linkat(2) of its descriptor), whatever its name means a moment later.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from pelagos.errors import StorageError
from pelagos.node.areas.base import make_private

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def stage(pool: Path, folder: Path, documents: Mapping[str, str], links: Mapping[str, str]) -> None:
    """Make `folder` with the documents, and the pool's files by path. The paths are checked.

    Raises StorageError, OSError.
    """
    make_private(folder.parent)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    for path, text in documents.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8", newline="")
    with contextlib.ExitStack() as stack:
        top = os.open(pool, _FOLDER)
        stack.callback(os.close, top)
        for path, place in links.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with _opened(top, place) as file:
                _link(file, target, pool / place)


@contextlib.contextmanager
def _opened(top: int, place: str) -> Iterator[int]:
    """A regular file below the open folder `top`."""
    parts = place.split("/")
    with contextlib.ExitStack() as stack:
        above = top
        try:
            for part in parts[:-1]:
                above = os.open(part, _FOLDER, dir_fd=above)
                stack.callback(os.close, above)
            file = os.open(parts[-1], _FILE, dir_fd=above)
            stack.callback(os.close, file)
        except OSError as error:
            raise _missing(place) from error
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise _missing(place)
        yield file


def _link(file: int, target: Path, path: Path) -> None:
    try:
        with _folder(target.parent) as folder:
            os.link(f"/proc/self/fd/{file}", target.name, dst_dir_fd=folder, follow_symlinks=True)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP):
            raise
        # the pool is a mount of its own, or knows no such links
        target.symlink_to(path)


@contextlib.contextmanager
def _folder(path: Path) -> Iterator[int]:
    number = os.open(path, _FOLDER)
    try:
        yield number
    finally:
        os.close(number)


def _missing(place: str) -> StorageError:
    return StorageError(
        f"{place.rpartition('/')[2]} is not in the data pool any more.",
        "Try the order again: it is fetched again.",
    )
