"""The read-only folder that a server sees where its workspace is not mounted.

A mount may come at any moment, and then the same path leads to a person's own files. So everything
here is done by a descriptor of the folder below, on which no mount can come to lie.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

README = "README.txt"


def readme(reason: str) -> str:
    """What stands in the folder."""
    return (
        "Your workspace is not here just now: this folder is read-only and nothing can be lost in "
        f"it.\n\nWhy: {reason}.\n\nYour files are where they were, on the WebDAV server. The mount "
        "is tried again every few seconds and appears here by itself, without a restart of your "
        "server. The page /services/workspace/ of the hub shows how it is going and has a button "
        '"Try again".\n'
    )


def make(parent: Path, reason: str) -> None:
    """Make what a server binds (`parent`) and in it `data`, where the mount will lie on top.

    Safe to repeat; leaves a mount alone. Raises OSError.
    """
    parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        (parent / "data").mkdir()
    with _below(parent) as folder:
        if folder is None:
            return
        text = readme(reason).encode()
        if _content(folder) != text:
            own = f".{README}.{os.getpid()}"
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
            with open(os.open(own, flags, 0o444, dir_fd=folder), "wb") as file:
                file.write(text)
                os.fchmod(file.fileno(), 0o444)
            os.rename(own, README, src_dir_fd=folder, dst_dir_fd=folder)
        # whoever reads it in a server is nobody's root
        os.fchmod(folder, 0o555)
    parent.chmod(0o555)


@contextlib.contextmanager
def _below(parent: Path) -> Iterator[int | None]:
    """A descriptor of `data`, or None while a mount lies on it.

    O_PATH and the number of the mount in /proc ask nobody: a mount may hang.
    """
    flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW
    above = os.open(parent, flags)
    try:
        there = os.open("data", flags, dir_fd=above)
        try:
            if _mount_of(there) != _mount_of(above):
                yield None
                return
            # `.` of a folder is the folder, whatever was mounted over its name since
            folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=there)
        finally:
            os.close(there)
        try:
            yield folder
        finally:
            os.close(folder)
    finally:
        os.close(above)


def _mount_of(descriptor: int) -> str:
    """The number of the mount that an open file is in, proc(5)."""
    text = Path(f"/proc/self/fdinfo/{descriptor}").read_text()
    return next(line for line in text.splitlines() if line.startswith("mnt_id:"))


def _content(folder: int) -> bytes:
    try:
        with open(os.open(README, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder), "rb") as file:
            return file.read()
    except OSError:
        return b""


def remove(parent: Path) -> None:
    """Take it away again, for somebody who is gone. A server that runs would never see a mount."""
    if not (parent / "data").is_dir():
        return
    with _below(parent) as folder:
        if folder is None:
            return
        os.fchmod(folder, 0o700)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(README, dir_fd=folder)
    with contextlib.suppress(OSError):  # a mount has come, or somebody's file is in it
        (parent / "data").rmdir()
        parent.rmdir()
