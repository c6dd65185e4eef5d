from pathlib import Path

import httpx
import pytest
from pelagos.backends.agent import unheard
from pelagos.deployment import Deployment
from pelagos.services.culler import arguments
from pelagos.services.reconciler import (
    Person,
    Report,
    Running,
    known_servers,
    orphans,
    people_with_servers,
    read_reports,
    reconcile_storage,
)
from pelagos.settings import Settings
from pelagos.settings.models import Servers


def test_only_servers_that_the_hub_does_not_know_are_orphans() -> None:
    running = [Running("c1", "ada", ""), Running("c2", "ada", "reef"), Running("c3", "bob", "")]
    known = {("ada", ""), ("carol", "")}
    assert orphans(running, known) == {running[1], running[2]}


def test_servers_are_read_page_by_page() -> None:
    people = [{"name": f"u{n}", "servers": {"": {}}} for n in range(450)]
    people[3]["servers"] = {"": {}, "reef": {}}

    def answer(request: httpx.Request) -> httpx.Response:
        offset = int(request.url.params["offset"])
        return httpx.Response(200, json=people[offset : offset + 200])

    with httpx.Client(transport=httpx.MockTransport(answer), base_url="http://hub") as client:
        known = known_servers(people_with_servers(client))
    assert len(known) == 451
    assert ("u3", "reef") in known


def test_a_hub_that_refuses_is_not_an_empty_hub() -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(403))
    with (
        httpx.Client(transport=transport, base_url="http://hub") as client,
        pytest.raises(httpx.HTTPStatusError),
    ):
        people_with_servers(client)


def test_a_damaged_report_is_as_good_as_none(deployment: Deployment) -> None:
    path = Path(deployment.state.hub / "orphans.json")
    path.write_text("{")
    assert read_reports(deployment) == []
    path.write_text('[{"container": "c", "user": "u", "server": "", "stopped_at": 1.0}]')
    assert read_reports(deployment) == [Report("c", "u", "", 1.0)]


def test_the_culler_gets_the_times_of_the_settings(deployment: Deployment) -> None:
    deployment.settings = Settings(servers=Servers(idle_timeout="30 min", max_age="1d"))
    assert {"--timeout=1800", "--max-age=86400", "--cull-every=60"} <= set(arguments(deployment))


def test_never_idle_is_a_very_long_time(deployment: Deployment) -> None:
    deployment.settings = Settings(servers=Servers(idle_timeout=0, max_age=0))
    assert "--timeout=31536000" in arguments(deployment)
    assert "--max-age=0" in arguments(deployment)


def test_storage_of_who_came_unnoticed_is_asked_for_and_of_who_left_given_back(
    deployment: Deployment,
) -> None:
    calls = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            statuses = [{"user": "left", "wanted": True}, {"user": "flushing", "wanted": False}]
            return httpx.Response(200, json=statuses)
        calls.append((request.method, request.url.raw_path.decode()))
        return httpx.Response(200, json={})

    people = [Person("new/one", ("reef",), ("",))]
    transport = httpx.MockTransport(answer)
    with httpx.Client(transport=transport, base_url="http://agent") as agent:
        gone = reconcile_storage(agent, deployment, people, set())
        assert gone == {"left"}
        assert calls == [("PUT", "/workspaces/new%2Fone"), ("PUT", "/dataspaces/users/new%2Fone")]
        calls.clear()
        reconcile_storage(agent, deployment, [], gone)
    assert calls == [("DELETE", "/workspaces/left"), ("DELETE", "/dataspaces/users/left")]


def test_a_deletion_that_the_agent_missed_is_told_again(deployment: Deployment) -> None:
    note = unheard(deployment) / "anna"
    note.parent.mkdir()
    note.write_text('{"user": "anna"}')
    calls = []
    awake = False

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json=[])
        calls.append(str(request.url))
        return httpx.Response(200 if awake else 500, json={})

    transport = httpx.MockTransport(answer)
    with httpx.Client(transport=transport, base_url="http://agent") as agent:
        with pytest.raises(httpx.HTTPStatusError):
            reconcile_storage(agent, deployment, [], set())
        assert note.exists()
        awake = True
        reconcile_storage(agent, deployment, [], set())
    assert not note.exists()
    assert "http://agent/workspaces/anna?deleted=true" in calls
    assert "http://agent/dataspaces/users/anna?deleted=true" in calls
