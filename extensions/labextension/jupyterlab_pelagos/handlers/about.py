"""What this server is and can."""

from __future__ import annotations

import os
from typing import Any, Literal

from jupyter_server.auth.decorator import authorized
from tornado.web import authenticated

from jupyterlab_pelagos import __version__
from jupyterlab_pelagos.base import PelagosHandler
from jupyterlab_pelagos.models.server import About
from jupyterlab_pelagos.shared import Shared


class AboutHandler(PelagosHandler):
    """`GET /pelagos/about`."""

    @authenticated
    @authorized
    async def get(self) -> None:
        """What the panel shows and hides."""
        await self.answer(about, self.shared)


def about(shared: Shared) -> About:
    """From the environment of this server, whose tokens and secrets are left out."""
    from pelagos_client import folders, hub_orders, searching, service

    own = os.environ.get(searching.API_VARIABLE, "")
    has_token = bool(os.environ.get(service.TOKEN_VARIABLE))
    catalogue: Literal["vre", "url", "none"] = "vre" if own and has_token else "none"
    if shared.catalogue_url:
        catalogue = "url"
    prefix = os.environ.get("JUPYTERHUB_SERVICE_PREFIX", "")
    hub = bool(prefix and has_token and service.configured())
    return About(
        version=__version__,
        hub=hub,
        catalogue=catalogue,
        catalogue_url=shared.catalogue_url,
        datapool=hub_orders.SERVICE.configured(),
        workspace=service.configured() or folders.workspace().is_dir(),
        dataspace=folders.dataspace().is_dir(),
        virtual_lab=os.environ.get("PELAGOS_VIRTUAL_LAB", ""),
        virtual_lab_title=os.environ.get("PELAGOS_VIRTUAL_LAB_TITLE", ""),
        root=str(shared.root),
        links=_links() if hub else {},
    )


def _links() -> dict[str, str]:
    """Pages of the hub, by paths on its own address."""
    base = os.environ.get("JUPYTERHUB_BASE_URL", "/").rstrip("/")
    return {
        "home": f"{base}/hub/home",
        "storage": f"{base}/services/workspace/",
        "orders": f"{base}/services/datapool/",
        "catalogue": f"{base}/services/catalogue/",
    }


def routes(shared: Shared) -> list[tuple[str, Any, dict[str, Any]]]:
    """Pattern below the base URL, handler, arguments."""
    return [(r"/pelagos/about", AboutHandler, {"shared": shared})]
