"""Routes of the basket."""

from __future__ import annotations

from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado.web import authenticated

from jupyterlab_pelagos.base import PelagosHandler
from jupyterlab_pelagos.basket import BasketStore
from jupyterlab_pelagos.models.orders import Change
from jupyterlab_pelagos.shared import Shared


class BasketHandler(PelagosHandler):
    """`GET` and `POST /pelagos/basket`."""

    @authenticated
    @authorized
    async def get(self) -> None:
        """What is in it."""
        await self.answer(lambda: self.shared.one(BasketStore).get())

    @authenticated
    @authorized
    async def post(self) -> None:
        """Change it."""
        # msgspec reads unions, and mypy knows no type of one
        change: Any = self.body(Change)  # type: ignore[arg-type]
        await self.answer(lambda: self.shared.one(BasketStore).change(change))


def routes(shared: Shared) -> list[tuple[str, Any, dict[str, Any]]]:
    """Pattern below the base URL, handler, arguments."""
    return [(r"/pelagos/basket", BasketHandler, {"shared": shared})]
