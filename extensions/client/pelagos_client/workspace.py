"""The workspace: persistent and safe, on a WebDAV server; slower than the dataspace."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pelagos_client import folders, service

__all__ = ["Refused", "Status", "path", "shared", "status"]


@dataclass(frozen=True)
class Refused:
    """A file that the server refused. It is safe on this machine; `next_try` is in seconds."""

    name: str
    reason: str
    tries: int
    next_try: float


@dataclass(frozen=True)
class Status:
    """How the workspace is. Sizes are bytes; None where the server does not say.

    `state` is mounted, mounting, unavailable, leaving or absent; `pending` files wait to be
    uploaded.
    """

    state: str
    reason: str
    pending: int
    pending_bytes: int
    failed: tuple[Refused, ...]
    used: int | None
    total: int | None

    @property
    def safe(self) -> bool:
        """Whether everything that was written is on the server."""
        return self.state == "mounted" and not self.pending and not self.failed


def path() -> Path:
    """Its folder: `PELAGOS_WORKSPACE`, else ~/workspace. Raises NotAvailableError."""
    return folders.ready(folders.workspace(), "The workspace")


def shared(virtual_lab: str) -> Path:
    """The shared folder of a virtual lab. Raises NotAvailableError, OutsideError."""
    return folders.virtual_lab(path() / "shared", virtual_lab, "shared folder")


def status() -> Status:
    """What the workspace service says. Raises ServiceError."""
    found: dict[str, Any] = service.call("GET", "/status")["workspace"]
    return Status(
        state=str(found["state"]),
        reason=str(found.get("reason", "")),
        pending=int(found.get("pending", 0)),
        pending_bytes=int(found.get("pending_bytes", 0)),
        failed=tuple(
            Refused(str(f["name"]), str(f["reason"]), int(f["tries"]), float(f["next_try"]))
            for f in found.get("failed", ())
        ),
        used=found.get("used"),
        total=found.get("total"),
    )
