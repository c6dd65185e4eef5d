"""Steps of `./pelagos check` for people's storage, with a temporary person's server running."""

from __future__ import annotations

import hashlib
import http.client
import json
import secrets
import time
from base64 import b64encode
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
from defusedxml import ElementTree

from pelagos.deployment import DAV_PATH
from pelagos.layout import Area, AreaKind
from pelagos.node.sweep import MARKED
from pelagos.ops import supervise
from pelagos.ops.checking import Failed, Run, inside
from pelagos.settings import BackendKind, WorkspaceKind
from pelagos.sockets import unix_client
from pelagos.units import format_bytes
from pelagos.volumes import safe_name

_ARRIVE_SECONDS = 60.0
_GONE_SECONDS = 30.0
_SWEEP_SECONDS = 60.0
_TIMEOUT = 30.0
_FILE = "pelagos-check.bin"


def _embedded(run: Run) -> bool:
    return run.deployment.settings.storage.workspace.kind is WorkspaceKind.EMBEDDED


def _outside(run: Run) -> httpx.Client:
    """A WebDAV client of the temporary person, coming from outside, through the proxy.

    The password is their server's own token: nobody had to be given the right to make one.
    """
    if not run.token:
        run.token = inside(run, "import os; print(os.environ['JUPYTERHUB_API_TOKEN'])")
    origin = run.deployment.facts.url.rstrip("/")
    return httpx.Client(
        base_url=f"{origin}{DAV_PATH}/{quote(run.user, safe='')}/",
        auth=(run.user, run.token),
        timeout=_TIMEOUT,
        trust_env=False,
    )


_WRITE = """
import hashlib, os, pathlib, time
folder = pathlib.Path(os.environ["PELAGOS_WORKSPACE"])
deadline = time.monotonic() + 30
while not os.access(folder, os.W_OK) and time.monotonic() < deadline:
    time.sleep(0.2)
data = os.urandom(1 << 20)
(folder / "{name}").write_bytes(data)
print(hashlib.sha256(data).hexdigest())
"""


def workspace(run: Run) -> str:
    """What is written to the workspace is read back over WebDAV from outside, and the reverse."""
    if not _embedded(run):
        return _external(run)
    expected = inside(run, _WRITE.replace("{name}", _FILE)).splitlines()[-1]
    back = f"from-outside-{secrets.token_hex(4)}.txt"
    began = time.monotonic()
    with _outside(run) as client:
        while True:
            response = client.get(_FILE)
            if response.status_code == 200:
                break
            if time.monotonic() - began > _ARRIVE_SECONDS:
                raise Failed(
                    f"A file of the workspace has not arrived after {_ARRIVE_SECONDS:.0f} s: "
                    f"WebDAV answers HTTP {response.status_code}."
                )
            time.sleep(0.2)
        seconds = time.monotonic() - began
        if hashlib.sha256(response.content).hexdigest() != expected:
            raise Failed("A file read back over WebDAV differs from what was written.")
        if client.put(back, content=back.encode()).status_code not in (201, 204):
            raise Failed("A file can't be put into the workspace over WebDAV.")
    look = (
        "import os, pathlib, time\n"
        f"path = pathlib.Path(os.environ['PELAGOS_WORKSPACE']) / {back!r}\n"
        "deadline = time.monotonic() + 30\n"
        "while not path.exists() and time.monotonic() < deadline: time.sleep(0.5)\n"
        "print(path.read_text())"
    )
    if inside(run, look) != back:
        raise Failed("A file put over WebDAV does not appear in the workspace.")
    return f"1 MiB arrived after {seconds:.1f} s with the right hash, and one came back"


def _external(run: Run) -> str:
    """With a WebDAV server elsewhere the temporary person has no account there."""
    source = "import os; print(sorted(os.listdir(os.environ['PELAGOS_WORKSPACE'])))"
    if "README.txt" not in inside(run, source):
        raise Failed("Without an account, the workspace does not say why it is empty.")
    return "a WebDAV server elsewhere: without an account the folder says why it is empty"


def workspace_quota(run: Run) -> str:
    """More than the quota is refused before it is sent."""
    if not _embedded(run):
        return "the WebDAV server elsewhere has its own"
    quota = run.deployment.settings.storage.workspace.quota
    with _outside(run) as client:
        address = urlsplit(str(client.base_url))
    secret = b64encode(f"{run.user}:{run.token}".encode()).decode()
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=_TIMEOUT)
    try:
        connection.putrequest("PUT", f"{address.path}too-large.bin", skip_host=True)
        connection.putheader("Host", address.netloc)
        connection.putheader("Authorization", f"Basic {secret}")
        connection.putheader("Content-Length", str(quota + 1))
        connection.endheaders()
        # the proxy passes a request on with the first of its body
        connection.send(bytes(2**16))
        status = connection.getresponse().status
    finally:
        connection.close()
    if status != HTTPStatus.INSUFFICIENT_STORAGE:
        raise Failed(f"A file larger than the quota is answered with HTTP {status}, not 507.")
    return f"a file of {format_bytes(quota)} and one byte was refused"


