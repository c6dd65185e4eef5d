"""The service of the data pool as a program: JupyterHub's service `datapool`.

It listens on the hub's address, where people's servers reach it too. It takes orders and tells how
they go; `pelagos.services.downloader` does the work.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from pelagos import accounts
from pelagos.catalogue.harvest import INDEX_FILE
from pelagos.catalogue.index import IndexError_, Reader
from pelagos.catalogue.query import QueryError
from pelagos.datapool import orders_shown
from pelagos.datapool.database import database_url
from pelagos.deployment import DATAPOOL_PATH, Deployment, default_state
from pelagos.errors import AwayError, PelagosError, RefusedError, SourceError, StateError
from pelagos.layout import Area, AreaKind
from pelagos.services.application import Pages, make_application, open_routes
from pelagos.services.catalogue.access import Views
from pelagos.services.catalogue.live import Live
from pelagos.services.catalogue.readers import Readers
from pelagos.services.datapool import models
from pelagos.services.datapool.departed import keep_looking
from pelagos.services.datapool.desk import Declined, Desk
from pelagos.services.datapool.events import Feed, ended_by_signals
from pelagos.services.datapool.events_routes import event_routes
from pelagos.services.datapool.measures import metrics
from pelagos.services.datapool.page import OrdersPage, form_routes, page_routes
from pelagos.services.datapool.resolving import Resolver
from pelagos.services.datapool.routes import Paces, api_routes
from pelagos.services.datapool.store import Store
from pelagos.services.identity import Hub
from pelagos.services.own_folder import prepare_folder
from pelagos.services.program import prepare_process
from pelagos.services.serving import serve
from pelagos.services.web import Guard
from pelagos.services.workspace.agent import Agent
from pelagos.settings import Settings

logger = logging.getLogger(__name__)

NAME = DATAPOOL_PATH.rpartition("/")[2]
DESCRIPTION = (
    "Order items of the catalogue: their files are fetched once, verified, and put where your "
    "server sees them."
)
BODY_BYTES = 8 * 2**20  # 10,000 items with long names
_THREADS = 2  # that read the catalogue's index
_SECONDS = 20.0  # that finding an order's items may take


def make_app(deployment: Deployment, url: str) -> FastAPI:
    """The service's application over the database at `url`. Reads the secret that it needs."""
    state = deployment.state
    token = state.secret(NAME)
    return app_for(
        deployment.settings,
        Hub(deployment.hub_api, NAME, token),
        token,
        Store(url),
        Agent(deployment.people_socket),
        folder=state.datapool,
        index=state.catalogue / INDEX_FILE,
        pool=deployment.layout.area(Area(AreaKind.POOL)),
    )


def app_for(
    settings: Settings,
    hub: Hub,
    key: str,
    store: Store,
    agent: Agent,
    *,
    folder: Path,
    index: Path,
    pool: Path,
) -> FastAPI:
    """The application; it closes `hub`, `store` and `agent`.

    `key` is a secret for sign-ins that are under way, `folder` the data pool's in the state folder,
    `index` the catalogue's, `pool` the folder with the files.
    """
    guard = Guard(hub, DATAPOOL_PATH, key)
    pages = Pages(Path(__file__).parent, settings.site, DATAPOOL_PATH)
    readers = Readers(index, _THREADS, _SECONDS)
    views = Views(settings, lambda: readers.ask(Reader.collection_ids))
    live = Live(settings, key)
    desk = Desk(settings, store, Resolver(settings, readers, views, live), agent, folder, pool)
    feed = Feed(store)
    paces = Paces()

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            await asyncio.to_thread(store.prepare)
        except AwayError as error:  # whoever asks first tries it again
            logger.warning("%s", error.sentence)
        except StateError as error:
            logger.error("%s", error.sentence)
            raise
        readers.open()
        looking = asyncio.create_task(keep_looking(hub, store, folder))
        try:
            with ended_by_signals(feed):
                yield
        finally:
            looking.cancel()
            feed.close()
            await asyncio.to_thread(readers.close)
            live.close()
            await asyncio.to_thread(store.close)
            await agent.close()
            await hub.close()

    programs = tuple(f"{DATAPOOL_PATH}/{part}" for part in ("api/", "metrics", "health"))
    app = make_application("Pelagos data pool", pages, programs, lifespan, body_bytes=BODY_BYTES)
    app.description = DESCRIPTION
    _add_errors(app, pages, programs)
    for router in (api_routes(guard, desk, paces), event_routes(guard, desk, feed, paces)):
        app.include_router(router, prefix=DATAPOOL_PATH)
    page = OrdersPage(pages, guard, desk)
    for router in (
        page_routes(guard, page, feed, paces),
        form_routes(guard, page, paces),
        _metric_routes(guard, store, [one.name for one in settings.catalogue.sources]),
        _description_routes(guard, app),
        open_routes(),
        guard.router,
    ):
        app.include_router(router, prefix=DATAPOOL_PATH, include_in_schema=False)
    return app


