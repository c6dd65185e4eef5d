"""The workspace service's API, as a server's own token may use it."""

from __future__ import annotations

from typing import Any

from pelagos_client.web import TOKEN_VARIABLE, Service

__all__ = ["API_VARIABLE", "TOKEN_VARIABLE", "call", "configured"]

API_VARIABLE = "PELAGOS_WORKSPACE_API"
_SERVICE = Service(API_VARIABLE, "workspace service", "Your files are not affected")


def configured() -> bool:
    """Whether the environment names the service and holds a token for it."""
    return _SERVICE.configured()


def call(method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """One request; the answer. Raises ServiceError."""
    found: dict[str, Any] = _SERVICE.call(method, path, body)
    return found
