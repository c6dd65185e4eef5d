"""How long a person waits for a server, against two floors measured in the same run.

- `container`: the bare engine: create and start a container of the same image with the same
  limits and environment, until its `/api` answers. What no spawner can beat.
- `process`: JupyterHub with its SimpleLocalProcessSpawner and the same packages. What a hub
  without containers takes.

For each number of people at once it reports the time from the request to a usable server (its
`/api` answers through the proxy) and to the first executed cell, p50 and p95 over all of them, the
failures, and the CPU-seconds that a container has used when it answers.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import docker
import httpx
import psutil
from pelagos.backends.base import SCRATCH_ENVIRONMENT, server_spec
from pelagos.backends.docker import host_config
from pelagos.backends.process import environment_of
from pelagos.errors import PelagosError
from pelagos.hubconfig.roles import OPERATOR
from pelagos.images import load_graph
from pelagos.ops import engine, environments, supervise
from pelagos.ops.kernel import Kernel
from pelagos.ops.report import Silent
from pelagos.virtual_labs import select

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support import ROOT, Vre, docker_engine, free_port, until

IMAGE = "base"
_DEADLINE = 300  # seconds for one start


@dataclass
class Start:
    """One start. Seconds from the request; None where it failed."""

    usable: float | None = None
    first_cell: float | None = None
    cpu: float | None = None
    phases: dict[str, float] = field(default_factory=dict)
    failure: str = ""


async def answers(client: httpx.AsyncClient, url: str, began: float) -> float:
    """Seconds since `began` when `url` answers with 200."""
    while True:
        try:
            if (await client.get(url)).status_code == 200:
                return time.monotonic() - began
        except httpx.HTTPError:
            pass  # not listening yet
        if time.monotonic() - began > _DEADLINE:
            raise PelagosError(f"{url} did not answer")
        await asyncio.sleep(0.02)


def cpu_seconds(container: Any) -> float:
    """CPU time that a container has used so far."""
    stats = container.client.api.stats(container.id, stream=False, one_shot=True)
    return float(stats["cpu_stats"]["cpu_usage"]["total_usage"]) / 1e9


class Hub:
    """A hub to measure, by its API and through its proxy."""

    def __init__(self, api: str, public: str, token: str, options: dict[str, str]) -> None:
        self.public, self.token, self.options = public, token, options
        self.api = api
        self.after: Callable[[str, Start, float], None] = lambda user, start, began: None

    def client(self) -> httpx.AsyncClient:
        """A client with the operator's token and room for everybody."""
        return httpx.AsyncClient(
            headers={"Authorization": f"token {self.token}"},
            timeout=_DEADLINE,
            trust_env=False,
            limits=httpx.Limits(max_connections=100),
        )

    async def start(self, user: str) -> Start:
        """One person's start, up to the first executed cell."""
        start = Start()
        async with self.client() as client:
            await client.post(f"{self.api}/users/{user}")
            began, clock = time.monotonic(), time.time()
            try:
                response = await client.post(f"{self.api}/users/{user}/server", json=self.options)
                if response.is_error:
                    raise PelagosError(response.text)
                base = f"{self.public}/user/{user}/"
                # 200 of the server itself: before it is ready the hub answers 404 or 424
                start.usable = await answers(client, f"{base}api/status", began)
                self.after(user, start, clock)
                async with Kernel(base, self.token) as kernel:
                    await kernel.run("6 * 7")
                    start.first_cell = time.monotonic() - began
            except (PelagosError, httpx.HTTPError) as error:
                start.failure = str(error)
        return start

    async def stop(self, user: str) -> None:
        """The person and the server are gone."""
        async with self.client() as client:
            await client.delete(f"{self.api}/users/{user}/server")
            for _ in range(300):
                model = (await client.get(f"{self.api}/users/{user}")).json()
                if not model.get("servers"):
                    break
                await asyncio.sleep(0.1)
            await client.delete(f"{self.api}/users/{user}")


async def at_once(
    people: int, start: Callable[[str], Awaitable[Start]], stop: Callable[[str], Awaitable[None]]
) -> list[Start]:
    """`people` starts at the same moment; all are stopped afterwards."""
    names = [f"bench{n}-{time.monotonic_ns() % 10**6}" for n in range(people)]
    starts = await asyncio.gather(*(start(name) for name in names))
    await asyncio.gather(*(stop(name) for name in names))
    return list(starts)


def _timestamp(text: str) -> float:
    """Docker's RFC 3339 time with nanoseconds, as Unix time."""
    return datetime.fromisoformat(text[:26].rstrip("Z") + "+00:00").timestamp()


