"""What connectors of JSON services share: typed reading of answers, and paging that ends.

Every reader raises RecordError, which names the field by its path, if what stands there has the
wrong type; a field that is missing or null is empty.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, TypeAlias

from pelagos.catalogue.fetch_guard import shown
from pelagos.catalogue.records import RecordError
from pelagos.errors import SourceError

Record: TypeAlias = Mapping[str, Any]

TEXT_LIMIT = 10 * 2**20  # characters of a field; more is no text but an attack
_WEB = re.compile(
    r"https?://[^\s\x00-\x20\x7f/?#@\\<>\"{}|^`]+(?:[/?#][^\s\x00-\x20\x7f\\<>\"{}|^`]*)?",
    re.IGNORECASE,
)
_NO_TEXT = re.compile("[\x00\ud800-\udfff]")  # what JSON may hold and neither UTF-8 nor SQL takes
# https://github.com/multiformats/multicodec: the code as a varint, then the length of the digest
_MULTIHASH = {"md5": ("d50110", 32), "sha256": ("1220", 64)}


def at(record: Any, *path: str) -> Any:
    """What stands at a path; None where it ends early."""
    value = record
    for depth, key in enumerate(path):
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise _wrong(path[:depth], "an object", value)
        value = value.get(key)
    return value


def text(record: Any, *path: str) -> str:
    """Text (a number counts) without blanks around it; "" if there is none."""
    value = at(record, *path)
    if value is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise _wrong(path, "text", value)
    if len(value) > TEXT_LIMIT:
        raise RecordError(f"{'.'.join(path)}: {len(value)} characters")
    return _NO_TEXT.sub("", value).strip()


def number(record: Any, *path: str) -> float | None:
    """A finite number, also as text; None if there is none."""
    value = at(record, *path)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _wrong(path, "a number", value)
    try:
        found = float(value)
    except (ValueError, OverflowError):
        raise _wrong(path, "a number", value) from None
    if not math.isfinite(found):
        raise RecordError(f"{'.'.join(path)}: not a finite number")
    return found


def count(record: Any, *path: str) -> int | None:
    """A whole number that is not negative; None if there is none."""
    found = number(record, *path)
    if found is None:
        return None
    if found < 0 or found != int(found) or found >= 2**63:
        raise RecordError(f"{'.'.join(path)}: {found} where a count should be")
    return int(found)


def entries(record: Any, *path: str) -> list[Record]:
    """A list of objects; empty if there is none."""
    found = values(record, *path)
    for value in found:
        if not isinstance(value, Mapping):
            raise _wrong(path, "objects", value)
    return found


def values(record: Any, *path: str) -> list[Any]:
    """A list; empty if there is none."""
    value = at(record, *path)
    if value is None:
        return []
    if not isinstance(value, list):
        raise _wrong(path, "a list", value)
    return value


def texts(record: Any, *path: str) -> tuple[str, ...]:
    """A list of texts, each once and none empty."""
    found = [text({"": value}, "") for value in values(record, *path)]
    return tuple(dict.fromkeys(filter(None, found)))


def web(address: str) -> str:
    """A complete http or https address; "" for anything else, such as `javascript:`."""
    address = address.strip()
    return address if len(address) <= 2000 and _WEB.fullmatch(address) else ""


def multihash(kind: str, digest: str) -> str:
    """A digest in hex as multihash. `kind`: md5 or sha256. Raises RecordError."""
    prefix, length = _MULTIHASH[kind]
    if not re.fullmatch(f"[0-9a-fA-F]{{{length}}}", digest):
        raise RecordError(f"{kind}: {digest[:80]!r} is no such checksum")
    return prefix + digest.lower()


def which(record: Any, key: str, position: int) -> str:
    """How to name a record in a report: its identifier, or where it stands."""
    found = record.get(key) if isinstance(record, Mapping) else None
    if isinstance(found, str | int) and str(found).strip():
        return str(found)[:200]
    return f"record {position}"


def listed(url: str, document: Any, *path: str) -> list[Any]:
    """The list that an answer is, or that stands in it. Raises SourceError for anything else."""
    try:
        found = values({"answer": document}, "answer", *path)
    except RecordError as error:
        raise strange(url, str(error)) from error
    if document is None or (path and not found and at(document, *path) is None):
        raise strange(url, f"no {'.'.join(path) or 'list'} in it")
    return found


def total(url: str, document: Any, *path: str) -> int:
    """A count that stands in an answer. Raises SourceError for anything else."""
    try:
        found = count(document, *path)
    except RecordError as error:
        raise strange(url, str(error)) from error
    if found is None:
        raise strange(url, f"no {'.'.join(path)} in it")
    return found


def strange(url: str, why: str) -> SourceError:
    """What an address answers is not what such a service is documented to give."""
    return SourceError(
        f"{shown(url)}: not an answer of this kind of service: {why}.",
        "Check the source's `url` and `kind`.",
    )


def _wrong(path: tuple[str, ...], wanted: str, value: Any) -> RecordError:
    name = ".".join(filter(None, path)) or "it"
    return RecordError(f"{name}: {type(value).__name__} where {wanted} should be")


class Paging:
    """Says when to stop asking for pages, and which records came before.

    A service whose pages bring nothing new would be asked for ever.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._seen: set[str] = set()
        self._before = 0
        self.read = 0

    def new(self, identifier: str) -> bool:
        """Whether this record has not been seen before."""
        if identifier in self._seen:
            return False
        self._seen.add(identifier)
        return True

    def page(self, records: int) -> None:
        """A page with so many records has been read. Raises SourceError if none was new."""
        self.read += records
        if records and len(self._seen) == self._before:
            raise SourceError(
                f"{self._source}: a page after {self.read - records} records repeats earlier ones.",
                "The service does not page as documented; report it.",
            )
        self._before = len(self._seen)

    def finish(self, total: int) -> None:
        """All pages have been read. Raises SourceError if the service announced more."""
        if self.read < total:
            raise SourceError(
                f"{self._source}: it announced {total} records and gave {self.read}.",
                "Harvest it again later.",
            )
