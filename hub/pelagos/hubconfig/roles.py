"""Who may call which part of the hub's API: one role per service, with the least scopes."""

from __future__ import annotations

from traitlets.config import Config

from pelagos.deployment import Deployment

OPERATOR = "pelagos-operator"
CULLER = "pelagos-culler"
RECONCILER = "pelagos-reconciler"

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
    RECONCILER: ["list:users", "read:users:name", "read:servers"],
}


def update_roles(c: Config, deployment: Deployment) -> None:
    """The services with their tokens, and a role each."""
    c.JupyterHub.services = [
        {"name": name, "api_token": deployment.state.secret(name)} for name in SCOPES
    ]
    c.JupyterHub.load_roles = [
        {"name": name, "scopes": scopes, "services": [name]} for name, scopes in SCOPES.items()
    ]
