"""Searches of real STAC APIs on the loopback: the catalogue service, and a plain one."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pelagos_client
import pytest
from catalogue_service import FLOAT_COUNT, FLOATS, STATIONS, HubStandIn, Service, build, settings
from loopback import Reply, serve
from pelagos_client import searching
from pelagos_client.asking import box_of, time_of
from pelagos_client.errors import NotConfiguredError, QuestionError, SearchError
from pelagos_client.items import Items, items_of

MINE = "mine"


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    index = tmp_path_factory.mktemp("catalogue") / "index.sqlite"
    build(index)
    with HubStandIn() as hub, Service(index, hub, settings()) as service:
        yield service


@pytest.fixture
def vre(catalogue: Service, monkeypatch: pytest.MonkeyPatch) -> Service:
    """As in a server of the VRE."""
    monkeypatch.setenv("PELAGOS_CATALOGUE_API", f"{catalogue.url}/")
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", catalogue.hub.person("ada"))
    return catalogue


def test_granules_are_found_by_words_box_and_time(vre: Service) -> None:
    found = pelagos_client.search(
        "profiles", collections=FLOATS, bbox=(20.95, 20, 22.05, 21), datetime="2020-01-01"
    )
    assert found.ids == [f"profile-{n:03}" for n in sorted(range(10, 21), reverse=True)] or sorted(
        found.ids
    ) == [f"profile-{n:03}" for n in range(10, 21)]
    assert found[0].collection_id == FLOATS
    assert pelagos_client.search("nosuchword", collections=FLOATS).ids == []


def test_all_pages_come_and_the_limit_holds(vre: Service) -> None:
    assert len(pelagos_client.search(collections=[FLOATS], limit=None)) == FLOAT_COUNT
    few = pelagos_client.search(collections=[FLOATS], limit=7)
    assert (len(few), few.matched) == (7, FLOAT_COUNT)
    assert repr(few).startswith(f"7 of {FLOAT_COUNT} items\n")


def test_a_box_across_the_antimeridian_finds_both_sides(
    vre: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = (174, -11, -174, -4)
    assert pelagos_client.search(collections=STATIONS, bbox=box).ids == ["antimeridian"]
    # as for another API, which gets the halves one by one
    token = vre.hub.person("bob")
    monkeypatch.delenv("PELAGOS_CATALOGUE_API")
    found = pelagos_client.search(collections=STATIONS, bbox=box, url=f"{vre.url}/", token=token)
    assert found.ids == ["antimeridian"]
    assert found.criteria.bbox == box


def test_data_sets_are_found(vre: Service) -> None:
    found = pelagos_client.collections("temperature", bbox=(0, 0, 1, 1), datetime="2020-01")
    assert found.ids == [FLOATS]
    assert found[0].license == "CC-BY-4.0"
    only = pelagos_client.collections(infrastructure="emodnet")
    assert STATIONS in only.ids
    assert FLOATS not in only.ids


def test_more_parameters_reach_the_api(vre: Service) -> None:
    found = pelagos_client.search(
        collections=FLOATS, sortby="properties.datetime", platform="float-1", limit=2
    )
    assert found.ids == ["profile-001", "profile-004"]


def test_what_was_asked_is_remembered_by_items_and_slices(vre: Service, tmp_path: Path) -> None:
    found = pelagos_client.search(
        collections=FLOATS, bbox="20,20,21,21", datetime="2020", variables="TEMP,PSAL", limit=3
    )
    for items in (found[:2], Items.load(found[:2].save(tmp_path / "found.json"))):
        assert items.criteria.bbox == (20, 20, 21, 21)
        assert items.criteria.variables == ("TEMP", "PSAL")
        assert items.criteria.end == dt.datetime(2020, 12, 31, 23, 59, 59, tzinfo=dt.UTC)
        assert items.query["collections"] == [FLOATS]
        assert items.ids == found.ids[:2]
    assert vre.hub.people.keys().isdisjoint([(tmp_path / "found.json").read_text()])


def test_an_item_by_itself_knows_its_search(vre: Service) -> None:
    here = pelagos_client.search(collections=FLOATS, bbox=(20, 20, 21, 21), limit=3)
    there = pelagos_client.search(collections=FLOATS, bbox=(21, 20, 22, 21), limit=3)
    for some in (here[0], [here[0], here[2]]):
        found = items_of(some)
        assert (found.criteria, found.catalogue) == (here.criteria, f"{vre.url}/")
    mixed = items_of([here[0], there[0]])
    assert mixed.criteria.bbox is None
    assert mixed.catalogue == here.catalogue
    assert items_of(here.documents[0]).catalogue == ""


def test_titles_and_names_are_never_markup(vre: Service) -> None:
    found = pelagos_client.collections("floats")
    assert "<script>" in found[0].title
    assert "<script>" not in found._repr_html_()
    assert "&lt;script&gt;" in found._repr_html_()
    hostile = Items([{"id": "<img src=x onerror=alert(1)>", "collection": "\x1b[31mred"}])
    assert "<img" not in hostile._repr_html_()
    assert "\x1b" not in repr(hostile)


@pytest.mark.parametrize(
    "box",
    [
        (1, 2, 3),
        "a,b,c,d",
        (0, 10, 1, 5),
        (0, -91, 1, 0),
        (0, 0, 181, 1),
        (0, 0, float("nan"), 1),
        5,
    ],
)
def test_a_box_that_makes_no_sense_is_said_so(box: Any) -> None:
    with pytest.raises(QuestionError, match="bbox: "):
        pelagos_client.search(bbox=box, url="http://127.0.0.1:9")


@pytest.mark.parametrize("time", ["soon", "2020-13", "2021/2020", "a/b/c", "", "..", "2020-02-30"])
def test_a_time_that_makes_no_sense_is_said_so(time: str) -> None:
    with pytest.raises(QuestionError, match="datetime: "):
        pelagos_client.search(datetime=time, url="http://127.0.0.1:9")


def utc(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("time", "start", "end"),
    [
        ("2020", utc(2020, 1, 1), utc(2020, 12, 31, 23, 59, 59)),
        ("2020-02", utc(2020, 2, 1), utc(2020, 2, 29, 23, 59, 59)),
        ("2020-02-03/..", utc(2020, 2, 3), None),
        ("../2020-12", None, utc(2020, 12, 31, 23, 59, 59)),
        ("2020-01-01T02:00:00+02:00", utc(2020, 1, 1), utc(2020, 1, 1)),
        ((utc(2020, 1, 1), None), utc(2020, 1, 1), None),
        (dt.date(2020, 1, 2), utc(2020, 1, 2), utc(2020, 1, 2, 23, 59, 59)),
        (dt.datetime(2020, 1, 2), utc(2020, 1, 2), utc(2020, 1, 2)),  # noqa: DTZ001
        (None, None, None),
    ],
)
def test_times_are_read_in_utc(time: Any, start: Any, end: Any) -> None:
    assert time_of(time) == (start, end)


def test_boxes_of_arrays_and_texts_are_read() -> None:
    numpy = pytest.importorskip("numpy")
    assert box_of(numpy.array([170, -20, -170, 0])) == (170, -20, -170, 0)
    assert box_of("170,-20, -170,0") == (170, -20, -170, 0)


def test_without_a_catalogue_it_is_said_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PELAGOS_CATALOGUE_API", raising=False)
    with pytest.raises(NotConfiguredError, match="PELAGOS_CATALOGUE_API"):
        pelagos_client.search("x")
    with pytest.raises(QuestionError, match="no address"):
        pelagos_client.search("x", url="file:///etc/passwd")


def test_refusals_have_the_catalogues_own_reason(
    vre: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SearchError, match="nonsense"):
        pelagos_client.search(collections=FLOATS, nonsense="1")
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "wrong")
    with pytest.raises(SearchError, match="does not let you in"):
        pelagos_client.search(collections=FLOATS)
    with pytest.raises(SearchError, match="does not answer"):
        pelagos_client.search("x", url="http://127.0.0.1:9/")


def test_a_searchs_token_is_for_the_files_of_its_catalogue_too(
    catalogue: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who searches a VRE from elsewhere can order and open what it found."""
    for name in ("PELAGOS_CATALOGUE_API", "JUPYTERHUB_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(searching, "_TOKENS", {})
    file = f"{catalogue.url}/files/src/a.nc"
    assert searching.token_for(file) == ""
    token = catalogue.hub.person("ada")
    found = pelagos_client.search(collections=FLOATS, limit=1, url=f"{catalogue.url}/", token=token)
    assert searching.token_for(file) == f"Bearer {token}"
    assert searching.token_for("http://127.0.0.2:1/files/src/a.nc") == ""
    assert token not in json.dumps(found.to_dict())
    assert searching.collection_documents(found)[FLOATS]["id"] == FLOATS


def test_a_token_goes_to_its_origin_only(
    vre: Service, source: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`source` is another server: it gets a page, a redirect and a search, and never the token."""
    from download_source import say

    root = {
        "type": "Catalog", "stac_version": "1.0.0", "id": "x", "description": "x", "links": [
            {"rel": "search", "href": source.url("/search"), "type": "application/geo+json"}
        ],
        "conformsTo": [
            "https://api.stacspec.org/v1.0.0/core",
            "https://api.stacspec.org/v1.0.0/item-search",
        ],
    }  # fmt: skip
    source.add("/", json.dumps(root).encode())
    source.always["/search?limit=100"] = say(200, b'{"type": "FeatureCollection", "features": []}')
    assert pelagos_client.search(url=source.url("/")).ids == []
    assert all("authorization" not in headers for _, headers in source.requests)
    assert pelagos_client.search(url=source.url("/"), token=MINE).ids == []
    assert source.requests[-1][1]["authorization"] == f"Bearer {MINE}"
    source.requests.clear()
    # a catalogue that sends us elsewhere
    with pytest.raises(SearchError, match="can't search items for words"):
        pelagos_client.search("words", url=source.url("/"), token=MINE)
    other = source.url("/").replace("127.0.0.1", "localhost")
    source.always["/moved"] = say(307, b"", Location=other)
    source.requests.clear()
    pelagos_client.search(url=source.url("/moved"), token=MINE)
    sent = [h.get("authorization", "") for p, h in source.requests if h["host"].startswith("local")]
    assert sent == [""]


def test_what_is_no_stac_api_is_said_so() -> None:
    with serve({"/": Reply('{"type": "Catalog", "id": "root", "links": []}')}) as server:
        for call in (pelagos_client.search, pelagos_client.collections):
            with pytest.raises(SearchError, match="no STAC API"):
                call(url=f"{server.url}/")
