"""How granules are searched: an expression for FTS5, ranges of keys, and conditions to check.

All that can be a term is one: words, collections, values of facets, cells of the Earth, classes of
length. FTS5 intersects their lists in the order of the keys, newest first, and stops when enough
are found; the narrow table `place` has the exact numbers of what is left. Where nothing can be a
term, `place` is read in the same order.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from math import inf, nextafter

import orjson

from pelagos.catalogue.index import cells, keys
from pelagos.catalogue.index.corpus import Corpus, allowed, fts_string, with_values, with_words
from pelagos.catalogue.index.entries import (
    LONG,
    NARROWED,
    OWN_FACETS,
    collection_term,
    mark_term,
    value_term,
)
from pelagos.catalogue.index.shapes import Shape
from pelagos.catalogue.query import Criteria, Facet
from pelagos.catalogue.text import Any_, Every, Expression, Words, parse

_TERMS = 200  # collections that are named in an expression; more are looked up
Match = str | None  # an expression of FTS5; None: all that is allowed


@dataclass(frozen=True)
class Plan:
    """What finds the granules of a query, but for their order and number."""

    match: Match  # all but the text
    phases: Sequence[keys.Phase]
    collections: frozenset[int]
    text: Expression | None = None
    text_match: Match = None
    # which collections have words, so that all their granules do
    inherited: dict[Words, frozenset[int]] = field(default_factory=dict)
    conditions: tuple[str, ...] = ()
    values: tuple[object, ...] = ()
    shape: Shape | None = None
    rids: tuple[int, ...] | None = None  # only these
    whole: bool = False  # it asks for nothing: all granules of the corpus
    first: Match = None  # a rare word of the text
    # all keys within some of the phases, where they are known already
    listed: dict[keys.Phase, tuple[int, ...]] = field(default_factory=dict)

    def of(self, collection: int) -> Plan:
        """The same within one collection; not of a plan whose keys are listed."""
        term = collection_term(collection)
        match = term if self.match is None else f"({term}) AND {self.match}"
        return replace(self, match=match, collections=frozenset((collection,)), whole=False)


@dataclass
class _Parts:
    """A plan in the making."""

    connection: sqlite3.Connection
    corpus: Corpus
    among: set[int]
    match: list[str] = field(default_factory=list)
    conditions: list[str] = field(default_factory=list)
    values: list[object] = field(default_factory=list)
    inherited: dict[Words, frozenset[int]] = field(default_factory=dict)


def plan(connection: sqlite3.Connection, corpus: Corpus, criteria: Criteria) -> Plan | None:
    """How to find what is asked for; None: nothing can. Raises QueryError."""
    text = parse(criteria.text, criteria.prefix)
    shape = Shape.of(criteria.geometry) if criteria.geometry is not None else None
    parts = _Parts(connection, corpus, _collections(connection, corpus, criteria))
    if not parts.among:
        return None
    (spill,) = connection.execute("SELECT value FROM meta WHERE name = 'spill'").fetchone()
    text_match = _text(parts, text) if text is not None else None
    for facet in OWN_FACETS:
        if wanted := criteria.facets.get(facet):
            found = _facet(parts, facet, wanted)
            if found == "":
                return None
            if found is not None:
                parts.match.append(found)
    start, end = _time(parts, criteria)
    _restrict(parts)
    _space(parts, criteria, shape)
    rids = _rids(parts, criteria.ids) if criteria.ids else None
    found_phases = keys.phases(start, end, spill)
    asked = parts.match or parts.conditions or text_match or rids is not None or shape
    return Plan(
        " AND ".join(parts.match) or None,
        found_phases,
        frozenset(parts.among),
        text if text_match is not None else None,
        text_match,
        parts.inherited,
        tuple(parts.conditions),
        tuple(parts.values),
        shape if shape is not None and not shape.is_box else None,
        rids,
        not asked,
    )


def _collections(connection: sqlite3.Connection, corpus: Corpus, criteria: Criteria) -> set[int]:
    among = allowed(corpus, criteria, corpus.counts)
    for facet in (Facet.INFRASTRUCTURE, Facet.LICENCE):
        if wanted := criteria.facets.get(facet):
            among &= set().union(*with_values(connection, facet, wanted).values())
    return among


def _terms(collections: Iterable[int]) -> str:
    return " OR ".join(map(collection_term, sorted(collections)))


def _text(parts: _Parts, expression: Expression) -> Match:
    if isinstance(expression, Words):
        inherited = parts.among & with_words(parts.connection, expression, "title subject")
        parts.inherited[expression] = frozenset(inherited)
        if inherited == parts.among:
            return None
        own = fts_string(expression)
        return f"({own} OR {_terms(inherited)})" if inherited else f"({own})"
    if isinstance(expression, Any_):
        found = [_text(parts, part) for part in expression.parts]
        if None in found:
            return None
        return f"({' OR '.join(dict.fromkeys(filter(None, found)))})"
    return _every(parts, expression)


def _every(parts: _Parts, expression: Every) -> Match:
    needed = [match for part in expression.parts if (match := _text(parts, part)) is not None]
    # a word that was typed twice costs once: it may stand for thousands of collections
    match = " AND ".join(dict.fromkeys(needed)) or None
    if not expression.without:
        return match and f"({match})"
    base = f"({match or _terms(parts.among)})"
    without = [_text(parts, part) for part in expression.without]
    # what all have is missing nowhere
    unwanted = [match if match is not None else f"({_terms(parts.among)})" for match in without]
    return f"({base} NOT ({' OR '.join(dict.fromkeys(unwanted))}))"


def _facet(parts: _Parts, facet: Facet, wanted: Sequence[str]) -> Match:
    """Own values, or those of the collection; "": nothing can have them."""
    found = with_values(parts.connection, facet, wanted)
    if not found:
        return ""
    inherited = parts.among & set().union(*found.values())
    own = " OR ".join(map(value_term, found))
    if not inherited:
        return f"({own})"
    if facet in NARROWED:
        return f"({own} OR (({_terms(inherited)}) NOT {mark_term(NARROWED[facet])}))"
    return None if inherited == parts.among else f"({own} OR {_terms(inherited)})"


def _time(parts: _Parts, criteria: Criteria) -> tuple[int | None, int | None]:
    start = None if criteria.start is None else keys.milliseconds(criteria.start)
    end = None if criteria.end is None else keys.milliseconds(criteria.end)
    if end is not None:
        parts.conditions.append("p.t0 <= ?")
        parts.values.append(end)
    if start is not None:
        parts.conditions.append("p.t1 >= ?")
        parts.values.append(start)
    return start, end


def _space(parts: _Parts, criteria: Criteria, shape: Shape | None) -> None:
    if criteria.box is not None:
        boxes = cells.flat(*cells.stored(criteria.box))
        _in_boxes(parts, boxes)
        if (terms := cells.cover(boxes)) is not None:
            parts.match.insert(0, f"({' OR '.join(terms)})")
    if shape is not None:
        _in_boxes(parts, shape.boxes)
        if (terms := cells.cover(shape.boxes, shape.meets)) is not None:
            parts.match.insert(0, f"({' OR '.join(terms)})")


def _in_boxes(parts: _Parts, boxes: Sequence[cells.Flat]) -> None:
    """A stored box goes beyond 180 if it crosses the antimeridian."""
    tests = []
    for x0, y0, x1, y1 in boxes:
        tests.append("p.y0 <= ? AND p.y1 >= ? AND (p.x0 <= ? AND p.x1 >= ? OR p.x1 >= ?)")
        parts.values += [y1, y0, x1, x0, max(x0 + 360, nextafter(180.0, inf))]
    parts.conditions.append("(" + " OR ".join(f"({test})" for test in tests) + ")")


def _restrict(parts: _Parts) -> None:
    """To the collections that are left."""
    counts = parts.corpus.counts
    if len(parts.among) == len(counts):
        return
    share = sum(counts[number] for number in parts.among) / max(parts.corpus.granules, 1)
    if len(parts.among) <= _TERMS and (share < 0.5 or not parts.match):
        parts.match.append(f"({_terms(parts.among)})")
    else:
        parts.conditions.append("p.collection IN (SELECT value FROM json_each(?))")
        parts.values.append(orjson.dumps(sorted(parts.among)).decode())


def _rids(parts: _Parts, identifiers: Sequence[str]) -> tuple[int, ...]:
    rows = parts.connection.execute(
        "SELECT e.rid FROM json_each(?) c CROSS JOIN json_each(?) i "
        "CROSS JOIN entry e ON e.collection = c.value AND e.id = i.value",
        (
            orjson.dumps(sorted(parts.among)).decode(),
            orjson.dumps(list(dict.fromkeys(identifiers))).decode(),
        ),
    )
    return tuple(sorted(rid for (rid,) in rows))


def long_terms(longer: int) -> str:
    """The expression of granules of this class of length and of longer ones."""
    return f"({' OR '.join(LONG[longer:])})"
