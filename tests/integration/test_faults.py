"""What happens when parts die: servers go on, are found again, and nothing is left behind."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from pelagos.deployment import ROOT
from pelagos.errors import PelagosError
from pelagos.hubconfig.roles import OPERATOR
from pelagos.images import load_graph
from pelagos.node.network import policy_of
from pelagos.ops.kernel import Kernel
from support import Gate, Vre, docker_engine, pelagos, start, stop, until

pytestmark = pytest.mark.engine

EPHEMERAL = "pelagos-test/ephemeral:1"
SETTINGS = """
site: {name: Faults}
sizes: [{name: small, cores: 1, memory: 512 MiB}]
images:
  - base
  - name: ephemeral
    reference: pelagos-test/ephemeral:1
virtual_labs: [{name: faults, open: true}]
servers: {start_timeout: 40 s}
"""
# The hub waits this long for an engine before it starts without one.
ENGINE_WAIT = {"PELAGOS_ENGINE_WAIT": "45"}
# Nothing here is about how often somebody looks.
ROUND = {"PELAGOS_ROUND": "5"}


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    gate = Gate(tmp_path_factory.mktemp("gate") / "docker.sock")
    gate.open()
    yield gate
    gate.shut()


@pytest.fixture(scope="module")
def vre(tmp_path_factory: pytest.TempPathFactory, gate: Gate) -> Iterator[Vre]:
    """A VRE that reaches the real engine through a gate."""
    env = {**gate.env, **ENGINE_WAIT, **ROUND}
    vre = Vre(tmp_path_factory.mktemp("faults") / "state", SETTINGS, env)
    tag_ephemeral()
    try:
        yield vre.up("--backend", "docker")
    finally:
        vre.down()


def tag_ephemeral() -> None:
    """An image that was published, until a test takes it away."""
    base = docker_engine().images.get(load_graph(ROOT)["base"].reference)
    base.tag(*EPHEMERAL.split(":"))


def forget(vre: Vre, user: str) -> None:
    """The person and the server are gone."""
    stop(vre, user)
    with vre.api() as hub:
        hub.call("DELETE", f"/users/{user}")


def ids(vre: Vre) -> dict[str, str]:
    """Name and id of each running container."""
    return {c.name: c.id for c in vre.containers() if c.status == "running"}


def usable(vre: Vre, user: str) -> bool:
    """Whether a cell runs on a person's server, through the proxy."""
    import asyncio

    async def cell() -> bool:
        async with Kernel(f"{vre.url}/user/{user}/", vre.state.secret(OPERATOR)) as kernel:
            return "42" in (await kernel.run("print(6 * 7)", 30)).text

    try:
        return asyncio.run(cell())
    except PelagosError:
        return False


def answers(vre: Vre) -> bool:
    """Whether the hub answers."""
    with vre.api() as hub:
        return hub.alive()


