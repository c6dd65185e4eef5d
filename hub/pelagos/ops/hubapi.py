"""The hub's REST API, as the operator's commands use it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import httpx

from pelagos.deployment import Deployment
from pelagos.errors import NotRunningError, PelagosError
from pelagos.hubconfig.roles import OPERATOR


class HubApi:
    """A client with the operator's token. Use as a context manager.

    Every method raises NotRunningError if the hub does not answer, PelagosError with the hub's
    own reason if it refuses.
    """

    def __init__(self, deployment: Deployment, timeout: float = 30) -> None:
        self._client = httpx.Client(
            base_url=deployment.hub_api,
            headers={"Authorization": f"token {deployment.state.secret(OPERATOR)}"},
            timeout=timeout,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._client.close()

    def call(self, method: str, path: str, body: Any = None, missing_ok: bool = False) -> Any:
        """One request; the answer's JSON, or None. With `missing_ok` a 404 is None too."""
        try:
            response = self._client.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise NotRunningError(
                f"The hub does not answer: {error}.", "Is it running? ./pelagos status"
            ) from error
        if response.status_code == 404 and missing_ok:
            return None
        if response.is_error:
            raise PelagosError(f"The hub refused {method} {path}: {reason_of(response)}")
        return response.json() if response.content else None

    @property
    def base_url(self) -> httpx.URL:
        """Where the hub's API is."""
        return self._client.base_url

    def alive(self) -> bool:
        """Whether the hub answers."""
        try:
            self.call("GET", "/")
        except PelagosError:
            return False
        return True

    def users(self) -> list[dict[str, Any]]:
        """All people with their servers."""
        found: list[dict[str, Any]] = []
        while True:
            page = self.call("GET", f"/users?limit=200&offset={len(found)}")
            found += page
            if len(page) < 200:
                return found

    def progress(self, user: str, server: str = "", seconds: float = 600) -> Iterator[Any]:
        """Events of a server's start until it is ready or has failed."""
        path = (
            f"/users/{user}/servers/{server}/progress"
            if server
            else (f"/users/{user}/server/progress")
        )
        try:
            with self._client.stream("GET", path, timeout=httpx.Timeout(30, read=seconds)) as got:
                for line in got.iter_lines():
                    if line.startswith("data:"):
                        yield json.loads(line.removeprefix("data:"))
        except httpx.HTTPError as error:
            raise NotRunningError(f"The hub does not answer any more: {error}.") from error


def reason_of(response: httpx.Response) -> str:
    """Why the hub refused, in its own words."""
    try:
        return str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {response.status_code}"
