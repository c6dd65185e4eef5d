"""What every backend promises, asked of a real hub.

The fake backend needs no engine, so these run with `./pelagos test --fast` too; the process
backend's own tests run the same promises as an ordinary user, through `./pelagos check`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from pelagos.deployment import Deployment, State
from pelagos.errors import PelagosError
from pelagos.images import ImageGraph
from pelagos.ops import supervise
from pelagos.ops.hubapi import HubApi
from pelagos.settings import BackendKind, Settings
from support import Vre, facts_of, free_port, until

FAKE = """
from pathlib import Path
from pelagos.deployment import Deployment
from pelagos.hubconfig import configure
c = get_config()
deployment = Deployment.load(Path({state!r}))
configure(c, deployment)
c.JupyterHub.spawner_class = "pelagos.backends.fake.PelagosFakeSpawner"
c.ConfigurableHTTPProxy.should_start = True
c.ConfigurableHTTPProxy.command = [{node!r}, {proxy!r}]
c.JupyterHub.cleanup_proxy = True
"""


def runs(process: psutil.Process) -> bool:
    """A machine without an init process keeps the dead for ever."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.fixture(scope="module", params=["fake", pytest.param("docker", marks=pytest.mark.engine)])
def hub(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, graph: ImageGraph
) -> Iterator[HubApi]:
    """The operator's client of a hub with each backend."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "docker":
        vre = Vre(folder / "state")
        try:
            with vre.up("--backend", "docker").api() as api:
                yield api
        finally:
            vre.down()
        return
    state = State(folder / "state")
    state.prepare()
    facts = facts_of(state, BackendKind.PROCESS).model_copy(
        update={name: free_port() for name in ("port", "hub_port", "proxy_api_port")}
    )
    state.write(facts, Settings())
    supervise.ensure_proxy()
    config = folder / "config.py"
    config.write_text(
        FAKE.format(
            state=str(state.folder),
            node=str(supervise.node_program()),
            proxy=str(supervise.proxy_script()),
        )
    )
    with (folder / "log").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterhub", "-f", str(config)],
            cwd=folder, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        with HubApi(Deployment.load(state.folder), timeout=60) as api:
            until(api.alive, 60, Path(folder / "log").read_text())
            yield api
    finally:
        # it answers before it has looked for its services, and only then ends with its proxy
        log = folder / "log"
        until(lambda: "JupyterHub is now running" in log.read_text() or process.poll(), 60)
        proxies = psutil.Process(process.pid).children()
        process.terminate()
        process.wait(30)
        until(lambda: not any(runs(one) for one in proxies), 30, "the end of its proxy")


@pytest.fixture
def person(hub: HubApi, request: pytest.FixtureRequest) -> Iterator[str]:
    name = f"person-{abs(hash(request.node.name)) % 10**6}"
    hub.call("POST", f"/users/{name}")
    yield name
    hub.call("DELETE", f"/users/{name}/server", missing_ok=True)
    until(lambda: not hub.call("GET", f"/users/{name}")["servers"], 60)
    hub.call("DELETE", f"/users/{name}")


def servers(hub: HubApi, person: str) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = hub.call("GET", f"/users/{person}")["servers"]
    return found


def test_a_started_server_is_ready_at_its_own_path(hub: HubApi, person: str) -> None:
    # ready means that the hub got an answer from it
    hub.call("POST", f"/users/{person}/server", {"image": "base", "size": "small"})
    until(lambda: servers(hub, person)[""]["ready"], 60)
    assert servers(hub, person)[""]["url"] == f"/user/{person}/"


def test_options_are_kept_for_the_next_start(hub: HubApi, person: str) -> None:
    options = {"virtual_lab": "ocean-climate", "image": "base", "size": "small"}
    hub.call("POST", f"/users/{person}/server", options)
    until(lambda: servers(hub, person)[""]["ready"], 60)
    assert servers(hub, person)[""]["user_options"] == options


@pytest.mark.parametrize("options", [{"image": "x"}, {"size": "x"}, {"privileged": True}])
def test_what_is_not_offered_starts_nothing(
    hub: HubApi, person: str, options: dict[str, object]
) -> None:
    with pytest.raises(PelagosError, match=r"not offered|Unknown option"):
        hub.call("POST", f"/users/{person}/server", options)
    assert servers(hub, person) == {}


def test_a_stopped_server_is_gone_and_can_start_again(hub: HubApi, person: str) -> None:
    for _ in range(2):
        hub.call("POST", f"/users/{person}/server", {"image": "base"})
        until(lambda: servers(hub, person)[""]["ready"], 60)
        hub.call("DELETE", f"/users/{person}/server")
        until(lambda: servers(hub, person) == {}, 60)


def test_stopping_what_does_not_run_is_no_fault(hub: HubApi, person: str) -> None:
    hub.call("DELETE", f"/users/{person}/server", missing_ok=True)
    assert servers(hub, person) == {}


def test_one_persons_servers_are_apart(hub: HubApi, person: str) -> None:
    hub.call("POST", f"/users/{person}/server", {"image": "base"})
    hub.call("POST", f"/users/{person}/servers/ocean-climate", {"image": "base"})
    until(lambda: len(servers(hub, person)) == 2, 60)
    until(lambda: all(server["ready"] for server in servers(hub, person).values()), 60)
    hub.call("DELETE", f"/users/{person}/servers/ocean-climate")
    until(lambda: list(servers(hub, person)) == [""], 60)


def test_the_sign_in_page_is_ours(hub: HubApi) -> None:
    url = str(hub.base_url).replace("/hub/api/", "/hub/login")
    page = httpx.get(url, timeout=30, follow_redirects=True)
    assert page.status_code == 200
    assert "<title>Pelagos</title>" in page.text
