"""Orders in the data pool: the real service and the real downloader, real profiles from loopback."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pelagos_client
import pytest
from catalogue_service import HubStandIn
from datapool_service import Service
from datapool_service import Service as Pool
from download_source import Source, say
from downloader_kit import Kit, kit
from granules import HOSTILE, NAMES, argo, held
from pelagos.catalogue.index import Writer
from pelagos.catalogue.records import Asset, CollectionRecord, GranuleRecord
from pelagos.datapool.database import url_of
from pelagos_client import hub_orders
from pelagos_client.errors import (
    OrderError,
    OrderFailedError,
    OrderTimeoutError,
    ServiceAwayError,
    ServiceRefusedError,
)
from pelagos_client.items import Items
from support import until

FLOATS = "src.floats"


def build(index: Path, source: Source) -> None:
    """A catalogue of the real profiles that the source serves."""
    with Writer(index) as writer:
        run = writer.run("src", "Argo GDAC")
        run.collection(
            CollectionRecord(
                "floats", HOSTILE, "Profiles", doi="10.17882/42182", licence="CC-BY-4.0"
            )
        )
        granules = []
        for name in NAMES:
            content = argo(name).read_bytes()
            url = source.add(f"/dac/{name}", content)
            asset = Asset("data", url, "application/x-netcdf", size=len(content))
            granules.append(GranuleRecord(name.removesuffix(".nc"), assets=(asset,)))
        run.granules("floats", granules)
        run.finish_collection("floats")
        run.finish()


@dataclass
class Vre:
    """What a person's server sees."""

    kit: Kit
    service: Service
    source: Source
    dataspace: Path

    def items(self, *names: str) -> Items:
        ids = [name.removesuffix(".nc") for name in names or NAMES]
        return Items([{"id": one, "collection": FLOATS} for one in ids])


@pytest.fixture
def vre(source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vre]:
    index = tmp_path / "index.sqlite"
    build(index, source)
    with ExitStack() as stack:
        pool = stack.enter_context(kit(tmp_path / "state", source.url("/")))
        hub = stack.enter_context(HubStandIn())
        service = stack.enter_context(serving(pool, hub, index))
        dataspace = tmp_path / "dataspace"
        (dataspace / "me").mkdir(parents=True)
        pool.pool.mkdir(parents=True, exist_ok=True)
        (dataspace / "pool").symlink_to(pool.pool)
        monkeypatch.setenv("PELAGOS_DATASPACE", str(dataspace))
        monkeypatch.setenv("PELAGOS_DATAPOOL_API", service.url)
        monkeypatch.setenv("JUPYTERHUB_API_TOKEN", service.person("ada"))
        monkeypatch.delenv("PELAGOS_CATALOGUE_API", raising=False)
        yield Vre(pool, service, source, dataspace)


def serving(pool: Kit, hub: HubStandIn, index: Path) -> Service:
    return Pool(pool.state.datapool, hub, url_of(pool.state.datapool), pool.settings, index=index)


def test_ordered_files_come_into_the_pool_and_are_opened_there(vre: Vre) -> None:
    found = pelagos_client.estimate(vre.items())
    assert (found.files, found.fits, found.refused) == (3, True, ())
    assert found.known == sum(argo(name).stat().st_size for name in NAMES)
    order = pelagos_client.order(vre.items(), title="Profiles").wait(60, progress=False)
    assert order.state == "ready"
    pool = vre.kit.pool.resolve()
    for name, path in zip(NAMES, order.files, strict=True):
        assert path.resolve().is_relative_to(pool)
        assert path.read_bytes() == argo(name).read_bytes()
    assert order.folder == vre.dataspace / "me" / "orders" / str(order.number)
    data = pelagos_client.open(order)
    assert list(data) == [name.removesuffix(".nc") for name in NAMES]
    assert data[NAMES[0].removesuffix(".nc")]["TEMP"].size > 10
    cited = order.cite()
    assert (cited[0].doi, cited[0].licence) == ("10.17882/42182", "CC-BY-4.0")
    again = pelagos_client.order(vre.items()).wait(30, progress=False)
    assert again.status.cached == 3
    assert len(vre.source.requests) == 3


def test_orders_are_listed_and_found_by_number(vre: Vre) -> None:
    first = pelagos_client.order(vre.items(NAMES[0]), title=HOSTILE)
    second = pelagos_client.order(vre.items(NAMES[1]))
    assert [order.number for order in pelagos_client.orders()] == [second.number, first.number]
    assert pelagos_client.get(first.number).status.title == HOSTILE
    for shown in (first, pelagos_client.orders(), first.wait(60, progress=False).cite()):
        assert "<img" not in shown._repr_html_()  # type: ignore[attr-defined]
    with pytest.raises(ServiceRefusedError, match="no order"):
        pelagos_client.get(4711)


