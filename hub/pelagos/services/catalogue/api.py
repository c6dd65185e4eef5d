"""The STAC API of the catalogue: stac-fastapi's routes over our answers.

Specification: https://github.com/radiantearth/stac-api-spec (1.0.0) and the extensions Collection
Search, Free-Text (basic), Sort and Fields.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

import attr
import orjson
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, params
from fastapi.responses import Response
from pydantic_settings import SettingsConfigDict
from stac_fastapi.api.app import StacApi
from stac_fastapi.extensions.collection_search import CollectionSearchPostExtension
from stac_fastapi.types.config import ApiSettings
from stac_fastapi.types.core import AsyncBaseCoreClient

from pelagos.catalogue.stac import VERSION
from pelagos.services.catalogue import models, search
from pelagos.services.catalogue.answers import Answers
from pelagos.services.catalogue.links import GEOJSON, HTML, JSON, OPENAPI, link

Page = Callable[[Request], Response]

_STAC = "https://api.stacspec.org"
_OGC = "http://www.opengis.net/spec"
# only what holds: no OpenAPI 3.0 (FastAPI writes 3.1), no advanced free text (words side by side
# would mean "or" there), no sortables, no filter
CONFORMANCE = [
    f"{_STAC}/v1.0.0/core",
    f"{_STAC}/v1.0.0/collections",
    f"{_STAC}/v1.0.0/ogcapi-features",
    f"{_STAC}/v1.0.0/item-search",
    f"{_STAC}/v1.0.0-rc.1/collection-search",
    f"{_STAC}/v1.0.0-rc.1/item-search#free-text",
    f"{_STAC}/v1.0.0-rc.1/ogcapi-features#free-text",
    f"{_STAC}/v1.0.0-rc.1/collection-search#free-text",
    f"{_STAC}/v1.0.0/item-search#sort",
    f"{_STAC}/v1.0.0/ogcapi-features#sort",
    f"{_STAC}/v1.0.0-rc.1/collection-search#sort",
    f"{_STAC}/v1.1.0/item-search#sort",
    f"{_STAC}/v1.1.0/ogcapi-features#sort",
    f"{_STAC}/v1.1.0/collection-search#sort",
    f"{_STAC}/v1.0.0/item-search#fields",
    f"{_STAC}/v1.0.0/ogcapi-features#fields",
    f"{_STAC}/v1.0.0-rc.1/collection-search#fields",
    f"{_OGC}/ogcapi-features-1/1.0/conf/core",
    f"{_OGC}/ogcapi-features-1/1.0/conf/geojson",
    f"{_OGC}/ogcapi-common-2/1.0/conf/simple-query",
]
DESCRIPTION = (
    "What marine research infrastructures offer: search collections (data sets) first, then their "
    "items (what can be ordered)."
)


class _Settings(ApiSettings):  # type: ignore[misc]
    """stac-fastapi's settings, from nothing but our own: no file `.env` of whatever folder."""

    model_config = SettingsConfigDict(env_file=None, extra="ignore")


@attr.s
class _Client(AsyncBaseCoreClient):  # type: ignore[misc]
    """What stac-fastapi's routes call."""

    answers: Answers = attr.ib(kw_only=True)
    site: str = attr.ib(kw_only=True)
    page: Page = attr.ib(kw_only=True)

    async def landing_page(self, request: Request) -> Response:
        if HTML in request.headers.get("accept", ""):
            return self.page(request)
        links = self.answers.links(request)
        base = links.base
        found = [
            link("self", f"{base}/", JSON, "This document"),
            links.root,
            link("data", f"{base}/collections", JSON, "Collections"),
            link("conformance", f"{base}/conformance", JSON, "What this API conforms to"),
            {**link("search", f"{base}/search", GEOJSON, "Item Search"), "method": "GET"},
            {**link("search", f"{base}/search", GEOJSON, "Item Search"), "method": "POST"},
            link("facets", f"{base}/facets", JSON, "What a search can be narrowed by"),
            link("service-desc", f"{base}/api", OPENAPI, "Description for programs (OpenAPI)"),
            link("service-doc", f"{base}/api.html", HTML, "Description for people"),
        ]
        return _answer(
            {
                "type": "Catalog",
                "stac_version": VERSION,
                "id": "pelagos",
                "title": f"{self.site}: catalogue",
                "description": DESCRIPTION,
                "conformsTo": CONFORMANCE,
                "links": found,
            }
        )

    async def conformance(self, **_: Any) -> Response:
        return _answer({"conformsTo": CONFORMANCE})

    async def all_collections(self, request: Request, **given: Any) -> Response:
        return await self.answers.collections(request, search.of_query(given))

    async def post_all_collections(
        self, search_request: models.CollectionsBody, request: Request
    ) -> Response:
        return await self.answers.collections(request, search.of_body(search_request))

    async def get_collection(self, collection_id: str, request: Request) -> Response:
        return await self.answers.collection(request, collection_id)

    async def item_collection(self, collection_id: str, request: Request, **given: Any) -> Response:
        wanted = await _read(search.of_query, given, given["intersects"])
        return await self.answers.items(request, wanted, collection_id)

    async def get_item(self, item_id: str, collection_id: str, request: Request) -> Response:
        return await self.answers.item(request, collection_id, item_id)

    async def get_search(self, request: Request, **given: Any) -> Response:
        wanted = await _read(search.of_query, given, given["intersects"])
        return await self.answers.items(request, wanted)

    async def post_search(self, search_request: models.ItemsBody, request: Request) -> Response:
        wanted = await _read(search.of_body, search_request, search_request.intersects)
        return await self.answers.items(request, wanted)


