"""What comes first, the words or the rest: settled by looking at a little of both.

FTS5 intersects lists by seeking in each, which costs some ten microseconds for every word and
candidate. So where no word is rare, but place, time or collection leave few granules, those are
looked at one by one: their words are unpacked and compared here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import orjson

from pelagos.catalogue.index.corpus import fts_string
from pelagos.catalogue.index.packing import Unpacker
from pelagos.catalogue.index.plan import Plan
from pelagos.catalogue.index.scan import matches
from pelagos.catalogue.text import PRIVATE, Any_, Every, Expression, Words

_FEW = 2_000  # candidates that are looked at one by one
_RARE = 500  # granules with a word, for it to come first
_BREAK = "\x1f"
_SEPARATORS = {code: " " for code in range(128) if not chr(code).isalnum() and chr(code) != _BREAK}


def settle(connection: sqlite3.Connection, found: Plan) -> Plan:
    """The same plan, quicker: with the rare word first, or with keys that are known already."""
    if found.text is None or found.rids is not None or not (found.match or found.conditions):
        return found
    for leaf in _needed(found.text):
        # a word that collections have too is not rare
        if not found.inherited.get(leaf) and _is_rare(connection, found, leaf):
            return replace(found, first=fts_string(leaf))
    if found.match is None or not all(word.isascii() for word in _words(found.text)):
        # words alone are quick; FTS5 knows how to fold what is not ASCII
        return found
    others = replace(found, text=None, text_match=None)
    listed = {}
    for phase in found.phases:
        rids = list(islice(matches(connection, replace(others, phases=(phase,))), _FEW + 1))
        if len(rids) <= _FEW:
            listed[phase] = tuple(_with_words(connection, found, rids))
    return replace(found, listed=listed)


def _needed(text: Expression) -> list[Words]:
    """The words without which nothing is found."""
    if isinstance(text, Words):
        return [text]
    if isinstance(text, Every):
        return [leaf for part in text.parts for leaf in _needed(part)]
    return []


def _words(text: Expression) -> Iterator[str]:
    if isinstance(text, Words):
        yield from text.words
        return
    for part in (*text.parts, *(text.without if isinstance(text, Every) else ())):
        yield from _words(part)


def _is_rare(connection: sqlite3.Connection, found: Plan, leaf: Words) -> bool:
    (count,) = connection.execute(
        "SELECT count(*) FROM (SELECT 1 FROM granule_text WHERE granule_text MATCH ? "
        "AND rowid BETWEEN ? AND ? LIMIT ?)",
        (fts_string(leaf), found.phases[0].low, found.phases[-1].high, _RARE),
    ).fetchone()
    return bool(count < _RARE)


def _with_words(connection: sqlite3.Connection, found: Plan, rids: list[int]) -> list[int]:
    """Those of the keys that the text finds."""
    rows = connection.execute(
        "SELECT p.rid, p.collection FROM json_each(?) j CROSS JOIN place p ON p.rid = j.value",
        (orjson.dumps(rids).decode(),),
    ).fetchall()
    # some collections settle it for all their granules
    settled = {
        collection: _by_collection(found, found.text, collection)
        for collection in {collection for _, collection in rows}
        if found.text is not None
    }
    open_ones = [rid for rid, collection in rows if settled[collection] is None]
    kept = set(_unpacked(connection, found, open_ones)) if open_ones else set()
    return [rid for rid, collection in rows if settled[collection] or rid in kept]


def _by_collection(found: Plan, text: Expression, collection: int) -> bool | None:
    """Whether all granules of a collection are found, or none; None: it depends on them."""
    if isinstance(text, Words):
        return True if collection in found.inherited.get(text, ()) else None
    answers = [_by_collection(found, part, collection) for part in text.parts]
    if isinstance(text, Any_):
        return True if True in answers else None
    without = [_by_collection(found, part, collection) for part in text.without]
    if True in without:
        return False
    return True if all(answers) and not without else None


def _unpacked(connection: sqlite3.Connection, found: Plan, rids: list[int]) -> Iterator[int]:
    rows = connection.execute(
        "SELECT g.rid, p.collection, g.packed FROM json_each(?) j "
        "CROSS JOIN granule g ON g.rid = j.value CROSS JOIN place p ON p.rid = g.rid",
        (orjson.dumps(rids).decode(),),
    )
    unpack = Unpacker(connection)
    for rid, collection, packed in rows.fetchall():
        text = unpack.text(collection, packed).replace(PRIVATE, _BREAK)
        if not text.isascii():
            holds = _fts_holds(connection, found, rid)
        else:
            words = f" {' '.join(text.lower().translate(_SEPARATORS).split())} "
            holds = found.text is not None and _holds(found, found.text, collection, words)
        if holds:
            yield rid


def _fts_holds(connection: sqlite3.Connection, found: Plan, rid: int) -> bool:
    if found.text_match is None:
        return True
    row = connection.execute(
        "SELECT 1 FROM granule_text WHERE granule_text MATCH ? AND rowid = ?",
        (found.text_match, rid),
    ).fetchone()
    return row is not None


def _holds(found: Plan, text: Expression, collection: int, words: str) -> bool:
    """Whether a granule with these words, each between spaces, is found by a text."""
    if isinstance(text, Words):
        if collection in found.inherited.get(text, ()):
            return True
        wanted = " ".join(text.words).lower()
        return f" {wanted}" in words if text.begun else f" {wanted} " in words
    if isinstance(text, Any_):
        return any(_holds(found, part, collection, words) for part in text.parts)
    return all(_holds(found, part, collection, words) for part in text.parts) and not any(
        _holds(found, part, collection, words) for part in text.without
    )
