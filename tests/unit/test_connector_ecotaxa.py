"""EcoTaxa: answers made here by the service's own description, and a real project's table."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import jsonschema
import pytest
from connector_cases.ecotaxa import PROJECT, SAMPLE
from loopback import Reply, Route, serve
from pelagos.catalogue.connectors import ecotaxa
from pelagos.catalogue.records import Access, Box
from pelagos.errors import SourceError
from rest_recordings import Harvest, as_json, harvest, source, windowed
from shared_data import shared_data


def description() -> Any:
    return json.loads(shared_data("ecotaxa/openapi.json").read_text())


def check(schema: str, document: Any) -> None:
    """The service's own description of a document."""
    whole = description()
    where = {"$ref": f"#/components/schemas/{schema}", "components": whole["components"]}
    jsonschema.validate(document, where)


def harvested(projects: list[Any], samples: Route) -> Harvest:
    routes: dict[str, Route] = {
        "/api/projects/search": windowed(projects, "window_start", "window_size"),
        "/api/samples/search": samples,
    }
    with serve(routes) as server:
        return harvest(source("ecotaxa", server))


def test_a_project_is_a_collection_and_a_sample_a_granule_to_order() -> None:
    check("ProjectModel", PROJECT)
    check("SampleModel", SAMPLE)
    second = SAMPLE | {"sampleid": 101, "latitude": 44.0, "longitude": 8.5}
    found = harvested([PROJECT], as_json([SAMPLE, second]))
    assert found.rejected == []
    [project] = found.collections
    assert (project.id, project.title) == ("4824", "UVP6 intercalibration")
    assert project.boxes == (Box(7.5, 43.0, 8.5, 44.0),)
    assert project.instruments == ("UVP6",)
    assert [provider.name for provider in project.providers] == ["LOV"]
    assert "example.org" not in repr(project)  # people's addresses stay where they are
    sample = found.granules["4824"][0]
    assert sample.title == "b_da_19"
    assert sample.box == Box(7.5, 43.0, 7.5, 43.0)
    assert sample.start is not None
    assert sample.start.isoformat() == "2020-02-05T11:12:18+00:00"
    assert sample.platform == "sagitta3"
    assert "t01" not in sample.words  # a column's code, not a value
    assert [asset.access for asset in sample.assets] == [Access.ORDER]


def test_an_order_is_what_the_service_describes() -> None:
    [project] = harvested([PROJECT], as_json([SAMPLE])).collections
    [granule] = harvested([PROJECT], as_json([SAMPLE])).all_granules()
    whole = description()
    for asset in (project.assets[0], granule.assets[0]):
        order = asset.extra["pelagos:order"]
        create = order["create"]
        box = dict(zip(order["box"], ("44", "7", "9", "43"), strict=True))
        depth = dict(zip(order["depth"], ("0", "100"), strict=True))
        cut = box | depth | {order["start"]: "2020-01-01", order["end"]: "2020-12-31"}
        body = create["body"] | {"filters": create["body"]["filters"] | cut}
        check("Body_export_object_set_general_object_set_export_general_post", body)
        filters = whole["components"]["schemas"]["ProjectFilters"]["properties"]
        assert set(body["filters"]) <= set(filters)
        answer = whole["components"]["schemas"]["ExportRsp"]["properties"]
        assert {create["job"], create["errors"]} <= set(answer)
        paths = {url.split("/api", 1)[1].replace("{job}", "{job_id}") for url in (
            create["url"], order["poll"]["url"], order["fetch"]["url"])}  # fmt: skip
        assert paths <= set(whole["paths"])
        state = whole["components"]["schemas"]["JobModel"]["properties"][order["poll"]["state"]]
        for letter in order["poll"]["done"] + order["poll"]["failed"] + order["poll"]["asks"]:
            assert f"'{letter}' for" in state["description"]


def test_the_columns_of_an_order_stand_in_a_real_table() -> None:
    outer = zipfile.ZipFile(shared_data("ecotaxa/UVP6_example.zip"))
    inner = zipfile.ZipFile(io.BytesIO(outer.read("b_da_19_Images.zip")))
    header = inner.read("ecotaxa_b_da_19.tsv").split(b"\n")[0].decode("ascii").split("\t")
    [granule] = harvested([PROJECT], as_json([SAMPLE])).all_granules()
    columns = granule.assets[0].extra["pelagos:order"]["columns"]
    for name in [*columns.pop("depth"), *columns.values()]:
        assert name in header
    # the samples' own columns that are read, as instruments write them
    assert {"sample_sampledatetime", "sample_ship", "sample_cruise"} <= set(header)


def test_samples_are_asked_for_once_for_extent_and_granules() -> None:
    routes: dict[str, Route] = {
        "/api/projects/search": windowed([PROJECT], "window_start", "window_size"),
        "/api/samples/search": as_json([SAMPLE]),
    }
    with serve(routes) as server:
        harvest(source("ecotaxa", server))
        assert [asked.path for asked in server.requests] == list(routes)
        assert server.requests[1].query == {"project_ids": "4824", "id_pattern": "*"}


def test_projects_come_in_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ecotaxa, "_PAGE", 4)
    projects = [PROJECT | {"projid": i} for i in range(1, 11)]
    assert len(harvested(projects, as_json([])).collections) == 10


def test_bad_projects_and_samples_are_reported_and_the_others_kept() -> None:
    projects: list[Any] = [
        PROJECT,
        PROJECT,
        PROJECT | {"projid": 2, "access": "0"},
        PROJECT | {"projid": 3, "title": None},
        PROJECT | {"projid": "x"},
        PROJECT | {"projid": 5, "managers": "A"},
        "text",
        {},
    ]
    samples: list[Any] = [
        SAMPLE,
        SAMPLE,
        SAMPLE | {"sampleid": 1, "latitude": 91},
        SAMPLE | {"sampleid": 2, "longitude": "NaN"},
        SAMPLE | {"sampleid": 3, "free_columns": ["a"]},
        SAMPLE | {"sampleid": 4, "free_columns": {"sampledatetime": "20209999-111218"}},
        SAMPLE | {"sampleid": None},
        7,
    ]
    found = harvested(projects, as_json(samples))
    assert (len(found.collections), len(found.all_granules())) == (1, 1)
    assert len(found.rejected) == len(projects) - 1 + len(samples) - 1
    reasons = "\n".join(found.reasons)
    for expected in (
        "4824: projid: another project",
        "2: access: the project is private",
        "3: title: empty",
        "5: managers: str where a list",
        "100: sampleid: another sample",
        "1: position: latitude outside",
        "2: longitude",
        "3: free_columns: list where an object",
        "4: time: '20209999T111218Z' is no time",
    ):
        assert expected in reasons


def test_a_project_whose_samples_are_closed_is_reported() -> None:
    found = harvested([PROJECT], Reply("no", "text/plain", 403))
    assert found.collections == []
    assert found.reasons == ["4824: its samples may not be seen (HTTP 403)"]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply("<html>login</html>", "text/html"), "instead of JSON"),
        (as_json({"detail": "no"}), "not an answer of this kind"),
        (as_json([PROJECT] * 100), "repeats"),
    ],
)
def test_an_answer_that_is_none_or_never_ends_spoils_the_run(reply: Reply, reason: str) -> None:
    routes: dict[str, Route] = {"/api/projects/search": reply, "/api/samples/search": as_json([])}
    with serve(routes) as server, pytest.raises(SourceError, match=reason):
        harvest(source("ecotaxa", server))
