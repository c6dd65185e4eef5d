"""The node agent: a small HTTP API on Unix sockets, the only part that must be root.

It keeps the packet-filter rules of the servers' network, people's workspaces and the dataspace's
areas. Every verb is safe to repeat. Two sockets: one for the hub and the operator, with every verb
(mode 0600), and one for services that need no root, with what a person may see and ask for.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from pelagos import accounts
from pelagos.deployment import Deployment, default_state
from pelagos.errors import PelagosError
from pelagos.node import network, parcels, people, storage
from pelagos.node.dataspaces import Dataspaces
from pelagos.node.metrics import registry
from pelagos.node.workspaces import Workspaces

logger = logging.getLogger(__name__)


def make_app(keeper: network.Keeper, workspaces: Workspaces, dataspaces: Dataspaces) -> FastAPI:
    """The API for the hub and the operator; its life is the keepers' life."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        workspaces.recover()
        tasks = [
            asyncio.create_task(keeper.run()),
            asyncio.create_task(workspaces.run()),
            # images are checked and mounted: with many, that takes a while
            asyncio.create_task(asyncio.to_thread(recover, dataspaces)),
        ]
        yield
        for task in tasks:
            task.cancel()

    app = FastAPI(title="Pelagos node agent", lifespan=lifespan)
    app.include_router(network.routes(keeper))
    app.include_router(storage.routes(workspaces, dataspaces))
    return app


def recover(dataspaces: Dataspaces) -> None:
    """Mount the dataspace again; what fails is tried again when somebody needs it."""
    try:
        dataspaces.recover()
    except (PelagosError, OSError) as error:
        logger.error("The dataspace was not recovered: %s", error)


def make_people_app(
    deployment: Deployment, workspaces: Workspaces, dataspaces: Dataspaces
) -> FastAPI:
    """The API for the services that need no root."""
    app = FastAPI(title="Pelagos node agent, for people")
    app.include_router(people.routes(workspaces, dataspaces, registry(workspaces, dataspaces)))
    app.include_router(parcels.routes(parcels.Parcels(deployment, workspaces, dataspaces)))
    return app


def listen(path: Path, group: int = 0) -> socket.socket:
    """A Unix socket at `path` for its owner, and for a `group` if that is not root's.

    uvicorn's own would be open to everybody.
    """
    path.unlink(missing_ok=True)
    found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    found.bind(str(path))  # mode 0700 by the umask
    if group:
        os.chown(path, 0, group)
        path.chmod(0o660)
    return found


def serve_people(own: socket.socket, app: FastAPI) -> None:
    """Serve the workspace service from a thread with threads of its own.

    Whatever people ask for there, the hub's calls find free threads.
    """
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    # signals are for the main thread, whose end is this thread's end too
    threading.Thread(
        target=lambda: asyncio.run(server.serve(sockets=[own])), name="people", daemon=True
    ).start()


def run(deployment: Deployment) -> None:
    """The agent's whole life. It listens before it looks at any mount or disk."""
    keeper = network.Keeper(deployment)
    workspaces = Workspaces(deployment)
    dataspaces = Dataspaces(deployment.layout, deployment.settings)
    _, group = accounts.ids() if deployment.facts.as_account else (0, 0)
    people = make_people_app(deployment, workspaces, dataspaces)
    serve_people(listen(deployment.people_socket, group), people)
    app = make_app(keeper, workspaces, dataspaces)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    asyncio.run(server.serve(sockets=[listen(deployment.agent_socket)]))


def main() -> None:
    """Serve the agent of the VRE whose state folder stands in PELAGOS_STATE."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    os.umask(0o077)  # sockets and files are for the hub's own account
    run(Deployment.load(default_state()))


if __name__ == "__main__":
    main()
