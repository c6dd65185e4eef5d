"""Addresses of the API, and the links that documents of the index get here."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from fastapi import Request

from pelagos.services.web import public_origin

JSON = "application/json"
GEOJSON = "application/geo+json"
HTML = "text/html"
OPENAPI = "application/vnd.oai.openapi+json;version=3.1"

Document = dict[str, Any]
_OURS = "files/"


class Links:
    """Links as this request's caller reaches us: past proxies, or directly from a container."""

    def __init__(self, request: Request, prefix: str) -> None:
        """`prefix` has no final slash. Raises HTTPException if the request names no host."""
        self.base = f"{public_origin(request)}{prefix}"
        self.root = link("root", f"{self.base}/", JSON, "Catalogue")
        query = request.url.query
        self._path = f"{public_origin(request)}{request.url.path}"
        self.here = f"{self._path}?{query}" if query else self._path
        self._pairs = [pair for pair in request.query_params.multi_items() if pair[0] != "token"]

    def collection(self, document: Document) -> Document:
        """Give a collection its links and its assets their addresses. Changes it."""
        here = f"{self.base}/collections/{quote(document.get('id', ''))}"
        document["links"] = [
            link("self", here, JSON, "This collection"),
            self.root,
            link("parent", f"{self.base}/", JSON, "Catalogue"),
            link("items", f"{here}/items", GEOJSON, "Its items"),
            *document.get("links", ()),
        ]
        document["itemType"] = "feature"  # OGC 17-069r4 7.14: of what its items are
        return self._assets(document, document.get("id", ""))

    def item(self, document: Document) -> Document:
        """Give an item its links and its assets their addresses. Changes it."""
        name = document.get("collection", "")
        above = f"{self.base}/collections/{quote(name)}"
        document["links"] = [
            link("self", f"{above}/items/{quote(document.get('id', ''))}", GEOJSON),
            link("parent", above, JSON),
            link("collection", above, JSON),
            self.root,
            *document.get("links", ()),
        ]
        return self._assets(document, name)

    def _assets(self, document: Document, collection: str) -> Document:
        """A file that is in this service's care is found below `files`, by its source."""
        for asset in document.get("assets", {}).values():
            href = asset.get("href", "")
            if href.startswith(_OURS):
                source = collection.partition(".")[0]
                asset["href"] = f"{self.base}/{_OURS}{source}/{href[len(_OURS) :]}"
        return document

    def page_of_query(self, rel: str, token: str, kind: str) -> Document:
        """A link to another part of what these query parameters find."""
        query = urlencode([*self._pairs, ("token", token)])
        return {**link(rel, f"{self._path}?{query}", kind), "method": "GET"}

    def page_of_body(self, rel: str, token: str, kind: str, body: Document) -> Document:
        """The same for a body: the whole next body."""
        return {
            **link(rel, self._path, kind),
            "method": "POST",
            "body": {**body, "token": token},
            "merge": False,
        }


def link(rel: str, href: str, kind: str, title: str = "") -> Document:
    """A link of a STAC document."""
    found = {"rel": rel, "type": kind, "href": href}
    return {**found, "title": title} if title else found
