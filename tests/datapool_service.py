"""The data pool's service for tests: a real server on the loopback over a real catalogue index."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import httpx
import uvicorn
from catalogue_service import HubStandIn
from pelagos.catalogue.index import Writer
from pelagos.catalogue.records import Asset, CollectionRecord, GranuleRecord
from pelagos.deployment import DATAPOOL_PATH
from pelagos.services.datapool.service import app_for
from pelagos.services.datapool.store import Store
from pelagos.services.identity import Hub
from pelagos.services.workspace.agent import Agent
from pelagos.settings import DataPool, Settings, VirtualLab
from pelagos.settings.sources import CatalogueSettings, FilesSource, SourceKind, StacSource
from support import free_port, until

SCOPE = "access:services!service=datapool"
FLOATS, LOCAL, CLOSED = "gdac.floats", "folder.files", "closed.secret"
FLOAT_COUNT = 50
START = datetime(2020, 1, 1, tzinfo=UTC)
KIB = 2**10


def settings(*virtual_labs: VirtualLab, **pool: Any) -> Settings:
    """Settings with sources that match the index of `build`."""
    return Settings(
        virtual_labs=list(virtual_labs) or [VirtualLab(name="open-sea", open=True)],
        catalogue=CatalogueSettings(
            sources=[
                StacSource(name="gdac", kind=SourceKind.STAC, url="https://example.org/gdac"),
                StacSource(name="closed", kind=SourceKind.STAC, url="https://example.org/closed"),
                FilesSource(name="folder", kind=SourceKind.FILES, path="/srv/folder"),
            ]
        ),
        datapool=DataPool(**pool),
    )


def build(path: Path, count: int = FLOAT_COUNT) -> None:
    """Files elsewhere of 1 KiB and more, files of a folder, and what not everybody sees."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with Writer(path) as writer:
        run = writer.run("gdac", "Argo GDAC")
        run.collection(CollectionRecord("floats", "Floats", "Profiles", doi="10.17882/42182"))
        run.granules("floats", [a_float(number) for number in range(count)])
        run.granules("floats", [
            GranuleRecord("bare", "Nothing to order", start=START, end=START),
            GranuleRecord("unsized", "Of unknown size", start=START, end=START, assets=(
                Asset("data", "https://data.example.org/unsized.nc", "application/x-netcdf"),
            )),
            GranuleRecord("pair", "Two files", start=START, end=START, assets=(
                Asset("data", "https://data.example.org/pair/a.nc", size=10, roles=("data",)),
                Asset("flags", "https://data.example.org/pair/b.nc", size=20, roles=("data",)),
                Asset("picture", "https://data.example.org/pair/b.png", roles=("thumbnail",)),
            )),
            GranuleRecord("sneaky", "Claims to be of a folder", start=START, end=START, assets=(
                Asset("data", "files/../../etc/passwd", size=10),
            )),
        ])  # fmt: skip
        run.finish_collection("floats")
        run.finish()
        for source, collection in (("folder", "files"), ("closed", "secret"), ("gone", "old")):
            run = writer.run(source, source.title())
            run.collection(CollectionRecord(collection, f"{collection} of {source}"))
            run.granules(collection, [
                GranuleRecord(f"one-{number}", start=START, end=START, assets=(
                    Asset("data", f"files/one-{number}.nc" if source == "folder"
                          else f"https://data.example.org/{source}/{number}.nc", size=KIB),
                ))
                for number in range(3)
            ])  # fmt: skip
            run.finish_collection(collection)
            run.finish()


def a_float(number: int) -> GranuleRecord:
    at = START + timedelta(hours=number)
    address = f"https://data.example.org/dac/{number:05}.nc"
    return GranuleRecord(
        f"profile-{number:05}",
        f"Profile {number}",
        start=at,
        end=at,
        assets=(Asset("data", address, "application/x-netcdf", size=KIB + number),),
    )


def wanted(*numbers: int, **more: Any) -> dict[str, Any]:
    """An order of some floats."""
    items = [{"collection": FLOATS, "item": f"profile-{number:05}"} for number in numbers]
    return {"items": items, **more}


class Service:
    """The service under uvicorn. `url` is its API, without the final slash."""

    def __init__(
        self,
        folder: Path,
        hub: HubStandIn,
        url: str,
        chosen: Settings | None = None,
        *,
        store: Store | None = None,
        people: Path | None = None,
        index: Path | None = None,
    ) -> None:
        self.hub, self.port, self.folder = hub, free_port(), folder
        self.origin = f"http://127.0.0.1:{self.port}"
        self.url = f"{self.origin}{DATAPOOL_PATH}/api"
        if index is None:
            index = folder / "index.sqlite"
            build(index)
        self.store = store or Store(url)
        self.pool = folder / "pool"
        self.app = app_for(
            chosen or settings(),
            Hub(hub.url, "datapool", "secret"),
            "key",
            self.store,
            Agent(people or folder / "nobody.sock"),
            folder=folder,
            index=index,
            pool=self.pool,
        )
        config = uvicorn.Config(
            self.app, host="127.0.0.1", port=self.port, log_level="error",
            timeout_graceful_shutdown=5,
        )  # fmt: skip
        self.server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self.server.run, daemon=True)

    def person(self, name: str, *groups: str, **more: Any) -> str:
        """A token of a person."""
        return self.hub.person(name, *groups, **{"scope": SCOPE, **more})

    def __enter__(self) -> Self:
        self._thread.start()
        until(lambda: self.server.started or not self._thread.is_alive(), 30, "the service")
        assert self.server.started
        return self

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self._thread.join(30)

    @contextlib.contextmanager
    def client(self, token: str = "", **more: Any) -> Iterator[httpx.Client]:
        """A program with this token."""
        headers = {"Authorization": f"token {token}"} if token else {}
        with httpx.Client(
            base_url=self.url, headers=headers, trust_env=False, timeout=60, **more
        ) as client:
            yield client
