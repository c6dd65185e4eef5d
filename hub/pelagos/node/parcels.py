"""Parcels: what a ready order leaves with its owner, as links in their area or as copies.

The downloader asks for it on the socket of people. It knows whose order it is; here a name is
believed, and no path.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import Annotated, Any

from fastapi import APIRouter, Response
from fastapi import Path as InPath
from pydantic import BaseModel, ConfigDict, Field

from pelagos.datapool.delivery import DeliveryState, Outcome
from pelagos.datapool.model import Target
from pelagos.deployment import Deployment
from pelagos.errors import PelagosError, RefusedError, StorageError
from pelagos.node.dataspaces import Dataspaces
from pelagos.node.order_content import Content, check
from pelagos.node.order_folder import OrderFolder
from pelagos.node.order_names import ORDERS, is_folder_of
from pelagos.node.parcel_copies import Copies, Copy
from pelagos.node.workspaces import Workspaces

POOL = "/dataspace/pool"  # as people's servers see it
Number = Annotated[int, InPath(ge=1, le=2**31)]


class ParcelBody(BaseModel):
    """The body of a PUT; see `pelagos.datapool.delivery.Parcel`."""

    model_config = ConfigDict(extra="forbid")

    target: Target
    documents: dict[str, str] = Field(repr=False)
    links: dict[str, str] = Field(repr=False)
    size: int = Field(0, ge=0)


class Parcels:
    """Brings parcels on a node."""

    def __init__(
        self, deployment: Deployment, workspaces: Workspaces, dataspaces: Dataspaces
    ) -> None:
        self._dataspaces = dataspaces
        self._copies = Copies(deployment, workspaces)
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._guard = threading.Lock()

    def put(self, user: str, number: int, body: ParcelBody) -> Outcome:
        """Make the folder, or begin or go on copying. Raises RefusedError, StorageError."""
        check(body.documents, body.links)
        if body.target is Target.WORKSPACE:
            copy = Copy(user, number, body.documents, body.links, body.size)
            return self._copies.deliver(copy)
        links = {path: f"{POOL}/{place}" for path, place in body.links.items()}
        with self._lock(user):
            try:
                folder = self._folder(user, number).write(Content(body.documents, links))
            except StorageError as error:
                return Outcome(DeliveryState.FAILED, reason=error.sentence)
        return Outcome(DeliveryState.DONE, copied=body.size, folder=folder)

    def there(self, user: str, number: int, target: Target, folder: str = "") -> bool:
        """Whether the order's folder is there; `folder`: which it got.

        Raises RefusedError, and StorageError if nobody knows now.
        """
        folder = folder or f"{ORDERS}/{number}"
        if not is_folder_of(number, folder):
            raise RefusedError(f"{folder[:200]!r} is no folder of order {number}.")
        if target is Target.WORKSPACE:
            return self._copies.there(user, folder)
        if not self._dataspaces.has_area(user):
            return False
        return self._folder(user, number).there(folder)

    def _folder(self, user: str, number: int) -> OrderFolder:
        place = self._dataspaces.own_area(user)
        return OrderFolder(place, number, self._dataspaces.owner, POOL)

    def _lock(self, user: str) -> threading.Lock:
        with self._guard:
            return self._locks[user]


def routes(parcels: Parcels) -> APIRouter:
    """Verbs below /people/{user}/orders. The functions run in threads: some take a while."""
    router = APIRouter()

    @router.put("/people/{user}/orders/{number}")
    def deliver(user: str, number: Number, body: ParcelBody, response: Response) -> dict[str, Any]:
        """Bring the parcel; the same again is the same folder. Ask until it is not `copying`."""
        try:
            outcome = parcels.put(user, number, body)
        except PelagosError as error:
            response.status_code = 400 if isinstance(error, RefusedError) else 503
            return {"reason": error.sentence}
        return {
            "state": outcome.state.value,
            "copied": outcome.copied,
            "reason": outcome.reason,
            "folder": outcome.folder,
        }

    @router.get("/people/{user}/orders/{number}")
    def there(
        user: str,
        number: Number,
        response: Response,
        target: Target = Target.DATASPACE,
        folder: str = "",
    ) -> dict[str, Any]:
        """Whether the folder is there."""
        try:
            return {"there": parcels.there(user, number, target, folder)}
        except (PelagosError, OSError) as error:
            response.status_code = 503
            return {"reason": error.sentence if isinstance(error, PelagosError) else str(error)}

    return router
