"""What the browser and this server tell each other: the same names stand in `src/types.ts`.

Sizes are bytes, times RFC 3339 in UTC, places degrees in WGS 84.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

Text = Annotated[str, Meta(max_length=2000)]
Name = Annotated[str, Meta(min_length=1, max_length=600)]
Address = Annotated[str, Meta(max_length=2000, pattern=r"^(https?://[^\s]+)?$")]
Moment = Annotated[str, Meta(max_length=40)]
Longitude = Annotated[float, Meta(ge=-180, le=180)]
Latitude = Annotated[float, Meta(ge=-90, le=90)]
Box = tuple[Longitude, Latitude, Longitude, Latitude]
FacetName = Literal["infrastructure", "parameter", "platform", "instrument", "licence"]
Values = Annotated[list[Name], Meta(max_length=100)]


class Asked(Struct, forbid_unknown_fields=True):
    """Base of what the browser sends: unknown fields are errors."""


class Criteria(Asked):
    """What is looked for. `start` and `end` are dates or times; both ends are included."""

    q: Text = ""
    bbox: Box | None = None
    start: Moment | None = None
    end: Moment | None = None
    facets: dict[FacetName, Values] = field(default_factory=dict)


class Search(Asked):
    """A page of a search; `next` is the answer's of the page before."""

    criteria: Criteria = field(default_factory=Criteria)
    catalogue: Address = ""
    collections: Annotated[list[Name], Meta(max_length=1000)] = field(default_factory=list)
    sortby: Annotated[str, Meta(max_length=100)] = ""
    limit: Annotated[int, Meta(ge=1, le=1000)] = 50
    next: Annotated[str, Meta(max_length=20_000)] | None = None


class Licence(Struct):
    """`id` as SPDX or the source has it."""

    id: str = ""
    title: str = ""
    url: str = ""


class Collection(Struct):
    """A data set."""

    id: str
    title: str = ""
    description: str = ""
    infrastructure: str = ""
    parameters: list[str] = field(default_factory=list)
    keywords: list[str] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    start: str | None = None
    end: str | None = None
    licence: Licence = field(default_factory=Licence)
    doi: str = ""
    url: str = ""


class CollectionsPage(Struct):
    """`matched` is None where nobody counted; `matched_text` is for people."""

    collections: list[Collection]
    matched: int | None
    matched_text: str
    next: str | None


class Granule(Struct):
    """A granule in a list. `shape`: a small GeoJSON geometry; `size` None: unknown."""

    collection: str
    id: str
    title: str = ""
    bbox: Box | None = None
    shape: dict[str, Any] | None = None
    start: str | None = None
    end: str | None = None
    size: int | None = None
    files: int = 0
    platform: str = ""
    formats: list[str] = field(default_factory=list)


class GranulesPage(Struct):
    """As CollectionsPage."""

    granules: list[Granule]
    matched: int | None
    matched_text: str
    next: str | None


class Match(Struct):
    """How many granules of a data set match."""

    count: int | None
    text: str


class Asset(Struct):
    """A file or service of a granule; `data`: an order would fetch it."""

    key: str
    title: str
    type: str
    format: str
    size: int | None
    roles: list[str]
    url: str
    data: bool


class Property(Struct):
    """A line of metadata, for people."""

    name: str
    value: str


class Citation(Struct):
    """How a data set wants to be cited."""

    title: str
    text: str
    doi: str
    licence: str
    licence_text: str
    url: str


class Details(Granule):
    """All that is known of a granule; `path` where it is on this server already."""

    description: str = ""
    properties: list[Property] = field(default_factory=list)
    assets: list[Asset] = field(default_factory=list)
    licence: Licence = field(default_factory=Licence)
    citation: list[Citation] = field(default_factory=list)
    path: str | None = None


class FacetValue(Struct):
    """A value that a search can be narrowed by."""

    value: str
    title: str
    count: int


class Facets(Struct):
    """`partial`: only the `counted` newest were looked at."""

    counted: int
    partial: bool
    facets: dict[FacetName, list[FacetValue]]


class WantedPreview(Asked):
    """A path on this server, or a granule."""

    catalogue: Address = ""
    collection: Annotated[str, Meta(max_length=600)] = ""
    item: Annotated[str, Meta(max_length=600)] = ""
    path: Annotated[str, Meta(max_length=4096)] = ""
    variable: Annotated[str, Meta(max_length=200)] = ""


class Axis(Struct):
    """An axis or a variable; None is a missing value."""

    name: str
    label: str
    units: str
    values: list[float | None]


class Preview(Struct):
    """A quick look. `profile`: x over y (depth or pressure, downwards); `series`: y over x
    (milliseconds since 1970); `map`: z row by row, y from south to north, x from west to east."""

    kind: Literal["profile", "series", "map"]
    title: str
    x: Axis
    y: Axis
    z: Axis | None
    variables: list[str]
    notes: list[str]


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


class Terms(Struct):
    """What has to be accepted."""

    key: str
    title: str
    text: str
    url: str


class Refusal(Struct):
    """A granule that can't be ordered, and why."""

    collection: str
    item: str
    reason: str


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


class WantedPath(Asked):
    """A path below an area of the dataspace."""

    area: Annotated[str, Meta(min_length=1, max_length=64, pattern="^[a-z0-9-]+$")]
    path: Annotated[str, Meta(min_length=1, max_length=4096)]


class WantedPin(WantedPath):
    """Keep it from expiring for so many days."""

    days: Annotated[int, Meta(ge=1, le=365)] = 30


class Keeping(Struct):
    """A copy from dataspace to workspace."""

    id: str
    area: str
    path: str
    state: Literal["running", "done", "failed"]
    message: str
    started: str


class ServerStatus(Struct):
    """`killed`: kernels that this server lost for want of memory since it started."""

    cores: float
    memory_limit: int | None
    memory_used: int | None
    home_free: int | None
    home_total: int | None
    killed: int
    killed_at: str | None


class Storage(Struct):
    """Storage and server at a glance; `workspace` and `dataspace` as the workspace service has
    them (docs/reference/workspace-api.md), None with a `reason`."""

    workspace: dict[str, Any] | None
    dataspace: dict[str, Any] | None
    reason: str
    mend: str
    keeping: list[Keeping]
    server: ServerStatus


class About(Struct):
    """What this server is and can."""

    version: str
    hub: bool
    catalogue: Literal["vre", "url", "none"]
    catalogue_url: str
    datapool: bool
    workspace: bool
    dataspace: bool
    virtual_lab: str
    virtual_lab_title: str
    root: str
    links: dict[str, str]


class Problem(Struct, omit_defaults=True):
    """Why something was not done, and what to do next."""

    reason: str
    mend: str = ""
    refused: list[Refusal] = field(default_factory=list)
    accept: list[Terms] = field(default_factory=list)
