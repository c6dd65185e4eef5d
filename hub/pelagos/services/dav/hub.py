"""What the hub knows: whose a token is, and who is in which group. Answers are kept a while.

Tokens are kept and compared as keyed hashes only.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

from pelagos.hubconfig.roles import WORKSPACE_SCOPE
from pelagos.services.dav.refusals import refuse

logger = logging.getLogger(__name__)

TOKEN_SECONDS = 10.0
WRONG_TOKEN_SECONDS = 5.0
STALE_TOKEN_SECONDS = 60.0  # while the hub does not answer
GROUP_SECONDS = 30.0
CHECKS_AT_ONCE = 6
RETRY_AFTER = 5
_WAIT_SECONDS = 10.0
_MOST_KEPT = 10_000
_SCOPES = {WORKSPACE_SCOPE, "access:services"}


class HubAwayError(Exception):
    """The hub does not answer, or not as it should."""


@dataclass
class _Answer:
    """What the hub said last about one thing."""

    value: Any = None
    at: float = 0.0
    known: bool = False
    tried: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)


class _Answers:
    """The last answers, a bounded number of them; one question at a time about the same thing."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, _Answer] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, key: str) -> _Answer:
        with self._lock:
            answer = self._kept.setdefault(key, _Answer())
            self._kept.move_to_end(key)
            while len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
            return answer


class Hub:
    """The hub's API, asked by many threads."""

    def __init__(
        self, api: str, service_token: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._tokens = _Answers()
        self._groups = _Answers()
        self._slots = threading.BoundedSemaphore(CHECKS_AT_ONCE)
        self._service = {"Authorization": f"token {service_token}"}
        self._client = httpx.Client(base_url=api, timeout=5, trust_env=False)

    def close(self) -> None:
        """End connections."""
        self._client.close()

    def owner(self, token: str) -> str | None:
        """Name of the person whose token this is; None if it opens no workspace.

        Raises a refusal (503) if the hub does not answer and it was not asked lately.
        """
        key = hmac.new(self._key, token.encode("utf-8", "surrogatepass"), hashlib.sha256)
        answer = self._tokens.of(key.hexdigest())
        with answer.lock:
            now = self._clock()
            keep = TOKEN_SECONDS if answer.value is not None else WRONG_TOKEN_SECONDS
            if answer.known and now - answer.at < keep:
                return str(answer.value) if answer.value is not None else None
            try:
                value = self._ask_owner(token)
            except HubAwayError:
                if answer.value is not None and now - answer.at < STALE_TOKEN_SECONDS:
                    return str(answer.value)
                raise refuse(
                    503,
                    "Your sign-in can't be checked because JupyterHub does not answer. Try again "
                    "in a moment.",
                    headers=[("Retry-After", str(RETRY_AFTER))],
                ) from None
            answer.value, answer.at, answer.known = value, self._clock(), True
            return value

    def _ask_owner(self, token: str) -> str | None:
        if not token.isascii() or not token.isprintable():
            return None
        response = self._get("/user", {"Authorization": f"token {token}"})
        if response.status_code in (401, 403):
            return None
        found = self._json(response)
        allowed = found.get("kind") == "user" and _SCOPES & set(found.get("scopes") or [])
        return str(found["name"]) if allowed and found.get("name") else None

    def groups(self, name: str) -> set[str] | None:
        """The groups of a person, at most half a minute old; None if they were never known.

        While the hub is away, the last answer.
        """
        answer = self._groups.of(name)
        with answer.lock:
            now = self._clock()
            fresh = answer.known and now - answer.at < GROUP_SECONDS
            if fresh or (answer.tried and now - answer.tried < 1):
                return answer.value if answer.known else None
            answer.tried = now
            try:
                response = self._get(f"/users/{quote(name, safe='')}", self._service)
                missing = response.status_code == 404
                found = set() if missing else set(self._json(response).get("groups") or [])
            except HubAwayError as error:
                logger.warning("Groups of %r are not known anew: %s", name, error)
                return answer.value if answer.known else None
            answer.value, answer.at, answer.known, answer.tried = found, self._clock(), True, 0.0
            return found

    def _get(self, path: str, headers: dict[str, str]) -> httpx.Response:
        if not self._slots.acquire(timeout=_WAIT_SECONDS):
            raise HubAwayError("too many checks at once")
        try:
            return self._client.get(path, headers=headers)
        except httpx.HTTPError as error:
            raise HubAwayError(type(error).__name__) from None  # its text may hold the request
        finally:
            self._slots.release()

    @staticmethod
    def _json(response: httpx.Response) -> dict[str, Any]:
        if response.status_code != 200:
            raise HubAwayError(f"HTTP {response.status_code}")
        try:
            found = response.json()
        except ValueError:
            raise HubAwayError("no JSON") from None
        if not isinstance(found, dict):
            raise HubAwayError("no object")
        return found
