"""The page of the sources, its form and its JSON; metrics, status, doctor and check."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, cast
from urllib.parse import urlsplit

import httpx
import orjson
import pytest
from pelagos.catalogue.harvest import INDEX_FILE, LOCK_FILE, RUNS_FILE
from pelagos.catalogue.harvest.lock import Who, only_one
from pelagos.catalogue.harvest.metrics import metrics
from pelagos.catalogue.harvest.overview import Health, read_overview
from pelagos.catalogue.harvest.records import Counts, Ending, RunState
from pelagos.catalogue.harvest.runs import Runs
from pelagos.catalogue.index import Writer
from pelagos.deployment import CATALOGUE_PATH, Deployment, State
from pelagos.errors import StateError
from pelagos.images import ImageGraph
from pelagos.ops.catalogue import catalogue_status
from pelagos.ops.check_catalogue import catalogue as check_step
from pelagos.ops.checking import Failed, Run
from pelagos.ops.findings import Finding, Level, Patient
from pelagos.ops.look_catalogue import LOOKS
from pelagos.services.catalogue.service import make_app
from pelagos.settings import BackendKind, Settings
from pelagos.settings.sources import CatalogueSettings
from prometheus_client.parser import text_string_to_metric_families
from sources_service import HOSTILE, SOURCES, fill, finished, make_sources_app

PAGE = f"{CATALOGUE_PATH}/sources"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A catalogue's folder with runs of every kind."""
    folder = tmp_path / "catalogue"
    fill(folder)
    return folder


@pytest.fixture
async def client(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    app = make_sources_app(folder)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://vre.example.org"
        ) as client,
    ):
        yield client


def sign_in(client: httpx.AsyncClient, name: str) -> None:
    client.cookies.clear()
    client.cookies.set("service-catalogue", name)


async def csrf_of(client: httpx.AsyncClient) -> str:
    page = await client.get(PAGE)
    found = re.search(r'data-csrf="(\w+)"', page.text)
    assert found
    return found[1]


