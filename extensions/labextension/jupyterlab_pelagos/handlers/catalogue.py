"""Routes of the catalogue: that of the VRE, or any STAC API."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado.web import authenticated

from jupyterlab_pelagos import foreign_catalogue, vre_catalogue
from jupyterlab_pelagos.base import PelagosHandler, TurnHandler
from jupyterlab_pelagos.details import details_of
from jupyterlab_pelagos.here import path_of
from jupyterlab_pelagos.models.search import (
    Address,
    Asked,
    CollectionsPage,
    Details,
    Facets,
    GranulesPage,
    Match,
    Name,
    Search,
)
from jupyterlab_pelagos.shared import Shared

_AT_ONCE = 3  # searches


class Which(Asked):
    """Query parameters of `granule`."""

    collection: Name
    item: Name
    catalogue: Address = ""


class SearchHandler(TurnHandler):
    """`POST /pelagos/collections`, `/matches`, `/facets`, `/granules`."""

    # tornado passes a handler its own arguments by name
    def initialize(  # type: ignore[override]
        self, shared: Shared, turns: asyncio.Semaphore, work: Callable[[Shared, Search], Any]
    ) -> None:
        """Take what is to be done with a search."""
        super().initialize(shared, turns)
        self._work = work

    @authenticated
    @authorized
    async def post(self) -> None:
        """A page, or counts."""
        await self.answer_in_turn(self._work, self.shared, self.body(Search))


class GranuleHandler(PelagosHandler):
    """`GET /pelagos/granule?catalogue=&collection=&item=`."""

    @authenticated
    @authorized
    async def get(self) -> None:
        """All that is known of it."""
        await self.answer(granule, self.shared, self.query(Which))


def catalogue_of(shared: Shared, named: str) -> str:
    """The address of a STAC API; "" for the VRE's catalogue."""
    from pelagos_client.searching import is_own

    chosen = named or shared.catalogue_url
    return "" if chosen and is_own(chosen) else chosen


def collections(shared: Shared, request: Search) -> CollectionsPage:
    """Step 1: data sets."""
    if url := catalogue_of(shared, request.catalogue):
        return foreign_catalogue.collections(url, request)
    return vre_catalogue.collections(request)


def matches(shared: Shared, request: Search) -> dict[str, Match]:
    """How many granules of each data set match."""
    if url := catalogue_of(shared, request.catalogue):
        return foreign_catalogue.matches(url, request)
    return vre_catalogue.matches(request)


def facets(shared: Shared, request: Search) -> Facets:
    """What can be narrowed by: only the VRE's catalogue tells."""
    if catalogue_of(shared, request.catalogue):
        return Facets(0, False, {})
    return vre_catalogue.facets(request)


def granules(shared: Shared, request: Search) -> GranulesPage:
    """Step 2: granules."""
    if url := catalogue_of(shared, request.catalogue):
        return foreign_catalogue.granules(url, request)
    return vre_catalogue.granules(request)


def granule(shared: Shared, which: Which) -> Details:
    """All that is known of one."""
    document, parent = documents_of(shared, which.catalogue, which.collection, which.item)
    path = path_of(shared, catalogue_of(shared, which.catalogue), document)
    return details_of(document, parent, path)


def documents_of(
    shared: Shared, catalogue: str, collection: str, item: str
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The documents of a granule and of its data set, if that is known."""
    if url := catalogue_of(shared, catalogue):
        return foreign_catalogue.granule(url, collection, item)
    return vre_catalogue.granule(collection, item)


def routes(shared: Shared) -> list[tuple[str, Any, dict[str, Any]]]:
    """Pattern below the base URL, handler, arguments."""
    works = {
        "collections": collections,
        "matches": matches,
        "facets": facets,
        "granules": granules,
    }
    turns = asyncio.Semaphore(_AT_ONCE)
    found: list[tuple[str, Any, dict[str, Any]]] = [
        (rf"/pelagos/{name}", SearchHandler, {"shared": shared, "work": work, "turns": turns})
        for name, work in works.items()
    ]
    return [*found, (r"/pelagos/granule", GranuleHandler, {"shared": shared})]
