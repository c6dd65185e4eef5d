"""EcoTaxa: no recording exists. Answers are made here, by the service's own description."""

from __future__ import annotations

from loopback import Loopback
from pelagos.settings.sources import EcotaxaSource, SourceKind
from rest_recordings import as_json, windowed

from connector_cases import Case, Routes

PROJECT = {
    "projid": 4824,
    "title": "UVP6 intercalibration <script>x</script>",
    "access": "1",
    "objcount": 32292.0,
    "comments": "Ligurian Sea",
    "instrument": "UVP6",
    "instrument_url": "http://vocab.nerc.ac.uk/collection/L22/current/TOOL1581/",
    "contact": {"id": 1, "email": "a@example.org", "name": "A", "organisation": "LOV"},
    "managers": [{"id": 1, "email": "a@example.org", "name": "A", "organisation": "LOV"}],
}
SAMPLE = {
    "sampleid": 100,
    "projid": 4824,
    "orig_id": "b_da_19",
    "latitude": 43.0,
    "longitude": 7.5,
    "free_columns": {"sampledatetime": "20200205-111218", "ship": "sagitta3", "cruise": "t01"},
}


def _source(url: str) -> EcotaxaSource:
    return EcotaxaSource(name="test", kind=SourceKind.ECOTAXA, url=f"{url}/api", rate=100)


def _routes(server: Loopback) -> Routes:
    projects = [PROJECT, PROJECT | {"projid": 2}, PROJECT | {"projid": 3, "access": "0"}]
    samples = [SAMPLE, SAMPLE | {"sampleid": 101}, SAMPLE | {"sampleid": 102, "latitude": 91}]
    return {
        "/api/projects/search": windowed(projects, "window_start", "window_size"),
        "/api/samples/search": as_json(samples),
    }


CASES = [Case("ecotaxa", _source, _routes, collections=2, granules=4, rejected=3)]
