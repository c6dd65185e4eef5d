"""XFS project quota: folders of one file system, each a project with a limit of its own.

xfs_quota(8), "project quota". Numbers of projects are ours, kept in a file beside the areas.
statvfs(2) on a folder that hands its project down answers with the project's limit and usage, so
measuring costs nothing.
"""

from __future__ import annotations

import json
import os
import threading
import zlib
from pathlib import Path

from pelagos.errors import StorageError
from pelagos.node import mounts
from pelagos.node.areas.base import Owner, Place, Usage, make_private, prepare, remove_tree, run
from pelagos.settings import QuotaKind

_REGISTER = "projects.json"
_KIB = 1024
_BLOCK = 65536  # bytes, the largest of an XFS


class XfsBackend:
    """See `Backend`. `root`: the folder of all areas, in the XFS."""

    kind = QuotaKind.XFS

    def __init__(self, root: Path, owner: Owner) -> None:
        self._root = root
        self._owner = owner
        self._lock = threading.Lock()
        self._given: dict[Path, int] = {}

    def make(self, place: Place, quota: int) -> str:
        """See `Backend`."""
        if self._given.get(place.folder) == quota and place.ready:
            return ""
        make_private(place.folder)
        number = self._number(place)
        point = mounts.holding(place.folder).point
        run(*limit_command(point, number, quota))
        if not place.ready or not 0 <= quota - _total(place) < _BLOCK:
            # walks through all files, so only where the limit does not show already
            run(*project_command(point, place.folder, number))
        prepare(place, self._owner)
        if _total(place) > quota:
            # better no area than one without a limit
            raise StorageError(
                f"XFS does not limit {place.folder}.",
                "Mount the file system with the option prjquota.",
            )
        self._given[place.folder] = quota
        return ""

    def attach(self, place: Place) -> None:
        """See `Backend`. Projects and limits are in the file system itself."""
        prepare(place, self._owner)

    def detach(self, place: Place) -> None:
        """See `Backend`. A folder has nothing to let go."""

    def usage(self, place: Place, quota: int) -> Usage:
        """See `Backend`."""
        try:
            found = os.statvfs(place.files)
        except OSError as error:
            raise StorageError(
                f"The area {place.folder} can't be measured: {error.strerror}."
            ) from error
        total = found.f_blocks * found.f_frsize
        # a disk smaller than the quota answers with its own size
        return Usage(total - found.f_bfree * found.f_frsize, total, enforced=True)

    def remove(self, place: Place) -> None:
        """See `Backend`."""
        self._given.pop(place.folder, None)
        if not place.folder.exists():
            return
        point = mounts.holding(place.folder).point
        remove_tree(place.folder)
        run(*limit_command(point, self._number(place), 0))
        with self._lock:
            known = self._read()
            known.pop(self._key(place), None)
            self._write(known)

    def _key(self, place: Place) -> str:
        return str(place.folder.relative_to(self._root))

    def _number(self, place: Place) -> int:
        """The project of an area, given at first use and never to two."""
        with self._lock:
            known = self._read()
            key = self._key(place)
            if key not in known:
                known[key] = max(known.values(), default=first_project(self._root) - 1) + 1
                self._write(known)
            return known[key]

    def _read(self) -> dict[str, int]:
        path = self._root / _REGISTER
        try:
            return {str(key): int(value) for key, value in json.loads(path.read_text()).items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError) as error:
            raise StorageError(
                f"{path} can't be read: {error}.", "It gives areas their XFS projects: restore it."
            ) from error

    def _write(self, known: dict[str, int]) -> None:
        path = self._root / _REGISTER
        part = path.with_name(f"{_REGISTER}.part")
        with part.open("w") as file:
            json.dump(known, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)


def _total(place: Place) -> int:
    """The limit that bears on the area, in whole blocks; the size of the disk if none does."""
    found = os.statvfs(place.files)
    return found.f_blocks * found.f_frsize


def first_project(root: Path) -> int:
    """Where the numbers of the areas in `root` begin.

    High, away from those in an operator's /etc/projid; and 65,536 of their own for each of
    several VREs on one XFS.
    """
    return 2**30 + zlib.crc32(os.fsencode(root)) % 2**14 * 2**16


def project_command(point: Path, folder: Path, number: int) -> list[str]:
    """Give `folder` and all that it holds or will hold to a project."""
    return [*_quota(point), f"project -s -p {folder} {number}", str(point)]


def limit_command(point: Path, number: int, quota: int) -> list[str]:
    """Limit a project to `quota` bytes, in whole KiB; 0 takes the limit away."""
    return [*_quota(point), f"limit -p bhard={quota // _KIB}k {number}", str(point)]


def _quota(point: Path) -> list[str]:
    # no files of names: projects go by number
    return ["xfs_quota", "-x", "-D", "/dev/null", "-P", "/dev/null", "-c"]


def why_not(holding: mounts.Mount, folder: Path) -> str:
    """Why XFS project quota can't be used for `folder` in the mount `holding`; else empty."""
    if holding.kind != "xfs":
        return f"{holding.point}, where {folder} lies, is {holding.kind}, not XFS"
    if not holding.super_options & {"prjquota", "pquota"}:
        return f"the XFS at {holding.point} is mounted without the option prjquota"
    if any(letter.isspace() for letter in str(folder)):
        return f"the path {folder} has a space in it, which xfs_quota can't take"
    return ""
