"""Documents in which anything may stand anywhere: a record comes of it, or a reason."""

from __future__ import annotations

import contextlib
import copy
import json
from dataclasses import asdict
from typing import Any

import pytest
from connector_cases import erddap, stac
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pelagos.catalogue.connectors.argo_profiles import ProfileReader
from pelagos.catalogue.connectors.erddap_info import (
    box_of,
    depth_of,
    interval_of,
    parameters_of,
    read_info,
    subset_of,
)
from pelagos.catalogue.connectors.stac_records import collection_record, granule_record
from pelagos.catalogue.records import GranuleRecord, RecordError, Rejected
from pelagos.catalogue.stac import collection_document, granule_document
from shared_data import shared_data
from stac_remote import collection, item

GOOD = [
    "a/1/profiles/R1_1.nc",
    "19970729200300",
    "0.2",
    "-16.0",
    "A",
    "845",
    "AO",
    "20181011180520",
]
HERE = "https://stac.example.org/catalog.json"
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["9999-99-99", "2020", "NaN", "http://[", "<script>x</script>", "\ud800"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
quick = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in a document."""
    found = [path] if path else []
    if isinstance(document, dict | list):
        inner = document.items() if isinstance(document, dict) else enumerate(document)
        for key, value in inner:
            found += places(value, (*path, key))
    return found


def written(document: Any) -> bytes:
    """As JSON, which has to be possible (no NaN, no half of a character)."""
    return json.dumps(document, allow_nan=False, ensure_ascii=False).encode()


def changed(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    whole = copy.deepcopy(document)
    part = whole
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    return whole


RICH_ITEM = item(
    "a",
    bbox=[10, 50, -5, 11, 51, 0],
    properties={
        "datetime": None,
        "start_datetime": "2020-01-01T00:00:00Z",
        "end_datetime": "2020-02-01T00:00:00Z",
        "updated": "2021-01-01T00:00:00Z",
        "title": "T",
        "platform": "p",
        "instruments": ["CTD"],
        "cube:dimensions": {"depth": {"axis": "z", "extent": [0, 10]}},
        "cube:variables": {"t": {"type": "data", "unit": "K", "description": "d"}},
        "cf:parameter": [{"name": "n", "unit": "u"}],
    },
    links=[{"rel": "self", "href": "x", "type": "t", "title": "t"}],
)
RICH_COLLECTION = collection(
    keywords=["k"],
    providers=[{"name": "n", "roles": ["host"], "url": "https://x.example.org"}],
    summaries={"platform": ["p"], "instruments": ["i"]},
    assets={"a": {"href": "h", "type": "t", "roles": ["r"], "file:size": 1}},
    **{"sci:doi": "10.1/x", "sci:citation": "c", "updated": "2020-01-01T00:00:00Z"},
)


@quick
@given(st.data())
def test_stac_items(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(places(RICH_ITEM)))
    document = changed(RICH_ITEM, path, data.draw(ANYTHING))
    try:
        record = granule_record(document, HERE)
    except RecordError:
        return
    written(granule_document("s", "s.c", record))


@quick
@given(st.data())
def test_stac_collections(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(places(RICH_COLLECTION)))
    document = changed(RICH_COLLECTION, path, data.draw(ANYTHING))
    try:
        record = collection_record(document, HERE)
    except RecordError:
        return
    written(collection_document("s", "S", record))


@pytest.fixture(scope="module")
def page() -> Any:
    return json.loads(shared_data(erddap.INFOS["ArgoFloats-reference"]).read_text())


@quick
@given(st.data())
def test_erddap_info_pages(page: Any, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(places(page)))
    try:
        info = read_info(changed(page, path, data.draw(ANYTHING)))
        depth_of(info)
        written([asdict(one) for one in parameters_of(info)])
        written(subset_of("https://x.example.org/a", "tabledap", info).extra)
        written(subset_of("https://x.example.org/a", "griddap", info).extra)
    except RecordError:
        return


@quick
@given(ANYTHING, ANYTHING)
def test_erddap_extents(one: Any, two: Any) -> None:
    for read in (lambda: box_of(one, two, two, one), lambda: interval_of(one, two)):
        with contextlib.suppress(RecordError):
            read()


@quick
@given(
    st.binary(max_size=200)
    | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))
)
def test_argo_lines(line: bytes) -> None:
    reader = ProfileReader("https://x.example.org/dac", None)
    assert isinstance(reader.read(1, line), GranuleRecord | Rejected)


@quick
@given(
    st.integers(0, 7), st.text(st.characters(codec="ascii", exclude_characters=",\n"), max_size=20)
)
def test_argo_values(position: int, value: str) -> None:
    good = list(GOOD)
    good[position] = value
    reader = ProfileReader("https://x.example.org/dac", None)
    record = reader.read(1, ",".join(good).encode())
    if isinstance(record, GranuleRecord):
        written(granule_document("s", "s.c", record))
        written(reader.seen())


def test_recorded_items_are_the_ground_that_is_changed() -> None:
    for name in stac.RECORDINGS:
        for document in json.loads(shared_data(name).read_text())["features"]:
            granule_record(document, HERE)
