"""What stands at an address, as WsgiDAV's properties and locks want to see it.

    /                            virtual: the person who asks
    /<user>/                     that person's workspace
    /<user>/shared/              virtual: their virtual labs
    /<user>/shared/<lab>/        the virtual lab's shared folder

A file or folder of the person's own that is named `shared` is out of reach.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote, unquote

from wsgidav import util
from wsgidav.dav_provider import DAVCollection, DAVNonCollection, DAVProvider

from pelagos.deployment import DAV_PATH
from pelagos.services.dav.addresses import Segments, encode
from pelagos.services.dav.disk import ENTRY, Disk, Root, entries, holds_more_than, open_file
from pelagos.services.dav.people import READ_ONLY, Person
from pelagos.services.dav.refusals import refuse
from pelagos.services.dav.turns import Turns

SHARED = "shared"
PERSON = "pelagos.person"
_VERY_LARGE = 5000  # a listing of as many takes 7 MiB and a second
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_QUOTAS = ("{DAV:}quota-used-bytes", "{DAV:}quota-available-bytes")
# ownCloud's own property and the standard one; rclone and others set a file's time with them
_TIMES = ("{DAV:}lastmodified", "{DAV:}getlastmodified")


@dataclass(frozen=True)
class Place:
    """Where on disk an address leads, and whether the person may write there."""

    root: Root
    names: Segments
    read_only: str = ""  # why

    @cached_property
    def ref(self) -> str:
        """The canonical address: the same for whoever looks. Key of locks and properties."""
        return quote("/".join((self.root.ref, *self.names)))


def names_of(path: str) -> Segments:
    """Names in a decoded path."""
    return tuple(name for name in path.split("/") if name)


def place_of(disk: Disk, person: Person, names: Segments) -> Place | None:
    """Where an address leads; None for virtual folders and for what is not this person's."""
    if not names or names[0] != person.name or names[1:] == (SHARED,):
        return None
    if len(names) == 1 or names[1] != SHARED:
        return Place(disk.user(person.name), names[1:])
    lab, *rest = names[2:]
    if lab not in person.shared:
        return None
    reason = "" if person.shared[lab] else READ_ONLY.format(name=lab)
    return Place(disk.virtual_lab(lab), tuple(rest), reason)


class _Named:
    """What all resources have in common. `names` is the address below the server's own path."""

    def display(self, names: Segments) -> str:
        """A name that XML can hold."""
        return _NOT_XML.sub("\ufffd", names[-1]) if names else "workspace"


class Virtual(_Named, DAVCollection):  # type: ignore[misc]
    """A folder that exists only as an address."""

    def __init__(self, environ: Any, names: Segments, members: Sequence[str]) -> None:
        super().__init__("/" + "".join(f"{name}/" for name in names), environ)
        self.names = names
        self._members = members

    def get_display_name(self) -> str:
        """See WsgiDAV."""
        return self.display(self.names)

    def get_member_names(self) -> list[str]:
        """See WsgiDAV."""
        return list(self._members)

    def get_ref_url(self) -> str:
        """See WsgiDAV."""
        return quote("/virtual" + str(self.path))

    def prevent_locking(self) -> bool:
        """See WsgiDAV."""
        return True

    def set_property_value(self, name: str, value: Any, *, dry_run: bool = False) -> None:
        """See WsgiDAV."""
        raise refuse(403, "This folder can't be changed.")

    def members(self) -> Iterator[Any]:
        """Resources in it."""
        for name in self._members:
            found = self.provider.get_resource_inst(f"{self.path}{name}", self.environ)
            if found is not None:
                yield found


class _OnDisk(_Named):
    """A file or folder. WsgiDAV's classes come after it in the order of bases."""

    provider: Any
    environ: Any

    def __init__(self, environ: Any, names: Segments, place: Place, found: os.stat_result) -> None:
        is_folder = stat.S_ISDIR(found.st_mode)
        path = "/" + "/".join(names) + ("/" if is_folder else "")
        super().__init__(path, environ)  # type: ignore[call-arg]  # of WsgiDAV's class
        self.names, self.place, self.status = names, place, found

    def get_ref_url(self) -> str:
        """See WsgiDAV."""
        return self.place.ref

    def get_display_name(self) -> str:
        """See WsgiDAV."""
        return self.display(self.names)

    def get_creation_date(self) -> float:
        """See WsgiDAV."""
        return self.status.st_ctime

    def get_last_modified(self) -> float:
        """See WsgiDAV."""
        return self.status.st_mtime

    def get_property_names(self, *, is_allprop: bool) -> list[str]:
        """Without quotas, which RFC 4331 leaves out of `allprop`."""
        found: list[str] = super().get_property_names(is_allprop=is_allprop)  # type: ignore[misc]
        return [name for name in found if name not in _QUOTAS] if is_allprop else found

    def get_property_value(self, name: str) -> Any:
        """See WsgiDAV; an entity tag comes with its quotes (RFC 4918, 15.6)."""
        value = super().get_property_value(name)  # type: ignore[misc]
        return f'"{value}"' if name == "{DAV:}getetag" else value

    def set_property_value(self, name: str, value: Any, *, dry_run: bool = False) -> Any:
        """See WsgiDAV; a time can be set."""
        if name not in _TIMES:
            return super().set_property_value(name, value, dry_run=dry_run)  # type: ignore[misc]
        text = "" if value is None else (value.text or "").strip()
        seconds = int(text) if re.fullmatch(r"[0-9]{1,12}", text) else util.parse_time_string(text)
        if seconds is None:
            raise refuse(409, "The time must be seconds since 1970 or an HTTP date.")
        if not dry_run and self.place.names:
            with self.place.root.folder(self.place.names[:-1]) as folder:
                os.utime(
                    self.place.names[-1], (seconds, seconds), dir_fd=folder, follow_symlinks=False
                )
        return True


