"""Routes of the preview."""

from __future__ import annotations

import asyncio
from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado.web import authenticated

from jupyterlab_pelagos import previewing
from jupyterlab_pelagos.base import PelagosHandler, Refused
from jupyterlab_pelagos.models.problem import Problem
from jupyterlab_pelagos.models.search import WantedPreview
from jupyterlab_pelagos.shared import Shared

_AT_ONCE = 2
WAIT = 15.0  # seconds for a turn


class PreviewHandler(PelagosHandler):
    """`POST /pelagos/preview`."""

    # tornado passes a handler its own arguments by name
    def initialize(self, shared: Shared, turns: asyncio.Semaphore) -> None:  # type: ignore[override]
        """Take what all requests for previews wait for."""
        super().initialize(shared)
        self._turns = turns
        self._is_wanted = True

    def on_connection_close(self) -> None:
        """Who looks at another granule wants this one no more."""
        self._is_wanted = False

    @authenticated
    @authorized
    async def post(self) -> None:
        """A quick look at data."""
        wanted = self.body(WantedPreview)
        try:
            await asyncio.wait_for(self._turns.acquire(), WAIT)
        except TimeoutError as error:
            raise Refused(
                429,
                Problem(f"{_AT_ONCE} previews are being made already.", "Try again in a moment."),
            ) from error
        try:
            if self._is_wanted:
                await self.answer(previewing.preview, self.shared, wanted)
        finally:
            self._turns.release()


def routes(shared: Shared) -> list[tuple[str, Any, dict[str, Any]]]:
    """Pattern below the base URL, handler, arguments."""
    turns = asyncio.Semaphore(_AT_ONCE)
    return [(r"/pelagos/preview", PreviewHandler, {"shared": shared, "turns": turns})]
