"""The hub's services, as a server's own token may use them: JSON over HTTP, and their events.

A token goes to the address that was configured and nowhere else: no redirect is followed, and no
proxy is used, because the services are beside the hub.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import urlencode, urlsplit

from pelagos_client.errors import NotConfiguredError, ServiceAwayError, ServiceRefusedError

TOKEN_VARIABLE = "JUPYTERHUB_API_TOKEN"  # noqa: S105 - its name, not a token
_LINE_BYTES = 64 * 2**10  # of an event


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A token goes to the address that was configured, and nowhere else."""

    def redirect_request(
        self, req: Any, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> None:
        """Follow none."""


@dataclass(frozen=True)
class Service:
    """A service: `variable` of the environment has its address, `name` is for people, `safe` what
    is not affected when it is away. `seconds` without a byte, `answer_bytes` at most."""

    variable: str
    name: str
    safe: str
    seconds: float = 20
    answer_bytes: int = 4 * 2**20

    def configured(self) -> bool:
        """Whether the environment names the service and holds a token for it."""
        return bool(os.environ.get(self.variable)) and bool(os.environ.get(TOKEN_VARIABLE))

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
    ) -> Any:
        """One request; the JSON of the answer, None if it is empty. Raises ServiceError."""
        try:
            with self._open(method, path, body, query, self.seconds) as answer:
                content = answer.read(self.answer_bytes + 1)
            if len(content) > self.answer_bytes:
                raise ServiceAwayError(
                    f"The {self.name} answered with more than {self.answer_bytes} bytes.",
                    "Ask for less at once.",
                )
            return json.loads(content) if content else None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._away() from error

    def events(
        self,
        path: str,
        seconds: float,
        last: str = "",
        opened: Callable[[Callable[[], None]], None] | None = None,
    ) -> Generator[dict[str, Any], None, None]:
        """The data of server-sent events (WHATWG HTML 9.2) until the service ends the stream, or
        nothing came for `seconds`. Comments come as {}. Raises ServiceError.

        `last`: Last-Event-ID. `opened` gets a function that ends the stream from another thread.
        """
        try:
            with self._open("GET", path, None, None, seconds, last) as answer:
                if opened is not None:
                    opened(lambda: _end(answer))
                if not answer.headers.get("Content-Type", "").startswith("text/event-stream"):
                    return
                data: list[str] = []
                while raw := answer.readline(_LINE_BYTES):
                    line = raw.decode().rstrip("\r\n")
                    if line.startswith("data:"):
                        data.append(line[5:].removeprefix(" "))
                    elif line.startswith(":"):
                        yield {}
                    elif not line and data:
                        found = json.loads("\n".join(data))
                        data = []
                        yield found if isinstance(found, dict) else {}
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._away() from error

    def _open(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        query: Mapping[str, Any] | None,
        seconds: float,
        last: str = "",
    ) -> Any:
        base, token = os.environ.get(self.variable, ""), os.environ.get(TOKEN_VARIABLE, "")
        if not base.startswith(("http://", "https://")) or not token:
            raise NotConfiguredError(
                f"{self.variable} or {TOKEN_VARIABLE} is not set: this is no server of a VRE.",
                "Start a server in a Pelagos VRE, or set both.",
            )
        request = urllib.request.Request(  # noqa: S310 - the scheme was looked at
            base.rstrip("/") + path + ("?" + urlencode(query, doseq=True) if query else ""),
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {token}", "Content-Type": "application/json"}
            | ({"Last-Event-ID": last} if last else {}),
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect())
        try:
            return opener.open(request, timeout=seconds)
        except urllib.error.HTTPError as error:
            with error:
                raise self._refusal(error) from None

    def _away(self) -> ServiceAwayError:
        return ServiceAwayError(f"The {self.name} does not answer.", f"{self.safe}; try again.")

    def _refusal(self, error: urllib.error.HTTPError) -> ServiceAwayError | ServiceRefusedError:
        """With the service's own sentence, where it has one."""
        found: Any = None
        try:
            found = json.loads(error.read(self.answer_bytes))
            # the catalogue's errors are as STAC APIs have them
            name = next((one for one in ("reason", "description") if one in found), "detail")
            reason = str(found[name])
            reason = " ".join(filter(None, [reason, str(found.get("mend") or "")]))
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
            reason = f"The {self.name} answered {error.code}."
        if error.code >= 500:
            return ServiceAwayError(reason)
        return ServiceRefusedError(error.code, reason, found if isinstance(found, dict) else None)


def _end(answer: Any) -> None:
    """End the connection of an answer that another thread reads."""
    with (
        contextlib.suppress(OSError, ValueError, AttributeError),  # it ended by itself
        socket.socket(fileno=os.dup(answer.fileno())) as connection,
    ):
        connection.shutdown(socket.SHUT_RDWR)


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of an http(s) URL, in one spelling. Raises ValueError for others."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is no http address")
    return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
