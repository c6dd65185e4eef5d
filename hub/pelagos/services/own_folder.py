"""A folder of a service's own: made by root, kept by the account that the service runs as."""

from __future__ import annotations

import contextlib
import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from pelagos import accounts
from pelagos.errors import StateError

logger = logging.getLogger(__name__)


def prepare_folder(folder: Path, *, as_account: bool) -> None:
    """Make the folder, closed; as root also the account's, with the files in it.

    The folder above stays root's: whoever could rename in it could lead root elsewhere. Raises
    StateError where something else is in the way.
    """
    owner = accounts.ids() if os.geteuid() == 0 and as_account else None
    try:
        folder.parent.mkdir(exist_ok=True)
        with _opened(folder.parent) as above:
            os.fchown(above, os.geteuid(), os.getegid())
            found = stat.S_IMODE(os.fstat(above).st_mode)
            os.fchmod(above, 0o711 if owner else found & 0o711)
            with contextlib.suppress(FileExistsError):
                os.mkdir(folder.name, 0o700, dir_fd=above)
            with _opened(folder.name, above) as inside:
                _give(inside, owner)
    except OSError as error:
        raise StateError(
            f"The folder {folder} can't be used: {error.strerror}.",
            "It must be a plain folder of this VRE: move what is there away, then ./pelagos up.",
        ) from error


@contextlib.contextmanager
def _opened(path: Path | str, above: int | None = None) -> Iterator[int]:
    """A descriptor of a folder, never of what a link leads to."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    descriptor = os.open(path, flags, dir_fd=above)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _give(folder: int, owner: tuple[int, int] | None) -> None:
    """Close the folder; give it and the files in it to `owner`, if there is one."""
    os.fchmod(folder, 0o700)
    if owner is None or _is_given(folder, owner):
        return
    # ours meanwhile: nobody links something in, or takes it out between a look and the change
    os.fchown(folder, os.geteuid(), os.getegid())
    for name in os.listdir(folder):
        try:
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        except OSError as error:
            logger.warning("%r in a service's folder is left alone: %s", name, error.strerror)
            continue
        try:
            found = os.fstat(descriptor)
            if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
                os.fchown(descriptor, *owner)
        finally:
            os.close(descriptor)
    os.fchown(folder, *owner)


def _is_given(folder: int, owner: tuple[int, int]) -> bool:
    """Whether all is the account's already: then it may be in use, and is left alone."""
    found = os.fstat(folder)
    if (found.st_uid, found.st_gid) != owner:
        return False
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):  # SQLite's files come and go
            inside = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if (inside.st_uid, inside.st_gid) != owner:
                return False
    return True
