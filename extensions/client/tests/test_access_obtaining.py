"""Files of every protocol, from servers on loopback: pages, jobs, terms, and what is no data."""

from __future__ import annotations

import csv
import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from access_support import engine, kept
from connector_cases import ecotaxa as ecotaxa_case
from connector_cases import icos as icos_case
from connector_cases import obis as obis_case
from hypothesis import given, settings
from hypothesis import strategies as st
from loopback import Asked, Loopback, Reply, serve
from pelagos.catalogue.connectors import connector_for
from pelagos.catalogue.fetch import Fetcher
from pelagos.catalogue.stac import granule_document
from pelagos_client.access import (
    AccessError,
    Criteria,
    EmptyError,
    FilePlan,
    Protocol,
    Waiting,
    explained,
    jobs,
    obtain,
    plan,
    wanted,
)
from pelagos_client.access.formats import inspector, length_of
from pelagos_client.access.shapes import polygons, within
from pelagos_client.download import (
    Content,
    DownloadError,
    Engine,
    Existing,
    Fetched,
    Proof,
    State,
)
from pelagos_client.download.errors import ProtocolError
from shared_data import shared_data

PROFILE = "argo/gdac/R13857_002.nc"
PAGE = b"<!DOCTYPE html><html><body>Please sign in</body></html>"
TOKEN = {"Authorization": "Bearer of-the-source"}


@pytest.fixture
def server() -> Iterator[Loopback]:
    with serve({}) as running:
        yield running


@pytest.fixture
def running() -> Iterator[Engine]:
    with engine() as found:
        yield found


def items(case: Any, server: Loopback) -> list[dict[str, Any]]:
    """What the connector makes of its recordings."""
    server.routes.update(case.routes(server))
    source = case.source(server.url)
    found = []
    with Fetcher(source) as fetcher:
        connector = connector_for(source)(source, fetcher, None)
        for collection in list(connector.collections()):
            if not hasattr(collection, "assets"):
                continue
            for granule in connector.granules(collection):
                if hasattr(granule, "assets"):
                    document = granule_document(source.name, collection.id, granule)
                    found.append(json.loads(json.dumps(document)))
    server.requests.clear()
    return found


def get(plan_: FilePlan, running: Engine, into: Path, **options: Any) -> Fetched:
    found = obtain(kept(plan_), running, into, plan_.name, **options)
    assert isinstance(found, Fetched)
    return found


# --- one request -----------------------------------------------------------------------------


def netcdf(server: Loopback, **fields: Any) -> FilePlan:
    return FilePlan("data", "a.nc", f"{server.url}/a.nc", type="application/x-netcdf", **fields)


def test_a_real_file_comes_as_it_is(server: Loopback, running: Engine, tmp_path: Path) -> None:
    content = shared_data(PROFILE).read_bytes()
    server.routes["/a.nc"] = Reply(content, "application/x-netcdf")
    found = get(netcdf(server, size=len(content)), running, tmp_path)
    assert found.path.read_bytes() == content
    again = get(netcdf(server, size=len(content)), running, tmp_path)
    assert again.state is State.PRESENT


@pytest.mark.parametrize("kind", ["text/html", "application/x-netcdf"])
def test_a_web_page_never_becomes_a_data_file(
    server: Loopback, running: Engine, tmp_path: Path, kind: str
) -> None:
    server.routes["/a.nc"] = Reply(PAGE, kind)
    with pytest.raises(DownloadError, match="a web page instead of the data") as caught:
        get(netcdf(server), running, tmp_path)
    assert caught.value.mend
    assert len(server.requests) == 1  # it would send the same again
    assert list(tmp_path.iterdir()) == []


def test_a_web_page_is_refused_among_many_files_too(
    server: Loopback, running: Engine, tmp_path: Path
) -> None:
    content = shared_data(PROFILE).read_bytes()
    server.routes["/a.nc"] = Reply(content)
    server.routes["/b.nc"] = Reply(PAGE)
    server.routes["/c.zip"] = Reply(PAGE)
    plans = [
        netcdf(server),
        FilePlan("b", "b.nc", f"{server.url}/b.nc", type="application/netcdf"),
        FilePlan("c", "c.zip", f"{server.url}/c.zip", type="application/zip"),
    ]
    report = running.fetch([wanted(one, one.name) for one in plans], tmp_path)
    assert [file.state for file in report.files] == [State.READY, State.FAILED, State.FAILED]
    assert [path.name for path in tmp_path.iterdir()] == ["a.nc"]


