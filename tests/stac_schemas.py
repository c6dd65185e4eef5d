"""STAC documents against the specification's own schemas, without the internet.

pystac carries those of the core; the extensions' are in ../shared/data, where that is.
"""

from __future__ import annotations

import functools
import json
from typing import Any

from jsonschema import Draft7Validator
from pystac.validation.local_validator import get_local_schema_cache
from referencing import Registry, Resource
from shared_data import shared_folder

_BASE = "https://schemas.stacspec.org/v1.1.0"
_CORE = {
    "Feature": f"{_BASE}/item-spec/json-schema/item.json",
    "Collection": f"{_BASE}/collection-spec/json-schema/collection.json",
    "Catalog": f"{_BASE}/catalog-spec/json-schema/catalog.json",
}


@functools.cache
def schemas() -> dict[str, dict[str, Any]]:
    """All that are here, by URL."""
    found = dict(get_local_schema_cache())
    if folder := shared_folder():
        names = json.loads((folder / "stac-schemas" / "index.json").read_text())
        for url, name in names.items():
            found[url] = json.loads((folder / "stac-schemas" / name).read_text())
    return found


@functools.cache
def _validator(url: str) -> Draft7Validator:
    registry: Registry[Any] = Registry().with_resources(
        [(name, Resource.from_contents(schema)) for name, schema in schemas().items()]
    )
    return Draft7Validator(schemas()[url], registry=registry)


def problems(document: dict[str, Any]) -> list[str]:
    """What is wrong with a STAC document; empty if it is valid.

    An item of the index has no link to its collection yet, which the API adds: it is added here.
    """
    if document["type"] == "Feature":
        link = {"rel": "collection", "href": "https://example.org/collection"}
        document = {**document, "links": [*document["links"], link]}
    urls = [_CORE[document["type"]]]
    urls += [url for url in document.get("stac_extensions", []) if url in schemas()]
    return [
        f"{'.'.join(map(str, error.absolute_path))}: {error.message[:200]}"
        for url in urls
        for error in _validator(url).iter_errors(document)
    ]
