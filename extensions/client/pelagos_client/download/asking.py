"""Small questions to a source's service: one request, its answer in memory.

The same guard, pinned addresses and redirect rules as for files: headers go to the host of the URL
only, and what is sent in a body to no other host.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pelagos_client.download.addresses import shown
from pelagos_client.download.errors import ProtocolError, RequestError, TooLargeError
from pelagos_client.download.exchange import Answer, Question, Session, check_headers
from pelagos_client.download.model import Limits
from pelagos_client.download.unpack import unpacked
from pelagos_client.download.watch import Watch
from pelagos_client.progress import readable

_COOKIE = re.compile(
    r"\s*([!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}=[\x21-\x2b\x2d-\x3a\x3c-\x7e]{0,4000})"
)
_METHODS = frozenset({"GET", "POST", "DELETE"})


@dataclass(frozen=True)
class Asked:
    """A question. `json` is sent as the body; `largest` in bytes, as they come and unpacked;
    `seconds` for all of it; `follow` redirects."""

    method: str
    url: str
    json: Any
    headers: Mapping[str, str] = field(repr=False)
    largest: int
    seconds: float
    follow: bool


@dataclass(frozen=True)
class Said:
    """An answer, whatever its status. Names of `headers` are in lower case; of several with one
    name only the first is kept."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON. Raises ProtocolError."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise ProtocolError(
                "The source answered with something else than JSON.", "Try again later."
            ) from None


def ask(session: Session, limits: Limits, asked: Asked, cancel: threading.Event | None) -> Said:
    """Ask once. Raises DownloadError if no whole answer came, TooLargeError if it is too large.

    Nothing is tried again: only who asks knows whether a question may be repeated.
    """
    if asked.method not in _METHODS:
        raise RequestError(f"{asked.method[:10]!r} is no method of a question.")
    check_headers(asked.headers)
    body, own = None, dict(asked.headers)
    if asked.json is not None:
        if asked.method != "POST":
            raise RequestError("Only POST sends a body.")
        body = json.dumps(asked.json).encode()
        own = {"Content-Type": "application/json", **own}
    elif asked.method == "POST":
        body = b""
    short = replace(limits, overall=min(limits.overall, asked.seconds))
    watch = Watch(shown(asked.url), short, lambda: cancel is not None and cancel.is_set())
    question = Question(own, method=asked.method, body=body)
    with session.exchange(asked.url, question, watch, follow=asked.follow) as answer:
        return Said(answer.status, answer.headers, _body(answer, asked.largest))


def _body(answer: Answer, largest: int) -> bytes:
    too_large = TooLargeError(
        f"{answer.location}: the answer is larger than {readable(largest)}.", "Ask for less."
    )
    if (answer.length or 0) > largest:
        raise too_large
    came = 0

    def counted() -> Any:
        nonlocal came
        for piece in answer.pieces():
            came += len(piece)
            if came > largest:
                raise too_large
            yield piece

    packed = answer.packed
    pieces = unpacked(counted(), str(answer.location)) if packed else counted()
    whole = bytearray()
    for piece in pieces:
        whole += piece
        if len(whole) > largest:
            raise too_large
    return bytes(whole)


def cookies(text: str) -> str:
    """Of a Set-Cookie header what a Cookie header says (RFC 6265, 4.2); "" for none that is safe
    to send."""
    found = re.match(
        r"\s*([!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}=[\x21-\x2b\x2d-\x3a\x3c-\x7e]{0,4000})", text
    )
    return found[1] if found else ""
