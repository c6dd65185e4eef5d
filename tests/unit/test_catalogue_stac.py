"""Records as STAC: valid by the specification's own schemas, and true to the record."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pystac
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pelagos.catalogue.geometry import geometry_of, hull
from pelagos.catalogue.records import (
    Access,
    Asset,
    Box,
    CollectionRecord,
    GranuleRecord,
    Interval,
    Parameter,
    Provider,
    RecordError,
    identify,
)
from pelagos.catalogue.stac import collection_document, granule_document
from pelagos.catalogue.terms import key_of
from stac_schemas import problems

MOMENT = datetime(2003, 4, 1, 12, tzinfo=UTC)


def valid_collection(record: CollectionRecord) -> dict[str, Any]:
    document = collection_document("starter", "Starter data", record)
    assert problems(document) == []
    pystac.Collection.from_dict(document)
    return document


def test_a_full_collection_is_valid() -> None:
    document = valid_collection(
        CollectionRecord(
            "sst",
            "Sea-surface temperature",
            "Monthly means.",
            licence="OGL-UK-3.0",
            providers=(Provider("Met Office", ("producer",)),),
            keywords=("SST",),
            parameters=(Parameter("SST", standard_name="sea_surface_temperature", units="K"),),
            boxes=(Box(-180, -90, 180, 90),),
            interval=Interval(MOMENT, None),
            depth=(0, 0.5),
            doi="10.17882/42182",
            assets=(Asset("data", "files/a.nc", size=3, access=Access.SUBSET),),
            updated=MOMENT,
        )
    )
    assert document["id"] == "starter.sst"
    assert document["extent"]["temporal"]["interval"] == [["2003-04-01T12:00:00Z", None]]
    assert document["pelagos:parameters"] == [
        {
            "key": "temperature",
            "name": "SST",
            "standard_name": "sea_surface_temperature",
            "p02": "TEMP",
            "units": "K",
        }
    ]
    assert document["assets"]["data"]["pelagos:access"] == "subset"


def test_what_is_unknown_is_said_to_be_unknown() -> None:
    document = valid_collection(CollectionRecord("x", "X"))
    assert document["pelagos:extent_unknown"] is True
    item = granule_document("starter", "starter.x", GranuleRecord("g"))
    assert item["geometry"] is None
    assert "bbox" not in item
    assert item["properties"]["pelagos:time_unknown"] is True
    assert problems(item) == []
    pystac.Item.from_dict(item)


def test_a_box_across_the_antimeridian_is_cut_there() -> None:
    item = granule_document("s", "s.c", GranuleRecord("g", box=Box(170, -10, -170, 10)))
    assert item["geometry"]["type"] == "MultiPolygon"
    assert item["bbox"] == [170, -10, -170, 10]
    assert problems(item) == []


def test_a_source_cannot_replace_what_was_checked() -> None:
    record = CollectionRecord("x", "X", extra={"id": "other", "type": "Catalog", "eo:x": 1})
    document = collection_document("s", "", record)
    assert (document["id"], document["type"], document["eo:x"]) == ("s.x", "Collection", 1)


@pytest.mark.parametrize(
    "values", [(-181, 0, 0, 0), (0, 1, 0, 0), (0, float("nan"), 0, 1), (0, 0, 0, 91)]
)
def test_a_box_that_is_none_is_refused(values: tuple[float, float, float, float]) -> None:
    with pytest.raises(RecordError, match="box"):
        Box(*values)


@given(st.text(min_size=1), st.text(min_size=1))
def test_identifiers_are_safe_and_never_meet(one: str, other: str) -> None:
    for text in (one, other):
        safe = identify(text)
        assert safe.isascii()
        assert safe
        assert set(safe) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    assert (identify(one) == identify(other)) == (one == other)


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ([Box(10, 0, 20, 5), Box(30, -5, 40, 1)], Box(10, -5, 40, 5)),
        ([Box(170, 0, 179, 1), Box(-179, 0, -170, 1)], Box(170, 0, -170, 1)),
        ([Box(170, 0, -170, 1), Box(160, 0, 165, 1)], Box(160, 0, -170, 1)),
        ([Box(-180, -90, 180, 90), Box(1, 1, 2, 2)], Box(-180, -90, 180, 90)),
        ([Box(5, 5, 5, 5)], Box(5, 5, 5, 5)),
    ],
)
def test_the_box_around_others_leaves_out_the_widest_gap(boxes: list[Box], expected: Box) -> None:
    assert hull(boxes) == expected


def test_a_point_is_a_point() -> None:
    assert geometry_of(Box(1, 2, 1, 2)) == {"type": "Point", "coordinates": [1, 2]}


@pytest.mark.parametrize(
    "parameter",
    [
        Parameter("whatever", p02="TEMP"),
        Parameter("x", p01="TEMPPR01"),
        Parameter("thetao", standard_name="sea_water_potential_temperature"),
        Parameter("Water Temperature"),
    ],
)
def test_the_same_quantity_has_the_same_key(parameter: Parameter) -> None:
    assert key_of(parameter) == "temperature"
    assert key_of(Parameter("Iron_Total")) == "iron total"
