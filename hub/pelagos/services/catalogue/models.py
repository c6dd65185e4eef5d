"""What the routes take, as FastAPI reads and documents it.

Values stay as they were sent: `search.py` reads them, so that GET and POST mean the same and an
error names its field. FastAPI needs the annotations as objects: no `annotations` import here.
"""

from typing import Annotated, Any

import attr
from fastapi import Path, Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from stac_fastapi.types.search import APIRequest

LIMIT = 10  # as the STAC API specification proposes
MOST = 1_000  # more are not given at once
TEXT_BYTES = 2_000
TOKEN_BYTES = 2_000
VALUES = 100  # of one facet
IDS = 1_000

_LONGEST_ID = 600
_SHAPE = 20_000  # characters of `intersects` in an address
_Limit = Annotated[int, Field(ge=1)]

_BBOX = (
    "West, south, east, north in degrees; west of more than east crosses the antimeridian. With "
    "six numbers, the third and the last are heights, which are not looked at."
)
_DATETIME = (
    "A moment (RFC 3339) or two with `/` between; `..` or nothing is an open end, but not both."
)
_Q = (
    'Free text. Words side by side must all be there; `,` is or; `"…"` is a phrase; a word that '
    "ends in `*` may go on."
)
_SORT = "Fields with `,` between; `-` before one turns its order round."
_FIELDS = "Members of the answer with `,` between; `-` before one leaves it out."
_TOKEN = "Where to go on; links `next` and `prev` carry it."  # noqa: S105 - of a page
_VIRTUAL_LAB = "Only what this virtual lab of yours sees; what it features comes first."

Limited = Annotated[_Limit | None, Query(description=f"At most so many at once ({MOST} at most).")]
Q = Annotated[str | None, Query(description=_Q, max_length=TEXT_BYTES)]
Bbox = Annotated[
    str | None, Query(description=_BBOX, max_length=400, examples=["-10,35,5,60", "170,-20,-170,0"])
]
Datetime = Annotated[
    str | None,
    Query(description=_DATETIME, max_length=100, examples=["2020-01-01T00:00:00Z/.."]),
]
Sortby = Annotated[str | None, Query(description=_SORT, max_length=500)]
Fields = Annotated[str | None, Query(description=_FIELDS, max_length=2_000)]
Token = Annotated[str | None, Query(description=_TOKEN, max_length=TOKEN_BYTES)]
VirtualLabName = Annotated[str | None, Query(description=_VIRTUAL_LAB, max_length=100)]
CollectionIds = Annotated[
    str | None, Query(description="Ids of collections with `,` between.", max_length=20_000)
]
ItemIds = Annotated[
    str | None, Query(description="Ids of items with `,` between.", max_length=20_000)
]
Intersects = Annotated[
    str | None, Query(description="A GeoJSON geometry; not with `bbox`.", max_length=_SHAPE)
]
_Value = Annotated[str, Field(max_length=1_000)]
_Values = Annotated[list[_Value] | None, Query(description="Any of these.", max_length=VALUES)]
CollectionId = Annotated[str, Path(description="Id of a collection.", max_length=_LONGEST_ID)]
ItemId = Annotated[str, Path(description="Id of an item.", max_length=_LONGEST_ID)]


@attr.s(auto_attribs=True)
class CollectionsQuery(APIRequest):  # type: ignore[misc]
    """GET /collections (Collection Search)."""

    q: Q = None
    bbox: Bbox = None
    datetime: Datetime = None
    infrastructure: _Values = None
    parameter: _Values = None
    platform: _Values = None
    instrument: _Values = None
    licence: _Values = None
    virtual_lab: VirtualLabName = None
    limit: Limited = None
    sortby: Sortby = None
    fields: Fields = None
    token: Token = None


@attr.s(auto_attribs=True)
class ItemsQuery(CollectionsQuery):
    """GET /search (Item Search)."""

    collections: CollectionIds = None
    ids: ItemIds = None
    intersects: Intersects = None


@attr.s(auto_attribs=True, kw_only=True)
class FeaturesQuery(ItemsQuery):
    """GET /collections/{collection_id}/items (Features); pystac-client sends `collections` too."""

    collection_id: CollectionId


@attr.s(auto_attribs=True, kw_only=True)
class CollectionQuery(APIRequest):  # type: ignore[misc]
    """GET /collections/{collection_id}."""

    collection_id: CollectionId


@attr.s(auto_attribs=True, kw_only=True)
class ItemQuery(APIRequest):  # type: ignore[misc]
    """GET /collections/{collection_id}/items/{item_id}."""

    collection_id: CollectionId
    item_id: ItemId


@attr.s(auto_attribs=True)
class FacetsQuery(APIRequest):  # type: ignore[misc]
    """GET /facets: as Collection Search, or of the items of `collections`."""

    q: Q = None
    bbox: Bbox = None
    datetime: Datetime = None
    infrastructure: _Values = None
    parameter: _Values = None
    platform: _Values = None
    instrument: _Values = None
    licence: _Values = None
    virtual_lab: VirtualLabName = None
    collections: CollectionIds = None


class SortField(BaseModel):
    """One field of `sortby`."""

    model_config = ConfigDict(extra="forbid")

    field: Annotated[str, Field(min_length=1, max_length=200)]
    direction: Annotated[str, Field(pattern="^(asc|desc)$")] = "asc"


_Names = Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=100)]


class FieldsChoice(BaseModel):
    """Which members an answer has."""

    model_config = ConfigDict(extra="forbid")

    include: _Names | None = None
    exclude: _Names | None = None


# one value may stand without a list: stac-api-validator sends `collections` so
_Listed = BeforeValidator(lambda value: [value] if isinstance(value, str) else value)
_Facet = Annotated[list[_Value], Field(max_length=VALUES, description="Any of these."), _Listed]


class CollectionsBody(BaseModel):
    """POST /collections (Collection Search)."""

    model_config = ConfigDict(extra="forbid")

    q: (
        Annotated[str, Field(max_length=TEXT_BYTES)]
        | Annotated[list[Annotated[str, Field(max_length=TEXT_BYTES)]], Field(max_length=50)]
        | None
    ) = Field(None, description=f"{_Q} A list is the same as `,` between.")
    bbox: Annotated[list[float], Field(max_length=100)] | None = Field(None, description=_BBOX)
    datetime: Annotated[str, Field(max_length=100)] | None = Field(None, description=_DATETIME)
    infrastructure: _Facet | None = None
    parameter: _Facet | None = None
    platform: _Facet | None = None
    instrument: _Facet | None = None
    licence: _Facet | None = None
    virtual_lab: Annotated[str, Field(max_length=100)] | None = Field(
        None, description=_VIRTUAL_LAB
    )
    limit: Annotated[int, Field(ge=1, strict=True)] | None = Field(
        None, description=f"At most so many at once ({MOST} at most)."
    )
    sortby: Annotated[list[SortField], Field(max_length=10)] | None = None
    fields: FieldsChoice = Field(FieldsChoice(), description="Members that an answer has.")
    token: Annotated[str, Field(max_length=TOKEN_BYTES)] | None = Field(None, description=_TOKEN)


_Ids = Annotated[
    list[Annotated[str, Field(max_length=_LONGEST_ID)]], Field(max_length=IDS), _Listed
]


class ItemsBody(CollectionsBody):
    """POST /search (Item Search)."""

    collections: _Ids | None = Field(None, description="Ids of collections.")
    ids: _Ids | None = Field(None, description="Ids of items.")
    intersects: dict[str, Any] | None = Field(
        None, description="A GeoJSON geometry; not with `bbox`."
    )
