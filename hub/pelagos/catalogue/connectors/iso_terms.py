"""Keywords of ISO records: quantities, platforms and instruments by their vocabularies.

A keyword belongs to a vocabulary by its own address (NERC Vocabulary Server, SeaDataNet URN), or
by the title of its thesaurus; its declared type says the rest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from pelagos.catalogue.markup import plain_text
from pelagos.catalogue.records import Parameter

_KEYWORDS = 500  # of one record
_LENGTH = 300  # characters of one
_TERM = re.compile(
    r"(?:vocab\.nerc\.ac\.uk/collection/(?P<nvs>[A-Z]\d{2})/current/(?P<code>[\w-]{1,40})"
    r"|SDN:(?P<urn>[A-Z]\w{1,8}):[^:]{0,9}:(?P<urn_code>[\w-]{1,40}))",
    re.ASCII,
)
# how the titles of thesauri name vocabularies; the first that fits
_TITLES = (
    (re.compile(r"\bP02\b|Parameter Discovery Vocabulary", re.IGNORECASE), "P02"),
    (re.compile(r"\bP01\b|Parameter Usage Vocabulary", re.IGNORECASE), "P01"),
    (re.compile(r"\bP35\b|EMODnet Chemistry aggregated parameter", re.IGNORECASE), "P35"),
    (re.compile(r"\bP07\b|^CF\b|Standard Name Table|CF Standard Name", re.IGNORECASE), "P07"),
    (re.compile(r"\bL05\b|device categories|GCMD Instrument", re.IGNORECASE), "L05"),
    (re.compile(r"\bL06\b|Platform (Class|Categor)|GCMD Platform", re.IGNORECASE), "L06"),
)
_ELEMENTS = {  # SeaDataNet's own elements
    "SDN_ParameterDiscoveryCode": "P02",
    "SDN_ParameterUsageCode": "P01",
    "SDN_DeviceCategoryCode": "L05",
    "SDN_PlatformCategoryCode": "L06",
    "SDN_EDMERPCode": "EDMERP",
}
_PARAMETERS = frozenset({"P01", "P02", "P35", "P07"})
_INSTRUMENTS = frozenset({"L05", "L22"})
_PLATFORMS = frozenset({"L06", "B76", "C17"})
# parameter-like, but no quantity: matrices, groups
_NO_QUANTITY = frozenset({"L04", "P36", "P08", "P03"})
_COORDINATES = frozenset({"depth", "altitude", "height", "latitude", "longitude", "time"})
_NOTHING = frozenset({"", "unknown", "not applicable", "inapplicable", "none", "various"})
_DETAILS = re.compile(r"\s*\{acronym=.*\}$", re.DOTALL)


@dataclass
class Terms:
    """What a record's keywords say."""

    keywords: list[str] = field(default_factory=list)
    parameters: list[Parameter] = field(default_factory=list)
    platforms: list[str] = field(default_factory=list)
    instruments: list[str] = field(default_factory=list)


def address_of(element_name: str, code: str) -> str:
    """The address of a term that SeaDataNet writes as an element of its own; "" if unknown."""
    vocabulary = _ELEMENTS.get(element_name)
    return f"SDN:{vocabulary}::{code}" if vocabulary and code else ""


def sort_keywords(groups: list[Any], terms: Terms) -> Terms:
    """`terms` and the keywords of OWSLib's MD_Keywords, without doubles."""
    count = 0
    for group in groups:
        title = (group.thesaurus or {}).get("title") or ""
        for word in group.keywords:
            name = _DETAILS.sub("", plain_text(word.name, _LENGTH))
            count += 1
            if name.lower() not in _NOTHING and count <= _KEYWORDS:
                _sort(terms, name, word.url or "", title, (group.type or "").lower())
    return Terms(
        list(dict.fromkeys(terms.keywords)),
        list(dict.fromkeys(terms.parameters)),
        list(dict.fromkeys(terms.platforms)),
        list(dict.fromkeys(terms.instruments)),
    )


def _sort(terms: Terms, name: str, address: str, title: str, kind: str) -> None:
    vocabulary, code = _vocabulary(address, title)
    if vocabulary in _PARAMETERS or (kind == "parameter" and vocabulary not in _NO_QUANTITY):
        if name.lower() not in _COORDINATES:
            terms.parameters.append(_parameter(name, vocabulary, code))
    elif vocabulary in _INSTRUMENTS or kind == "instrument":
        terms.instruments.append(name)
    elif vocabulary in _PLATFORMS or kind in ("platform", "platform_class"):
        terms.platforms.append(name)
    else:
        terms.keywords.append(name)


def _vocabulary(address: str, title: str) -> tuple[str, str]:
    if match := _TERM.search(address):
        return match["nvs"] or match["urn"], match["code"] or match["urn_code"]
    return next((known for pattern, known in _TITLES if pattern.search(title)), ""), ""


def _parameter(name: str, vocabulary: str, code: str) -> Parameter:
    if vocabulary == "P07":
        return Parameter(name, standard_name=name if re.fullmatch(r"[a-z0-9_]+", name) else "")
    return Parameter(
        name,
        p01=code if vocabulary == "P01" else "",
        p02=code if vocabulary == "P02" else "",
    )
