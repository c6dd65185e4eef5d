"""Routes of the preview."""

from __future__ import annotations

from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado.web import authenticated

from jupyterlab_pelagos import previewing
from jupyterlab_pelagos.base import PelagosHandler
from jupyterlab_pelagos.models import WantedPreview
from jupyterlab_pelagos.shared import Shared


class PreviewHandler(PelagosHandler):
    """`POST /pelagos/preview`."""

    @authenticated
    @authorized
    async def post(self) -> None:
        """A quick look at data."""
        await self.answer(previewing.preview, self.shared, self.body(WantedPreview))


def routes(shared: Shared) -> list[tuple[str, Any, dict[str, Any]]]:
    """Pattern below the base URL, handler, arguments."""
    return [(r"/pelagos/preview", PreviewHandler, {"shared": shared})]
