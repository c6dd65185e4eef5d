"""Routes of the workspace service: the page and its forms, the API, metrics."""

from __future__ import annotations

import time
from collections.abc import Awaitable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import PlainTextResponse, RedirectResponse, Response
from pydantic import BaseModel, Field

from pelagos.errors import AccountError, AwayError
from pelagos.services.pace import Pace
from pelagos.services.web import Guard, caller
from pelagos.services.workspace.agent import Agent, AgentRefusal, PersonStatus
from pelagos.services.workspace.storage import StoragePage

_YEAR = 366 * 86400

T = TypeVar("T")
Text = Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[^\x00-\x1f\x7f]+$")]


class Unpin(BaseModel):
    """Which path of which area may expire again."""

    area: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z0-9-]+$")]
    path: Text
    until: float = 0


class Pinning(Unpin):
    """Which path of which area to keep until when (Unix time in seconds)."""

    until: float


class Paces:
    """How often one person may ask, by page and by program together."""

    def __init__(self) -> None:
        # a page asks every ten seconds, a program may follow an upload
        self.status = Pace(rate=5, burst=20)
        # a program may pin what a run wrote, file by file
        self.change = Pace(rate=5, burst=50)
        # each makes the node agent try a mount and every upload
        self.retry = Pace(rate=0.3, burst=3)
        # each asks a server elsewhere, where it may be a guess
        self.account = Pace(rate=0.2, burst=6)


def page_routes(guard: Guard, page: StoragePage, paces: Paces) -> APIRouter:
    """What a browser opens."""
    router = APIRouter(dependencies=[Depends(guard.person)])

    @router.get("", dependencies=[Depends(paces.status.limited)])
    @router.get("/", dependencies=[Depends(paces.status.limited)])
    async def storage(request: Request, done: str = "") -> Response:
        return await page.show(request, done=done)

    @router.get("/static/{name}")
    def static(name: str) -> Response:
        return page.pages.static(name)

    return router


def form_routes(guard: Guard, page: StoragePage, paces: Paces) -> APIRouter:
    """What the page sends."""
    router = APIRouter(dependencies=[Depends(guard.form)])

    @router.post("/retry", dependencies=[Depends(paces.retry.alone)])
    async def retry(request: Request) -> Response:
        try:
            await page.agent.retry(caller(request).name)
        except (AwayError, AgentRefusal) as error:
            return await page.show(request, error=error)
        return _back(page, "retried")

    @router.post("/account", dependencies=[Depends(paces.account.alone)])
    async def keep(request: Request) -> Response:
        form = await request.form()
        user, password = str(form.get("user", "")), str(form.get("password", ""))
        try:
            await page.keep_account(caller(request).name, user, password)
        except AccountError as error:
            return await page.show(request, error=error, entered=user)
        return _back(page, "kept")

    @router.post("/account/forget", dependencies=[Depends(paces.change.limited)])
    async def forget(request: Request) -> Response:
        await page.forget_account(caller(request).name)
        return _back(page, "forgotten")

    return router


def api_routes(guard: Guard, agent: Agent, paces: Paces) -> APIRouter:
    """What programs call; always for the token's own person."""
    router = APIRouter(prefix="/api", dependencies=[Depends(guard.program)])

    @router.get("/status", dependencies=[Depends(paces.status.limited)])
    async def status(request: Request) -> PersonStatus:
        return await _refusing(agent.status(caller(request).name))

    @router.post("/retry", dependencies=[Depends(paces.retry.alone)])
    async def retry(request: Request) -> PersonStatus:
        return await _refusing(agent.retry(caller(request).name))

    @router.put("/pins", dependencies=[Depends(paces.change.limited)])
    async def pin(request: Request, wanted: Pinning) -> dict[str, Any]:
        now = time.time()
        if not now < wanted.until < now + _YEAR:
            raise HTTPException(400, "A pin holds until a time within the next year.")
        path = _inside(wanted.path)
        await _refusing(agent.pin(caller(request).name, wanted.area, path, int(wanted.until)))
        return {"area": wanted.area, "path": path, "until": int(wanted.until)}

    @router.delete("/pins", dependencies=[Depends(paces.change.limited)])
    async def unpin(request: Request, wanted: Unpin) -> dict[str, Any]:
        path = _inside(wanted.path)
        await _refusing(agent.unpin(caller(request).name, wanted.area, path))
        return {"area": wanted.area, "path": path}

    return router


def metric_routes(guard: Guard, agent: Agent) -> APIRouter:
    """What Prometheus reads."""
    router = APIRouter(dependencies=[Depends(guard.measurer)])

    @router.get("/metrics")
    async def metrics() -> Response:
        return PlainTextResponse(
            await agent.metrics(), media_type="text/plain; version=0.0.4; charset=utf-8"
        )

    return router


async def _refusing(asked: Awaitable[T]) -> T:
    """The agent's answer; its refusal as an answer of ours."""
    try:
        return await asked
    except AgentRefusal as error:
        raise HTTPException(error.status, str(error)) from error


def _inside(path: str) -> str:
    """`path` without needless parts. Raises HTTPException for one that leaves its area."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if path.startswith("/") or ".." in parts or not parts:
        raise HTTPException(400, "The path must be below its area, such as run1/output.nc.")
    return "/".join(parts)


def _back(page: StoragePage, done: str) -> Response:
    return RedirectResponse(f"{page.prefix}/?done={done}", 303)
