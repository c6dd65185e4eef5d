"""What surrounds a server of a VRE: a real data pool with its service and downloader."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from catalogue_service import HubStandIn
from datapool_service import Service as Pool
from download_source import Source
from downloader_kit import Kit, kit
from pelagos.catalogue.index import Writer
from pelagos.catalogue.records import Asset, CollectionRecord, GranuleRecord
from pelagos.datapool.database import url_of

FLOATS = "src.floats"
NAMES = ("one", "two", "three")


def content(name: str) -> bytes:
    """What is in a file of the source: the downloader looks how a file begins."""
    return b"CDF\x01" + name.encode() * 1000


@dataclass
class Vre:
    """What a person's server sees."""

    kit: Kit
    service: Pool
    source: Source
    dataspace: Path
    token: str
    monkeypatch: pytest.MonkeyPatch = field(repr=False)

    def basket(self, *names: str, **more: Any) -> dict[str, Any]:
        """A change that puts these granules into the basket."""
        items = [{"collection": FLOATS, "id": one} | more for one in names]
        return {"kind": "add", "items": items, "query": None}


def build(index: Path, source: Source) -> None:
    """A catalogue of the granules that the source serves: one of nothing, one with
    terms, and one that is too large."""
    with Writer(index) as writer:
        run = writer.run("src", "Argo GDAC")
        run.collection(
            CollectionRecord(
                "floats", "<b>Floats</b>", "Profiles", doi="10.17882/42182", licence="CC-BY-4.0"
            )
        )
        licence = {"accept": source.url("/accept"), "page": "https://example.org/licence"}
        closed = Asset("data", source.add("/closed.nc", content("closed")),
                       extra={"pelagos:licence": licence})  # fmt: skip
        huge = Asset("data", source.url("/huge.nc"), size=10**12)
        granules = [
            GranuleRecord("bare"),
            GranuleRecord("closed", assets=(closed,)),
            GranuleRecord("huge", assets=(huge,)),
        ]
        for name in NAMES:
            url = source.add(f"/dac/{name}.nc", content(name))
            size = len(content(name))
            asset = Asset("data", url, "application/x-netcdf", size=size)
            granules.append(GranuleRecord(name, assets=(asset,)))
        run.granules("floats", granules)
        run.finish_collection("floats")
        run.finish()


@contextlib.contextmanager
def vre_in(
    folder: Path, source: Source, monkeypatch: pytest.MonkeyPatch, **datapool: Any
) -> Iterator[Vre]:
    """A VRE whose data pool has these settings, in the environment of the test."""
    index = folder / "index.sqlite"
    build(index, source)
    with contextlib.ExitStack() as stack:
        pool = stack.enter_context(kit(folder / "state", source.url("/"), **datapool))
        hub = stack.enter_context(HubStandIn())
        url = url_of(pool.state.datapool)
        service = Pool(pool.state.datapool, hub, url, pool.settings, index=index)
        stack.enter_context(service)
        dataspace = folder / "dataspace"
        (dataspace / "me").mkdir(parents=True)
        pool.pool.mkdir(parents=True, exist_ok=True)
        (dataspace / "pool").symlink_to(pool.pool)
        token = service.person("ada")
        monkeypatch.setenv("PELAGOS_DATASPACE", str(dataspace))
        monkeypatch.setenv("PELAGOS_DATAPOOL_API", service.url)
        monkeypatch.setenv("JUPYTERHUB_API_TOKEN", token)
        yield Vre(pool, service, source, dataspace, token, monkeypatch)
