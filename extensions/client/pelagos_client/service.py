"""The workspace service's API, as a server's own token may use it."""

from __future__ import annotations

import http.client
import json
import os
import urllib.error
import urllib.request
from typing import IO, Any

from pelagos_client.errors import NotConfiguredError, ServiceAwayError, ServiceRefusedError

API_VARIABLE = "PELAGOS_WORKSPACE_API"
TOKEN_VARIABLE = "JUPYTERHUB_API_TOKEN"  # noqa: S105 - its name, not a token
_SECONDS = 20
_ANSWER_BYTES = 4 * 2**20


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A token goes to the address that was configured, and nowhere else."""

    def redirect_request(
        self, req: Any, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> None:
        """Follow none."""


def configured() -> bool:
    """Whether the environment names the service and holds a token for it."""
    return bool(os.environ.get(API_VARIABLE)) and bool(os.environ.get(TOKEN_VARIABLE))


def call(method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """One request; the answer. Raises ServiceError."""
    base, token = os.environ.get(API_VARIABLE, ""), os.environ.get(TOKEN_VARIABLE, "")
    if not base.startswith(("http://", "https://")) or not token:
        raise NotConfiguredError(
            f"{API_VARIABLE} or {TOKEN_VARIABLE} is not set: this is no server of a VRE.",
            "Start a server in a Pelagos VRE, or set both.",
        )
    request = urllib.request.Request(  # noqa: S310 - the scheme was looked at
        base.rstrip("/") + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"token {token}", "Content-Type": "application/json"},
    )
    # no proxy: the service is beside the hub
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect())
    try:
        with opener.open(request, timeout=_SECONDS) as answer:
            found: dict[str, Any] = json.loads(answer.read(_ANSWER_BYTES))
    except urllib.error.HTTPError as error:
        with error:
            raise _refusal(error) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ServiceAwayError(
            "The workspace service does not answer.", "Your files are not affected; try again."
        ) from error
    return found


def _refusal(error: urllib.error.HTTPError) -> ServiceAwayError | ServiceRefusedError:
    try:
        reason = str(json.loads(error.read(_ANSWER_BYTES))["reason"])
    except (OSError, ValueError, KeyError, TypeError):
        reason = f"The workspace service answered {error.code}."
    if error.code >= 500:
        return ServiceAwayError(reason)
    return ServiceRefusedError(error.code, reason)
