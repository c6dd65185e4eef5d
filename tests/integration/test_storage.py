"""People's storage as they meet it: in their servers, through a real hub and real containers."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pelagos.errors import PelagosError
from pelagos.node import mounts
from storage_node import hashes, rclone_pid, wait_for_files
from support import Vre, cell, leeway, start, stop, until, until_quiet

pytestmark = pytest.mark.engine

SETTINGS = """
site: {name: Storage}
sizes: [{name: small, cores: 1, memory: 2 GiB}]
images: [python, base]
virtual_labs:
  - {name: reef, open: true}
  - {name: library, open: true, managers: [mia], members_write: false}
  - {name: closed, members: [ada]}
storage:
  workspace: {quota: 3 GiB, virtual_lab_quota: 1 GiB}
  dataspace: {quota: 256 MiB, virtual_lab_quota: 256 MiB}
"""


@pytest.fixture(scope="module")
def vre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vre]:
    vre = Vre(tmp_path_factory.mktemp("storage") / "state", SETTINGS)
    try:
        yield vre.up("--backend", "docker")
    finally:
        vre.down()


def mounted(vre: Vre, user: str) -> None:
    """Wait for the person's workspace."""
    until(lambda: workspace(vre, user).get("state") == "mounted", 60, vre.logs())


def workspace(vre: Vre, user: str) -> dict[str, object]:
    """How the agent sees a person's workspace; empty if it knows nothing."""
    storage = vre.status().get("storage") or {"workspaces": []}
    found = [one for one in storage["workspaces"] if one["user"] == user]
    return dict(found[0]) if found else {}


def arrived(vre: Vre, user: str, folder: Path, expected: dict[str, str]) -> None:
    """Wait until what the person wrote is in `folder` of the server; hashes by relative path."""
    until_quiet(lambda: workspace(vre, user).get("pending"), 120, f"uploads of {user} end")
    wait_for_files(folder, expected)


def text_hash(text: str) -> str:
    """Hash of a file with this text."""
    return hashlib.sha256(text.encode()).hexdigest()


SCIENCE = """
import hashlib, json, mmap, os, pathlib, sqlite3
import numpy, xarray
home = pathlib.Path.home() / "workspace" / "cruise"
home.mkdir()
times = numpy.arange(10)
data = xarray.Dataset(
    {"temperature": (("time", "depth"), numpy.random.default_rng(1).normal(size=(10, 500)))},
    {"time": times, "depth": numpy.linspace(0, 2000, 500)},
)
data.to_netcdf(home / "ctd.nc", engine="netcdf4", unlimited_dims=["time"])
import netCDF4
with netCDF4.Dataset(home / "ctd.nc", "a") as file:
    file["temperature"][10:20, :] = 4.0
    file["time"][10:20] = numpy.arange(10, 20)
with xarray.open_dataset(home / "ctd.nc") as back:
    assert back.sizes["time"] == 20, back.sizes
    assert float(back.temperature[15].mean()) == 4.0
with sqlite3.connect(home / "log.sqlite") as base:
    base.execute("pragma journal_mode = delete")
    base.execute("create table cast (station integer, depth real)")
    base.executemany("insert into cast values (?, ?)", [(n, n / 2) for n in range(1000)])
base.close()
(home / "grid.bin").write_bytes(bytes(1 << 20))
with open(home / "grid.bin", "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
    memory[100:104] = b"SALT"
many = home / "profiles"
many.mkdir()
for number in range(1000):
    (many / f"{number:04}.csv").write_text(f"{number},{number * 2}\\n" * 20)
digest = hashlib.sha256()
with open(home / "model.bin", "wb") as file:
    for _ in range(500):
        block = os.urandom(1 << 20)
        digest.update(block)
        file.write(block)
files = {}
for path in home.rglob("*"):
    if path.is_file() and path.name != "model.bin":
        files[str(path.relative_to(home))] = hashlib.sha256(path.read_bytes()).hexdigest()
files["model.bin"] = digest.hexdigest()
print(json.dumps(files))
"""


def test_netcdf_sqlite_mmap_many_and_large_files_arrive_whole(vre: Vre) -> None:
    import json

    start(vre, "ada", "python")
    mounted(vre, "ada")
    written = json.loads(cell(vre, "ada", SCIENCE))
    assert len(written) == 1004
    folder = vre.deployment.layout.user_workspace("ada") / "cruise"
    arrived(vre, "ada", folder, written)
    assert hashes(folder) == written
    stop(vre, "ada")
    # the hub tells the agent at once; the reconciler would take a minute
    until(lambda: not workspace(vre, "ada"), 20, "unmounted after the stop")
    assert "post_stop_hook" not in (vre.folder / "logs" / "hub.log").read_text()


