"""Orders of the data pool are followed by its events: real service and downloader."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from datapool_service import Service as Pool
from download_source import give
from jupyterlab_pelagos.known_orders import KnownOrders
from jupyterlab_pelagos.shared import CHANGED, Shared
from jupyterlab_pelagos.watching import Watcher
from lab_server import Ask
from lab_vre import NAMES, Vre
from pelagos.datapool.database import url_of
from support import free_port, until

Event = dict[str, Any]


@pytest.fixture
def events(jp_serverapp: Any) -> list[tuple[float, Event]]:
    """What the server tells the browser, with the time, from now on."""
    found: list[tuple[float, Event]] = []

    async def listen(logger: Any, schema_id: str, data: Event) -> None:
        assert schema_id == CHANGED
        found.append((time.monotonic(), data))

    jp_serverapp.event_logger.add_listener(schema_id=CHANGED, listener=listen)
    return found


@pytest.fixture
def served(jp_asyncio_loop: asyncio.AbstractEventLoop) -> Callable[..., Any]:
    """Like `until`, while the server's loop runs."""

    def served(condition: Callable[[], Any], seconds: float = 60, what: str = "") -> Any:
        async def look() -> Any:
            deadline = time.monotonic() + seconds
            while not (value := condition()):
                assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
                await asyncio.sleep(0.05)
            return value

        return jp_asyncio_loop.run_until_complete(look())

    return served


def of_orders(events: list[tuple[float, Event]]) -> list[tuple[float, Event]]:
    return [(when, one) for when, one in events if one["kind"] == "order"]


def threads() -> list[str]:
    names = {one.name for one in threading.enumerate()}
    return sorted(names & {"pelagos-follow", "pelagos-look"})


def place(ask: Ask, vre: Vre, *names: str, key: str = "0123456789") -> str:
    ask("POST", "basket", vre.basket(*names))
    return str(ask("POST", "orders", {"key": key}).json["id"])


def test_changes_are_told_until_it_is_ready(
    ask: Ask, vre: Vre, events: list[tuple[float, Event]], served: Any, jp_serverapp: Any
) -> None:
    gate = threading.Event()
    for name in NAMES:
        vre.source.always[f"/dac/{name}.nc"] = lambda handler: (gate.wait(30), give(handler))
    before = datetime.now(UTC)
    number = place(ask, vre, *NAMES)
    served(lambda: of_orders(events), 30, "a first event")
    assert threads() == ["pelagos-follow", "pelagos-look"]
    assert jp_serverapp.web_app.settings["last_activity_times"]["pelagos"] >= before
    gate.set()

    def is_told() -> bool:
        found = ask("GET", f"orders/{number}").json
        assert found["state"] != "failed", found
        last = of_orders(events)[-1][1]["sequence"]
        return found["state"] == "ready" and last == found["sequence"]

    until(is_told, 60, "the event of its end")
    told = of_orders(events)
    assert {one["id"] for _, one in told} == {number}
    sequences = [one["sequence"] for _, one in told]
    assert sequences == sorted(set(sequences))
    times = [when for when, _ in told]
    assert all(later - earlier > 0.4 for earlier, later in itertools.pairwise(times))
    assert [one["kind"] for _, one in events if one["kind"] != "order"] == ["basket", "basket"]


def test_an_order_that_is_made_elsewhere_is_told_too(
    ask: Ask, vre: Vre, events: list[tuple[float, Event]], served: Any
) -> None:
    assert ask("GET", "orders").json["orders"] == []
    with vre.service.client(vre.token) as client:
        items = [{"collection": "src.floats", "item": "one"}]
        number = client.post("/orders", json={"items": items}).json()["number"]
    served(lambda: of_orders(events), 30, "an event")
    assert of_orders(events)[0][1]["id"] == str(number)


def test_a_service_that_restarts_is_followed_again(
    ask: Ask, vre: Vre, events: list[tuple[float, Event]], served: Any
) -> None:
    gate = threading.Event()
    vre.source.always["/dac/one.nc"] = lambda handler: (gate.wait(60), give(handler))
    number = place(ask, vre, "one")
    served(lambda: of_orders(events), 30, "a first event")
    old = vre.service
    old.__exit__()
    assert ask("GET", "orders").json["missing"]
    gate.set()
    with Pool(
        vre.kit.state.datapool, old.hub, url_of(vre.kit.state.datapool), vre.kit.settings,
        index=vre.dataspace.parent / "index.sqlite",
    ) as again:  # fmt: skip
        vre.monkeypatch.setenv("PELAGOS_DATAPOOL_API", again.url)
        with again.client(vre.token) as client:
            until(lambda: client.get(f"/orders/{number}").json()["state"] == "ready", 60)
            last = client.get(f"/orders/{number}").json()["sequence"]
        served(lambda: of_orders(events)[-1][1]["sequence"] == last, 60, "the last event")


def test_a_server_that_begins_follows_what_was_under_way(ask: Ask, vre: Vre) -> None:
    gate = threading.Event()
    vre.source.always["/dac/one.nc"] = lambda handler: (gate.wait(60), give(handler))
    number = place(ask, vre, "one")
    told: list[Event] = []
    home = vre.dataspace.parent
    second = Shared(home, "", "pelagos-orders", told.append, lambda: None)
    second.one(Watcher).begin()
    gate.set()
    until(lambda: ask("GET", f"orders/{number}").json["state"] == "ready", 60, "the order")
    last = ask("GET", f"orders/{number}").json["sequence"]
    until(lambda: told and told[-1]["sequence"] == last, 30, "the last event")
    until(lambda: second.one(KnownOrders).get().under_way == [], 10, "nothing under way")
    second.stop()
    third = Shared(home, "", "pelagos-orders", told.append, lambda: None)
    third.one(Watcher).begin()
    assert third.one(Watcher)._threads == []


def test_it_ends_at_once_with_the_server(ask: Ask, vre: Vre, jp_serverapp: Any) -> None:
    shared = jp_serverapp.web_app.settings["pelagos_shared"]
    ask("GET", "orders")
    until(lambda: shared.one(Watcher)._end_stream, 30, "a stream")
    began = time.monotonic()
    shared.stop()
    assert time.monotonic() - began < 2
    assert threads() == []
    ask("GET", "orders")
    assert threads() == []


def test_a_service_that_is_away_is_not_asked_in_a_loop(
    ask: Ask, vre: Vre, jp_serverapp: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = jp_serverapp.web_app.settings["pelagos_shared"]
    monkeypatch.setenv("PELAGOS_DATAPOOL_API", f"http://127.0.0.1:{free_port()}/api")
    watcher = shared.one(Watcher)
    tries: list[float] = []
    inner = watcher._stream
    monkeypatch.setattr(watcher, "_stream", lambda: (tries.append(time.monotonic()), inner()))
    assert ask("GET", "orders").json["missing"]
    until(lambda: len(tries) >= 3, 30, "tries")
    pauses = [later - earlier for earlier, later in itertools.pairwise(tries)]
    assert pauses[0] > 0.9
    assert pauses[1] > 1.8
