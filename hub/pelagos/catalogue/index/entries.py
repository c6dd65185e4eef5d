"""What is kept of a record, made from it: rows, words and terms. Pure functions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from pelagos.catalogue.index import cells, keys
from pelagos.catalogue.query import Facet
from pelagos.catalogue.records import CollectionRecord, GranuleRecord, Parameter
from pelagos.catalogue.rights import OTHER
from pelagos.catalogue.stac import collection_document, granule_document
from pelagos.catalogue.terms import codes_of, complete, key_of, title_of, words_of
from pelagos.catalogue.text import PRIVATE

OWN_FACETS = (Facet.PARAMETER, Facet.PLATFORM, Facet.INSTRUMENT)  # that granules have of their own
# of these a granule's own values stand for those of its collection; parameters are added to them
NARROWED = {Facet.PLATFORM: "op", Facet.INSTRUMENT: "oi"}
_BREAK = f" {PRIVATE} "  # a term that no phrase has
LONG = tuple(f"{PRIVATE}d{number}" for number in range(len(keys.LENGTHS) + 1))


@dataclass(frozen=True)
class Value:
    """One value of a facet, as it is kept."""

    facet: Facet
    value: str
    title: str = ""
    terms: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class CollectionRow:
    """All that is kept of a collection."""

    public: str
    title: str
    subject: str
    description: str
    span: tuple[int | None, int | None]
    updated: int | None
    boxes: tuple[cells.Flat, ...]
    values: tuple[Value, ...]
    doc: bytes


def collection_term(number: int) -> str:
    """The term of all granules of a collection."""
    return f"{PRIVATE}k{number}"


def value_term(number: int | str) -> str:
    """The term of all granules that have a value of a facet of their own."""
    return f"{PRIVATE}v{number}"


def mark_term(mark: str) -> str:
    """The term of all granules that have a value of their own of a facet in NARROWED."""
    return f"{PRIVATE}{mark}"


def collection_row(source: str, source_title: str, record: CollectionRecord) -> CollectionRow:
    """What is kept of a collection."""
    document = collection_document(source, source_title, record)
    parameters = [word for one in record.parameters for word in words_of(complete(one))]
    codes = [code for one in record.parameters for code in (one.p01, one.p02) if code]
    # the words of title and subject find its granules too. Of several platforms or instruments
    # nobody knows which is a granule's: it has its own, or is not found by them
    shared = [names for names in (record.platforms, record.instruments) if len(names) == 1]
    subject = (*record.keywords, *parameters, *codes, *(name for (name,) in shared))
    more = (record.id, record.description, record.citation, record.doi, source, source_title)
    names = (*record.platforms, *record.instruments, *(one.name for one in record.providers))
    interval = record.interval
    return CollectionRow(
        document["id"],
        record.title,
        _text(subject),
        _text((*more, *names)),
        keys.span(interval.start, interval.end) if interval else (None, None),
        keys.milliseconds(record.updated) if record.updated else None,
        tuple(cells.stored(box) for box in record.boxes),
        tuple(_collection_values(source, source_title, record)),
        orjson.dumps(document, option=orjson.OPT_NON_STR_KEYS),
    )


def _collection_values(source: str, source_title: str, record: CollectionRecord) -> Iterable[Value]:
    yield Value(Facet.INFRASTRUCTURE, source, source_title or source)
    licence = record.licence or OTHER
    yield Value(Facet.LICENCE, licence, "Other, see the data set" if licence == OTHER else "")
    yield from own_values(record.parameters, record.platforms, record.instruments)


@lru_cache(maxsize=10_000)
def own_values(
    parameters: tuple[Parameter, ...], platforms: tuple[str, ...], instruments: tuple[str, ...]
) -> tuple[Value, ...]:
    """The values of facets that a record names itself, each once."""
    found: dict[tuple[Facet, str], Value] = {}
    for one in parameters:
        known = tuple(codes_of(one).items())
        value = Value(Facet.PARAMETER, key_of(one), title_of(one), known)
        found.setdefault((value.facet, value.value), value)
    for facet, names in ((Facet.PLATFORM, platforms), (Facet.INSTRUMENT, instruments)):
        for name in names:
            if text := " ".join(name.split()):
                found.setdefault((facet, text), Value(facet, text))
    return tuple(value for (_, text), value in found.items() if text)


@lru_cache(maxsize=10_000)
def _shared_text(
    parameters: tuple[Parameter, ...], instruments: tuple[str, ...], words: tuple[str, ...]
) -> str:
    """What many granules have in common, made once."""
    named = [word for one in parameters for word in words_of(complete(one))]
    codes = [code for one in parameters for code in (one.p01, one.p02) if code]
    return _text((*named, *codes, *instruments, *words))


def granule_document_of(
    source: str, collection: str, record: GranuleRecord
) -> tuple[str, bytes, str]:
    """Public identifier, document, and the text that it is found by."""
    document = granule_document(source, collection, record)
    parts = [record.id]
    if record.title != record.id:
        parts.append(record.title)
    parts.append(record.platform)
    text = _text(parts)
    if record.parameters or record.instruments or record.words:
        shared = _shared_text(record.parameters, record.instruments, record.words)
        text = f"{text}{_BREAK}{shared}"
    if keywords := _keywords(record.properties.get("keywords")):
        text = f"{text}{_BREAK}{keywords}"
    return document["id"], orjson.dumps(document), text


def _keywords(found: Any) -> str:
    if isinstance(found, list):
        return _text(word for word in found if isinstance(word, str))
    return _text((found,)) if isinstance(found, str) else ""


def _text(parts: Iterable[str]) -> str:
    """Each part once, and apart: words of two of them do not stand side by side."""
    given = [part for part in dict.fromkeys(parts) if part]
    text = _BREAK.join(given)
    if text.count(PRIVATE) == len(given) - 1:
        return text
    return _BREAK.join(part.replace(PRIVATE, " ") for part in given)


def hash_of(content: bytes) -> int:
    """64 bits of what is kept, to see whether it has changed."""
    digest = hashlib.blake2b(content, digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def terms_of(
    collection: int,
    tags: str,
    t0: int | None,
    t1: int | None,
    x0: float | None,
    y0: float | None,
    x1: float | None,
    y1: float | None,
) -> str:
    """The terms of a granule that the index makes itself, from what is kept of it."""
    terms = f"{PRIVATE}k{collection}"
    if x0 is not None and y0 is not None and x1 is not None and y1 is not None:
        terms = f"{terms} {cells.terms_of(x0, y0, x1, y1)}"
    if t0 != t1 and (longer := keys.length_class(t0, t1)):
        terms = f"{terms} {LONG[longer]}"
    return f"{terms} {tag_terms(tags)}" if tags else terms


@lru_cache(maxsize=10_000)
def tag_terms(tags: str) -> str:
    """The terms of a tag set: numbers of values, and marks of the facets that are narrowed."""
    return " ".join(value_term(tag) if tag.isdigit() else mark_term(tag) for tag in tags.split())
