"""Data of items: found in the pool, opened where they are served, or downloaded for now."""

from __future__ import annotations

import atexit
import hashlib
import json
import re
import shutil
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pelagos_client import folders
from pelagos_client.access.model import FilePlan, Protocol, Waiting
from pelagos_client.access.names import file_name
from pelagos_client.errors import OpenError
from pelagos_client.formats import OPENDAP, ZARR
from pelagos_client.needed import module
from pelagos_client.progress import Progress, readable

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_SAFE_LIMIT = 120
_DAP = re.compile(r"/(dodsc|opendap|dap[24]?)/", re.IGNORECASE)
_ITEM_BYTES = 16 * 2**20
_LOCK = threading.Lock()
_HERE: dict[str, Path] = {}  # what this program downloaded, by what was asked
_FOLDER: list[Path] = []


def kind_of(url: str, media: str = "", key: str = "") -> str:
    """OPENDAP or ZARR for what is opened where it is served; "" for a file."""
    path = urlsplit(url).path
    if "zarr" in media.lower() or path.rstrip("/").lower().endswith(".zarr"):
        return ZARR
    if "opendap" in f"{media} {key}".lower() or _DAP.search(path):
        # a server's download of the whole file is not its OPeNDAP address
        return "" if path.lower().endswith((".nc.nc4", ".html", ".ascii")) else OPENDAP
    return ""


def lazy_asset(document: Mapping[str, Any], asset: str | None) -> tuple[str, str]:
    """How an item's data are served, and where: of `asset`, else of the first such asset."""
    assets = document.get("assets")
    for key, one in (assets if isinstance(assets, dict) else {}).items():
        if not isinstance(one, dict) or (asset is not None and key != asset):
            continue
        roles = one.get("roles")
        href = str(one.get("href") or "")
        is_data = not isinstance(roles, list) or not roles or "data" in roles
        if not href.startswith(("http://", "https://")) or "pelagos:subset" in one or not is_data:
            continue
        kind = kind_of(href, str(one.get("type") or ""), f"{key} {one.get('title') or ''}")
        if kind:
            return kind, href
    return "", ""


def in_pool(document: Mapping[str, Any], plan: FilePlan) -> Path | None:
    """A file of an item in the data pool, if it is there and as large as it should be."""
    properties = document.get("properties")
    source = str((properties or {}).get("pelagos:infrastructure") or "")
    collection, item = str(document.get("collection") or ""), str(document.get("id") or "")
    if not source or not collection.startswith(f"{source}.") or "/" in source:
        return None
    pool = folders.dataspace() / "pool"
    own = collection.removeprefix(f"{source}.")
    folder = pool / source / _identify(own) / _identify(item)
    path = folder / plan.name
    try:
        described = json.loads((folder / "item.json").read_bytes()[:_ITEM_BYTES])
        same = (described["id"], described["collection"]) == (item, collection)
        if not same or not path.is_file():
            return None
        if plan.size is not None and path.stat().st_size != plan.size:
            return None
        return folders.inside(path, pool, "the data pool")
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _identify(text: str) -> str:
    """An identifier as the pool's folders have it."""
    safe = _UNSAFE.sub("-", text).strip("-.")
    if safe == text and len(safe) <= _SAFE_LIMIT:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{safe[:_SAFE_LIMIT].rstrip('-.')}-{digest}".lstrip("-")


def open_served(address: str, kind: str, **options: Any) -> Any:
    """An xarray.Dataset of what a server gives in parts. Raises OpenError."""
    xarray = module("xarray", "open")
    for name in ("netCDF4",) if kind == OPENDAP else ("zarr", "fsspec", "aiohttp"):
        module(name, "open")
    engine = "netcdf4" if kind == OPENDAP else "zarr"
    try:
        return xarray.open_dataset(address, **{"engine": engine, **options})
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        host, how = urlsplit(address).hostname, "OPeNDAP" if kind == OPENDAP else "zarr"
        raise OpenError(
            f"{host} does not give the data by {how}: {error}.",
            "Try again later, or order the item.",
        ) from error


def download_url(url: str, largest: int, private_hosts: Sequence[str]) -> Path:
    """A file at an address. Raises OpenError, DownloadError."""
    return downloaded(FilePlan("data", file_name(url), url), largest, private_hosts, url)


def downloaded(plan: FilePlan, largest: int, private_hosts: Sequence[str], name: str) -> Path:
    """A file of an item in a folder that goes with this program, once.

    Raises OpenError if it has to be ordered, AccessError, DownloadError.
    """
    order_it = "Order it: pelagos_client.order(items)."
    if plan.accept:
        raise OpenError(f"Terms of {name} have to be accepted first.", order_it)
    if plan.protocol is Protocol.ORDER:
        raise OpenError(f"{name} has to be prepared by its source.", order_it)
    if plan.size is not None and plan.size > largest:
        raise OpenError(
            f"{plan.name} of {name} has {readable(plan.size)}, and opening downloads at most "
            f"{readable(largest)}.",
            order_it + " Or say largest=….",
        )
    asked = json.dumps(plan.to_json(), sort_keys=True, default=str)
    with _LOCK:
        known = _HERE.get(asked)
        if known is not None and known.is_file():
            return known
    path = _get(plan, largest, private_hosts)
    with _LOCK:
        _HERE[asked] = path
    return path


def _get(plan: FilePlan, largest: int, private_hosts: Sequence[str]) -> Path:
    from pelagos_client.access.obtaining import obtain
    from pelagos_client.download import Engine, Guard, Limits
    from pelagos_client.local_run import headers_for, place_of

    headers = headers_for(plan.url)
    named = [*private_hosts, *([place_of(plan.url)] if headers else [])]
    folder = Path(tempfile.mkdtemp(dir=_temporary()))
    line = Progress(0, True)
    host = urlsplit(plan.url).hostname
    line.say(f"Downloading {plan.name} from {host} …")
    with Engine(limits=Limits(largest=largest), guard=Guard(named=named)) as engine:
        result = obtain(
            plan,
            engine,
            folder,
            plan.name,
            headers=headers,
            progress=lambda now: line.say(f"Downloading {plan.name} from {host}: {now}"),
        )
    if isinstance(result, Waiting):
        raise OpenError(f"{plan.name} has to be prepared by its source.", "Order it.")
    line.end(
        f"Downloaded {plan.name} ({readable(result.size)}) from {host} into a temporary folder; "
        "order it to keep it."
    )
    return result.path


def _temporary() -> Path:
    """A folder that is removed when this program ends."""
    with _LOCK:
        if not _FOLDER:
            _FOLDER.append(Path(tempfile.mkdtemp(prefix="pelagos-open-")))
            atexit.register(shutil.rmtree, _FOLDER[0], ignore_errors=True)
        return _FOLDER[0]
