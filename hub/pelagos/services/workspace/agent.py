"""The node agent as the workspace service may use it: a person's status, "try again", pins."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Any

import httpx
from pydantic import BaseModel, ValidationError

from pelagos.errors import AwayError, PelagosError
from pelagos.sockets import segment

_TIMEOUT = httpx.Timeout(15, connect=3)


class MountState(StrEnum):
    """The life of a person's mounted workspace."""

    MOUNTED = "mounted"
    MOUNTING = "mounting"
    UNAVAILABLE = "unavailable"
    LEAVING = "leaving"
    ABSENT = "absent"


class Upload(BaseModel):
    """A file that the WebDAV server refused. `next_try` is seconds from now."""

    name: str
    reason: str
    tries: int
    next_try: float


class WorkspaceStatus(BaseModel):
    """A person's workspace. Sizes are bytes; None where the server does not say."""

    state: MountState
    reason: str = ""
    pending: int = 0
    pending_bytes: int = 0
    failed: list[Upload] = []
    used: int | None = None
    total: int | None = None


class Expiring(BaseModel):
    """A file and the Unix time at which it goes."""

    path: str
    expires: float


class Pin(BaseModel):
    """A path that does not expire before a Unix time."""

    path: str
    until: float


class AreaStatus(BaseModel):
    """One area of a person's dataspace. `expires_after` is seconds after the last change."""

    name: str
    used: int | None = None
    quota: int | None = None
    enforced: bool = False
    state: str = ""
    reason: str = ""
    expires_after: int = 0
    next: list[Expiring] = []
    pins: list[Pin] = []


class DataspaceStatus(BaseModel):
    """A person's dataspace."""

    areas: list[AreaStatus] = []


class PersonStatus(BaseModel):
    """All storage of one person."""

    workspace: WorkspaceStatus
    dataspace: DataspaceStatus


class AgentRefusal(PelagosError):
    """The agent refused, with its own sentence. `status` is 400 or 404."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Agent:
    """A client for the agent's socket of people. Close it at the end.

    Every method raises AwayError if the agent does not answer.
    """

    def __init__(self, socket: Path) -> None:
        self._client = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=str(socket)),
            base_url="http://agent",
            timeout=_TIMEOUT,
            trust_env=False,
        )

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()

    async def status(self, user: str) -> PersonStatus:
        """How a person's storage is now. Raises AgentRefusal."""
        return _parsed(await self._ask("GET", _path(user)))

    async def retry(self, user: str) -> PersonStatus:
        """Try again what failed: the mount, and refused uploads. Raises AgentRefusal."""
        return _parsed(await self._ask("POST", f"{_path(user)}/retry"))

    async def pin(self, user: str, area: str, path: str, until: int) -> None:
        """Keep a path of an area until a Unix time. Raises AgentRefusal."""
        body = {"area": area, "path": path, "until": until}
        await self._ask("PUT", f"{_path(user)}/pins", json=body)

    async def unpin(self, user: str, area: str, path: str) -> None:
        """Let a path expire as others do. Raises AgentRefusal."""
        body = {"area": area, "path": path, "until": 0}
        await self._ask("DELETE", f"{_path(user)}/pins", json=body)

    async def metrics(self) -> str:
        """The agent's measurements in the text format of Prometheus."""
        return (await self._ask("GET", "/metrics")).text

    async def _ask(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        try:
            answer = await self._client.request(method, path, **arguments)
        except httpx.HTTPError as error:
            raise _away() from error
        if answer.status_code in (400, 404):
            raise AgentRefusal(answer.status_code, _reason(answer))
        if answer.is_error:
            raise _away()
        return answer


def _path(user: str) -> str:
    return f"/people/{segment(user)}"


def _parsed(answer: httpx.Response) -> PersonStatus:
    try:
        return PersonStatus.model_validate_json(answer.content)
    except ValidationError as error:
        raise _away() from error


def _reason(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["reason"])
    except (ValueError, KeyError, TypeError):
        return "The node agent refused without a reason."


def _away() -> AwayError:
    return AwayError(
        "The node agent, which looks after storage, does not answer.",
        "Your files are not affected. Try again in a minute; if it stays so, tell an "
        "administrator.",
    )
