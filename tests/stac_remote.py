"""A STAC API on loopback: landing page, collections and items, as a test wants them."""

from __future__ import annotations

import json
from typing import Any

from loopback import Loopback, Reply

CONFORMS = "https://api.stacspec.org/v1.0.0"


def item(identifier: str, collection: str = "a", **fields: Any) -> dict[str, Any]:
    """A good item at 10 E 50 N."""
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": identifier,
        "collection": collection,
        "geometry": {"type": "Point", "coordinates": [10.0, 50.0]},
        "bbox": [10.0, 50.0, 10.0, 50.0],
        "properties": {"datetime": "2020-01-01T00:00:00Z"},
        "links": [],
        "assets": {"data": {"href": "https://data.example.org/a.nc"}},
    } | fields


def collection(identifier: str = "a", **fields: Any) -> dict[str, Any]:
    """A good collection."""
    return {
        "type": "Collection",
        "stac_version": "1.0.0",
        "id": identifier,
        "title": f"Title of {identifier}",
        "description": "Words",
        "license": "CC-BY-4.0",
        "extent": {
            "spatial": {"bbox": [[-10, 40, 10, 60]]},
            "temporal": {"interval": [["2000-01-01T00:00:00Z", None]]},
        },
        "links": [{"rel": "items", "href": f"./collections/{identifier}/items"}],
    } | fields


def link(relation: str, href: str, **fields: Any) -> dict[str, Any]:
    """A link."""
    return {"rel": relation, "href": href, **fields}


def reply(document: Any) -> Reply:
    """A document as JSON, NaN too."""
    return Reply(json.dumps(document))


def features(
    *found: dict[str, Any], links: tuple[dict[str, Any], ...] = (), **fields: Any
) -> Reply:
    """A page of items."""
    return reply(
        {"type": "FeatureCollection", "features": list(found), "links": list(links), **fields}
    )


def landing(extensions: tuple[str, ...] = (), *, post: bool = False) -> dict[str, Any]:
    """The landing page of an API at `/stac`."""
    links = [link("data", "/stac/collections"), link("search", "/stac/search")]
    if post:
        links.append(link("search", "/stac/search", method="POST"))
    return {
        "type": "Catalog",
        "id": "root",
        "conformsTo": [f"{CONFORMS}/item-search#{name}" for name in extensions],
        "links": links,
    }


def api(
    server: Loopback,
    *collections: dict[str, Any],
    extensions: tuple[str, ...] = (),
    post: bool = False,
) -> None:
    """Routes of an API with these collections; a test adds their items."""
    server.routes["/stac"] = reply(landing(extensions, post=post))
    server.routes["/stac/collections"] = reply({"collections": list(collections), "links": []})
