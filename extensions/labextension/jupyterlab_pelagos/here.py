"""Whether a granule is on this server already: in the data pool, or in an order's folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyterlab_pelagos.known_orders import KnownOrders
from jupyterlab_pelagos.shared import Shared

_ORDERS = 30  # the newest, which are looked through
_STATE_BYTES = 8 * 2**20


def path_of(shared: Shared, catalogue: str, document: Mapping[str, Any]) -> str | None:
    """The first file of the granule; None if it is not here. `catalogue`: "" for the VRE's."""
    if not catalogue and (found := _in_pool(document)):
        return found
    return _ordered(shared, catalogue, document)


def _in_pool(document: Mapping[str, Any]) -> str | None:
    from pelagos_client import remote
    from pelagos_client.access import AccessError
    from pelagos_client.access.model import Criteria
    from pelagos_client.access.planning import plan

    try:
        for one in plan(document, Criteria()):
            if found := remote.in_pool(document, one):
                return str(found)
    except (AccessError, OSError, ValueError, TypeError, AttributeError):
        pass  # what can't be ordered is not here
    return None


def _ordered(shared: Shared, catalogue: str, document: Mapping[str, Any]) -> str | None:
    """Of an order that this server carried out itself."""
    from pelagos_client.errors import OrderError
    from pelagos_client.local_state import STATE, LocalState
    from pelagos_client.searching import API_VARIABLE

    known = list(shared.one(KnownOrders).local().values())[-_ORDERS:]
    wanted = (catalogue or os.environ.get(API_VARIABLE, "")).rstrip("/")
    key = document.get("collection"), document.get("id")
    for entry in reversed(known):
        folder = Path(entry.folder)
        try:
            if (folder / STATE).stat().st_size > _STATE_BYTES:
                continue
            state = LocalState.load(folder)
        except (OSError, OrderError):
            continue  # gone, or not mounted
        if state.catalogue.rstrip("/") != wanted:
            continue
        for file in state.files:
            path = folder / file.path
            if (file.collection, file.item) == key and file.state == "ready" and path.is_file():
                return str(path)
    return None
