"""Orders of people whose accounts are gone."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from catalogue_service import HubStandIn
from datapool_service import SCOPE, Service, wanted
from pelagos.errors import AwayError
from pelagos.services.datapool.departed import look
from pelagos.services.identity import Hub


def place(service: Service, token: str, number: int) -> None:
    answer = httpx.post(
        f"{service.url}/orders",
        json=wanted(number),
        headers={"Authorization": f"token {token}"},
        timeout=30,
        trust_env=False,
    )
    assert answer.status_code == 201, answer.text


async def numbers(service: Service, token: str) -> list[int]:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(
            f"{service.url}/orders", headers={"Authorization": f"token {token}"}, timeout=30
        )
    return [one["number"] for one in answer.json()["orders"]]


async def test_orders_go_with_the_account_and_those_of_others_stay(
    tmp_path: Path, orders_url: str
) -> None:
    with HubStandIn() as hub:
        ada, zoe = hub.person("ada", scope=SCOPE), hub.person("zoe", scope=SCOPE)
        with Service(tmp_path, hub, orders_url) as service:
            for token in (ada, zoe):
                place(service, token, 1)
            api = Hub(hub.url, "datapool", "secret")
            try:
                assert await look(api, service.store, tmp_path) == []
                del hub.people[ada]
                assert await look(api, service.store, tmp_path) == ["ada"]
            finally:
                await api.close()
            assert await numbers(service, zoe) == [2]
            again = hub.person("ada", scope=SCOPE)
            assert await numbers(service, again) == []


async def test_a_hub_that_shows_nobody_is_not_believed(tmp_path: Path, orders_url: str) -> None:
    with HubStandIn() as hub:
        ada = hub.person("ada", scope=SCOPE)
        with Service(tmp_path, hub, orders_url) as service:
            place(service, ada, 1)
            known = dict(hub.people)
            hub.people.clear()
            api = Hub(hub.url, "datapool", "secret")
            try:
                assert await look(api, service.store, tmp_path) == []
            finally:
                await api.close()
            hub.people.update(known)
            assert await numbers(service, ada) == [1]


async def test_a_hub_that_is_away_takes_nothing(tmp_path: Path, orders_url: str) -> None:
    with HubStandIn() as hub:
        ada = hub.person("ada", scope=SCOPE)
        with Service(tmp_path, hub, orders_url) as service:
            place(service, ada, 1)
            api = Hub("http://127.0.0.1:9", "datapool", "secret")
            try:
                with pytest.raises(AwayError):
                    await look(api, service.store, tmp_path)
            finally:
                await api.close()
            assert await numbers(service, ada) == [1]
