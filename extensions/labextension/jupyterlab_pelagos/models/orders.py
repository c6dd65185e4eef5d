"""The basket, and the orders that are made of it."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType, field

from jupyterlab_pelagos.models.problem import Problem, Refusal, Terms
from jupyterlab_pelagos.models.search import Address, Asked, Box, Criteria, Moment, Name, Text


class Cut(Asked):
    """What a source that can cut is asked to cut out."""

    bbox: Box | None = None
    start: Moment | None = None
    end: Moment | None = None


class BasketItem(Asked):
    """A granule that somebody wants; `assets` None: all data."""

    collection: Name
    id: Name
    catalogue: Address = ""
    title: Text = ""
    collection_title: Text = ""
    size: Annotated[int, Meta(ge=0)] | None = None
    files: Annotated[int, Meta(ge=0)] = 0
    assets: Annotated[list[Name], Meta(max_length=100)] | None = None
    cut: Cut | None = None


class Basket(Struct):
    """`to`: `dataspace`, `workspace`, or a folder below the home. `revision` grows."""

    revision: int = 0
    items: list[BasketItem] = field(default_factory=list)
    to: str = ""
    title: str = ""
    cut: bool = True
    query: Criteria | None = None


class Key(Asked):
    """Which granule."""

    collection: Name
    id: Name


class Add(Asked, tag_field="kind", tag="add"):
    """Put granules into the basket; those that are there are replaced."""

    items: Annotated[list[BasketItem], Meta(max_length=20_000)]
    query: Criteria | None = None


class Remove(Asked, tag_field="kind", tag="remove"):
    """Take granules out."""

    items: Annotated[list[Key], Meta(max_length=20_000)]


class Clear(Asked, tag_field="kind", tag="clear"):
    """Empty it."""


class Set(Asked, tag_field="kind", tag="set"):
    """Change where it goes, its title, or whether it is cut."""

    to: Annotated[str, Meta(min_length=1, max_length=1000)] | UnsetType = UNSET
    title: Annotated[str, Meta(max_length=200)] | UnsetType = UNSET
    cut: bool | UnsetType = UNSET


Change = Add | Remove | Clear | Set


class WantedOrder(Asked):
    """Order the basket. `accept`: keys of terms; the same `key` is the same order."""

    accept: Annotated[list[Name], Meta(max_length=100)] = field(default_factory=list)
    key: Annotated[str, Meta(min_length=8, max_length=100, pattern="^[!-~]+$")] = ""


class Estimate(Struct):
    """What an order would be: `known` bytes of files whose size is known, `unknown` have none."""

    files: int
    known: int
    unknown: int
    cached: int
    free: int
    fits: bool
    reason: str
    accept: list[Terms]
    refused: list[Refusal]


class Counts(Struct):
    """Files of an order."""

    total: int = 0
    ready: int = 0
    failed: int = 0
    waiting: int = 0
    cached: int = 0


class Sizes(Struct):
    """Bytes of an order."""

    known: int = 0
    unknown: int = 0
    done: int = 0


class Order(Struct):
    """An order. `id` is what the routes take; `number` is 0 where a person named the folder.

    `folder` is its absolute path here, `contents` the same for the file browser.
    """

    id: str
    number: int
    state: str
    title: str
    to: str
    created: str | None
    finished: str | None
    expires: str | None
    sequence: int
    files: Counts
    bytes: Sizes
    folder: str
    contents: str | None
    error: str
    next_step: str
    notes: list[str]
    can_cancel: bool
    can_retry: bool


class Orders(Struct):
    """All of them, the newest first. `missing`: why those of the data pool are not among them."""

    orders: list[Order]
    missing: Problem | None = None


class OrderFile(Struct):
    """A file of an order; `local` its absolute path once it is there."""

    path: str
    collection: str
    item: str
    asset: str
    state: str
    size: int | None
    done: int
    type: str
    error: str
    notes: list[str]
    local: str | None


class OrderFiles(Struct):
    """A page of them; `next` is the offset of the next one."""

    files: list[OrderFile]
    next: int | None
