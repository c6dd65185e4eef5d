"""SeaDataNet CDI: the recorded records, and aggregations as they should not be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from connector_cases.cdi import (
    AGGREGATED,
    INVALID,
    SINGLE,
    addresses,
    document,
    source,
)
from connector_cases.csw import recorded
from loopback import Loopback, Reply, Route, serve, validated
from pelagos.catalogue.connectors.cdi import CdiConnector
from pelagos.catalogue.fetch import Fetcher
from pelagos.catalogue.fetch_network import Patience
from pelagos.catalogue.records import (
    Access,
    CollectionRecord,
    GranuleRecord,
    Rejected,
    Unchanged,
)
from pelagos.errors import SourceError

QUICK = Patience(attempts=1, silence=5)


@pytest.fixture
def server() -> Iterator[Loopback]:
    with serve({}) as running:
        yield running


def run(
    server: Loopback,
    answer: Route | None = None,
    memory: dict[str, Any] | None = None,
    **fields: Any,
) -> tuple[list[Any], dict[str, list[Any]]]:
    server.routes["/aggregation"] = answer
    configured = source(server.url, **fields)
    with Fetcher(configured, patience=QUICK) as fetcher:
        connector = CdiConnector(configured, fetcher, memory)
        found = list(connector.collections())
        granules = {
            one.id: list(connector.granules(one))
            for one in found
            if isinstance(one, CollectionRecord)
        }
    return found, granules


def test_records_of_a_document_are_granules_by_data_set_or_centre(server: Loopback) -> None:
    found, granules = run(server, document(recorded(AGGREGATED), recorded(SINGLE)))
    assert [(one.id, one.title[:40]) for one in found] == [
        ("edmo-1022", "Data held by BRGM / Office of Geological"),
        ("edmed-973", "(CIPS/ICWB) SEA - an extensive multidisc"),
    ]
    [single] = granules["edmed-973"]
    assert isinstance(single, GranuleRecord)
    assert single.id == "urn:SDN:CDI:LOCAL:MARIS-TEST"
    assert [parameter.p02 for parameter in single.parameters] == ["ATVS", "AMON", "CHUM"]
    assert (single.platform, single.depth) == ("cetacean", (0, 100))
    assert single.instruments[0] == "aerosol samplers"
    assert single.geometry is not None
    assert len(single.geometry["coordinates"]) == 3
    assert [asset.access for asset in single.assets] == [Access.ORDER]
    assert str(single.end) == "2009-06-24 17:36:01+00:00"
    assert [link.rel for link in single.links] == ["service"]


def test_a_collection_reaches_around_its_records(server: Loopback) -> None:
    moved = (
        recorded(AGGREGATED)
        .replace(b"1022-DS02-4", b"1022-DS02-5")
        .replace(b">78.14<", b">100.5<")
        .replace(b"2005-03-18", b"2011-03-18")
    )
    [collection], granules = run(server, document(recorded(AGGREGATED), moved))
    assert (collection.boxes[0].west, collection.boxes[0].east) == (-62.80833, 100.5)
    assert str(collection.interval.end) == "2011-03-18 23:59:59+00:00"
    assert collection.description == "2 records of the Common Data Index (CDI)."
    assert "SeaDataNet licence" in collection.licence_text
    assert "Shom" in [provider.name for provider in collection.providers]
    assert len(granules["edmo-1022"]) == 2


def test_an_aggregated_record_is_a_collection_to_order(server: Loopback) -> None:
    server.routes["/1/xml"] = Reply(recorded(AGGREGATED), "application/xml")
    [collection], granules = run(server, addresses(f"{server.url}/1/xml"))
    assert collection.title.startswith("SeaDataNet - Chemical oceanography from BRGM")
    assert collection.instruments[0] == "manual rock samplers"
    [granule] = granules[collection.id]
    assert [asset.access for asset in granule.assets] == [Access.ORDER]
    assert granule.box == collection.boxes[0]


@pytest.mark.parametrize("name", INVALID)
def test_what_the_schema_refuses_is_read_where_its_meaning_is_clear(
    server: Loopback, name: str
) -> None:
    found, granules = run(server, document(recorded(name)))
    if "csr" in name:
        assert [one.reason for one in found] == ["it is a cruise summary report (CSR), not data"]
    else:
        assert len(granules["edmed-973"]) == 1


def test_a_record_twice_is_kept_once(server: Loopback) -> None:
    found, granules = run(server, document(recorded(SINGLE), recorded(SINGLE)))
    assert isinstance(found[0], Rejected)
    assert "has it twice" in found[0].reason
    assert len(granules["edmed-973"]) == 1


def test_a_bad_record_costs_only_itself(server: Loopback) -> None:
    bad = recorded(SINGLE).replace(b"73.889864<", b"91<").replace(b"MARIS-TEST", b"BAD")
    worse = recorded(SINGLE).replace(b"2009-01-01T00:00:00", b"9999-99-99")
    found, granules = run(server, document(bad, worse, recorded(SINGLE)))
    assert [one.reason.split(":")[0] for one in found if isinstance(one, Rejected)] == [
        "box",
        "temporal extent",
    ]
    assert len(granules["edmed-973"]) == 1


def test_a_document_that_breaks_off_spoils_the_run(server: Loopback) -> None:
    whole = document(recorded(SINGLE), recorded(AGGREGATED))
    memory: dict[str, Any] = {}
    with pytest.raises(SourceError, match="not XML"):
        run(server, Reply(bytes(whole.body)[:-3000], "application/xml"), memory)
    assert memory == {}


def test_a_document_may_have_more_records_than_are_wanted(server: Loopback) -> None:
    many = [recorded(SINGLE).replace(b"MARIS-TEST", b"R%d" % number) for number in range(5)]
    _, granules = run(server, document(*many), record_limit=3)
    assert len(granules["edmed-973"]) == 3


def test_only_what_has_changed_is_read_again(server: Loopback) -> None:
    server.routes["/1/xml"] = validated(Reply(recorded(AGGREGATED), "application/xml"))
    server.routes["/2/xml"] = validated(Reply(recorded(SINGLE), "application/xml"))
    both = addresses(f"{server.url}/1/xml", f"{server.url}/2/xml")
    memory: dict[str, Any] = {}
    run(server, both, memory)
    changed = recorded(SINGLE).replace(b"Test record", b"Changed record")
    server.routes["/2/xml"] = validated(Reply(changed, "application/xml"))
    first, second = run(server, both, memory)[0]
    assert first == Unchanged("urn:SDN:CDI:LOCAL:1022-DS02-4")
    assert second.title == "Changed record with full coverage"
    [gone] = run(server, addresses(f"{server.url}/2/xml"), memory)[0]
    assert gone == Unchanged("urn:SDN:CDI:LOCAL:MARIS-TEST")
    assert list(memory["records"]) == [f"{server.url}/2/xml"]


def test_an_address_that_fails_now_keeps_what_was_there(server: Loopback) -> None:
    server.routes["/1/xml"] = Reply(recorded(AGGREGATED), "application/xml")
    memory: dict[str, Any] = {}
    one = addresses(f"{server.url}/1/xml")
    run(server, one, memory)
    server.routes["/1/xml"] = Reply(status=500)
    rejected, kept = run(server, one, memory)[0]
    assert "answered 500" in rejected.reason
    assert kept == Unchanged("urn:SDN:CDI:LOCAL:1022-DS02-4")
    server.routes["/1/xml"] = Reply(status=410)
    assert [type(one) for one in run(server, one, memory)[0]] == [Rejected]
    assert memory["records"] == {}


def test_a_server_whose_records_all_fail_spoils_the_run(server: Loopback) -> None:
    listed = addresses(*(f"{server.url}/{number}" for number in range(10)))
    server.default = Reply(status=500)
    with pytest.raises(SourceError, match="answered 500"):
        run(server, listed)
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<html>no</html>", "a web page"),
        (b"<a/>", "it is a, not ISO 19139"),
        (b"<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", "DOCTYPE"),
    ],
)
def test_a_page_instead_of_a_record_is_rejected(
    server: Loopback, content: bytes, reason: str
) -> None:
    server.routes["/1/xml"] = Reply(content)
    [rejected] = run(server, addresses(f"{server.url}/1/xml"))[0]
    assert reason in rejected.reason


def test_addresses_elsewhere_are_not_asked(server: Loopback) -> None:
    listed = addresses("http://169.254.169.254/x", "file:///etc/passwd")
    found, _ = run(server, listed)
    assert [type(one) for one in found] == [Rejected, Rejected]
    assert len(server.requests) == 1


def test_two_addresses_of_one_record_are_one_collection(server: Loopback) -> None:
    server.default = Reply(recorded(SINGLE), "application/xml")
    found, _ = run(server, addresses(f"{server.url}/1", f"{server.url}/2"))
    assert [type(one) for one in found] == [CollectionRecord, Rejected]
