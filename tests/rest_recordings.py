"""What connectors of JSON services are run against: recordings, and answers made by hand.

Answers that are made here follow the documentation of the service; each test says which is which.
"""

from __future__ import annotations

import copy
import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

import yaml
from loopback import Asked, Loopback, Reply, Route
from pelagos.catalogue.connectors import connector_for
from pelagos.catalogue.connectors.base import Connector
from pelagos.catalogue.fetch import Fetcher
from pelagos.catalogue.fetch_network import Patience
from pelagos.catalogue.records import CollectionRecord, GranuleRecord, Rejected, Unchanged
from pelagos.catalogue.stac import collection_document, granule_document
from pelagos.settings.sources import AnySource
from pydantic import TypeAdapter
from shared_data import shared_data

_SOURCE: TypeAdapter[Any] = TypeAdapter(AnySource)
QUICK = Patience(attempts=2, first_wait=0.01, longest_wait=0.02, retry_after=1, silence=5)


@dataclass
class Harvest:
    """What one run of a connector yielded."""

    collections: list[CollectionRecord] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    granules: dict[str, list[GranuleRecord]] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)
    memory: dict[str, Any] = field(default_factory=dict)

    @property
    def reasons(self) -> list[str]:
        return [f"{one.which}: {one.reason}" for one in self.rejected]

    def all_granules(self) -> list[GranuleRecord]:
        return [granule for found in self.granules.values() for granule in found]


def source(kind: str, server: Loopback, path: str = "/api", **fields: object) -> Any:
    """Settings of a source on the loopback server."""
    fields = {"name": "test", "kind": kind, "url": server.url + path, "rate": 100} | fields
    return _SOURCE.validate_python(fields)


def harvest(settings: Any, memory: dict[str, Any] | None = None) -> Harvest:
    """One whole run, granules and all; every record is written as STAC too."""
    result = Harvest(memory=json.loads(json.dumps(memory or {})))
    with Fetcher(settings, patience=QUICK) as fetcher:
        connector = connector_for(settings)(settings, fetcher, result.memory)
        for record in connector.collections():
            if isinstance(record, Rejected):
                result.rejected.append(record)
            elif isinstance(record, Unchanged):
                result.unchanged.append(record.collection)
            else:
                result.collections.append(record)
                _written(collection_document("test", "Test", record))
                _granules(connector, record, result)
    json.dumps(result.memory)
    return result


def _granules(connector: Connector[Any], collection: CollectionRecord, result: Harvest) -> None:
    found = result.granules.setdefault(collection.id, [])
    for record in connector.granules(collection):
        if isinstance(record, Rejected):
            result.rejected.append(record)
        else:
            assert isinstance(record, GranuleRecord)
            found.append(record)
            _written(granule_document("test", f"test.{collection.id}", record))


def _written(document: Any) -> None:
    json.dumps(document, allow_nan=False, ensure_ascii=False).encode()


def as_json(document: Any, **fields: Any) -> Reply:
    return Reply(json.dumps(document), **fields)


def cassette(name: str) -> Iterator[tuple[str, bytes]]:
    """The address and the unpacked body of each answer of recorded HTTP (vcr's YAML)."""
    recorded = yaml.safe_load(shared_data(name).read_text())
    for interaction in recorded["interactions"]:
        body = interaction["response"]["body"]["string"]
        yield interaction["request"]["uri"], gzip.decompress(body)


def windowed(records: list[Any], offset: str, size: str) -> Route:
    """A list that is given in windows by the parameters of these names."""

    def answer(asked: Asked) -> Reply:
        start, width = int(asked.query.get(offset, 0)), int(asked.query[size])
        return as_json(records[start : start + width])

    return answer


_JUNK: list[Any] = [
    None, True, False, 0, -1, 1e308, 10**400, "", " ", "x", "NaN", "9999-99-99", "\ud800", "\x00",
    "<script>alert(1)</script>", "javascript:alert(1)", "a" * 5_000_000, [], [None], [[]], [{}],
    {}, {"a": {}}, {"type": "Point", "coordinates": [0]}, float("nan"), float("inf"), [1] * 1000,
]  # fmt: skip


def mutations(document: Any, number: int) -> Iterator[Any]:
    """Copies of a document, each with junk in one place of it; the same ones in every run."""
    random = Random(number)
    places = list(_places(document, ()))
    for _ in range(number):
        copied = copy.deepcopy(document)
        *way, last = random.choice(places)
        inner = copied
        for step in way:
            inner = inner[step]
        inner[last] = random.choice(_JUNK)
        yield copied


def _places(document: Any, way: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    inner = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in inner:
        yield (*way, key)
        if isinstance(value, dict | list):
            yield from _places(value, (*way, key))
