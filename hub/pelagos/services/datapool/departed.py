"""Forgets the orders of people whose accounts are gone: who gets their name sees none of them."""

from __future__ import annotations

import asyncio
import functools
import logging
from pathlib import Path

from pelagos.datapool import orders
from pelagos.datapool.waking import wake
from pelagos.errors import AwayError
from pelagos.services.datapool.store import Store
from pelagos.services.identity import Hub

logger = logging.getLogger(__name__)

LOOK_SECONDS = 60.0


async def look(hub: Hub, store: Store, folder: Path) -> list[str]:
    """Look once; whose orders were forgotten. `folder` is the data pool's in the state folder.

    Raises AwayError; then nothing was forgotten that the hub did not deny.
    """
    gone: list[str] = []
    owners = await store.read(orders.owners)
    # a hub that shows us nobody (a role that was changed) is not believed
    if not owners or not await hub.has_people():
        return gone
    for owner in owners:
        if not await hub.has_person(owner):
            await store.write(functools.partial(orders.forget, owner=owner))
            logger.info("The orders of %r are forgotten: there is no such account", owner)
            gone.append(owner)
    if gone:
        wake(folder)  # what only they wanted is no longer fetched
    return gone


async def keep_looking(hub: Hub, store: Store, folder: Path, seconds: float = LOOK_SECONDS) -> None:
    """Look again and again, for ever."""
    while True:
        await asyncio.sleep(seconds)
        try:
            await look(hub, store, folder)
        except AwayError as error:
            logger.warning("%s", error.sentence)
