"""How people sign in, and which groups their virtual labs are."""

from __future__ import annotations

from traitlets.config import Config

from pelagos.deployment import Deployment
from pelagos.settings import AuthenticationKind, Settings
from pelagos.virtual_labs import group_of, managers_group_of


def groups_of(settings: Settings) -> dict[str, dict[str, list[str]]]:
    """Each virtual lab's two JupyterHub groups with the members that the settings name."""
    groups = {}
    for virtual_lab in settings.virtual_labs:
        groups[group_of(virtual_lab)] = {"users": virtual_lab.members}
        groups[managers_group_of(virtual_lab)] = {"users": virtual_lab.managers}
    return groups


def update_authentication(c: Config, deployment: Deployment) -> None:
    """The authenticator, its passwords, and the groups."""
    settings, state = deployment.settings, deployment.state
    c.JupyterHub.load_groups = groups_of(settings)
    match settings.authentication.kind:
        case AuthenticationKind.SHARED_PASSWORD:
            c.JupyterHub.authenticator_class = "shared-password"
            c.SharedPasswordAuthenticator.user_password = state.password("user-password", 3)
            c.SharedPasswordAuthenticator.admin_password = state.password("admin-password", 6)
            c.Authenticator.admin_users = set(settings.authentication.admins)
            c.Authenticator.allow_all = True
