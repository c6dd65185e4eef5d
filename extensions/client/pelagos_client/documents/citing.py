"""How the data sets of an order want to be cited, from their STAC documents.

What a record says itself comes first (`sci:citation`, `sci:doi` of STAC's scientific extension);
only where it is silent a citation is made, in the order that DataCite recommends: creator (year):
title. publisher. identifier. Records come from strangers: any field may be of the wrong kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import quote

from pelagos_client.documents.model import Citation

Document = Mapping[str, Any]
Key = tuple[str, str]  # collection, item

_LONGEST = 4_000  # characters of one field
_DOI = re.compile(r"10\.\d{4,9}/\S{1,300}")
_DOI_BEGIN = re.compile(r"^\s*(?:https?://(?:dx\.)?doi\.org/|doi:\s*)", re.IGNORECASE)
_YEAR = re.compile(r"(\d{4})-\d\d")
_LANDING = ("cite-as", "about", "describedby", "via")
_UNSAID = ("", "other", "various", "proprietary")


@dataclass
class Cited:
    """A citation, and the collections and items that it stands for."""

    citation: Citation
    collections: list[str] = field(default_factory=list)
    items: list[Key] = field(default_factory=list)
    publisher: str = ""
    publisher_url: str = ""


def citations(
    items: Mapping[Key, Document] | Iterable[Document],
    collections: Mapping[str, Document],
    accessed: datetime | date | None = None,
) -> list[Citation]:
    """One citation for each data set that the items are of, in the order of the items.

    An item that has a DOI or a citation of its own is a data set of its own. `collections`: STAC
    collections by identifier; one that is missing is cited by what its items say. `accessed`: when
    the data were got, today if None.
    """
    return [one.citation for one in cited(items, collections, accessed)]


def cited(
    items: Mapping[Key, Document] | Iterable[Document],
    collections: Mapping[str, Document],
    accessed: datetime | date | None = None,
) -> list[Cited]:
    """The same, with what each citation stands for."""
    day = _day(accessed)
    found: dict[str, Cited] = {}
    of_collection: dict[str, Cited] = {}
    for key, item in _pairs(items):
        properties = _mapping(item.get("properties"))
        collection = _mapping(collections.get(key[0]))
        own = bool(doi_of(properties) or plain(properties.get("sci:citation")))
        if not own and key[0] in of_collection:
            of_collection[key[0]].items.append(key)
            continue
        if own:
            made = _of_item(key, item, collection, day)
        elif collection:
            made = _of_collection(key[0], collection, day)
        else:
            made = _of_unknown(key[0], item, day)
        one = found.setdefault(made.citation.doi.lower() or made.citation.text, made)
        one.items.append(key)
        if key[0] not in one.collections:
            one.collections.append(key[0])
        if not own:
            of_collection[key[0]] = one
    return list(found.values())


def plain(value: object, longest: int = _LONGEST) -> str:
    """A text in one line, without characters that can't be printed; "" for what is no text."""
    if not isinstance(value, str):
        return ""
    line = " ".join(value.split())
    return "".join(letter for letter in line if letter.isprintable())[:longest].strip()


def doi_of(fields: Document) -> str:
    """The DOI of a record, without a resolver; "" if there is none."""
    text = _DOI_BEGIN.sub("", plain(fields.get("sci:doi")))
    match = _DOI.fullmatch(text.strip())
    return match[0] if match else ""


def doi_link(doi: str) -> str:
    """The address of a DOI."""
    return f"https://doi.org/{quote(doi, safe='/:;()._-')}" if doi else ""


def _pairs(
    items: Mapping[Key, Document] | Iterable[Document],
) -> Iterable[tuple[Key, Document]]:
    if isinstance(items, Mapping):
        yield from items.items()
        return
    for item in items:
        yield (plain(item.get("collection")), plain(item.get("id"))), item


def _of_item(key: Key, item: Document, collection: Document, day: date) -> Cited:
    """An item that is a data set of its own; what it leaves out, its collection says."""
    properties = _mapping(item.get("properties"))
    fields = {
        **{name: collection.get(name) for name in ("providers", "pelagos:infrastructure_title")},
        **_rights(collection),
        **properties,
    }
    title = plain(properties.get("title")) or plain(item.get("id")) or key[1]
    times = [properties.get(name) for name in ("updated", "end_datetime", "datetime", "created")]
    return _made(title, fields, times, [*_links(item), *_links(collection)], _landing(item), day)


def _of_collection(name: str, collection: Document, day: date) -> Cited:
    title = plain(collection.get("title")) or name
    interval = _interval(collection)
    times = [collection.get("updated"), *interval]
    links = _links(collection)
    return _made(title, collection, times, links, _landing(collection), day)


