"""Pages of a STAC API, by its `next` links.

Protocol: STAC API 1.0, item search, "Pagination": a link with GET, or with POST and a body, which
`merge` adds to the body of the question before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from pelagos.catalogue.records import Rejected

if TYPE_CHECKING:
    from pelagos.catalogue.fetch import Fetcher

PAGES = 100_000
_HEADERS = {"Accept": "application/geo+json, application/json"}


@dataclass(frozen=True)
class Question:
    """One request: an address, and a body if it is a POST."""

    address: str
    body: Mapping[str, Any] | None = None

    def ask(self, fetch: Fetcher, limit: int) -> tuple[Any, str]:
        """The answer's JSON and its address. Raises FetchError."""
        if self.body is None:
            answer = fetch.get(self.address, headers=_HEADERS, limit=limit)
        else:
            content = json.dumps(self.body).encode()
            headers = {**_HEADERS, "Content-Type": "application/json"}
            answer = fetch.post(self.address, content=content, headers=headers, limit=limit)
        return answer.json(), answer.url

    @property
    def digest(self) -> bytes:
        """The same for the same question."""
        text = json.dumps([self.address, self.body], sort_keys=True)
        return hashlib.sha256(text.encode()).digest()[:16]


def links(document: Any) -> list[dict[str, Any]]:
    """The links of a document that are links."""
    found = document.get("links") if isinstance(document, dict) else None
    return [
        link
        for link in (found if isinstance(found, list) else [])
        if isinstance(link, dict)
        and isinstance(link.get("rel"), str)
        and isinstance(link.get("href"), str)
    ]


def link_to(document: Any, address: str, *relations: str, method: str = "") -> str:
    """Where the first link of one of these relations leads; "" if there is none."""
    for relation in relations:
        for link in links(document):
            if link["rel"] == relation and method in ("", str(link.get("method", "GET")).upper()):
                return urljoin(address, str(link["href"]))
    return ""


def following(document: Any, address: str, asked: Question) -> Question | None:
    """The question for the next page; None on the last one."""
    for link in links(document):
        if link["rel"] != "next":
            continue
        target = urljoin(address, link["href"])
        if str(link.get("method", "GET")).upper() != "POST":
            return Question(target)
        body = link.get("body")
        fields = dict(body) if isinstance(body, dict) else {}
        if link.get("merge") is True:
            fields = {**(asked.body or {}), **fields}
        return Question(target, fields)
    return None


def pages(fetch: Fetcher, first: Question, limit: int) -> Iterator[tuple[Any, str] | Rejected]:
    """Each page with its address, until there is no next one, or it was read before."""
    question: Question | None = first
    seen: set[bytes] = set()
    while question is not None:
        if question.digest in seen or len(seen) >= PAGES:
            which = f"page {len(seen) + 1}"
            yield Rejected(which, "its `next` link leads to a page that was read already")
            return
        seen.add(question.digest)
        document, address = question.ask(fetch, limit)
        yield document, address
        question = following(document, address, question)


def matched(document: Any) -> int | None:
    """How many there are in all, as far as the page says it."""
    if not isinstance(document, dict):
        return None
    context = document.get("context")
    for count in (
        document.get("numberMatched"),
        document.get("numMatched"),
        context.get("matched") if isinstance(context, dict) else None,
    ):
        if type(count) is int and count >= 0:
            return count
    return None
