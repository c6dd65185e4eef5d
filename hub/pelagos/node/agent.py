"""The node agent: a small HTTP API on Unix sockets, the only part that must be root.

It keeps the packet-filter rules of the servers' network, people's workspaces and the dataspace's
areas. Every verb is safe to repeat. Two sockets: one for the hub and the operator, with every verb
(mode 0600), and one for the workspace service, with what a person may see and ask for.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from pelagos import accounts
from pelagos.deployment import Deployment, default_state
from pelagos.node import network, people, storage
from pelagos.node.dataspaces import Dataspaces
from pelagos.node.metrics import registry
from pelagos.node.workspaces import Workspaces

logger = logging.getLogger(__name__)


def make_app(keeper: network.Keeper, workspaces: Workspaces, dataspaces: Dataspaces) -> FastAPI:
    """The API for the hub and the operator; its life is the keepers' life."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(keeper.run()), asyncio.create_task(workspaces.run())]
        yield
        for task in tasks:
            task.cancel()

    app = FastAPI(title="Pelagos node agent", lifespan=lifespan)
    app.include_router(network.routes(keeper))
    app.include_router(storage.routes(workspaces, dataspaces))
    return app


def make_people_app(workspaces: Workspaces, dataspaces: Dataspaces) -> FastAPI:
    """The API for the workspace service."""
    app = FastAPI(title="Pelagos node agent, for people")
    app.include_router(people.routes(workspaces, dataspaces, registry(workspaces, dataspaces)))
    return app


class Server(uvicorn.Server):
    """A server that leaves signals to `serve`, which ends both."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """See uvicorn.Server."""
        yield


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


async def serve(apps: list[tuple[socket.socket, FastAPI]]) -> None:
    """Serve each app on its socket until SIGTERM or SIGINT."""
    servers = [(Server(uvicorn.Config(app, log_level="warning")), own) for own, app in apps]
    loop = asyncio.get_running_loop()

    def stop() -> None:
        for server, _ in servers:
            server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    await asyncio.gather(*(server.serve(sockets=[own]) for server, own in servers))


async def run(deployment: Deployment) -> None:
    """The agent's whole life."""
    keeper = network.Keeper(deployment)
    workspaces = Workspaces(deployment)
    dataspaces = Dataspaces(deployment.layout, deployment.settings)
    await asyncio.to_thread(workspaces.recover)
    await asyncio.to_thread(dataspaces.recover)
    _, group = accounts.ids() if deployment.facts.as_account else (0, 0)
    await serve(
        [
            (listen(deployment.agent_socket), make_app(keeper, workspaces, dataspaces)),
            (listen(deployment.people_socket, group), make_people_app(workspaces, dataspaces)),
        ]
    )


def main() -> None:
    """Serve the agent of the VRE whose state folder stands in PELAGOS_STATE."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    os.umask(0o077)  # sockets and files are for the hub's own account
    asyncio.run(run(Deployment.load(default_state())))


if __name__ == "__main__":
    main()
