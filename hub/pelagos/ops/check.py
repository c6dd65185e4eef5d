"""The operator's end-to-end check: a temporary person, a server, real cells, no trace left.

Each step is a function of its own in `STEPS`; later parts of the VRE add theirs there.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import time
from collections.abc import Callable

import httpx
import nbformat

from pelagos.backends.base import server_spec
from pelagos.backends.engine import connect
from pelagos.backends.process import home_of
from pelagos.deployment import Deployment
from pelagos.errors import NotRunningError, PelagosError
from pelagos.node.network import policy_of
from pelagos.ops import check_catalogue, check_datapool, check_storage, engine
from pelagos.ops.checking import CheckResult, Failed, Run, StepResult
from pelagos.ops.hubapi import HubApi
from pelagos.settings import BackendKind
from pelagos.sockets import unix_client
from pelagos.units import format_bytes, format_cores
from pelagos.virtual_labs import group_of, images_of, select
from pelagos.volumes import home_volume

_CELL_SECONDS = 300


def sign_in_page(run: Run) -> str:
    """People can reach the sign-in page."""
    response = httpx.get(
        f"{run.deployment.facts.url}hub/login", timeout=10, trust_env=False, follow_redirects=True
    )
    if response.status_code != 200:
        raise Failed(f"The sign-in page answers HTTP {response.status_code}.")
    return run.deployment.facts.url


def isolation(run: Run) -> str:
    """The packet-filter rules of the servers' network stand."""
    if run.deployment.facts.backend is not BackendKind.DOCKER:
        return "not with the process backend: nothing isolates people"
    with unix_client(run.deployment.agent_socket, 30) as client:
        answer = client.get("/network").json()
    if not answer["ok"]:
        raise Failed(f"Packet-filter rules are missing: {', '.join(answer['missing'])}.")
    return f"packet-filter rules stand on {answer['bridge']}"


def temporary_person(run: Run) -> str:
    """A person is made and joins the virtual lab."""
    run.hub.call("POST", f"/users/{run.user}", {})
    group = group_of(run.virtual_lab)
    run.hub.call("POST", f"/groups/{group}/users", {"users": [run.user]})
    return f"{run.user} in virtual lab {run.virtual_lab.name}"


def refuses(run: Run) -> str:
    """Options that the settings don't allow start nothing."""
    for options, reason in (
        ({"image": "debian:latest"}, "Image 'debian:latest' is not offered"),
        ({"privileged": True}, "Unknown option 'privileged'"),
        ({"size": "no-such-size"}, "Size 'no-such-size' is not offered"),
    ):
        try:
            run.hub.call("POST", f"/users/{run.user}/server", options)
        except NotRunningError:
            raise
        except PelagosError as error:
            if reason not in str(error):
                raise Failed(f"{options} were refused, but with: {error}") from error
            continue
        raise Failed(f"The hub accepted {options}.")
    return "a foreign image, a privileged flag and an unknown size were refused"


def spawn(run: Run) -> str:
    """The server starts."""
    options = {
        "virtual_lab": run.virtual_lab.name,
        "image": run.image,
        "size": run.spec.size,
    }
    run.hub.call("POST", f"/users/{run.user}/server", options)
    messages = []
    for event in run.hub.progress(run.user):
        messages.append(str(event.get("message", "")))
        if event.get("failed"):
            raise Failed(f"The server did not start: {messages[-1]}")
        if event.get("ready"):
            # the hub answers a quick start only once it is over: then there was nothing to follow
            told = " → ".join(message for message in messages[:-1] if message)
            return told or f"image {run.image}, size {run.spec.size}"
    raise Failed("The hub stopped telling about the start: " + " → ".join(messages))


def smoke_notebook(run: Run) -> str:
    """The image's smoke notebook runs cell by cell."""
    if run.image not in run.deployment.graph:
        return _first_cell(run)
    path = run.deployment.graph[run.image].smoke_notebook
    notebook = nbformat.read(path, as_version=4)
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]

    async def execute() -> None:
        async with run.kernel() as kernel:
            for number, source in enumerate(cells, 1):
                try:
                    await kernel.run(source, _CELL_SECONDS)
                except PelagosError as error:
                    raise Failed(f"Cell {number} of {path.name}: {error}") from error

    asyncio.run(execute())
    return f"{len(cells)} cells"


