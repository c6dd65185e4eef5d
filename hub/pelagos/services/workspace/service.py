"""The workspace service as a program: JupyterHub's service `workspace`.

It listens on the hub's address, where people's servers reach it too.
Reads secrets first, makes its folder, then gives root up for the account `pelagos-server`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from pelagos import accounts
from pelagos.deployment import WORKSPACE_PATH, Deployment, default_state
from pelagos.errors import StateError
from pelagos.services.application import Pages, make_application
from pelagos.services.identity import Hub
from pelagos.services.web import Guard
from pelagos.services.workspace import routes
from pelagos.services.workspace.agent import Agent
from pelagos.services.workspace.storage import StoragePage
from pelagos.vault import Vault

logger = logging.getLogger(__name__)

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
        routes.open_routes(),
        guard.router,
    ):
        app.include_router(router, prefix=WORKSPACE_PATH)
    return app


def vault_folder(deployment: Deployment) -> Path:
    """Where accounts on WebDAV servers elsewhere are kept."""
    return deployment.state.storage / "credentials"


def prepare_folder(deployment: Deployment) -> None:
    """Make the folder of the vault, closed; as root also the account's, with what is in it.

    The folder above stays root's: whoever could rename in it could lead root elsewhere. Raises
    StateError where something else is in the way.
    """
    folder = vault_folder(deployment)
    owner = None
    if os.geteuid() == 0 and deployment.facts.as_account:
        owner = accounts.ids()
    try:
        folder.parent.mkdir(exist_ok=True)
        with _opened(folder.parent) as above:
            os.fchown(above, os.geteuid(), os.getegid())
            os.fchmod(above, 0o711)
            with contextlib.suppress(FileExistsError):
                os.mkdir(folder.name, 0o700, dir_fd=above)
            with _opened(folder.name, above) as inside:
                _give(inside, owner)
    except OSError as error:
        raise StateError(
            f"The folder of people's accounts {folder} can't be used: {error.strerror}.",
            "It must be a plain folder of this VRE: move what is there away, then ./pelagos up.",
        ) from error


@contextlib.contextmanager
def _opened(path: Path | str, above: int | None = None) -> Iterator[int]:
    """A descriptor of a folder, never of what a link leads to."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    descriptor = os.open(path, flags, dir_fd=above)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _give(folder: int, owner: tuple[int, int] | None) -> None:
    """Close the vault's folder; give it and the files in it to `owner`, if there is one."""
    os.fchmod(folder, 0o700)
    if owner is None:
        return
    # ours meanwhile: nobody links something in, or takes it out between a look and the change
    os.fchown(folder, os.geteuid(), os.getegid())
    for name in os.listdir(folder):
        try:
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        except OSError as error:
            logger.warning("%r in the folder of accounts is left alone: %s", name, error.strerror)
            continue
        try:
            found = os.fstat(descriptor)
            if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
                os.fchown(descriptor, *owner)
        finally:
            os.close(descriptor)
    os.fchown(folder, *owner)


def main() -> None:
    """Serve the VRE whose state folder stands in PELAGOS_STATE."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    os.umask(0o077)
    deployment = Deployment.load(default_state())
    prepare_folder(deployment)
    app = make_app(deployment)
    if deployment.facts.as_account:
        accounts.become()
    uvicorn.run(
        app,
        host=deployment.facts.hub_address,
        port=deployment.facts.workspace_port,
        log_level="warning",
        # addresses of the sign-in hold codes
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=500,
        timeout_graceful_shutdown=5,
    )
