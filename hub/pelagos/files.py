"""Small files of ours: written at once or not at all, for their owner only.

Several threads and processes may write one at the same time: each writes a file of its own, and a
rename, or a link that never replaces, decides.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def write_private(
    path: Path, content: str | bytes, *, mode: int = 0o600, scratch: Path | None = None
) -> None:
    """Put `content` into the file at `path`, in place of what it held. Raises OSError.

    `scratch`: a folder of the same file system for the unfinished file, if not its own folder.
    """
    _put(path, content, mode, scratch, lambda part: part.replace(path))


def create_private(path: Path, content: str | bytes) -> None:
    """Make the file at `path`. Raises FileExistsError if somebody was faster, OSError."""
    _put(path, content, 0o600, None, lambda part: os.link(part, path))


def _put(
    path: Path,
    content: str | bytes,
    mode: int,
    scratch: Path | None,
    settle: Callable[[Path], object],
) -> None:
    data = content.encode() if isinstance(content, str) else content
    part = (scratch or path.parent) / f".{path.name}.{secrets.token_hex(4)}.part"
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:
            file.write(data)
            os.fchmod(descriptor, mode)  # whatever the umask
            file.flush()
            os.fsync(descriptor)
        settle(part)
    finally:
        with suppress(FileNotFoundError):  # it has become the file
            part.unlink()