class Floor:
    """The bare engine with the same image, limits and environment."""

    def __init__(self, vre: Vre, client: docker.DockerClient) -> None:
        self.vre, self.docker = vre, client
        self.running: dict[str, Any] = {}

    def _create(self, user: str) -> Any:
        deployment = self.vre.deployment
        spec = server_spec(deployment, user, "", select(deployment.settings, [], {"image": IMAGE}))
        prefix = f"/user/{user}/"
        environment = {
            **SCRATCH_ENVIRONMENT,
            **spec.environment,
            "JUPYTERHUB_API_TOKEN": "0" * 32,
            "JUPYTERHUB_API_URL": deployment.hub_api,
            "JUPYTERHUB_BASE_URL": "/",
            "JUPYTERHUB_CLIENT_ID": f"jupyterhub-user-{user}",
            "JUPYTERHUB_OAUTH_CALLBACK_URL": f"{prefix}oauth_callback",
            "JUPYTERHUB_SERVICE_PREFIX": prefix,
            "JUPYTERHUB_SERVICE_URL": f"http://0.0.0.0:8888{prefix}",
            "JUPYTERHUB_USER": user,
            "JUPYTERHUB_DISABLE_USER_CONFIG": "1",
            "CPU_LIMIT": str(spec.limits.cores),
            "MEM_LIMIT": str(spec.limits.memory),
        }
        api = self.docker.api
        created = api.create_container(
            spec.reference,
            command=["jupyterhub-singleuser"],
            environment=environment,
            host_config=api.create_host_config(
                **{k: v for k, v in host_config(spec).items() if k != "network_mode"},
                network_mode=deployment.network,
                binds={spec.home: {"bind": "/home/jovyan", "mode": "rw"}},
            ),
            volumes=["/tmp", "/home/jovyan"],
        )
        api.start(created["Id"])
        return self.docker.containers.get(created["Id"])

    async def start(self, user: str) -> Start:
        """Until `/api` answers; there is no hub, so no cell."""
        began = time.monotonic()
        container = self.running[user] = await asyncio.to_thread(self._create, user)
        network = container.attrs["NetworkSettings"]["Networks"][self.vre.deployment.network]
        url = f"http://{network['IPAddress']}:8888/user/{user}/api"
        async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
            usable = await answers(client, url, began)
        return Start(usable=usable, cpu=cpu_seconds(container))

    async def stop(self, user: str) -> None:
        """Container and home are gone."""
        container = self.running.pop(user)
        await asyncio.to_thread(container.remove, force=True, v=True)
        for mount in container.attrs["Mounts"]:
            if mount["Destination"] == "/home/jovyan":
                self.docker.volumes.get(mount["Name"]).remove(force=True)


LOCAL_HUB = """
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_port = {hub_port}
c.JupyterHub.spawner_class = "simple"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.concurrent_spawn_limit = 0
c.JupyterHub.services = [dict(name="bench", api_token="{token}")]
c.JupyterHub.load_roles = [dict(name="bench", services=["bench"],
    scopes=["admin:users", "admin:servers", "access:servers"])]
c.SimpleLocalProcessSpawner.home_dir_template = "{folder}/{{username}}"
c.Spawner.cmd = ["{program}"]
c.Spawner.args = ["--allow-root"]
c.Spawner.environment = dict(PATH="{path}:/usr/bin:/bin")
c.ConfigurableHTTPProxy.command = ["{node}", "{proxy}"]
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api_port}"
"""


