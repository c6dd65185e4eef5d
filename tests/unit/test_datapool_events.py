"""Following orders by server-sent events."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from catalogue_service import HubStandIn
from datapool_service import Service, settings, wanted
from pelagos.datapool import orders_shown
from pelagos.datapool.database import next_change, open_database, transaction
from pelagos.datapool.tables import orders
from sqlalchemy import Engine, update
from support import free_port, leeway, until


@pytest.fixture(scope="module")
def hub() -> Iterator[HubStandIn]:
    with HubStandIn() as hub:
        yield hub


@pytest.fixture
def service(tmp_path: Path, hub: HubStandIn, orders_url: str) -> Iterator[Service]:
    with Service(tmp_path, hub, orders_url, settings()) as service:
        yield service


@pytest.fixture
def engine(orders_url: str) -> Iterator[Engine]:
    """The downloader's view of the database."""
    engine = open_database(orders_url)
    yield engine
    engine.dispose()


@pytest.fixture
def ada(service: Service) -> Iterator[httpx.Client]:
    with service.client(service.person("ada")) as client:
        yield client


def change(engine: Engine, number: int, **values: Any) -> int:
    with transaction(engine) as connection:
        changed = next_change(connection)
        connection.execute(
            update(orders).where(orders.c.number == number).values(changed=changed, **values)
        )
    return changed


