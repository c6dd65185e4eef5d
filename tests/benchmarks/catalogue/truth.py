"""What a query must find, by looking at every granule: numpy, and no index."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from index_truth import has_words, named
from numpy.typing import NDArray
from pelagos.catalogue.query import TOTAL_LIMIT, Criteria, Page
from pelagos.catalogue.records import GranuleRecord, collection_id

from catalogue.corpus import INSTITUTES, KINDS, QUANTITIES, SEAS, SUITES, Corpus

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = 1_000_000


@dataclass(frozen=True)
class Query:
    """A query, with its words apart: all of them must be found, each side by side."""

    criteria: Criteria
    words: tuple[tuple[str, ...], ...]
    kind: str


@dataclass(frozen=True)
class Answer:
    """What it finds: all of the granules, the newest first."""

    found: NDArray[np.int64]

    def faults(self, corpus: Corpus, page: Page, limit: int) -> list[str]:
        """What is wrong with a page; the order among those that start together is free."""
        faults = []
        total = min(len(self.found), TOTAL_LIMIT)
        if (page.total, page.more) != (total, len(self.found) > TOTAL_LIMIT):
            faults.append(f"total {page.total}, more {page.more}: it is {len(self.found)}")
        identifiers = [document["id"] for document in page.documents]
        if len(set(identifiers)) != len(identifiers):
            faults.append("an item twice")
        wanted = [_start(corpus, int(index)) for index in self.found[:limit]]
        among = {
            corpus.identifier(int(index)): int(index) for index in self._reachable(corpus, limit)
        }
        if not set(identifiers) <= set(among):
            faults.append("an item that does not match or comes later")
        elif [_start(corpus, among[one]) for one in identifiers] != wanted:
            faults.append("not the newest, or not in their order")
        return faults

    def _reachable(self, corpus: Corpus, limit: int) -> NDArray[np.int64]:
        """The first ones, and those that start together with the last of them."""
        if len(self.found) <= limit:
            return self.found
        last = _start(corpus, int(self.found[limit - 1]))
        end = limit
        while end < len(self.found) and _start(corpus, int(self.found[end])) == last:
            end += 1
        return self.found[:end]


def _start(corpus: Corpus, index: int) -> int | None:
    return None if corpus.timeless[index] else int(corpus.start[index])


class Truth:
    """Answers from all columns of a corpus."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus
        start = np.where(corpus.timeless, np.iinfo(np.int64).min, corpus.start)
        self._order = np.argsort(-start.astype(float), kind="stable")

    def answer(self, query: Query) -> Answer:
        """All that match."""
        corpus, criteria = self._corpus, query.criteria
        found = np.full(len(corpus), True)
        for words in query.words:
            found &= self._has(list(words))
        if criteria.start is not None:
            found &= ~corpus.timeless & (corpus.end >= _seconds(criteria.start))
        if criteria.end is not None:
            found &= ~corpus.timeless & (corpus.start <= _seconds(criteria.end))
        if (box := criteria.box) is not None:
            east = box.east if box.west <= box.east else box.east + 360
            meets = np.full(len(corpus), False)
            for turn in (-360, 0, 360):
                meets |= (corpus.x0 + turn <= east) & (corpus.x1 + turn >= box.west)
            found &= meets & (corpus.y0 <= box.north) & (corpus.y1 >= box.south) & ~corpus.placeless
        if criteria.collections:
            publics = [collection_id(source, one.id) for source, one in corpus.collections]
            wanted = np.array([public in criteria.collections for public in publics])
            found &= wanted[corpus.collection]
        return Answer(self._order[found[self._order]])

    def _has(self, words: list[str]) -> NDArray[np.bool_]:
        corpus = self._corpus
        found = _flags(corpus.collections, words, lambda one: _shared(corpus, one))[
            corpus.collection
        ]
        found = found | _flags(corpus.platforms, words, lambda name: [name])[corpus.platform]
        found |= _flags(SEAS, words, lambda sea: [sea[0]])[corpus.sea]
        found |= _flags(INSTITUTES, words, lambda name: [name])[corpus.institute]
        found |= _flags(SUITES, words, _quantities)[corpus.suite]
        if len(words) == 1 and words[0].isdigit() and len(words[0]) == 7:
            found[int(words[0])] = True
        return found


def _flags(
    rows: Sequence[object], words: list[str], fields: Callable[[object], list[str]]
) -> NDArray[np.bool_]:
    return np.array([has_words(fields(row), words) for row in rows])


def _shared(corpus: Corpus, row: object) -> list[str]:
    _, record = row
    kind = KINDS[record.extra["bench:kind"]]
    return [record.title, *record.keywords, kind[0], kind[3]]


def _quantities(suite: object) -> list[str]:
    return named(GranuleRecord("-", parameters=tuple(QUANTITIES[number] for number in suite)))


def _seconds(moment: datetime) -> float:
    return (moment - _EPOCH).total_seconds()
