"""OBIS replayed from recorded HTTP of its API (213 data sets, 101 occurrences)."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from loopback import Asked, Reply, serve
from pelagos.catalogue.fetch import Fetcher
from pelagos.catalogue.records import Access, Box, Interval
from pelagos.errors import SourceError
from rest_recordings import QUICK, Harvest, as_json, cassette, harvest, source

ONE = {
    "id": "a",
    "title": "Fish of the <b>North</b> Sea<script>alert(1)</script>",
    "archive": "https://ipt.example.org/archive.do?r=a",
    "extent": "POLYGON((1 50,1 52,3 52,3 50,1 50))",
    "statistics": {"Occurrence": 12},
    "updated": "2023-01-02T03:04:05.000Z",
}


def data_sets() -> list[dict[str, Any]]:
    [(_, body)] = cassette("obis/test_dataset_search_url.yaml")
    return list(json.loads(body)["results"])


def harvested(*records: Any, total: int | None = None, **routes: Any) -> Harvest:
    """Answers made here, in the shape of the recording."""
    found = {"total": len(records) if total is None else total, "results": list(records)}
    made = {"/v3/dataset": as_json(found)} | {f"/v3/{k}": v for k, v in routes.items()}
    with serve(made) as server:
        return harvest(source("obis", server, "/v3"))


@pytest.fixture(scope="module")
def found() -> Harvest:
    """Of the recorded list. It has no years, so that they are answered with 404."""
    [(_, body)] = cassette("obis/test_dataset_search_url.yaml")
    with serve({"/v3/dataset": Reply(body)}) as server:
        return harvest(source("obis", server, "/v3"))


def test_every_recorded_data_set_is_kept(found: Harvest) -> None:
    assert (len(found.collections), found.rejected) == (213, [])
    # 211 have an archive and occurrences; two have no extent
    assert len(found.all_granules()) == sum(
        1 + bool(record["statistics"]["Occurrence"]) for record in data_sets()
    )
    assert sum(not collection.boxes for collection in found.collections) == 2
    licences = [collection.licence for collection in found.collections]
    assert {name: licences.count(name) for name in set(licences)} == {
        "CC-BY-NC-4.0": 101,
        "CC-BY-4.0": 69,
        "CC0-1.0": 31,
        "ODC-By-1.0": 2,
        "other": 10,  # 6 say nothing, 3 "Unrestricted", 1 "Restricted"
    }
    fish = next(c for c in found.collections if c.doi == "10.17031/2x2hau")
    assert fish.title.startswith("Marine fish volunteer ad-hoc recording scheme")
    assert fish.boxes == (Box(-16.866666666667, 32.735413, 15.071944, 68.911606),)
    assert fish.citation.startswith("The National Marine Aquarium, United Kingdom (2019)")
    roles = {provider.name: provider.roles for provider in fish.providers}
    assert roles["Vlaams Instituut voor de Zee"] == ("producer",)
    assert roles["EurOBIS"] == ("host",)
    assert "Demersal fishes" in fish.keywords


def test_keywords_that_a_publisher_joined_are_taken_apart(found: Harvest) -> None:
    assert any("Sea turtles" in collection.keywords for collection in found.collections)
    assert not any("," in word for c in found.collections for word in c.keywords)


def test_an_order_of_occurrences_can_be_asked_as_the_asset_says() -> None:
    recorded = dict(cassette("obis/occurrences.yaml"))
    listed = as_json({"total": 1, "results": data_sets()[:1]})

    def occurrences(asked: Asked) -> Reply:
        body = next(b for uri, b in recorded.items() if f"size={asked.query['size']}" in uri)
        return Reply(body)

    with serve({"/v3/dataset": listed, "/v3/occurrence": occurrences}) as server:
        settings = source("obis", server, "/v3")
        found = harvest(settings)
        granule = next(g for g in found.all_granules() if g.id == "occurrences")
        assert granule.assets[0].access is Access.SUBSET
        how = granule.assets[0].extra["pelagos:subset"]
        with Fetcher(settings, patience=QUICK) as fetcher:
            answer = fetcher.get(how["url"], params=how["parameters"] | {how["size"]: "100"})
        assert server.requests[-1].query["datasetid"] == found.collections[0].id
    records = answer.json()[how["records"]]
    assert len(records) == 100
    columns = how["columns"]
    assert sum(columns["time"] in record for record in records) == 92
    for record in records:
        assert record[how["id"]]
        assert -180 <= record[columns["longitude"]] <= 180
        assert -90 <= record[columns["latitude"]] <= 90


def test_a_data_set_that_was_not_updated_is_not_asked_for_again() -> None:
    documents = {"total": 2, "results": [ONE, ONE | {"id": "b"}]}
    with serve({"/v3/dataset": as_json(documents)}) as server:
        settings = source("obis", server, "/v3")
        first = harvest(settings)
        documents["results"][1] = ONE | {"id": "b", "updated": "2024-01-01T00:00:00.000Z"}
        server.routes["/v3/dataset"] = as_json(documents)
        asked = len(server.requests)
        second = harvest(settings, first.memory)
        assert len(server.requests) - asked == 2  # the list, and the years of one
    assert second.unchanged == ["a"]
    assert [collection.id for collection in second.collections] == ["b"]


def test_years_of_the_statistics_are_the_time_of_a_data_set() -> None:
    """`/statistics/years` by its documentation; 20202 and 3 are no years of observations."""
    years = [{"year": y, "records": 1} for y in (1987, 2004, 20202, 3)]
    found = harvested(ONE, **{"statistics/years": as_json(years)})
    interval = Interval(
        datetime(1987, 1, 1, tzinfo=UTC), datetime(2004, 12, 31, 23, 59, 59, tzinfo=UTC)
    )
    assert found.collections[0].interval == interval
    assert all(granule.start == interval.start for granule in found.all_granules())


def test_a_node_is_asked_for_by_its_identifier() -> None:
    with serve({"/v3/dataset": as_json({"total": 1, "results": [ONE]})}) as server:
        harvest(source("obis", server, "/v3", node="4bf79a01"))
        assert server.requests[0].query == {"offset": "0", "nodeid": "4bf79a01"}


def test_lists_in_pages_are_read_to_their_end() -> None:
    records = data_sets()[:25]

    def page(asked: Asked) -> Reply:
        start = int(asked.query["offset"])
        return as_json({"total": 25, "results": records[start : start + 10]})

    with serve({"/v3/dataset": page}) as server:
        found = harvest(source("obis", server, "/v3"))
    assert [c.id for c in found.collections] == [record["id"] for record in records]


def test_bad_records_are_reported_and_the_others_kept() -> None:
    bad: list[Any] = [
        ONE | {"id": "box", "extent": "POLYGON((1 50,1 99,3 50,1 50))"},
        ONE | {"id": "wkt", "extent": "nowhere"},
        ONE | {"id": "title", "title": ""},
        ONE | {"id": "list", "keywords": "fish"},
        ONE | {"id": "number", "statistics": {"Occurrence": -1}},
        ONE | {"id": "date", "updated": "9999-99-99"},
        {key: value for key, value in ONE.items() if key != "id"},
        "text",
        None,
        copy.deepcopy(ONE),  # a second time
    ]
    found = harvested(ONE, *bad)
    assert [collection.title for collection in found.collections] == ["Fish of the North Sea"]
    assert len(found.rejected) == len(bad)
    reasons = "\n".join(found.reasons)
    for expected in (
        "box: extent: latitude outside -90..90",
        "wkt: extent: 'nowhere' is no geometry",
        "title: title: empty",
        "list: keywords: str where a list should be",
        "number: statistics.Occurrence: -1.0 where a count",
        "date: updated: '9999-99-99' is no time",
        "record 8: id: '' is empty",
        "record 9: it: str where an object should be",
        "record 10: id: '' is empty",
        "a: id: another data set has it already",
    ):
        assert expected in reasons


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply("<html>down for maintenance</html>", "text/html"), "instead of JSON"),
        (as_json({"total": 1}), "no results in it"),
        (as_json({"total": "many", "results": []}), "total"),
        (as_json([]), "an object"),
        (as_json({"total": 9, "results": [ONE]}), "repeats earlier ones"),
        (as_json({"total": 9, "results": []}), "announced 9 records and gave 0"),
    ],
)
def test_an_answer_that_is_none_spoils_the_run(reply: Reply, reason: str) -> None:
    with serve({"/v3/dataset": reply}) as server, pytest.raises(SourceError, match=reason):
        harvest(source("obis", server, "/v3"))


def test_pages_that_never_end_are_left() -> None:
    """The total grows with every page, and every page is the first one."""

    def page(asked: Asked) -> Reply:
        return as_json({"total": int(asked.query["offset"]) + 100, "results": [ONE]})

    with serve({"/v3/dataset": page}) as server, pytest.raises(SourceError, match="repeats"):
        harvest(source("obis", server, "/v3"))
