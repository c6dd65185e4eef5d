"""Routes of the storage."""

from __future__ import annotations

from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado.web import authenticated

from jupyterlab_pelagos.base import PelagosHandler
from jupyterlab_pelagos.keeping import Keeper
from jupyterlab_pelagos.models.server import Storage, WantedPath, WantedPin
from jupyterlab_pelagos.server_status import ServerWatch
from jupyterlab_pelagos.shared import Shared
from jupyterlab_pelagos.storage_status import StorageDesk
from jupyterlab_pelagos.watching import Watcher


class StorageHandler(PelagosHandler):
    """`GET /pelagos/storage`."""

    @authenticated
    @authorized
    async def get(self) -> None:
        """Storage and server at a glance."""
        await self.answer(_status, self.shared)


class RetryStorageHandler(PelagosHandler):
    """`POST /pelagos/storage/retry`."""

    @authenticated
    @authorized
    async def post(self) -> None:
        """Mount and upload again."""
        await self.answer(lambda: self.shared.one(StorageDesk).retry())


class KeepHandler(PelagosHandler):
    """`POST /pelagos/storage/keep`."""

    @authenticated
    @authorized
    async def post(self) -> None:
        """Begin to copy a path to the workspace."""
        await self.answer(_keep, self.shared, self.body(WantedPath))


class PinsHandler(PelagosHandler):
    """`PUT` and `DELETE /pelagos/storage/pins`."""

    @authenticated
    @authorized
    async def put(self) -> None:
        """Keep a path from expiring."""
        wanted = self.body(WantedPin)
        await self.answer(lambda: self.shared.one(StorageDesk).pin(wanted))

    @authenticated
    @authorized
    async def delete(self) -> None:
        """Let it expire."""
        wanted = self.body(WantedPath)
        await self.answer(lambda: self.shared.one(StorageDesk).unpin(wanted))


def _status(shared: Shared) -> Storage:
    shared.one(Watcher).watch_memory()
    return shared.one(StorageDesk).status()


def _keep(shared: Shared, wanted: WantedPath) -> Storage:
    shared.one(Keeper).keep(wanted)
    return shared.one(StorageDesk).status()


def routes(shared: Shared) -> list[tuple[str, Any, dict[str, Any]]]:
    """Pattern below the base URL, handler, arguments."""
    shared.one(ServerWatch)  # counts from the start of the server
    found = [
        (r"/pelagos/storage", StorageHandler),
        (r"/pelagos/storage/retry", RetryStorageHandler),
        (r"/pelagos/storage/keep", KeepHandler),
        (r"/pelagos/storage/pins", PinsHandler),
    ]
    return [(pattern, handler, {"shared": shared}) for pattern, handler in found]
