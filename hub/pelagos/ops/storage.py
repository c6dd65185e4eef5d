"""People's storage on this node, for operators' commands: from the agent, or from the disk."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from pelagos.deployment import Deployment
from pelagos.errors import StorageError
from pelagos.node.rclone import cached, remotes_in
from pelagos.sockets import unix_client
from pelagos.volumes import safe_name

_TIMEOUT = 30.0  # seconds


@dataclass(frozen=True)
class Refused:
    """An upload that the WebDAV server refused so far."""

    name: str
    reason: str
    tries: int


@dataclass(frozen=True)
class WorkspaceLine:
    """One person's workspace. Sizes in bytes, None where nobody knows."""

    user: str
    state: str
    reason: str
    pending: int
    pending_bytes: int
    used: int | None
    total: int | None
    failed: list[Refused] = field(default_factory=list)


@dataclass(frozen=True)
class AreaLine:
    """One area of the dataspace. Sizes in bytes."""

    kind: str
    owner: str
    used: int | None
    quota: int | None
    enforced: bool


@dataclass(frozen=True)
class StorageStatus:
    """All of it at one moment."""

    workspaces: list[WorkspaceLine] = field(default_factory=list)
    areas: list[AreaLine] = field(default_factory=list)


def storage_status(deployment: Deployment) -> StorageStatus:
    """Ask the node agent. Raises StorageError if it does not answer."""
    try:
        with unix_client(deployment.agent_socket, _TIMEOUT) as client:
            workspaces = client.get("/workspaces").raise_for_status().json()
            areas = client.get("/dataspaces").raise_for_status().json()
    except (httpx.HTTPError, ValueError) as error:
        raise StorageError(
            f"The node agent does not answer: {error!r}.",
            f"Its log: {deployment.state.logs}/agent.log",
        ) from error
    return StorageStatus([_workspace(one) for one in workspaces], [_area(one) for one in areas])


def _workspace(entry: dict[str, Any]) -> WorkspaceLine:
    names = WorkspaceLine.__dataclass_fields__.keys() - {"failed"}
    failed = [Refused(f["name"], f["reason"], f["tries"]) for f in entry["failed"]]
    return WorkspaceLine(**{name: entry[name] for name in names}, failed=failed)


def _area(entry: dict[str, Any]) -> AreaLine:
    return AreaLine(**{name: entry[name] for name in AreaLine.__dataclass_fields__})


def waiting_in_caches(state: Path) -> dict[str, int]:
    """How many files of whom are in a state folder's caches and not in their workspaces yet.

    From the disk, for when no agent answers. Files of which nobody knows are among them.
    """
    try:
        caches = sorted(path for path in (state / "cache").iterdir() if path.is_dir())
    except OSError:
        return {}  # nobody had a workspace yet
    counts = {
        _owner(state, cache.name): sum(
            file.dirty is not False
            for remote in remotes_in(cache)
            for file in cached(cache, remote)
        )
        for cache in caches
    }
    return {user: count for user, count in counts.items() if count}


def _owner(state: Path, name: str) -> str:
    """Whose cache has this name, by the agent's note of them; else the name."""
    try:
        user = str(
            json.loads((state / "agent" / "workspaces" / f"{name}.json").read_text())["user"]
        )
    except (OSError, ValueError, KeyError, TypeError):
        return name
    return user if safe_name(user) == name else name
