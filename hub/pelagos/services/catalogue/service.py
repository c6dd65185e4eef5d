"""The catalogue service: JupyterHub's service `catalogue`.

It reads the index that harvests write, and keeps nothing of its own. It listens on the hub's
address, where people's servers reach it too.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from pelagos import accounts
from pelagos.catalogue.harvest import INDEX_FILE, RUNS_FILE
from pelagos.catalogue.harvest.metrics import metrics
from pelagos.catalogue.index import IndexError_, Reader
from pelagos.catalogue.query import QueryError
from pelagos.deployment import CATALOGUE_PATH, Deployment, default_state
from pelagos.errors import SourceError
from pelagos.services.application import Answer, Pages, make_application, open_routes
from pelagos.services.catalogue.access import Views
from pelagos.services.catalogue.answers import Answers
from pelagos.services.catalogue.api import DESCRIPTION, add_stac_api
from pelagos.services.catalogue.files import file_routes
from pelagos.services.catalogue.live import Live
from pelagos.services.catalogue.readers import Readers
from pelagos.services.catalogue.sources_routes import sources_routers
from pelagos.services.identity import Hub
from pelagos.services.own_folder import prepare_folder
from pelagos.services.program import prepare_process
from pelagos.services.serving import serve
from pelagos.services.web import Guard
from pelagos.settings import Settings

logger = logging.getLogger(__name__)

NAME = CATALOGUE_PATH.rpartition("/")[2]
BODY_BYTES = 256 * 1024  # of a search: an area with some thousand points
PROCESSES = 4  # at most
THREADS = 4  # of each
SECONDS = 10.0  # that one search may take


def make_app(deployment: Deployment) -> FastAPI:
    """The service's application. Reads the secret that it needs."""
    token = deployment.state.secret(NAME)
    return app_for(
        deployment.state.catalogue / INDEX_FILE,
        deployment.settings,
        Hub(deployment.hub_api, NAME, token),
        token,
    )


def app_for(
    index: Path,
    settings: Settings,
    hub: Hub,
    key: str,
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
            {"base": answers.links(request).base},
        )

    add_stac_api(app, answers, settings.site.name, CATALOGUE_PATH, [reader], page)
    for router in (
        _page_routes(pages, page, reader),
        file_routes(settings, readers, views, [reader]),
        open_routes(),
        *sources_routers(pages, guard, settings.catalogue.sources, index.parent, views),
        _metric_routes(guard, settings, index.parent / RUNS_FILE),
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


def _metric_routes(guard: Guard, settings: Settings, runs: Path) -> APIRouter:
    """What Prometheus reads."""
    router = APIRouter(dependencies=[Depends(guard.measurer)])

    @router.get("/metrics")
    async def show() -> Response:
        text = await asyncio.to_thread(metrics, runs, settings.catalogue.sources, time.time())
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4; charset=utf-8")

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


def main() -> None:
    """Serve the VRE whose state folder stands in PELAGOS_STATE."""
    prepare_process()
    deployment = Deployment.load(default_state())
    prepare_folder(deployment.state.catalogue, as_account=deployment.facts.as_account)
    app = make_app(deployment)
    if deployment.facts.as_account:
        accounts.become()
    # one interpreter runs one thread's Python at a time: searches use the cores by processes
    processes = min(os.cpu_count() or 1, PROCESSES)
    sys.exit(serve(app, deployment.facts.hub_address, deployment.facts.catalogue_port, processes))
