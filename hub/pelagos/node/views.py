"""What stands under one name in a person's view: an area, mounted, or a note in its place."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from pelagos.errors import StorageError
from pelagos.node import mounts
from pelagos.node.areas.base import make_private

README = "README.txt"


def shows(source: Path, point: Path, read_only: bool) -> bool:
    """Whether the area is what is mounted at `point`: a few system calls, no table of mounts."""
    try:
        return mounts.same(source, point) and (
            bool(os.statvfs(point).f_flag & os.ST_RDONLY) == read_only
        )
    except OSError:
        return False


def make_point(point: Path) -> None:
    """An empty folder to mount on; a note from when that failed goes. Raises StorageError."""
    make_private(point, 0o555)
    (point / README).unlink(missing_ok=True)


def leave_note(point: Path, reason: str) -> None:
    """In place of an area: a folder that nobody can write, with the reason."""
    if mounts.is_mount(point):
        mounts.unmount(point, lazy=True)
    make_private(point, 0o555)
    note = point / README
    text = (
        f"This part of the dataspace can't be used now: {reason}\n"
        "It is tried again at each start of a server, and appears here by itself.\n"
    )
    note.unlink(missing_ok=True)
    note.write_text(text)
    note.chmod(0o444)


def hide(point: Path) -> None:
    """Take an area out of a view. Raises StorageError."""
    mounts.unmount(point, lazy=True)
    try:
        (point / README).unlink(missing_ok=True)
        point.rmdir()
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise StorageError(f"{point} can't be removed: {error.strerror}.") from error
