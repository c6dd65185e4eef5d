"""Asks remotes politely: limited in rate, size and time, again after a while, never for ever."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from pelagos.errors import SourceError
from pelagos.settings.sources import Source

WHOLE_LIMIT = 64 * 2**20  # bytes of an answer that is held in memory


class FetchError(SourceError):
    """A remote did not give what was asked of it."""


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
        except ValueError as error:
            raise FetchError(f"{self.url}: not JSON: {error}") from error

    def text(self) -> str:
        """The body as UTF-8 text. Raises FetchError if it is something else."""
        try:
            return self.content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise FetchError(f"{self.url}: not UTF-8 text (byte {error.start})") from error


class Fetcher:
    """HTTP for one source. Close it at the end.

    `contact` is a URL or e-mail address that stands in User-Agent. Every method raises FetchError.
    """

    def __init__(self, source: Source, contact: str = "") -> None:
        self._source = source
        self._client = httpx.Client(timeout=30, follow_redirects=True, trust_env=False)

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
        return self._ask("GET", url, params=params, headers=headers)

    def post(
        self,
        url: str,
        *,
        content: bytes,
        headers: Mapping[str, str] | None = None,
        limit: int = WHOLE_LIMIT,
    ) -> Answer:
        """The same for a question that is too long for an address, such as SPARQL or XML."""
        return self._ask("POST", url, content=content, headers=headers)

    @contextlib.contextmanager
    def stream(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        known: dict[str, str] | None = None,
    ) -> Iterator[Iterator[bytes] | None]:
        """The body in pieces, unpacked if it is gzip; None if it is unchanged.

        Bounded by the source's `size_limit`. A body that ends early raises FetchError.
        """
        with self._client.stream("GET", url, headers=dict(headers or {})) as answer:
            yield answer.iter_bytes()

    def _ask(self, method: str, url: str, **arguments: Any) -> Answer:
        answer = self._client.request(method, url, **arguments)
        if not answer.is_success:
            raise FetchError(f"{url}: answered {answer.status_code}")
        return Answer(str(answer.url), answer.status_code, answer.headers, answer.content)
