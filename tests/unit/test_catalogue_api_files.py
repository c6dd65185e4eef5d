"""Files that are in the catalogue's own care, over HTTP."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from catalogue_service import START, HubStandIn, Service
from pelagos.catalogue.index import Writer
from pelagos.catalogue.records import Asset, CollectionRecord, GranuleRecord
from pelagos.settings import Settings, VirtualLab
from pelagos.settings.sources import (
    CatalogueScope,
    CatalogueSettings,
    FilesSource,
    SourceKind,
)
from support import until

CONTENT = bytes(range(256)) * 500
NAMES = ("open/a b ü.nc", "secret/s.nc", "open/gone.nc")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    for name in ("open", "secret"):
        (folder / name).mkdir()
    for name in (*NAMES[:2], "open/unlisted.nc"):
        (folder / name).write_bytes(CONTENT)
    (folder.parent / "outside.nc").write_bytes(b"outside")
    (folder / "open" / "link.nc").symlink_to(folder.parent / "outside.nc")
    return folder


@pytest.fixture(scope="module")
def hub() -> Iterator[HubStandIn]:
    with HubStandIn() as hub:
        yield hub


@pytest.fixture(scope="module")
def service(
    folder: Path, hub: HubStandIn, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    index = tmp_path_factory.mktemp("index") / "index.sqlite"
    with Writer(index) as writer:
        for source in ("here", "there"):
            run = writer.run(source, source)
            for collection in ("open", "secret"):
                run.collection(CollectionRecord(collection, collection))
                names = [*NAMES, "open/link.nc", "../outside.nc"]
                run.granules(
                    collection,
                    [
                        GranuleRecord(
                            name,
                            start=START,
                            end=START,
                            assets=(
                                Asset("data", f"files/{quote(name)}", "application/x-netcdf"),
                            ),
                        )
                        for name in names
                        if name.startswith((collection, ".."))
                    ],
                )  # fmt: skip
                run.finish_collection(collection)
            run.finish()
    chosen = Settings(
        virtual_labs=[
            VirtualLab(name="all", open=True, catalogue=CatalogueScope(collections=["*.open"])),
            VirtualLab(name="navy", catalogue=CatalogueScope(collections=["*"])),
        ],
        catalogue=CatalogueSettings(
            sources=[FilesSource(name="here", kind=SourceKind.FILES, path=str(folder))]
        ),
    )
    with Service(index, hub, chosen) as service:
        yield service


@pytest.fixture
def client(service: Service, hub: HubStandIn) -> Iterator[httpx.Client]:
    with service.client(hub.person("eve")) as client:
        yield client


def test_the_address_of_an_asset_gives_its_file(client: httpx.Client) -> None:
    items = client.get("/collections/here.open/items").json()["features"]
    hrefs = [one["assets"]["data"]["href"] for one in items]
    href = next(href for href in hrefs if quote(NAMES[0]) in href)
    answer = client.get(href)
    assert answer.content == CONTENT
    assert answer.headers["content-type"] == "application/x-netcdf"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"
    head = client.head(href)
    assert head.headers["content-length"] == str(len(CONTENT))
    assert head.content == b""
    part = client.get(href, headers={"Range": "bytes=1000-1999"})
    assert part.status_code == 206
    assert part.content == CONTENT[1000:2000]
    assert client.get(href, headers={"Range": "bytes=999999-"}).status_code == 416


@pytest.mark.parametrize(
    "path",
    [
        "here/secret/s.nc", "here/open/unlisted.nc", "here/open/gone.nc", "here/open/link.nc",
        "here/..%2foutside.nc", "here/%2e%2e/outside.nc", "here//etc/passwd", "here/open",
        "there/open/a%20b%20%C3%BC.nc", "nowhere/a.nc", "here/", "here/%00",
    ],
)  # fmt: skip
def test_other_files_are_not_there(client: httpx.Client, path: str) -> None:
    answer = client.get(f"/files/{path}")
    assert answer.status_code == 404
    assert answer.json()["code"] == "NotFound"


def test_files_follow_the_scope_of_their_items(service: Service, hub: HubStandIn) -> None:
    with service.client(hub.person("fay", "navy")) as client:
        assert client.get("/files/here/secret/s.nc").content == CONTENT
    with service.client() as client:
        assert client.get("/files/here/open/gone.nc").status_code == 401


def test_no_descriptor_stays_open(client: httpx.Client) -> None:
    href = "/files/here/open/a%20b%20%C3%BC.nc"
    client.get(href)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        assert client.get(href).is_success
        client.get(href, headers={"Range": "bytes=999999-"})
        with client.stream("GET", href) as answer:
            next(answer.iter_bytes(10))
    until(lambda: len(os.listdir("/proc/self/fd")) <= before + 2, 20, "the end of all files")
