"""Blue-Cloud's level 1: a recorded record. The list of addresses is made here."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from connector_cases.bluecloud import RECORD
from loopback import Loopback, Reply, Route, serve
from pelagos.catalogue.records import Box, Interval
from pelagos.errors import SourceError
from rest_recordings import Harvest, as_json, harvest, source
from shared_data import shared_data


def recorded() -> Any:
    return json.loads(shared_data(RECORD).read_text())


def run(server: Loopback, records: list[Any]) -> Harvest:
    """Records by their place in the list; a Reply answers itself, text is an address."""
    addresses = []
    for number, record in enumerate(records):
        if isinstance(record, str | int):
            addresses.append(record)
            continue
        addresses.append(f"{server.url}/records/{number}")
        route: Route = record if isinstance(record, Reply) else as_json(record)
        server.routes[f"/records/{number}"] = route
    server.routes["/api"] = as_json({"urls": addresses})
    return harvest(source("bluecloud", server))


def test_the_recorded_record_is_a_collection() -> None:
    with serve({}) as server:
        found = run(server, [recorded()])
    assert found.rejected == []
    [record] = found.collections
    assert record.id == "006196A3D05799453983F10DCAA367939D75C7FD"
    assert record.title == "8673 - 2902296 - Argo INDIA"
    assert record.boxes == (Box(57.293079, -55.411179, 78.508904, -49.266708),)
    assert record.interval == Interval(
        datetime(2020, 2, 29, 10, 57, 55, tzinfo=UTC), datetime(2023, 6, 19, 10, 27, 32, tzinfo=UTC)
    )
    assert record.updated == datetime(2023, 7, 2, 20, 23, 58, tzinfo=UTC)
    assert [(p.name, p.roles) for p in record.providers] == [
        ("INCOIS", ("producer",)),
        ("EuroArgo - Argo", ("host",)),
    ]
    assert [parameter.name for parameter in record.parameters][:2] == [
        "SUBSURFACE PRESSURE",
        "BACKSCATTER",
    ]
    assert (record.platforms, len(record.instruments)) == (("8673",), 4)
    assert record.links[0].href.startswith("https://data.blue-cloud.org/search-details?step=")
    assert (record.searchable, found.all_granules()) == (False, [])


def test_bad_records_are_reported_and_the_others_kept() -> None:
    good = recorded()
    bad: list[Any] = [
        good,  # a second time
        good | {"Identifier": "a", "Bounding_Box_NorthLatitude": 91},
        good | {"Identifier": "b", "Bounding_Box_WestLongitude": None},
        good | {"Identifier": "c", "Bounding_Box_WestLongitude": "NaN"},
        good | {"Identifier": "d", "Temporal_Extent_End": "9999-99-99"},
        good | {"Identifier": "e", "Keywords": "41"},
        good | {"Identifier": "f", "Title": "<script>x</script>"},
        {},
        [],
        Reply("<html>", "text/html"),
        Reply("gone", "text/plain", 410),
        "javascript:alert(1)",
        "http://169.254.169.254/latest/meta-data",
        17,
    ]
    with serve({}) as server:
        found = run(server, [good, *bad])
    assert len(found.collections) == 1
    assert len(found.rejected) == len(bad)
    reasons = "\n".join(found.reasons)
    for expected in (
        "Identifier: another record has it already",
        "Bounding_Box: latitude outside",
        "Bounding_Box: one of its sides is missing",
        "Bounding_Box_WestLongitude: not a finite number",
        "'9999-99-99' is no time",
        "Keywords: str where a list",
        "title: empty",
        "instead of JSON",
        "410",
        "urls: no address",
        "not one of the hosts",
        "address 15: urls",
    ):
        assert expected in reasons


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply("<html>", "text/html"), "instead of JSON"),
        (as_json({"links": []}), "no urls in it"),
        (as_json({"urls": "x"}), "urls: str where a list"),
        (as_json([]), "not an answer"),
    ],
)
def test_a_list_that_is_none_spoils_the_run(reply: Reply, reason: str) -> None:
    with serve({"/api": reply}) as server, pytest.raises(SourceError, match=reason):
        harvest(source("bluecloud", server))
