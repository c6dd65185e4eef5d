"""What a reader remembers of the collections, and which of them a query is about."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

import orjson

from pelagos.catalogue.query import Criteria, Facet
from pelagos.catalogue.text import Any_, Expression, Words


@dataclass(frozen=True)
class Corpus:
    """Numbers of collections by public identifier, and how many granules those have that have."""

    numbers: dict[str, int]
    names: dict[int, str]
    counts: dict[int, int]
    version: int

    @property
    def granules(self) -> int:
        """All of them; may be a little out of date."""
        return sum(self.counts.values())


def load(connection: sqlite3.Connection, known: Corpus | None) -> Corpus:
    """The collections as they are now; `known` if they are still the same."""
    (version,) = connection.execute("SELECT value FROM meta WHERE name = 'collections'").fetchone()
    if known is not None and known.version == version:
        return known
    rows = connection.execute("SELECT num, public, granules FROM collection").fetchall()
    return Corpus(
        {public: number for number, public, _ in rows},
        {number: public for number, public, _ in rows},
        {number: granules for number, _, granules in rows if granules},
        version,
    )


def allowed(corpus: Corpus, criteria: Criteria, numbers: Iterable[int]) -> set[int]:
    """Those of `numbers` that scope and `collections` leave."""
    found = set(numbers)
    if criteria.scope is not None:
        found &= _numbers(corpus, criteria.scope)
    if criteria.collections:
        found &= _numbers(corpus, criteria.collections)
    return found


def _numbers(corpus: Corpus, publics: Iterable[str]) -> set[int]:
    return {corpus.numbers[public] for public in publics if public in corpus.numbers}


def fts_string(words: Words) -> str:
    """Words side by side, in the language of FTS5."""
    return f'"{" ".join(words.words)}"' + (" *" if words.begun else "")


def with_words(connection: sqlite3.Connection, words: Words, columns: str) -> set[int]:
    """The collections that have words in the columns, such as `title subject`."""
    rows = connection.execute(
        "SELECT rowid FROM collection_text WHERE collection_text MATCH ?",
        (f"{{{columns}}} : {fts_string(words)}",),
    )
    return {number for (number,) in rows}


def matching(connection: sqlite3.Connection, expression: Expression, among: set[int]) -> set[int]:
    """The collections that a text finds, in all that is known of them."""
    if isinstance(expression, Words):
        return among & with_words(connection, expression, "title subject description")
    if isinstance(expression, Any_):
        return set().union(*(matching(connection, part, among) for part in expression.parts))
    found = set(among)
    for part in expression.parts:
        found &= matching(connection, part, found)
    for part in expression.without:
        found -= matching(connection, part, found)
    return found


def leaves(expression: Expression) -> list[Words]:
    """The words that may be there, for ranking."""
    if isinstance(expression, Words):
        return [expression]
    return [leaf for part in expression.parts for leaf in leaves(part)]


def with_values(
    connection: sqlite3.Connection, facet: Facet, values: Iterable[str]
) -> dict[int, set[int]]:
    """The values of a facet that are known, by number, with the collections that have them."""
    found: dict[int, set[int]] = {}
    for number, collection in connection.execute(
        "SELECT v.num, c.collection FROM json_each(?) j "
        "CROSS JOIN value v ON v.facet = ? AND v.value = j.value "
        "LEFT JOIN collection_value c ON c.value = v.num",
        (orjson.dumps(list(values)).decode(), facet.value),
    ):
        found.setdefault(number, set())
        if collection is not None:
            found[number].add(collection)
    return found
