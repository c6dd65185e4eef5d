"""Typed reading of JSON answers, geometries, and paging that ends."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pelagos.catalogue.connectors import rest
from pelagos.catalogue.connectors.places import geojson_box, wkt_box
from pelagos.catalogue.records import Box, RecordError
from pelagos.errors import SourceError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["type", "coordinates", "geometry", "a"]), inner, max_size=4
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_whatever_stands_there_is_read_or_refused(document: Any) -> None:
    for read in (rest.text, rest.number, rest.count, rest.entries, rest.values, rest.texts):
        for path in (("a",), ("a", "type")):
            with contextlib.suppress(RecordError):
                read(document, *path)


@given(JSON)
def test_a_geometry_has_a_box_or_is_refused(document: Any) -> None:
    try:
        box = geojson_box(document)
    except RecordError:
        return
    assert box is None or isinstance(box, Box)


def test_an_error_names_the_field_by_its_path() -> None:
    with pytest.raises(RecordError, match=r"^a\.b: list where text should be$"):
        rest.text({"a": {"b": []}}, "a", "b")
    with pytest.raises(RecordError, match=r"^a: list where an object should be$"):
        rest.text({"a": []}, "a", "b")
    with pytest.raises(RecordError, match=r"^n: .* where a count"):
        rest.count({"n": 1.5}, "n")
    assert rest.count({"n": "12"}, "n") == 12
    assert rest.text({"n": 12}, "n") == "12"
    assert rest.number({}, "n") is None


@pytest.mark.parametrize(
    "address",
    ["javascript:alert(1)", "ftp://h.example.org/a", "http://", "//h.example.org", "http://a b/",
     'http://h.example.org/"onload=x', "http://u:p@h.example.org/", "https://h.example.org/a\nb",
     "http://h.example.org/" + "a" * 2000, ""],
)  # fmt: skip
def test_what_is_no_address_of_the_web_is_left_out(address: str) -> None:
    assert rest.web(address) == ""


def test_addresses_with_a_query_are_kept() -> None:
    assert rest.web(" http://ipt.example.org/archive.do?r=a&v=1 ") == (
        "http://ipt.example.org/archive.do?r=a&v=1"
    )


@pytest.mark.parametrize(
    ("text", "box"),
    [
        ("POINT (1 2)", Box(1, 2, 1, 2)),
        ("POINT Z (1 2 3)", Box(1, 2, 1, 2)),
        ("POLYGON((\n  99.45 -10.81 , 134.8983 6.1333\n))", Box(99.45, -10.81, 134.8983, 6.1333)),
        ("MULTIPOLYGON(((0 0,1 0,1 1,0 0)),((5 5,6 5,6 6,5 5)))", Box(0, 0, 6, 6)),
    ],
)
def test_well_known_text_has_a_box(text: str, box: Box) -> None:
    assert wkt_box(text) == box


@pytest.mark.parametrize(
    "text",
    ["", "POLYGON", "POLYGON()", "POLYGON EMPTY", "POLYGON((1 2,3))", "POLYGON((1 2,3 95,1 2))",
     "POLYGON((1e999 2,3 4,1 2))", "CIRCLE(1 2)", "POINT(1 2); DROP", "(" * 100_000,
     "POINT" + "(" * 100_000 + "1 2" + ")" * 100_000 + "x"],
)  # fmt: skip
def test_what_is_no_geometry_is_refused(text: str) -> None:
    with pytest.raises(RecordError):
        wkt_box(text)


def test_polygons_end_at_the_antimeridian_and_tracks_go_over_it() -> None:
    ring = [[[-180, -10], [180, -10], [180, 10], [-180, 10], [-180, -10]]]
    assert geojson_box({"type": "Polygon", "coordinates": ring}) == Box(-180, -10, 180, 10)
    track = {"type": "LineString", "coordinates": [[179, 0], [-179, 1]]}
    assert geojson_box({"type": "Feature", "geometry": track}) == Box(179, 0, -179, 1)
    both = {"type": "FeatureCollection", "features": [{"geometry": track}, {"geometry": None}]}
    assert geojson_box(both) == Box(179, 0, -179, 1)
    assert geojson_box(None) is None


def test_a_geometry_that_is_nested_without_end_is_refused() -> None:
    deep = json.loads("[" * 500 + "]" * 500)
    with pytest.raises(RecordError):
        geojson_box({"type": "Polygon", "coordinates": deep})


def test_checksums_carry_their_kind_and_length() -> None:
    assert rest.multihash("sha256", "AB" * 32) == "1220" + "ab" * 32
    with pytest.raises(RecordError, match="no such checksum"):
        rest.multihash("sha256", "ab" * 16)


def test_pages_that_bring_nothing_new_end_the_run() -> None:
    paging = rest.Paging("test")
    assert paging.new("a")
    assert not paging.new("a")
    paging.page(2)
    paging.page(0)
    assert not paging.new("a")
    with pytest.raises(SourceError, match="after 2 records repeats"):
        paging.page(1)
    with pytest.raises(SourceError, match="announced 9 records and gave 3"):
        paging.finish(9)
