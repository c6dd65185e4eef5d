"""The catalogue service: JupyterHub's service `catalogue`.

It reads the index that harvests write, and keeps nothing of its own. It listens on the hub's
address, where people's servers reach it too.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from pelagos.catalogue.index import IndexError_, Reader
from pelagos.catalogue.query import QueryError
from pelagos.deployment import CATALOGUE_PATH, Deployment
from pelagos.errors import SourceError
from pelagos.services.application import Answer, Pages, make_application
from pelagos.services.catalogue.access import Views
from pelagos.services.catalogue.answers import Answers
from pelagos.services.catalogue.api import DESCRIPTION, add_stac_api
from pelagos.services.catalogue.files import file_routes
from pelagos.services.catalogue.live import Live
from pelagos.services.catalogue.readers import Readers
from pelagos.services.identity import Hub
from pelagos.services.web import Guard, caller
from pelagos.settings import Settings

logger = logging.getLogger(__name__)

NAME = CATALOGUE_PATH.rpartition("/")[2]
INDEX = "index.sqlite"
BODY_BYTES = 256 * 1024  # of a search: an area with some thousand points
THREADS = 4
SECONDS = 10.0  # that one search may take


Routers = Callable[[Pages, Guard], Iterable[APIRouter]]


def no_routers(pages: Pages, guard: Guard) -> Iterable[APIRouter]:
    """No further pages."""
    return ()


def make_app(deployment: Deployment, routers: Routers = no_routers) -> FastAPI:
    """The service's application. Reads the secret that it needs.

    `routers` makes further pages of the service, with guards of their own.
    """
    token = deployment.state.secret(NAME)
    return app_for(
        deployment.state.catalogue / INDEX,
        deployment.settings,
        Hub(deployment.hub_api, NAME, token),
        token,
        routers,
    )


def app_for(
    index: Path,
    settings: Settings,
    hub: Hub,
    key: str,
    routers: Routers = no_routers,
    threads: int = THREADS,
    seconds: float = SECONDS,
) -> FastAPI:
    """The application over the index at `index`, whose people `hub` knows; it closes `hub`.

    `key` is a secret for sign-ins that are under way. A search may take `seconds`.
    """
    guard = Guard(hub, CATALOGUE_PATH, key)
    pages = Pages(Path(__file__).parent, settings.site, CATALOGUE_PATH)
    readers = Readers(index, threads, seconds)
    views = Views(settings, lambda: readers.ask(Reader.collection_ids))
    live = Live(settings, key)
    answers = Answers(readers, views, live, CATALOGUE_PATH)
    reader = Depends(guard.reader(settings.catalogue.anonymous))

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        readers.open()
        try:
            yield
        finally:
            readers.close()
            live.close()
            await hub.close()

    answer = _answer(pages)
    app = make_application("Pelagos catalogue", pages, (), lifespan, answer, BODY_BYTES)
    app.description = DESCRIPTION
    _add_errors(app, answer)

    def page(request: Request) -> Response:
        return pages.render(
            "catalogue.html",
            {"base": answers.links(request).base, "admin": caller(request).admin},
        )

    add_stac_api(app, answers, settings.site.name, CATALOGUE_PATH, [reader], page)
    for router in (
        _page_routes(pages, page, reader),
        file_routes(settings, readers, views, [reader]),
        _open_routes(),
        *routers(pages, guard),
        guard.router,
    ):
        app.include_router(router, prefix=CATALOGUE_PATH, include_in_schema=False)
    app.openapi()  # kept by the application: made now, and not while the first request waits
    if settings.catalogue.anonymous:
        # scripts of any site may read what anybody may: without cookies or tokens
        app.user_middleware.append(
            Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["GET", "POST"])
        )
    return app


def _page_routes(pages: Pages, page: Callable[[Request], Response], reader: Any) -> APIRouter:
    """What a browser opens beside the API's own landing page."""
    router = APIRouter(dependencies=[reader])

    @router.get("")
    def above() -> Response:
        return RedirectResponse(f"{CATALOGUE_PATH}/", 307)

    @router.get("/api.html")
    def show(request: Request) -> Response:
        return page(request)

    @router.get("/static/{name}")
    def static(name: str) -> Response:
        return pages.static(name)

    return router


def _open_routes() -> APIRouter:
    """What anybody may see."""
    router = APIRouter()

    @router.get("/health")
    async def health() -> dict[str, bool]:
        return {"ok": True}

    return router


def _answer(pages: Pages) -> Answer:
    """What goes wrong: a page for a browser, else as STAC and OGC API have it."""

    def answer(request: Request, status: int, sentence: str) -> Response:
        if "text/html" in request.headers.get("accept", ""):
            return pages.render("error.html", {"sentence": sentence}, status)
        code = HTTPStatus(status).phrase.replace(" ", "")
        return JSONResponse({"code": code, "description": sentence}, status)

    return answer


def _add_errors(app: FastAPI, answer: Answer) -> None:
    """What only this service meets."""

    @app.exception_handler(QueryError)
    async def asked(request: Request, error: QueryError) -> Response:
        return answer(request, 400, str(error))

    @app.exception_handler(SourceError)
    async def remote(request: Request, error: SourceError) -> Response:
        return answer(request, 502, f"The source does not answer as it should: {error.sentence}")

    @app.exception_handler(IndexError_)
    async def unreadable(request: Request, error: IndexError_) -> Response:
        # its text may name files of this machine
        logger.error("%s", error.sentence)
        response = answer(
            request, 503, "The catalogue can't be read now: nothing was harvested yet, or its "
            "index is being made anew. Try again in a minute.",
        )  # fmt: skip
        response.headers["Retry-After"] = "60"
        return response