def test_five_servers_survive_a_killed_hub_and_stay_usable(vre: Vre) -> None:
    people = [f"survivor{n}" for n in range(5)]
    threads = [threading.Thread(target=start, args=(vre, person)) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    before = ids(vre)
    assert len(before) == 5
    proxy, hub = vre.pid("proxy"), vre.pid("hub")
    os.kill(hub, signal.SIGKILL)
    assert not answers(vre)
    api = httpx.get(f"{vre.url}/user/{people[0]}/api", timeout=30)
    assert api.status_code == 200, "people's servers are reached while the hub is away"
    until(lambda: vre.pid("hub") not in (0, hub) and answers(vre), 60, "supervised restart")
    assert vre.pid("proxy") == proxy
    with vre.api() as api:
        servers = {u["name"]: u["servers"] for u in api.users()}
        assert all(servers[person][""]["ready"] for person in people)
    assert ids(vre) == before
    for person in people:
        assert usable(vre, person)
        forget(vre, person)
    assert ids(vre) == {}


def test_a_killed_proxy_gets_its_routes_back(vre: Vre) -> None:
    start(vre, "proxima")
    os.kill(vre.pid("proxy"), signal.SIGKILL)
    until(lambda: usable(vre, "proxima"), 60)
    forget(vre, "proxima")


def test_a_killed_supervisor_is_replaced_by_the_next_up(vre: Vre, gate: Gate) -> None:
    start(vre, "steady")
    before = ids(vre)
    os.kill(int((vre.folder / "run" / "supervisor.pid").read_text()), signal.SIGKILL)
    until(lambda: not vre.status()["running"], 30)
    done = vre.run("up", "--detach")
    assert done.returncode == 0, done.stderr
    assert ids(vre) == before
    until(lambda: usable(vre, "steady"), 30)
    forget(vre, "steady")


def test_servers_are_kept_when_the_hub_starts_without_an_engine(vre: Vre, gate: Gate) -> None:
    start(vre, "patience")
    before = ids(vre)
    vre.run("down")
    assert ids(vre) == before, "down leaves people's servers alone"
    done = vre.run("up", "--detach")
    assert done.returncode == 0, done.stderr
    gate.shut()
    os.kill(vre.pid("hub"), signal.SIGKILL)
    time.sleep(5)
    gate.open()
    until(lambda: answers(vre), 90)
    with vre.api() as hub:
        assert hub.call("GET", "/users/patience")["servers"][""]["ready"]
    assert ids(vre) == before
    assert usable(vre, "patience")
    forget(vre, "patience")


def test_an_engine_that_goes_away_is_told_and_harms_nobody(vre: Vre, gate: Gate) -> None:
    start(vre, "bystander")
    with vre.api() as hub:
        hub.call("POST", "/users/unlucky")
        gate.shut()
        try:
            with pytest.raises(PelagosError, match="container engine does not answer"):
                hub.call("POST", "/users/unlucky/server", {"image": "base"})
            assert usable(vre, "bystander"), "what runs goes on"
            assert hub.call("GET", "/users/bystander")["servers"][""]["ready"]
        finally:
            gate.open()
        hub.call("POST", "/users/unlucky/server", {"image": "base"})
        until(lambda: hub.call("GET", "/users/unlucky")["servers"][""]["ready"], 60)
    forget(vre, "unlucky")
    forget(vre, "bystander")


def test_an_engine_that_stops_in_the_middle_of_a_start(vre: Vre, gate: Gate) -> None:
    with vre.api() as hub:
        hub.call("POST", "/users/midway")
        failures: list[str] = []

        def spawn() -> None:
            try:
                with vre.api() as own:
                    own.call("POST", "/users/midway/server", {"image": "base"})
            except PelagosError as error:
                failures.append(str(error))

        thread = threading.Thread(target=spawn)
        thread.start()
        until(lambda: [c for c in vre.containers() if "midway" in c.name], 30)
        gate.shut()
        time.sleep(3)
        gate.open()
        thread.join(timeout=120)
        # it came up all the same, or it failed with a sentence: then a new try works
        if failures:
            assert "engine" in failures[0]
        until(lambda: not hub.call("GET", "/users/midway").get("pending"), 60)
        if "" not in hub.call("GET", "/users/midway")["servers"]:
            hub.call("POST", "/users/midway/server", {"image": "base"})
        until(lambda: hub.call("GET", "/users/midway")["servers"][""]["ready"], 60)
    assert usable(vre, "midway")
    assert len([c for c in vre.containers() if "midway" in c.name]) == 1
    forget(vre, "midway")


def test_servers_of_a_lost_database_are_stopped_and_reported(vre: Vre) -> None:
    start(vre, "orphan")
    vre.run("down")
    (vre.folder / "hub" / "jupyterhub.sqlite").unlink()
    assert vre.run("up", "--detach").returncode == 0
    until(lambda: not ids(vre), 120, "two rounds of reconciliation")
    status = vre.status()
    assert [report["user"] for report in status["orphans"]] == ["orphan"]
    assert "orphan" in vre.run("doctor").stdout


def test_a_container_that_is_removed_by_hand_is_noticed(vre: Vre) -> None:
    start(vre, "removed")
    [container] = vre.containers()
    container.remove(force=True)
    with vre.api() as hub:
        until(lambda: not hub.call("GET", "/users/removed")["servers"], 90)
        hub.call("DELETE", "/users/removed")


def test_lost_packet_filter_rules_come_back(vre: Vre) -> None:
    policy = policy_of(vre.deployment)
    for builtin in ("DOCKER-USER", "INPUT"):
        subprocess.run(["iptables", "-w", "-F", builtin], check=True, timeout=30)
    subprocess.run(["iptables", "-w", "-F", policy.input_chain], check=True, timeout=30)
    from pelagos.node import firewall

    until(lambda: not firewall.missing(policy), 30)


def test_a_missing_image_is_told_with_its_mend(vre: Vre) -> None:
    with vre.api() as hub:
        hub.call("POST", "/users/early")
        docker_engine().images.remove(EPHEMERAL)
        with pytest.raises(PelagosError, match=r"not on this machine yet.*pelagos build ephemeral"):
            hub.call("POST", "/users/early/server", {"image": "ephemeral"})
        hub.call("DELETE", "/users/early")
    tag_ephemeral()
    assert vre.containers() == []


def test_an_image_that_cannot_be_pulled_stops_up_with_a_sentence(tmp_path: Path) -> None:
    settings = tmp_path / "pelagos.yaml"
    settings.write_text(SETTINGS.replace("pelagos-test/", "registry.invalid/"))
    done = pelagos(
        "up", "--detach", "--state", tmp_path / "state", "--settings", settings, "--port", "18999"
    )
    assert done.returncode == 1
    assert "registry.invalid/ephemeral:1 can't be pulled" in done.stderr
    assert "Traceback" not in done.stderr


def test_down_with_servers_stops_them_and_keeps_homes(vre: Vre) -> None:
    start(vre, "goodbye")
    done = vre.run("down", "--servers")
    assert done.returncode == 0, done.stderr
    assert "goodbye" in done.stdout
    assert vre.containers() == []
    prefix = f"pelagos-{vre.deployment.facts.instance}-home.goodbye"
    assert docker_engine().volumes.get(prefix)
    assert not vre.status()["running"]
    assert vre.run("status").returncode == 3
    assert vre.run("down").returncode == 1
    assert vre.run("up", "--detach").returncode == 0


def test_ctrl_c_stops_a_hub_in_the_foreground_and_leaves_servers(vre: Vre) -> None:
    vre.run("down")
    # a child inherits that it is ignored, where the tests were started in the background
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [ROOT / "pelagos", "up", "--state", vre.folder],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **vre.env},
        start_new_session=True,
    )
    signal.signal(signal.SIGINT, handler)
    try:
        until(lambda: answers(vre), 90)
        start(vre, "onlooker")
        before = ids(vre)
        os.kill(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert "Ctrl-C stops the hub" in output
    assert not vre.status()["running"]
    assert ids(vre) == before
    assert vre.run("up", "--detach").returncode == 0
    until(lambda: usable(vre, "onlooker"), 30)
    forget(vre, "onlooker")


def test_nothing_of_a_stopped_vre_runs_on(vre: Vre) -> None:
    vre.run("down", "--servers")
    mine = [
        p.info["cmdline"]
        for p in psutil.process_iter(["cmdline", "environ"])
        if str(vre.folder) in " ".join(p.info["cmdline"] or [])
        or (p.info["environ"] or {}).get("PELAGOS_STATE") == str(vre.folder)
    ]
    assert mine == []
    assert vre.run("up", "--detach").returncode == 0
