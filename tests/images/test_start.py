"""What a server of ours is from its first second."""

from __future__ import annotations

import re
import statistics

import docker
import httpx
import pytest
from image_kernel import Kernel
from image_server import GIB, Hub, Server, Start
from pelagos.images import Image

# Lines that mention a level above INFO and are no fault of the image, each with its reason.
ALLOWED = [
    # jupyterhub.singleuser.extension appends its template folder to NotebookApp too, for classic
    # notebooks; notebook_shim, a base class of LabApp, remarks on it. No setting prevents either.
    r"'extra_template_paths' was found in both NotebookApp and ServerApp",
    # jupyter_server pings by itself, counts in milliseconds and closes after three missed answers;
    # tornado reads the same two numbers as seconds of its own pings, and clamps the second.
    r"websocket_ping_timeout \(90000\) cannot be longer than the websocket_ping_interval",
]
LOUD = re.compile(r"^\[[WEC] |warning|error|critical|traceback", re.IGNORECASE)


def complaints(log: str) -> list[str]:
    """Lines of a server's log that somebody should do something about."""
    return [
        line
        for line in log.splitlines()
        if LOUD.search(line) and not any(re.search(known, line) for known in ALLOWED)
    ]


def test_a_server_runs_as_an_ordinary_user_without_any_capability(server: Server) -> None:
    status = server.run("cat", "/proc/1/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines())
    assert fields["Uid"].split() == ["1000"] * 4
    assert fields["Gid"].split() == ["1000"] * 4
    for capabilities in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(fields[capabilities], 16) == 0, capabilities
    assert fields["NoNewPrivs"] == "1"


def test_the_root_file_system_is_read_only_and_the_mount_points_are_the_users(
    server: Server,
) -> None:
    for folder in ("/home/jovyan", "/mnt/workspace/data", "/dataspace", "/tmp"):
        server.run("test", "-d", folder)
    assert server.run("stat", "-c", "%u:%g", "/mnt/workspace/data", "/dataspace").split() == [
        "1000:1000",
        "1000:1000",
    ]
    with pytest.raises(AssertionError, match="Read-only file system"):
        server.run("touch", "/opt/pelagos/new")


async def test_lab_opens_without_a_complaint_in_the_log(start: Start) -> None:
    server = start()
    server.wait()
    with server.http() as http:
        page = http.get("lab")
        assert page.status_code == 200
        assert "jupyter-config-data" in page.text
        for path in (
            "lab/api/settings",
            "lab/api/workspaces/default",
            "lab/api/translations",
            "api/contents",
            "api/kernelspecs",
            "api/sessions",
            "api/me",
            "api/metrics/v1",
        ):
            answer = http.get(path)
            assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text[:300]}"
    async with Kernel(server) as kernel:
        assert await kernel.run("print('é')") == "é\n"
    assert complaints(server.log()) == []


def test_only_the_extensions_that_are_wanted_are_loaded(server: Server) -> None:
    loaded = set(re.findall(r"(\S+) \| extension was successfully loaded", server.log()))
    assert loaded == {
        "jupyter_resource_usage",
        "jupyter_server_terminals",
        "jupyterhub",
        "jupyterlab",
        "jupyterlab_pelagos",
        "nbgitpuller",
    }
    with server.http() as http:
        page = http.get("lab").text
        # the extension manager installs nothing, and no news are fetched from the internet
        assert '"extensionManager": {"name": "ReadOnly"' in page or "read-only" in page
        assert "@jupyterlab/apputils-extension:announcements" in page


def test_the_status_bar_knows_the_limits(server: Server) -> None:
    with server.http() as http:
        usage = http.get("api/metrics/v1").raise_for_status().json()
    assert usage["limits"]["memory"]["rss"] == GIB
    assert usage["limits"]["cpu"]["cpu"] == 1.5
    assert "cpu_percent" in usage


def test_a_server_without_a_token_answers_nothing_but_its_version(server: Server) -> None:
    with httpx.Client(base_url=f"http://{server.address}", trust_env=False) as http:
        assert http.get("api").status_code == 200
        for path in ("api/kernels", "api/contents", "api/terminals", "api/metrics/v1"):
            assert http.get(path).status_code == 403, path


async def test_programs_are_told_of_the_limit_on_cores(server: Server) -> None:
    async with Kernel(server) as kernel:
        told = await kernel.run(
            "import os, sys\n"
            "names = ('OMP', 'OPENBLAS', 'MKL', 'NUMEXPR', 'NUMBA', 'JULIA')\n"
            "print(os.cpu_count(), *(os.environ[n + '_NUM_THREADS'] for n in names))"
        )
    # one and a half core is two threads
    assert told.split() == ["2"] * 7