def test_a_file_where_a_page_was_is_fetched_from_its_beginning(
    server: Loopback, running: Engine, tmp_path: Path
) -> None:
    content = shared_data(PROFILE).read_bytes()
    server.routes["/a.nc"] = Reply(PAGE * 3000, "text/html", headers={"ETag": '"1"'})
    with pytest.raises(DownloadError):
        get(netcdf(server), running, tmp_path)
    server.routes["/a.nc"] = Reply(content, headers={"ETag": '"1"'})
    assert get(netcdf(server), running, tmp_path).path.read_bytes() == content


def test_headers_go_to_the_plans_own_host_only(
    server: Loopback, running: Engine, tmp_path: Path
) -> None:
    content = shared_data(PROFILE).read_bytes()
    with serve({"/a.nc": Reply(content)}) as other:
        server.routes["/a.nc"] = Reply(status=302, headers={"Location": f"{other.url}/a.nc"})
        get(netcdf(server), running, tmp_path, headers=TOKEN)
        assert server.requests[0].headers["authorization"] == TOKEN["Authorization"]
        assert "authorization" not in other.requests[0].headers


def test_a_local_file_is_not_downloaded(running: Engine, tmp_path: Path) -> None:
    local = FilePlan("data", "a.nc", "files/a.nc", Protocol.LOCAL)
    with pytest.raises(AccessError, match="machine that runs the catalogue"):
        obtain(local, running, tmp_path, "a.nc")


@given(cut=st.integers(1, 20_000))
@settings(max_examples=60, deadline=None)
def test_a_cut_netcdf_file_says_so_itself(cut: int) -> None:
    for name in (PROFILE, "argo/gdac-index", "services/accessor-wod/wod_mbt_2003.nc"):
        path = shared_data(name)
        if path.is_dir():
            continue
        content = path.read_bytes()
        whole = length_of(lambda at, count, data=content: data[at : at + count], len(content))
        assert whole is not None
        assert len(content) - 3 <= whole <= len(content)
        half = content[: max(len(content) - cut, 8)]
        needed = length_of(lambda at, count, data=half: data[at : at + count], len(half))
        assert needed is not None
        assert needed > len(half) or cut <= 3


@pytest.mark.parametrize(("proof", "good"), [(Proof.NONE, False), (Proof.LENGTH, True)])
def test_what_is_made_for_us_and_nothing_ends_is_no_file(proof: Proof, good: bool) -> None:
    inspect = inspector("text/csv", proven=True)
    assert inspect is not None
    assert inspector("text/csv", proven=False) is None
    content = Content(3, lambda at, count: b"a,b"[at : at + count], proof)
    if good:
        inspect(content)
    else:
        with pytest.raises(ProtocolError, match="where the answer ends"):
            inspect(content)


@pytest.mark.parametrize(
    ("status", "told", "message"),
    [
        (404, "Your query produced no matching results. (nRows = 0)", "has nothing of it"),
        (413, "", "more than the server gives at once"),
        (500, "Your query produced too much data.  Try to request less data.", "more than"),
        (400, "Query error: java.lang.Secret at /opt/tomcat", "does not cut it so"),
        (404, "Currently unknown datasetID", "does not cut it so"),
    ],
)
def test_what_a_server_says_of_a_cut_is_told_without_its_words(
    status: int, told: str, message: str
) -> None:
    error = DownloadError("x")
    error.status, error.told = status, told
    cut = FilePlan("subset", "a.nc", "https://x.example.org/a.nc?t", is_subset=True,
                   request={"protocol": "erddap"})  # fmt: skip
    found = explained(cut, error)
    assert isinstance(found, AccessError)
    assert re.search(message, str(found))
    assert "tomcat" not in str(found)
    assert explained(FilePlan("a", "a.nc", "https://x.example.org/a.nc"), error) is error


# --- terms -----------------------------------------------------------------------------------


