"""Storage and this server."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from jupyterlab_pelagos.models.search import Asked


class WantedPath(Asked):
    """A path below an area of the dataspace."""

    area: Annotated[str, Meta(min_length=1, max_length=64, pattern="^[a-z0-9-]+$")]
    path: Annotated[str, Meta(min_length=1, max_length=4096)]


class WantedPin(WantedPath):
    """Keep it from expiring for so many days."""

    days: Annotated[int, Meta(ge=1, le=365)] = 30


class Keeping(Struct):
    """A copy from dataspace to workspace."""

    id: str
    area: str
    path: str
    state: Literal["running", "done", "failed"]
    message: str
    started: str


class ServerStatus(Struct):
    """`killed`: kernels that this server lost for want of memory since it started."""

    cores: float
    memory_limit: int | None
    memory_used: int | None
    home_free: int | None
    home_total: int | None
    killed: int
    killed_at: str | None


class Storage(Struct):
    """Storage and server at a glance; `workspace` and `dataspace` as the workspace service has
    them (docs/reference/workspace-api.md), None with a `reason`."""

    workspace: dict[str, Any] | None
    dataspace: dict[str, Any] | None
    reason: str
    mend: str
    keeping: list[Keeping]
    server: ServerStatus


class About(Struct):
    """What this server is and can."""

    version: str
    hub: bool
    catalogue: Literal["vre", "url", "none"]
    catalogue_url: str
    datapool: bool
    workspace: bool
    dataspace: bool
    virtual_lab: str
    virtual_lab_title: str
    root: str
    links: dict[str, str]
