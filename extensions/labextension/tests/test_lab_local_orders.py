"""Orders that this server carries out itself: no hub, files of a catalogue on the loopback."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyterlab_pelagos.known_orders import KnownOrders
from jupyterlab_pelagos.models.orders import WantedOrder
from jupyterlab_pelagos.ordering import Ordering
from jupyterlab_pelagos.orders import Desk
from jupyterlab_pelagos.shared import Shared
from jupyterlab_pelagos.watching import Watcher
from lab_server import Answer, Ask, a_server
from lab_stac import BODY, SEARCH, Catalogue
from loopback import Reply, serve
from pelagos_client.local_state import STOP
from support import until

KEY = "0123456789abcdef"


@pytest.fixture
def catalogue() -> Iterator[Catalogue]:
    with serve({}) as server:
        found = Catalogue(server)
        yield found
        found.gate.set()


@pytest.fixture
def filled(catalogue: Catalogue, ask: Ask) -> Catalogue:
    """Two granules, both in the basket."""
    for name in ("one", "two"):
        catalogue.add(name)
    assert ask("POST", "basket", catalogue.basket("one", "two")).status == 200
    return catalogue


def order(ask: Ask, key: str = KEY, *accept: str) -> Answer:
    return ask("POST", "orders", {"accept": list(accept), "key": key})


def until_over(ask: Ask, name: str) -> Any:
    def look() -> Any:
        found = ask("GET", f"orders/{name}").json
        return found if not found["can_cancel"] else None

    return until(look, 60, "the order")


def an_order_under_way(filled: Catalogue, root: Path) -> tuple[Shared, list[dict[str, Any]]]:
    """A server that fetches an order, whose files do not come before the gate is opened."""
    filled.gate.clear()
    first, told = a_server(root)
    first.one(Ordering).order(WantedOrder(key=KEY))
    first.one(Watcher).wake()
    until(filled.files_asked, 30, "a request")
    return first, told


def test_into_a_numbered_folder(ask: Ask, filled: Catalogue, jp_root_dir: Path) -> None:
    expected = ask("POST", "estimate", {}).json
    assert (expected["files"], expected["known"]) == (2, 2 * len(BODY))
    assert expected["fits"]
    ask("POST", "basket", {"kind": "set", "title": "Mine", "to": "data"})
    made = order(ask)
    assert made.status == 201
    assert made.json["id"] == "local-1"
    ready = until_over(ask, "local-1")
    assert (ready["state"], ready["title"], ready["to"]) == ("ready", "Mine", "data")
    assert ready["files"] == {"total": 2, "ready": 2, "failed": 0, "waiting": 0, "cached": 0}
    assert ready["contents"] == "data/1"
    assert ready["folder"] == str(jp_root_dir / "data" / "1")
    assert ready["sequence"] > made.json["sequence"]
    files = ask("GET", "orders/local-1/files").json["files"]
    assert [Path(one["local"]).read_bytes() for one in files] == [BODY, BODY]
    assert ask("GET", "orders/local-1/files", offset=2).json == {"files": [], "next": None}
    assert len(ask("GET", "orders/local-1/citations").json) == 1
    assert ask("GET", "basket").json["items"] == []
    # an answer that was lost: the same key, though the basket is empty
    assert order(ask).json["id"] == "local-1"
    assert [one["id"] for one in ask("GET", "orders").json["orders"]] == ["local-1"]
    assert ask("DELETE", "orders/local-1").status == 204
    assert ask("GET", "orders").json["orders"] == []
    assert (jp_root_dir / "data" / "1" / "README.txt").is_file()
    # no identifier is given twice: another tab may still show the old one
    ask("POST", "basket", filled.basket("one"))
    assert order(ask, "another-key").json["id"] == "local-2"
    until_over(ask, "local-2")


def test_a_search_is_remembered_to_be_repeated(
    ask: Ask, filled: Catalogue, jp_root_dir: Path
) -> None:
    query = {"q": "salt", "bbox": [1, 2, 3, 4], "start": "2020-01-01"}
    cut = {"bbox": [1, 2, 3, 4], "start": "2020-01-01", "end": "2020-01-31"}
    ask("POST", "basket", filled.basket("one", "two", cut=cut) | {"query": query})
    order(ask)
    until_over(ask, "local-1")
    text = (jp_root_dir / "pelagos-orders" / "1" / "query.json").read_text()
    for part in ('"salt"', '"2020-01-01/.."', "2020-01-31T23:59:59Z", filled.url):
        assert part in text, part


def test_what_cannot_be_ordered_is_listed(ask: Ask, filled: Catalogue) -> None:
    filled.items["bare"] = {**filled.items["one"], "id": "bare", "assets": {}}
    ask("POST", "basket", filled.basket("bare"))
    assert [one["item"] for one in ask("POST", "estimate", {}).json["refused"]] == ["bare"]
    answer = order(ask)
    assert answer.status == 400
    assert "bare can't be ordered" in answer.json["reason"]
    assert answer.json["refused"][0]["item"] == "bare"
    assert filled.files_asked() == []
    del filled.items["bare"]
    ask("POST", "basket", filled.basket("bare", size=1))  # another revision: looked up again
    answer = order(ask)
    assert answer.status == 400
    assert "a/bare is not in the catalogue any more" in answer.json["reason"]


def test_terms_are_accepted_first(ask: Ask, filled: Catalogue) -> None:
    server = filled.server
    server.routes["/accept"] = Reply(b"", headers={"Set-Cookie": "agreed=1"})
    licence = {"accept": f"{server.url}/accept", "page": "https://example.org/licence"}
    filled.add("closed", **{"pelagos:licence": licence})
    ask("POST", "basket", filled.basket("closed"))
    answer = order(ask)
    assert answer.status == 409
    (terms,) = answer.json["accept"]
    assert terms["url"] == "https://example.org/licence"
    assert ask("POST", "estimate", {}).json["accept"] == [terms]
    assert len(ask("GET", "basket").json["items"]) == 3
    assert order(ask, KEY, terms["key"]).status == 201
    assert until_over(ask, "local-1")["state"] == "ready"


def test_an_order_that_does_not_fit_is_refused(
    ask: Ask, filled: Catalogue, jp_root_dir: Path
) -> None:
    filled.add("huge", **{"file:size": 10**18})
    ask("POST", "basket", filled.basket("huge"))
    expected = ask("POST", "estimate", {}).json
    assert not expected["fits"]
    answer = order(ask)
    assert answer.status == 409
    assert "does not fit: It needs 9.09e+05 TiB" in answer.json["reason"]
    assert answer.json["mend"]
    assert not (jp_root_dir / "pelagos-orders").exists()


def test_one_order_is_of_one_catalogue(ask: Ask, filled: Catalogue) -> None:
    other = filled.basket("one")
    other["items"][0] |= {"catalogue": "https://stac.example.org", "id": "other"}
    ask("POST", "basket", other)
    for answer in (ask("POST", "estimate", {}), order(ask)):
        assert answer.status == 409
        assert "several catalogues" in answer.json["reason"]
        assert "take the others out" in answer.json["mend"]


def test_without_any_catalogue_it_is_said_so(ask: Ask) -> None:
    item = {"collection": "a", "id": "one"}
    ask("POST", "basket", {"kind": "add", "items": [item]})
    answer = ask("POST", "estimate", {})
    assert answer.status == 409
    assert "no catalogue here" in answer.json["reason"]


def test_a_catalogue_that_is_down_is_said_so(ask: Ask, filled: Catalogue) -> None:
    filled.server.routes[SEARCH] = Reply(b"oh", "text/plain", 500)
    answer = ask("POST", "estimate", {})
    assert answer.status >= 400
    assert "catalogue" in answer.json["reason"]
    assert len(ask("GET", "basket").json["items"]) == 2


def test_it_is_cancelled_and_tried_again(ask: Ask, filled: Catalogue) -> None:
    filled.gate.clear()
    order(ask)
    assert ask("GET", "orders/local-1").json["can_cancel"]
    until(filled.files_asked, 30, "a request")
    threading.Timer(0.3, filled.gate.set).start()
    cancelled = ask("POST", "orders/local-1/cancel", {}).json
    assert cancelled["state"] == "cancelled"
    assert cancelled["can_retry"]
    assert ask("POST", "orders/local-1/cancel", {}).status == 400
    assert ask("POST", "orders/local-1/retry", {}).status == 200
    assert until_over(ask, "local-1")["state"] == "ready"


def test_a_folder_that_went_is_said_so(ask: Ask, filled: Catalogue, jp_root_dir: Path) -> None:
    order(ask)
    until_over(ask, "local-1")
    (jp_root_dir / "pelagos-orders").rename(jp_root_dir / "elsewhere")
    found = ask("GET", "orders/local-1").json
    assert (found["state"], found["contents"], found["can_retry"]) == ("expired", None, False)
    assert "no order in" in found["error"]
    assert ask("GET", "orders/local-1/files").status == 400
    assert ask("DELETE", "orders/local-1").status == 204


def test_the_next_server_goes_on(
    ask: Ask, filled: Catalogue, jp_root_dir: Path, jp_home_dir: Path
) -> None:
    filled.gate.clear()
    first, _ = a_server(jp_root_dir)
    assert first.one(Ordering).order(WantedOrder(key=KEY)).id == "local-1"
    first.one(Watcher).wake()
    until(filled.files_asked, 30, "a request")
    threading.Timer(0.3, filled.gate.set).start()
    first.stop()
    assert first.one(Desk).show("local-1").state == "cancelled"
    assert not any(one.name.startswith("pelagos-") for one in threading.enumerate())
    second, told = a_server(jp_root_dir)
    second.one(Watcher).begin()
    until(lambda: second.one(Desk).show("local-1").state == "ready", 60, "the order")
    sequence = second.one(Desk).show("local-1").sequence
    until(lambda: told and told[-1]["sequence"] == sequence, 10, "its last event")
    assert {(one["kind"], one["id"]) for one in told} == {("order", "local-1")}
    until(lambda: not second.one(KnownOrders).local()["local-1"].running, 10, "its end")
    second.stop()
    # nothing is begun by a third one: all is over
    third, _ = a_server(jp_root_dir)
    third.one(Watcher).begin()
    assert not any(one.name.startswith("pelagos-") for one in threading.enumerate())


def test_another_server_that_is_there_goes_on(
    ask: Ask, filled: Catalogue, jp_root_dir: Path
) -> None:
    """Two servers of one person: the one that fetches stops, the other one takes over."""
    first, _ = an_order_under_way(filled, jp_root_dir)
    second, told = a_server(jp_root_dir)
    second.one(Watcher).begin()
    until(lambda: told, 10, "the second one sees it")
    threading.Timer(0.3, filled.gate.set).start()
    first.stop()
    until(lambda: second.one(Desk).show("local-1").state == "ready", 60, "the order")
    until(lambda: not second.one(KnownOrders).local()["local-1"].running, 10, "its end")
    assert told[-1]["sequence"] == second.one(Desk).show("local-1").sequence
    second.stop()


def test_who_is_slower_to_go_on_follows_it_all_the_same(
    ask: Ask, filled: Catalogue, jp_root_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pelagos_client.errors import OrderError
    from pelagos_client.local_orders import LocalOrder

    first, _ = an_order_under_way(filled, jp_root_dir)
    threading.Timer(0.3, filled.gate.set).start()
    first.stop()
    second, _ = a_server(jp_root_dir)
    desk, again = second.one(Desk), LocalOrder.retry

    def too_late(order: LocalOrder) -> LocalOrder:
        filled.gate.clear()
        again(order)
        raise OrderError("The order is under way in another program.", "Wait for it.")

    monkeypatch.setattr(LocalOrder, "retry", too_late)
    assert desk.show("local-1").state == "cancelled"
    desk.resume("local-1")
    assert second.one(KnownOrders).local()["local-1"].running
    filled.gate.set()
    until(lambda: desk.show("local-1").state == "ready", 60, "the order")
    second.stop()


def test_what_another_program_cancelled_stays_so(
    ask: Ask, filled: Catalogue, jp_root_dir: Path
) -> None:
    """A notebook asks for the end by a file: nobody takes over what is not wanted."""
    first, told = an_order_under_way(filled, jp_root_dir)
    (Path(first.one(Desk).show("local-1").folder) / STOP).touch()
    filled.gate.set()
    until(lambda: not first.one(KnownOrders).local()["local-1"].running, 30, "its end")
    assert first.one(Desk).show("local-1").state == "cancelled"
    assert told[-1]["sequence"] == first.one(Desk).show("local-1").sequence
    first.stop()


def test_what_a_notebook_cancelled_while_no_server_ran_stays_so(
    ask: Ask, filled: Catalogue, jp_root_dir: Path
) -> None:
    from pelagos_client.local_orders import LocalOrder

    first, _ = an_order_under_way(filled, jp_root_dir)
    threading.Timer(0.3, filled.gate.set).start()
    first.stop()
    made = LocalOrder(Path(first.one(Desk).show("local-1").folder))
    assert made.was_interrupted
    made.cancel()
    assert not made.was_interrupted
    second, _ = a_server(jp_root_dir)
    second.one(Watcher).begin()
    until(lambda: not second.one(KnownOrders).local()["local-1"].running, 30, "its end")
    assert second.one(Desk).show("local-1").state == "cancelled"
    second.stop()
    assert made.retry().wait(60, progress=False).state == "ready"


def test_an_end_that_another_server_asked_for_is_told(
    ask: Ask, filled: Catalogue, jp_root_dir: Path
) -> None:
    filled.gate.clear()
    first, told = a_server(jp_root_dir)
    first.one(Ordering).order(WantedOrder(key=KEY))
    first.one(Watcher).wake()
    until(lambda: told, 30, "the first look")
    second, _ = a_server(jp_root_dir)
    second.one(KnownOrders).set_running("local-1", False)  # as `cancel` does first
    folder = second.one(KnownOrders).folder("local-1")
    assert folder is not None
    (folder / STOP).touch()
    filled.gate.set()
    until(lambda: first.one(Desk).show("local-1").state == "cancelled", 30, "its end")
    sequence = first.one(Desk).show("local-1").sequence
    until(lambda: told[-1]["sequence"] == sequence, 10, "its last event")
    first.stop()


def test_what_a_person_cancelled_stays_so(ask: Ask, filled: Catalogue, jp_root_dir: Path) -> None:
    filled.gate.clear()
    first, _ = a_server(jp_root_dir)
    first.one(Ordering).order(WantedOrder(key=KEY))
    until(filled.files_asked, 30, "a request")
    threading.Timer(0.3, filled.gate.set).start()
    assert first.one(Desk).cancel("local-1").state == "cancelled"
    second, _ = a_server(jp_root_dir)
    second.one(Watcher).wake()
    second.stop()
    assert second.one(Desk).show("local-1").state == "cancelled"


def test_activity_is_told_while_it_goes_on(filled: Catalogue, jp_root_dir: Path) -> None:
    times: list[float] = []
    filled.gate.clear()
    shared = Shared(
        jp_root_dir,
        "",
        "pelagos-orders",
        lambda _: None,
        lambda: times.append(time.monotonic()),
        logging.getLogger("test"),
    )
    shared.one(Ordering).order(WantedOrder(key=KEY))
    shared.one(Watcher).wake()
    until(lambda: len(times) > 1, 30, "activity")
    filled.gate.set()
    until(lambda: shared.one(Desk).show("local-1").state == "ready", 30, "the order")
    until(lambda: not shared.one(Watcher)._look_once(), 10, "the end")
    count = len(times)
    assert not shared.one(Watcher)._look_once()
    assert len(times) == count
    shared.stop()