def test_a_licence_is_accepted_at_the_source_before_the_file_is_asked_for(
    server: Loopback, running: Engine, tmp_path: Path
) -> None:
    (item,) = items(icos_case.CASES[0], server)
    (one,) = plan(item, Criteria())
    assert one.accept
    content = b"time,co2\n1,2\n"
    # the description names the portal's own host: here it is this server
    path = one.url.split("/", 3)[3]
    accept = one.request["accept"].split("/", 3)[3].partition("?")[0]
    local = FilePlan.from_json(
        one.to_json()
        | {"url": f"{server.url}/{path}", "size": None, "checksum": ""}
        | {"request": {"accept": f"{server.url}/{accept}?ids=x"}}
    )

    def objects(asked: Asked) -> Reply:
        if asked.headers.get("cookie") == "CpLicenseAcceptedFor=abc":
            return Reply(content, "text/csv")
        return Reply(PAGE, "text/html", status=403)

    server.routes[f"/{path}"] = objects
    server.routes[f"/{accept}"] = Reply(
        status=303,
        headers={"Location": local.url, "Set-Cookie": "CpLicenseAcceptedFor=abc; Path=/; Secure"},
    )
    assert get(local, running, tmp_path).path.read_bytes() == content
    server.routes[f"/{accept}"] = Reply(PAGE, "text/html")
    with pytest.raises(DownloadError, match="did not take it that its terms are accepted"):
        get(local, running, tmp_path / "2")


# --- pages -----------------------------------------------------------------------------------


def occurrences(count: int) -> list[dict[str, Any]]:
    return [
        {
            "id": f"{number:05}-x",
            "scientificName": f"Species, {number}",
            "decimalLongitude": -180 + (number * 7.3) % 360,
            "decimalLatitude": -90 + (number * 3.1) % 180,
            **({"depth": 1.5} if number % 3 else {"flags": ["NO_DEPTH"]}),
        }
        for number in range(count)
    ]


class Obis:
    """The API's `/occurrence` by its documentation: `size`, `after`, `geometry`."""

    def __init__(self, server: Loopback, count: int, *, obeys: bool = True) -> None:
        self.all = occurrences(count)
        self.obeys, self.lost = obeys, 0
        self.pages: list[dict[str, str]] = []
        self.broken = 0
        server.routes["/v3/occurrence"] = self.answer

    def answer(self, asked: Asked) -> Reply:
        self.pages.append(asked.query)
        if self.broken:
            self.broken -= 1
            return Reply(b"busy", status=503)
        assert set(asked.query) <= {
            "datasetid",
            "size",
            "after",
            "geometry",
            "startdate",
            "enddate",
        }
        found = self.all
        if "geometry" in asked.query and self.obeys:
            boxes = _boxes(asked.query["geometry"])
            found = [
                one for one in found
                if any(within(b, one["decimalLongitude"], one["decimalLatitude"]) for b in boxes)
            ]  # fmt: skip
        total = len(found)
        found = [one for one in found if one["id"] > asked.query.get("after", "")]
        page = found[: int(asked.query["size"])]
        if self.lost:
            page = page[: -self.lost]
        return Reply(json.dumps({"total": total, "results": page}))


def _boxes(wkt: str) -> list[tuple[float, float, float, float]]:
    found = []
    for ring in re.findall(r"\(\(([^()]*)\)\)", wkt):
        points = [tuple(map(float, point.split())) for point in ring.split(",")]
        assert points[0] == points[-1]
        lon, lat = zip(*points, strict=True)
        found.append((min(lon), min(lat), max(lon), max(lat)))
    assert found, wkt
    return found


def occurrence_item(server: Loopback) -> dict[str, Any]:
    found = items(obis_case.CASES[0], server)
    return next(one for one in found if "occurrences" in one["assets"])


def test_pages_are_joined_into_one_table(server: Loopback, running: Engine, tmp_path: Path) -> None:
    (one,) = plan(occurrence_item(server), Criteria())
    obis = Obis(server, 4_321)
    obis.broken = 1
    found = get(one, running, tmp_path)
    with found.path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == [record["id"] for record in obis.all]
    assert rows[1]["scientificName"] == "Species, 1"
    assert (rows[1]["depth"], rows[3]["depth"], rows[3]["flags"]) == ("1.5", "", '["NO_DEPTH"]')
    assert len(obis.pages) == 4  # one of them again
    assert found.checksum.startswith("1220")
    assert [path.name for path in tmp_path.iterdir()] == [one.name]


def test_a_box_across_the_antimeridian_is_cut_by_the_server_and_checked_here(
    server: Loopback, running: Engine, tmp_path: Path
) -> None:
    box = (150.0, -40.0, -120.0, 40.0)
    (one,) = plan(occurrence_item(server), Criteria(box))
    assert one.is_subset
    for obeys in (True, False):
        obis = Obis(server, 600, obeys=obeys)
        expected = [
            record["id"] for record in obis.all
            if within(box, record["decimalLongitude"], record["decimalLatitude"])
        ]  # fmt: skip
        assert 0 < len(expected) < 600
        found = get(one, running, tmp_path / str(obeys))
        with found.path.open(newline="", encoding="utf-8") as file:
            assert [row["id"] for row in csv.DictReader(file)] == expected