_SPACE = """
import errno, json, os, pathlib, time
base = pathlib.Path(os.environ["PELAGOS_DATASPACE"])
me = base / "me"
deadline = time.monotonic() + 30
while not os.access(me, os.W_OK) and time.monotonic() < deadline:
    time.sleep(0.2)
(me / "keep.txt").write_text("new")
(me / "expired.txt").write_text("old")
os.utime(me / "expired.txt", ns=({mark}, {mark}))
size = {size}
try:
    with open(me / "fill", "wb") as file:
        if size:
            os.posix_fallocate(file.fileno(), 0, size)
    full = 0
except OSError as error:
    full = error.errno
(me / "fill").unlink()
try:
    (base / "pool" / "x").touch()
    (base / "pool" / "x").unlink()
    pool = True
except OSError:
    pool = False
full = full in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
print(json.dumps([full, pool, sorted(os.listdir(base))]))
"""


def dataspace(run: Run) -> str:
    """The dataspace can be written, its quota holds, and the data pool is read-only.

    With the process backend areas are plain folders: neither is enforced.
    """
    settings = run.deployment.settings.storage.dataspace
    docker = run.deployment.facts.backend is BackendKind.DOCKER
    enforced = docker and _own_area(run)["enforced"]
    # an image holds a little more than its quota: its file system needs some
    size = settings.quota + settings.quota // 10 + 2**28 if enforced else 0
    source = _SPACE.replace("{size}", str(size)).replace("{mark}", str(MARKED))
    full, pool, names = json.loads(inside(run, source))
    missing = {"me", "pool", run.virtual_lab.name} - set(names)
    if missing:
        raise Failed(f"The dataspace lacks {', '.join(sorted(missing))}.")
    if not docker:
        return f"{', '.join(sorted(names))}; plain folders (process backend): no quota is enforced"
    if pool:
        raise Failed("The data pool can be written.")
    if enforced and not full:
        raise Failed(f"More than the quota of {format_bytes(settings.quota)} could be written.")
    quota = f"{format_bytes(settings.quota)} {'enforced' if enforced else 'NOT enforced'}"
    return f"{', '.join(sorted(names))}; {quota}"


def _own_area(run: Run) -> dict[str, Any]:
    """What the node agent says of the temporary person's area; waits for it to be made."""
    deadline = time.monotonic() + _TIMEOUT
    with unix_client(run.deployment.agent_socket, _TIMEOUT) as client:
        while time.monotonic() < deadline:
            for area in client.get("/dataspaces").json():
                if (area["kind"], area["owner"]) == ("users", run.user):
                    return dict(area)
            time.sleep(0.5)
    raise Failed("The node agent does not know the person's own area of the dataspace.")


def expiry(run: Run) -> str:
    """A file that is marked old goes, a new one stays."""
    if not run.deployment.settings.storage.dataspace.expiry:
        return "nothing expires here"
    look = "import os; print(sorted(os.listdir(os.environ['PELAGOS_DATASPACE'] + '/me')))"
    began = time.monotonic()
    while True:
        if not supervise.send_signal(run.deployment.state, "sweeper", "USR1"):
            raise Failed("The sweeper does not run.")
        names = inside(run, look)
        if "expired.txt" not in names:
            break
        if time.monotonic() - began > _SWEEP_SECONDS:
            raise Failed(f"A marked file is still there after {_SWEEP_SECONDS:.0f} s of sweeping.")
        time.sleep(1)
    if "keep.txt" not in names:
        raise Failed(f"The sweep took a new file; there are {names}.")
    return "the old file went, the new one stayed"


def empty_workspace(run: Run) -> str:
    """The temporary person's files go; those of a deleted account would be set aside."""
    if not _embedded(run) or not run.token:
        return ""
    with _outside(run) as client:
        listing = client.request("PROPFIND", "", headers={"Depth": "1"})
        hrefs = [str(node.text) for node in ElementTree.fromstring(listing.text).iter("{DAV:}href")]
        files = [href.rpartition("/")[2] for href in hrefs if not href.endswith("/")]
        for name in files:
            status = client.delete(name).status_code
            if status not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND):
                raise Failed(f"{name} can't be deleted over WebDAV: HTTP {status}.")
    return f"{len(files)} files deleted"


def traces(run: Run) -> list[str]:
    """What of the temporary person's storage is left, once uploads had time to end."""
    layout = run.deployment.layout
    area = layout.area(Area(AreaKind.USERS, run.user))
    places = {
        "the workspace": layout.user_workspace(run.user),
        "the dataspace": area,
        "the workspace's cache": layout.cache(run.user),
        "the view of the dataspace": layout.view(run.user),
        "the folder of the mount": layout.mount_parent(run.user),
    }
    # a log of the mount tells nobody anything any more
    (run.deployment.state.logs / "mounts" / f"{safe_name(run.user)}.log").unlink(missing_ok=True)
    deadline = time.monotonic() + _GONE_SECONDS
    while any(path.exists() for path in places.values()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return [name for name, path in places.items() if path.exists()]