def _metric_routes(guard: Guard, store: Store, sources: Sequence[str]) -> APIRouter:
    """What Prometheus reads."""
    router = APIRouter(dependencies=[Depends(guard.measurer)])

    @router.get("/metrics")
    async def show() -> Response:
        text = metrics(await store.read(orders_shown.tally), sources)
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    return router


def _description_routes(guard: Guard, app: FastAPI) -> APIRouter:
    """What programs read of the API itself."""
    router = APIRouter(prefix="/api", dependencies=[Depends(guard.program)])

    @router.get("/openapi.json")
    async def description() -> Response:
        return JSONResponse(app.openapi())

    return router


def _add_errors(app: FastAPI, pages: Pages, programs: tuple[str, ...]) -> None:
    """What only this service meets."""

    def answer(request: Request, status: int, problem: models.Problem) -> Response:
        if request.url.path.startswith(programs):
            return JSONResponse(problem.model_dump(mode="json"), status)
        sentence = f"{problem.reason} {problem.mend}".strip()
        return pages.render("error.html", {"sentence": sentence}, status)

    @app.exception_handler(Declined)
    async def declined(request: Request, error: Declined) -> Response:
        return answer(request, error.status, error.problem)

    @app.exception_handler(RefusedError)
    async def refused(request: Request, error: RefusedError) -> Response:
        return answer(request, 409, models.Problem(reason=str(error), mend=error.mend))

    @app.exception_handler(QueryError)
    async def asked(request: Request, error: QueryError) -> Response:
        return answer(request, 400, models.Problem(reason=str(error)))

    @app.exception_handler(SourceError)
    async def remote(request: Request, error: SourceError) -> Response:
        reason = f"A source of the order's items does not answer as it should: {error.sentence}"
        response = answer(request, 503, models.Problem(reason=reason))
        response.headers["Retry-After"] = "60"
        return response

    @app.exception_handler(IndexError_)
    async def unreadable(request: Request, error: IndexError_) -> Response:
        # its text may name files of this machine
        logger.error("%s", error.sentence)
        response = answer(
            request,
            503,
            models.Problem(
                reason="The catalogue can't be read now: nothing was harvested yet, or its index "
                "is being made anew.",
                mend="Try again in a minute.",
            ),
        )
        response.headers["Retry-After"] = "60"
        return response


def main() -> None:
    """Serve the VRE whose state folder stands in PELAGOS_STATE."""
    prepare_process()
    deployment = Deployment.load(default_state())
    folder = deployment.state.datapool
    try:
        prepare_folder(folder, as_account=deployment.facts.as_account)
        app = make_app(deployment, database_url(deployment.settings.datapool, folder))
        if deployment.facts.as_account:
            accounts.become()
    except PelagosError as error:
        sys.exit(error.sentence)
    sys.exit(serve(app, deployment.facts.hub_address, deployment.facts.datapool_port))
