"""Asks remotes politely: limited in rate, size and time, again after a while, never for ever.

What a source may reach is in `fetch_guard`, the watched connections are in `fetch_network`.
"""

from __future__ import annotations

import contextlib
import email.message
import email.utils
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import httpcore
import httpx
import stamina

from pelagos import __version__
from pelagos.catalogue.fetch_guard import FetchError as FetchError
from pelagos.catalogue.fetch_guard import Guard, shown
from pelagos.catalogue.fetch_network import GuardedTransport, Patience, Watch, take_turn
from pelagos.catalogue.fetch_unpack import ACCEPTED, bounded, decoded, gunzipped
from pelagos.catalogue.markup import plain_text
from pelagos.settings.sources import Source

logger = logging.getLogger(__name__)

WHOLE_LIMIT = 64 * 2**20  # bytes of an answer that is held in memory
_REDIRECTS = 5
_HEADS = 2**20  # bytes of headers and chunk sizes beside a body
_VALIDATOR_LIMIT = 500  # characters of an ETag that are worth remembering
_REFUSAL = 16_384  # bytes of the body of a refusal that are looked at
_EXCERPT = 200  # characters of it that are shown
_NOT_AGAIN = frozenset({501, 505})
_SECRET_HEADERS = ("authorization", "cookie")

T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """A whole answer. `unchanged`: the remote says that it is as we know it (304)."""

    url: str
    status: int
    headers: Mapping[str, str]
    content: bytes
    unchanged: bool = False

    def json(self) -> Any:
        """The body as JSON. Raises FetchError if it is something else."""
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError) as error:
            raise FetchError(f"{shown(self.url)}: {self._instead_of('JSON')}: {error}") from error

    def text(self) -> str:
        """The body as text, UTF-8 or what it declares. Raises FetchError if it is neither."""
        with contextlib.suppress(UnicodeDecodeError):
            return self.content.decode("utf-8-sig")
        declared = email.message.Message()
        declared["content-type"] = self.headers.get("content-type", "")
        charset = declared.get_content_charset("utf-8")
        try:
            return self.content.decode(charset)
        except (UnicodeError, LookupError) as error:
            raise FetchError(f"{shown(self.url)}: not {charset[:40]} text: {error}") from error

    def _instead_of(self, wanted: str) -> str:
        if self.content[:512].lstrip().startswith(b"<"):
            return f"a page or XML instead of {wanted}"
        return f"not {wanted}"