def test_an_items_file_is_found_in_the_pool(vre: Vre) -> None:
    pelagos_client.order(vre.items(NAMES[0])).wait(60, progress=False)
    vre.source.requests.clear()
    name = NAMES[0]
    document = {
        "type": "Feature", "stac_version": "1.1.0", "id": name.removesuffix(".nc"),
        "collection": FLOATS, "properties": {"pelagos:infrastructure": "src"}, "links": [],
        "assets": {"data": {"href": vre.source.url(f"/dac/{name}"), "roles": ["data"],
                            "type": "application/x-netcdf",
                            "file:size": argo(name).stat().st_size}},
    }  # fmt: skip
    with pelagos_client.open(document) as data:  # type: ignore[union-attr]
        assert "TEMP" in data
    assert vre.source.requests == []


def test_a_change_is_told_at_once(vre: Vre, monkeypatch: pytest.MonkeyPatch) -> None:
    """By events: as the only look is the first one, polling would not see it."""
    gate = threading.Event()
    vre.source.always[f"/dac/{NAMES[0]}"] = held(gate)
    order = pelagos_client.order(vre.items())
    seen: list[float] = []
    real = hub_orders.HubOrder.status.fget

    def status(self: Any) -> Any:
        seen.append(time.monotonic())
        return real(self)  # type: ignore[misc]

    monkeypatch.setattr(hub_orders.HubOrder, "status", property(status))
    threading.Timer(2, gate.set).start()
    order.wait(60, progress=False)
    assert len(seen) < 12


def test_waiting_has_an_end_and_the_order_goes_on(vre: Vre) -> None:
    gate = threading.Event()
    vre.source.always[f"/dac/{NAMES[0]}"] = held(gate)
    order = pelagos_client.order(vre.items())
    began = time.monotonic()
    with pytest.raises(OrderTimeoutError, match="It goes on"):
        order.wait(1, progress=False)
    assert time.monotonic() - began < 5
    with pytest.raises(OrderError, match="is not ready"):
        _ = order.files
    gate.set()
    assert order.wait(60, progress=False).state == "ready"


def test_a_failed_order_tells_its_files_and_is_tried_again(vre: Vre) -> None:
    path = f"/dac/{NAMES[1]}"
    vre.source.always[path] = say(404)
    order = pelagos_client.order(vre.items())
    with pytest.raises(OrderFailedError, match=NAMES[1]) as caught:
        order.wait(60, progress=False)
    assert len(caught.value.failed) == 1
    del vre.source.always[path]
    assert order.retry().wait(60, progress=False).state == "ready"


def test_a_cancelled_order_is_not_waited_for(vre: Vre) -> None:
    gate = threading.Event()
    vre.source.always[f"/dac/{NAMES[0]}"] = held(gate)
    order = pelagos_client.order(vre.items())
    order.cancel()
    with pytest.raises(OrderError, match="was cancelled"):
        order.wait(30, progress=False)
    gate.set()
    with pytest.raises(OrderError, match="retry"):
        _ = order.files
    assert order.retry().wait(60, progress=False).state == "ready"


def test_a_restart_of_service_and_downloader_is_waited_out(vre: Vre, tmp_path: Path) -> None:
    gate = threading.Event()
    vre.source.always[f"/dac/{NAMES[0]}"] = held(gate)
    order = pelagos_client.order(vre.items())
    until(lambda: len(vre.source.requests) >= 3, 20, "the downloader's requests")
    done: list[str] = []
    waiting = threading.Thread(target=lambda: done.append(order.wait(90, progress=False).state))
    waiting.start()
    vre.service.__exit__()
    vre.kit.end(signal.SIGKILL)
    with pytest.raises(ServiceAwayError, match="does not answer"):
        _ = order.status
    gate.set()
    vre.kit.start()
    again = serving(vre.kit, vre.service.hub, tmp_path / "index.sqlite")
    again.port = vre.service.port
    again.server.config.port = vre.service.port
    with again:
        waiting.join(60)
    assert done == ["ready"]


def test_what_is_refused_says_why(vre: Vre, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ServiceRefusedError, match="nothing-here"):
        pelagos_client.order({"type": "Feature", "id": "nothing-here", "collection": FLOATS})
    elsewhere = Items(vre.items().documents, catalogue="https://stac.example.org/")
    with pytest.raises(OrderError, match="data pool orders from"):
        pelagos_client.order(elsewhere)
    with pytest.raises(OrderError, match="no collection"):
        pelagos_client.order({"type": "Feature", "id": "x"})
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "wrong")
    with pytest.raises(ServiceRefusedError):
        pelagos_client.orders()


def test_an_order_is_fetched_again_by_its_number(vre: Vre) -> None:
    order = pelagos_client.order(vre.items()).wait(60, progress=False)
    assert pelagos_client.again(order.number).number == order.number
    query = vre.kit.state.folder / "parcels" / "ada" / str(order.number) / "query.json"
    assert pelagos_client.again(query).wait(60, progress=False).status.cached == 3
