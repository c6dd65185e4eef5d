"""How a person's workspace is, as the agent's API gives it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from pelagos.node.rclone import Upload


class State(StrEnum):
    """How a person's workspace is."""

    MOUNTED = "mounted"
    MOUNTING = "mounting"
    UNAVAILABLE = "unavailable"
    LEAVING = "leaving"
    ABSENT = "absent"


@dataclass(frozen=True)
class Status:
    """A workspace at one moment. `used` and `total` in bytes, None where nobody knows."""

    user: str
    wanted: bool
    state: State
    reason: str = ""
    pending: int = 0
    pending_bytes: int = 0
    failed: list[Upload] = field(default_factory=list)
    used: int | None = None
    total: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """As the agent's API gives it."""
        return asdict(self)
