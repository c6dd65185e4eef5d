"""The read-only folder that a server sees where its workspace is not mounted."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from pelagos.node import mounts

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
    target = parent / "data"
    if mounts.is_mount(target):
        return
    target.mkdir(exist_ok=True)
    note = target / README
    text = readme(reason)
    if not note.exists() or note.read_text() != text:
        temporary = target / f".{README}.{os.getpid()}"
        temporary.write_text(text)
        temporary.chmod(0o444)
        temporary.replace(note)
    # whoever reads it in a server is nobody's root
    target.chmod(0o555)
    parent.chmod(0o555)


def remove(parent: Path) -> None:
    """Take it away again, for somebody who is gone. A server that runs would never see a mount."""
    target = parent / "data"
    if mounts.is_mount(target):
        return
    for path in (target, parent):
        if path.is_dir():
            path.chmod(0o700)
    (target / README).unlink(missing_ok=True)
    with contextlib.suppress(FileNotFoundError):
        target.rmdir()
        parent.rmdir()
