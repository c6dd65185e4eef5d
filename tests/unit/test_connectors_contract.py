"""What every connector keeps to, over its recordings; its cases are in `connector_cases`."""

from __future__ import annotations

import contextlib
import inspect
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pystac
import pytest
from connector_cases import Case, all_cases
from loopback import Loopback, Reply, Route, serve, validated
from pelagos.catalogue.connectors import connector_for
from pelagos.catalogue.connectors.base import Connector
from pelagos.catalogue.fetch import Fetcher
from pelagos.catalogue.fetch_network import Patience
from pelagos.catalogue.records import CollectionRecord, GranuleRecord, Rejected, Unchanged
from pelagos.catalogue.stac import collection_document, granule_document
from pelagos.errors import SourceError
from stac_schemas import problems

QUICK = Patience(
    connect=5, silence=5, whole=20, stream=20, attempts=2, first_wait=0.001, longest_wait=0.002
)
CASES = all_cases()
each_case = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
REMOTE = [case for case in CASES if case.remote]
each_remote = pytest.mark.parametrize("case", REMOTE, ids=[case.name for case in REMOTE])
LONGER = [case for case in REMOTE if not case.single]


@contextlib.contextmanager
def replay(
    case: Case, *, wrap: Any = None, default: Route | None = None, empty: bool = False
) -> Iterator[Loopback]:
    with serve({}, default) as server:
        if not empty:
            server.routes = case.routes(server)
        if wrap:
            server.routes = {path: wrap(route) for path, route in server.routes.items()}
        yield server


@contextlib.contextmanager
def connect(
    case: Case, server: Loopback, memory: dict[str, Any] | None = None
) -> Iterator[Connector[Any]]:
    source = case.source(server.url)
    with Fetcher(source, patience=QUICK) as fetcher:
        yield connector_for(source)(source, fetcher, memory)


def harvest(connector: Connector[Any]) -> tuple[list[Any], dict[str, list[Any]]]:
    """Everything, in the order in which the harvester asks for it."""
    found: list[Any] = []
    granules: dict[str, list[Any]] = {}
    for record in connector.collections():
        found.append(record)
        if isinstance(record, CollectionRecord):
            granules[record.id] = list(connector.granules(record))
    return found, granules


@each_case
def test_every_record_is_found_or_rejected_with_a_reason(case: Case) -> None:
    with replay(case) as server, connect(case, server) as connector:
        found, granules = harvest(connector)
    everything = [*found, *(one for some in granules.values() for one in some)]
    rejected = [record for record in everything if isinstance(record, Rejected)]
    count = Counter(type(record) for record in everything)
    assert (count[CollectionRecord], count[GranuleRecord], len(rejected)) == (
        case.collections,
        case.granules,
        case.rejected,
    ), rejected[:5]
    assert all(record.which and record.reason for record in rejected)


@each_case
def test_identifiers_are_unique(case: Case) -> None:
    with replay(case) as server, connect(case, server) as connector:
        found, granules = harvest(connector)
    collections = [record.id for record in found if isinstance(record, CollectionRecord)]
    assert len(collections) == len(set(collections))
    for some in granules.values():
        ids = [record.id for record in some if isinstance(record, GranuleRecord)]
        assert len(ids) == len(set(ids))


@each_case
def test_records_are_valid_stac(case: Case) -> None:
    with replay(case) as server, connect(case, server) as connector:
        found, granules = harvest(connector)
    for record in found:
        if not isinstance(record, CollectionRecord):
            continue
        document = collection_document("test", "Test", record)
        assert problems(document) == []
        pystac.Collection.from_dict(document)
        json.dumps(document, allow_nan=False).encode()
        for granule in granules[record.id]:
            if isinstance(granule, GranuleRecord):
                item = granule_document("test", document["id"], granule)
                assert problems(item) == []
                json.dumps(item, allow_nan=False).encode()


@each_case
def test_it_streams(case: Case) -> None:
    with replay(case) as server, connect(case, server) as connector:
        collections = connector.collections()
        assert inspect.isgenerator(collections)
        assert server.requests == []  # nothing is asked before it is wanted
        first = next(record for record in collections if isinstance(record, CollectionRecord))
        assert inspect.isgenerator(connector.granules(first))
        collections.close()