def _of_unknown(name: str, item: Document, day: date) -> Cited:
    """A collection of which nothing is known but an item."""
    fields = _mapping(item.get("properties"))
    times = [fields.get(one) for one in ("updated", "end_datetime", "datetime")]
    return _made(name or "Untitled data set", fields, times, _links(item), _landing(item), day)


def _rights(fields: Document) -> dict[str, Any]:
    names = ("license", "pelagos:licence_text")
    return {name: fields[name] for name in names if name in fields}


def _made(  # what a citation is made of, each from another place
    title: str,
    fields: Document,
    times: list[Any],
    links: list[Document],
    landing: str,
    day: date,
) -> Cited:
    doi = doi_of(fields)
    makers, host = _providers(fields)
    publisher = host or plain(fields.get("pelagos:infrastructure_title"))
    text = plain(fields.get("sci:citation"))
    if not text:
        year = next((match[1] for match in map(_year, times) if match), "n.d.")
        name = "; ".join(makers) or publisher or "Unknown producer"
        text = f"{name} ({year}): {title.rstrip('.')}."
        if publisher and publisher not in (name, *makers):
            text += f" {publisher.rstrip('.')}."
    text = text if text.endswith((".", "!", "?")) or _ends_in_address(text) else f"{text}."
    if doi and doi.lower() not in text.lower():
        text += f" {doi_link(doi)}"
    elif landing and not doi and landing not in text:
        text += f" {landing}"
    licence, words = _licence(fields, links)
    citation = Citation(
        title=title,
        text=f"{text} (accessed {day.isoformat()})",
        doi=doi,
        licence=licence,
        licence_text=words,
        url=doi_link(doi) or landing,
    )
    publisher = publisher or next(iter(makers), "")
    return Cited(citation, publisher=publisher, publisher_url=_provider_url(fields, publisher))


def _ends_in_address(text: str) -> bool:
    return bool(re.search(r"(?:https?://|doi:)\S+$", text, re.IGNORECASE))


def _licence(fields: Document, links: list[Document]) -> tuple[str, str]:
    """SPDX identifier or "other", and the terms in words with the address of their text."""
    licence = plain(fields.get("license"), 200)
    words = plain(fields.get("pelagos:licence_text"))
    addresses = (_address(link) for link in links if link.get("rel") == "license")
    for address in dict.fromkeys(filter(None, addresses)):
        if address not in words:
            words = f"{words} {address}".strip()
    if licence.lower() in _UNSAID and licence.lower() != "proprietary":
        licence = "other"
    return licence, words


def _providers(fields: Document) -> tuple[list[str], str]:
    """Names of the producers, and of the one that publishes."""
    by_role: dict[str, list[str]] = {}
    providers = fields.get("providers")
    for one in providers if isinstance(providers, list) else []:
        name = plain(_mapping(one).get("name"), 300)
        roles = _mapping(one).get("roles")
        for role in roles if isinstance(roles, list) and roles else ["producer"]:
            if name and isinstance(role, str) and name not in by_role.setdefault(role, []):
                by_role[role].append(name)
    makers = by_role.get("producer") or by_role.get("processor") or by_role.get("licensor") or []
    hosts = by_role.get("host") or by_role.get("licensor") or [""]
    return makers[:20], hosts[0]


def _provider_url(fields: Document, name: str) -> str:
    providers = fields.get("providers")
    for one in providers if isinstance(providers, list) else []:
        if name and plain(_mapping(one).get("name"), 300) == name:
            return _address({"href": _mapping(one).get("url")})
    return ""


def _landing(document: Document) -> str:
    """The page about a data set, if a link says which it is."""
    found = {str(link.get("rel")): _address(link) for link in reversed(_links(document))}
    return next((found[rel] for rel in _LANDING if found.get(rel)), "")


def _links(document: Document) -> list[Document]:
    links = document.get("links")
    return [link for link in links if isinstance(link, Mapping)] if isinstance(links, list) else []


def _address(link: Document) -> str:
    address = plain(link.get("href"), 2_000)
    return address if re.match(r"https?://[^\s/]+", address) and " " not in address else ""


def _interval(collection: Document) -> list[Any]:
    """End and start of its extent in time."""
    temporal = _mapping(_mapping(collection.get("extent")).get("temporal"))
    intervals = temporal.get("interval")
    first = intervals[0] if isinstance(intervals, list) and intervals else None
    return list(reversed(first)) if isinstance(first, list) else []


def _year(value: object) -> re.Match[str] | None:
    match = _YEAR.match(value) if isinstance(value, str) else None
    # the widest time that can be written stands for one that nobody knows
    return match if match and match[1] not in ("0001", "9999") else None


def _mapping(value: object) -> Document:
    return value if isinstance(value, Mapping) else {}


def _day(accessed: datetime | date | None) -> date:
    moment = accessed or datetime.now(UTC)
    if isinstance(moment, datetime):
        return moment.astimezone(UTC).date() if moment.tzinfo else moment.date()
    return moment
