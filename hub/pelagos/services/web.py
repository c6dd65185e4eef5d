"""The base of the hub's web services: who may call what, and what every answer carries.

A service puts its routes into routers with one of these dependencies, so that none can forget:

- `Guard.person`: pages. A cookie with a token that the hub gave for this service (OAuth 2
  authorization code, RFC 6749 4.1, with PKCE, RFC 7636); without one, the way to the sign-in.
- `Guard.form`: what a page sends. The same cookie, and two proofs against cross-site requests:
  a token in the form (or in the header X-CSRF-Token) that is an HMAC of the session's own, and
  Sec-Fetch-Site, or else Origin, that names this site.
- `Guard.program`: `Authorization: token|bearer TOKEN` with the scope to access this service.
- `Guard.reader(anonymous)`: what programs and pages read alike: either of program and person; or
  anybody, where that is allowed.

`caller(request)` is who it was.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from cryptography.fernet import Fernet, InvalidToken
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from pelagos.services.identity import ANYBODY, Caller, Hub

AUTHORIZE = "/hub/api/oauth2/authorize"
CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf-token"
_SIGN_IN_SECONDS = 600
_AUTHORIZATION = re.compile(r"(?:token|bearer)\s+(\S+)\s*", re.IGNORECASE)
_HOST = re.compile(r"[A-Za-z0-9._-]+(:\d+)?|\[[0-9A-Fa-f:.]+\](:\d+)?")


def caller(request: Request) -> Caller:
    """Who calls, once a guard let them pass."""
    found: Caller = request.state.caller
    return found


def public_origin(request: Request) -> str:
    """Scheme and host by which the person's browser reaches us, past proxies; no final slash.

    As JupyterHub does it: each proxy adds to X-Forwarded-Proto, the first is the browser's.
    """
    forwarded = request.headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower()
    scheme = forwarded if forwarded in ("http", "https") else request.url.scheme
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        raise HTTPException(400, "The request names no host. Use the address of the hub.")
    return f"{scheme}://{host}"


class Guard:
    """Lets people and programs into one service, or not. `prefix` has no final slash."""

    def __init__(self, hub: Hub, prefix: str, key: str) -> None:
        """`key` is a secret of the service; forms and sign-ins that are under way depend on it."""
        self._hub = hub
        self._prefix = prefix
        self._cookie = hub.client_id
        self._key = hashlib.sha256(b"pelagos service\0" + key.encode()).digest()
        self._states = Fernet(base64.urlsafe_b64encode(self._key))
        self._scopes = {"access:services", f"access:services!service={hub.service}"}
        self.router = APIRouter()
        self.router.add_api_route("/oauth_callback", self._callback, methods=["GET"])

    async def program(self, request: Request) -> None:
        """Dependency: a token in the header, of a person, that may access this service."""
        found = await self._bearer(request)
        if not found.is_person or not self._scopes & found.scopes:
            raise HTTPException(
                403,
                "This token does not open this service. Make one whose scope is "
                f"access:services!service={self._hub.service}, at /hub/token.",
            )
        request.state.caller = found

    async def measurer(self, request: Request) -> None:
        """Dependency: a token in the header that may read metrics, or an administrator's."""
        found = await self._bearer(request)
        full = found.admin and "admin:users" in found.scopes
        if "read:metrics" not in found.scopes and not full:
            raise HTTPException(403, "This token does not have the scope read:metrics.")
        request.state.caller = found

    async def person(self, request: Request) -> None:
        """Dependency: a browser that is signed in; else it is sent to the hub to sign in."""
        mode = request.headers.get("sec-fetch-mode", "navigate")
        if await self._session(request) is None:
            # a script can't sign in, and each try leaves a cookie
            if mode != "navigate" or CSRF_HEADER in request.headers:
                raise HTTPException(403, "Your session has ended. Open the page anew.")
            raise self._to_sign_in(request)
        if self._is_foreign(request, mode):
            raise HTTPException(403, "This page can only be opened in a window of its own.")

    def reader(self, anonymous: bool) -> Callable[[Request], Awaitable[None]]:
        """Dependency: whoever may read, by a token in the header or by the session's cookie.

        If `anonymous`, a request with neither is anybody's. Else a browser that opens a page is
        sent to the hub to sign in, and all others get 401.
        """

        async def read(request: Request) -> None:
            if "authorization" in request.headers:
                await self.program(request)
                return
            mode = request.headers.get("sec-fetch-mode", "navigate")
            signed_in = await self._session(request) is not None
            if signed_in and not self._is_foreign(request, mode):
                return
            if anonymous:
                request.state.caller = ANYBODY
                return
            if signed_in:
                raise HTTPException(403, "This page can only be opened in a window of its own.")
            opens = "text/html" in request.headers.get("accept", "") and mode == "navigate"
            raise self._to_sign_in(request) if opens else _no_token()

        return read

    async def form(self, request: Request) -> None:
        """Dependency: a form of ours, sent by a browser that is signed in."""
        if await self._session(request) is None:
            raise HTTPException(403, "Your session has ended. Open the page anew and sign in.")
        if not _from_here(request):
            raise HTTPException(403, "This form was sent by another site and is refused.")
        async with request.form(max_files=0, max_fields=20) as form:
            given = form.get(CSRF_FIELD)
        if not self._has_token(request, given if isinstance(given, str) else None):
            raise HTTPException(403, "This form is too old. Open the page anew and try again.")

    def _is_foreign(self, request: Request, mode: str) -> bool:
        """Whether it may be another page that uses this person's cookie.

        That is a frame, and what another page of this site (a person's server) fetches.
        """
        embedded = request.headers.get("sec-fetch-dest") in ("iframe", "frame", "embed", "object")
        resource = mode == "no-cors" and request.headers.get("sec-fetch-site") == "same-origin"
        return embedded or (
            mode != "navigate" and not resource and not self._has_token(request, None)
        )

    def csrf(self, request: Request) -> str:
        """What a form on this session's page must send back as `csrf`."""
        token = request.cookies.get(self._cookie, "")
        return hmac.new(self._key, b"csrf\0" + token.encode(), "sha256").hexdigest()

    def _has_token(self, request: Request, field: str | None) -> bool:
        given = field or request.headers.get(CSRF_HEADER, "")
        return hmac.compare_digest(given.encode(), self.csrf(request).encode())

    async def _bearer(self, request: Request) -> Caller:
        given = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
        found = await self._hub.who(given[1]) if given else None
        if found is None:
            raise _no_token()
        return found

    async def _session(self, request: Request) -> Caller | None:
        """Who is signed in with the cookie, noted in the request; None if nobody."""
        token = request.cookies.get(self._cookie, "")
        found = await self._hub.who(token) if token else None
        if found is None or not found.is_person or not self._scopes & found.scopes:
            return None
        request.state.caller = found
        return found

    def _to_sign_in(self, request: Request) -> HTTPException:
        """The redirect that starts the sign-in. What must be known at its end is in a cookie."""
        state, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
        digest = hashlib.sha256(verifier.encode()).digest()
        query = urlencode(
            {
                "client_id": self._hub.client_id,
                "redirect_uri": f"{self._prefix}/oauth_callback",
                "response_type": "code",
                "state": state,
                "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
                "code_challenge_method": "S256",
            }
        )
        kept = {"state": state, "verifier": verifier, "next": self._next(request)}
        answer = RedirectResponse(f"{AUTHORIZE}?{query}", 302)
        answer.set_cookie(
            self._state_cookie(state),
            self._states.encrypt(json.dumps(kept).encode()).decode(),
            max_age=_SIGN_IN_SECONDS,
            path=f"{self._prefix}/oauth_callback",
            secure=public_origin(request).startswith("https:"),
            httponly=True,
            samesite="lax",
        )
        return HTTPException(302, "", {k: answer.headers[k] for k in ("location", "set-cookie")})

    def _next(self, request: Request) -> str:
        """The page to come back to: one of ours, whatever the request says."""
        path = quote(request.url.path)
        known = path.startswith(f"{self._prefix}/") and "/static/" not in path
        return path if known else f"{self._prefix}/"

    def _state_cookie(self, state: str) -> str:
        """One cookie per sign-in: several tabs may be at it."""
        return f"{self._cookie}-{hashlib.sha256(state.encode()).hexdigest()[:12]}"

    async def _callback(self, request: Request) -> Response:
        """The end of the sign-in: the hub sends the browser here with a code."""
        state = request.query_params.get("state", "")
        cookie = self._state_cookie(state)
        kept = self._kept(request.cookies.get(cookie, ""))
        again = f"Start again at {self._prefix}/."
        if not state or not hmac.compare_digest(kept.get("state", "").encode(), state.encode()):
            raise HTTPException(403, f"This sign-in was not begun here, or long ago. {again}")
        code = request.query_params.get("code", "")
        token = None
        if code:
            token = await self._hub.token_for(
                code, kept["verifier"], f"{self._prefix}/oauth_callback"
            )
        if token is None:
            raise HTTPException(403, f"The hub refused the sign-in. {again}")
        answer = RedirectResponse(kept["next"], 303)
        answer.delete_cookie(cookie, path=f"{self._prefix}/oauth_callback")
        answer.set_cookie(
            self._cookie,
            token,
            path=f"{self._prefix}/",
            secure=public_origin(request).startswith("https:"),
            httponly=True,
            samesite="lax",
        )
        return answer

    def _kept(self, cookie: str) -> dict[str, Any]:
        try:
            kept: dict[str, Any] = json.loads(
                self._states.decrypt(cookie.encode(), ttl=_SIGN_IN_SECONDS)
            )
        except InvalidToken:
            return {}
        return kept


def _no_token() -> HTTPException:
    return HTTPException(
        401,
        "The request needs a valid token of the hub: Authorization: token TOKEN.",
        {"WWW-Authenticate": "Bearer"},
    )


def _from_here(request: Request) -> bool:
    """Whether a page of this site sent the request, as far as the browser says."""
    if site := request.headers.get("sec-fetch-site"):
        return site == "same-origin"
    if origin := request.headers.get("origin"):
        # without the scheme: a proxy may end TLS and not say so
        return urlsplit(origin).netloc == request.headers.get("host", "")
    return True  # an old browser; the token decides
