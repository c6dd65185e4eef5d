"""Routes of the orders."""

from __future__ import annotations

import asyncio
from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado.web import authenticated

from jupyterlab_pelagos.base import PelagosHandler, Refused, TurnHandler
from jupyterlab_pelagos.models.orders import Order, Orders, WantedOrder
from jupyterlab_pelagos.models.problem import Problem
from jupyterlab_pelagos.models.search import Asked
from jupyterlab_pelagos.ordering import Ordering
from jupyterlab_pelagos.orders import Desk
from jupyterlab_pelagos.shared import Shared
from jupyterlab_pelagos.watching import Watcher

_AT_ONCE = 2  # estimates: each change of the basket asks for one


class EstimateHandler(TurnHandler):
    """`POST /pelagos/estimate`."""

    @authenticated
    @authorized
    async def post(self) -> None:
        """What an order of the basket would be."""
        self.body(Asked)
        await self.answer_in_turn(lambda: self.shared.one(Ordering).estimate())


class OrdersHandler(PelagosHandler):
    """`GET` and `POST /pelagos/orders`."""

    @authenticated
    @authorized
    async def get(self) -> None:
        """All orders, the newest first."""
        await self.answer(_all, self.shared)

    @authenticated
    @authorized
    async def post(self) -> None:
        """Order what is in the basket."""
        wanted = self.body(WantedOrder)
        await self.answer(_place, self.shared, wanted, status=201)


class OrderHandler(PelagosHandler):
    """`GET` and `DELETE /pelagos/orders/ID`."""

    @authenticated
    @authorized
    async def get(self, order: str) -> None:
        """One order."""
        await self.answer(lambda: self.shared.one(Desk).show(order))

    @authenticated
    @authorized
    async def delete(self, order: str) -> None:
        """Forget it."""
        await self.answer(_delete, self.shared, order)


class FilesHandler(PelagosHandler):
    """`GET /pelagos/orders/ID/files`."""

    @authenticated
    @authorized
    async def get(self, order: str) -> None:
        """A page of its files, from `offset` on."""
        text = self.get_query_argument("offset", "0")
        if not (text.isascii() and text.isdecimal() and len(text) < 10):
            raise Refused(400, Problem(f"offset: {text[:40]!r} is no number."))
        await self.answer(lambda: self.shared.one(Desk).files(order, int(text)))


class CitationsHandler(PelagosHandler):
    """`GET /pelagos/orders/ID/citations`."""

    @authenticated
    @authorized
    async def get(self, order: str) -> None:
        """How its data want to be cited."""
        await self.answer(lambda: self.shared.one(Desk).citations(order))


class CancelHandler(PelagosHandler):
    """`POST /pelagos/orders/ID/cancel`."""

    @authenticated
    @authorized
    async def post(self, order: str) -> None:
        """End it."""
        await self.answer(lambda: self.shared.one(Desk).cancel(order))


class RetryHandler(PelagosHandler):
    """`POST /pelagos/orders/ID/retry`."""

    @authenticated
    @authorized
    async def post(self, order: str) -> None:
        """Fetch again what is missing."""
        await self.answer(_retry, self.shared, order)


def _all(shared: Shared) -> Orders:
    shared.one(Watcher).wake()
    return shared.one(Desk).all()


def _place(shared: Shared, wanted: WantedOrder) -> Order:
    made = shared.one(Ordering).order(wanted)
    shared.one(Watcher).wake()
    return made


def _retry(shared: Shared, order: str) -> Order:
    found = shared.one(Desk).retry(order)
    shared.one(Watcher).wake()
    return found


def _delete(shared: Shared, order: str) -> None:
    shared.one(Desk).delete(order)
    shared.one(Watcher).gone(order)


def routes(shared: Shared) -> list[tuple[str, Any, dict[str, Any]]]:
    """Pattern below the base URL, handler, arguments."""
    shared.one(Watcher).begin()
    one = r"/pelagos/orders/([^/]+)"
    found = [
        (r"/pelagos/orders", OrdersHandler),
        (one, OrderHandler),
        (rf"{one}/files", FilesHandler),
        (rf"{one}/citations", CitationsHandler),
        (rf"{one}/cancel", CancelHandler),
        (rf"{one}/retry", RetryHandler),
    ]
    turns = {"turns": asyncio.Semaphore(_AT_ONCE)}
    return [
        (r"/pelagos/estimate", EstimateHandler, {"shared": shared, **turns}),
        *((pattern, handler, {"shared": shared}) for pattern, handler in found),
    ]