class Fetcher:
    """HTTP for one source, in one thread at a time. Close it at the end.

    `contact` is a URL or e-mail address that stands in User-Agent. Every method raises FetchError.
    """

    def __init__(
        self,
        source: Source,
        contact: str = "",
        *,
        patience: Patience | None = None,
        guard: Guard | None = None,
    ) -> None:
        self._source = source
        self._patience = patience or Patience()
        self._guard = guard or Guard(source)
        agent = f"Pelagos/{__version__}" + (f" (+{_header_text(contact)})" if contact else "")
        self._client = httpx.Client(
            transport=GuardedTransport(self._guard),
            timeout=httpx.Timeout(self._patience.silence, connect=self._patience.connect),
            headers={"User-Agent": agent, "Accept-Encoding": ACCEPTED},
            follow_redirects=False,
            trust_env=False,
        )

    def __enter__(self) -> Fetcher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def get(
        self,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        known: dict[str, str] | None = None,
        limit: int = WHOLE_LIMIT,
    ) -> Answer:
        """A whole answer of at most `limit` bytes, unpacked.

        `known` holds what the last answer said of itself (`etag`, `modified`): with it the remote
        may answer that nothing changed; it is brought up to date.
        """
        address = self._guard.check(url)
        if params:
            address = address.copy_merge_params(dict(params))
        return self._whole(_Question("GET", address, _conditions(headers, known)), known, limit)

    def post(
        self,
        url: str,
        *,
        content: bytes,
        headers: Mapping[str, str] | None = None,
        limit: int = WHOLE_LIMIT,
    ) -> Answer:
        """The same for a question that is too long for an address, such as SPARQL or XML."""
        question = _Question("POST", self._guard.check(url), dict(headers or {}), content)
        return self._whole(question, None, limit)

    @contextlib.contextmanager
    def stream(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        known: dict[str, str] | None = None,
    ) -> Iterator[Iterator[bytes] | None]:
        """The body in pieces, unpacked if it is gzip; None if it is unchanged.

        Bounded by the source's `size_limit`. A body that ends early raises FetchError. `known` is
        as for `get`, and brought up to date when the body has been read to its end.
        """
        question = _Question("GET", self._guard.check(url), _conditions(headers, known))
        size = self._source.size_limit

        def once() -> tuple[httpx.Response, Watch]:
            watch = Watch(question.url.host, self._patience, self._patience.stream, size + _HEADS)
            return self._open(question, watch), watch

        response, watch = self._again(once)
        with contextlib.closing(response):
            if response.status_code == httpx.codes.NOT_MODIFIED:
                yield None
            else:
                yield self._pieces(response, watch, size, known)

    def _pieces(
        self, response: httpx.Response, watch: Watch, limit: int, known: dict[str, str] | None
    ) -> Iterator[bytes]:
        host = response.url.host
        yield from bounded(gunzipped(_body(response, watch), host), host, limit)
        _remember(known, response.headers)

    def _whole(self, question: _Question, known: dict[str, str] | None, limit: int) -> Answer:
        def once() -> Answer:
            host = question.url.host
            watch = Watch(host, self._patience, self._patience.whole, limit + _HEADS)
            response = self._open(question, watch)
            with contextlib.closing(response):
                if response.status_code == httpx.codes.NOT_MODIFIED:
                    return Answer(str(response.url), 304, response.headers, b"", unchanged=True)
                content = b"".join(bounded(_body(response, watch), host, limit))
            _remember(known, response.headers)
            return Answer(str(response.url), response.status_code, response.headers, content)

        return self._again(once)

    def _again(self, once: Callable[[], T]) -> T:
        """The result of `once`, tried again with growing pauses where that may help."""
        patience = self._patience
        for attempt in stamina.retry_context(
            on=_pause,
            attempts=patience.attempts,
            timeout=None,
            wait_initial=patience.first_wait,
            wait_max=patience.longest_wait,
            wait_jitter=patience.first_wait,
        ):
            with attempt:
                return once()
        raise AssertionError("stamina neither returned nor raised")

    def _open(self, question: _Question, watch: Watch) -> httpx.Response:
        """A good answer, or 304, with its body unread. Redirects are followed here, and checked."""
        url, headers = question.url, dict(question.headers)
        for _ in range(_REDIRECTS + 1):
            take_turn(url.host, url.port, self._source.rate)
            with _translated(url.host, url), watch.active():
                request = self._client.build_request(
                    question.method, url, headers=headers, content=question.content
                )
                response = self._client.send(request, stream=True)
            if not response.has_redirect_location:
                return self._accept(response, watch, question)
            response.close()
            target = self._redirected(response, question)
            if target.host != url.host:
                headers = {k: v for k, v in headers.items() if k.lower() not in _SECRET_HEADERS}
            url = target
        raise FetchError(
            f"{question.url.host}: more than {_REDIRECTS} redirects from {shown(question.url)}.",
            "Set the source's `url` to the address where they should end.",
        )

    def _redirected(self, response: httpx.Response, question: _Question) -> httpx.URL:
        location = response.headers["location"]
        try:
            target = self._guard.check(response.url.join(location))
        except (httpx.InvalidURL, ValueError) as error:
            raise FetchError(f"{response.url.host}: a redirect to no address: {error}") from error
        if question.method != "GET" and response.status_code not in (307, 308):
            raise FetchError(
                f"{response.url.host}: redirects {question.method} to {shown(target)}.",
                "Set the source's `url` to the address that answers.",
            )
        return target

    def _accept(
        self, response: httpx.Response, watch: Watch, question: _Question
    ) -> httpx.Response:
        status, host = response.status_code, response.url.host
        if status == httpx.codes.NOT_MODIFIED and question.conditional:
            return response
        if response.is_success:
            return response
        said = _excerpt(response, watch)
        again: bool | float = status == 429 or (status >= 500 and status not in _NOT_AGAIN)
        asked = _retry_after(response.headers)
        if again and asked is not None:
            if asked > self._patience.retry_after:
                when = datetime.fromtimestamp(time.time() + asked, UTC)
                raise FetchError(
                    f"{host}: answered {status}, and asks to come back in {asked:.0f} s.",
                    f"It may be asked again at {when:%Y-%m-%d %H:%M} UTC.",
                    status=status,
                )
            again = max(asked, self._patience.first_wait)
        raise FetchError(
            f"{host}: answered {status} {httpx.codes.get_reason_phrase(status)} to "
            f"{question.method} {shown(response.url)}" + (f": {said}" if said else "."),
            "Check the source's address." if status in (404, 410) else "",
            status=status,
            again=again,
        )


