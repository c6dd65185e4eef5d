"""The VRE's catalogue in its bad hours, and when there is very much of everything."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from catalogue_service import HubStandIn, Service, settings
from jupyterlab_pelagos import together, vre_catalogue
from jupyterlab_pelagos.basket import BasketStore
from lab_server import Ask
from loopback import Asked, Loopback, Reply, serve
from pelagos.catalogue.index import Writer
from pelagos.catalogue.records import Asset, Box, CollectionRecord, GranuleRecord
from stac_remote import collection, features, item, reply

MANY = 10_050


@pytest.fixture
def catalogue(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    """What stands in for the catalogue's service, and does as a test says."""
    with serve({}) as server:
        monkeypatch.setenv("PELAGOS_CATALOGUE_API", server.url)
        monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "very-secret")
        yield server


@pytest.mark.parametrize(
    ("answer", "status", "says"),
    [
        (Reply('{"description": "The index is being made."}', status=503), 503, "is being made"),
        (Reply("<html>", "text/html", 500), 503, "answered 500"),
        (Reply('{"description": "No."}', status=401), 502, "No."),
        (Reply("", status=302, headers={"Location": "http://127.0.0.1:9/"}), 502, "answered 302"),
        (Reply("<html>", "text/html"), 503, "does not answer"),
        (Reply("[]"), 502, "makes no sense"),
        (Reply('{"collections": 7}'), 502, "makes no sense"),
        (Reply('{"type": "FeatureCollection"}'), 502, "makes no sense"),
    ],
)
def test_what_is_no_answer(
    ask: Ask, catalogue: Loopback, answer: Reply, status: int, says: str
) -> None:
    catalogue.routes["/collections"] = answer
    refused = ask("POST", "collections", {})
    assert (refused.status, says in refused.json["reason"]) == (status, True)
    assert b"very-secret" not in refused.body


def test_a_catalogue_that_is_away(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PELAGOS_CATALOGUE_API", "http://127.0.0.1:9")
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "x")
    for path in ("collections", "facets", "granules"):
        refused = ask("POST", path, {"collections": ["a"]})
        assert (refused.status, "does not answer" in refused.json["reason"]) == (503, True)
    assert ask("POST", "matches", {"collections": ["a"]}).status == 503
    assert ask("POST", "matches", {}).json == {}


def test_no_catalogue_at_all(ask: Ask) -> None:
    refused = ask("POST", "collections", {})
    assert (refused.status, "no server of a VRE" in refused.json["reason"]) == (409, True)


def test_a_catalogue_that_is_slow(
    ask: Ask, catalogue: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vre_catalogue, "SECONDS", 0.2)

    def slow(asked: Asked) -> None:
        asked.server.stopping.wait(30)

    catalogue.routes["/collections"] = slow
    refused = ask("POST", "collections", {})
    assert (refused.status, "does not answer" in refused.json["reason"]) == (503, True)


def test_few_searches_at_a_time(
    jp_fetch: Any, jp_asyncio_loop: asyncio.AbstractEventLoop, catalogue: Loopback
) -> None:
    """A catalogue that is slow does not take all threads of the server."""
    three, lock, counts = threading.Barrier(3), threading.Lock(), {"now": 0, "most": 0}

    def slow(asked: Asked) -> Reply:
        with lock:
            counts["now"] += 1
            counts["most"] = max(counts.values())
        three.wait(20)
        with lock:
            counts["now"] -= 1
        return reply({"collections": []})

    async def ask() -> int:
        answer = await jp_fetch("pelagos", "collections", method="POST", body="{}")
        return int(answer.code)

    async def six() -> list[int]:
        return await asyncio.gather(*(ask() for _ in range(6)))

    catalogue.routes["/collections"] = slow
    assert jp_asyncio_loop.run_until_complete(six()) == [200] * 6
    assert counts["most"] == 3


def test_what_hangs_leaves_the_loops_own_threads_to_others(
    jp_fetch: Any, jp_asyncio_loop: asyncio.AbstractEventLoop, jp_serverapp: Any
) -> None:
    """The loop has few threads, which also look up the hub's address for every sign-in."""
    gate, begun = threading.Event(), asyncio.Event()
    few = ThreadPoolExecutor(1)
    jp_asyncio_loop.set_default_executor(few)

    def hang() -> dict[str, bool]:
        jp_asyncio_loop.call_soon_threadsafe(begun.set)
        gate.wait(30)
        return {}

    jp_serverapp.web_app.settings["pelagos_shared"].one(BasketStore).get = hang

    async def both() -> tuple[str, int]:
        asked = asyncio.ensure_future(jp_fetch("pelagos", "basket"))
        await asyncio.wait_for(begun.wait(), 20)
        try:
            told = await asyncio.wait_for(asyncio.to_thread(lambda: "there"), 5)
        finally:
            gate.set()
        return told, (await asked).code

    assert jp_asyncio_loop.run_until_complete(both()) == ("there", 200)


