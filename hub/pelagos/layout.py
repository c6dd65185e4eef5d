"""Where people's files are on this machine: one folder per person and virtual lab, never shared.

People's names are escaped as in `volumes`; names of virtual labs are safe as they are.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pelagos.settings import Storage
from pelagos.volumes import safe_name


class AreaKind(StrEnum):
    """Whose an area of the dataspace is; the value is its folder and its place in a URL."""

    USERS = "users"
    VIRTUAL_LABS = "virtual-labs"
    POOL = "pool"


@dataclass(frozen=True)
class Area:
    """One area of the dataspace. The pool has no owner (an empty one)."""

    kind: AreaKind
    owner: str = ""

    @property
    def folder(self) -> str:
        """Its folder below the dataspaces' root."""
        if self.kind is AreaKind.POOL:
            return self.kind.value
        return f"{self.kind.value}/{safe_name(self.owner)}"


@dataclass(frozen=True)
class Layout:
    """Paths of one VRE's storage. `state` is the state folder."""

    state: Path
    storage: Storage

    @property
    def workspaces(self) -> Path:
        """Root of the embedded workspaces."""
        path = self.storage.workspace.path
        return Path(path) if path else self.state / "workspaces"

    def user_workspace(self, user: str) -> Path:
        """One person's embedded workspace."""
        return self.workspaces / "users" / safe_name(user)

    def virtual_lab_workspace(self, name: str) -> Path:
        """The shared folder of a virtual lab."""
        return self.workspaces / "virtual-labs" / name

    def mount_parent(self, user: str) -> Path:
        """The folder that a server sees as /mnt/workspace; the workspace is mounted on `data`."""
        return self.state / "mounts" / safe_name(user)

    def cache(self, user: str) -> Path:
        """Files of one person under way to and from WebDAV; may hold what is nowhere else."""
        return self.state / "cache" / safe_name(user)

    @property
    def dataspaces(self) -> Path:
        """Root of the dataspace's areas."""
        path = self.storage.dataspace.path
        return Path(path) if path else self.state / "dataspaces"

    def area(self, area: Area) -> Path:
        """The folder with an area's files."""
        return self.dataspaces / area.folder

    def view(self, user: str) -> Path:
        """The folder that a server sees as /dataspace: the areas of its owner, mounted."""
        return self.state / "views" / safe_name(user)

    def socket_name(self, user: str) -> str:
        """A short file name for a person's socket: paths of sockets hold 107 bytes."""
        return hashlib.sha256(user.encode()).hexdigest()[:16] + ".sock"
