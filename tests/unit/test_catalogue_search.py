"""What the catalogue's API reads out of a request, and how it refuses the rest."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pelagos.catalogue.query import Facet, Order, QueryError
from pelagos.catalogue.records import Box
from pelagos.services.catalogue.fields import ITEM, choose
from pelagos.services.catalogue.models import MOST, ItemsBody
from pelagos.services.catalogue.search import box_of, geometry_of, interval_of, of_body, of_query

SQUARE = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}


def test_a_query_and_a_body_mean_the_same() -> None:
    query = of_query(
        {
            "q": "argo,sea level",
            "bbox": "170,-20,-170,0",
            "datetime": "2020-01-01T00:00:00Z/..",
            "platform": ["float", ""],
            "collections": "a.b, a.c",
            "ids": "x",
            "limit": 5,
            "sortby": "-datetime, id",
            "fields": "id,+properties.datetime,-geometry",
            "token": "t",
        }
    )
    body = of_body(
        ItemsBody.model_validate(
            {
                "q": ["argo", "sea level"],
                "bbox": [170, -20, -170, 0],
                "datetime": "2020-01-01T00:00:00Z/..",
                "platform": ["float"],
                "collections": ["a.b", "a.c"],
                "ids": ["x"],
                "limit": 5,
                "sortby": [{"field": "datetime", "direction": "desc"}, {"field": "id"}],
                "fields": {"include": ["id", "properties.datetime"], "exclude": ["geometry"]},
                "token": "t",
            }
        )
    )
    assert query.criteria == body.criteria
    assert query.criteria.box == Box(170, -20, -170, 0)
    assert query.criteria.facets == {Facet.PLATFORM: ("float",)}
    assert query.part == body.part
    assert query.part.order == (Order("datetime", True), Order("id"))
    assert (query.include, query.exclude) == (body.include, body.exclude)
    assert "token" not in body.body
    assert body.is_body


def test_a_plus_that_became_a_space_still_sorts_upwards() -> None:
    assert of_query({"sortby": " datetime"}).part.order == (Order("datetime"),)


def test_a_limit_above_the_most_is_the_most() -> None:
    assert of_query({"limit": 1_000_000_000}).part.limit == MOST


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        (
            "2020-01-01T00:00:00Z",
            datetime(2020, 1, 1, tzinfo=UTC),
            datetime(2020, 1, 1, tzinfo=UTC),
        ),
        ("2020-01-01t01:00:00+01:00/..", datetime(2020, 1, 1, tzinfo=UTC), None),
        ("/1990-12-31T23:59:60z", None, datetime(1991, 1, 1, tzinfo=UTC)),
        ("../2020-01-01T00:00:00.123456789Z", None, datetime(2020, 1, 1, 0, 0, 0, 123456, UTC)),
    ],
)
def test_moments_and_ranges_are_read(
    text: str, start: datetime | None, end: datetime | None
) -> None:
    found = interval_of(text)
    if "/" in text:
        assert found == (start, end)
    else:
        assert found == (start, start)


@pytest.mark.parametrize(
    "text",
    [
        "", "..", "/", "../..", "a/b/c", "2020", "2020-01-01", "9999-99-99", "9999-99-99T00:00:00Z",
        "2020-02-30T00:00:00Z", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:60Z", "2020-01-01T00:00:00", "2020-01-01T00:00:00+24:00",
        "2021-01-01T00:00:00Z/2020-01-01T00:00:00Z", "2020-01-01 00:00:00Z", "٢٠٢٠-01-01T00:00:00Z",
    ],
)  # fmt: skip
def test_what_is_no_time_is_refused_by_name(text: str) -> None:
    with pytest.raises(QueryError, match=r"^datetime: "):
        interval_of(text)


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ([0], "1 numbers"),
        ([0, 0, 0, 1, 1], "5 numbers"),
        ([0, 0, float("nan"), 1], "not a number"),
        ([0, 0, float("inf"), 1], "not a number"),
        ([0, 0, 1, 91], "north is 91"),
        ([0, -91, 1, 1], "south is -91"),
        ([-181, 0, 1, 1], "west is -181"),
        ([0, 0, 360, 1], "east is 360"),
        ([0, 2, 1, 1], r"south \(2\) is north of north"),
        ([0, 0, 9, 1, 1, 5], "height"),
    ],
)
def test_what_is_no_box_is_refused_by_name(numbers: list[float], words: str) -> None:
    with pytest.raises(QueryError, match=rf"^bbox: .*{words}"):
        box_of(numbers)


@pytest.mark.parametrize("text", ["", "a,b,c,d", "[0,0,1,1]", "0 0 1 1", "0,0,1,"])
def test_a_box_that_is_no_list_of_numbers_is_refused_by_name(text: str) -> None:
    with pytest.raises(QueryError, match=r"^bbox: "):
        of_query({"bbox": text})


def test_of_six_numbers_the_heights_are_not_looked_at() -> None:
    assert box_of([1, 2, -10, 3, 4, 10]) == Box(1, 2, 3, 4)


@pytest.mark.parametrize(
    "geometry",
    [
        None, [], "Point", {}, {"type": "Feature", "geometry": SQUARE}, {"type": "Point"},
        {"type": ["Point"], "coordinates": [0, 0]},
        {"type": "Point", "coordinates": []}, {"type": "Point", "coordinates": ["a", "b"]},
        {"type": "Point", "coordinates": [0, 91]}, {"type": "Point", "coordinates": [0, None]},
        {"type": "Point", "coordinates": [float("nan"), 0]},
        {"type": "Polygon", "coordinates": [[[0, 0]]]},
        {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [0, 1], [1, 0], [0, 0]]]},
        {"type": "LineString", "coordinates": [[n / 100, 0] for n in range(10_001)]},
        {"type": "GeometryCollection", "geometries": 3},
        {"type": "GeometryCollection", "geometries": []},
    ],
)  # fmt: skip
def test_what_is_no_geometry_is_refused_by_name(geometry: Any) -> None:
    with pytest.raises(QueryError, match=r"^intersects: "):
        geometry_of(geometry)


def test_deep_collections_of_geometries_are_refused() -> None:
    deep: dict[str, Any] = SQUARE
    for _ in range(50):
        deep = {"type": "GeometryCollection", "geometries": [deep]}
    with pytest.raises(QueryError, match="nest"):
        geometry_of(deep)


def test_of_a_geometry_only_what_counts_is_kept() -> None:
    found = geometry_of({**SQUARE, "crs": "\ud800", "bbox": [0]})
    assert found == SQUARE


def test_a_box_and_a_geometry_are_not_both_taken() -> None:
    with pytest.raises(QueryError, match="bbox and intersects"):
        of_query({"bbox": "0,0,1,1", "intersects": '{"type":"Point","coordinates":[0,0]}'})


@given(st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.sampled_from(["type", "coordinates", "geometries"]),
                      inner | st.sampled_from(["Point", "Polygon", "GeometryCollection"])),
    max_leaves=12,
))  # fmt: skip
def test_any_json_is_a_geometry_or_refused(found: Any) -> None:
    try:
        geometry_of(found)
    except QueryError as error:
        refused = str(error)
    else:
        return
    assert refused.startswith("intersects: ")


@given(st.text(max_size=40))
def test_any_text_is_a_time_or_refused(text: str) -> None:
    try:
        interval_of(text)
    except QueryError as error:
        refused = str(error)
    else:
        return
    assert refused.startswith("datetime: ")


DOCUMENT = {
    "type": "Feature", "stac_version": "1.1.0", "id": "a", "collection": "c", "geometry": None,
    "properties": {"datetime": None, "x": {"y": 1, "z": 2}}, "links": [],
}  # fmt: skip


@pytest.mark.parametrize(
    ("include", "exclude", "members", "properties"),
    [
        (set(), set(), set(DOCUMENT), {"datetime": None, "x": {"y": 1, "z": 2}}),
        ({"geometry"}, set(), ITEM | {"geometry"}, None),
        ({"properties.x"}, set(), ITEM | {"properties"}, {"x": {"y": 1, "z": 2}}),
        ({"properties.x.y"}, set(), ITEM | {"properties"}, {"x": {"y": 1}}),
        ({"properties.nothing"}, set(), ITEM, None),
        (set(), {"links", "geometry"}, ITEM | {"properties"}, DOCUMENT["properties"]),
        (set(), {"properties.x.y"}, set(DOCUMENT), {"datetime": None, "x": {"z": 2}}),
        ({"geometry"}, {"geometry"}, ITEM | {"geometry"}, None),
        ({"properties.datetime"}, {"properties"}, ITEM | {"properties"}, {"datetime": None}),
        ({"properties"}, {"properties.x"}, ITEM | {"properties"}, {"datetime": None}),
    ],
)
def test_fields_choose_members(
    include: set[str], exclude: set[str], members: set[str], properties: Any
) -> None:
    before = repr(DOCUMENT)
    found = choose(DOCUMENT, frozenset(include), frozenset(exclude), ITEM)
    assert set(found) == members
    if properties is not None:
        assert found["properties"] == properties
    assert repr(DOCUMENT) == before
