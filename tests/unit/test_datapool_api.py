"""The API of the data pool: a real server, a real catalogue index, a real database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from catalogue_service import HubStandIn
from datapool_service import CLOSED, FLOATS, KIB, LOCAL, Service, settings, wanted
from pelagos.deployment import DATAPOOL_PATH
from pelagos.services.datapool.models import Order
from pelagos.settings import VirtualLab
from pelagos.settings.sources import CatalogueScope


@pytest.fixture(scope="module")
def hub() -> Iterator[HubStandIn]:
    with HubStandIn() as hub:
        yield hub


@pytest.fixture
def service(tmp_path: Path, hub: HubStandIn, orders_url: str) -> Iterator[Service]:
    labs = (
        VirtualLab(name="open-sea", open=True, catalogue=CatalogueScope(
            collections=["gdac.*", "folder.*", "gone.*"])),
        VirtualLab(name="closed-sea", managers_see_orders=True, catalogue=CatalogueScope(
            collections=["closed.*"])),
        VirtualLab(name="quiet-sea"),
    )  # fmt: skip
    chosen = settings(*labs, quota=1024 * KIB, order_files=40, live_orders=5)
    with Service(tmp_path, hub, orders_url, chosen) as service:
        yield service


@pytest.fixture
def ada(service: Service) -> Iterator[httpx.Client]:
    with service.client(service.person("ada")) as client:
        yield client


def test_an_order_is_made_shown_listed_cancelled_tried_again_and_deleted(
    ada: httpx.Client,
) -> None:
    answer = ada.post("/orders", json=wanted(3, 4, title="Two\nfloats", query={"q": "x"}))
    assert answer.status_code == 201, answer.text
    order = Order.model_validate(answer.json())
    assert answer.headers["location"] == f"{DATAPOOL_PATH}/api/orders/{order.number}"
    assert (order.state, order.owner, order.title, order.mine) == (
        "queued", "ada", "Two floats", True,
    )  # fmt: skip
    assert (order.files.total, order.files.cached, order.bytes.known) == (2, 0, 2 * KIB + 7)
    shown = ada.get(f"/orders/{order.number}").json()
    assert Order.model_validate(shown) == order
    files = ada.get(f"/orders/{order.number}/files").json()
    assert files["next"] is None
    assert [one["path"] for one in files["files"]] == [
        "gdac.floats/profile-00003/00003.nc", "gdac.floats/profile-00004/00004.nc",
    ]  # fmt: skip
    assert files["files"][0]["pool"] == "gdac/floats/profile-00003/00003.nc"
    assert files["files"][0]["state"] == "queued"
    assert files["files"][0]["size"] == KIB + 3
    assert [one["number"] for one in ada.get("/orders").json()["orders"]] == [order.number]
    cancelled = ada.post(f"/orders/{order.number}/cancel").json()
    assert cancelled["state"] == "cancelled"
    assert cancelled["sequence"] > order.sequence
    assert ada.post(f"/orders/{order.number}/cancel").json() == cancelled
    again = ada.post(f"/orders/{order.number}/retry").json()
    assert (again["state"], again["attempt"], again["error"]) == ("queued", 2, "")
    assert ada.delete(f"/orders/{order.number}").status_code == 204
    assert ada.get(f"/orders/{order.number}").status_code == 404
    assert ada.delete(f"/orders/{order.number}").status_code == 404
    assert ada.get("/orders").json() == {"orders": [], "before": None}


def test_the_same_key_is_the_same_order(service: Service, ada: httpx.Client) -> None:
    body = wanted(1, key="a-key-of-mine")
    first = ada.post("/orders", json=body)
    second = ada.post("/orders", json=body)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    with service.client(service.person("bob")) as bob:
        assert bob.post("/orders", json=body).json()["number"] != first.json()["number"]


def test_pages_of_orders_and_of_files(ada: httpx.Client) -> None:
    numbers = [ada.post("/orders", json=wanted(n)).json()["number"] for n in range(4)]
    ada.post(f"/orders/{numbers[1]}/cancel")
    page = ada.get("/orders", params={"limit": 3}).json()
    assert [one["number"] for one in page["orders"]] == numbers[:0:-1]
    rest = ada.get("/orders", params={"limit": 3, "before": page["before"]}).json()
    assert [one["number"] for one in rest["orders"]] == numbers[:1]
    assert rest["before"] is None
    found = ada.get("/orders", params={"state": ["cancelled", "ready"]}).json()
    assert [one["number"] for one in found["orders"]] == [numbers[1]]
    number = ada.post("/orders", json=wanted(*range(10))).json()["number"]
    seen, offset = [], 0
    while offset is not None:
        part = ada.get(f"/orders/{number}/files", params={"offset": offset, "limit": 4}).json()
        seen += [one["item"] for one in part["files"]]
        offset = part["next"]
    assert seen == [f"profile-{n:05}" for n in range(10)]


def test_what_cant_be_ordered_is_named_and_nothing_is_kept(ada: httpx.Client) -> None:
    items = [
        {"collection": FLOATS, "item": "profile-00001"},
        {"collection": FLOATS, "item": "missing"},
        {"collection": FLOATS, "item": "bare"},
        {"collection": FLOATS, "item": "sneaky"},
        {"collection": FLOATS, "item": "pair", "assets": ["data", "none"]},
        {"collection": CLOSED, "item": "one-1"},
        {"collection": "gone.old", "item": "one-1"},
        {"collection": "no.such", "item": "one-1"},
    ]
    answer = ada.post("/orders", json={"items": items})
    assert answer.status_code == 400
    problem = answer.json()
    reasons = {(one["collection"], one["item"]): one["reason"] for one in problem["refused"]}
    assert problem["refused_count"] == len(reasons) == 7
    assert "no such item" in reasons[FLOATS, "missing"]
    assert "no data" in reasons[FLOATS, "bare"]
    assert "no folder" in reasons[FLOATS, "sneaky"]
    assert "no asset 'none'" in reasons[FLOATS, "pair"]
    # what may not be seen looks like what is not there
    assert reasons[CLOSED, "one-1"] == reasons["no.such", "one-1"]
    assert "'gone' is not among" in reasons["gone.old", "one-1"]
    assert ada.get("/orders").json()["orders"] == []
    estimate = ada.post("/estimate", json={"items": items}).json()
    assert (estimate["files"], len(estimate["refused"]), estimate["fits"]) == (1, 7, True)


def test_items_are_ordered_with_the_assets_that_are_named(ada: httpx.Client) -> None:
    def names(*items: dict[str, Any]) -> list[str]:
        answer = ada.post("/orders", json={"items": items})
        number = answer.json()["number"]
        files = ada.get(f"/orders/{number}/files").json()["files"]
        return [one["path"].rpartition("/")[2] for one in files]

    pair = {"collection": FLOATS, "item": "pair"}
    assert names(pair) == ["a.nc", "b.nc"]
    assert names({**pair, "assets": ["picture"]}) == ["b.png"]
    assert names({**pair, "assets": ["picture"]}, {**pair, "assets": ["data"]}) == ["b.png", "a.nc"]
    assert names({"collection": LOCAL, "item": "one-2"}) == ["one-2.nc"]


def test_only_the_owner_and_managers_where_it_says_so_see_an_order(service: Service) -> None:
    tokens = {
        "member": service.person("eve", "closed-sea", "quiet-sea"),
        "manager": service.person("mia", "closed-sea:managers", "quiet-sea:managers"),
        "other": service.person("oto", "closed-sea", "quiet-sea"),
        "admin": service.person("root", admin=True),
    }

    def seen(who: str, number: int) -> int:
        with service.client(tokens[who]) as client:
            statuses = {
                client.get(f"/orders/{number}").status_code,
                client.get(f"/orders/{number}/files").status_code,
            }
            assert len(statuses) == 1
            return statuses.pop()

    with service.client(tokens["member"]) as client:
        loud, quiet, none = (
            client.post("/orders", json=wanted(1, virtual_lab=lab)).json()["number"]
            for lab in ("closed-sea", "quiet-sea", "")
        )
    assert [seen("manager", one) for one in (loud, quiet, none)] == [200, 404, 404]
    for who in ("other", "admin"):
        assert [seen(who, one) for one in (loud, quiet, none)] == [404, 404, 404]
    with service.client(tokens["manager"]) as client:
        assert client.get(f"/orders/{loud}").json()["mine"] is False
        assert client.get("/orders").json()["orders"] == []
        listed = client.get("/orders", params={"virtual_lab": "closed-sea"}).json()["orders"]
        assert [one["number"] for one in listed] == [loud]
        assert client.get("/orders", params={"virtual_lab": "quiet-sea"}).json()["orders"] == []
        for method, path in (("POST", "/cancel"), ("POST", "/retry"), ("DELETE", "")):
            assert client.request(method, f"/orders/{loud}{path}").status_code == 404
    with service.client(tokens["member"]) as client:
        assert client.get(f"/orders/{loud}").json()["state"] == "queued"


def test_a_virtual_lab_of_others_is_refused(ada: httpx.Client) -> None:
    answer = ada.post("/orders", json=wanted(1, virtual_lab="closed-sea"))
    assert answer.status_code == 409
    assert "'closed-sea'" in answer.json()["reason"]


def test_what_does_not_fit_is_refused_and_nothing_is_kept(
    service: Service, ada: httpx.Client
) -> None:
    assert ada.post("/orders", json=wanted(*range(41))).status_code == 409
    for number in range(5):
        assert ada.post("/orders", json=wanted(number)).status_code == 201
    answer = ada.post("/orders", json=wanted(9))
    assert answer.status_code == 409
    assert "5 orders under way" in answer.json()["reason"]
    assert answer.json()["mend"]
    with service.client(service.person("bob")) as bob:
        assert bob.post("/orders", json=wanted(9)).status_code == 201


def test_without_a_token_for_it_the_service_is_closed(service: Service) -> None:
    for token, status in (("", 401), ("nonsense", 401), (service.hub.person("x"), 403)):
        with service.client(token) as client:
            answers = [
                client.post("/orders", json=wanted(1)),
                client.post("/estimate", json=wanted(1)),
                client.get("/orders"),
                client.get("/orders/1"),
                client.get("/orders/1/files"),
                client.post("/orders/1/cancel"),
                client.post("/orders/1/retry"),
                client.delete("/orders/1"),
            ]
        assert {answer.status_code for answer in answers} == {status}


@pytest.mark.parametrize(
    "body",
    [
        {}, {"items": []}, {"items": [{"collection": "a", "item": "b", "href": "http://x"}]},
        wanted(1, to="elsewhere"), wanted(1, key="short"), wanted(1, key="schlüssel-1"),
        wanted(1, criteria={"bbox": [0, 0, 200, 0]}), wanted(1, criteria={"start": "yesterday"}),
        wanted(1, query={"x": "y" * 2_000_000}), wanted(1, title="x" * 201),
        {"items": [{"collection": "\x00", "item": "\x00"}]},
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(ada: httpx.Client, body: dict[str, Any]) -> None:
    answer = ada.post("/orders", json=body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["reason"]
