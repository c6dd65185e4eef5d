"""What goes into the tables of orders: an order as it is made, and the files that it needs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pelagos_client.access import FilePlan

from pelagos.catalogue.records import identify
from pelagos.datapool.model import Target

_NAME_BYTES = 200  # of a file's name: `.part` and the like are put behind it


@dataclass(frozen=True)
class NewOrder:
    """An order as its owner wants it. `criteria` and `query` are JSON objects."""

    owner: str
    target: Target = Target.DATASPACE
    virtual_lab: str = ""
    title: str = ""
    criteria: dict[str, Any] = field(default_factory=dict)
    query: dict[str, Any] = field(default_factory=dict)
    accepted: tuple[str, ...] = ()
    key: str | None = None


@dataclass(frozen=True)
class NewItem:
    """An item of an order, with its STAC documents and the files that come of it."""

    source: str
    collection: str
    item: str
    document: dict[str, Any] = field(repr=False)
    collection_document: dict[str, Any] | None = field(repr=False)
    plans: tuple[FilePlan, ...]


@dataclass(frozen=True)
class NewFile:
    """A file that an order needs: its identity, and where it is."""

    of: NewItem = field(repr=False)
    plan: FilePlan

    @cached_property
    def identity(self) -> str:
        """SHA-256 of all that makes it another file if it changes."""
        return digest_of(
            text_of(
                [
                    self.of.source,
                    self.of.collection,
                    self.of.item,
                    self.plan.asset,
                    self.plan.name,
                    self.plan.protocol.value,
                    self.plan.url,
                    self.plan.request,
                    self.plan.size,
                    self.plan.checksum,
                ]
            )
        )

    @property
    def name(self) -> str:
        """Its name, if it is one that a folder takes as it is."""
        name = self.plan.name
        plain = name.isprintable() and "/" not in name and not name.startswith(".")
        return name if plain and name and len(name.encode()) <= _NAME_BYTES else _part(name)

    @property
    def path(self) -> str:
        """Where it is in the order's folder, unless another is there."""
        return f"{_part(self.of.collection)}/{_part(self.of.item)}/{self.name}"

    @property
    def other_path(self) -> str:
        """Where it is if another is there."""
        folder = f"{_part(self.of.collection)}/{_part(self.of.item)}"
        return f"{folder}/{self.identity[:8]}/{self.name}"

    @property
    def place(self) -> str:
        """Where it is below the pool, unless another is there."""
        return f"{self._above}/{self.name}"

    @property
    def other_place(self) -> str:
        """Where it is if another is there."""
        return f"{self._above}/{self.identity[:8]}/{self.name}"

    @property
    def _above(self) -> str:
        # the identifiers of a source's collections begin with its name
        own = self.of.collection.removeprefix(f"{self.of.source}.")
        return f"{self.of.source}/{_part(own)}/{_part(self.of.item)}"


def files_of(items: Iterable[NewItem]) -> list[NewFile]:
    """All files of some items, each once, in their order."""
    found: dict[str, NewFile] = {}
    for item in items:
        for plan in item.plans:
            file = NewFile(item, plan)
            found.setdefault(file.identity, file)
    return list(found.values())


def text_of(document: Any) -> str:
    """JSON in ASCII, which is the same for the same document. Raises ValueError for NaN."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest_of(text: str) -> str:
    """The SHA-256 of a text, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def _part(text: str) -> str:
    """A text as one part of a path."""
    return identify(text) or "unnamed"