def empty(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def asked(folder: Path) -> list[tuple[str, str]]:
    with Runs(folder / RUNS_FILE, write=False) as runs:
        return [(one.source, one.by) for one in runs.open_requests()]


async def test_a_stranger_is_sent_to_the_sign_in(client: httpx.AsyncClient) -> None:
    answer = await client.get(PAGE)
    assert answer.status_code == 302
    assert (await client.get(f"{PAGE}.json")).status_code == 401
    assert (await client.post(f"{PAGE}/run", data={"source": "argo"})).status_code == 403


async def test_an_administrator_sees_errors_and_may_run(client: httpx.AsyncClient) -> None:
    sign_in(client, "admin")
    page = (await client.get(PAGE)).text
    assert "Being harvested" in page
    assert "Argo profiles of the Atlantic" in page
    assert "2 hours ago" in page
    assert "only by hand" in page
    assert "198" in page
    assert "urn:SDN:CDI:LOCAL:7" in page
    assert "The source has more than" in page
    assert "<br>Look at its page." in page
    assert page.count(">Run now</button>") == len(SOURCES)


async def test_others_see_a_summary_without_errors_and_buttons(client: httpx.AsyncClient) -> None:
    sign_in(client, "ada")
    page = (await client.get(PAGE)).text
    assert "Failing: its last good state is shown" in page
    assert "4,960" in page
    for secret in ("Run now", "The server said", "urn:SDN", "Argo profiles", "Next run"):
        assert secret not in page
    told = (await client.get(f"{PAGE}.json", headers={"Authorization": "token ada"})).json()
    assert "The server said" not in str(told)
    assert {one["name"] for one in told["sources"]} == {one.name for one in SOURCES}


async def test_what_remotes_say_is_text_on_the_page(client: httpx.AsyncClient) -> None:
    sign_in(client, "admin")
    page = (await client.get(PAGE)).text
    assert "<script>alert" not in page
    assert "<img" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 4
    assert 'onerror=alert(2)>"' not in page


async def test_programs_read_the_same_as_json(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{PAGE}.json", headers={"Authorization": "token admin"})
    told = {one["name"]: one for one in answer.json()["sources"]}
    assert told["argo"]["running"] is True
    assert told["argo"]["last"]["found"] == 1_204_500
    assert told["argo"]["good_run"] == ""
    failing = told["hostile"]
    assert (failing["health"], failing["failures"], failing["granules"]) == ("failing", 1, 2)
    assert failing["last"]["rejections"] == [{"which": HOSTILE, "reason": f"title: {HOSTILE}"}]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", failing["next_run"])
    assert told["argo"]["health"] == "new"
    assert told["socat"]["next_run"] == ""


async def test_an_administrator_asks_for_a_run(client: httpx.AsyncClient, folder: Path) -> None:
    sign_in(client, "admin")
    form = {"source": "socat", "csrf": await csrf_of(client)}
    answer = await client.post(f"{PAGE}/run", data=form)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"{PAGE}?asked=socat"
    assert asked(folder) == [("socat", "the person admin")]
    page = (await client.get(answer.headers["location"])).text
    assert "The harvest of socat was asked for" in page
    assert "The harvester does not run" in page
    with only_one(folder / LOCK_FILE, Who.SERVICE):
        assert "The harvester does not run" not in (await client.get(PAGE)).text
    page = (await client.get(f"{PAGE}?asked=<b>evil</b>")).text
    assert "evil" not in page


async def test_only_administrators_ask_for_runs(client: httpx.AsyncClient, folder: Path) -> None:
    sign_in(client, "ada")
    form = {"source": "socat", "csrf": await csrf_of(client)}
    answer = await client.post(f"{PAGE}/run", data=form)
    assert answer.status_code == 403
    assert "Only administrators" in answer.text
    assert asked(folder) == []


@pytest.mark.parametrize(
    ("token", "headers"),
    [("", {}), ("0" * 64, {}), (None, {"Sec-Fetch-Site": "cross-site"}),
     (None, {"Origin": "http://evil.example.org"})],
)  # fmt: skip
async def test_a_form_of_another_site_asks_for_nothing(
    client: httpx.AsyncClient, folder: Path, token: str | None, headers: dict[str, str]
) -> None:
    sign_in(client, "admin")
    given = await csrf_of(client) if token is None else token
    answer = await client.post(
        f"{PAGE}/run", data={"source": "argo", "csrf": given}, headers=headers
    )
    assert answer.status_code == 403
    assert asked(folder) == []


async def test_a_source_that_is_not_in_the_settings_is_not_asked_for(
    client: httpx.AsyncClient, folder: Path
) -> None:
    sign_in(client, "admin")
    form = {"source": HOSTILE, "csrf": await csrf_of(client)}
    answer = await client.post(f"{PAGE}/run", data=form)
    assert answer.status_code == 404
    assert "<script>alert" not in answer.text
    assert asked(folder) == []


async def test_before_the_first_harvest_the_page_says_so(
    client: httpx.AsyncClient, folder: Path
) -> None:
    empty(folder)
    sign_in(client, "ada")
    page = await client.get(PAGE)
    assert page.status_code == 200
    assert page.text.count("Not harvested yet") == len(SOURCES)


async def test_damaged_records_name_no_file_to_a_person(
    client: httpx.AsyncClient, folder: Path
) -> None:
    empty(folder)
    (folder / RUNS_FILE).write_text("no database " * 1000)
    sign_in(client, "ada")
    page = await client.get(PAGE)
    assert page.status_code == 503
    assert str(folder) not in page.text


async def test_the_pages_stand_beside_the_stac_api(deployment: Deployment) -> None:
    with Writer(deployment.state.catalogue / INDEX_FILE):  # which the service reads
        pass
    app = make_app(deployment)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://vre.example.org"
        ) as client,
    ):
        page = await client.get(PAGE)
        assert page.status_code == 302
        assert page.headers["location"].startswith("/hub/api/oauth2/authorize?")
        assert (await client.get(f"{PAGE}.json")).status_code == 401
        assert (await client.post(f"{PAGE}/run")).status_code == 403


# -- metrics, status, doctor, check


