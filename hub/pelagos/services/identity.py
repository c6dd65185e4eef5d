"""Who calls a service: the hub knows, by a token.

Plain HTTP to the hub instead of jupyterhub.services.auth: its HubOAuth is made for Tornado, asks
through one thread and without a timeout, and remembers an answer for five minutes.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

from pelagos.errors import AwayError

CACHE_SECONDS = 10.0
_CACHED = 5000  # answers; more are forgotten early
_TIMEOUT = httpx.Timeout(10, connect=3)


@dataclass(frozen=True)
class Caller:
    """A person or a service, with what the presented token allows.

    `groups` are the person's JupyterHub groups: the hub tells them to every token of theirs.
    """

    name: str
    is_person: bool
    admin: bool
    scopes: frozenset[str]
    groups: frozenset[str] = frozenset()


# who reads without a sign-in, where a service allows that
ANYBODY = Caller("", is_person=False, admin=False, scopes=frozenset())


class Hub:
    """The hub as a service sees it. Close it at the end.

    `api` is the address of the hub's API, `service` the service's name there, `token` its own.
    Every method raises AwayError if the hub does not answer.
    """

    def __init__(self, api: str, service: str, token: str) -> None:
        self.service = service
        self._token = token
        self._own = {"Authorization": f"token {token}"}
        self._client = httpx.AsyncClient(base_url=api, timeout=_TIMEOUT, trust_env=False)
        self._cache: dict[bytes, tuple[float, Caller | None]] = {}

    @property
    def client_id(self) -> str:
        """The service's name in OAuth."""
        return f"service-{self.service}"

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()

    async def who(self, token: str) -> Caller | None:
        """Whose token this is; None if nobody's. An answer is remembered for a few seconds."""
        if not (token.isascii() and token.isprintable()):
            return None
        key = hashlib.sha256(token.encode()).digest()
        until, known = self._cache.get(key, (0.0, None))
        if until > time.monotonic():
            return known
        asked = time.monotonic()
        answer = await self._ask("GET", "/user", headers={"Authorization": f"token {token}"})
        caller = _caller(answer.json()) if answer.is_success else None
        self._remember(key, asked + CACHE_SECONDS, caller)
        return caller

    async def has_people(self) -> bool:
        """Whether the service's own token shows any account at all."""
        answer = await self._ask("GET", "/users?limit=1", headers=self._own)
        return bool(answer.is_success and answer.json())

    async def has_person(self, name: str) -> bool:
        """Whether there is an account of this name, as far as the service's own token shows."""
        answer = await self._ask("GET", f"/users/{quote(name, safe='')}", headers=self._own)
        if not answer.is_success and answer.status_code != 404:
            raise _away()  # no reason to believe that somebody is gone
        return bool(answer.is_success)

    async def token_for(self, code: str, verifier: str, redirect: str) -> str | None:
        """The token for an authorization code (RFC 6749 4.1.3, RFC 7636 4.5); None if refused."""
        answer = await self._ask(
            "POST",
            "/oauth2/token",
            data={
                "client_id": self.client_id,
                "client_secret": self._token,
                "grant_type": "authorization_code",
                "code": code,
                "code_verifier": verifier,
                "redirect_uri": redirect,
            },
        )
        return str(answer.json()["access_token"]) if answer.is_success else None

    async def _ask(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        try:
            answer = await self._client.request(method, path, **arguments)
        except httpx.HTTPError as error:
            raise _away() from error
        if answer.status_code == 429 or answer.is_server_error:
            raise _away()
        return answer

    def _remember(self, key: bytes, until: float, caller: Caller | None) -> None:
        if len(self._cache) >= _CACHED:
            now = time.monotonic()
            self._cache = {k: v for k, v in self._cache.items() if v[0] > now}
            if len(self._cache) >= _CACHED:  # somebody tries tokens
                self._cache.clear()
        self._cache[key] = (until, caller)


def _caller(model: dict[str, Any]) -> Caller:
    return Caller(
        name=str(model["name"]),
        is_person=model.get("kind") == "user",
        admin=bool(model.get("admin")),
        scopes=frozenset(model.get("scopes") or ()),
        groups=frozenset(model.get("groups") or ()),
    )


def _away() -> AwayError:
    return AwayError("The hub, which knows who you are, does not answer.", "Try again in a minute.")
