"""STAC items of real files for tests, served by `download_source`."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import Any

from download_source import Source, give
from pelagos_client.items import Items
from shared_data import shared_data

FLOATS = "argo.floats"
NAMES = ("D4900882_029.nc", "D4900882_030.nc", "R13857_002.nc")
HOSTILE = '<img src=x onerror="alert(1)">'


def argo(name: str) -> Path:
    return shared_data(f"argo/gdac/{name}")


def an_item(identifier: str, href: str, **asset: Any) -> dict[str, Any]:
    """A granule with one file."""
    return {
        "type": "Feature", "stac_version": "1.1.0", "id": identifier, "collection": FLOATS,
        "geometry": None, "links": [],
        "properties": {"datetime": "2020-01-01T00:00:00Z", "title": HOSTILE,
                       "pelagos:infrastructure": "argo"},
        "assets": {"data": {"href": href, "type": "application/x-netcdf", "roles": ["data"],
                            **asset}},
    }  # fmt: skip


def floats(source: Source, *names: str) -> Items:
    """Granules of real profiles, on the source."""
    documents = []
    for name in names or NAMES:
        content = argo(name).read_bytes()
        url = source.add(f"/dac/{name}", content)
        checksum = "1220" + hashlib.sha256(content).hexdigest()
        more = {"file:size": len(content), "file:checksum": checksum}
        documents.append(an_item(name.removesuffix(".nc"), url, **more))
    return Items(documents)


def held(gate: threading.Event) -> Any:
    """An answer that comes once the gate is open."""

    def answer(handler: Any) -> None:
        gate.wait(30)
        give(handler)

    return answer


def host(source: Source) -> str:
    return f"{source.host}:{source.port}"
