"""The step of `./pelagos check` for the data pool: a temporary person orders, and opens, a file."""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from pathlib import Path
from typing import Any

import httpx
import netCDF4
import numpy as np

from pelagos.catalogue.folders import NETCDF_SUFFIXES, Entry, Tree, locate
from pelagos.datapool.model import OrderState
from pelagos.deployment import CATALOGUE_PATH, DATAPOOL_PATH
from pelagos.ops.checking import Failed, Run, client_of, inside
from pelagos.settings import BackendKind
from pelagos.settings.sources import FilesSource
from pelagos.units import format_bytes

_READY_SECONDS = 120.0
_LARGEST = 64 * 2**20  # bytes: a check is no benchmark
_LOG = "Its log says why: {logs}/downloader.log"

# What a person's cell does with the file: its hash, and each variable's size and sum as stored.
_OPEN = """
import hashlib, json, os, pathlib
path = pathlib.Path(os.environ["PELAGOS_DATASPACE"]) / "me" / {folder!r} / {path!r}
with open(path, "rb") as file:
    found = {"sha256": hashlib.file_digest(file, "sha256").hexdigest()}
found["real"] = os.path.realpath(path)
try:
    open(found["real"], "r+b").close()
    found["writable"] = True
except OSError:
    found["writable"] = False
try:
    import numpy, xarray
except ImportError:
    found["values"] = None
else:
    try:
        with xarray.open_dataset(path, decode_cf=False) as data:
            found["values"] = {
                str(name): [int(one.size), float(numpy.nansum(one.values.astype("f8")))]
                for name, one in data.variables.items() if one.dtype.kind in "iuf"
            }
    except (OSError, RuntimeError, ValueError):
        found["values"] = {}  # a broken file: its hash tells
print(json.dumps(found))
"""


def data_pool(run: Run) -> str:
    """A granule of a folder is ordered, opened on the server and compared with the source's file.

    With the server's own token. The order is deleted at the end, whatever happened.
    """
    sources = run.deployment.settings.catalogue.sources
    source = next((one for one in sources if isinstance(one, FilesSource) and one.path), None)
    if source is None:
        return "no source is a folder of this machine: nothing to order without the internet"
    with client_of(run, CATALOGUE_PATH) as catalogue:
        item = _smallest(catalogue, source.name)
    if item is None:
        return f"{source.title or source.name} has no file below {format_bytes(_LARGEST)}"
    with client_of(run, f"{DATAPOOL_PATH}/api") as pool:
        wanted = {"items": [{"collection": item["collection"], "item": item["id"]}]}
        began = time.monotonic()
        order = _json(pool, "POST", "/orders", wanted)
        try:
            order = _ready(run, pool, order)
            seconds = time.monotonic() - began
            files = _json(pool, "GET", f"/orders/{order['number']}/files")["files"]
            if not files:
                raise Failed(f"The order of {item['id']} is ready and has no files.")
            what = _compare(run, source, order, files[0])
        finally:
            # one that is under way is cancelled so
            _json(pool, "DELETE", f"/orders/{order['number']}")
    return f"{item['id']} was ready after {seconds:.1f} s; {what}"


def _smallest(catalogue: httpx.Client, source: str) -> dict[str, Any] | None:
    """The granule of this source with the smallest NetCDF file."""
    answer = _json(catalogue, "GET", "/collections?limit=100")
    own = [
        str(one.get("id"))
        for one in answer.get("collections") or []
        if str(one.get("id", "")).startswith(f"{source}.")
    ]
    if not own:
        raise Failed(f"The catalogue does not find a collection of {source}.")
    found = _json(catalogue, "GET", f"/search?limit=100&collections={','.join(own[:20])}")
    sized = [
        (int(asset.get("file:size") or 0), item)
        for item in found.get("features") or []
        for asset in item.get("assets", {}).values()
        if str(asset.get("href", "")).lower().endswith(NETCDF_SUFFIXES)
    ]
    fitting = [one for one in sized if 0 < one[0] <= _LARGEST]
    return dict(min(fitting, key=lambda one: one[0])[1]) if fitting else None


