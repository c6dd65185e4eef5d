"""Routes of the sources' page: for people, its form, for programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from pelagos.deployment import CATALOGUE_PATH
from pelagos.services.application import Pages
from pelagos.services.catalogue.access import Views
from pelagos.services.catalogue.sources_page import SourcesPage
from pelagos.services.pace import Pace
from pelagos.services.web import Guard
from pelagos.settings.sources import Source


def sources_routers(
    pages: Pages, guard: Guard, sources: Sequence[Source], folder: Path, views: Views | None = None
) -> list[APIRouter]:
    """All of them, to be included below the service's path: see SourcesPage."""
    page = SourcesPage(pages, guard, sources, folder, CATALOGUE_PATH, views)
    look = Pace(rate=5, burst=20)
    return [
        page_routes(guard, page, look),
        form_routes(guard, page, Pace(rate=0.5, burst=20)),
        program_routes(guard, page, look),
    ]


def page_routes(guard: Guard, page: SourcesPage, look: Pace) -> APIRouter:
    """What a browser opens."""
    router = APIRouter(dependencies=[Depends(guard.person)])

    @router.get("/sources", dependencies=[Depends(look.limited)])
    async def sources(request: Request, asked: str = "") -> Response:
        return await page.show(request, asked=asked)

    return router


def form_routes(guard: Guard, page: SourcesPage, ask: Pace) -> APIRouter:
    """What the page sends."""
    router = APIRouter(dependencies=[Depends(guard.form)])

    @router.post("/sources/run", dependencies=[Depends(ask.limited)])
    async def run(request: Request) -> Response:
        form = await request.form()
        name = str(form.get("source", ""))
        await page.ask(request, name)
        return RedirectResponse(f"{page.prefix}/sources?asked={quote(name)}", 303)

    return router


def program_routes(guard: Guard, page: SourcesPage, look: Pace) -> APIRouter:
    """What programs call. STAC has no path of this name."""
    router = APIRouter(dependencies=[Depends(guard.program)])

    @router.get("/sources.json", dependencies=[Depends(look.limited)])
    async def sources(request: Request) -> dict[str, Any]:
        return await page.as_json(request)

    return router
