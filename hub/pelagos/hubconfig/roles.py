"""Who may call which part of the hub's API: one role per service, with the least scopes."""

from __future__ import annotations

from typing import Any

from traitlets.config import Config

from pelagos.deployment import CATALOGUE_PATH, DATAPOOL_PATH, DAV_PATH, WORKSPACE_PATH, Deployment
from pelagos.settings import WorkspaceKind

OPERATOR = "pelagos-operator"
CULLER = "pelagos-culler"
RECONCILER = "pelagos-reconciler"
DAV = "pelagos-dav"
WORKSPACE = WORKSPACE_PATH.rpartition("/")[2]
CATALOGUE = CATALOGUE_PATH.rpartition("/")[2]
DATAPOOL = DATAPOOL_PATH.rpartition("/")[2]

# What a person's token, or a server's own, must hold to reach its owner's files.
WORKSPACE_SCOPE = f"access:services!service={WORKSPACE}"
# And to search.
CATALOGUE_SCOPE = f"access:services!service={CATALOGUE}"
# And to order.
DATAPOOL_SCOPE = f"access:services!service={DATAPOOL}"

SCOPES = {
    # ./pelagos check, status, down --servers: makes a person, starts and uses their server
    OPERATOR: [
        "admin:users",
        "admin:servers",
        "access:servers",
        "admin:groups",
        "read:hub",
    ],
    CULLER: ["list:users", "read:users:activity", "read:servers", "delete:servers"],
    RECONCILER: ["list:users", "read:users:name", "read:users:groups", "read:servers"],
    # which virtual labs a person is in
    DAV: ["list:users", "read:users:name", "read:users:groups"],
    WORKSPACE: ["list:users", "read:users:name", "read:users:groups"],
    CATALOGUE: ["list:users", "read:users:name", "read:users:groups"],
    DATAPOOL: ["list:users", "read:users:name", "read:users:groups"],
}
# JupyterHub's own roles, each with the way to its owner's files, catalogue and orders added.
_DEFAULT_ROLES = {
    "user": ["self", WORKSPACE_SCOPE, CATALOGUE_SCOPE, DATAPOOL_SCOPE],
    "server": [
        "users:activity!user",
        "access:servers!server",
        WORKSPACE_SCOPE,
        CATALOGUE_SCOPE,
        DATAPOOL_SCOPE,
    ],
}


def update_roles(c: Config, deployment: Deployment) -> None:
    """The services with their tokens, and a role each."""
    pages: dict[str, Any] = {
        # part of this VRE: people need not be asked whether it may know their name
        "oauth_no_confirm": True,
        "display": True,
        # the hub starts beside them, and asks once: with one that is away it starts all the same
        "timeout": 2,
    }
    origins = {
        WORKSPACE: deployment.workspace_origin,
        CATALOGUE: deployment.catalogue_origin,
        DATAPOOL: deployment.datapool_origin,
    }
    c.JupyterHub.services = [
        {
            "name": name,
            "api_token": deployment.state.secret(name),
            **({"url": origins[name], **pages} if name in origins else {}),
        }
        for name in SCOPES
    ]
    c.JupyterHub.load_roles = [
        *({"name": name, "scopes": scopes} for name, scopes in _DEFAULT_ROLES.items()),
        *({"name": name, "scopes": scopes, "services": [name]} for name, scopes in SCOPES.items()),
    ]
    if deployment.settings.storage.workspace.kind is WorkspaceKind.EMBEDDED:
        # a process of its own below the workspace service's address
        c.Proxy.extra_routes = {f"{DAV_PATH}/": f"http://127.0.0.1:{deployment.facts.dav_port}"}