def test_a_place_that_nobody_gave(ask: Ask, catalogue: Loopback) -> None:
    catalogue.routes["/search"] = reply({"type": "FeatureCollection", "features": []})
    for place in ("nonsense", "[]", '{"token": 7}'):
        for path in ("collections", "granules"):
            refused = ask("POST", path, {"next": place})
            assert (refused.status, "next" in refused.json["reason"]) == (400, True)
    assert ask("POST", "granules", {"next": '{"token": "x"}'}).status == 200


def test_counts_do_not_wait_for_one_that_is_slow(
    ask: Ask, catalogue: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "SECONDS", 1.0)

    def search(asked: Asked) -> Reply | None:
        if json.loads(asked.body)["collections"] == ["slow"]:
            asked.server.stopping.wait(30)
            return None
        return reply({"type": "FeatureCollection", "features": [], "numberMatched": 5})

    catalogue.routes["/search"] = search
    began = time.monotonic()
    told = ask("POST", "matches", {"collections": ["slow", "quick"]}).json
    assert time.monotonic() - began < 15
    assert told == {"slow": {"count": None, "text": ""}, "quick": {"count": 5, "text": "5"}}
    catalogue.stopping.set()


def test_nothing_found(ask: Ask, catalogue: Loopback) -> None:
    empty = {"collections": [], "links": [], "numberMatched": 0, "pelagos:matched": "0"}
    catalogue.routes["/collections"] = reply(empty)
    assert ask("POST", "collections", {"criteria": {"q": "nothing"}}).json == {
        "collections": [],
        "matched": 0,
        "matched_text": "0",
        "next": None,
    }


def test_absurd_documents_cost_themselves_at_most(ask: Ask, catalogue: Loopback) -> None:
    odd: list[Any] = [
        collection("good", title='<img src=x onerror="alert(1)"> &amp; more', description=None),
        collection("bare", extent=None, license=None, links=None, title=None, keywords="words"),
        collection("odd", extent={"spatial": {"bbox": [[0, 0, 1]]}, "temporal": {"interval": 7}}),
        collection("huge", extent={"spatial": {"bbox": [[-999, -99, 999, 99], [0, 0, 1, 1]]}}),
        collection("unknown", **{"pelagos:extent_unknown": True}),
        {"type": "Collection"},
        {"id": 7},
        "text",
        None,
    ]
    catalogue.routes["/collections"] = reply({"collections": odd})
    found = {one["id"]: one for one in ask("POST", "collections", {}).json["collections"]}
    assert set(found) == {"good", "bare", "odd", "huge", "unknown"}
    assert found["good"]["title"] == '<img src=x onerror="alert(1)"> &amp; more'
    assert (found["bare"]["boxes"], found["bare"]["start"], found["bare"]["keywords"]) == (
        [],
        None,
        [],
    )
    assert found["odd"]["boxes"] == found["unknown"]["boxes"] == []
    assert found["huge"]["boxes"] == [[0.0, 0.0, 1.0, 1.0]]