@pytest.mark.parametrize(
    ("limit", "threads"),
    [("1", "1"), ("2.0", "2"), ("0.5", "1"), ("2.25", "3"), ("1.05", "2"), ("", ""), ("x", "1")],
)
def test_threads_follow_the_limit(server: Server, limit: str, threads: str) -> None:
    shown = server.run(
        "env", f"CPU_LIMIT={limit}", "/opt/pelagos/bin/start", "sh", "-c", "echo $OMP_NUM_THREADS"
    )
    assert shown.strip() == threads


def test_a_choice_of_threads_is_respected(server: Server) -> None:
    shown = server.run(
        "env", "CPU_LIMIT=4", "OMP_NUM_THREADS=1", "/opt/pelagos/bin/start", "sh", "-c",
        "echo $OMP_NUM_THREADS $MKL_NUM_THREADS",
    )  # fmt: skip
    assert shown.split() == ["1", "4"]


async def test_kernels_are_reached_by_sockets_that_are_nobody_elses(server: Server) -> None:
    async with Kernel(server) as kernel:
        await kernel.run("1")
        folder = "/tmp/pelagos/runtime"
        sockets = server.run("find", folder, "-type", "s").split()
        assert any(kernel.id in socket for socket in sockets), sockets
        # the limit of a socket's path is 108 bytes
        assert max(map(len, sockets)) < 100
        # jupyter_core adds the sticky bit
        assert server.run("stat", "-c", "%a", folder).strip() in {"700", "1700"}
        listening = server.run("python", "-c", _LISTENING)
        assert listening.split() == ["8888"], listening


_LISTENING = """
ports = set()
for name in ("/proc/net/tcp", "/proc/net/tcp6"):
    for line in open(name).readlines()[1:]:
        fields = line.split()
        # listening, and not on the loopback, which is this container's own (debugpy is there)
        if fields[3] == "0A" and not fields[1].startswith("0100007F"):
            ports.add(int(fields[1].rpartition(":")[2], 16))
print(*sorted(ports))
"""


def test_plain_jupyter_lab_runs_with_the_same_settings(
    engine: docker.DockerClient, hub: Hub, image: Image
) -> None:
    command = ["jupyter", "lab", "--ip=0.0.0.0", "--ServerApp.base_url=/user/ada/"]
    token = {"JUPYTER_TOKEN": "t0ken-of-the-server"}
    with Server(engine, hub, image.reference, environment=token, command=command) as plain:
        plain.wait()
        with plain.http() as http:
            assert http.get("lab").status_code == 200
        assert complaints(plain.log()) == []


def test_the_events_of_the_server_are_checked_and_published(server: Server) -> None:
    # the lock leaves packages out for whose sake event schemas could fail: they do not
    told = server.python(
        "from jupyter_events import EventLogger\n"
        "import io, logging, pathlib, jupyter_server\n"
        "schemas = pathlib.Path(jupyter_server.__file__).parent / 'event_schemas'\n"
        "logger = EventLogger()\n"
        "logger.register_handler(logging.StreamHandler(io.StringIO()))\n"
        "for schema in schemas.rglob('*.yaml'): logger.register_event_schema(schema)\n"
        "name = 'https://events.jupyter.org/jupyter_server/contents_service/v1'\n"
        "got = logger.emit(schema_id=name, data={'action': 'get', 'path': 'a'})\n"
        "try: logger.emit(schema_id=name, data={'action': 'no such', 'path': 'a'})\n"
        "except Exception as error: print(type(error).__name__)\n"
    )
    assert told.strip().splitlines()[-1] == "ValidationError"


def test_the_hubs_own_modules_are_not_imported_at_start(server: Server) -> None:
    told = server.python(
        "import sys\n"
        "from pelagos_server.singleuser import load\n"
        "load()\n"
        "heavy = ('sqlalchemy', 'alembic', 'jupyterhub.orm', 'jupyterhub.handlers', 'requests')\n"
        "print([name for name in heavy if name in sys.modules])\n"
        "from jupyterhub import scopes\n"
        "print(scopes.orm.User.__tablename__)\n"
    )
    # and whoever needs one after all gets it
    assert told.split("\n")[:2] == ["[]", "users"]


def test_a_start_costs_little_cpu_time(start: Start) -> None:
    costs = []
    for _ in range(3):
        server = start(cpus=2)
        server.wait()
        costs.append(server.cpu_seconds())
        server.close()
    # 0.53 CPU-seconds where this was written, 1.6 for a plain image there
    assert statistics.median(costs) < 0.9, costs


def test_a_persons_own_packages_are_found_and_cannot_replace_the_images(server: Server) -> None:
    site = server.python("import site; print(site.getusersitepackages())").strip()
    assert site.startswith("/home/jovyan/.local/")
    assert server.run("printenv", "PIP_USER").strip() == "1"
    server.run("mkdir", "-p", site)
    server.put(f"{site}/mine.py", "value = 42")
    server.put(f"{site}/jupyterlab.py", "raise RuntimeError('not the image's')")
    assert server.python("import mine; print(mine.value)").strip() == "42"
    where = server.python("import jupyterlab; print(jupyterlab.__file__)")
    assert where.startswith("/opt/pelagos/")
