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
from pelagos.datapool.database import FILE, url_of
from pelagos.deployment import DATAPOOL_PATH, Deployment
from pelagos.services.datapool.generate import TARGET, description
from pelagos.settings import DataPool
from support import free_port, until


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


def test_a_fuzzer_gets_no_error_of_the_server(
    hub: HubStandIn, tmp_path: Path, orders_url: str
) -> None:
    with Service(tmp_path, hub, orders_url, settings(live_orders=10_000)) as service:
        fuzz(service, tmp_path)


def fuzz(service: Service, tmp_path: Path) -> None:
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


OPEN = {f"{DATAPOOL_PATH}/health", f"{DATAPOOL_PATH}/oauth_callback"}


def test_no_route_answers_without_a_sign_in(service: Service) -> None:
    seen = 0
    with service.client() as nobody:
        for included in service.app.routes:
            # FastAPI keeps an included router as one entry that knows its routes
            for route in included.effective_route_contexts():  # type: ignore[attr-defined]
                if route.path in OPEN:
                    continue
                path = route.path.replace("{number}", "1").replace("{name}", "orders.js")
                for method in route.methods:
                    answer = nobody.request(method, f"{service.origin}{path}", json=wanted(1))
                    assert answer.status_code in (302, 401, 403), f"{method} {path}"
                    seen += 1
    assert seen > 15


def test_the_program_serves_the_vre_of_its_state_folder_and_ends_well(
    deployment: Deployment,
) -> None:
    port = free_port()
    facts = deployment.facts.model_copy(update={"datapool_port": port})
    deployment.state.write(facts, deployment.settings)
    child = subprocess.Popen(
        [sys.executable, "-m", "pelagos.services.datapool"],
        stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PELAGOS_STATE": str(deployment.state.folder)},
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}{DATAPOOL_PATH}"

    def is_up() -> bool:
        assert child.poll() is None, child.stderr and child.stderr.read()
        try:
            return httpx.get(f"{address}/health", trust_env=False).is_success
        except httpx.HTTPError:
            return False

    until(is_up, 60, "the service")
    folder = deployment.state.datapool
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / FILE).stat().st_mode & 0o777 == 0o600
    # no hub runs: nobody is let in, and it is said why
    headers = {"Authorization": "token x"}
    answer = httpx.get(f"{address}/api/orders", headers=headers, trust_env=False)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    child.terminate()
    assert child.wait(20) in (0, -15)
    assert child.stderr
    assert "Traceback" not in child.stderr.read()
    child.stderr.close()


def test_the_program_says_which_file_has_no_address(deployment: Deployment, tmp_path: Path) -> None:
    file = tmp_path / "database"
    file.write_text("postgresql://pelagos:S3CR3T@here:port/x")
    settings = deployment.settings.model_copy(
        update={"datapool": DataPool(database_file=str(file))}
    )
    deployment.state.write(deployment.facts, settings)
    done = subprocess.run(
        [sys.executable, "-m", "pelagos.services.datapool"],
        capture_output=True, text=True, timeout=60,
        env={**os.environ, "PELAGOS_STATE": str(deployment.state.folder)},
    )  # fmt: skip
    assert done.returncode == 1
    assert str(file) in done.stderr
    assert "S3CR3T" not in done.stderr
