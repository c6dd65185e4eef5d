"""What status, doctor, check and backups make of the data pool; a real database, no service."""

from __future__ import annotations

import json
import sqlite3
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import iris_sample_data
import pytest
from pelagos.cli.app import app
from pelagos.datapool.database import FILE, migrate, open_database, transaction, url_of
from pelagos.datapool.tables import files, order_files, orders, records
from pelagos.deployment import CATALOGUE_PATH, DATAPOOL_PATH, Deployment
from pelagos.errors import PelagosError
from pelagos.ops import check_datapool
from pelagos.ops.check_datapool import data_pool
from pelagos.ops.checking import Failed, Run
from pelagos.ops.datapool import datapool_status
from pelagos.ops.findings import Finding, Level, Patient
from pelagos.ops.look_datapool import LOOKS
from pelagos.ops.staging import STAGE, STATE_PART, stage
from pelagos.ops.status import status
from pelagos.settings import BackendKind, DataPool, Settings
from sqlalchemy import insert
from support import free_port
from typer.testing import CliRunner

ORDER: dict[str, Any] = {
    "owner": "ada", "target": "dataspace", "criteria": "{}", "query": "{}", "created": 1.0,
    "changed": 1, "files": 1,
}  # fmt: skip
DATA: dict[str, Any] = {"collection": "c", "item": "i", "plan": "{}", "item_record": "r"}


@pytest.fixture
def pool(deployment: Deployment) -> Deployment:
    """One order under way, one waiting, one ready, two failed: one today, one long ago."""
    folder = deployment.state.datapool
    folder.mkdir(parents=True)
    engine = open_database(url_of(folder))
    migrate(engine)
    now = time.time()
    ended = [
        ("fetching", None), ("waiting", None), ("ready", now), ("failed", now - 3600),
        ("failed", now - 5 * 86400),
    ]  # fmt: skip
    with transaction(engine) as connection:
        connection.execute(insert(records).values(digest="r", document="{}"))
        for number, (state, finished) in enumerate(ended, 1):
            values = ORDER | {"number": number, "state": state, "finished": finished}
            connection.execute(insert(orders).values(values))
        for number, (source, state, size, error) in enumerate(
            [
                ("argo", "present", 3 << 20, ""),
                ("argo", "present", 2 << 20, ""),
                ("argo", "failed", None, "gdac.example.org answered 503."),
                ("emodnet", "failed", None, "old"),
            ],
            1,
        ):
            values = {"id": number, "identity": str(number), "place": str(number)}
            values |= {"source": source, "state": state, "size": size, "error": error}
            connection.execute(insert(files).values(DATA | values))
        for order, file in [(4, 3), (4, 1), (5, 4)]:
            values = {"order": order, "position": file, "file": file, "path": "x"}
            connection.execute(insert(order_files).values(values))
    engine.dispose()
    return deployment


def looked(deployment: Deployment) -> dict[str, Finding]:
    patient = Patient(
        deployment.state, None, deployment.graph, deployment.settings, None, "", 0,
        runs=False, backend=BackendKind.DOCKER,
    )  # fmt: skip
    return {finding.name: finding for look in LOOKS for finding in look(patient)}


def test_status_tells_orders_under_way_and_what_is_in_the_pool(pool: Deployment) -> None:
    line = datapool_status(pool).line
    assert line.startswith("data pool: 2 orders under way (1 waiting for a source), 1 failed in")
    assert line.endswith(", 5 MiB of 100 GiB in 2 files")


def test_status_says_that_the_database_does_not_answer(
    deployment: Deployment, tmp_path: Path
) -> None:
    address = tmp_path / "address"
    address.write_text(f"postgresql://pelagos@127.0.0.1:{free_port()}/orders\n")
    address.chmod(0o600)
    settings = Settings.model_validate({"datapool": {"database_file": str(address)}})
    deployment.state.write(deployment.facts, settings)
    found = CliRunner().invoke(app, ["status", "--state", str(deployment.state.folder)])
    assert "data pool: The database of orders does not answer" in " ".join(found.stdout.split())
    model = status(deployment.state).as_dict()
    assert model["datapool"] is None
    assert "does not answer" in model["datapool_problem"]


