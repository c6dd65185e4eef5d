"""A STAC API somewhere, as a server without a hub searches it, whose files are on the same host."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import Any

from loopback import Asked, Loopback, Reply
from stac_remote import CONFORMS, collection, features, item, link

BODY = b"CDF\x01" + b"some data" * 500
SEARCH = "/stac/search"


@dataclass
class Catalogue:
    """`gate`: files come once it is open."""

    server: Loopback
    items: dict[str, dict[str, Any]] = field(default_factory=dict)
    gate: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.gate.set()
        landing = {
            "type": "Catalog",
            "stac_version": "1.0.0",
            "id": "root",
            "description": "Words",
            "conformsTo": [f"{CONFORMS}/{name}" for name in ("core", "item-search", "collections")],
            "links": [
                link("self", self.url),
                link("root", self.url),
                link("data", f"{self.url}/collections"),
                link("search", f"{self.url}/search", method="GET", type="application/geo+json"),
            ],
        }
        self.server.routes["/stac"] = Reply(json.dumps(landing))
        self.server.routes["/stac/collections/a"] = Reply(json.dumps(collection("a")))
        self.server.routes[SEARCH] = self._search

    @property
    def url(self) -> str:
        return f"{self.server.url}/stac"

    def add(self, name: str, **asset: Any) -> None:
        """A granule with one file."""
        path = f"/files/{name}.nc"
        self.server.routes[path] = self._file
        assets = {
            "data": {
                "href": self.server.url + path,
                "type": "application/x-netcdf",
                "roles": ["data"],
                "file:size": len(BODY),
                **asset,
            }
        }
        self.items[name] = item(name, assets=assets)

    def files_asked(self) -> list[str]:
        """Files that were asked for."""
        return [one.path for one in self.server.requests if one.path.startswith("/files/")]

    def basket(self, *names: str, **more: Any) -> dict[str, Any]:
        """A change that puts these granules into the basket."""
        items = [{"catalogue": self.url, "collection": "a", "id": one} | more for one in names]
        return {"kind": "add", "items": items, "query": None}

    def _search(self, asked: Asked) -> Reply:
        wanted = json.loads(asked.body) if asked.body else asked.query
        ids = wanted["ids"] if isinstance(wanted["ids"], list) else wanted["ids"].split(",")
        return features(*(self.items[one] for one in ids if one in self.items))

    def _file(self, asked: Asked) -> Reply:
        self.gate.wait(30)
        return Reply(BODY, "application/x-netcdf")
