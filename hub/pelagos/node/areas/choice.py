"""Which quota back end a machine can do, and why not a better one."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pelagos.errors import StorageError
from pelagos.layout import Layout
from pelagos.node import mounts
from pelagos.node.areas import image, xfs
from pelagos.node.areas.base import Backend, Owner, Place
from pelagos.node.areas.directory import DirectoryBackend
from pelagos.settings import QuotaKind

_TRIAL = 2**24  # bytes


@dataclass(frozen=True)
class Possibility:
    """Whether a machine can do one kind; `reason` is a sentence either way."""

    kind: QuotaKind
    possible: bool
    reason: str


@dataclass(frozen=True)
class Choice:
    """The kind to use, and a sentence that says why not a better one."""

    kind: QuotaKind
    reason: str


def backends(root: Path, owner: Owner) -> dict[QuotaKind, Backend]:
    """One back end of each kind. `root`: the folder of all areas."""
    return {
        QuotaKind.XFS: xfs.XfsBackend(root, owner),
        QuotaKind.IMAGE: image.ImageBackend(owner),
        QuotaKind.DIRECTORY: DirectoryBackend(owner),
    }


def kind_of(place: Place, chosen: QuotaKind) -> QuotaKind:
    """The kind for one area: what it was made as, until it is removed or empty.

    Files are never copied from one kind to another: they are volatile, and expire by themselves.
    """
    if place.image.exists():
        return QuotaKind.IMAGE
    if chosen is QuotaKind.IMAGE and place.files.is_dir() and any(place.files.iterdir()):
        return QuotaKind.DIRECTORY
    return chosen


def possibilities(folder: Path) -> list[Possibility]:
    """What can be done for areas in `folder` (which need not exist yet), best first."""
    found = []
    for kind, why_not, good in (
        (QuotaKind.XFS, _xfs_why_not(folder), "XFS keeps the quotas."),
        (
            QuotaKind.IMAGE,
            _image_why_not(),
            "A file system per owner, in a file, keeps the quotas.",
        ),
    ):
        reason = f"{kind.value}: {why_not}." if why_not else good
        found.append(Possibility(kind, not why_not, reason))
    plain = Possibility(QuotaKind.DIRECTORY, True, "Plain folders: quotas are shown, not enforced.")
    return [*found, plain]


def choose(layout: Layout) -> Choice:
    """The kind that the settings name, or with `auto` the first possible.

    Raises StorageError if the machine can't do what is named.
    """
    wanted = layout.storage.dataspace.quota_kind
    found = possibilities(layout.dataspaces)
    if wanted is not QuotaKind.AUTO:
        mine = next(possibility for possibility in found if possibility.kind is wanted)
        if not mine.possible:
            raise StorageError(
                f"The settings want the dataspace's quota kind `{wanted.value}`, and this machine "
                f"can't do it: {mine.reason}",
                "Mend that, or set storage.dataspace.quota_kind to auto.",
            )
        return Choice(wanted, mine.reason)
    first = next(possibility for possibility in found if possibility.possible)
    worse = [possibility.reason for possibility in found[: found.index(first)]]
    return Choice(first.kind, " ".join([first.reason, *worse]))


def _xfs_why_not(folder: Path) -> str:
    if os.geteuid() != 0:
        return "only root sets quotas"
    reason = xfs.why_not(mounts.holding(folder), folder)
    if not reason and not shutil.which("xfs_quota"):
        return "the program xfs_quota is missing (Debian's package xfsprogs)"
    return reason


@cache
def _image_why_not() -> str:
    """Found out by making one: a container may have the programs and no right to mount."""
    if os.geteuid() != 0:
        return "only root mounts images"
    missing = [program for program in image.PROGRAMS if not shutil.which(program)]
    if missing:
        return f"{', '.join(missing)} missing (Debian's packages e2fsprogs and mount)"
    if not Path("/dev/loop-control").exists():
        return "the machine has no loop devices (modprobe loop)"
    with tempfile.TemporaryDirectory(prefix="pelagos-trial-") as scratch:
        place = Place(Path(scratch) / "area")
        backend = image.ImageBackend(Owner())
        try:
            backend.make(place, _TRIAL)
            backend.remove(place)
        except StorageError as error:
            mounts.unmount(place.folder, lazy=True)
            return f"an image can't be mounted: {str(error).rstrip('.')}"
    return ""
