"""The service of the data pool as a program: JupyterHub's service `datapool`.

It listens on the hub's address, where people's servers reach it too. It takes orders and tells how
they go; `pelagos.services.downloader` does the work.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import APIRouter, FastAPI

from pelagos import accounts
from pelagos.deployment import DATAPOOL_PATH, Deployment, default_state
from pelagos.services.application import Pages, make_application
from pelagos.services.identity import Hub
from pelagos.services.own_folder import prepare_folder
from pelagos.services.serving import prepare_process, serve
from pelagos.services.web import Guard

NAME = DATAPOOL_PATH.rpartition("/")[2]


def make_app(deployment: Deployment) -> FastAPI:
    """The service's application. Reads the secrets that it needs."""
    token = deployment.state.secret(NAME)
    hub = Hub(deployment.hub_api, NAME, token)
    guard = Guard(hub, DATAPOOL_PATH, token)
    pages = Pages(Path(__file__).parent, deployment.settings.site, DATAPOOL_PATH)
    programs = tuple(f"{DATAPOOL_PATH}/{part}" for part in ("api/", "metrics", "health"))

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await hub.close()

    app = make_application("Pelagos data pool", pages, programs, lifespan)
    for router in (_open_routes(), guard.router):
        app.include_router(router, prefix=DATAPOOL_PATH)
    return app


def _open_routes() -> APIRouter:
    """What anybody may see."""
    router = APIRouter()

    @router.get("/health")
    async def health() -> dict[str, bool]:
        return {"ok": True}

    return router


def main() -> None:
    """Serve the VRE whose state folder stands in PELAGOS_STATE."""
    prepare_process()
    deployment = Deployment.load(default_state())
    prepare_folder(deployment.state.datapool, as_account=deployment.facts.as_account)
    app = make_app(deployment)
    if deployment.facts.as_account:
        accounts.become()
    sys.exit(serve(app, deployment.facts.hub_address, deployment.facts.datapool_port))
