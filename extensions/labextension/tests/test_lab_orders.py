"""Orders in the data pool of a VRE: the real service and downloader, files from loopback."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from download_source import give
from jupyterlab_pelagos.basket import BasketStore
from jupyterlab_pelagos.models.orders import Order, WantedOrder
from jupyterlab_pelagos.ordering import Ordering
from lab_server import Answer, Ask, a_server
from lab_stac import Catalogue
from lab_vre import FLOATS, Vre, content
from loopback import serve as serve_any
from support import free_port, until

KEY = "0123456789abcdef"


def order(ask: Ask, key: str = KEY, *accept: str) -> Answer:
    return ask("POST", "orders", {"accept": list(accept), "key": key})


def until_ready(ask: Ask, number: str) -> Any:
    """The order once it is ready."""

    def look() -> Any:
        found = ask("GET", f"orders/{number}").json
        assert found["state"] != "failed", found
        return found if found["state"] == "ready" else None

    return until(look, 60, "the order")


def test_from_the_basket_to_files(ask: Ask, vre: Vre, jp_root_dir: Path) -> None:
    (jp_root_dir / "dataspace").symlink_to(vre.dataspace)
    assert ask("GET", "basket").json["to"] == "dataspace"
    ask("POST", "basket", vre.basket("one", "two") | {"query": {"q": "salt"}})
    ask("POST", "basket", {"kind": "set", "title": "Mine"})
    expected = ask("POST", "estimate", {}).json
    size = len(content("one")) + len(content("two"))
    assert (expected["files"], expected["known"], expected["fits"]) == (2, size, True)
    assert expected["accept"] == expected["refused"] == []
    made = order(ask)
    assert made.status == 201
    assert (made.json["title"], made.json["to"]) == ("Mine", "dataspace")
    number = made.json["id"]
    assert ask("GET", "basket").json["items"] == []
    ready = until_ready(ask, number)
    assert ready["folder"] == str(vre.dataspace / "me" / "orders" / number)
    assert ready["contents"] == f"dataspace/me/orders/{number}"
    assert (ready["can_cancel"], ready["can_retry"]) == (False, False)
    assert ready["sequence"] > made.json["sequence"]
    found = ask("GET", f"orders/{number}/files").json
    assert found["next"] is None
    local = {one["item"]: Path(one["local"]).read_bytes() for one in found["files"]}
    assert local == {"one": content("one"), "two": content("two")}
    assert ask("GET", f"orders/{number}/citations").json[0]["doi"] == "10.17882/42182"
    assert [one["id"] for one in ask("GET", "orders").json["orders"]] == [number]
    with vre.service.client(vre.token) as client:
        assert client.get(f"/orders/{number}").json()["virtual_lab"] == ""


def test_the_same_key_is_the_same_order(ask: Ask, vre: Vre) -> None:
    ask("POST", "basket", vre.basket("one"))
    first = order(ask)
    again = order(ask)
    assert (first.json["id"], again.status) == (again.json["id"], 201)
    empty = order(ask, "another-key")
    assert empty.status == 409
    assert "basket is empty" in empty.json["reason"]
    # the answer was lost before the basket was emptied
    ask("POST", "basket", vre.basket("one"))
    with vre.service.client(vre.token) as client:
        key = f"basket-{ask('GET', 'basket').json['revision']}"
        body = {"items": [{"collection": FLOATS, "item": "one"}], "key": key}
        number = client.post("/orders", json=body).json()["number"]
    assert order(ask, "lost-answer").json["id"] == str(number)
    assert len(ask("GET", "orders").json["orders"]) == 2


def test_what_cannot_be_ordered_is_listed(ask: Ask, vre: Vre) -> None:
    ask("POST", "basket", vre.basket("one", "bare", "unknown"))
    refused = ask("POST", "estimate", {}).json["refused"]
    assert sorted(one["item"] for one in refused) == ["bare", "unknown"]
    answer = order(ask)
    assert answer.status == 400
    assert "2 items can't be ordered" in answer.json["reason"]
    assert answer.json["mend"]
    assert sorted(one["item"] for one in answer.json["refused"]) == ["bare", "unknown"]
    assert len(ask("GET", "basket").json["items"]) == 3
    assert ask("GET", "orders").json == {"orders": [], "missing": None}


def test_terms_are_accepted_first(ask: Ask, vre: Vre) -> None:
    ask("POST", "basket", vre.basket("closed"))
    (terms,) = ask("POST", "estimate", {}).json["accept"]
    assert terms["url"] == "https://example.org/licence"
    answer = order(ask)
    assert answer.status == 409
    assert "have to be accepted first" in answer.json["reason"]
    assert answer.json["accept"] == [terms]
    assert order(ask, KEY, terms["key"]).status == 201
    assert ask("GET", "basket").json["items"] == []


def test_an_order_that_does_not_fit_is_refused(ask: Ask, vre: Vre) -> None:
    ask("POST", "basket", vre.basket("huge"))
    expected = ask("POST", "estimate", {}).json
    assert (expected["known"], expected["fits"]) == (10**12, False)
    assert expected["reason"]
    answer = order(ask)
    assert answer.status == 409
    assert "931.3 GiB" in answer.json["reason"], answer.json
    assert answer.json["mend"]
    assert len(ask("GET", "basket").json["items"]) == 1


def test_two_tabs_that_order_at_once_make_one_order(
    ask: Ask, vre: Vre, jp_fetch: Any, jp_asyncio_loop: asyncio.AbstractEventLoop
) -> None:
    ask("POST", "basket", vre.basket("one"))

    async def both() -> list[Any]:
        bodies = [json.dumps({"key": f"key-of-tab-{one}"}) for one in range(2)]
        asked = (jp_fetch("pelagos", "orders", method="POST", body=one) for one in bodies)
        return await asyncio.gather(*asked, return_exceptions=True)

    answers = jp_asyncio_loop.run_until_complete(both())
    assert sorted(one.code for one in answers) == [201, 409]
    assert len(ask("GET", "orders").json["orders"]) == 1


def test_two_servers_that_order_a_basket_at_once_make_one_order(
    ask: Ask, vre: Vre, jp_root_dir: Path
) -> None:
    """Each has read the basket before the other one has emptied it."""
    ask("POST", "basket", vre.basket("one"))
    both = threading.Barrier(2, timeout=30)
    made: list[Order] = []

    def other(name: str) -> None:
        server, _ = a_server(jp_root_dir)
        store = server.one(BasketStore)
        basket = store.get()
        both.wait()
        store.get = lambda: basket  # type: ignore[method-assign] # what it read
        made.append(server.one(Ordering).order(WantedOrder(key=f"key-of-{name}")))

    threads = [threading.Thread(target=other, args=(name,)) for name in ("ada", "nia")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(made) == 2
    assert len({one.id for one in made}) == 1
    assert len(ask("GET", "orders").json["orders"]) == 1
    assert ask("GET", "basket").json["items"] == []


def test_only_a_cut_that_all_share_is_asked_for(
    ask: Ask, vre: Vre, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pelagos_client.web import Service

    bodies: list[Any] = []
    inner = Service.call

    def call(self: Service, method: str, path: str, body: Any = None, query: Any = None) -> Any:
        bodies.append(body)
        return inner(self, method, path, body, query)

    monkeypatch.setattr(Service, "call", call)
    monkeypatch.setenv("PELAGOS_VIRTUAL_LAB", "open-sea")
    cut = {"bbox": [-10, 40, 0, 50], "start": "2020-01-01", "end": "2020-01-31"}
    query = {"q": "salt", "facets": {"platform": ["float"]}, "end": "2020-06-01"}
    ask("POST", "basket", vre.basket("one", "two", cut=cut) | {"query": query})
    ask("POST", "estimate", {})
    assert bodies[-1]["criteria"] == {
        "bbox": [-10, 40, 0, 50], "start": "2020-01-01T00:00:00Z", "end": "2020-01-31T23:59:59Z",
        "variables": [],
    }  # fmt: skip
    assert bodies[-1]["query"] == {
        "q": "salt", "datetime": "../2020-06-01", "platform": ["float"], "collections": [FLOATS],
    }  # fmt: skip
    assert bodies[-1]["virtual_lab"] == "open-sea"
    ask("POST", "basket", vre.basket("three", cut={**cut, "end": "2020-02-01"}))
    ask("POST", "estimate", {})
    none = {"bbox": None, "start": None, "end": None, "variables": []}
    assert bodies[-1]["criteria"] == none
    gone = {"kind": "remove", "items": [{"collection": FLOATS, "id": "three"}]}
    ask("POST", "basket", gone)
    ask("POST", "basket", {"kind": "set", "cut": False})
    ask("POST", "estimate", {})
    assert bodies[-1]["criteria"] == none


def test_granules_of_elsewhere_go_into_a_folder(ask: Ask, vre: Vre, jp_root_dir: Path) -> None:
    with serve_any({}) as server:
        catalogue = Catalogue(server)
        catalogue.add("one")
        ask("POST", "basket", catalogue.basket("one"))
        answer = order(ask)
        assert answer.status == 409
        assert "data pool orders from the VRE's catalogue" in answer.json["reason"]
        assert "Choose a folder" in answer.json["mend"]
        assert ask("POST", "basket", {"kind": "set", "to": "elsewhere"}).status == 200
        number = order(ask).json["id"]
        assert number == "local-1"
        assert until_ready(ask, number)["contents"] == "elsewhere/1"
        ask("POST", "basket", {"kind": "set", "to": "dataspace"})
        ask("POST", "basket", vre.basket("one"))
        hub = order(ask, "another-key").json["id"]
        assert [one["id"] for one in ask("GET", "orders").json["orders"]] == [hub, number]
        with pytest.MonkeyPatch.context() as away:
            away.setenv("PELAGOS_DATAPOOL_API", f"http://127.0.0.1:{free_port()}/api")
            told = ask("GET", "orders").json
        assert [one["id"] for one in told["orders"]] == [number]
        assert told["missing"]["reason"] == "The data pool does not answer."
        assert "try again" in told["missing"]["mend"]
        # the token of the hub is not for others
        assert all("authorization" not in one.headers for one in server.requests)


def test_an_order_is_cancelled_tried_again_and_forgotten(ask: Ask, vre: Vre) -> None:
    gate = threading.Event()

    def held(handler: Any) -> None:
        gate.wait(30)
        give(handler)

    vre.source.always["/dac/one.nc"] = held
    ask("POST", "basket", vre.basket("one"))
    number = order(ask).json["id"]
    under_way = ask("GET", f"orders/{number}").json
    assert under_way["can_cancel"]
    assert not under_way["can_retry"]
    assert ask("GET", f"orders/{number}/files").json["files"][0]["local"] is None
    cancelled = ask("POST", f"orders/{number}/cancel", {})
    assert cancelled.json["state"] == "cancelled"
    assert cancelled.json["can_retry"]
    again = ask("POST", f"orders/{number}/cancel", {})
    assert again.json["state"] == "cancelled"
    gate.set()
    assert ask("POST", f"orders/{number}/retry", {}).status == 200
    until_ready(ask, number)
    assert ask("DELETE", f"orders/{number}").status == 204
    gone = ask("GET", f"orders/{number}")
    assert gone.status == 404
    assert "no order" in gone.json["reason"]


@pytest.mark.parametrize(
    "name", ["0", "-1", "local-1", "local-x", "abc", "%2e%2e", "1e3", "9" * 40]
)
def test_only_numbers_name_orders(ask: Ask, vre: Vre, name: str) -> None:
    for method, path in (("GET", ""), ("GET", "/files"), ("POST", "/cancel"), ("DELETE", "")):
        answer = ask(method, f"orders/{name}{path}", {} if method == "POST" else None)
        assert answer.status == 404, path
        assert answer.json["reason"]


def test_a_service_that_is_down_is_said_so_at_once(ask: Ask, vre: Vre) -> None:
    ask("POST", "basket", vre.basket("one"))
    vre.monkeypatch.setenv("PELAGOS_DATAPOOL_API", f"http://127.0.0.1:{free_port()}/api")
    began = time.monotonic()
    for method, path, body in (
        ("POST", "estimate", {}),
        ("POST", "orders", {"key": KEY}),
        ("GET", "orders/1", None),
    ):
        answer = ask(method, path, body)
        assert answer.status == 503, path
        assert answer.json["reason"] == "The data pool does not answer."
        assert "try again" in answer.json["mend"]
    assert time.monotonic() - began < 5
    assert len(ask("GET", "basket").json["items"]) == 1


def test_no_token_is_in_any_answer(ask: Ask, vre: Vre) -> None:
    ask("POST", "basket", vre.basket("one"))
    made = order(ask)
    number = made.json["id"]
    until_ready(ask, number)
    answers = [made] + [
        ask("GET", path)
        for path in ("orders", f"orders/{number}", f"orders/{number}/files", "basket", "storage")
    ]
    vre.monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "wrong-secret-token")
    assert ask("GET", "orders").json["orders"] == []
    refused = ask("GET", f"orders/{number}")
    # 401 would say that the browser's own sign-in has ended
    assert refused.status == 502
    for one in (*answers, refused):
        assert vre.token.encode() not in one.body
        assert b"wrong-secret-token" not in one.body
