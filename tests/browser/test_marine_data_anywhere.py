"""Marine data in a JupyterLab that belongs to no hub: an address of a catalogue is all it needs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import marine as sea
import pytest
from axe import barriers
from gdac import recorded_files
from loopback import Asked, Loopback, Reply, serve
from pelagos.deployment import ROOT
from pelagos.images import load_graph
from playwright.sync_api import Page, expect
from stac_remote import CONFORMS, collection, features, item, link, reply
from support import docker_engine, free_port, until

Shot = Callable[[Page, str], None]
NAMES = ("first", "second", "third")


@dataclass
class PlainLab:
    """A JupyterLab in a container of its own; `container` is docker's."""

    url: str
    container: Any

    def read(self, path: str) -> bytes:
        """A file of the person's home."""
        code, content = self.container.exec_run(["cat", f"/home/jovyan/{path}"])
        assert code == 0, content
        return bytes(content)


@pytest.fixture
def plain() -> Iterator[PlainLab]:
    """JupyterLab of an image, started by hand: nothing of a hub is in its environment."""
    port = free_port()
    container = docker_engine().containers.run(
        load_graph(ROOT)["python"].reference,
        ["jupyter", "lab", "--ip=127.0.0.1", f"--port={port}", "--IdentityProvider.token=t"],
        network_mode="host",  # the catalogue is on the loopback
        detach=True,
    )
    lab = PlainLab(f"http://127.0.0.1:{port}", container)

    def answers() -> bool:
        try:
            return httpx.get(f"{lab.url}/api", trust_env=False).is_success
        except httpx.HTTPError:
            return False

    try:
        until(answers, 60, "JupyterLab")
        yield lab
    except BaseException:
        print(container.logs(tail=50).decode())
        raise
    finally:
        container.remove(force=True, v=True)


@pytest.fixture
def content() -> bytes:
    """A real profile."""
    return min(recorded_files().values()).read_bytes()


@pytest.fixture
def catalogue(content: bytes) -> Iterator[Loopback]:
    """A STAC API with one data set of three granules, each with one file."""
    with serve({}) as server:
        landing = {
            "type": "Catalog",
            "stac_version": "1.0.0",
            "id": "root",
            "description": "Words",
            "conformsTo": [f"{CONFORMS}/{name}" for name in ("core", "item-search", "collections")],
            "links": [
                link("self", f"{server.url}/stac"),
                link("root", f"{server.url}/stac"),
                link("data", f"{server.url}/stac/collections"),
                link("search", f"{server.url}/stac/search", method="GET"),
            ],
        }
        one = collection("a", title="Temperature of the far sea")
        items = {}
        for name in NAMES:
            path = f"/files/{name}.nc"
            server.routes[path] = Reply(content, "application/x-netcdf")
            asset = {
                "href": server.url + path,
                "type": "application/x-netcdf",
                "roles": ["data"],
                "file:size": len(content),
            }
            items[name] = item(name, assets={"data": asset})

        def search(asked: Asked) -> Reply:
            wanted = json.loads(asked.body) if asked.body else asked.query
            ids = wanted.get("ids") or list(items)
            ids = ids.split(",") if isinstance(ids, str) else ids
            found = [items[name] for name in ids if name in items]
            return features(*found, numberMatched=len(found))

        server.routes |= {
            "/stac": reply(landing),
            "/stac/collections": reply({"collections": [one], "links": []}),
            "/stac/collections/a": reply(one),
            "/stac/search": search,
        } | {f"/stac/collections/a/items/{name}": reply(found) for name, found in items.items()}
        yield server


def test_from_an_address_to_a_file(
    page: Page, plain: PlainLab, catalogue: Loopback, content: bytes, shot: Shot
) -> None:
    page.set_default_timeout(20_000)
    page.goto(f"{plain.url}/lab?token=t")
    sea.lab_ready(page)
    panel = sea.panel(page, "Search")
    expect(panel).to_contain_text("This server has no catalogue to search.")
    shot(page, "marine-plain-1-nothing")
    assert barriers(page, "#pelagos-panel") == []
    panel.get_by_role("button", name="Open the settings").click()
    # JupyterLab's editor gives its fields no labels that count
    address = page.locator(".jp-SettingsForm input[label=Catalogue]")
    address.fill(f"{catalogue.url}/stac")
    address.press("Tab")
    found = sea.results(page)
    expect(found).to_contain_text("Temperature of the far sea")
    shot(page, "marine-plain-2-settings")

    # its words are looked for here, as this API can't
    again = sea.search_for(page, "lakes")
    expect(again).to_contain_text("No data set matches all of this")
    sea.search_for(page, "temperature")
    grid = sea.granules(page, "Temperature of the far sea")
    expect(page.get_by_role("status", name="Matches")).to_contain_text("3 granules")
    for number in (1, 2):
        grid.get_by_role("row").nth(number).get_by_role("checkbox").click()
    shot(page, "marine-plain-3-granules")
    page.get_by_role("button", name="Add 2 to basket").click()

    basket = sea.basket_ready(page)
    basket.get_by_label("Into the folder").fill("far sea")
    basket.get_by_label("Into the folder").press("Tab")
    expect(basket.locator("strong").get_by_text("It fits.")).to_be_visible()
    shot(page, "marine-plain-4-basket")
    basket.get_by_role("button", name="Order 2 files").click()
    orders = sea.panel(page, "Orders")
    expect(orders.get_by_text("Ready", exact=True)).to_be_visible()
    shot(page, "marine-plain-5-ready")
    assert barriers(page, "#pelagos-panel") == []
    code, listed = plain.container.exec_run(["find", "/home/jovyan/far sea", "-name", "*.nc"])
    assert code == 0, listed
    files = sorted(re.findall(r"/home/jovyan/(.*\.nc)", listed.decode()))
    assert [name.rpartition("/")[2] for name in files] == ["first.nc", "second.nc"]
    assert all(plain.read(name) == content for name in files)
    storage = sea.panel(page, "Storage")
    expect(storage).to_contain_text("not part of a virtual research environment")
    shot(page, "marine-plain-6-storage")
