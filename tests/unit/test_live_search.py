"""Searches that are passed on to a live STAC API on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from loopback import Asked, Loopback, Reply, serve
from pelagos.catalogue.connectors.stac import StacConnector
from pelagos.catalogue.fetch import Fetcher
from pelagos.catalogue.live import LiveSearch
from pelagos.catalogue.query import Criteria, Facet, Order, QueryError, Slice
from pelagos.catalogue.records import Box, CollectionRecord
from pelagos.catalogue.stac import collection_document
from pelagos.errors import SourceError
from pelagos.settings.sources import SourceKind, StacSource
from stac_remote import api, collection, features, item, link

EVERYTHING = ("sort", "query", "free-text")
SOUGHT = Criteria(
    box=Box(170, -10, -170, 10),
    start=datetime(2020, 1, 1, tzinfo=UTC),
)


@pytest.fixture
def server() -> Iterator[Loopback]:
    with serve({}) as running:
        yield running


@pytest.fixture
def live(server: Loopback) -> Iterator[LiveSearch]:
    search = LiveSearch(source(server))
    yield search
    search.close()


def source(server: Loopback) -> StacSource:
    return StacSource(
        name="remote", kind=SourceKind.STAC, rate=100, url=server.url + "/stac", live=True
    )


def harvested(server: Loopback, identifier: str = "a", **how: Any) -> dict[str, Any]:
    """The document of a live collection, as the index would give it."""
    api(server, collection(identifier), **how)
    with Fetcher(source(server)) as fetcher:
        (record,) = StacConnector(source(server), fetcher).collections()
    assert isinstance(record, CollectionRecord)
    return collection_document("remote", "Remote", record)


def asked(server: Loopback) -> Asked:
    return [one for one in server.requests if one.path == "/stac/search"][-1]


def test_results_are_ours(server: Loopback, live: LiveSearch) -> None:
    document = harvested(server, "odd id")
    server.routes["/stac/search"] = features(item("one/1", "odd id"), numberMatched=1)
    page = live.granules(document, Criteria(), Slice())
    (found,) = page.documents
    assert found["collection"] == document["id"] != "odd id"
    assert found["id"].startswith("one-1-")
    assert found["properties"]["pelagos:infrastructure"] == "remote"
    assert (page.total, page.more, page.next) == (1, False, "")
    assert asked(server).query == {"collections": "odd id", "limit": "10"}


def test_place_and_time_are_passed_on(server: Loopback, live: LiveSearch) -> None:
    document = harvested(server)
    server.routes["/stac/search"] = features()
    live.granules(document, SOUGHT, Slice(limit=3, order=(Order("properties.datetime", True),)))
    assert asked(server).query == {
        "collections": "a",
        "limit": "3",
        "bbox": "170,-10,-170,10",
        "datetime": "2020-01-01T00:00:00Z/..",
    }


def test_a_remote_that_takes_questions_by_post_gets_all_of_it(
    server: Loopback, live: LiveSearch
) -> None:
    document = harvested(server, extensions=EVERYTHING, post=True)
    server.routes["/stac/search"] = features()
    criteria = Criteria("sea ice, fog", SOUGHT.box, SOUGHT.start, facets={Facet.PLATFORM: ("S3",)})
    live.granules(
        document, criteria, Slice(order=(Order("id"), Order("properties.datetime", True)))
    )
    assert asked(server).method == "POST"
    assert json.loads(asked(server).body) == {
        "collections": ["a"],
        "limit": 10,
        "bbox": [170, -10, -170, 10],
        "datetime": "2020-01-01T00:00:00Z/..",
        "q": ["sea ice", "fog"],
        "query": {"platform": {"in": ["S3"]}},
        "sortby": [
            {"field": "id", "direction": "asc"},
            {"field": "properties.datetime", "direction": "desc"},
        ],
    }


@pytest.mark.parametrize(
    "criteria", [Criteria(text="ice"), Criteria(facets={Facet.INSTRUMENT: ("CTD",)})]
)
def test_what_a_remote_cannot_search_by_is_refused(
    server: Loopback, live: LiveSearch, criteria: Criteria
) -> None:
    document = harvested(server)
    with pytest.raises(QueryError, match="can't be searched"):
        live.granules(document, criteria, Slice())


def test_a_collection_that_is_not_live_is_refused(live: LiveSearch) -> None:
    with pytest.raises(QueryError, match="a can't be searched"):
        live.granules({"id": "a"}, Criteria(), Slice())


def test_tokens_lead_on_and_show_nothing_of_the_remote(server: Loopback, live: LiveSearch) -> None:
    document = harvested(server)
    secret = link("next", "/stac/search?page=2&signature=SECRET")
    server.routes["/stac/search"] = lambda asked: (
        features(item("2")) if "page" in asked.query else features(item("1"), links=(secret,))
    )
    first = live.granules(document, SOUGHT, Slice())
    assert first.more
    assert "SECRET" not in first.next
    assert "stac" not in first.next
    second = live.granules(document, SOUGHT, Slice(token=first.next))
    assert [one["id"] for one in second.documents] == ["2"]
    assert (second.total, second.more, second.next) == (2, False, "")
    with pytest.raises(QueryError, match="another search"):
        live.granules(document, Criteria(), Slice(token=first.next))
    for forged in ("nonsense", first.next[:-4], "", "é"):
        if forged:
            with pytest.raises(QueryError, match="not one of ours"):
                live.granules(document, SOUGHT, Slice(token=forged))


def test_tokens_are_good_elsewhere_with_the_same_key(server: Loopback) -> None:
    document = harvested(server)
    on = link("next", "/stac/search?page=2")
    server.routes["/stac/search"] = features(item("1"), links=(on,))
    one, two = (LiveSearch(source(server), key=b"k" * 32) for _ in range(2))
    token = one.granules(document, SOUGHT, Slice()).next
    assert two.granules(document, SOUGHT, Slice(token=token)).documents
    one.close()
    two.close()


def test_a_next_link_to_the_same_page_is_the_end(server: Loopback, live: LiveSearch) -> None:
    document = harvested(server)
    server.routes["/stac/search"] = lambda asked: features(
        item("1"), links=(link("next", asked.handler.path),)
    )
    assert live.granules(document, Criteria(), Slice()).next == ""


def test_totals_beyond_the_limit_are_more(server: Loopback, live: LiveSearch) -> None:
    document = harvested(server)
    server.routes["/stac/search"] = features(item("1"), numberMatched=324_132)
    page = live.granules(document, Criteria(), Slice())
    assert (page.total, page.more) == (10_000, True)


def test_bad_and_foreign_items_are_left_out(server: Loopback, live: LiveSearch) -> None:
    document = harvested(server)
    server.routes["/stac/search"] = features(
        item("bad", bbox=[0, 91, 0, 91]), item("other", "b"), item("1"), item("1")
    )
    page = live.granules(document, Criteria(), Slice())
    assert [one["id"] for one in page.documents] == ["1"]


def test_one_granule_is_found_by_its_identifier(server: Loopback, live: LiveSearch) -> None:
    document = harvested(server)
    server.routes["/stac/search"] = features(item("1"))
    found = live.granule(document, "1")
    assert found is not None
    assert found["collection"] == "remote.a"
    assert asked(server).query["ids"] == "1"
    assert live.granule(document, "2") is None  # the remote answers something else


@pytest.mark.parametrize(
    "answer",
    [
        Reply("<html>", "text/html"),
        Reply("{}"),
        Reply("no", "text/plain", 503),
        features(links=(), features=3),
    ],
)
def test_a_remote_that_does_not_answer_well_is_a_source_error(
    server: Loopback, live: LiveSearch, answer: Reply
) -> None:
    document = harvested(server)
    server.routes["/stac/search"] = answer
    with pytest.raises(SourceError):
        live.granules(document, Criteria(), Slice())
    assert len([one for one in server.requests if one.path == "/stac/search"]) == 1


def test_a_next_link_to_a_strange_host_is_not_followed(server: Loopback, live: LiveSearch) -> None:
    document = harvested(server)
    away = link("next", "http://169.254.169.254/latest")
    server.routes["/stac/search"] = features(item("1"), links=(away,))
    token = live.granules(document, Criteria(), Slice()).next
    with pytest.raises(SourceError, match=r"169\.254\.169\.254"):
        live.granules(document, Criteria(), Slice(token=token))


def test_many_may_ask_at_once(server: Loopback, live: LiveSearch) -> None:
    document = harvested(server)
    server.routes["/stac/search"] = features(item("1"))
    found: list[int] = []

    def ask() -> None:
        found.append(len(live.granules(document, Criteria(), Slice()).documents))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1] * 8
