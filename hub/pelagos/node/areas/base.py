"""What every quota back end does, and how an area lies on the disk.

    <root>/users/            root's, 0700: no account of the machine looks in
    <root>/users/anna/       root's, 0700; the file system's root with `image`
    <root>/users/anna/files/ what she sees as /dataspace/me
    <root>/users/anna/trash/ root's, 0700: what the sweep is about to delete
    <root>/users/anna/parcels/ likewise: folders of orders while they are made
    <root>/users/anna.img    with `image`: the file system

`files` and `trash` are in one file system, so that the sweep can rename from one to the other, and
only `files` is ever mounted into a view, so that nobody reaches `trash` or ext4's lost+found.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pelagos.errors import StorageError
from pelagos.settings import QuotaKind

TIMEOUT = 60.0  # seconds, of a program that has little to do
LONG_TIMEOUT = 1800.0  # seconds, of one that reads a whole file system


@dataclass(frozen=True)
class Owner:
    """Whose the files of an area are, on the machine. 1000 is the user of the containers."""

    uid: int = 1000
    gid: int = 1000


@dataclass(frozen=True)
class Usage:
    """Bytes in an area. `enforced`: whether the system refuses what goes beyond the quota."""

    used: int
    quota: int
    enforced: bool


@dataclass(frozen=True)
class Place:
    """Where one area is. `folder` comes from `Layout.area`."""

    folder: Path

    @property
    def files(self) -> Path:
        """What its owner sees."""
        return self.folder / "files"

    @property
    def trash(self) -> Path:
        """What the sweep is about to delete."""
        return self.folder / "trash"

    @property
    def image(self) -> Path:
        """The file system of this area, with `image`. A dot never stands in an area's name."""
        return self.folder.with_name(f"{self.folder.name}.img")

    @property
    def ready(self) -> bool:
        """Whether the files can be used: made, and mounted if it has an image."""
        if self.image.exists():
            try:
                if self.folder.stat().st_dev == self.folder.parent.stat().st_dev:
                    return False
            except OSError:
                return False
        return self.files.is_dir()


class Backend(Protocol):
    """One way of keeping quotas. All verbs are safe to repeat; each raises StorageError."""

    kind: QuotaKind

    def make(self, place: Place, quota: int) -> str:
        """Make the area, or mend it, or give it a grown quota (bytes).

        Returns a sentence for people if it is not quite as asked, else an empty text.
        """

    def attach(self, place: Place) -> None:
        """Make an area that exists usable, as after a reboot."""

    def detach(self, place: Place) -> None:
        """Let the area go; its files stay. Servers that use it lose sight of it."""

    def usage(self, place: Place, quota: int) -> Usage:
        """How full it is."""

    def remove(self, place: Place) -> None:
        """Delete the area with all its files, also while somebody uses it."""


def prepare(place: Place, owner: Owner) -> None:
    """The two folders of an area, once what holds them is there. Raises StorageError."""
    try:
        own = os.geteuid(), os.getegid()
        for folder, uid, gid in ((place.files, owner.uid, owner.gid), (place.trash, *own)):
            if not folder.exists():
                folder.mkdir(mode=0o700)
            found = folder.lstat()
            # also after a crash between making it and giving it away
            if (found.st_uid, found.st_gid) != (uid, gid):
                os.chown(folder, uid, gid, follow_symlinks=False)
    except OSError as error:
        raise StorageError(
            f"The area {place.folder} can't be made: {error.strerror}.", "See the disk below it."
        ) from error


def make_private(folder: Path, mode: int = 0o700) -> None:
    """A folder of root's, and those above it that are missing. Raises StorageError."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=mode)
        found = folder.stat()
        if found.st_mode & 0o777 != mode:
            folder.chmod(mode)
        if found.st_uid != os.geteuid():
            os.chown(folder, os.geteuid(), os.getegid())
    except OSError as error:
        raise StorageError(
            f"The folder {folder} can't be made: {error.strerror}.", "See the disk below it."
        ) from error


def run(*command: str | Path, good: tuple[int, ...] = (0,), timeout: float = TIMEOUT) -> str:
    """What a system program printed. Raises StorageError with what it said if it failed."""
    name = str(command[0])
    try:
        done = subprocess.run(
            [str(part) for part in command],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C"},
        )
    except FileNotFoundError as error:
        raise StorageError(f"The program {name} is missing.", f"Install {name}.") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StorageError(f"{name} did not end well: {error}.") from error
    if done.returncode not in good:
        said = " ".join((done.stderr or done.stdout).split())[:500]
        raise StorageError(f"{name} failed ({done.returncode}): {said or 'it said nothing'}.")
    return done.stdout


def remove_tree(folder: Path) -> None:
    """Delete a folder of people's files, however deep, and never leave its file system."""
    # rm takes any depth without recursion, and follows no link
    run("rm", "-rf", "--one-file-system", "--", folder, timeout=LONG_TIMEOUT)
