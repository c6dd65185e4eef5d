"""Argo's fleet monitoring: four recorded floats. The list of floats is made here."""

from __future__ import annotations

from loopback import Loopback, Reply
from pelagos.settings.sources import ArgoFleetSource, SourceKind
from rest_recordings import as_json
from shared_data import shared_data

from connector_cases import Case, Routes

FLOATS = {
    "6903238": "services/accessor-argo/fullARGO.json",
    "1900936": "services/accessor-argo/missingLon.json",
    "13857": "argo/fleetmonitoring.euro-argo.eu/1f471549c84b_13857.json",
    "3902131": "argo/fleetmonitoring.euro-argo.eu/8b63c8b6ff22_3902131.json",
}
DAC = "https://data-argo.example.org/dac"


def _source(url: str) -> ArgoFleetSource:
    return ArgoFleetSource(
        name="test", kind=SourceKind.ARGO_FLEET, url=f"{url}/fleet", files=DAC, rate=100
    )


def _routes(server: Loopback) -> Routes:
    listed: Routes = {"/fleet/platformCodes": as_json([*FLOATS, "no number"])}
    return listed | {
        f"/fleet/floats/{wmo}": Reply(shared_data(name).read_bytes())
        for wmo, name in FLOATS.items()
    }


CASES = [Case("argo-fleet", _source, _routes, collections=1, granules=4, rejected=1)]
