"""The node agent: a small HTTP API on a Unix socket, the only part that must be root.

It keeps the packet-filter rules of the servers' network. They are lost when Docker or a firewall
manager restarts, so it looks every few seconds and sets them again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Response

from pelagos.deployment import Deployment, default_state
from pelagos.errors import NetworkError
from pelagos.node import firewall

logger = logging.getLogger(__name__)

CHECK_SECONDS = 10.0


def policy_of(deployment: Deployment) -> firewall.Policy:
    """What the servers of this VRE may reach."""
    return firewall.Policy(
        bridge=deployment.bridge,
        hub_port=deployment.facts.hub_port,
        resolvers=firewall.host_resolvers(),
        allow=tuple(deployment.settings.network.allow),
    )


class Keeper:
    """Sets the rules again whenever they are not as they should be."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self.wrong = "the rules were not set yet"

    def set(self) -> list[str]:
        """Set the rules now; what was missing. Raises NetworkError."""
        try:
            # the policy anew each time: the host's resolvers may change
            found = firewall.apply(policy_of(self._deployment))
        except NetworkError as error:
            self.wrong = error.sentence
            raise
        self.wrong = ""
        return found

    async def run(self) -> None:
        """Look every few seconds, for ever."""
        while True:
            try:
                for reason in await asyncio.to_thread(self.set):
                    logger.warning("Packet filter: %s; set again", reason)
            except NetworkError as error:
                logger.error("Packet filter: %s", error.sentence)
            await asyncio.sleep(CHECK_SECONDS)


def make_app(deployment: Deployment) -> FastAPI:
    """The agent's API for one node."""

    keeper = Keeper(deployment)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(keeper.run())
        yield
        task.cancel()

    app = FastAPI(title="Pelagos node agent", lifespan=lifespan)

    @app.get("/health")
    def health() -> dict[str, Any]:
        """Whether servers may start: how the rules were at the last look. Cheap."""
        return {"ok": not keeper.wrong, "reason": keeper.wrong}

    @app.get("/network")
    def network(response: Response) -> dict[str, Any]:
        """Whether all packet-filter rules stand; 503 and the reasons if not."""
        try:
            wrong = firewall.missing(policy_of(deployment))
        except NetworkError as error:
            wrong = [error.sentence]
        if wrong:
            response.status_code = 503
        return {"ok": not wrong, "bridge": deployment.bridge, "missing": wrong}

    @app.put("/network")
    def set_network(response: Response) -> dict[str, Any]:
        """Set every packet-filter rule now. Safe to repeat."""
        try:
            return {"ok": True, "set": keeper.set()}
        except NetworkError as error:
            response.status_code = 500
            return {"ok": False, "reason": error.sentence}

    return app


def main() -> None:
    """Serve the agent of the VRE whose state folder stands in PELAGOS_STATE."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    deployment = Deployment.load(default_state())
    socket = Path(deployment.agent_socket)
    socket.unlink(missing_ok=True)
    os.umask(0o077)  # the socket is for the hub's own account
    uvicorn.run(make_app(deployment), uds=str(socket), log_level="warning")


if __name__ == "__main__":
    main()