def _ready(run: Run, pool: httpx.Client, order: dict[str, Any]) -> dict[str, Any]:
    """The order once it is ready."""
    deadline = time.monotonic() + _READY_SECONDS
    mend = _LOG.replace("{logs}", str(run.deployment.state.logs))
    while order["state"] != OrderState.READY:
        if OrderState(order["state"]).over:
            raise Failed(f"The order is {order['state']}: {order['error']}", mend)
        if time.monotonic() > deadline:
            raise Failed(
                f"The order is still {order['state']} after {_READY_SECONDS:.0f} s.",
                f"Does the downloader run? {mend}",
            )
        time.sleep(0.1)
        order = _json(pool, "GET", f"/orders/{order['number']}")
    return order


def _compare(run: Run, source: FilesSource, order: dict[str, Any], file: dict[str, Any]) -> str:
    """Open the order's file as the person does; it is the source's, byte by byte and by value."""
    cell = _OPEN.replace("{folder!r}", repr(order["folder"])).replace(
        "{path!r}", repr(file["path"])
    )
    found = json.loads(inside(run, cell).splitlines()[-1])
    name = file["path"].rpartition("/")[2]
    original = _original(source, int(file["size"]), found["sha256"])
    if original is None:
        raise Failed(f"{name} on the server is not the file of {source.title or source.name}.")
    if found["writable"] and run.deployment.facts.backend is BackendKind.DOCKER:
        raise Failed(f"{name} can be written by the person, and is everybody's.")
    size = format_bytes(int(file["size"]))
    if found["values"] is None:
        return f"{size} with the right hash (this image has no xarray)"
    values = _values(original)
    if set(values) != set(found["values"]):
        raise Failed(f"{name} has other variables on the server than at the source.")
    for variable, (count, total) in values.items():
        there, sum_there = found["values"][variable]
        if there != count or not math.isclose(total, sum_there, rel_tol=1e-9, abs_tol=1e-9):
            raise Failed(f"{name}: {variable} has other values on the server than at the source.")
    return f"{size} and {len(values)} variables are as at the source"


def _original(source: FilesSource, size: int, digest: str) -> Path | None:
    """The file of the source with this content."""
    with Tree(locate(source.path)) as tree:
        for entry in tree.walk():
            if isinstance(entry, Entry) and entry.size == size:
                with os.fdopen(tree.open(entry.path), "rb") as file:
                    if hashlib.file_digest(file, "sha256").hexdigest() == digest:
                        return tree.root / entry.path
    return None


def _values(path: Path) -> dict[str, tuple[int, float]]:
    """Size and sum of each variable as it is stored."""
    with netCDF4.Dataset(path) as data:
        data.set_auto_maskandscale(False)
        return {
            name: (int(one.size), float(np.nansum(one[...].astype("f8"))))
            for name, one in data.variables.items()
            if one.dtype != str and one.dtype.kind in "iuf"
        }


def _json(client: httpx.Client, method: str, path: str, body: Any = None) -> dict[str, Any]:
    """The answer; a refusal with the service's own reason."""
    what = "catalogue" if CATALOGUE_PATH in str(client.base_url) else "data pool"
    try:
        answer = client.request(method, path, json=body)
    except httpx.HTTPError as error:
        raise Failed(f"The {what} does not answer: {error!r}.") from error
    if answer.is_success:
        found: dict[str, Any] = answer.json() if answer.content else {}
        return found
    try:
        refusal = answer.json()
        reason = str(refusal.get("reason") or refusal.get("detail"))
    except (ValueError, AttributeError):
        reason = ""
    raise Failed(f"The {what} answers {method} with HTTP {answer.status_code}. {reason}".strip())
