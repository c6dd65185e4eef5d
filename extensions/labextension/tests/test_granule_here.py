"""A granule that was ordered is looked at where it is, and not fetched again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab_server import Ask
from lab_stac import Catalogue
from loopback import Reply, serve
from shared_data import shared_data
from support import until


@pytest.fixture
def catalogue() -> Iterator[Catalogue]:
    with serve({}) as server:
        yield Catalogue(server)


def test_an_order_of_this_server(ask: Ask, catalogue: Catalogue) -> None:
    content = shared_data("argo/gdac/D4900882_032.nc").read_bytes()
    catalogue.add("one", **{"file:size": len(content)})
    catalogue.server.routes["/files/one.nc"] = Reply(content, "application/x-netcdf")
    document = json.dumps(catalogue.items["one"])
    catalogue.server.routes["/stac/collections/a/items/one"] = Reply(document)
    which = {"catalogue": catalogue.url, "collection": "a", "item": "one"}
    assert ask("GET", "granule", **which).json["path"] is None

    assert ask("POST", "basket", catalogue.basket("one")).status == 200
    made = ask("POST", "orders", {"key": "0123456789abcdef"}).json["id"]
    until(lambda: not ask("GET", f"orders/{made}").json["can_cancel"], 60, "the order")
    path = ask("GET", "granule", **which).json["path"]
    assert Path(path).read_bytes() == content

    asked = len(catalogue.files_asked())
    told = ask("POST", "preview", which).json
    assert (told["kind"], told["x"]["name"]) == ("profile", "TEMP_ADJUSTED")
    assert len(catalogue.files_asked()) == asked
    Path(path).unlink()
    assert ask("GET", "granule", **which).json["path"] is None