class Folder(_OnDisk, DAVCollection):  # type: ignore[misc]
    """A folder on disk."""

    def get_used_bytes(self) -> int:
        """Of the whole workspace or shared folder: that is what has a quota (RFC 4331)."""
        return self.place.root.usage.used()

    def get_available_bytes(self) -> int:
        """See get_used_bytes."""
        return self.place.root.usage.available()

    def get_member_names(self) -> list[str]:
        """See WsgiDAV."""
        return [one.names[-1] for one in self.members()]

    def members(self) -> Iterator[Any]:
        """Resources in it."""
        own_root = len(self.names) == 1
        with self.place.root.folder(self.place.names) as folder:
            found = entries(folder)
        if own_root:
            yield self.provider.get_resource_inst(f"{self.path}{SHARED}/", self.environ)
        for name, status in found:
            if own_root and name == SHARED:
                continue
            place = Place(self.place.root, (*self.place.names, name), self.place.read_only)
            yield resource(self.environ, (*self.names, name), place, status)

    def is_very_large(self) -> bool:
        """Whether a listing costs so much that people must take turns."""
        with self.place.root.folder(self.place.names) as folder:
            return holds_more_than(folder, _VERY_LARGE)

    def create_empty_resource(self, name: str) -> Any:
        """An empty file, for a LOCK on an address without one (RFC 4918, 7.3)."""
        with self.place.root.folder(self.place.names) as folder:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            os.close(os.open(name, flags, 0o600, dir_fd=folder))
        self.place.root.usage.change(ENTRY)
        return self.provider.get_resource_inst(f"{self.path}{name}", self.environ)


class File(_OnDisk, DAVNonCollection):  # type: ignore[misc]
    """A file on disk."""

    def get_content_length(self) -> int:
        """See WsgiDAV."""
        return self.status.st_size

    def get_etag(self) -> str:
        """Changes whenever the content does: each PUT makes a new inode."""
        return f"{self.status.st_ino:x}-{self.status.st_mtime_ns:x}-{self.status.st_size:x}"

    def support_etag(self) -> bool:
        """See WsgiDAV."""
        return True

    def support_ranges(self) -> bool:
        """See WsgiDAV."""
        return True

    def get_content(self) -> Any:
        """The open file; from here on length and entity tag are those of what was opened."""
        with self.place.root.folder(self.place.names[:-1]) as folder:
            descriptor = open_file(folder, self.place.names[-1])
        file = os.fdopen(descriptor, "rb", buffering=0)
        self.status = os.fstat(descriptor)
        return file


def resource(environ: Any, names: Segments, place: Place, found: os.stat_result) -> Any:
    """The File or Folder."""
    kind = Folder if stat.S_ISDIR(found.st_mode) else File
    return kind(environ, names, place, found)


class Provider(DAVProvider):  # type: ignore[misc]
    """All workspaces, as WsgiDAV's "provider"."""

    def __init__(self, disk: Disk, locks: Any, properties: Any) -> None:
        super().__init__()
        self.disk = disk
        self.set_mount_path(DAV_PATH)
        self.set_share_path("/")
        self.set_lock_manager(locks)
        self.set_prop_manager(properties)
        self.verbose = 1
        self.listings = Turns()

    def get_resource_inst(self, path: str, environ: Any) -> Any:
        """What stands at a decoded path; None if nothing does, or it is somebody else's."""
        person: Person = environ[PERSON]
        if path.startswith("\0"):  # made by ref_url_to_path
            path = address_of(person, path[1:])
        names = names_of(path)
        if not names:
            return Virtual(environ, names, [person.name])
        if names == (person.name, SHARED):
            return Virtual(environ, names, sorted(person.shared))
        place = place_of(self.disk, person, names)
        if place is None:
            return None
        found = place.root.stat(place.names)
        return None if found is None else resource(environ, names, place, found)

    def ref_url_to_path(self, ref_url: str) -> str:
        """The root of a lock; get_resource_inst knows who asks and makes an address of it."""
        return "\0" + ref_url


def address_of(person: Person, ref: str) -> str:
    """The path by which this person reaches a canonical address that they may see."""
    kind, owner, *rest = names_of(unquote(ref))
    lead = (person.name, SHARED, owner) if kind == "virtual-labs" else (person.name,)
    return "/" + "/".join((*lead, *rest))


def href_of(person: Person, ref: str) -> str:
    """The same, as it stands in an answer."""
    return f"{DAV_PATH}/{encode(names_of(address_of(person, ref)))}"