def test_a_server_that_is_stopped_while_it_uploads_loses_nothing(vre: Vre) -> None:
    start(vre, "ben")
    mounted(vre, "ben")
    source = """
import hashlib, os, pathlib
data = os.urandom(200 << 20)
(pathlib.Path.home() / "workspace" / "late.bin").write_bytes(data)
print(hashlib.sha256(data).hexdigest())
"""
    expected = cell(vre, "ben", source)
    stop(vre, "ben")
    until(lambda: not workspace(vre, "ben"), 120, "flushed and unmounted")
    assert hashes(vre.deployment.layout.user_workspace("ben")) == {"late.bin": expected}
    # and the next server finds it
    start(vre, "ben")
    mounted(vre, "ben")
    source = """
import hashlib, pathlib
data = (pathlib.Path.home() / "workspace" / "late.bin").read_bytes()
print(hashlib.sha256(data).hexdigest())
"""
    assert cell(vre, "ben", source) == expected
    stop(vre, "ben")


def test_uploads_go_on_while_the_hub_is_killed(vre: Vre) -> None:
    start(vre, "cleo")
    mounted(vre, "cleo")
    folder = vre.deployment.layout.user_workspace("cleo")
    source = """
import hashlib, os, pathlib
data = os.urandom(100 << 20)
(pathlib.Path.home() / "workspace" / "hub.bin").write_bytes(data)
print(hashlib.sha256(data).hexdigest())
"""
    expected = cell(vre, "cleo", source)
    hub = vre.pid("hub")
    os.kill(hub, signal.SIGKILL)
    until((folder / "hub.bin").exists, 60, "arrives without the hub")
    assert hashes(folder)["hub.bin"] == expected
    until(lambda: vre.pid("hub") not in (0, hub) and alive(vre), 60)
    stop(vre, "cleo")


def alive(vre: Vre) -> bool:
    """Whether the hub answers."""
    with vre.api() as hub:
        return hub.alive()


def test_a_dead_mount_heals_inside_a_running_server(vre: Vre) -> None:
    start(vre, "dan")
    mounted(vre, "dan")
    source = "import pathlib; print(pathlib.Path.home().joinpath('workspace', 'x').write_text('1'))"
    cell(vre, "dan", source)
    arrived(vre, "dan", vre.deployment.layout.user_workspace("dan"), {"x": text_hash("1")})
    data = vre.deployment.layout.mount_parent("dan") / "data"
    os.kill(rclone_pid(data), signal.SIGKILL)
    read = """
import pathlib, time
path = pathlib.Path.home() / "workspace" / "x"
for _ in range(200):
    try:
        print(path.read_text()); break
    except OSError:
        time.sleep(0.1)
"""
    assert cell(vre, "dan", read) == "1"
    stop(vre, "dan")


def test_without_agent_and_webdav_a_server_starts_and_its_workspace_comes_later(vre: Vre) -> None:
    agent, dav = vre.pid("agent"), vre.pid("dav")
    # stopped, not killed: the supervisor would have them back at once
    for pid in (agent, dav):
        os.kill(pid, signal.SIGSTOP)
    try:
        start(vre, "eve")
        look = "import pathlib; print((pathlib.Path.home()/'workspace'/'README.txt').read_text())"
        assert "node agent does not answer" in cell(vre, "eve", look)
        with pytest.raises(PelagosError, match=r"Permission denied|Read-only"):
            cell(vre, "eve", "open('/home/jovyan/workspace/lost.txt', 'w')")
        os.kill(agent, signal.SIGCONT)
        until(lambda: "WebDAV server does not answer" in cell(vre, "eve", look), 90)
    finally:
        for pid in (agent, dav):
            os.kill(pid, signal.SIGCONT)
    mounted(vre, "eve")
    cell(vre, "eve", "open('/home/jovyan/workspace/kept.txt', 'w').write('kept')")
    cell(vre, "eve", "open('/dataspace/me/fast.txt', 'w').write('fast')")
    folder = vre.deployment.layout.user_workspace("eve")
    arrived(vre, "eve", folder, {"kept.txt": text_hash("kept")})
    stop(vre, "eve")


def test_an_agent_that_hangs_does_not_hang_the_hub(vre: Vre) -> None:
    agent = vre.pid("agent")
    os.kill(agent, signal.SIGSTOP)
    slowest = 0.0
    try:
        starter = threading.Thread(target=start, args=(vre, "finn"))
        starter.start()
        while starter.is_alive():
            began = time.monotonic()
            assert httpx.get(f"{vre.url}/hub/health", timeout=10).status_code == 200
            slowest = max(slowest, time.monotonic() - began)
        starter.join()
    finally:
        os.kill(agent, signal.SIGCONT)
    assert slowest < leeway(5), "the hub's event loop goes on"
    stop(vre, "finn")


