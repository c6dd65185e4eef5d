"""OBIS: 30 of the 213 recorded data sets; all of them are in `test_connector_obis`."""

from __future__ import annotations

import json

from loopback import Loopback
from pelagos.settings.sources import ObisSource, SourceKind
from rest_recordings import as_json, cassette

from connector_cases import Case, Routes


def _source(url: str) -> ObisSource:
    return ObisSource(name="test", kind=SourceKind.OBIS, url=f"{url}/v3", rate=100)


def _routes(server: Loopback) -> Routes:
    [(_, body)] = cassette("obis/test_dataset_search_url.yaml")
    records = json.loads(body)["results"][:30]
    years = as_json([{"year": 1987, "records": 5}, {"year": 2004, "records": 1}])
    return {
        "/v3/dataset": as_json({"total": len(records), "results": records}),
        "/v3/statistics/years": years,
    }


CASES = [Case("obis", _source, _routes, collections=30, granules=60, conditional=True)]