def test_records_that_did_not_come_are_noticed(
    server: Loopback, running: Engine, tmp_path: Path
) -> None:
    (one,) = plan(occurrence_item(server), Criteria())
    Obis(server, 3_000).lost = 5
    with pytest.raises(DownloadError, match="of 3000 records came"):
        get(one, running, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nothing_in_the_box_is_no_file(server: Loopback, running: Engine, tmp_path: Path) -> None:
    (one,) = plan(occurrence_item(server), Criteria((0, 0, 0.001, 0.001)))
    Obis(server, 50)
    with pytest.raises(EmptyError):
        get(one, running, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_same_page_again_and_again_ends(
    server: Loopback, running: Engine, tmp_path: Path
) -> None:
    (one,) = plan(occurrence_item(server), Criteria())
    full = json.dumps({"total": 10**9, "results": occurrences(one.request["most"])})
    server.routes["/v3/occurrence"] = Reply(full)
    with pytest.raises(DownloadError, match="the same page again"):
        get(one, running, tmp_path)


def test_a_cancelled_join_leaves_nothing(server: Loopback, running: Engine, tmp_path: Path) -> None:
    (one,) = plan(occurrence_item(server), Criteria())
    cancel = threading.Event()
    obis = Obis(server, 9_000)

    def answer(asked: Asked) -> Reply:
        cancel.set()
        return obis.answer(asked)

    server.routes["/v3/occurrence"] = answer
    with pytest.raises(DownloadError, match="cancelled"):
        get(one, running, tmp_path, cancel=cancel)
    assert list(tmp_path.iterdir()) == []


coordinates = st.tuples(
    st.floats(-180, 180), st.floats(-90, 0), st.floats(-180, 180), st.floats(0, 90)
)


@given(coordinates, st.floats(-180, 180), st.floats(-90, 90))
def test_polygons_are_just_the_box(
    box: tuple[float, float, float, float], longitude: float, latitude: float
) -> None:
    box = tuple(round(side, 3) for side in box)  # type: ignore[assignment]
    parts = _boxes(polygons(box))
    assert all(part[2] - part[0] <= 90.001 for part in parts)
    assert any(within(part, longitude, latitude) for part in parts) == within(
        box, longitude, latitude
    )


# --- orders ----------------------------------------------------------------------------------


class EcoTaxa:
    """The export by the service's own description: a job, its states, its file."""

    ZIP = b"PK\x03\x04" + bytes(2_000)

    def __init__(self, server: Loopback) -> None:
        self.states: list[dict[str, Any]] = [
            {"state": "P"}, {"state": "R", "progress_pct": 40}, {"state": "F"},
        ]  # fmt: skip
        self.bodies: list[Any] = []
        self.reply = {"job_id": 77, "errors": [], "warnings": []}
        server.routes["/api/object_set/export/general"] = self.create
        server.routes["/api/jobs/77/"] = self.poll
        server.routes["/api/jobs/77/file"] = self.file

    def create(self, asked: Asked) -> Reply:
        if asked.headers.get("authorization") != TOKEN["Authorization"]:
            return Reply('{"detail": "Not authenticated"}', status=403)
        assert asked.method == "POST"
        assert asked.headers["content-type"] == "application/json"
        self.bodies.append(json.loads(asked.body))
        return Reply(json.dumps(self.reply))

    def poll(self, asked: Asked) -> Reply:
        assert asked.headers["authorization"] == TOKEN["Authorization"]
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return Reply(json.dumps({"id": 77, **state}))

    def file(self, asked: Asked) -> Reply:
        assert asked.headers["authorization"] == TOKEN["Authorization"]
        return Reply(self.ZIP, "application/zip")


def sample(server: Loopback) -> dict[str, Any]:
    return items(ecotaxa_case.CASES[0], server)[0]


def test_an_export_is_asked_for_once_waited_for_and_fetched(
    server: Loopback, running: Engine, tmp_path: Path
) -> None:
    criteria = Criteria((7.0, 42.0, 8.0, 44.0))
    (one,) = plan(sample(server), criteria)
    ecotaxa = EcoTaxa(server)
    job, waits = None, []
    while True:
        found = obtain(kept(one), running, tmp_path, one.name, headers=TOKEN, job=job)
        if isinstance(found, Fetched):
            break
        job = json.loads(json.dumps(found.job))  # it survives in a database
        waits.append(found)
    assert found.path.read_bytes() == EcoTaxa.ZIP
    assert [wait.seconds for wait in waits] == sorted({wait.seconds for wait in waits})
    assert "40 %" in waits[2].note
    (body,) = ecotaxa.bodies
    assert body["filters"] == {
        "samples": "100",
        "MapN": "44",
        "MapW": "7",
        "MapE": "8",
        "MapS": "42",
    }
    assert body["request"]["project_id"] == 4824
    again = obtain(one, running, tmp_path, one.name, headers=TOKEN)
    assert isinstance(again, Fetched)
    assert len(ecotaxa.bodies) == 1
    new = obtain(one, running, tmp_path, one.name, headers=TOKEN, existing=Existing.REPLACE)
    assert isinstance(new, Waiting)


def test_the_body_fits_the_services_own_description(server: Loopback) -> None:
    schemas = json.loads(shared_data("ecotaxa/openapi.json").read_text())["components"]["schemas"]
    (one,) = plan(sample(server), Criteria((7.0, 42.0, 8.0, 44.0)))
    body = one.request["create"]["body"]
    assert set(body["filters"]) <= set(schemas["ProjectFilters"]["properties"])
    assert all(isinstance(value, str) for value in body["filters"].values())
    assert set(body["request"]) <= set(schemas["GeneralExportReq"]["properties"])


def test_a_box_across_the_antimeridian_is_two_exports(server: Loopback) -> None:
    found = plan(sample(server), Criteria((170, -10, -170, 10)))
    assert [one.request["create"]["body"]["filters"]["MapW"] for one in found] == ["170", "-180"]
    assert len({one.name for one in found}) == 2


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"state": "E", "errors": ["No content produced. "]}, r"prepare it: No content produced\."),
        ({"state": "E", "errors": ["see /var/lib/ecotaxa/x.log"]}, r"could not prepare it\. "),
        ({"state": "E", "errors": None}, r"could not prepare it\. "),
        ({"state": "A"}, "wants an answer"),
    ],
)
def test_a_failed_export_is_told_in_the_sources_words_without_its_internals(
    server: Loopback, running: Engine, tmp_path: Path, state: dict[str, Any], message: str
) -> None:
    (one,) = plan(sample(server), Criteria())
    EcoTaxa(server).states = [state]
    waiting = obtain(one, running, tmp_path, one.name, headers=TOKEN)
    assert isinstance(waiting, Waiting)
    with pytest.raises(AccessError, match=message):
        obtain(one, running, tmp_path, one.name, headers=TOKEN, job=waiting.job)


