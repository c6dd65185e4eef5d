"""The dataspace: fast and local, with a quota; files in it expire. `keep` what must stay."""

from __future__ import annotations

import datetime
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pelagos_client import folders, service
from pelagos_client.copying import Kept, keep
from pelagos_client.errors import NotAvailableError, OutsideError

__all__ = ["Expiring", "Kept", "expiring", "keep", "path", "pin", "pool", "shared", "unpin"]

POOL = "pool"
_EXPIRY = "expiry.json"


@dataclass(frozen=True)
class Expiring:
    """A file that goes at a time. `path` is below the folder of `area`."""

    area: str
    path: str
    expires: datetime.datetime


def path() -> Path:
    """Your own area. Raises NotAvailableError."""
    return folders.ready(folders.dataspace() / folders.OWN, "Your dataspace")


def shared(virtual_lab: str) -> Path:
    """The area of a virtual lab. Raises NotAvailableError, OutsideError."""
    return folders.virtual_lab(folders.dataspace(), virtual_lab, "dataspace")


def pool() -> Path:
    """The data pool, which can only be read. Raises NotAvailableError."""
    return folders.ready(folders.dataspace() / POOL, "The data pool")


def pin(path: str | os.PathLike[str], days: float = 30) -> datetime.datetime:
    """Keep a file or folder from expiring for `days`; until when. Raises ServiceError.

    `path` is as for `keep`. Raises OutsideError too.
    """
    area, inner = _place(path)
    until = int(time.time() + days * 86400)
    service.call("PUT", "/pins", {"area": area, "path": inner, "until": until})
    return datetime.datetime.fromtimestamp(until, datetime.UTC)


def unpin(path: str | os.PathLike[str]) -> None:
    """Let it expire as others do. Raises ServiceError, OutsideError."""
    area, inner = _place(path)
    service.call("DELETE", "/pins", {"area": area, "path": inner})


def expiring() -> list[Expiring]:
    """What goes next in each area, soonest first. Raises ServiceError.

    From the file that the VRE writes into the dataspace, else from the workspace service.
    """
    try:
        areas = json.loads((folders.dataspace() / _EXPIRY).read_text())["areas"]
        found = list(_expiring(areas.items()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        told: list[dict[str, Any]] = service.call("GET", "/status")["dataspace"]["areas"]
        found = list(_expiring((area["name"], area) for area in told))
    return sorted(found, key=lambda one: one.expires)


def _expiring(areas: Any) -> Iterator[Expiring]:
    for name, area in areas:
        for entry in area.get("next", ()):
            expires = datetime.datetime.fromtimestamp(entry["expires"], datetime.UTC)
            yield Expiring(name, entry["path"], expires)


def _place(path: str | os.PathLike[str]) -> tuple[str, str]:
    """Area and path below it. Raises OutsideError, NotAvailableError."""
    if not folders.dataspace().is_dir():
        raise NotAvailableError(
            f"The dataspace is not here: there is no folder {folders.dataspace()}.",
            "Start a server in a Pelagos VRE.",
        )
    base = Path(os.path.realpath(folders.dataspace()))
    given = folders.dataspace() / folders.OWN / Path(path).expanduser()
    # the parent's links only: a link itself can be pinned
    real = Path(os.path.realpath(given.parent)) / given.name
    parts = real.relative_to(base).parts if real.is_relative_to(base) else ()
    if len(parts) < 2 or ".." in parts:
        raise OutsideError(
            f"{path} is not below an area of the dataspace ({folders.dataspace()}).",
            "Give a path below it, or relative to your own area.",
        )
    return parts[0], "/".join(parts[1:])
