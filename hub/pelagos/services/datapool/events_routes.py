"""Routes that follow orders."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import StreamingResponse

from pelagos.datapool.orders_shown import Viewer
from pelagos.services.datapool.desk import Desk
from pelagos.services.datapool.events import MEDIA_TYPE, Feed
from pelagos.services.datapool.routes import PROBLEMS, Number, Paces, found
from pelagos.services.web import Guard, caller

_MOST = 2**62
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events `order`: the order as JSON, its `sequence` as the id.",
        "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
    },
    **PROBLEMS,
}
Last = Annotated[str, Header(alias="Last-Event-ID", max_length=30)]


def event_routes(guard: Guard, desk: Desk, feed: Feed, paces: Paces) -> APIRouter:
    """What programs follow."""
    router = APIRouter(
        prefix="/api",
        dependencies=[Depends(guard.program), Depends(paces.read.limited)],
        tags=["orders"],
        responses=_ANSWERS,
        default_response_class=StreamingResponse,
    )

    @router.get("/orders/{number}/events", response_model=None)
    async def one(request: Request, number: Number, last: Last = "") -> StreamingResponse:
        """An order as it changes, at most twice a second, until it is over."""
        found(await desk.show(caller(request), number), number)
        return await following(feed, desk.viewer(caller(request)), number, last)

    @router.get("/events", response_model=None)
    async def all_of_mine(request: Request, last: Last = "") -> StreamingResponse:
        """Your orders as they change: first those under way, or those changed since the last id."""
        return await following(feed, desk.viewer(caller(request)), None, last)

    return router


async def following(feed: Feed, viewer: Viewer, number: int | None, last: str) -> StreamingResponse:
    """The stream. Raises HTTPException if there are too many, and AwayError."""
    known = int(last) if last.isascii() and last.isdigit() and int(last) < _MOST else None
    await feed.check(viewer)
    return StreamingResponse(
        feed.stream(viewer, number, known),
        media_type=MEDIA_TYPE,
        headers={"X-Accel-Buffering": "no"},
    )
