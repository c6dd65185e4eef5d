"""The page of a person's orders, and the forms on it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse

from pelagos.datapool.model import AGAIN, UNDER_WAY, OrderState, Target
from pelagos.deployment import DATAPOOL_PATH
from pelagos.errors import PelagosError, RefusedError
from pelagos.services.application import Pages
from pelagos.services.datapool import models
from pelagos.services.datapool.desk import Desk
from pelagos.services.datapool.events import Feed
from pelagos.services.datapool.events_routes import Last, following
from pelagos.services.datapool.routes import Number, Paces, found
from pelagos.services.web import CSRF_FIELD, Guard, caller
from pelagos.units import format_bytes

_PAGE = 25  # orders
_STATES = {
    OrderState.QUEUED: ("busy", "Waits for its turn"),
    OrderState.FETCHING: ("busy", "Being fetched"),
    OrderState.WAITING: ("busy", "The source prepares the files"),
    OrderState.VERIFYING: ("busy", "Being verified and put into its folder"),
    OrderState.READY: ("good", "Ready"),
    OrderState.FAILED: ("bad", "Failed"),
    OrderState.CANCELLED: ("none", "Cancelled"),
    OrderState.EXPIRED: ("none", "Expired: its files are gone from the pool"),
}
_DONE = {
    "cancelled": "The order is cancelled.",
    "retried": "Trying again. This page shows how it goes.",
    "deleted": "The order is forgotten. Delete its folder if you need no more of it.",
}


class OrdersPage:
    """The page, over what it is made of."""

    def __init__(self, pages: Pages, guard: Guard, desk: Desk) -> None:
        self.pages, self.desk = pages, desk
        self._guard = guard
        pages.filters.update(bytes=format_bytes, moment=_moment)

    async def show(
        self,
        request: Request,
        *,
        before: int | None = None,
        done: str = "",
        error: PelagosError | None = None,
    ) -> Response:
        """The page. With `error` it says what went wrong."""
        listed = await self.desk.page(caller(request), (), "", before, _PAGE)
        values = {
            "name": caller(request).name,
            "csrf_field": CSRF_FIELD,
            "csrf": self._guard.csrf(request),
            "done": _DONE.get(done, ""),
            "error": error.sentence if error else "",
            "orders": [_shown(one) for one in listed.orders],
            "before": listed.before,
            "is_first": before is None,
        }
        return self.pages.render("orders.html", values, 409 if error else 200)


def page_routes(guard: Guard, page: OrdersPage, feed: Feed, paces: Paces) -> APIRouter:
    """What a browser opens, and what the page's script follows."""
    router = APIRouter(dependencies=[Depends(guard.person)])
    limited = [Depends(paces.read.limited)]

    @router.get("", dependencies=limited)
    async def above() -> Response:
        return RedirectResponse(f"{DATAPOOL_PATH}/", 307)

    @router.get("/", dependencies=limited)
    async def orders(
        request: Request,
        done: str = "",
        before: Annotated[int | None, Query(ge=1, lt=2**31)] = None,
    ) -> Response:
        return await page.show(request, before=before, done=done)

    @router.get("/events", dependencies=limited, response_model=None)
    async def events(request: Request, last: Last = "") -> StreamingResponse:
        return await following(feed, page.desk.viewer(caller(request)), None, last)

    @router.get("/static/{name}")
    def static(name: str) -> Response:
        return page.pages.static(name)

    return router


def form_routes(guard: Guard, page: OrdersPage, paces: Paces) -> APIRouter:
    """What the page sends."""
    router = APIRouter(
        dependencies=[Depends(guard.form), Depends(paces.change.limited)],
    )
    desk = page.desk

    async def done(request: Request, word: str, doing: Awaitable[Any], number: int) -> Response:
        try:
            found(await doing or None, number)
        except RefusedError as error:
            return await page.show(request, error=error)
        return RedirectResponse(f"{DATAPOOL_PATH}/?done={word}", 303)

    def add(path: str, word: str, act: Callable[..., Awaitable[Any]]) -> None:
        async def send(request: Request, number: Number) -> Response:
            return await done(request, word, act(caller(request), number), number)

        router.add_api_route(f"/orders/{{number}}/{path}", send, methods=["POST"])

    add("cancel", "cancelled", desk.cancel)
    add("retry", "retried", desk.retry)
    add("delete", "deleted", desk.delete)
    return router


def _shown(order: models.Order) -> dict[str, Any]:
    """An order as the template has it."""
    mark, text = _STATES[order.state]
    above = "~/dataspace/me" if order.to is Target.DATASPACE else "~/workspace"
    return {
        "order": order,
        "mark": mark,
        "state_text": text,
        "folder": f"{above}/{order.folder}" if order.folder else "",
        "is_whole": order.state is OrderState.READY and order.files.ready == order.files.total,
        # what is in the workspace stays; with the time the pool forgets its own copy
        "kept": "its files stay at least"
        if order.to is Target.DATASPACE
        else "the data pool has them too, at least",
        "can_cancel": order.state in UNDER_WAY,
        "can_retry": order.state in AGAIN,
        "has_progress": order.state in UNDER_WAY and bool(order.files.total),
        # bytes say more than files, where they are known
        "share": _share(order),
    }


def _share(order: models.Order) -> int:
    """Percent that are done."""
    sizes, files = order.bytes, order.files
    if sizes.known and not sizes.unknown:
        return min(100, 100 * sizes.done // sizes.known)
    return 100 * files.ready // files.total if files.total else 0


def _moment(when: datetime) -> str:
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