def test_without_a_token_the_operator_is_named(
    server: Loopback, running: Engine, tmp_path: Path
) -> None:
    (one,) = plan(sample(server), Criteria())
    EcoTaxa(server)
    with pytest.raises(DownloadError, match="token_file"):
        obtain(one, running, tmp_path, one.name)


def test_a_forgotten_job_is_said(server: Loopback, running: Engine, tmp_path: Path) -> None:
    (one,) = plan(sample(server), Criteria())
    EcoTaxa(server)
    waiting = obtain(one, running, tmp_path, one.name, headers=TOKEN)
    assert isinstance(waiting, Waiting)
    server.routes["/api/jobs/77/"] = Reply(status=404)
    with pytest.raises(AccessError, match="does not know its job"):
        obtain(one, running, tmp_path, one.name, headers=TOKEN, job=waiting.job)


def test_a_token_does_not_go_to_another_host(
    server: Loopback, running: Engine, tmp_path: Path
) -> None:
    (one,) = plan(sample(server), Criteria())
    with serve({}) as other:
        EcoTaxa(other)
        document = one.to_json()
        document["request"]["create"]["url"] = f"{other.url}/api/object_set/export/general"
        with pytest.raises(DownloadError, match="HTTP 403"):
            obtain(FilePlan.from_json(document), running, tmp_path, one.name, headers=TOKEN)
        assert "authorization" not in other.requests[0].headers


def test_a_reason_of_a_source_is_read_no_further_than_it_is_shown() -> None:
    plan = FilePlan("data", "x.zip", "https://eco.example/", Protocol.ORDER)
    began = time.process_time()
    jobs._failed(plan, ["<" * 2**20])  # quadratic, it was minutes
    assert time.process_time() - began < 5
    assert "no such project" in str(jobs._failed(plan, ["<b>no such project</b>"]))
