"""Blue-Cloud's level 1: a recorded record. The list of addresses is made here."""

from __future__ import annotations

from loopback import Loopback, Reply
from pelagos.settings.sources import BlueCloudSource, SourceKind
from rest_recordings import as_json
from shared_data import shared_data

from connector_cases import Case, Routes

RECORD = "services/accessor-bluecloud/bluecloud.json"


def _source(url: str) -> BlueCloudSource:
    return BlueCloudSource(name="test", kind=SourceKind.BLUECLOUD, url=f"{url}/api", rate=100)


def _routes(server: Loopback) -> Routes:
    return {
        "/api": as_json({"urls": [f"{server.url}/record", f"{server.url}/gone"]}),
        "/record": Reply(shared_data(RECORD).read_bytes()),
    }


CASES = [Case("bluecloud", _source, _routes, collections=1, granules=0, rejected=1)]