def test_status_and_doctor_are_quiet_before_anybody_ordered(deployment: Deployment) -> None:
    with pytest.raises(PelagosError, match="Nobody has ordered"):
        datapool_status(deployment)
    deployment.state.write(deployment.facts, deployment.settings)
    model = status(deployment.state).as_dict()
    assert (model["datapool"], model["datapool_problem"]) == (None, "")
    assert looked(deployment) == {}
    assert not deployment.state.datapool.exists()


def test_doctor_names_sources_whose_files_could_not_be_fetched_today(pool: Deployment) -> None:
    found = looked(pool)
    failed = found["downloads from argo"]
    assert failed.level is Level.WARNING
    assert failed.detail.startswith("1 file ")
    assert "answered 503" in failed.detail
    assert "downloads from emodnet" not in found
    assert found["orders"].level is Level.OK
    assert "disk (data pool)" in found


def test_doctor_tells_a_database_of_another_version(pool: Deployment) -> None:
    with closing(sqlite3.connect(pool.state.datapool / FILE)) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
        database.commit()
    assert looked(pool)["orders"].level is Level.ERROR
    (pool.state.datapool / FILE).write_text("no database " * 1000)
    assert looked(pool)["orders"].level is Level.ERROR


def test_doctor_warns_of_a_quota_beyond_the_disk(pool: Deployment) -> None:
    pool.settings = Settings(datapool=DataPool(quota=2**60))
    disk = looked(pool)["disk (data pool)"]
    assert disk.level is Level.WARNING
    assert "datapool.quota" in disk.mend


def test_doctor_warns_if_others_can_read_the_databases_password(
    deployment: Deployment, tmp_path: Path
) -> None:
    path = tmp_path / "database"
    path.write_text("postgresql+psycopg://pelagos:sesame@127.0.0.1:9/pelagos\n")
    path.chmod(0o644)
    deployment.settings = Settings(datapool=DataPool(database_file=str(path)))
    found = looked(deployment)
    assert found["database of orders"].level is Level.WARNING
    assert found["orders"].level is Level.ERROR  # nothing listens there
    assert "sesame" not in str(found)
    path.chmod(0o600)
    assert looked(deployment)["database of orders"].level is Level.OK


def test_a_backup_has_the_orders_of_a_database_in_use_and_not_the_pool(pool: Deployment) -> None:
    data = pool.layout.dataspaces / "pool" / "argo" / "large.nc"
    data.parent.mkdir(parents=True)
    data.write_bytes(b"x" * 1000)
    problems: dict[str, str] = {}
    with closing(sqlite3.connect(pool.state.datapool / FILE)) as live:
        # what stands in the log beside it only, and an open change that is not made
        live.execute("UPDATE orders SET title = 'kept'")
        live.commit()
        live.execute("UPDATE orders SET title = 'not yet'")
        assert (pool.state.datapool / f"{FILE}-wal").stat().st_size > 0
        stage(pool, None, {}, problems)
        live.rollback()
    assert problems == {}
    part = pool.state.folder / STAGE / STATE_PART
    assert [path.name for path in (part / "datapool").iterdir()] == [FILE]
    with closing(sqlite3.connect(part / "datapool" / FILE)) as copy:
        assert copy.execute("SELECT DISTINCT title FROM orders").fetchall() == [("kept",)]
    assert not list(part.rglob("*.nc"))
    assert stat.S_IMODE((part / "datapool" / FILE).stat().st_mode) & 0o077 == (
        stat.S_IMODE((pool.state.datapool / FILE).stat().st_mode) & 0o077
    )


SAMPLE = Path(iris_sample_data.path) / "NEMO" / "nemo_1m_20150101-20150201_grid-T.nc"