def _first_cell(run: Run) -> str:
    async def execute() -> str:
        async with run.kernel() as kernel:
            return (await kernel.run("print(6 * 7)")).text

    if "42" not in asyncio.run(execute()):
        raise Failed("A first cell did not print its result.")
    return "a community image has no smoke notebook; a first cell ran"


_LOOK_INSIDE = """
import json, os, re
def read(*paths):
    for path in paths:
        try:
            return open(path).read().strip()
        except OSError:
            pass
    return ""
status = dict(re.findall(r"^(\\w+):\\s*(.*)$", read("/proc/self/status"), re.M))
v1 = "/sys/fs/cgroup"
cpu = read(v1 + "/cpu.max")
quota, period = cpu.split() if cpu else (read(v1 + "/cpu/cpu.cfs_quota_us"),
                                         read(v1 + "/cpu/cpu.cfs_period_us"))
def writable(folder):
    try:
        name = os.path.join(folder, ".pelagos-check")
        open(name, "w").close(); os.remove(name); return True
    except OSError:
        return False
print(json.dumps({
    "cores": None if quota in ("max", "-1") else float(quota) / float(period),
    "memory": read(v1 + "/memory.max", v1 + "/memory/memory.limit_in_bytes"),
    "swap": read(v1 + "/memory.swap.max"),
    "memory_and_swap": read(v1 + "/memory/memory.memsw.limit_in_bytes"),
    "pids": read(v1 + "/pids.max", v1 + "/pids/pids.max"),
    "capabilities": status.get("CapEff"), "bounding": status.get("CapBnd"),
    "no_new_privileges": status.get("NoNewPrivs"), "uid": os.getuid(),
    "root_writable": writable("/usr") or writable("/"),
    "threads": os.environ.get("OMP_NUM_THREADS"),
    "docker_socket": os.path.exists("/var/run/docker.sock"),
}))
"""


def limits(run: Run) -> str:
    """What the server may use, as code inside it finds it."""

    async def execute() -> str:
        async with run.kernel() as kernel:
            return (await kernel.run(_LOOK_INSIDE)).text

    seen = json.loads(asyncio.run(execute()))
    wanted = run.spec.limits
    if seen["threads"] != str(wanted.threads):
        raise Failed(f"Libraries would start {seen['threads']} threads, not {wanted.threads}.")
    if run.deployment.facts.backend is not BackendKind.DOCKER:
        return f"not enforced (process backend); libraries start {wanted.threads} threads"
    swap_closed = seen["swap"] == "0" or seen["memory_and_swap"] in (str(wanted.memory), "")
    wrong = [
        f"{what} is {found!r}, not {expected!r}"
        for what, found, expected in (
            ("the number of cores", seen["cores"], wanted.cores),
            ("memory", seen["memory"], str(wanted.memory)),
            ("swap closed", swap_closed, True),
            ("the number of processes", seen["pids"], str(wanted.pids)),
            ("the set of capabilities", int(seen["capabilities"], 16), 0),
            ("the bounding set", int(seen["bounding"], 16), 0),
            ("no_new_privs", seen["no_new_privileges"], "1"),
            ("root", seen["uid"] == 0, False),
            ("a writable root", seen["root_writable"], not run.spec.read_only_root),
            ("a Docker socket inside", seen["docker_socket"], False),
        )
        if found != expected
    ]
    if wrong:
        raise Failed(f"In the server {'; '.join(wrong)}.")
    return (
        f"{format_cores(wanted.cores)}, {format_bytes(wanted.memory)} without swap, "
        f"{wanted.pids} processes, no capability, read-only root: {run.spec.read_only_root}"
    )


_REACH = """
import json, socket
def reach(host, port):
    try:
        socket.create_connection((host, port), timeout=2).close(); return True
    except OSError:
        return False
print(json.dumps([reach(*target) for target in {targets}]))
"""