def local_hub(folder: Path) -> tuple[subprocess.Popen[bytes], Hub]:
    """A stock JupyterHub with local processes of the same packages."""
    environments.build_environment(load_graph(ROOT)[IMAGE], Silent())
    port, token = free_port(), "0123456789abcdef" * 2
    program = environment_of(IMAGE) / "bin" / "jupyterhub-singleuser"
    text = LOCAL_HUB.format(
        port=port, hub_port=free_port(), api_port=free_port(), token=token, folder=folder,
        program=program, path=program.parent, node=supervise.node_program(),
        proxy=supervise.proxy_script(),
    )  # fmt: skip
    (folder / "config.py").write_text("c = get_config()  # noqa\n" + text)
    process = subprocess.Popen(
        [sys.executable, "-m", "jupyterhub", "-f", str(folder / "config.py")],
        cwd=folder, stdout=(folder / "log").open("wb"), stderr=subprocess.STDOUT,
    )  # fmt: skip
    public = f"http://127.0.0.1:{port}"

    def up() -> bool:
        try:
            return httpx.get(f"{public}/hub/health", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    until(up, 60, (folder / "log").read_text())
    return process, Hub(f"{public}/hub/api", public, token, {})


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


def summary(name: str, people: int, starts: list[Start]) -> dict[str, Any]:
    """One row of the table. Seconds."""
    usable = [s.usable for s in starts if s.usable is not None]
    cells = [s.first_cell for s in starts if s.first_cell is not None]
    cpu = [s.cpu for s in starts if s.cpu is not None]
    row: dict[str, Any] = {
        "what": name,
        "people": people,
        "starts": len(starts),
        "failures": sum(bool(s.failure) for s in starts),
        "usable_p50": percentile(usable, 0.5) if usable else None,
        "usable_p95": percentile(usable, 0.95) if usable else None,
        "cell_p50": percentile(cells, 0.5) if cells else None,
        "cell_p95": percentile(cells, 0.95) if cells else None,
        "cpu": statistics.median(cpu) if cpu else None,
        "reasons": sorted({s.failure for s in starts if s.failure}),
    }
    names = {name for s in starts for name in s.phases}
    row["phases"] = {
        n: statistics.median(s.phases[n] for s in starts if n in s.phases) for n in sorted(names)
    }
    return row


def show(rows: list[dict[str, Any]]) -> None:
    """The table, as Markdown."""
    print("| people | what | starts | failures | usable p50 | p95 | first cell p50 | p95 | CPU-s |")
    print("| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for row in rows:
        numbers = [row[k] for k in ("usable_p50", "usable_p95", "cell_p50", "cell_p95", "cpu")]
        cells = ["" if n is None else f"{n:.2f}" for n in numbers]
        print(
            f"| {row['people']} | {row['what']} | {row['starts']} | {row['failures']} | "
            + " | ".join(cells)
            + " |"
        )
        for reason in row["reasons"]:
            print(f"failure: {reason}")
    for row in rows:
        if row["phases"]:
            parts = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in row["phases"].items())
            print(f"\nWhere the time of {row['what']} goes, {row['people']} at once: {parts}")


def phases(vre: Vre, client: docker.DockerClient) -> Callable[[str, Start, float], None]:
    """A function that looks at a fresh container: its CPU time, and when what happened."""

    def look(user: str, start: Start, requested: float) -> None:
        [container] = engine.containers(client, vre.deployment, user)
        start.cpu = cpu_seconds(container)
        created = _timestamp(container.attrs["Created"]) - requested
        started = _timestamp(container.attrs["State"]["StartedAt"]) - requested
        start.phases = {
            "1 hub and queue": created,
            "2 create and start": started - created,
            "3 boot until usable": (start.usable or 0) - started,
        }

    return look


async def measure(people: list[int], rounds: int, folder: Path, with_process: bool) -> Any:
    """Everything, one after the other: the machine has few cores."""
    rows: list[dict[str, Any]] = []
    vre = Vre(folder / "vre")
    client = docker_engine()
    idle = None
    try:
        vre.up("--backend", "docker")
        facts = vre.deployment.facts
        hub = Hub(
            vre.deployment.hub_api, vre.url, vre.state.secret(OPERATOR),
            {"image": IMAGE, "size": "small"},
        )  # fmt: skip
        hub.after = phases(vre, client)
        floor = Floor(vre, client)
        await at_once(1, hub.start, hub.stop)  # warm the page cache for both
        for count in people:
            repeats = max(1, rounds // count)
            ours: list[Start] = []
            bare: list[Start] = []
            for _ in range(repeats):  # in turn, so that both see the same neighbours
                bare += await at_once(count, floor.start, floor.stop)
                ours += await at_once(count, hub.start, hub.stop)
            rows += [summary("container", count, bare), summary("Pelagos", count, ours)]
        process = psutil.Process(vre.pid("hub"))
        names = [f"idle{n}" for n in range(5)]
        await asyncio.gather(*(hub.start(name) for name in names))
        before, seconds = sum(process.cpu_times()[:2]), 30
        await asyncio.sleep(seconds)
        idle = (sum(process.cpu_times()[:2]) - before) / seconds
        await asyncio.gather(*(hub.stop(name) for name in names))
        del facts
    finally:
        vre.down()
    if with_process:
        process_hub, hub = local_hub(folder)
        try:
            await at_once(1, hub.start, hub.stop)
            for count in people:
                repeats = max(1, rounds // count)
                starts: list[Start] = []
                for _ in range(repeats):
                    starts += await at_once(count, hub.start, hub.stop)
                rows.append(summary("process", count, starts))
        finally:
            process_hub.terminate()
            process_hub.wait(30)
    return {"rows": sorted(rows, key=lambda row: row["people"]), "hub_idle_cpu": idle}


def main() -> int:
    """Measure and print; 0 unless a start failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, nargs="*", default=[1, 5, 15])
    parser.add_argument("--rounds", type=int, default=10, help="starts per floor at least")
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    parser.add_argument("--no-process", action="store_true", help="leave out the process floor")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pelagos-bench-") as folder:
        found = asyncio.run(
            measure(arguments.people, arguments.rounds, Path(folder), not arguments.no_process)
        )
    show(found["rows"])
    print(f"\nHub idle with 5 servers: {found['hub_idle_cpu']:.2%} of one core over 30 s")
    for count in arguments.people:
        of = {row["what"]: row["usable_p50"] for row in found["rows"] if row["people"] == count}
        if of.get("Pelagos") and of.get("container"):
            print(
                f"{count} at once: Pelagos is {of['Pelagos'] / of['container']:.2f}x "
                "the bare container (p50)"
            )
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1))
    return int(any(row["failures"] for row in found["rows"]))


if __name__ == "__main__":
    sys.exit(main())