@attr.s
class _Api(StacApi):  # type: ignore[misc]
    """stac-fastapi's application over one of ours."""

    # without its converter, which changes a route that nothing guards
    app: FastAPI = attr.ib(kw_only=True)

    def add_health_check(self) -> None:
        """Not these: `health` is the same in all our services."""


def add_stac_api(
    app: FastAPI,
    answers: Answers,
    site: str,
    prefix: str,
    guards: list[params.Depends],
    page: Page,
) -> None:
    """Give `app` the routes of the STAC API below `prefix`, each behind `guards`.

    `page` is what a browser gets that opens the landing page.
    """
    client = _Client(answers=answers, site=site, page=page)
    settings = _Settings(
        stac_fastapi_title=app.title,
        stac_fastapi_description=DESCRIPTION,
        stac_fastapi_version="1",
        stac_fastapi_landing_id="pelagos",
        openapi_url="",
        docs_url="",
        root_path="",
    )
    guards = [*guards, Depends(_KnownParameters(app))]
    handlers = dict(app.exception_handlers)
    make: Any = _Api  # its attributes are unknown to mypy, as stac-fastapi is
    make(
        app=app,
        settings=settings,
        client=client,
        router=APIRouter(prefix=prefix, dependencies=guards),
        extensions=[
            CollectionSearchPostExtension(
                client=client,
                settings=settings,
                GET=models.CollectionsQuery,
                POST=models.CollectionsBody,
                router=APIRouter(dependencies=guards),
            )
        ],
        collections_get_request_model=models.CollectionsQuery,
        collection_get_request_model=models.CollectionQuery,
        items_get_request_model=models.FeaturesQuery,
        item_get_request_model=models.ItemQuery,
        search_get_request_model=models.ItemsQuery,
        search_post_request_model=models.ItemsBody,
        exceptions={},
        middlewares=[],
    )
    app.exception_handlers.update(handlers)  # stac-fastapi's tell what was sent
    router = APIRouter(prefix=prefix, dependencies=guards)

    @router.get("/facets", summary="Facets")
    async def facets(request: Request, query: Annotated[models.FacetsQuery, Depends()]) -> Response:
        """Values that a search can be narrowed by, with counts.

        Of collections, by the same criteria as Collection Search; or, where `collections` are
        named, of their items. `partial`: only `counted` of the items were looked at.
        """
        return await answers.facets(request, search.of_query(query.kwargs()))

    @router.get("/api", include_in_schema=False)
    async def description() -> Response:
        return Response(orjson.dumps(app.openapi()), media_type=OPENAPI)

    app.include_router(router)


class _KnownParameters:
    """Dependency: refuses parameters that the route does not have (OGC 17-069r4 7.5.3).

    What is misspelt would else be searched for without it.
    """

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._known: dict[tuple[str, str], set[str]] = {}

    async def __call__(self, request: Request) -> None:
        if not request.url.query:
            return
        known = self._of(request.scope["route"].path, request.method)
        for name in request.query_params:
            if name not in known:
                offered = ", ".join(sorted(known)) or "none"
                raise HTTPException(
                    400, f"{name[:60]}: there is no such parameter here. There are: {offered}."
                )

    def _of(self, path: str, method: str) -> set[str]:
        key = path, method
        if key not in self._known:
            operation = self._app.openapi()["paths"].get(path, {}).get(method.lower(), {})
            self._known[key] = {
                one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"
            }
        return self._known[key]


async def _read(read: Callable[[Any], search.Wanted], sent: Any, geometry: Any) -> search.Wanted:
    """What was sent, read; to check a geometry of many points takes half a second."""
    return await asyncio.to_thread(read, sent) if geometry else read(sent)


def _answer(document: dict[str, Any]) -> Response:
    return Response(orjson.dumps(document), media_type=JSON)
