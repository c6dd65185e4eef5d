"""Speed of a folder as the disk gives it, not the page cache.

Before each read the file's pages are dropped, and those of the image below it where the folder is
on a loop device. Writes end with a sync, which counts.
"""

from __future__ import annotations

import mmap
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHUNK = 4 * 2**20
_BLOCK = 4096
# incompressible, and made before the clock runs
_DATA = os.urandom(CHUNK)


def image_below(folder: Path) -> Path | None:
    """The file that a loop device keeps this folder in; None on a disk."""
    number = folder.stat().st_dev
    path = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}/loop/backing_file")
    return Path(path.read_text().strip()) if path.exists() else None


def forget(path: Path) -> None:
    """Drop the pages of a file, and of the image below it, from the page cache."""
    for one in (path, image_below(path)):
        if one is None:
            continue
        descriptor = os.open(one, os.O_RDONLY)
        try:
            os.fsync(descriptor)  # dirty pages can't be dropped
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def write(path: Path, size: int) -> float:
    """Seconds to write `size` bytes one after the other and sync them."""
    began = time.monotonic()
    with path.open("wb", buffering=0) as file:
        for _ in range(size // CHUNK):
            file.write(_DATA)
        os.fsync(file.fileno())
    return time.monotonic() - began


def read(path: Path) -> float:
    """Seconds to read a file that is not in the page cache from beginning to end."""
    forget(path)
    buffer = bytearray(CHUNK)
    began = time.monotonic()
    with path.open("rb", buffering=0) as file:
        while file.readinto(buffer):
            pass
    return time.monotonic() - began


@contextmanager
def _direct(path: Path, flags: int) -> Iterator[tuple[int, mmap.mmap, bool]]:
    """A file past the page cache where the file system can do that, and an aligned buffer."""
    try:
        descriptor, direct = os.open(path, flags | os.O_DIRECT), True
    except OSError:
        descriptor, direct = os.open(path, flags), False
    buffer = mmap.mmap(-1, _BLOCK)
    buffer.write(_DATA[:_BLOCK])
    try:
        yield descriptor, buffer, direct
    finally:
        buffer.close()
        os.close(descriptor)


def _offsets(path: Path, count: int) -> list[int]:
    blocks = path.stat().st_size // _BLOCK
    chance = random.Random(1)  # the same places for both sides
    return [chance.randrange(blocks) * _BLOCK for _ in range(count)]


def random_read(path: Path, count: int) -> tuple[float, bool]:
    """Seconds for `count` reads of 4 KiB at random places; whether it was past the page cache."""
    forget(path)
    offsets = _offsets(path, count)
    with _direct(path, os.O_RDONLY) as (descriptor, buffer, direct):
        began = time.monotonic()
        for offset in offsets:
            os.preadv(descriptor, [buffer], offset)
        return time.monotonic() - began, direct


def random_write(path: Path, count: int) -> tuple[float, bool]:
    """Seconds for `count` writes of 4 KiB at random places and one sync at their end."""
    offsets = _offsets(path, count)
    with _direct(path, os.O_WRONLY) as (descriptor, buffer, direct):
        began = time.monotonic()
        for offset in offsets:
            os.pwritev(descriptor, [buffer], offset)
        os.fdatasync(descriptor)
        return time.monotonic() - began, direct