@each_case
def test_no_connection_stays_open(case: Case) -> None:
    with replay(case) as server:
        with connect(case, server) as connector:
            harvest(connector)
        assert server.wait_until_idle()
        with connect(case, server) as connector:  # a run that is given up in the middle
            collections = connector.collections()
            first = next(record for record in collections if isinstance(record, CollectionRecord))
            next(connector.granules(first), None)
            del collections
        assert server.wait_until_idle()


@each_case
def test_what_it_remembers_is_json(case: Case) -> None:
    memory: dict[str, Any] = {}
    with replay(case) as server, connect(case, server, memory) as connector:
        harvest(connector)
    assert json.loads(json.dumps(memory, allow_nan=False)) == memory


BAD = {
    "error": Reply("<h1>Oh</h1>", "text/html", 500),
    "not found": Reply("gone", "text/plain", 404),
    "web page": Reply("<!DOCTYPE html><html><p>Maintenance</html>", "text/html"),
    "garbage": Reply(bytes(range(256)) * 40, "application/octet-stream"),
    "empty": Reply(b""),
    "broken XML": Reply("<?xml version='1.0'?><a><b></a>", "application/xml"),
    "other XML": Reply("<?xml version='1.0'?><a xmlns='urn:x'><b/></a>", "application/xml"),
    "broken JSON": Reply('{"a": [1, 2'),
    "other JSON": Reply('{"unexpected": null}'),
    "a JSON number": Reply("7"),
    "deep JSON": Reply("[" * 100_000),
    "wrong packing": Reply(b"abc", headers={"Content-Encoding": "gzip"}),
    "wrong encoding": Reply("Tèmpérature".encode("latin-1"), "text/plain; charset=utf-8"),
}


@each_remote
@pytest.mark.parametrize("answer", BAD.values(), ids=BAD.keys())
def test_a_bad_server_spoils_a_run_in_one_way_only(case: Case, answer: Reply) -> None:
    with replay(case, default=answer, empty=True) as server:
        with connect(case, server) as connector, pytest.raises(SourceError) as caught:
            harvest(connector)
        assert str(caught.value)
        assert server.wait_until_idle()


@pytest.mark.parametrize("case", LONGER, ids=[case.name for case in LONGER])
def test_a_bad_second_answer_is_told_too(case: Case) -> None:
    """It may spoil the run or cost some records; it is never taken for the end of the listing."""
    with replay(case) as server, connect(case, server) as connector:
        harvest(connector)
        asked = len(server.requests)
    assert asked > 1
    with replay(case) as server:
        whole = server.routes

        def second(route: Route) -> Route:
            def answer(request: Any) -> Reply | None:
                if len(server.requests) == 2:
                    return BAD["web page"]
                return route(request) if callable(route) else route

            return answer

        server.routes = {path: second(route) for path, route in whole.items()}
        with connect(case, server) as connector:
            try:
                found, granules = harvest(connector)
            except SourceError:
                return
        everything = [*found, *(one for some in granules.values() for one in some)]
        rejected = [record for record in everything if isinstance(record, Rejected)]
        assert len(rejected) > case.rejected


CONDITIONAL = [case for case in CASES if case.conditional]


@pytest.mark.parametrize("case", CONDITIONAL, ids=[case.name for case in CONDITIONAL])
def test_what_has_not_changed_is_not_read_again(case: Case) -> None:
    memory: dict[str, Any] = {}
    with replay(case, wrap=validated) as server:
        with connect(case, server, memory) as connector:
            harvest(connector)
        memory = json.loads(json.dumps(memory))
        with connect(case, server, memory) as connector:
            second = [
                record
                for collection in connector.collections()
                for record in (
                    list(connector.granules(collection))[:1]
                    if isinstance(collection, CollectionRecord)
                    else [collection]
                )
            ]
    assert second
    assert all(isinstance(record, Unchanged) for record in second), second[:3]
