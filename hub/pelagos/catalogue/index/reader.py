"""Searches the index. One reader per thread; each answer is of one state of the file."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from pelagos.catalogue.index import corpus, facets, step1, step2
from pelagos.catalogue.index.packing import Unpacker
from pelagos.catalogue.index.schema import open_to_read, unusable
from pelagos.catalogue.query import Criteria, Facet, FacetCount, Page, QueryError, Slice

PAGE_LIMIT = 10_000
_IDS = 1000  # in one statement


class Reader:
    """Reads the index at `path`, for one thread. Raises IndexError_ if it can't be used.

    What can't be asked raises QueryError. Documents are STAC without links of an API.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = open_to_read(path)
        self._corpus: corpus.Corpus | None = None

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def interrupt(self) -> None:
        """Stop what is being asked now, from another thread: it raises IndexError_ there."""
        self._connection.interrupt()

    def collections(self, criteria: Criteria, part: Slice) -> Page:
        """Step 1. By relevance where there is text, else by title."""
        _check(criteria, part)
        with self._state() as known:
            return step1.search(self._connection, known, criteria, part)

    def collection(self, identifier: str, scope: frozenset[str] | None) -> dict[str, Any] | None:
        """One collection; None if there is none, or not for this scope."""
        if scope is not None and identifier not in scope:
            return None
        _check_text("collection", identifier)
        with self._state():
            row = self._connection.execute(
                "SELECT doc FROM collection WHERE public = ?", (identifier,)
            ).fetchone()
        return orjson.loads(row[0]) if row else None

    def collection_ids(self) -> frozenset[str]:
        """Public identifiers of all collections."""
        with self._state():
            rows = self._connection.execute("SELECT public FROM collection").fetchall()
        return frozenset(public for (public,) in rows)

    def granules(self, criteria: Criteria, part: Slice) -> Page:
        """Step 2. The newest first if no order is given; what has no time comes last."""
        _check(criteria, part)
        with self._state() as known:
            return step2.search(self._connection, known, criteria, part)

    def granule(
        self, collection: str, identifier: str, scope: frozenset[str] | None
    ) -> dict[str, Any] | None:
        """One granule; None if there is none, or not for this scope."""
        if scope is not None and collection not in scope:
            return None
        _check_text("collection", collection)
        _check_text("id", identifier)
        with self._state():
            row = self._connection.execute(
                "SELECT c.num, g.packed FROM collection c "
                "CROSS JOIN entry e ON e.collection = c.num AND e.id = ? "
                "CROSS JOIN granule g ON g.rid = e.rid WHERE c.public = ?",
                (identifier, collection),
            ).fetchone()
            unpack = Unpacker(self._connection)
            return orjson.loads(unpack.document(*row)) if row else None

    def granules_by_id(
        self, collection: str, identifiers: Sequence[str], scope: frozenset[str] | None
    ) -> dict[str, dict[str, Any]]:
        """Those of these granules of a collection that there are, by identifier, for this scope."""
        if scope is not None and collection not in scope:
            return {}
        _check_text("collection", collection)
        for identifier in identifiers:
            _check_text("ids", identifier)
        found: dict[str, dict[str, Any]] = {}
        with self._state():
            unpack = Unpacker(self._connection)
            for begin in range(0, len(identifiers), _IDS):
                part = identifiers[begin : begin + _IDS]
                marks = ",".join("?" * len(part))
                rows = self._connection.execute(
                    "SELECT c.num, e.id, g.packed FROM collection c "  # noqa: S608
                    f"CROSS JOIN entry e ON e.collection = c.num AND e.id IN ({marks}) "
                    "CROSS JOIN granule g ON g.rid = e.rid WHERE c.public = ?",
                    (*part, collection),
                )
                for number, identifier, packed in rows:
                    found[identifier] = orjson.loads(unpack.document(number, packed))
        return found

    def collection_facets(self, criteria: Criteria) -> dict[Facet, list[FacetCount]]:
        """How many of the collections found have each value."""
        _check(criteria, None)
        with self._state() as known:
            found = step1.numbers(self._connection, known, criteria)
            return facets.of_collections(self._connection, found)

    def granule_facets(self, criteria: Criteria) -> tuple[dict[Facet, list[FacetCount]], int, bool]:
        """How many of the granules found have each value; of how many; whether there are more."""
        _check(criteria, None)
        with self._state() as known:
            rids, more = step2.newest(self._connection, known, criteria)
            return facets.of_granules(self._connection, rids), len(rids), more

    @contextlib.contextmanager
    def _state(self) -> Iterator[corpus.Corpus]:
        """One state of the file for several questions."""
        try:
            self._connection.execute("BEGIN")
            try:
                self._corpus = corpus.load(self._connection, self._corpus)
                yield self._corpus
            finally:
                self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise unusable(self.path, error) from error


def _check(criteria: Criteria, part: Slice | None) -> None:
    if part is not None and not 1 <= part.limit <= PAGE_LIMIT:
        raise QueryError(f"limit: {part.limit} is not within 1..{PAGE_LIMIT}")
    if criteria.start and criteria.end and criteria.start > criteria.end:
        raise QueryError("datetime: it ends before it starts")
    texts = [("q", criteria.text), *(("ids", text) for text in criteria.ids)]
    for facet, values in criteria.facets.items():
        texts += [(facet.value, value) for value in values]
    for name, text in texts:
        _check_text(name, text)


def _check_text(name: str, text: str) -> None:
    """A lone surrogate is no text that SQLite takes."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise QueryError(f"{name}: not a Unicode text") from error
