"""The data pool's API as it is described, and a fuzzer that reads the description."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from catalogue_service import HubStandIn
from datapool_service import Service, settings, wanted
from pelagos.datapool.database import url_of
from pelagos.deployment import DATAPOOL_PATH
from pelagos.services.datapool.generate import TARGET, description


@pytest.fixture(scope="module")
def hub() -> Iterator[HubStandIn]:
    with HubStandIn() as hub:
        yield hub


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, hub: HubStandIn) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("datapool")
    with Service(folder, hub, url_of(folder), settings(live_orders=10_000)) as service:
        yield service


def test_the_description_that_is_checked_in_is_the_applications() -> None:
    assert TARGET.read_text() == description(), "python -m pelagos.services.datapool.generate"


def test_each_route_has_a_heading(root: Path) -> None:
    page = (root / "docs" / "reference" / "datapool-api.md").read_text()
    headings = set(re.findall(r"^## `(\w+) (\S+)`$", page, re.MULTILINE))
    routes = {
        (method.upper(), path.replace("{number}", "NUMBER"))
        for path, methods in json.loads(TARGET.read_text())["paths"].items()
        for method in methods
    }
    more = {("GET", f"{DATAPOOL_PATH}/{one}") for one in ("metrics", "health", "api/openapi.json")}
    assert headings == routes | more


def test_the_description_is_served_to_who_may_use_it(service: Service) -> None:
    with service.client() as nobody:
        assert nobody.get("/openapi.json").status_code == 401
    with service.client(service.person("ada")) as ada:
        assert ada.get("/openapi.json").json() == json.loads(TARGET.read_text())


def test_measurements(service: Service) -> None:
    address = f"{service.origin}{DATAPOOL_PATH}/metrics"
    with service.client(service.person("eve")) as eve:
        eve.post("/orders", json=wanted(1, 2))
        assert eve.get(address).status_code == 403
    token = service.person("prometheus", scope="read:metrics")
    headers = {"Authorization": f"token {token}"}
    text = httpx.get(address, headers=headers, trust_env=False).text
    found = dict(
        line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#")
    )
    assert float(found['pelagos_datapool_orders{state="queued"}']) >= 1
    assert float(found['pelagos_datapool_files{state="queued"}']) >= 2
    assert float(found['pelagos_datapool_failed_files{source="gdac"}']) == 0
    for name in ("bytes", "ordered_files", "cached_files"):
        assert f"pelagos_datapool_{name}" in found


def test_a_fuzzer_gets_no_error_of_the_server(service: Service, tmp_path: Path) -> None:
    token = service.person("fuzzer")
    with service.client(token) as client:
        client.post("/orders", json=wanted(1)).raise_for_status()
        document = client.get("/openapi.json").json()
    # streams have no end that a fuzzer would wait for
    document["paths"] = {
        path: methods for path, methods in document["paths"].items() if not path.endswith("/events")
    }
    described = tmp_path / "openapi.json"
    described.write_text(json.dumps(document))
    report = tmp_path / "report.ndjson"
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")), "run", str(described),
            "--url", service.origin, "-H", f"Authorization: token {token}",
            "--checks", "not_a_server_error", "--phases", "examples,coverage,fuzzing",
            "--mode", "all", "--max-examples", "15", "--seed", "4", "--generation-deterministic",
            # one: in several threads Python's own parser, which it uses, can fail
            "--suppress-health-check", "all", "--workers", "1",
            "--warnings", "off", "--no-color", "--report-ndjson-path", str(report),
        ],
        capture_output=True, text=True, timeout=250, cwd=tmp_path,
        env={**os.environ, "NO_PROXY": "*"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    text = report.read_text()
    operations = [
        f"{method.upper()} {path}" for path, one in document["paths"].items() for method in one
    ]
    assert len(operations) == 9
    assert [one for one in operations if f'"{one}"' not in text] == []
