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


async def _keep(policy: firewall.Policy) -> None:
    """Set the rules again whenever they are not as they should be."""
    while True:
        try:
            for reason in await asyncio.to_thread(firewall.apply, policy):
                logger.warning("Packet filter: %s; set again", reason)
        except NetworkError as error:
            logger.error("Packet filter: %s", error.sentence)
        await asyncio.sleep(CHECK_SECONDS)


def make_app(policy: firewall.Policy) -> FastAPI:
    """The agent's API for one node."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        keeper = asyncio.create_task(_keep(policy))
        yield
        keeper.cancel()

    app = FastAPI(title="Pelagos node agent", lifespan=lifespan)

    @app.get("/health")
    def health() -> dict[str, Any]:
        """Whether the agent lives."""
        return {"ok": True, "pid": os.getpid()}

    @app.get("/network")
    def network(response: Response) -> dict[str, Any]:
        """Whether all packet-filter rules stand; 503 and the reasons if not."""
        wrong = firewall.missing(policy)
        if wrong:
            response.status_code = 503
        return {"ok": not wrong, "bridge": policy.bridge, "missing": wrong}

    @app.put("/network")
    def set_network(response: Response) -> dict[str, Any]:
        """Set every packet-filter rule now. Safe to repeat."""
        try:
            return {"ok": True, "set": firewall.apply(policy)}
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
    uvicorn.run(make_app(policy_of(deployment)), uds=str(socket), log_level="warning")


if __name__ == "__main__":
    main()
