"""The step of `./pelagos check` for the catalogue: a temporary person searches it."""

from __future__ import annotations

import time
from typing import Any

import httpx

from pelagos.catalogue.harvest import RUNS_FILE
from pelagos.catalogue.harvest.overview import Health, SourceStatus, read_overview
from pelagos.deployment import CATALOGUE_PATH
from pelagos.ops.checking import Failed, Run, client_of
from pelagos.settings.sources import Source, SourceKind

_HARVEST_SECONDS = 120.0


def catalogue(run: Run) -> str:
    """With the server's own token: collections, then granules of one of them, with an asset."""
    sources = run.deployment.settings.catalogue.sources
    if not sources:
        return "the settings name no sources"
    source = next((one for one in sources if one.kind is SourceKind.FILES), sources[0])
    status = _harvested(run, source)
    if not status.granules:
        return f"{status.title}: {status.collections} collections, no granules to search"
    with client_of(run, CATALOGUE_PATH) as client:
        found = _collection(client, source.name)
        items = _json(client, "/search", {"collections": found["id"], "limit": "1"})
    features = items.get("features") or []
    if not features:
        raise Failed(f"The collection {found['id']} has no items in a search.")
    if not features[0].get("assets"):
        raise Failed(f"The item {features[0].get('id')} has no assets.")
    count = items.get("numberMatched", len(features))
    return f"{found.get('title', found['id'])}: {count} items, the first is {features[0]['id']}"


def _harvested(run: Run, source: Source) -> SourceStatus:
    """How the source stands once it was harvested; a first harvest may still be under way."""
    deadline = time.monotonic() + _HARVEST_SECONDS
    path = run.deployment.state.catalogue / RUNS_FILE
    while True:
        [status] = read_overview(path, [source], time.time())
        if status.good_run:
            return status
        last = status.last
        if status.health is Health.FAILING and last is not None and last.state.over:
            raise Failed(f"{status.title} could not be harvested: {last.error}")
        if not source.schedule:
            raise Failed(
                f"{status.title} was never harvested, and is only by hand.",
                f"./pelagos harvest {source.name}",
            )
        if time.monotonic() > deadline:
            raise Failed(
                f"{status.title} was not harvested within {_HARVEST_SECONDS:.0f} s.",
                f"Does the harvester run? Its log: {run.deployment.state.logs}/harvester.log",
            )
        time.sleep(1)


def _collection(client: httpx.Client, source: str) -> dict[str, Any]:
    """A collection of this source."""
    answer = _json(client, "/collections", {"limit": "100"})
    for found in answer.get("collections") or []:
        if str(found.get("id", "")).startswith(f"{source}."):
            return dict(found)
    raise Failed(f"The catalogue does not find a collection of {source}.")


def _json(client: httpx.Client, path: str, params: dict[str, str]) -> dict[str, Any]:
    try:
        answer = client.get(path, params=params)
    except httpx.HTTPError as error:
        raise Failed(f"The catalogue does not answer: {error!r}.") from error
    if answer.status_code != 200:
        raise Failed(f"The catalogue answers {path} with HTTP {answer.status_code}.")
    found: dict[str, Any] = answer.json()
    return found