class Api(BaseHTTPRequestHandler):
    """Catalogue and data pool, as far as the check needs them."""

    states: ClassVar[list[str]] = []
    asked: ClassVar[list[str]] = []
    refusal: ClassVar[dict[str, str]] = {}

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0]
        self.asked.append(f"{self.command} {path.removeprefix('/services')}")
        self.answer(*self.found(path, json.loads(body or b"null")))

    do_POST = do_DELETE = do_GET

    def found(self, path: str, body: Any) -> tuple[int, Any]:
        href = "http://127.0.0.1/files/starter/NEMO/x.nc"
        items = [
            {"id": name, "collection": "starter.nemo", "assets": {"d": asset}}
            for name, asset in [
                ("large", {"href": href, "file:size": 10_000}),
                ("small", {"href": href, "file:size": 1_000}),
                ("text", {"href": "http://127.0.0.1/x.txt", "file:size": 10}),
            ]
        ]
        if path.startswith(CATALOGUE_PATH):
            if path.endswith("/collections"):
                return 200, {"collections": [{"id": "starter.nemo"}]}
            return 200, {"features": items}
        assert self.headers["Authorization"] == "token the-servers-own"
        path = path.removeprefix(f"{DATAPOOL_PATH}/api")
        if path == "/orders":
            assert body == {"items": [{"collection": "starter.nemo", "item": "small"}]}
            return (422, self.refusal) if self.refusal else (201, self.order())
        if path == "/orders/7/files":
            return 200, {"files": [{"path": "x.nc", "size": SAMPLE.stat().st_size}]}
        return (204, None) if self.command == "DELETE" else (200, self.order())

    def order(self) -> dict[str, Any]:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        error = "The source answered 503." if state == "failed" else ""
        return {"number": 7, "state": state, "error": error, "folder": "orders/7"}

    def answer(self, status: int, body: Any) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def run(deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """The server's cell runs here, on a dataspace with one order."""
    Api.states, Api.asked, Api.refusal = ["queued", "fetching", "ready"], [], {}
    folder = tmp_path / "dataspace" / "me" / "orders" / "7"
    folder.mkdir(parents=True)
    (folder / "x.nc").write_bytes(SAMPLE.read_bytes())
    # root writes what is read-only too, and the real pool is a read-only mount
    deployment.facts = deployment.facts.model_copy(update={"backend": BackendKind.PROCESS})

    def cell(run: Run, source: str) -> str:
        monkeypatch.setenv("PELAGOS_DATASPACE", str(tmp_path / "dataspace"))
        printed: list[str] = []
        exec(source, {"print": printed.append})  # noqa: S102 - what the check sends
        return "\n".join(printed)

    monkeypatch.setattr(check_datapool, "inside", cell)
    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        port = int(server.server_address[1])
        deployment.facts = deployment.facts.model_copy(update={"port": port})
        yield cast(Run, SimpleNamespace(deployment=deployment, token="the-servers-own"))
        server.shutdown()
        thread.join()


def test_check_orders_the_smallest_granule_compares_it_and_deletes_the_order(run: Run) -> None:
    told = data_pool(run)
    assert told.startswith("small was ready after")
    assert "variables are as at the source" in told
    assert Api.asked[-1] == "DELETE /datapool/api/orders/7"


def test_check_finds_a_file_that_is_not_the_sources(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "dataspace" / "me" / "orders" / "7" / "x.nc"
    content = bytearray(SAMPLE.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(Failed, match="is not the file of Starter data"):
        data_pool(run)
    assert Api.asked[-1] == "DELETE /datapool/api/orders/7"


def test_check_says_why_an_order_failed_and_deletes_it(run: Run) -> None:
    Api.states = ["queued", "failed"]
    with pytest.raises(Failed, match=r"The order is failed: The source answered 503\.") as raised:
        data_pool(run)
    assert "downloader.log" in raised.value.mend
    assert Api.asked[-1] == "DELETE /datapool/api/orders/7"


def test_check_deletes_an_order_that_does_not_end(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    Api.states = ["queued", "fetching"]
    monkeypatch.setattr(check_datapool, "_READY_SECONDS", 0.3)
    with pytest.raises(Failed, match="is still fetching"):
        data_pool(run)
    assert Api.asked[-1] == "DELETE /datapool/api/orders/7"


def test_check_tells_a_refusal_in_the_services_words(run: Run) -> None:
    Api.refusal = {"reason": "The pool is full."}
    with pytest.raises(Failed, match=r"HTTP 422\. The pool is full\."):
        data_pool(run)
