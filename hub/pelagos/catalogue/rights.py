"""Licences as SPDX identifiers, and DOIs, out of the texts and addresses of records."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterable

from pelagos.catalogue.markup import plain_text

OTHER = "other"
_TEXT_LIMIT = 2_000
_DOI_LIMIT = 200
_DOI = re.compile(r"10\.\d{4,9}/[^\s\"<>{}|\\^`]{1,300}", re.ASCII)
_DOI_ADDRESS = re.compile(r"^(https?://)?(dx\.)?doi\.org/|^doi:", re.IGNORECASE)

_CC_URL = re.compile(
    r"creativecommons\.org/licen[cs]es/(by(?:-nc)?(?:-nd|-sa)?)/([1-4]\.\d)", re.IGNORECASE
)
_CC_NAME = re.compile(
    r"\bCC[ _-]*(BY(?:[ _-]*NC)?(?:[ _-]*(?:ND|SA))?)\)?"
    r"[ _-]*(?:v|version)?[ _.]*([1-4](?:\.\d)?)\b",
    re.IGNORECASE,
)
_CC_LONG = re.compile(
    r"(?:Creative Commons )?Attribution((?:[ -]*(?:Non-?Commercial|Share-?Alike|No-?Deriv\w*))*)"
    r"\s*(?:v|version)?\.?\s*([1-4]\.\d)",
    re.IGNORECASE,
)
# others, by what their names or addresses say; only where the version is said too
_OTHERS = (
    (r"creativecommons\.org/publicdomain/zero/1\.0|\bCC[ _-]?0(?:[ _-]?1\.0)?\b", "CC0-1.0"),
    (r"creativecommons\.org/publicdomain/mark/1\.0", "CC-PDM-1.0"),
    (r"opendatacommons\.org/licenses/odbl|\bODbL\b|Open (?:Data Commons Open )?Database Licen[cs]e",
     "ODbL-1.0"),
    (r"opendatacommons\.org/licenses/by\b|\bODC-By\b", "ODC-By-1.0"),
    (r"opendatacommons\.org/licenses/pddl|\bPDDL\b", "PDDL-1.0"),
    (r"open-government-licence/version/([123])"
     r"|Open Government Licen[cs]e[, ]*(?:v|version ?)([123])"
     r"|\bOGL(?:-UK)?[- ]?v?([123])(?:\.0)?\b", "OGL-UK-{}.0"),
    (r"Licence Ouverte[^.]{0,40}2\.0|\betalab-2\.0\b", "etalab-2.0"),
    (r"data\.norge\.no/nlod/[a-z]{2}/([12])\.0|\bNLOD[- ]([12])\.0", "NLOD-{}.0"),
    (r"\bMIT Licen[cs]e\b|^MIT$", "MIT"),
    (r"\bApache(?: Licen[cs]e,? Version)?[- ]2\.0\b", "Apache-2.0"),
)  # fmt: skip
_OTHERS_RE = tuple((re.compile(pattern, re.IGNORECASE), name) for pattern, name in _OTHERS)


def spdx(text: str | None) -> str:
    """The SPDX identifier that a name or an address of a licence means, "" if it is not sure."""
    text = (text or "")[:_TEXT_LIMIT]
    for pattern in (_CC_URL, _CC_NAME):
        if match := pattern.search(text):
            kind = "-".join(re.findall(r"by|nc|nd|sa", match[1], re.IGNORECASE)).upper()
            return f"CC-{kind}-{match[2] if '.' in match[2] else match[2] + '.0'}"
    if match := _CC_LONG.search(text):
        return f"CC-BY{_long_kind(match[1])}-{match[2]}"
    for pattern, name in _OTHERS_RE:
        if match := pattern.search(text):
            return name.format(next((group for group in match.groups() if group), ""))
    return ""


def licence(texts: Iterable[str | None], default: str = "") -> tuple[str, str]:
    """(SPDX identifier or "other", the terms for a person) from what a record says.

    `default`: the source's licence, for a record that says nothing at all.
    """
    said = list(dict.fromkeys(filter(None, (plain_text(text, _TEXT_LIMIT) for text in texts))))
    found = next(filter(None, map(spdx, said)), "")
    if not found and not said:
        return default or OTHER, ""
    return found or OTHER, plain_text(" ".join(said), _TEXT_LIMIT)


def find_doi(text: str | None) -> str:
    """The first DOI in a text or address, without a resolver; "" if there is none."""
    text = (text or "").strip()[:_TEXT_LIMIT]
    in_address = bool(_DOI_ADDRESS.match(text) or text.startswith(("http://", "https://")))
    if in_address:
        text = urllib.parse.unquote(text)
    match = _DOI.search(text)
    if match is None:
        return ""
    doi = re.split(r"[?#&]", match[0])[0] if in_address else match[0]
    doi = doi.rstrip(".,;:'")
    for closing, opening in (")(", "]["):
        while doi.endswith(closing) and doi.count(closing) > doi.count(opening):
            doi = doi[:-1].rstrip(".,;:'")
    return doi if len(doi) <= _DOI_LIMIT and not doi.endswith("/") else ""


def _long_kind(words: str) -> str:
    low = words.lower()
    kind = "-NC" if "commercial" in low else ""
    if "deriv" in low:
        return kind + "-ND"
    return kind + ("-SA" if "alike" in low else "")
