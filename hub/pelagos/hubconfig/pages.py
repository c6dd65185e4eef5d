"""What people see of the hub: our templates over JupyterHub's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from traitlets.config import Config

from pelagos.deployment import TEMPLATES, Deployment
from pelagos.hubconfig.form import choices
from pelagos.virtual_labs import virtual_labs_of


def update_pages(c: Config, deployment: Deployment) -> None:
    """Templates and the values they use."""
    c.JupyterHub.template_paths = [str(TEMPLATES)]
    c.JupyterHub.template_vars = {
        "site": deployment.settings.site,
        # JupyterHub calls a callable with whoever looks at the page, but an administrator may look
        # at somebody else's: hand the templates a function
        "virtual_labs_for": lambda viewer: virtual_labs_for(deployment),
        "named_servers": deployment.settings.servers.named,
    }


def virtual_labs_for(deployment: Deployment) -> Callable[[Any], list[dict[str, Any]]]:
    """A function for templates: what a JupyterHub user may choose from."""

    def of_user(user: Any) -> list[dict[str, Any]]:
        groups = [group.name for group in user.groups]
        return choices(deployment, virtual_labs_of(deployment.settings, groups))

    return of_user