def test_absurd_granules(ask: Ask, catalogue: Loopback) -> None:
    ring = [[x / 100, 0.0] for x in range(200)]
    turned = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]]}
    far = {"type": "Point", "coordinates": [9e9, 0]}
    odd = [
        item("bare", geometry=None, bbox=None, properties=None, assets=None),
        item("high", bbox=[1, 2, -100, 3, 4, 100]),
        item("turned", bbox=[350, 0, 360, 1]),
        item("swapped", bbox=[0, 60, 1, -60], geometry=None),
        item("crossing", bbox=[170, 0, -170, 1], geometry=far),
        item("many", geometry={"type": "LineString", "coordinates": ring}),
        item("same", bbox=[0, 0, 1, 1], geometry=turned),
        item("never", properties={"datetime": None}),
        item("widest", properties={"datetime": None, "start_datetime": "0001-01-01T00:00:00Z",
                                   "end_datetime": "2020-01-01T02:00:00+02:00"}),
        item("unknown", properties={"datetime": "2020-01-01T00:00:00Z",
                                    "pelagos:time_unknown": True}),
        item("sizes", assets={
            "a": {"href": "a.nc", "roles": ["data"], "file:size": 5, "type": "application/netcdf"},
            "b": {"href": "b.nc", "roles": ["data"], "file:size": -1},
            "c": {"href": "c.png", "roles": ["thumbnail"]},
            "d": 7,
        }),
        {"type": "Feature", "id": "no-collection"},
        7,
    ]  # fmt: skip
    catalogue.routes["/search"] = features(*odd)  # type: ignore[arg-type]
    found = {one["id"]: one for one in ask("POST", "granules", {}).json["granules"]}
    assert found["bare"] == {
        "collection": "a", "id": "bare", "title": "bare", "bbox": None, "shape": None,
        "start": None, "end": None, "size": None, "files": 0, "platform": "", "formats": [],
    }  # fmt: skip
    assert found["high"]["bbox"] == [1.0, 2.0, 3.0, 4.0]
    assert found["turned"]["bbox"] == [-10.0, 0.0, 0.0, 1.0]
    assert found["swapped"]["bbox"] is None
    assert found["crossing"]["bbox"] == [170.0, 0.0, -170.0, 1.0]
    assert found["crossing"]["shape"] is None
    assert found["many"]["shape"] is None
    assert found["same"]["shape"] is None  # the box says as much
    assert (found["never"]["start"], found["unknown"]["start"]) == (None, None)
    assert (found["widest"]["start"], found["widest"]["end"]) == (None, "2020-01-01T00:00:00Z")
    assert (found["sizes"]["size"], found["sizes"]["files"]) == (None, 2)
    assert found["sizes"]["formats"] == ["NetCDF"]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, str]]:
    """A data set of more granules than are counted."""
    index = tmp_path_factory.mktemp("large") / "index.sqlite"
    begin = datetime(2020, 1, 1, tzinfo=UTC)
    with Writer(index) as writer:
        run = writer.run("big", "Big infrastructure")
        run.collection(CollectionRecord("casts", "Casts", boxes=(Box(0, 0, 90, 80),)))
        run.granules("casts", [_cast(number, begin) for number in range(MANY)])
        run.finish_collection("casts")
        run.finish()
    with HubStandIn() as hub, Service(index, hub, settings()) as service:
        yield service, hub.person("ada")


def _cast(number: int, begin: datetime) -> GranuleRecord:
    at = begin + timedelta(minutes=number)
    east, north = number % 90, number % 80
    return GranuleRecord(
        f"cast-{number:05}",
        f"Cast {number}",
        box=Box(east, north, east, north),
        start=at,
        end=at,
        assets=(Asset("data", f"files/{number}.nc", "application/x-netcdf", size=1000),),
    )


def test_ten_thousand_granules_a_thousand_at_a_time(
    ask: Ask, large: tuple[Service, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    service, token = large
    monkeypatch.setenv("PELAGOS_CATALOGUE_API", service.url)
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", token)
    request: dict[str, Any] = {"collections": ["big.casts"], "limit": 1000}
    seen: set[str] = set()
    longest = 0
    while True:
        answer = ask("POST", "granules", request)
        told = answer.json
        assert (told["matched"], told["matched_text"]) == (None, "10,000+")
        seen |= {one["id"] for one in told["granules"]}
        longest = max(longest, len(answer.body))
        request["next"] = told["next"]
        if told["next"] is None:
            break
    assert len(seen) == MANY
    assert longest < 400_000  # bytes of a thousand
    counts = ask("POST", "matches", {"collections": ["big.casts"]}).json
    assert counts == {"big.casts": {"count": None, "text": "10,000+"}}


def test_what_is_in_the_pool_is_found_there(
    ask: Ask, large: tuple[Service, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    service, token = large
    monkeypatch.setenv("PELAGOS_CATALOGUE_API", service.url)
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", token)
    monkeypatch.setenv("PELAGOS_DATASPACE", str(tmp_path))

    def where() -> Any:
        return ask("GET", "granule", collection="big.casts", item="cast-00007").json["path"]

    assert where() is None
    folder = tmp_path / "pool" / "big" / "casts" / "cast-00007"
    folder.mkdir(parents=True)
    (folder / "item.json").write_text('{"id": "cast-00007", "collection": "big.casts"}')
    (folder / "7.nc").write_bytes(bytes(999))
    assert where() is None  # it is not whole
    (folder / "7.nc").write_bytes(bytes(1000))
    assert where() == str(folder / "7.nc")
