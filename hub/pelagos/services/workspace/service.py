"""The workspace service as a program: JupyterHub's service `workspace`.

It listens on the hub's address, where people's servers reach it too.
Reads secrets first, makes its folder, then gives root up for the account `pelagos-server`.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import FastAPI

from pelagos import accounts
from pelagos.deployment import WORKSPACE_PATH, Deployment, default_state
from pelagos.services.application import Pages, make_application, open_routes
from pelagos.services.identity import Hub
from pelagos.services.own_folder import prepare_folder
from pelagos.services.program import prepare_process
from pelagos.services.serving import serve
from pelagos.services.web import Guard
from pelagos.services.workspace import routes
from pelagos.services.workspace.agent import Agent
from pelagos.services.workspace.storage import StoragePage
from pelagos.vault import Vault

NAME = WORKSPACE_PATH.rpartition("/")[2]
STORAGE_KEY = "storage-key"


def make_app(deployment: Deployment) -> FastAPI:
    """The service's application. Reads the secrets that it needs. Raises VaultError."""
    state, settings = deployment.state, deployment.settings
    token = state.secret(NAME)
    hub = Hub(deployment.hub_api, NAME, token)
    agent = Agent(deployment.people_socket)
    guard = Guard(hub, WORKSPACE_PATH, token)
    vault = Vault(vault_folder(deployment), state.secret(STORAGE_KEY))
    pages = Pages(Path(__file__).parent, settings.site, WORKSPACE_PATH)
    page = StoragePage(pages, guard, agent, vault, settings.storage.workspace, WORKSPACE_PATH)
    paces = routes.Paces()
    programs = tuple(f"{WORKSPACE_PATH}/{part}" for part in ("api/", "metrics", "health"))

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await agent.close()
        await hub.close()

    app = make_application("Pelagos workspace", pages, programs, lifespan)
    for router in (
        routes.page_routes(guard, page, paces),
        routes.form_routes(guard, page, paces),
        routes.api_routes(guard, agent, paces),
        routes.metric_routes(guard, agent),
        open_routes(),
        guard.router,
    ):
        app.include_router(router, prefix=WORKSPACE_PATH)
    return app


def vault_folder(deployment: Deployment) -> Path:
    """Where accounts on WebDAV servers elsewhere are kept."""
    return deployment.state.storage / "credentials"


def main() -> None:
    """Serve the VRE whose state folder stands in PELAGOS_STATE."""
    prepare_process()
    deployment = Deployment.load(default_state())
    prepare_folder(vault_folder(deployment), as_account=deployment.facts.as_account)
    app = make_app(deployment)
    if deployment.facts.as_account:
        accounts.become()
    sys.exit(serve(app, deployment.facts.hub_address, deployment.facts.workspace_port))
