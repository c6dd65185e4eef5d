"""People's dataspaces: their areas, and the view of them that each person's servers get.

A view is a folder of root's, `layout.view(user)`, into which the areas are bind-mounted: `me`, one
per virtual lab, `pool`. Containers have the view at /dataspace with propagation `rslave`, so that
an area which comes or heals later appears in servers that run. The view's folder is never made
anew while its owner exists, or such servers would keep the old one.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from pelagos.errors import StorageError
from pelagos.layout import Area, AreaKind, Layout
from pelagos.node import mounts, views
from pelagos.node.areas import Backend, Choice, Owner, Place, Usage, backends, choose, kind_of
from pelagos.node.areas.base import make_private
from pelagos.node.areas.directory import DirectoryBackend
from pelagos.node.sweeper import (
    EXPIRY_FILE,
    StateFiles,
    Totals,
    areas_on_disk,
    expiry_of,
    read_totals,
    tell_view,
)
from pelagos.settings import QuotaKind, Settings

logger = logging.getLogger(__name__)

_ME = "me"
_POOL = AreaKind.POOL.value
_LOW = 0.02  # of the disk: with less left, images get write errors soon
_VIRTUAL_LAB = re.compile(r"[a-z][a-z0-9-]{1,38}[a-z0-9]")


class AreaState(StrEnum):
    """Whether an area can be used."""

    READY = "ready"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True)
class NextFile:
    """A file that goes soon, `expires` in unix seconds."""

    path: str
    expires: int
    bytes: int


@dataclass(frozen=True)
class AreaStatus:
    """One area as its owner sees it. Sizes in bytes; `expires_after` in seconds, 0 for never.

    `reason`: a sentence, where it is unavailable or not quite as the settings want it.
    """

    name: str
    state: AreaState
    reason: str
    used: int
    quota: int
    enforced: bool
    expires_after: int
    due_files: int = 0
    due_bytes: int = 0
    next: list[NextFile] = field(default_factory=list)


def _choice(layout: Layout) -> tuple[Choice, str]:
    """The kind to use, and what is wrong if it is not what the settings want."""
    try:
        return choose(layout), ""
    except StorageError as error:
        logger.error("%s", error.sentence)
        return Choice(QuotaKind.DIRECTORY, error.sentence), f"Quotas are not enforced: {error}"


class Dataspaces:
    """All dataspaces of one VRE. Every verb is safe to repeat, and to call from many threads.

    If the machine can't do what the settings want, there are plain folders, whose every status and
    `./pelagos doctor` say so: people's servers start all the same.
    """

    def __init__(self, layout: Layout, settings: Settings, owner: Owner | None = None) -> None:
        self._layout = layout
        self._settings = settings.storage.dataspace
        self.choice, self._wrong = _choice(layout)
        self._owner = owner or Owner()
        self._backends = backends(layout.dataspaces, self._owner)
        self._pool = DirectoryBackend(Owner(0, 0))
        self._files = StateFiles(layout)
        self._pins = self._files.pins
        self._locks: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)
        self._guard = threading.Lock()
        self._prepared = False
        self._notices: dict[str, str] = {}  # by area
        self._failures: dict[tuple[str, str], str] = {}  # by view and name in it

    def ensure(self, user: str, virtual_labs: list[str]) -> None:
        """Make or mend the person's areas and view; cheap if all is there.

        An area that can't be had does not keep the others away: a note lies in its place, and the
        next call tries again. Raises StorageError if there can't be a view at all.
        """
        self._prepare()
        wanted = {_ME: Area(AreaKind.USERS, user)}
        for name in virtual_labs:
            if not _VIRTUAL_LAB.fullmatch(name) or name == _POOL:
                logger.error("A virtual lab can't be called %r in a dataspace", name)
                continue
            wanted[name] = Area(AreaKind.VIRTUAL_LABS, name)
        wanted[_POOL] = Area(AreaKind.POOL)
        view = self._layout.view(user)
        with self._locked(f"view {view.name}"):
            make_private(view, 0o555)
            for name, area in wanted.items():
                self._show(view, name, area)
            for name in self._shown(view):
                if name not in wanted:
                    views.hide(view / name)
            if not (view / EXPIRY_FILE).exists():
                with contextlib.suppress(StorageError):  # the sweeper writes it again and again
                    tell_view(self._layout, view)

    def own_area(self, user: str) -> Place:
        """A person's private area, made or attached, also while no server of theirs runs.

        Raises StorageError.
        """
        self._prepare()
        area = Area(AreaKind.USERS, user)
        self._make(area)
        return Place(self._layout.area(area))

    def has_area(self, user: str) -> bool:
        """Whether the person ever had an area, attached or not."""
        place = Place(self._layout.area(Area(AreaKind.USERS, user)))
        return place.image.exists() or place.folder.exists()

    @property
    def owner(self) -> Owner:
        """Whose the files of areas are."""
        return self._owner

    def names(self, user: str) -> list[str]:
        """The areas in the person's view: those that they are a member of, `me` and the pool."""
        return sorted(self._shown(self._layout.view(user)))

    def areas(self, user: str) -> list[AreaStatus]:
        """The areas in the person's view, `me` first and the pool last."""
        found = self._shown(self._layout.view(user))
        order = sorted(found, key=lambda name: (name == _POOL, name != _ME, name))
        folder = self._layout.view(user).name
        return [
            self._status(name, self._area(user, name), self._failures.get((folder, name), ""))
            for name in order
        ]

    def usages(self) -> dict[str, Usage]:
        """Usage of every area that is ready, by its folder, such as `users/anna`."""
        found = {}
        for name, kind, place in areas_on_disk(self._layout):
            with contextlib.suppress(StorageError):
                found[name] = self._backend(place).usage(place, self._quota(kind))
        return found

    def swept(self) -> Totals:
        """What the sweeper has counted."""
        return read_totals(self._files.totals)

    @property
    def disk_is_low(self) -> bool:
        """Whether the disk below all areas is nearly full, which harms everybody."""
        try:
            found = os.statvfs(self._layout.dataspaces)
        except OSError:
            return False
        return found.f_bavail < found.f_blocks * _LOW

    def pin(self, user: str, area_name: str, path: str, until: float) -> None:
        """Keep a file or folder of the area that the person sees as `area_name` until then.

        The caller has checked that the person is a member of the virtual lab. Raises RefusedError.
        """
        self._pins.pin(self._area(user, area_name).folder, path, until)

    def unpin(self, user: str, area_name: str, path: str) -> None:
        """Let a file or folder expire again. Raises RefusedError."""
        self._pins.unpin(self._area(user, area_name).folder, path)

    def pins(self, user: str, area_name: str) -> dict[str, int]:
        """Pinned paths of an area, with the unix time when each pin ends."""
        return self._pins.of(self._area(user, area_name).folder)

    def release(self, user: str) -> None:
        """Take the areas out of the person's view, when no server of theirs runs. They stay."""
        view = self._layout.view(user)
        with self._locked(f"view {view.name}"):
            for point in mounts.below(view):
                mounts.unmount(point, lazy=True)

    def remove_user(self, user: str) -> None:
        """Delete a person's area, view and pins, also while a server runs."""
        view = self._layout.view(user)
        with self._locked(f"view {view.name}"):
            try:
                for name in self._shown(view):
                    views.hide(view / name)
                (view / EXPIRY_FILE).unlink(missing_ok=True)
                view.rmdir()
            except FileNotFoundError:
                pass
            except (StorageError, OSError) as error:
                # what is only shown must not keep the files themselves
                logger.error("The view %s is left: %s", view, error)
        self._remove(Area(AreaKind.USERS, user))

    def remove_virtual_lab(self, name: str) -> None:
        """Delete a virtual lab's area and pins, also while somebody uses it."""
        root = self._layout.state / "views"
        with contextlib.suppress(FileNotFoundError):
            for view in root.iterdir():
                with self._locked(f"view {view.name}"):
                    if (view / name).is_dir() and _VIRTUAL_LAB.fullmatch(name):
                        views.hide(view / name)
        self._remove(Area(AreaKind.VIRTUAL_LABS, name))

    def recover(self) -> None:
        """After a restart of the agent or the machine: images and views are mounted again.

        What fails is logged, and tried again by `ensure`. Raises StorageError if nothing works.
        """
        self._prepare()
        for kind in (AreaKind.USERS, AreaKind.VIRTUAL_LABS):
            for image in sorted((self._layout.dataspaces / kind.value).glob("*.img")):
                place = Place(image.with_suffix(""))
                with self._locked(f"{kind.value}/{place.folder.name}"):
                    try:
                        self._backend(place).attach(place)
                    except (StorageError, OSError) as error:
                        logger.error("%s: %s", place.folder, error)
        for view in sorted((self._layout.state / "views").iterdir()):
            if not view.is_dir():
                continue
            with self._locked(f"view {view.name}"):
                for name in self._shown(view):
                    self._show_again(view, name)

    def close_all(self) -> None:
        """Unmount every view and image. Nothing is lost; `recover` or `ensure` mount again."""
        os.sync()  # what a server still holds open is on the disk too
        root = self._layout.state / "views"
        for point in mounts.below(root) if root.exists() else []:
            mounts.unmount(point, lazy=True)
        for _, _, place in list(areas_on_disk(self._layout)):
            self._backend(place).detach(place)
        self._prepared = False

    def _prepare(self) -> None:
        """The folders above areas and views, once."""
        with self._guard:
            if self._prepared:
                return
            make_private(self._files.folder)
            if not self._layout.dataspaces.exists():  # else it is the operator's
                make_private(self._layout.dataspaces, 0o711)
            for kind in (AreaKind.USERS, AreaKind.VIRTUAL_LABS):
                make_private(self._layout.dataspaces / kind.value)
            pool = self._layout.area(Area(AreaKind.POOL))
            if not pool.exists():  # whose it is, the service that fills it may decide
                make_private(pool, 0o755)
            root = self._layout.state / "views"
            make_private(root, 0o711)
            mounts.shared(root)
            self._prepared = True

    @contextlib.contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        with self._guard:
            lock = self._locks[name]
        with lock:
            yield

    def _area(self, user: str, name: str) -> Area:
        """The area that a person's view shows as `name`. Raises StorageError."""
        if name == _ME:
            return Area(AreaKind.USERS, user)
        if name == _POOL:
            return Area(AreaKind.POOL)
        if not _VIRTUAL_LAB.fullmatch(name):
            raise StorageError(f"There is no area {name!r}.", "See the folders in ~/dataspace.")
        return Area(AreaKind.VIRTUAL_LABS, name)

    def _quota(self, kind: AreaKind) -> int:
        if kind is AreaKind.USERS:
            return self._settings.quota
        return self._settings.virtual_lab_quota if kind is AreaKind.VIRTUAL_LABS else 0

    def _backend(self, place: Place) -> Backend:
        return self._backends[kind_of(place, self.choice.kind)]

    def _shown(self, view: Path) -> list[str]:
        """Names in a view, shown or with a note in their place."""
        try:
            return [name for name in os.listdir(view) if name != EXPIRY_FILE]
        except FileNotFoundError:
            return []

    def _show(self, view: Path, name: str, area: Area) -> None:
        """Make the area, and mount it at `name` in the view; a note if that fails."""
        try:
            source = self._make(area)
            point = view / name
            read_only = area.kind is AreaKind.POOL
            if not views.shows(source, point, read_only):
                mounts.unmount(point, lazy=True)  # another area, or one that died
                views.make_point(point)
                mounts.bind(source, point, read_only=read_only)
            self._failures.pop((view.name, name), None)
        except (StorageError, OSError) as error:
            reason = error.sentence if isinstance(error, StorageError) else str(error)
            logger.error("%s in the view %s: %s", area.folder, view.name, reason)
            self._failures[view.name, name] = reason
            with contextlib.suppress(StorageError, OSError):
                views.leave_note(view / name, reason)

    def _show_again(self, view: Path, name: str) -> None:
        """Mount what a view had, after a restart, when only its folder's name is known."""
        if name == _POOL:
            source = self._layout.area(Area(AreaKind.POOL))
        elif name == _ME:
            source = Place(self._layout.dataspaces / AreaKind.USERS.value / view.name).files
        else:
            source = Place(self._layout.area(Area(AreaKind.VIRTUAL_LABS, name))).files
        point = view / name
        try:
            if source.is_dir() and not views.shows(source, point, name == _POOL):
                mounts.unmount(point, lazy=True)
                views.make_point(point)
                mounts.bind(source, point, read_only=name == _POOL)
        except (StorageError, OSError) as error:
            logger.error("%s: %s", point, error)

    def _make(self, area: Area) -> Path:
        """Make or mend an area; the folder with its files. Raises StorageError."""
        if area.kind is AreaKind.POOL:
            return self._layout.area(area)
        place = Place(self._layout.area(area))
        with self._locked(area.folder):
            kind = kind_of(place, self.choice.kind)
            notice = self._backends[kind].make(place, self._quota(area.kind))
            if kind is not self.choice.kind and not notice:
                notice = f"This area was made as `{kind.value}` and stays so until it is empty."
            self._notices[area.folder] = notice
        return place.files

    def _remove(self, area: Area) -> None:
        place = Place(self._layout.area(area))
        with self._locked(area.folder):
            self._backend(place).remove(place)
            self._pins.forget(area.folder)
            self._files.expiry(area.folder).unlink(missing_ok=True)
            self._files.journal(area.folder).unlink(missing_ok=True)
            self._notices.pop(area.folder, None)

    def _status(self, name: str, area: Area, failure: str) -> AreaStatus:
        reason = self._notices.get(area.folder, "") or self._wrong
        quota = self._quota(area.kind)
        usage, state = Usage(0, quota, enforced=False), AreaState.READY
        try:
            if area.kind is AreaKind.POOL:
                usage = Usage(self._pool.count(self._layout.area(area)), 0, enforced=False)
            else:
                place = Place(self._layout.area(area))
                if failure or not place.ready:
                    raise StorageError(failure or "The area is not mounted now.")
                usage = self._backend(place).usage(place, quota)
        except StorageError as error:
            state, reason = AreaState.UNAVAILABLE, error.sentence
        if not reason and self.disk_is_low:
            reason = "The machine's disk is nearly full: writing may fail. Delete what you can."
        expiry = {}
        with contextlib.suppress(OSError, ValueError):
            expiry = json.loads(self._files.expiry(area.folder).read_text())
        return AreaStatus(
            name=name,
            state=state,
            reason=reason,
            used=usage.used,
            quota=usage.quota,
            enforced=usage.enforced,
            expires_after=expiry_of(self._layout, area.kind),
            due_files=expiry.get("due_files", 0),
            due_bytes=expiry.get("due_bytes", 0),
            next=[NextFile(**item) for item in expiry.get("next", [])],
        )
