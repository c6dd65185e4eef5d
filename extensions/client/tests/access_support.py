"""What the tests of `pelagos_client.access` share: engines, and documents of connectors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
from connector_cases import erddap as erddap_case
from erddap_server import Erddap
from pelagos.catalogue.connectors import connector_for
from pelagos.catalogue.fetch import Fetcher
from pelagos.catalogue.records import CollectionRecord, GranuleRecord
from pelagos.catalogue.stac import granule_document
from pelagos_client.access import EmptyError, FilePlan, obtain
from pelagos_client.download import Engine, Fetched, Guard, Limits

LIMITS = Limits(attempts=2, first_wait=0.01, longest_wait=0.02, silence=10, overall=60)


@contextmanager
def engine(**limits: Any) -> Iterator[Engine]:
    """An engine that may ask this machine."""
    found = Limits(**{**vars(LIMITS), **limits})
    with Engine(guard=Guard([], named=["127.0.0.1", "localhost"]), limits=found) as running:
        yield running


def harvested(server: Erddap) -> dict[str, Any]:
    """The items of a server as the catalogue has them, by the connector."""
    source = erddap_case.source(server.url.removesuffix("/erddap"))
    items = {}
    with Fetcher(source) as fetcher:
        connector = connector_for(source)(source, fetcher, None)
        for collection in connector.collections():
            assert isinstance(collection, CollectionRecord), collection
            for granule in connector.granules(collection):
                assert isinstance(granule, GranuleRecord), granule
                document = granule_document(source.name, collection.id, granule)
                items[collection.id] = json.loads(json.dumps(document))
    return items


def fetched(plans: list[FilePlan], running: Engine, into: Path) -> list[Path]:
    """All files of a plan; of sides that may be empty, those that are not."""
    found = []
    for plan in plans:
        again = kept(plan)
        try:
            result = obtain(again, running, into, plan.name)
        except EmptyError:
            if not plan.request.get("may_be_empty"):
                raise
            continue
        assert isinstance(result, Fetched)
        assert result.good
        found.append(result.path)
    return found


def column(paths: list[Path], name: str) -> Any:
    """All values of a variable of some files."""
    values: list[Any] = []
    for path in paths:
        with netCDF4.Dataset(path) as file:
            values.append(np.ma.filled(file.variables[name][:].astype(float), np.nan).ravel())
    return np.concatenate(values) if values else np.array([])


def kept(plan: FilePlan) -> FilePlan:
    """What is left of a plan once it was kept as JSON."""
    return FilePlan.from_json(json.loads(json.dumps(plan.to_json())))