@dataclass(frozen=True)
class _Question:
    method: str
    url: httpx.URL
    headers: Mapping[str, str]
    content: bytes | None = None

    @property
    def conditional(self) -> bool:
        return "If-None-Match" in self.headers or "If-Modified-Since" in self.headers


def _body(response: httpx.Response, watch: Watch) -> Iterator[bytes]:
    """The body's pieces without Content-Encoding, its reads watched."""
    host = response.url.host

    def raw() -> Iterator[bytes]:
        pieces = response.iter_raw()
        while True:
            with _translated(host, response.url), watch.active():
                piece = next(pieces, None)
            if piece is None:
                return
            yield piece

    return decoded(raw(), host, response.headers.get("content-encoding", ""))


def _excerpt(response: httpx.Response, watch: Watch) -> str:
    """The start of what a refusal says for people, as plain text; the answer is closed."""
    said = b""
    with contextlib.closing(response), contextlib.suppress(FetchError):
        for piece in _body(response, watch):
            said += piece
            if len(said) >= _REFUSAL:
                break
    return plain_text(said[:_REFUSAL].decode("utf-8", "replace"), _EXCERPT)


@contextlib.contextmanager
def _translated(host: str, url: httpx.URL) -> Iterator[None]:
    """Failures of the network as FetchError."""
    try:
        yield
    except httpcore.ConnectTimeout as error:
        raise FetchError(
            f"{host}: no connection in time.", "Check that it is up.", again=True
        ) from error
    except httpcore.ConnectError as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            raise FetchError(
                f"{host}: its certificate is not trusted: {error}.",
                "Set SSL_CERT_FILE to a bundle with its authority, if it is one of yours.",
            ) from error
        raise FetchError(
            f"{host}: no connection: {error}.", "Check the address and that it is up.", again=True
        ) from error
    except httpcore.TimeoutException as error:
        raise FetchError(
            f"{host}: stopped answering {shown(url)}.", "Try again later.", again=True
        ) from error
    except (httpcore.NetworkError, httpcore.RemoteProtocolError) as error:
        raise FetchError(
            f"{host}: the answer to {shown(url)} broke off or is no HTTP: {error}.",
            "Try again later.",
            again=True,
        ) from error
    except (httpcore.ProtocolError, httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        raise FetchError(f"{host}: {shown(url)} can't be asked: {error}") from error


def _pause(error: Exception) -> bool | float:
    """For stamina: whether to try again, or after how many seconds."""
    return error.again if isinstance(error, FetchError) else False


def _retry_after(headers: httpx.Headers) -> float | None:
    """Seconds that the remote asks to wait (RFC 9110 10.2.3)."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        then = email.utils.parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    return max((then - datetime.now(UTC)).total_seconds(), 0.0)


def _conditions(
    headers: Mapping[str, str] | None, known: Mapping[str, str] | None
) -> dict[str, str]:
    asked = dict(headers or {})
    if known and known.get("etag"):
        asked["If-None-Match"] = known["etag"]
    if known and known.get("modified"):
        asked["If-Modified-Since"] = known["modified"]
    return asked


def _remember(known: dict[str, str] | None, headers: httpx.Headers) -> None:
    if known is None:
        return
    for name, header in (("etag", "etag"), ("modified", "last-modified")):
        value = headers.get(header, "")
        if value and len(value) <= _VALIDATOR_LIMIT and value.isprintable() and value.isascii():
            known[name] = value
        else:
            known.pop(name, None)


def _header_text(text: str) -> str:
    return "".join(c for c in text if c.isascii() and c.isprintable())[:200]