def events(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """Events of a stream until its end; comments are left out."""
    event: dict[str, str] = {}
    for line in lines:
        if not line and event:
            document = json.loads(event["data"])
            assert event == {
                "id": str(document["sequence"]), "event": "order", "data": event["data"],
            }  # fmt: skip
            yield document
            event = {}
        elif line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            event[name] = value


def test_an_order_is_followed_until_it_is_over(ada: httpx.Client, engine: Engine) -> None:
    number = ada.post("/orders", json=wanted(1, 2)).json()["number"]
    with ada.stream("GET", f"/orders/{number}/events") as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        stream = events(answer.iter_lines())
        assert next(stream)["state"] == "queued"
        change(engine, number, state="fetching", files_ready=1)
        assert next(stream)["files"]["ready"] == 1
        last = change(engine, number, state="ready", files_ready=2)
        found = next(stream)
        assert (found["state"], found["sequence"]) == ("ready", last)
        assert list(stream) == [], "it ends with the order"
    with ada.stream("GET", f"/orders/{number}/events") as answer:
        assert [one["state"] for one in events(answer.iter_lines())] == ["ready"]
    headers = {"Last-Event-ID": str(last)}
    with ada.stream("GET", f"/orders/{number}/events", headers=headers) as answer:
        assert list(events(answer.iter_lines())) == []


def test_an_order_is_sent_twice_a_second_at_most(ada: httpx.Client, engine: Engine) -> None:
    number = ada.post("/orders", json=wanted(1)).json()["number"]
    began = time.monotonic()
    with ada.stream("GET", f"/orders/{number}/events") as answer:
        stream = events(answer.iter_lines())
        next(stream)
        for count in range(60):
            change(engine, number, state="fetching", bytes_done=count)
            time.sleep(0.02)
        last = change(engine, number, state="ready", bytes_done=1000)
        rest = list(stream)
    assert rest[-1]["sequence"] == last
    assert 1 < len(rest) <= 2 * (time.monotonic() - began) + 2


def test_all_of_ones_own_orders_are_followed_and_none_is_missed(
    service: Service, ada: httpx.Client, engine: Engine
) -> None:
    first, second = (ada.post("/orders", json=wanted(n)).json() for n in (1, 2))
    with service.client(service.person("bob")) as bob:
        bob.post("/orders", json=wanted(3))
    with ada.stream("GET", "/events") as answer:
        stream = events(answer.iter_lines())
        assert [next(stream)["number"] for _ in range(2)] == [first["number"], second["number"]]
        seen = change(engine, first["number"], state="ready")
        assert next(stream)["state"] == "ready"
        third = ada.post("/orders", json=wanted(4)).json()
        assert next(stream)["number"] == third["number"]
    change(engine, second["number"], state="failed", error="It is gone.")
    with ada.stream("GET", "/events", headers={"Last-Event-ID": str(seen)}) as answer:
        stream = events(answer.iter_lines())
        assert [next(stream)["number"] for _ in range(2)] == [third["number"], second["number"]]


def test_an_order_that_is_deleted_ends_its_stream(ada: httpx.Client) -> None:
    number = ada.post("/orders", json=wanted(1)).json()["number"]
    with ada.stream("GET", f"/orders/{number}/events") as answer:
        stream = events(answer.iter_lines())
        next(stream)
        assert ada.delete(f"/orders/{number}").status_code == 204
        assert list(stream) == []


def test_others_orders_are_not_followed(service: Service, ada: httpx.Client) -> None:
    number = ada.post("/orders", json=wanted(1)).json()["number"]
    with service.client(service.person("bob")) as bob:
        assert bob.get(f"/orders/{number}/events").status_code == 404
    with service.client() as nobody:
        assert nobody.get("/events").status_code == 401
        assert nobody.get(f"/orders/{number}/events").status_code == 401


def test_a_person_has_few_streams_and_one_that_left_counts_no_more(
    service: Service, ada: httpx.Client
) -> None:
    ada.post("/orders", json=wanted(1))
    with service.client(service.person("bob")) as bob:
        bob.post("/orders", json=wanted(1))
        with ExitStack() as stack:
            streams = []  # one that is let go of closes its answer
            for _ in range(8):
                answer = stack.enter_context(ada.stream("GET", "/events"))
                streams.append(events(answer.iter_lines()))
                next(streams[-1])
            refused = ada.get("/events")
            assert refused.status_code == 429
            assert refused.headers["retry-after"]
            with bob.stream("GET", "/events") as answer:
                assert next(events(answer.iter_lines()))["owner"] == "bob"

        def again() -> bool:
            with ada.stream("GET", "/events") as answer:
                return answer.status_code == 200

        until(again, 20, "the streams that were left are forgotten")


def test_a_stream_does_not_hold_the_end_of_the_service(tmp_path: Path, hub: HubStandIn) -> None:
    """Uvicorn waits for open answers: five seconds here, and longer elsewhere."""
    port = free_port()
    program = (
        "import sys, pathlib\nsys.path.insert(0, sys.argv[1])\n"
        "from datapool_service import *\nfrom pelagos.services.serving import serve\n"
        "from pelagos.datapool.database import url_of\n"
        "folder = pathlib.Path(sys.argv[2])\n"
        "class Known: url = sys.argv[4]\n"
        "service = Service(folder, Known, url_of(folder))\n"
        "sys.exit(serve(service.app, '127.0.0.1', int(sys.argv[3])))\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(Path(__file__).parents[1]), str(tmp_path),
         str(port), hub.url],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    token = hub.person("eve", scope="access:services!service=datapool")
    base = f"http://127.0.0.1:{port}/services/datapool"
    with httpx.Client(headers={"Authorization": f"token {token}"}, trust_env=False) as client:

        def is_up() -> bool:
            try:
                return client.get(f"{base}/health").is_success
            except httpx.HTTPError:
                assert child.poll() is None, child.stderr and child.stderr.read()
                return False

        until(is_up, 60, "the service")
        client.post(f"{base}/api/orders", json=wanted(1)).raise_for_status()
        with client.stream("GET", f"{base}/api/events", timeout=60) as answer:
            stream = events(answer.iter_lines())
            next(stream)
            began = time.monotonic()
            threading.Timer(0.2, os.kill, [child.pid, signal.SIGTERM]).start()
            assert list(stream) == [], "the stream ends well, it is not cut off"
        child.wait(30)
        assert time.monotonic() - began < leeway(4)
    assert child.stderr
    errors = child.stderr.read()
    child.stderr.close()
    assert child.returncode in (0, -signal.SIGTERM), errors
    assert "Error" not in errors


def test_the_limit_of_streams_holds_for_those_that_come_at_once(
    service: Service, ada: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All pass the first look before any of them is counted."""
    ada.post("/orders", json=wanted(1))
    count, plain = 24, orders_shown.last_change

    def slow(connection: Any) -> int:
        time.sleep(0.3)
        return plain(connection)

    monkeypatch.setattr(orders_shown, "last_change", slow)
    going, over, lock, done = [], [], threading.Lock(), threading.Event()

    def follow() -> None:
        with ada.stream("GET", "/events") as answer:
            for line in answer.iter_lines():
                if line.startswith("data:"):
                    with lock:
                        going.append(line)
                    done.wait(20)
                    return
        with lock:
            over.append(answer.status_code)

    threads = [threading.Thread(target=follow) for _ in range(count)]
    for thread in threads:
        thread.start()
    until(lambda: len(going) + len(over) == count, 20, "all answers")
    done.set()
    for thread in threads:
        thread.join(20)
    assert len(going) <= 8
