"""What is looked for, and what is found: data sets, granules, previews."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

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
