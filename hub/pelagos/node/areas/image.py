"""One ext4 file system in a sparse file per area, mounted over the area's folder.

ext4, because every Debian has its tools, it starts at 16 MiB (XFS: 300 MiB), it is checked in a
moment and it grows while mounted. Blocks that people free go back to the disk (`discard`). Two
loop devices on one file would destroy it, so a device that is still there is always used again.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

from pelagos.errors import StorageError
from pelagos.node import mounts
from pelagos.node.areas.base import (
    LONG_TIMEOUT,
    Owner,
    Place,
    Usage,
    make_private,
    prepare,
    run,
)
from pelagos.settings import QuotaKind
from pelagos.units import format_bytes

logger = logging.getLogger(__name__)

PROGRAMS = ("mkfs.ext4", "e2fsck", "resize2fs", "losetup", "mount")
_OPTIONS = "noatime,nodev,nosuid,discard,errors=remount-ro"
_BLOCK = 4096
_MIB = 2**20
_TRY_AGAIN = 60.0  # seconds after a growth that could not be
_AUTOCLEAR = 5.0  # seconds until a loop device that nobody uses is gone


def image_size(quota: int) -> int:
    """Bytes of an image in which files of `quota` bytes have room.

    ext4 takes 1.6 % for inodes (256 bytes for each 16 KiB), its bitmaps, and its journal.
    """
    size = quota + quota // 40 + journal_size(quota) + _MIB
    return -(-size // _MIB) * _MIB


def journal_size(quota: int) -> int:
    """Bytes of the journal: 4 to 64 MiB, an eighth of the quota in between."""
    return max(4, min(64, quota // 8 // _MIB)) * _MIB


class ImageBackend:
    """See `Backend`."""

    kind = QuotaKind.IMAGE

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._refused: dict[Path, tuple[float, str]] = {}

    def make(self, place: Place, quota: int) -> str:
        """See `Backend`. A quota that shrank leaves the image as it is."""
        if not place.image.exists():
            make_private(place.folder)
            for empty in (place.files, place.trash):  # of a time without images
                with contextlib.suppress(FileNotFoundError):
                    empty.rmdir()
            _create(place.image, quota)
        self.attach(place)
        total = _total(place)
        if total < quota:
            return self._grow(place, quota)
        if place.image.stat().st_size > image_size(quota) + _MIB:
            return (
                f"The quota is now {format_bytes(quota)}, but this area was made with "
                f"{format_bytes(total)} and keeps them."
            )
        return ""

    def attach(self, place: Place) -> None:
        """See `Backend`. Mends the file system if it was not unmounted."""
        if not _alive(place):
            with _mounted_anew(place, lazy=True):
                pass
            if not _alive(place):
                raise StorageError(
                    f"The file system of {place.image} turned read-only after an error, and "
                    "servers still use it.",
                    "Stop the servers that have it open; then it is mended by itself.",
                )
        prepare(place, self._owner)

    def detach(self, place: Place) -> None:
        """See `Backend`."""
        for point in _points(place, _device(place.image)):
            mounts.unmount(point, lazy=True)

    def usage(self, place: Place, quota: int) -> Usage:
        """See `Backend`. With an image of another size than asked, the quota is the image's."""
        try:
            found = os.statvfs(place.folder)
        except OSError as error:
            raise StorageError(
                f"The area {place.folder} can't be measured: {error.strerror}."
            ) from error
        total = found.f_blocks * found.f_frsize
        used = total - found.f_bfree * found.f_frsize
        as_asked = quota <= total <= image_size(quota)
        return Usage(used, quota if as_asked else total, enforced=True)

    def remove(self, place: Place) -> None:
        """See `Backend`. What is still open keeps its space until it is closed."""
        self.detach(place)
        self._refused.pop(place.folder, None)
        try:
            place.image.unlink(missing_ok=True)
            with contextlib.suppress(FileNotFoundError):
                place.folder.rmdir()
        except OSError as error:
            raise StorageError(
                f"The area {place.folder} can't be removed: {error.strerror}."
            ) from error

    def _grow(self, place: Place, quota: int) -> str:
        when, reason = self._refused.get(place.folder, (-_TRY_AGAIN, ""))
        if time.monotonic() - when < _TRY_AGAIN:
            return reason
        try:
            _grow_mounted(place, image_size(quota))
        except StorageError as error:
            # resize(2) of a mounted ext4 needs SYS_RESOURCE, which a root in a container lacks
            logger.info("%s does not grow while mounted: %s", place.image, error)
            try:
                with _mounted_anew(place, lazy=False):
                    _grow_unmounted(place.image, image_size(quota))
            except StorageError as second:
                logger.warning("%s can't grow now: %s", place.image, second)
                reason = (
                    f"The quota grew to {format_bytes(quota)}; this area follows when no server "
                    "uses it."
                )
                self._refused[place.folder] = (time.monotonic(), reason)
                return reason
        self._refused.pop(place.folder, None)
        return ""