def test_a_virtual_lab_shares_its_folders(vre: Vre) -> None:
    for person in ("gil", "mia"):
        start(vre, person)
        mounted(vre, person)
    cell(vre, "gil", "open('/home/jovyan/workspace/shared/reef/a.txt', 'w').write('from gil')")
    cell(vre, "gil", "open('/dataspace/reef/b.txt', 'w').write('fast from gil')")
    read = """
import time
for _ in range(150):
    try:
        print(open('/home/jovyan/workspace/shared/reef/a.txt').read()); break
    except OSError:
        time.sleep(0.1)
print(open('/dataspace/reef/b.txt').read())
"""
    assert cell(vre, "mia", read).splitlines() == ["from gil", "fast from gil"]
    # who is no member sees neither
    names = (
        "import os; print(os.listdir('/home/jovyan/workspace/shared'), os.listdir('/dataspace'))"
    )
    assert "closed" not in cell(vre, "gil", names)
    # a member may read what a manager wrote, and is told that he may not write
    cell(vre, "mia", "open('/home/jovyan/workspace/shared/library/rules.txt','w').write('rules')")
    library = vre.deployment.layout.virtual_lab_workspace("library")
    arrived(vre, "mia", library, {"rules.txt": text_hash("rules")})
    read = read.replace("reef/a.txt", "library/rules.txt")
    assert cell(vre, "gil", read).splitlines()[0] == "rules"
    cell(vre, "gil", "open('/home/jovyan/workspace/shared/library/mine.txt', 'w').write('no')")
    until(lambda: workspace(vre, "gil").get("failed"), 60, str(workspace(vre, "gil")))
    [refused] = workspace(vre, "gil")["failed"]  # type: ignore[misc]
    assert refused["name"] == "shared/library/mine.txt"
    assert "403" in refused["reason"]
    cell(vre, "gil", "import os; os.remove('/home/jovyan/workspace/shared/library/mine.txt')")
    until(lambda: not workspace(vre, "gil").get("failed"), 30)
    for person in ("gil", "mia"):
        stop(vre, person)


def test_a_full_dataspace_harms_its_owner_only_and_lab_still_opens(vre: Vre) -> None:
    for person in ("hana", "ivo"):
        start(vre, person)
    source = """
import errno
try:
    with open("/dataspace/me/fill", "wb") as file:
        while True:
            file.write(bytes(1 << 20))
except OSError as error:
    print(errno.errorcode[error.errno])
"""
    assert cell(vre, "hana", source) in ("ENOSPC", "EDQUOT")
    cell(vre, "ivo", "open('/dataspace/me/mine', 'wb').write(bytes(50 << 20))")
    with pytest.raises(PelagosError, match="Read-only file system"):
        cell(vre, "ivo", "open('/dataspace/pool/x', 'w')")
    stop(vre, "hana")
    start(vre, "hana")
    assert cell(vre, "hana", "import os; print(os.path.getsize('/dataspace/me/fill') > 1 << 27)")
    for person in ("hana", "ivo"):
        stop(vre, person)


def test_the_workspace_service_is_reached_from_inside_with_the_servers_token(vre: Vre) -> None:
    start(vre, "jo")
    mounted(vre, "jo")
    source = """
import json, os, urllib.request
address = os.environ["PELAGOS_WORKSPACE_API"] + "/status"
token = os.environ["JUPYTERHUB_API_TOKEN"]
request = urllib.request.Request(address, headers={"Authorization": f"token {token}"})
print(json.load(urllib.request.urlopen(request, timeout=20))["workspace"]["state"])
"""
    assert cell(vre, "jo", source) == "mounted"
    stop(vre, "jo")


def test_down_with_servers_waits_for_uploads_and_leaves_no_mount(vre: Vre) -> None:
    start(vre, "kai")
    mounted(vre, "kai")
    source = """
import hashlib, os, pathlib
data = os.urandom(100 << 20)
(pathlib.Path.home() / "workspace" / "last.bin").write_bytes(data)
print(hashlib.sha256(data).hexdigest())
"""
    expected = cell(vre, "kai", source)
    done = vre.run("down", "--servers")
    assert done.returncode == 0, done.stderr
    assert mounts.below(vre.folder) == []
    found = (vre.deployment.layout.user_workspace("kai") / "last.bin").read_bytes()
    assert hashlib.sha256(found).hexdigest() == expected
    assert vre.run("up", "--detach").returncode == 0
