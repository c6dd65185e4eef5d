"""Recorded records with junk in one place: each is kept or reported, and none ends the run."""

from __future__ import annotations

import json
from typing import Any

from connector_cases.argo_fleet import DAC, FLOATS
from connector_cases.bluecloud import RECORD
from connector_cases.ecotaxa import PROJECT, SAMPLE
from connector_cases.icos import FILE, Portal, recorded
from loopback import Reply, serve
from rest_recordings import as_json, cassette, harvest, mutations, source
from shared_data import shared_data

NUMBER = 100


def test_data_sets_of_obis() -> None:
    [(_, body)] = cassette("obis/test_dataset_search_url.yaml")
    records = list(mutations(json.loads(body)["results"][5], NUMBER))
    for position, record in enumerate(records):
        if isinstance(record.get("id"), str) and len(record["id"]) == 36:
            record["id"] = f"data-set-{position}"
    answers = {"/v3/dataset": as_json({"total": NUMBER, "results": records})}
    with serve({**answers, "/v3/statistics/years": as_json([])}) as server:
        found = harvest(source("obis", server, "/v3"))
    assert len(found.collections) + len(found.rejected) == NUMBER
    assert min(len(found.collections), len(found.rejected)) > NUMBER / 10


def test_objects_of_icos() -> None:
    plain = {key: value for key, value in recorded().items() if key != "hash"}
    with serve({}) as server:
        portal = Portal(server)
        row = portal.objects[0]
        portal.objects = []
        for position, record in enumerate(mutations(plain, NUMBER)):
            server.routes[f"/objects/{position}/{FILE}.json"] = as_json(record)
            portal.objects.append(row | {"dobj": f"{server.url}/objects/{position}"})
        found = harvest(source("icos", server, "/sparql"))
    assert len(found.collections) == 1
    assert len(found.all_granules()) + len(found.rejected) == NUMBER
    assert min(len(found.all_granules()), len(found.rejected)) > 5


def test_floats_of_the_fleet() -> None:
    good = json.loads(shared_data(FLOATS["1900936"]).read_text())
    routes: dict[str, Any] = {}
    codes = [str(1_900_000 + position) for position in range(NUMBER)]
    # where the connector looks; most of a float's 10 kB is of no use here
    used = ("platform", "sensors", "dataCenter", "projects", "networks", "variables", "deployment",
            "cycles", "lastCycleBasicInfo", "model", "owner")  # fmt: skip
    small = {key: good[key] for key in used}
    small["cycles"] = [{"startDate": "2007-01-01", "lat": 1.0, "lon": 2.0, "positionQc": 1.0}]
    for wmo, record in zip(codes, mutations(small, NUMBER), strict=True):
        routes[f"/floats/{wmo}"] = as_json({"wmo": wmo} | record)
    with serve({"/platformCodes": as_json(codes), **routes}) as server:
        found = harvest(source("argo-fleet", server, "", files=DAC))
    assert len(found.all_granules()) + len(found.rejected) == NUMBER
    assert min(len(found.all_granules()), len(found.rejected)) > NUMBER / 10


def test_records_of_blue_cloud() -> None:
    good = json.loads(shared_data(RECORD).read_text())
    with serve({}) as server:
        addresses = []
        for position, record in enumerate(mutations(good, NUMBER)):
            if record.get("Identifier") == good["Identifier"]:
                record["Identifier"] = str(position)
            addresses.append(f"{server.url}/{position}")
            server.routes[f"/{position}"] = as_json(record)
        server.routes["/api"] = as_json({"urls": addresses})
        found = harvest(source("bluecloud", server))
    assert len(found.collections) + len(found.rejected) == NUMBER
    assert min(len(found.collections), len(found.rejected)) > NUMBER / 10


def test_projects_and_samples_of_ecotaxa() -> None:
    samples = list(mutations(SAMPLE, NUMBER))
    for position, sample in enumerate(samples):
        if sample.get("sampleid") == SAMPLE["sampleid"]:
            sample["sampleid"] = 1000 + position
    projects = [dict(PROJECT), *mutations(PROJECT, 40)]
    for position, project in enumerate(projects):
        if project.get("projid") == PROJECT["projid"]:
            project["projid"] = 1000 + position

    def given(asked: Any) -> Reply:
        return as_json(samples if asked.query["project_ids"] == "1000" else [])

    routes = {"/api/projects/search": as_json(projects), "/api/samples/search": given}
    with serve(routes) as server:
        found = harvest(source("ecotaxa", server))
    assert len(found.all_granules()) + len(found.collections) + len(found.rejected) == NUMBER + 41
    assert len(found.all_granules()) > NUMBER / 10
    assert len(found.collections) > 10
