"""The agent's verbs for people's storage: what the hub and the operator's commands call."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from escapism import unescape
from fastapi import APIRouter, Body, Query, Response

from pelagos.errors import StorageError
from pelagos.node.dataspaces import Dataspaces
from pelagos.node.workspaces import Workspaces

CLOSE_SECONDS = 60.0


def routes(workspaces: Workspaces, dataspaces: Dataspaces) -> APIRouter:
    """Verbs below /workspaces and /dataspaces. A person's name is one percent-encoded segment."""
    router = APIRouter()

    @router.get("/workspaces")
    def every_workspace() -> list[dict[str, Any]]:
        """Everybody whose workspace is mounted, should be, or has uploads waiting."""
        return [status.as_dict() for status in workspaces.all()]

    @router.put("/workspaces/{user}")
    def want(user: str, response: Response) -> dict[str, Any]:
        """A server of this person starts. Returns before the mount is there: it appears in it."""
        try:
            return workspaces.want(user).as_dict()
        except (StorageError, OSError) as error:
            response.status_code = 500
            return {"reason": error.sentence if isinstance(error, StorageError) else str(error)}

    @router.get("/workspaces/{user}")
    def workspace(user: str) -> dict[str, Any]:
        """How one person's workspace is."""
        return workspaces.of(user).status().as_dict()

    @router.delete("/workspaces/{user}")
    def release(user: str, deleted: Annotated[bool, Query()] = False) -> dict[str, Any]:
        """The person's last server stopped (`deleted`: the account is gone).

        Uploads go on until all have arrived; then it is unmounted.
        """
        return workspaces.release(user, deleted=deleted).as_dict()

    @router.get("/dataspaces")
    def every_area() -> list[dict[str, Any]]:
        """Every area with its usage; `owner` as its folder tells it."""
        found = []
        for folder, usage in sorted(dataspaces.usages().items()):
            kind, _, owner = folder.partition("/")
            found.append({"kind": kind, "owner": unescape(owner, "-"), **asdict(usage)})
        return found

    @router.put("/dataspaces/users/{user}")
    def view(
        user: str, virtual_labs: Annotated[list[str], Body(embed=True)], response: Response
    ) -> dict[str, Any]:
        """A person's area, those of their virtual labs, and the view that a server binds."""
        try:
            dataspaces.ensure(user, virtual_labs)
        except StorageError as error:
            response.status_code = 500
            return {"ok": False, "reason": error.sentence}
        return {"ok": True, "reason": ""}

    @router.delete("/dataspaces/users/{user}")
    def release_view(user: str, deleted: Annotated[bool, Query()] = False) -> dict[str, Any]:
        """The person's last server stopped; `deleted`: and their account and area go."""
        if deleted:
            dataspaces.remove_user(user)
        else:
            dataspaces.release(user)
        return {"ok": True}

    @router.delete("/dataspaces/virtual-labs/{name}")
    def remove_virtual_lab(name: str) -> dict[str, Any]:
        """A virtual lab is no more: its area goes, with all that is in it."""
        dataspaces.remove_virtual_lab(name)
        return {"ok": True}

    @router.post("/close")
    def close(seconds: Annotated[float, Query(ge=0, le=600)] = CLOSE_SECONDS) -> dict[str, Any]:
        """Unmount everything: uploads are waited for, and what has not arrived stays in caches."""
        left = workspaces.close(seconds)
        dataspaces.close_all()
        return {"pending": [status.as_dict() for status in left]}

    return router
