"""What root does before it gives itself up: make the account's folders and hand them over.

The account, and with the process backend anybody's notebook, may write in such a folder. Root goes
there by descriptors only, follows no link, and makes nothing in a folder that is handed over.
"""

from __future__ import annotations

import contextlib
import logging
import os
import stat
from pathlib import Path

from pelagos.errors import StateError
from pelagos.services.dav.disk import FILE, FOLDER, folder_at

logger = logging.getLogger(__name__)

Owner = tuple[int, int]  # user and group number


def folder_for(parent: int, name: str, owner: Owner) -> None:
    """Make the folder `name` in `parent`, which nobody else can write, and give it to `owner`.

    If it was somebody else's, as an earlier run left it, all that is in it goes along. Raises
    StateError if something else stands there, OSError.
    """
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=parent)
    try:
        folder = os.open(name, FOLDER, dir_fd=parent)
    except NotADirectoryError as error:
        where = Path(os.readlink(f"/proc/self/fd/{parent}"), name)
        raise StateError(
            f"{where} is no folder, or a link to one.",
            f"Move it away, and put a folder there: mkdir {where}",
        ) from error
    try:
        found = os.fstat(folder)
        if (found.st_uid, found.st_gid) == owner:
            return
        # until all is done, nobody else comes in
        os.fchown(folder, os.geteuid(), os.getegid())
        os.fchmod(folder, 0o700)
        _give_what_is_in(folder, owner)
        os.fchown(folder, *owner)
    finally:
        os.close(folder)


def _give_what_is_in(folder: int, owner: Owner) -> None:
    waiting: list[tuple[str, ...]] = [()]
    while waiting:
        here = waiting.pop()
        with folder_at(folder, here) as inner:
            for name in os.listdir(inner):
                kind = os.stat(name, dir_fd=inner, follow_symlinks=False).st_mode
                if not stat.S_ISREG(kind) and not stat.S_ISDIR(kind):
                    continue
                if _give(inner, name, owner):
                    waiting.append((*here, name))


def _give(parent: int, name: str, owner: Owner) -> bool:
    """Give one file or folder; whether it is a folder."""
    descriptor = os.open(name, os.O_RDONLY | FILE, dir_fd=parent)
    try:
        found = os.fstat(descriptor)
        is_folder = stat.S_ISDIR(found.st_mode)
        if not is_folder and found.st_nlink > 1:
            # its other name may be anywhere: /etc/shadow
            logger.warning("Not handed over, because it has other names too: %r", name)
        else:
            os.fchown(descriptor, *owner)
        return is_folder
    finally:
        os.close(descriptor)


def workspaces_for(path: Path, owner: Owner) -> int:
    """A descriptor of the folder with all workspaces, made ready. Raises StateError, OSError.

    It stays ours, so that the account can rename nothing in it; the folders in it are `owner`'s.
    """
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    base = os.open(path, FOLDER & ~os.O_NOFOLLOW)  # an operator may have linked it
    try:
        os.fchown(base, os.geteuid(), os.getegid())
        if owner[0] != os.geteuid():
            os.fchmod(base, 0o711)  # the account passes through
        for kind in ("users", "virtual-labs"):
            folder_for(base, kind, owner)
    except BaseException:
        os.close(base)
        raise
    return base


def store_for(state: Path, owner: Owner) -> Path:
    """The file of the store, in a folder of `owner` below the state folder, which is ours."""
    parent = os.open(state, FOLDER & ~os.O_NOFOLLOW)
    try:
        folder_for(parent, "dav", owner)
    finally:
        os.close(parent)
    return state / "dav" / "locks.sqlite"