def _create(image: Path, quota: int) -> None:
    """A new file system; under its name only when it is whole, so that a crash leaves nothing."""
    part = image.with_name(f"{image.name}.part")
    try:
        part.unlink(missing_ok=True)
        with open(part, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.truncate(image_size(quota))
        run(
            *("mkfs.ext4", "-q", "-F", "-b", str(_BLOCK), "-I", "256", "-i", "16384", "-m", "0"),
            *("-J", f"size={journal_size(quota) // _MIB}"),
            *("-E", "root_owner=0:0,lazy_journal_init=1"),
            part,
        )
        part.rename(image)
    except OSError as error:
        raise StorageError(
            f"The image {image} can't be made: {error.strerror}.", "See the disk below it."
        ) from error


def _alive(place: Place) -> bool:
    """Whether the image is mounted at its folder, and can be written."""
    try:
        if place.folder.stat().st_dev == place.folder.parent.stat().st_dev:
            return False
        # ext4 turns read-only when it finds an error in itself
        return not os.statvfs(place.folder).f_flag & os.ST_RDONLY
    except OSError:
        return False


def _total(place: Place) -> int:
    found = os.statvfs(place.folder)
    return found.f_blocks * found.f_frsize


def _points(place: Place, device: str) -> list[Path]:
    """Where the area's file system is mounted: in views, and last at its own folder."""
    own = Path(os.path.realpath(place.folder))
    points = {mount.point for mount in mounts.table() if device and mount.source == device}
    points |= {own} if mounts.is_mount(own) else set()
    return sorted(points, key=lambda point: point == own)


def _device(image: Path) -> str:
    """The loop device of an image; empty if it has none."""
    if not image.exists():
        return ""
    listed = run("losetup", "--list", "--noheadings", "--output", "NAME", "--associated", image)
    return listed.split()[0] if listed.split() else ""


@contextlib.contextmanager
def _mounted_anew(place: Place, *, lazy: bool) -> Iterator[None]:
    """Unmount the image everywhere, do something with it, check and mount it everywhere again.

    If it is still in use it is only mounted again; without `lazy`, that raises StorageError.
    """
    device = _device(place.image)
    points = _points(place, device)
    try:
        for point in points:
            mounts.unmount(point, lazy=lazy)
        if device:
            device = _device_after_a_while(place.image)
        if not device:
            _check(place.image)
        elif not lazy:
            raise StorageError(f"{place.image} is in use.")
        yield
    finally:
        _mount(place, device)
        for point in points:
            if point.is_dir() and not mounts.same(place.folder, point):
                mounts.bind(place.files, point)


def _device_after_a_while(image: Path) -> str:
    """The loop device that an image still has; a device that nobody uses goes by itself."""
    deadline = time.monotonic() + _AUTOCLEAR
    while True:
        device = _device(image)
        if not device or time.monotonic() >= deadline:
            return device
        time.sleep(0.05)


def _check(image: Path) -> None:
    """Replay the journal and mend what can be mended. Raises StorageError."""
    try:
        run("e2fsck", "-p", image, good=(0, 1), timeout=LONG_TIMEOUT)
    except StorageError as error:
        # the files are volatile: most of them now are worth more than all of them never
        logger.warning("%s needs more than a quick check: %s", image, error)
        run("e2fsck", "-y", image, good=(0, 1), timeout=LONG_TIMEOUT)


def _mount(place: Place, device: str) -> None:
    """Mount the image at its folder: the loop device if it still has one, else a new one."""
    if mounts.is_mount(place.folder):
        return
    make_private(place.folder)
    source, options = (device, _OPTIONS) if device else (place.image, f"loop,{_OPTIONS}")
    run("mount", "-t", "ext4", "-o", options, source, place.folder)
    _past_the_page_cache(place.image)


def _past_the_page_cache(image: Path) -> None:
    """Let the loop device read and write the image directly: else all goes through memory twice.

    Where the file system below can't do that, it stays as it was: slower, and as safe.
    """
    try:
        run("losetup", "--direct-io=on", _device(image))
    except StorageError as error:
        logger.info("%s is read and written through the page cache: %s", image, error)


def _grow_mounted(place: Place, size: int) -> None:
    before = place.image.stat().st_size
    device = _device(place.image)
    os.truncate(place.image, max(size, before))
    try:
        run("losetup", "--set-capacity", device)
        run("resize2fs", device, timeout=LONG_TIMEOUT)
    except StorageError:
        os.truncate(place.image, before)
        run("losetup", "--set-capacity", device)
        raise


def _grow_unmounted(image: Path, size: int) -> None:
    os.truncate(image, max(size, image.stat().st_size))
    run("e2fsck", "-f", "-p", image, good=(0, 1), timeout=LONG_TIMEOUT)
    run("resize2fs", image, timeout=LONG_TIMEOUT)
