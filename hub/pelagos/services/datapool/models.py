"""The bodies of the API. The client reads and writes just these."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from pelagos.datapool.model import FileState, OrderState, Target

Identifier = Annotated[str, StringConstraints(min_length=1, max_length=600)]
Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
QUERY_BYTES = 1_000_000


def _line(text: str) -> str:
    """A text as one line: neither database nor page takes control characters."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())


def _json(query: dict[str, Any]) -> dict[str, Any]:
    try:
        length = len(json.dumps(query, allow_nan=False))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if length > QUERY_BYTES:
        raise ValueError(f"it is longer than {QUERY_BYTES:,} characters")
    return query


Line = Annotated[str, AfterValidator(_line)]
Key = Annotated[str, StringConstraints(min_length=8, max_length=100, pattern=r"^[!-~]+$")]


class Asked(BaseModel):
    """Base of what is sent to us: unknown fields are errors."""

    model_config = ConfigDict(extra="forbid")


class WantedItem(Asked):
    """A granule of the catalogue; of its assets all data if none is named."""

    collection: Identifier
    item: Identifier
    assets: list[Identifier] | None = Field(None, max_length=100)


class WantedCriteria(Asked):
    """What a source that can cut is asked to cut out: a box in degrees (west, south, east, north),
    a time range (RFC 3339), variables by name or CF standard name."""

    bbox: tuple[Longitude, Latitude, Longitude, Latitude] | None = None
    start: datetime | None = None
    end: datetime | None = None
    variables: list[Annotated[str, StringConstraints(max_length=200)]] = Field([], max_length=500)


class WantedOrder(Asked):
    """A basket. `query` is the search it comes from, kept as it is; `key` makes it safe to send the
    order twice: the same key is the same order. `accept`: keys of terms, as `estimate` told."""

    items: list[WantedItem] = Field(min_length=1, max_length=100_000)
    criteria: WantedCriteria = WantedCriteria()
    to: Target = Target.DATASPACE
    virtual_lab: str = Field("", max_length=40)
    title: Line = Field("", max_length=200)
    query: Annotated[dict[str, Any], AfterValidator(_json)] = {}
    accept: list[Annotated[str, StringConstraints(max_length=600)]] = Field([], max_length=100)
    key: Key | None = None


class Sizes(BaseModel):
    """Bytes of files: `known` of those whose size is known, `unknown` how many have none."""

    known: int = 0
    unknown: int = 0
    done: int = 0


class Counts(BaseModel):
    """Files of an order. `cached`: were in the pool already."""

    total: int = 0
    ready: int = 0
    failed: int = 0
    waiting: int = 0
    cached: int = 0


class Order(BaseModel):
    """An order as its owner sees it. `sequence` grows with every change of any order. `folder` is
    below the dataspace's `me`, or below the workspace, once it is there. `expires`: until then its
    files stay in the pool. `error` and `next_step` are sentences for a person."""

    number: int
    state: OrderState
    title: str
    owner: str
    virtual_lab: str
    to: Target
    created: datetime
    finished: datetime | None
    expires: datetime | None
    sequence: int
    attempt: int
    files: Counts
    bytes: Sizes
    folder: str
    error: str
    next_step: str
    notes: list[str]
    mine: bool


class OrderList(BaseModel):
    """The newest first. `before` is the number to go on with; null at the end."""

    orders: list[Order]
    before: int | None


class OrderFile(BaseModel):
    """One file of an order. `pool` is below the pool, `path` below the order's folder. `checksum`
    is a multihash in hexadecimal; `url` where it comes from, without a query."""

    path: str
    pool: str
    collection: str
    item: str
    asset: str
    state: FileState
    size: int | None
    done: int
    checksum: str
    type: str
    url: str
    is_subset: bool
    error: str
    notes: list[str]


class OrderFiles(BaseModel):
    """A page of an order's files; `next` is the offset of the next one, null at the end."""

    files: list[OrderFile]
    next: int | None


class TermsOfUse(BaseModel):
    """What has to be accepted."""

    key: str
    title: str
    text: str
    url: str


class Refusal(BaseModel):
    """A granule that can't be ordered, and why."""

    collection: str
    item: str
    reason: str


class Estimate(BaseModel):
    """What an order would be. `cached`: bytes that are in the pool already; `free`: what the target
    and the pool can still take, the lesser of the two; `fits` and `reason`: whether it would be
    accepted, and why not."""

    files: int
    bytes: Sizes
    cached: int
    free: int
    fits: bool
    reason: str
    accept: list[TermsOfUse]
    refused: list[Refusal]


class CitationModel(BaseModel):
    """How a data set wants to be cited."""

    title: str
    text: str
    doi: str
    licence: str
    licence_text: str
    url: str


class Problem(BaseModel):
    """Why something was not done: what happened and why, and what to do next. Of granules that
    can't be ordered the first 20, and how many there are; and what would have to be accepted."""

    reason: str
    mend: str = ""
    refused: list[Refusal] = []
    refused_count: int = 0
    accept: list[TermsOfUse] = []
