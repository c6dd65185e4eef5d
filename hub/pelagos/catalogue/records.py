"""What a connector finds: collections (step 1) and granules (step 2), in one meaning for all.

Names and meanings are those of STAC 1.1 and its extensions scientific and file; `stac.py` writes
records as STAC. Longitudes are degrees east within -180..180, latitudes degrees north, depths
metres below the surface (positive down), times aware datetimes in UTC. The constructors check
that: they raise RecordError with a sentence that names the field, and a connector turns it into
`Rejected`.
"""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

ID_LIMIT = 400  # characters
TITLE_LIMIT = 1_000
TEXT_LIMIT = 100_000
_SAFE_LIMIT = 120
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class RecordError(ValueError):
    """A record can't be kept; the text says which field and why."""


class Access(StrEnum):
    """How one gets at an asset."""

    DIRECT = "direct"  # one request gives the file
    SUBSET = "subset"  # the server cuts out a box, a time range, variables
    ORDER = "order"  # the server prepares it; ask, wait, fetch


@dataclass(frozen=True, slots=True)
class Box:
    """A box in degrees. West of more than east crosses the antimeridian (RFC 7946 5.2)."""

    west: float
    south: float
    east: float
    north: float

    def __post_init__(self) -> None:
        values = (self.west, self.south, self.east, self.north)
        if not all(math.isfinite(value) for value in values):
            raise RecordError("box: not a number")
        if not (-180 <= self.west <= 180 and -180 <= self.east <= 180):
            raise RecordError(f"box: longitude outside -180..180: {self.west}, {self.east}")
        if not (-90 <= self.south <= self.north <= 90):
            raise RecordError(
                f"box: latitude outside -90..90 or upside down: {self.south}, {self.north}"
            )


@dataclass(frozen=True, slots=True)
class Interval:
    """A span of time; an end that is None is open."""

    start: datetime | None
    end: datetime | None

    def __post_init__(self) -> None:
        for value in (self.start, self.end):
            if value is not None and value.utcoffset() != UTC.utcoffset(None):
                raise RecordError("interval: a time that is not in UTC")
        if self.start and self.end and self.start > self.end:
            raise RecordError(f"interval: it ends before it starts: {self.start} > {self.end}")


@dataclass(frozen=True, slots=True)
class Parameter:
    """A measured quantity: its name for people, and its terms in vocabularies if known.

    `standard_name`: CF; `p01`, `p02`: codes of the BODC vocabularies, such as TEMPPR01 and TEMP;
    `units`: UDUNITS text.
    """

    name: str
    standard_name: str = ""
    p01: str = ""
    p02: str = ""
    units: str = ""


@dataclass(frozen=True, slots=True)
class Provider:
    """An organisation and its part: producer, licensor, processor, host (STAC provider roles)."""

    name: str
    roles: tuple[str, ...] = ()
    url: str = ""


@dataclass(frozen=True, slots=True)
class Asset:
    """Something to fetch. `size` in bytes, `checksum` a multihash in hex (file extension).

    `href` is absolute, or `files/…`: relative to the source in the catalogue service, which then
    serves it (connector `files`).
    """

    key: str
    href: str
    type: str = ""
    title: str = ""
    size: int | None = None
    checksum: str = ""
    roles: tuple[str, ...] = ("data",)
    access: Access = Access.DIRECT
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Link:
    """Where else to read about it: `rel` such as about, license, describedby, via."""

    rel: str
    href: str
    type: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class CollectionRecord:
    """A data set: what step 1 finds. `id` is unique within its source.

    `licence` is an SPDX identifier, or "other"; `licence_text` says the terms for a person.
    `depth` is (least, greatest) in metres. `doi` without a resolver, such as 10.17882/42182.
    `updated` is when the source last changed it. `searchable`: whether granules are in this
    catalogue at all (else only the collection is known). `extra` are more STAC fields.
    """

    id: str
    title: str
    description: str = ""
    licence: str = "other"
    licence_text: str = ""
    providers: tuple[Provider, ...] = ()
    keywords: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    platforms: tuple[str, ...] = ()
    instruments: tuple[str, ...] = ()
    boxes: tuple[Box, ...] = ()
    interval: Interval | None = None
    depth: tuple[float, float] | None = None
    doi: str = ""
    citation: str = ""
    assets: tuple[Asset, ...] = ()
    links: tuple[Link, ...] = ()
    updated: datetime | None = None
    searchable: bool = True
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_identity(self.id, self.title)
        if len(self.description) > TEXT_LIMIT:
            raise RecordError(
                f"description: {len(self.description)} characters, the most is {TEXT_LIMIT}"
            )


@dataclass(frozen=True, slots=True)
class GranuleRecord:
    """One thing to order: what step 2 finds. `id` is unique within its collection.

    `box` None: nowhere known. `geometry` is GeoJSON, if it says more than `box` (a box without
    it is a point or a rectangle). `start` = `end` is a moment; both None: no time is known.
    `words` are further words it is found by. `parameters`, `platform` and `instruments` only
    where they say more than the collection's. `properties` are more STAC properties.
    """

    id: str
    title: str = ""
    box: Box | None = None
    geometry: dict[str, Any] | None = None
    start: datetime | None = None
    end: datetime | None = None
    depth: tuple[float, float] | None = None
    platform: str = ""
    instruments: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    words: tuple[str, ...] = ()
    assets: tuple[Asset, ...] = ()
    links: tuple[Link, ...] = ()
    updated: datetime | None = None
    properties: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.id or len(self.id) > ID_LIMIT or not self.id.isprintable():
            check_identity(self.id, "-")
        if self.start and self.end and self.start > self.end:
            raise RecordError(f"time: it ends before it starts: {self.start} > {self.end}")


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that was found and can't be kept. `which` is its identifier or position."""

    which: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The source says that nothing of this collection has changed; "" is the whole source."""

    collection: str = ""


def identify(text: str) -> str:
    """`text` as part of an identifier: only ASCII letters, digits, `.`, `_` and `-`.

    What has others gets a short hash of the whole, so that two texts never become one.
    """
    safe = _UNSAFE.sub("-", text).strip("-.")
    if safe == text and len(safe) <= _SAFE_LIMIT:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{safe[:_SAFE_LIMIT].rstrip('-.')}-{digest}".lstrip("-")


def collection_id(source: str, identifier: str) -> str:
    """The public identifier of a collection: the source's name, a dot, and its own."""
    return f"{source}.{identify(identifier)}"


def check_identity(identifier: str, title: str) -> None:
    """Raises RecordError for an identifier or title that can't be kept."""
    if not identifier.strip() or len(identifier) > ID_LIMIT or _CONTROL.search(identifier):
        raise RecordError(f"id: {identifier[:60]!r} is empty, too long or not text")
    if not title.strip() or len(title) > TITLE_LIMIT:
        raise RecordError(f"title: empty or longer than {TITLE_LIMIT} characters")
