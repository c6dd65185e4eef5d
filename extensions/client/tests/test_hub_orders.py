"""Orders in the data pool: the real service and downloader, real profiles from loopback."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pelagos_client
import pytest
from catalogue_service import SCOPE as CATALOGUE_SCOPE
from catalogue_service import HubStandIn
from catalogue_service import Service as Catalogue
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
    QuestionError,
    ServiceAwayError,
    ServiceRefusedError,
)
from pelagos_client.items import Items
from pelagos_client.web import Service
from support import leeway, until

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
    service: Pool
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


def serving(pool: Kit, hub: HubStandIn, index: Path) -> Pool:
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


def test_from_a_search_to_a_citation(
    vre: Vre, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = vre.service.person("eve")
    vre.service.hub.people[token]["scopes"].append(CATALOGUE_SCOPE)
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", token)
    with Catalogue(tmp_path / "index.sqlite", vre.service.hub, vre.kit.settings) as catalogue:
        monkeypatch.setenv("PELAGOS_CATALOGUE_API", f"{catalogue.url}/")
        items = pelagos_client.search(collections=FLOATS)
        assert len(items) == 3
        order = pelagos_client.order(items[:2], title="two").wait(60, progress=False)
        data: Any = pelagos_client.open(order, combine=True)
        parts: list[Any] = [pelagos_client.open(argo(f"{name}.nc")) for name in items[:2].ids]
        assert data.sizes["N_PROF"] == sum(part.sizes["N_PROF"] for part in parts)
        vre.source.requests.clear()
        # an item of the search is found in the pool, without a download
        assert "TEMP" in pelagos_client.open(items[0])  # type: ignore[operator]
        assert vre.source.requests == []
        assert order.cite()[0].doi == "10.17882/42182"
        # the pool can't do this one's folder: it is fetched from the source, by this program
        mine = pelagos_client.order(
            items[0], to=tmp_path / "mine", private_hosts=[f"127.0.0.1:{vre.source.port}"]
        )
        mine.wait(60, progress=False)
        assert mine.cite()[0].doi == "10.17882/42182"
        assert len(vre.source.requests) == 1


def test_orders_are_listed_and_found_by_number(vre: Vre) -> None:
    first = pelagos_client.order(vre.items(NAMES[0]), title=HOSTILE)
    second = pelagos_client.order(vre.items(NAMES[1]))
    assert [order.number for order in pelagos_client.orders()] == [second.number, first.number]
    assert pelagos_client.get(first.number).status.title == HOSTILE
    for shown in (first, pelagos_client.orders(), first.wait(60, progress=False).cite()):
        assert "<img" not in shown._repr_html_()  # type: ignore[attr-defined]
    with pytest.raises(ServiceRefusedError, match="no order"):
        pelagos_client.get(4711)


def test_an_order_that_is_ready_shows_its_folder_and_no_error(vre: Vre) -> None:
    order = pelagos_client.order(vre.items(NAMES[0])).wait(60, progress=False)
    lines = dict(line.strip().split(": ", 1) for line in repr(order).splitlines()[1:])
    assert lines["folder"] == f"~/dataspace/me/orders/{order.number}"
    assert lines["state"].startswith("ready, 1 file, ")
    assert lines["next"].startswith("Open it")
    assert "error" not in lines


def test_an_order_is_made_on_behalf_of_the_servers_virtual_lab(
    vre: Vre, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    place = hub_orders.place
    monkeypatch.setattr(hub_orders, "place", lambda body: asked.append(body) or place(
        body | {"virtual_lab": ""}))  # fmt: skip
    monkeypatch.setenv("PELAGOS_VIRTUAL_LAB", "ocean-climate")
    pelagos_client.order(vre.items(NAMES[0]))
    pelagos_client.order(vre.items(NAMES[0]), virtual_lab="")
    assert [one["virtual_lab"] for one in asked] == ["ocean-climate", ""]


@pytest.mark.parametrize("to", ["workspce", "Dataspace", "datapace"])
def test_a_misspelt_target_becomes_no_folder(vre: Vre, to: str) -> None:
    with pytest.raises(QuestionError, match="Did you mean"):
        pelagos_client.order(vre.items(NAMES[0]), to)
    assert list(pelagos_client.orders()) == []


def test_an_estimate_with_an_unknown_granule_says_no(vre: Vre) -> None:
    wrong = Items([*vre.items(NAMES[0]).documents, {"id": "misspelt", "collection": FLOATS}])
    shown = str(pelagos_client.estimate(wrong))
    assert "can be ordered  no: leave out this granule" in shown
    assert "misspelt" in shown


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


def test_a_change_is_told_by_events(vre: Vre, monkeypatch: pytest.MonkeyPatch) -> None:
    def sleep(seconds: float) -> None:
        pytest.fail("it polls")

    clock = SimpleNamespace(monotonic=time.monotonic, sleep=sleep)
    gate = threading.Event()
    vre.source.always[f"/dac/{NAMES[0]}"] = held(gate)
    order = pelagos_client.order(vre.items())
    monkeypatch.setattr(hub_orders, "time", clock)
    threading.Timer(1, gate.set).start()
    assert order.wait(60, progress=False).state == "ready"


def test_without_events_it_is_polled(vre: Vre, monkeypatch: pytest.MonkeyPatch) -> None:
    def events(*_: Any) -> Any:
        raise ServiceRefusedError(404, "There is no such page.")
        yield

    monkeypatch.setattr(Service, "events", events)
    order = pelagos_client.order(vre.items())
    assert order.wait(60, progress=False).state == "ready"


def test_waiting_has_an_end_and_the_order_goes_on(vre: Vre) -> None:
    gate = threading.Event()
    vre.source.always[f"/dac/{NAMES[0]}"] = held(gate)
    order = pelagos_client.order(vre.items())
    began = time.monotonic()
    with pytest.raises(OrderTimeoutError, match="It goes on"):
        order.wait(1, progress=False)
    assert time.monotonic() - began < leeway(5)
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
