"""ICOS: a recorded description of an object; SPARQL answers are made here (W3C's JSON form)."""

from __future__ import annotations

import json
import re
from typing import Any

from loopback import Asked, Loopback, Reply
from pelagos.settings.sources import IcosSource, SourceKind
from rest_recordings import as_json
from shared_data import shared_data

from connector_cases import Case, Routes

OBJECT = "n94jijAEWH95fMNn8Mwd4I0M"
FILE = "119920180214.csv"
SPEC = "http://meta.icos-cp.eu/resources/cpmeta/icosOtcFosL2Product"
Rows = list[dict[str, str]]


def recorded() -> Any:
    return json.loads(shared_data(f"services/accessor-icos/{FILE}.json").read_text())


class Portal:
    """A SPARQL endpoint that knows two questions, and honours their limit and offset."""

    def __init__(self, server: Loopback) -> None:
        self.specs: Rows = [{"spec": SPEC, "label": "ICOS OTC FOS Release"}]
        self.objects: Rows = [
            {
                "dobj": f"{server.url}/objects/{OBJECT}",
                "fileName": FILE,
                "submTime": "2021-01-21T14:52:43.064Z",
                "timeStart": "2018-02-14T16:20:00Z",
                "timeEnd": "2020-07-10T20:00:31Z",
                "lat": "51.57989",
                "lon": "2.993217",
            }
        ]
        self.queries: list[str] = []
        server.routes["/sparql"] = self.answer
        server.routes[f"/objects/{OBJECT}/{FILE}.json"] = as_json(recorded())

    def answer(self, asked: Asked) -> Reply:
        query = asked.body.decode()
        self.queries.append(query)
        assert asked.headers["content-type"] == "application/sparql-query"
        found = re.search(r"limit (\d+) offset (\d+)$", query)
        assert found is not None
        limit, offset = int(found[1]), int(found[2])
        rows = self.objects if "hasObjectSpec" in query else self.specs
        bindings = [
            {name: {"type": "literal", "value": value} for name, value in row.items()}
            for row in rows[offset : offset + limit]
        ]
        return as_json({"head": {"vars": []}, "results": {"bindings": bindings}})


def _source(url: str) -> IcosSource:
    return IcosSource(name="test", kind=SourceKind.ICOS, url=f"{url}/sparql", rate=100)


def _routes(server: Loopback) -> Routes:
    Portal(server)
    return server.routes


def _with_a_lost_one(server: Loopback) -> Routes:
    portal = Portal(server)
    portal.objects.append(portal.objects[0] | {"dobj": f"{server.url}/objects/gone"})
    return server.routes


CASES = [
    Case("icos", _source, _routes, collections=1, granules=1, conditional=True),
    Case("icos-lost", _source, _with_a_lost_one, collections=1, granules=1, rejected=1),
]