def network(run: Run) -> str:
    """From inside: the hub answers, the host's other ports and the metadata address don't."""
    facts = run.deployment.facts
    if facts.backend is not BackendKind.DOCKER:
        return "not with the process backend"
    targets = [
        (facts.hub_address, facts.hub_port),
        (facts.hub_address, facts.port),
        ("169.254.169.254", 80),
    ]

    async def execute() -> str:
        async with run.kernel() as kernel:
            return (await kernel.run(_REACH.replace("{targets}", repr(targets)))).text

    hub, public, metadata = json.loads(asyncio.run(execute()))
    if not hub:
        raise Failed("The server does not reach the hub.")
    if public or metadata:
        what = "the host's own ports" if public else "the metadata address"
        raise Failed(f"The server reaches {what}; rules: {policy_of(run.deployment)}.")
    return "the hub only: not the host's other ports, not the metadata address"


def stop(run: Run) -> str:
    """The server stops."""
    run.hub.call("DELETE", f"/users/{run.user}/server", missing_ok=True)
    deadline = time.monotonic() + 60
    while (run.hub.call("GET", f"/users/{run.user}", missing_ok=True) or {}).get("servers"):
        if time.monotonic() > deadline:
            raise Failed("The server did not stop within 60 s.")
        time.sleep(0.2)
    return "the server ended"


def no_trace(run: Run) -> str:
    """Nothing of the temporary person is left: no account, no container, no home."""
    run.hub.call("DELETE", f"/users/{run.user}", missing_ok=True)
    left = []
    if run.hub.call("GET", f"/users/{run.user}", missing_ok=True):
        left.append("the account")
    if run.deployment.facts.backend is BackendKind.DOCKER:
        with connect() as client:
            for container in engine.containers(client, run.deployment, run.user):
                container.remove(force=True, v=True)
                left.append(f"container {container.name}, now removed")
            home = home_volume(run.deployment.facts.instance, run.user)
            if any(volume.name == home for volume in client.volumes.list(filters={"name": home})):
                client.volumes.get(home).remove(force=True)
                left.append("the home, now removed")
    elif home_of(run.deployment, run.user).exists():
        left.append("the home")
    left += check_storage.traces(run)
    if left:
        raise Failed(f"Left behind: {', '.join(left)}.")
    return "account, container, home, workspace and dataspace are gone"


STEPS: list[Callable[[Run], str]] = [
    sign_in_page,
    isolation,
    temporary_person,
    refuses,
    spawn,
    smoke_notebook,
    limits,
    network,
    check_storage.workspace,
    check_storage.workspace_quota,
    check_storage.dataspace,
    check_storage.expiry,
    check_catalogue.catalogue,
    check_datapool.data_pool,
]
# These run whatever happened before.
CLEANUP: list[Callable[[Run], str]] = [check_storage.empty_workspace, stop, no_trace]


def prepare(deployment: Deployment, hub: HubApi, image: str | None) -> Run:
    """Choose what to check: `image` in the first virtual lab that offers it.

    Raises PelagosError if none does, NotRunningError if the hub does not answer.
    """
    hub.call("GET", "/")
    settings = deployment.settings
    image = image or images_of(settings, settings.virtual_labs[0])[0]
    labs = [lab for lab in settings.virtual_labs if image in images_of(settings, lab)]
    if not labs:
        raise PelagosError(
            f"No virtual lab offers the image {image!r}.",
            f"Configured images: {', '.join(deployment.images)}.",
        )
    user = f"pelagos-check-{secrets.token_hex(4)}"
    groups = [group_of(labs[0])]
    selection = select(settings, groups, {"virtual_lab": labs[0].name, "image": image})
    spec = server_spec(deployment, user, "", selection)
    return Run(deployment, hub, image, labs[0], user, spec)


def check(run: Run, told: Callable[[StepResult], None]) -> CheckResult:
    """Every step in order until one fails, then the clean-up; `told` hears of each."""
    result = CheckResult()
    for steps in (STEPS, CLEANUP):
        for step in steps:
            began = time.monotonic()
            try:
                ok, detail = True, step(run)
            except (PelagosError, httpx.HTTPError, OSError) as error:
                ok = False
                detail = error.sentence if isinstance(error, PelagosError) else repr(error)
            seconds = round(time.monotonic() - began, 3)
            name = re.sub("_", " ", step.__name__)
            outcome = StepResult(name, ok, seconds, detail)
            result.steps.append(outcome)
            told(outcome)
            if not ok and steps is STEPS:
                break
    return result
