"""Programs that nobody here wrote use the catalogue's API: validators, clients, a fuzzer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from catalogue_service import (
    FLOAT_COUNT,
    FLOATS,
    SECRET,
    START,
    STATIONS,
    HubStandIn,
    Service,
    build,
    settings,
)
from owslib.ogcapi.features import Features
from pelagos.catalogue.index import Writer
from pelagos.catalogue.records import Box, CollectionRecord, GranuleRecord
from pelagos.deployment import CATALOGUE_PATH, ROOT
from pystac import Item
from pystac_client import Client
from shared_data import shared_data

AROUND_FLOATS = {
    "type": "Polygon",
    "coordinates": [[[19.95, 20], [22, 20], [22, 21], [19.95, 21], [19.95, 20]]],
}


@pytest.fixture(scope="module")
def hub() -> Iterator[HubStandIn]:
    with HubStandIn() as hub:
        yield hub


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("catalogue") / "index.sqlite"
    build(path)
    return path


@pytest.fixture(scope="module")
def service(index: Path, hub: HubStandIn) -> Iterator[Service]:
    with Service(index, hub, settings()) as service:
        yield service


@pytest.fixture(scope="module")
def token(hub: HubStandIn) -> str:
    return hub.person("ada")


@pytest.fixture
def catalogue(service: Service, token: str) -> Client:
    return Client.open(f"{service.url}/", headers={"Authorization": f"token {token}"})


def test_the_stac_api_validator_finds_nothing_wrong(index: Path, hub: HubStandIn) -> None:
    """It sends no token when it looks at the OpenAPI description: so anybody may search here."""
    shared_data("stac-schemas")
    classes = ["core", "collections", "features", "item-search", "item-search#sort"]
    with Service(index, hub, settings(anonymous=True)) as service:
        done = subprocess.run(
            [
                sys.executable, ROOT / "tests" / "offline_validator.py",
                "--root-url", f"{service.url}/",
                "--collection", FLOATS,
                "--geometry", json.dumps(AROUND_FLOATS),
                "--fields-nested-property", "properties.platform",
                "--validate-pagination",
                *(part for name in [*classes, "item-search#fields"]
                  for part in ("--conformance", name)),
            ],
            capture_output=True, text=True, timeout=200, env={**os.environ, "NO_PROXY": "*"},
        )  # fmt: skip
    output = done.stdout + done.stderr
    assert "Warnings:" in output, output[-3000:]
    errors = output.partition("Errors:")[2].strip().splitlines()
    # The Fields extension calls its values hints. For it, `{"include": [], "exclude": [...]}` takes
    # members away from a small default set; but pystac-client sends that for "-geometry", where
    # whoever asks wants all the others, as with GET.
    assert [line for line in errors if "{'exclude': ['geometry'], 'include': " not in line] == []
    warnings = output.partition("Warnings:")[2].partition("Errors:")[0].strip().splitlines()
    assert [line for line in warnings if "contained extra fields" not in line] == []


def test_pystac_client_finds_collections(catalogue: Client) -> None:
    def found(**query: Any) -> list[str]:
        return sorted(one.id for one in catalogue.collection_search(**query).collections())

    assert {one.id for one in catalogue.get_collections()} == {
        FLOATS, STATIONS, SECRET, "emodnet.empty",
    }  # fmt: skip
    assert found(q="temperature") == [FLOATS]
    assert found(bbox=[179, -10, -179, -5]) == [STATIONS]
    assert found(datetime="2024/..") == [STATIONS]
    assert found(q="floats", datetime="2020-01", bbox=[0, 0, 1, 1]) == [FLOATS]
    assert len(found(limit=1)) == 4  # page by page
    assert catalogue.collection_search(q="salinity").matched() == 1
    sorted_up = [one.id for one in catalogue.collection_search(sortby="title").collections()]
    sorted_down = [one.id for one in catalogue.collection_search(sortby="-title").collections()]
    assert sorted_up == sorted_down[::-1]
    assert catalogue.get_collection(FLOATS).extra_fields["sci:doi"] == "10.17882/42182"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_pystac_client_finds_items(catalogue: Client, method: str) -> None:
    search = catalogue.search(
        method=method, collections=[FLOATS], limit=7, sortby="-properties.datetime"
    )
    assert search.matched() == FLOAT_COUNT
    items = list(search.items())
    assert [item.id for item in items] == [
        f"profile-{number:03}" for number in reversed(range(FLOAT_COUNT))
    ]
    assert items[0].assets["data"].href.endswith(f"{CATALOGUE_PATH}/files/argo/059.nc")
    some = catalogue.search(
        method=method,
        collections=[FLOATS],
        datetime=["2020-01-01T10:00:00Z", "2020-01-01T12:00:00Z"],
        bbox=[20, 20, 30, 21],
        fields=["id", "properties.datetime"],
    )
    assert sorted(one["id"] for one in some.items_as_dicts()) == [
        "profile-010", "profile-011", "profile-012",
    ]  # fmt: skip
    without = catalogue.search(method=method, collections=[FLOATS], fields=["-assets"], limit=1)
    first = next(without.items_as_dicts())
    assert "assets" not in first
    assert first["properties"]["platform"]
    around = catalogue.search(method=method, intersects=AROUND_FLOATS, collections=[FLOATS])
    assert around.matched() == 21
    assert catalogue.search(method=method, ids=["antimeridian"]).matched() == 1


def test_pystac_client_needs_no_final_slash(service: Service, token: str) -> None:
    catalogue = Client.open(service.url, headers={"Authorization": f"token {token}"})
    assert catalogue.get_collection(FLOATS).id == FLOATS


def test_pystac_client_walks_from_collection_to_item(catalogue: Client) -> None:
    collection = catalogue.get_collection(STATIONS)
    items = {item.id: item for item in collection.get_items()}
    assert len(items) == 7
    item = collection.get_item("antimeridian")
    assert isinstance(item, Item)
    assert item.bbox == [175, -10, -175, -5]
    assert items["nowhere"].geometry is None
    assert items["never"].properties["pelagos:time_unknown"] is True
    assert item.get_collection().id == STATIONS


def test_pystac_clients_program_reads_it(service: Service, token: str) -> None:
    def run(*arguments: str) -> Any:
        done = subprocess.run(
            [str(Path(sys.executable).with_name("stac-client")), *arguments,
             "--headers", f"Authorization=token {token}"],
            capture_output=True, text=True, timeout=100, env={**os.environ, "NO_PROXY": "*"},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    url = f"{service.url}/"
    found = json.loads(run("search", url, "-c", FLOATS, "--max-items", "3"))
    assert len(found["features"]) == 3
    assert run("search", url, "--matched", "--bbox", "175", "-10", "-175", "-5").split()[0] == "1"
    collections = json.loads(run("collections", url, "--q", "salinity"))
    assert [one["id"] for one in collections] == [STATIONS]


def test_owslib_reads_it_as_ogc_api_features(service: Service, token: str) -> None:
    api = Features(f"{service.url}/", headers={"Authorization": f"token {token}"})
    assert (
        "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core"
        in (api.conformance()["conformsTo"])
    )
    assert FLOATS in api.feature_collections()
    assert api.collection(FLOATS)["id"] == FLOATS
    found = api.collection_items(FLOATS, limit=5, bbox=[20, 20, 30, 21])
    assert (found["numberMatched"], found["numberReturned"]) == (FLOAT_COUNT, 5)
    assert api.collection_item(FLOATS, "profile-003")["properties"]["platform"] == "float-0"


def test_above_ten_thousand_the_number_is_not_claimed(tmp_path: Path, hub: HubStandIn) -> None:
    path = tmp_path / "index.sqlite"
    with Writer(path) as writer:
        run = writer.run("argo", "Argo")
        for name, count in (("many", 10_001), ("just", 10_000)):
            run.collection(CollectionRecord(name, name))
            box = Box(0, 0, 0, 0)
            run.granules(
                name,
                [GranuleRecord(f"g{n}", box=box, start=START, end=START) for n in range(count)],
            )
            run.finish_collection(name)
        run.finish()
    with Service(path, hub, settings()) as service:
        token = hub.person("ada")
        catalogue = Client.open(f"{service.url}/", headers={"Authorization": f"token {token}"})
        assert catalogue.search(collections=["argo.just"]).matched() == 10_000
        with pytest.warns(UserWarning, match="numberMatched"):
            assert catalogue.search(collections=["argo.many"]).matched() is None
        with service.client(token) as client:
            answer = client.get("/search", params={"collections": "argo.many"}).json()
            assert answer["pelagos:matched"] == "10,000+"
            assert "numberMatched" not in answer
            assert answer["numberReturned"] == 10


def test_a_fuzzer_finds_no_server_error(service: Service, token: str, tmp_path: Path) -> None:
    report = tmp_path / "report.ndjson"
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")), "run", f"{service.url}/api",
            "--header", f"Authorization: token {token}",
            "--checks", "not_a_server_error",
            "--phases", "examples,coverage,fuzzing",
            "--mode", "all", "--max-examples", "20", "--seed", "4", "--generation-deterministic",
            "--suppress-health-check", "all", "--workers", "1",
            "--warnings", "off", "--no-color", "--report-ndjson-path", str(report),
        ],
        capture_output=True, text=True, timeout=200, cwd=tmp_path,
        env={**os.environ, "NO_PROXY": "*"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    operations = {
        f"{method.upper()} {path}"
        for path, methods in fetched(service, token)["paths"].items()
        for method in methods
    }
    assert len(operations) == 10
    text = report.read_text()
    assert [one for one in operations if f'"{one}"' not in text] == []


def fetched(service: Service, token: str) -> Any:
    with service.client(token) as client:
        return client.get("/api").json()
