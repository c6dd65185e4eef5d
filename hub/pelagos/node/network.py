"""Keeping the packet-filter rules of the servers' network, and the agent's verbs for them.

The rules are lost when Docker or a firewall manager restarts, so the keeper looks every few seconds
and sets them again.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from fastapi import APIRouter, Response

from pelagos.deployment import Deployment
from pelagos.errors import NetworkError
from pelagos.node import firewall

logger = logging.getLogger(__name__)

CHECK_SECONDS = 10.0


def policy_of(deployment: Deployment) -> firewall.Policy:
    """What the servers of this VRE may reach."""
    facts = deployment.facts
    return firewall.Policy(
        bridge=deployment.bridge,
        ports=(facts.hub_port, facts.workspace_port, facts.catalogue_port, facts.datapool_port),
        resolvers=firewall.host_resolvers(),
        allow=tuple(deployment.settings.network.allow),
    )


class Keeper:
    """Sets the rules again whenever they are not as they should be."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.wrong = "the rules were not set yet"

    def set(self) -> list[str]:
        """Set the rules now; what was missing. Raises NetworkError."""
        try:
            # the policy anew each time: the host's resolvers may change
            found = firewall.apply(policy_of(self.deployment))
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


def routes(keeper: Keeper) -> APIRouter:
    """The agent's verbs for the network."""
    router = APIRouter()
    deployment = keeper.deployment

    @router.get("/health")
    def health() -> dict[str, Any]:
        """Whether servers may start: how the rules were at the last look. Cheap."""
        return {"ok": not keeper.wrong, "reason": keeper.wrong}

    @router.get("/network")
    def network(response: Response) -> dict[str, Any]:
        """Whether all packet-filter rules stand; 503 and the reasons if not."""
        try:
            wrong = firewall.missing(policy_of(deployment))
        except NetworkError as error:
            wrong = [error.sentence]
        if wrong:
            response.status_code = 503
        return {"ok": not wrong, "bridge": deployment.bridge, "missing": wrong}

    @router.put("/network")
    def set_network(response: Response) -> dict[str, Any]:
        """Set every packet-filter rule now. Safe to repeat."""
        try:
            return {"ok": True, "set": keeper.set()}
        except NetworkError as error:
            response.status_code = 500
            return {"ok": False, "reason": error.sentence}

    return router
