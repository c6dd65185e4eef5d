"""What the data pool's service says while something that it needs is away, and that it goes on."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from catalogue_service import HubStandIn
from datapool_service import Service, settings, wanted
from pelagos.datapool.database import FILE, url_of
from pelagos.errors import AwayError
from pelagos.services.datapool.store import Store
from postgres import Postgres
from support import leeway, until


@pytest.fixture(scope="module")
def hub() -> Iterator[HubStandIn]:
    with HubStandIn() as hub:
        yield hub


def test_a_database_that_another_program_holds_is_waited_for_and_not_for_long(
    tmp_path: Path, hub: HubStandIn
) -> None:
    store = Store(url_of(tmp_path), busy_seconds=1)
    with (
        Service(tmp_path, hub, "", store=store) as service,
        service.client(service.person("ada")) as ada,
    ):
        assert ada.post("/orders", json=wanted(1)).status_code == 201
        holder = sqlite3.connect(tmp_path / FILE, isolation_level=None, check_same_thread=False)
        holder.execute("BEGIN EXCLUSIVE")
        refused = ada.post("/orders", json=wanted(2))
        assert refused.status_code == 503
        assert refused.headers["retry-after"]
        assert "does not answer" in refused.json()["reason"]
        # many that wait don't keep who only reads from it
        with httpx.Client(base_url=service.url, headers=ada.headers, trust_env=False) as other:
            threads = [
                threading.Thread(target=lambda: other.post("/orders", json=wanted(2), timeout=30))
                for _ in range(8)
            ]
            for thread in threads:
                thread.start()
            began = time.monotonic()
            assert len(ada.get("/orders").json()["orders"]) == 1
            assert ada.get(f"{service.origin}/services/datapool/health").is_success
            assert time.monotonic() - began < leeway(1.5)
            for thread in threads:
                thread.join()
        threading.Timer(0.3, holder.execute, ["ROLLBACK"]).start()
        answer = ada.post("/orders", json=wanted(3))
        assert answer.status_code == 201, "it is waited for a little"
        holder.close()


def test_a_postgresql_that_ends_is_gone_for_a_while_and_nothing_is_lost(
    tmp_path: Path, hub: HubStandIn
) -> None:
    with (
        Postgres() as server,
        Service(tmp_path, hub, server.database()) as service,
        service.client(service.person("ada")) as ada,
    ):
        number = ada.post("/orders", json=wanted(1)).json()["number"]
        with ada.stream("GET", "/events") as stream:
            lines = stream.iter_lines()
            assert any(line.startswith("id:") for line in lines)
            server.stop("immediate")
            began = time.monotonic()
            answers = [
                ada.get(f"/orders/{number}"),
                ada.post("/orders", json=wanted(2)),
                ada.post(f"/orders/{number}/cancel"),
                ada.get(f"/orders/{number}/files"),
                ada.get("/events"),
                ada.get(f"/orders/{number}/events"),
            ]
            assert {answer.status_code for answer in answers} == {503}
            assert all(answer.headers["retry-after"] for answer in answers)
            assert time.monotonic() - began < leeway(20)
            server.start()
            until(lambda: ada.get(f"/orders/{number}").is_success, 20, "it is back")
            assert ada.post(f"/orders/{number}/cancel").json()["state"] == "cancelled"
            assert any('"state":"cancelled"' in line for line in lines), "who followed still does"
        assert ada.post("/orders", json=wanted(2)).status_code == 201


def test_a_service_that_starts_while_the_database_is_away_waits_for_it(
    tmp_path: Path, hub: HubStandIn
) -> None:
    with Postgres() as server:
        url = server.database()
        server.stop()
        with (
            Service(tmp_path, hub, url) as service,
            service.client(service.person("ada")) as ada,
        ):
            assert ada.get("/orders").status_code == 503
            server.start()
            until(lambda: ada.get("/orders").is_success, 20, "the tables are made")
            assert ada.post("/orders", json=wanted(1)).status_code == 201


def test_a_damaged_file_is_said_to_be_away(tmp_path: Path, hub: HubStandIn) -> None:
    (tmp_path / FILE).write_bytes(b"not a database" * 1000)
    with (
        Service(tmp_path, hub, url_of(tmp_path)) as service,
        service.client(service.person("ada")) as ada,
    ):
        answer = ada.get("/orders")
        assert answer.status_code == 503
        assert str(tmp_path) not in answer.text


def test_without_a_catalogue_nothing_is_ordered_and_orders_are_shown(
    tmp_path: Path, hub: HubStandIn
) -> None:
    with (
        Service(tmp_path, hub, url_of(tmp_path), index=tmp_path / "none.sqlite") as service,
        service.client(service.person("ada")) as ada,
    ):
        answer = ada.post("/orders", json=wanted(1))
        assert answer.status_code == 503
        assert "catalogue" in answer.json()["reason"]
        assert str(tmp_path) not in answer.text
        assert ada.get("/orders").json()["orders"] == []


def test_without_the_node_agent_only_the_workspace_takes_nothing(
    tmp_path: Path, hub: HubStandIn
) -> None:
    with (
        Service(tmp_path, hub, url_of(tmp_path), settings()) as service,
        service.client(service.person("ada")) as ada,
    ):
        assert ada.post("/orders", json=wanted(1, to="workspace")).status_code == 503
        assert ada.post("/orders", json=wanted(1)).status_code == 201


async def test_what_hangs_is_given_up_and_too_much_of_it_is_refused(tmp_path: Path) -> None:
    store = Store(url_of(tmp_path), threads=1, waiting=1, read_seconds=0.3)
    store.prepare()
    go_on = threading.Event()
    first = asyncio.create_task(store.read(lambda _: go_on.wait(20)))
    second = asyncio.create_task(store.read(lambda _: 2))
    await asyncio.sleep(0)
    with pytest.raises(AwayError, match="Too many wait"):
        await store.read(lambda _: 3)
    for hanging in (first, second):
        with pytest.raises(AwayError, match="in time"):
            await hanging
    with pytest.raises(AwayError):  # its thread still hangs
        await store.read(lambda _: 4)
    assert await store.write(lambda _: 5) == 5
    go_on.set()
    for _ in range(200):
        try:
            assert await store.read(lambda _: 6) == 6
            break
        except AwayError:
            await asyncio.sleep(0.05)
    else:
        pytest.fail("the thread is not used again")
    store.close()
