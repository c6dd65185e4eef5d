"""What the workspace service may ask of the agent: a person's status, "try again", pins, metrics.

The service knows who asks; here a name is believed.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Response
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from pelagos.errors import PelagosError, RefusedError
from pelagos.layout import AreaKind
from pelagos.node.dataspaces import AreaStatus, Dataspaces
from pelagos.node.workspaces import Workspaces


class Pin(BaseModel):
    """A path in an area that is kept until a Unix time, in seconds."""

    area: str
    path: str
    until: float = 0


def routes(
    workspaces: Workspaces, dataspaces: Dataspaces, registry: CollectorRegistry
) -> APIRouter:
    """Verbs below /people, and /metrics."""
    router = APIRouter()

    def status(user: str) -> dict[str, Any]:
        return {
            "workspace": workspaces.of(user).status().as_dict(),
            "dataspace": {"areas": [_area(user, area) for area in dataspaces.areas(user)]},
        }

    def check_area(user: str, name: str) -> None:
        """Pins are for the areas in the person's own view. Raises RefusedError."""
        names = [one for one in dataspaces.names(user) if one != AreaKind.POOL.value]
        if name not in names:
            raise RefusedError(
                f"You have no area {name!r} whose files expire.",
                f"You have: {', '.join(names)}." if names else "Start a server first.",
            )

    def _area(user: str, area: AreaStatus) -> dict[str, Any]:
        pins = dataspaces.pins(user, area.name).items()
        return {**asdict(area), "pins": [{"path": p, "until": until} for p, until in pins]}

    @router.get("/people/{user}")
    def show(user: str) -> dict[str, Any]:
        """A person's workspace and dataspace."""
        return status(user)

    @router.post("/people/{user}/retry")
    def retry(user: str) -> dict[str, Any]:
        """Try a mount or refused uploads again now."""
        workspaces.retry(user)
        return status(user)

    @router.put("/people/{user}/pins")
    def pin(user: str, wanted: Pin, response: Response) -> dict[str, Any]:
        """Keep a path until a time."""
        try:
            check_area(user, wanted.area)
            dataspaces.pin(user, wanted.area, wanted.path, wanted.until)
        except PelagosError as error:
            response.status_code = 400
            return {"reason": error.sentence}
        return {}

    @router.delete("/people/{user}/pins")
    def unpin(user: str, wanted: Pin, response: Response) -> dict[str, Any]:
        """Let a path expire like any other."""
        try:
            check_area(user, wanted.area)
            dataspaces.unpin(user, wanted.area, wanted.path)
        except PelagosError as error:
            response.status_code = 400
            return {"reason": error.sentence}
        return {}

    @router.get("/metrics")
    def metrics() -> Response:
        """Prometheus metrics of this node's storage."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return router
