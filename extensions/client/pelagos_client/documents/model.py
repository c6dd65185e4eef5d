"""What documents are made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pelagos_client.access import Criteria


@dataclass(frozen=True)
class Citation:
    """How a data set wants to be cited. `licence`: SPDX identifier, or "other" with the words."""

    title: str
    text: str
    doi: str = ""  # without a resolver
    licence: str = ""
    licence_text: str = ""
    url: str = ""

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class DeliveredFile:
    """One file of an order as it was got.

    `path` is below the order's folder, `size` in bytes, `checksum` a multihash in hexadecimal,
    `proof` what is known of its wholeness (`pelagos_client.download.Proof`), `url` where it came
    from, without a query.
    """

    path: str
    collection: str
    item: str
    asset: str
    size: int
    checksum: str
    proof: str = ""
    type: str = ""
    url: str = ""
    etag: str = ""
    modified: str = ""
    fetched: datetime | None = None
    is_subset: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class OrderFacts:
    """An order, as its documents tell of it.

    `items` and `collections` are STAC documents as they were when it was placed: by (collection,
    item), and by collection. `target`: `dataspace` has links into the pool until `expires` (None if
    nobody knows), `workspace` has copies. `version`: of Pelagos.
    """

    number: int
    owner: str
    title: str
    created: datetime
    ready: datetime
    criteria: Criteria
    query: dict[str, Any]
    files: tuple[DeliveredFile, ...]
    items: dict[tuple[str, str], dict[str, Any]] = field(repr=False)
    collections: dict[str, dict[str, Any]] = field(repr=False)
    site: str = ""  # name of the VRE
    notes: tuple[str, ...] = ()
    target: str = "dataspace"
    expires: datetime | None = None
    version: str = ""
