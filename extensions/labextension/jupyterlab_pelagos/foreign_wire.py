"""Requests to a STAC API that is not the VRE's: JSON, within limits of size and time.

A token that a person gave to `pelagos_client.search` goes along, to its own origin only.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

import msgspec

from jupyterlab_pelagos import shaping
from jupyterlab_pelagos.base import Refused
from jupyterlab_pelagos.models.problem import Problem
from jupyterlab_pelagos.models.search import Box

SECONDS = 30.0  # of one request
_BYTES = 32 * 2**20
_CHUNK = 2**16
_FRESH = 600.0  # seconds for which a landing page is taken as it was
_KEPT = 20
_REASON_BYTES = 2**16
_HOPS = 6  # redirects, and the answer


class Page(msgspec.Struct):
    """A request for a page: what `next` stands for in the browser.

    Of a box across the antimeridian there are two: `after` is asked when this one has no more, and
    leaves out what lies in `seen`, which was searched before.
    """

    url: str
    method: str = "GET"
    body: dict[str, Any] | None = None
    after: Page | None = None
    seen: Box | None = None


class Api:
    """A STAC API by its landing page."""

    def __init__(self, url: str, landing: Mapping[str, Any]) -> None:
        self.url = url
        self.name = f"The catalogue at {urlsplit(url).hostname}"
        given = [shaping.text_of(one, 300) for one in shaping.listed(landing.get("conformsTo"))]
        self._conforms = [one.partition("api.stacspec.org")[2] for one in given]
        self._links = [shaping.mapping(one) for one in shaping.listed(landing.get("links"))]

    def can(self, what: str) -> bool:
        """Whether it conforms to a class, such as `item-search#sort`."""
        return any(one.rstrip("/").endswith(f"/{what}") for one in self._conforms)

    def address(self, rel: str, otherwise: str) -> str:
        """Where a link of the landing page leads, if that is on this origin; else the usual one."""
        for link in self._links:
            found = self.absolute(link.get("href"))
            if link.get("rel") == rel and found:
                return found
        return f"{self.url.rstrip('/')}/{otherwise}"

    def posts(self) -> bool:
        """Whether items are searched by POST."""
        links = [link for link in self._links if link.get("rel") == "search"]
        return any(str(link.get("method", "")).upper() == "POST" for link in links)

    def absolute(self, href: object, base: str = "") -> str:
        """An address of this origin; "" for all others: no answer sends us elsewhere."""
        from pelagos_client.web import origin

        if not isinstance(href, str) or not href or len(href) > 10_000:
            return ""
        try:
            found = urljoin(base or f"{self.url.rstrip('/')}/", href)
            return found if origin(found) == origin(self.url) else ""
        except ValueError:
            return ""

    def ask(self, page: Page) -> dict[str, Any]:
        """The answer. Raises Refused."""
        return _ask(self.name, page)

    def following(self, answer: Mapping[str, Any], page: Page) -> Page | None:
        """The request for the page after this one."""
        for link in map(shaping.mapping, shaping.listed(answer.get("links"))):
            if link.get("rel") != "next":
                continue
            url = self.absolute(link.get("href"), page.url)
            if not url:
                return None
            method = str(link.get("method") or "GET").upper()
            body = dict(shaping.mapping(link.get("body"))) if method == "POST" else None
            if body is not None and link.get("merge"):
                body = {**(page.body or {}), **body}
            same = Page(url, "GET" if body is None else "POST", body, page.after, page.seen)
            # the same page for ever is the end
            return None if (same.url, same.body) == (page.url, page.body) else same
        return None


_landings: dict[str, tuple[float, Api]] = {}
_lock = threading.Lock()


def api_of(url: str) -> Api:
    """The API at an address. Raises Refused if there is none."""
    with _lock:
        at, known = _landings.get(url, (0.0, None))
    if known is not None and time.monotonic() - at < _FRESH:
        return known
    name = f"The catalogue at {urlsplit(url).hostname}"
    landing = _ask(name, Page(url))
    if "links" not in landing and "conformsTo" not in landing:
        raise no_stac(name)
    found = Api(url, landing)
    with _lock:
        if len(_landings) >= _KEPT:
            _landings.clear()
        _landings[url] = time.monotonic(), found
    return found


def no_stac(name: str) -> Refused:
    """Of an answer that is no STAC."""
    return Refused(
        502,
        Problem(f"{name} is no STAC API: its answer is something else.", "Look at its address."),
    )


def _ask(name: str, page: Page) -> dict[str, Any]:
    import requests
    import urllib3

    deadline = time.monotonic() + SECONDS
    try:
        with requests.Session() as session:
            status, content = _followed(session, name, page, deadline)
    except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
        raise _late(name) from error
    except (
        requests.RequestException,
        urllib3.exceptions.HTTPError,
        ValueError,
        OSError,
    ) as error:
        raise Refused(
            503,
            Problem(f"{name} does not answer.", "Look at its address, or try again in a minute."),
        ) from error
    if status >= 400 or status < 200:
        raise _refusal(name, status, content)
    try:
        found = json.loads(content)
        if b"\\ud" in content or b"\\uD" in content:  # halves of characters can't be sent on
            whole = json.dumps(found, ensure_ascii=False).encode("utf-8", "replace")
            found = json.loads(whole)
    except (ValueError, RecursionError) as error:
        raise no_stac(name) from error
    if not isinstance(found, dict):
        raise no_stac(name)
    return found


def _followed(session: Any, name: str, page: Page, deadline: float) -> tuple[int, bytes]:
    """Status and content, where redirects lead: requests would read their bodies without limits."""
    import requests

    session.get_redirect_target = lambda _: None  # it would read the body even if it follows none
    url, method, body = page.url, page.method, page.body
    for _ in range(_HOPS):
        response = session.request(
            method,
            url,
            json=body,
            auth=_signed,
            headers={"Accept": "application/geo+json, application/json"},
            timeout=(10, SECONDS),
            stream=True,
            allow_redirects=False,
        )
        with response:
            target = requests.Session.get_redirect_target(session, response)
            if target is None:
                return response.status_code, _content(name, response, deadline)
        if time.monotonic() > deadline:
            raise _late(name)
        url = urljoin(url, target)
        if response.status_code not in (307, 308):
            method, body = "GET", None
    raise Refused(502, Problem(f"{name} redirects without end.", "Look at its address."))


def _signed(request: Any) -> Any:
    """With the token for this address, if there is one; and never with what .netrc has."""
    from pelagos_client.searching import is_own, token_for

    token = "" if is_own(request.url) else token_for(request.url)
    if token:
        request.headers["Authorization"] = token
    return request


def _content(name: str, response: Any, deadline: float) -> bytes:
    found = bytearray()
    # others wait for a whole chunk: who sends a byte at a time would never be late
    read = getattr(response.raw, "read1", response.raw.read)
    while chunk := read(_CHUNK, decode_content=True):
        found += chunk
        if len(found) > _BYTES:
            raise Refused(
                502,
                Problem(
                    f"{name} answered with more than {_BYTES // 2**20} MB.",
                    "Narrow the search, or ask for fewer at once.",
                ),
            )
        if time.monotonic() > deadline:
            raise _late(name)
    return bytes(found)


def _late(name: str) -> Refused:
    return Refused(
        504,
        Problem(
            f"{name} did not answer within {SECONDS:.0f} seconds.",
            "Narrow the search, or try again in a minute.",
        ),
    )


def _refusal(name: str, status: int, content: bytes) -> Refused:
    if status >= 500:
        return Refused(503, Problem(f"{name} has a fault ({status}).", "Try again in a minute."))
    if status in (401, 403):
        return Refused(
            502,
            Problem(
                f"{name} does not let you in ({status}).",
                "Search it in a notebook with pelagos_client.search(url=…, token=…).",
            ),
        )
    reason = ""
    try:
        told = json.loads(content[:_REASON_BYTES])
        given = (told.get(key) for key in ("reason", "description", "detail", "message"))
        reason = next((text for one in given if (text := shaping.text_of(one))), "")
    except (ValueError, AttributeError, RecursionError):
        pass
    if status == 404:
        return Refused(404, Problem(f"{name} has no such thing.", "Search again."))
    said = f": {reason.rstrip('.')}" if reason else ""
    return Refused(400, Problem(f"{name} refuses this ({status}){said}.", "Change the search."))