def test_metrics_tell_ages_counts_and_failures_by_source(folder: Path) -> None:
    text = metrics(folder / RUNS_FILE, SOURCES, time.time())
    found = {
        (sample.name, sample.labels["source"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    age = found["pelagos_source_last_success_age_seconds", "starter"]
    assert 7_300 <= age <= 7_400
    assert ("pelagos_source_last_success_age_seconds", "argo") not in found
    assert found["pelagos_source_failures", "hostile"] == 1
    assert found["pelagos_source_granules", "seadatanet-products"] == 4_960
    assert found["pelagos_source_rejected", "seadatanet-products"] == 212
    assert found["pelagos_source_running", "argo"] == 1


def test_a_source_without_a_run_for_long_is_stale(tmp_path: Path) -> None:
    now = time.time()
    path = tmp_path / RUNS_FILE
    with Runs(path, now=lambda: now - 3 * 86_400) as runs:
        for name in ("starter", "socat"):
            finished(runs, name, Ending(RunState.DONE), Counts(), {}, 0)
    health = {one.source.name: one.health for one in read_overview(path, SOURCES, now)}
    assert health["starter"] is Health.STALE
    assert health["socat"] is Health.GOOD, "by hand: nobody promised more"
    assert health["argo"] is Health.NEW


@pytest.fixture
def vre(state: State, graph: ImageGraph, deployment: Deployment) -> Deployment:
    """A VRE with these sources."""
    fill(state.catalogue)
    settings = Settings(catalogue=CatalogueSettings(sources=cast(Any, SOURCES)))
    return Deployment(state, deployment.facts, settings, graph)


def patient(vre: Deployment) -> Patient:
    return Patient(
        state=vre.state, settings_file=None, graph=vre.graph, settings=vre.settings,
        settings_error=None, bind="", port=8000, runs=True, backend=BackendKind.PROCESS,
    )  # fmt: skip


def looked(vre: Deployment) -> dict[str, Finding]:
    return {one.name: one for look in LOOKS for one in look(patient(vre))}


def test_status_tells_the_sources_in_one_line(vre: Deployment) -> None:
    status = catalogue_status(vre)
    assert status.line.startswith("catalogue: 43 collections and 4,978 granules of 5 sources")
    assert "1 being harvested, 1 failing, 1 not harvested yet" in status.line
    [failing] = [one for one in status.sources if one.error]
    assert failing.source == "hostile"


def test_doctor_names_sources_that_fail(vre: Deployment) -> None:
    found = looked(vre)
    failing = found["source hostile"]
    assert failing.level is Level.WARNING
    assert "last good run 2 hours ago" in failing.detail
    assert "Look at its page." in failing.mend
    assert found["disk (catalogue)"].level is Level.OK
    assert "catalogue sources" not in found


def test_doctor_tells_a_whole_index_from_a_damaged_one(vre: Deployment) -> None:
    path = vre.state.catalogue / INDEX_FILE
    assert "catalogue index" not in looked(vre)
    with Writer(path):
        pass
    assert looked(vre)["catalogue index"].level is Level.OK
    Path(f"{path}-wal").write_bytes(b"x" * (5 << 20))
    assert looked(vre)["catalogue index"].detail.startswith("5")
    Path(f"{path}-wal").unlink()
    path.write_bytes(b"no database " * 1000)
    damaged = looked(vre)["catalogue index"]
    assert damaged.level is Level.ERROR
    assert "./pelagos harvest" in damaged.mend


def test_doctor_is_quiet_before_there_is_a_catalogue(vre: Deployment) -> None:
    empty(vre.state.catalogue)
    vre.state.catalogue.rmdir()
    assert looked(vre) == {}


class Api(BaseHTTPRequestHandler):
    """A catalogue that finds what the test says."""

    answers: ClassVar[dict[str, tuple[int, Any]]] = {}
    tokens: ClassVar[set[str]] = set()

    def do_GET(self) -> None:
        path = urlsplit(self.path).path.removeprefix(CATALOGUE_PATH)
        self.tokens.add(self.headers["Authorization"])
        status, body = self.answers.get(path, (404, {}))
        content = orjson.dumps(body)
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def api() -> Iterator[int]:
    Api.answers = {
        "/collections": (200, {"collections": [{"id": "other.x"}, {"id": "starter.sst"}]}),
        "/search": (200, {"features": [{"id": "i1", "assets": {"data": {}}}], "numberMatched": 6}),
    }
    Api.tokens = set()
    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield int(server.server_address[1])
        server.shutdown()
        thread.join()


def run_of(vre: Deployment, port: int) -> Run:
    vre.facts = vre.facts.model_copy(update={"port": port})
    return cast(Run, SimpleNamespace(deployment=vre, token="the-servers-own"))


def test_check_searches_the_starter_as_the_temporary_person(vre: Deployment, api: int) -> None:
    assert check_step(run_of(vre, api)) == "starter.sst: 6 items, the first is i1"
    assert Api.tokens == {"token the-servers-own"}


@pytest.mark.parametrize(
    ("path", "answer", "reason"),
    [
        ("/collections", (200, {"collections": [{"id": "other.x"}]}), "does not find a collection"),
        ("/collections", (503, {}), "HTTP 503"),
        ("/search", (200, {"features": []}), "has no items"),
        ("/search", (200, {"features": [{"id": "i1", "assets": {}}]}), "has no assets"),
    ],
)
def test_check_says_what_the_catalogue_lacks(
    vre: Deployment, api: int, path: str, answer: tuple[int, Any], reason: str
) -> None:
    Api.answers[path] = answer
    with pytest.raises(Failed, match=reason):
        check_step(run_of(vre, api))


def test_check_tells_why_the_starter_was_not_harvested(vre: Deployment, api: int) -> None:
    empty(vre.state.catalogue)
    with Runs(vre.state.catalogue / RUNS_FILE) as runs:
        gone = Ending(RunState.FAILED, "The folder is not there.")
        finished(runs, "starter", gone, Counts(), None, 0)
    with pytest.raises(Failed, match="could not be harvested: The folder is not there"):
        check_step(run_of(vre, api))
    first = replace(read_overview(vre.state.catalogue / RUNS_FILE, SOURCES, 0.0)[0], good_run=1.0)
    assert first.title == "Starter data"


def test_records_that_can_not_be_read_are_a_finding(vre: Deployment) -> None:
    empty(vre.state.catalogue)
    (vre.state.catalogue / RUNS_FILE).write_text("no database " * 1000)
    assert looked(vre)["harvests"].level is Level.ERROR
    with pytest.raises(StateError):
        catalogue_status(vre)
