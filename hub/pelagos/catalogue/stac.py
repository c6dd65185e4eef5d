"""Records as STAC 1.1 documents, with the links of the record only.

What STAC has no field for stands under `pelagos:`: `infrastructure`, `parameters`, `depth` (metres,
positive down), `access`. An item must have a time, a collection an extent, by the specification:
where a source gives none, the widest is written, and `pelagos:time_unknown` or
`pelagos:extent_unknown` says that it stands for nothing; no search in time or space finds it.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any

from pelagos.catalogue.geometry import WORLD, geometry_of, hull
from pelagos.catalogue.records import (
    Access,
    Asset,
    Box,
    CollectionRecord,
    GranuleRecord,
    Interval,
    Link,
    Parameter,
    Provider,
    collection_id,
    identify,
)
from pelagos.catalogue.terms import complete, key_of

VERSION = "1.1.0"
SCIENTIFIC = "https://stac-extensions.github.io/scientific/v1.0.0/schema.json"
FILE = "https://stac-extensions.github.io/file/v2.1.0/schema.json"
_FIRST, _LAST = "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"


def collection_document(source: str, source_title: str, record: CollectionRecord) -> dict[str, Any]:
    """A STAC Collection. `source_title` is the infrastructure, as people know it."""
    scientific = bool(record.doi or record.citation)
    document: dict[str, Any] = {
        "type": "Collection",
        "stac_version": VERSION,
        "stac_extensions": _extensions(scientific, record.assets),
        "id": collection_id(source, record.id),
        "title": record.title,
        "description": record.description or record.title,
        "license": record.licence or "other",
        "extent": _extent(record.boxes, record.interval),
        "links": [_link(link) for link in record.links],
        "pelagos:infrastructure": source,
        "pelagos:infrastructure_title": source_title or source,
        "pelagos:searchable": record.searchable,
    }
    optional = {
        "keywords": list(record.keywords),
        "providers": [_provider(provider) for provider in record.providers],
        "summaries": _summaries(record),
        "assets": {asset.key: _asset(asset) for asset in record.assets},
        "sci:doi": record.doi,
        "sci:citation": record.citation,
        "updated": _text(record.updated),
        "pelagos:parameters": [_parameter(parameter) for parameter in record.parameters],
        "pelagos:depth": list(record.depth or ()),
        "pelagos:licence_text": record.licence_text,
        "pelagos:extent_unknown": not record.boxes,
    }
    document.update((key, value) for key, value in optional.items() if value)
    # what a source brings of its own never replaces what we have checked
    return {**record.extra, **document}


def granule_document(source: str, collection: str, record: GranuleRecord) -> dict[str, Any]:
    """A STAC Item of the collection with the public identifier `collection`."""
    box = record.box
    document: dict[str, Any] = {
        "type": "Feature",
        "stac_version": VERSION,
        "stac_extensions": _extensions(_cites(record), record.assets),
        "id": identify(record.id),
        "collection": collection,
        "geometry": record.geometry or (geometry_of(box) if box else None),
        "properties": _properties(source, record),
        "links": [_link(link) for link in record.links],
        "assets": {asset.key: _asset(asset) for asset in record.assets},
    }
    if box:
        document["bbox"] = [box.west, box.south, box.east, box.north]
    return document


def _cites(record: GranuleRecord) -> bool:
    return any(key.startswith("sci:") for key in record.properties)


def _properties(source: str, record: GranuleRecord) -> dict[str, Any]:
    properties = dict(record.properties)
    start, end = record.start, record.end
    if start is not None and start == end:
        properties["datetime"] = _text(start)
    else:
        properties["datetime"] = None
        properties["start_datetime"] = _text(start) or _FIRST
        properties["end_datetime"] = _text(end) or _LAST
        if start is None and end is None:
            properties["pelagos:time_unknown"] = True
    properties["pelagos:infrastructure"] = source
    if record.title:
        properties["title"] = record.title
    if record.platform:
        properties["platform"] = record.platform
    if record.instruments:
        properties["instruments"] = list(record.instruments)
    if record.parameters:
        properties["pelagos:parameters"] = [_parameter(one) for one in record.parameters]
    if record.depth:
        properties["pelagos:depth"] = list(record.depth)
    if record.updated:
        properties["updated"] = _text(record.updated)
    return properties


def _extensions(scientific: bool, assets: tuple[Asset, ...]) -> list[str]:
    files = any(asset.size is not None or asset.checksum for asset in assets)
    return [url for url, used in ((SCIENTIFIC, scientific), (FILE, files)) if used]


def _extent(boxes: tuple[Box, ...], interval: Interval | None) -> dict[str, Any]:
    """The first box is around all others, as STAC wants it."""
    whole = hull(boxes) if boxes else WORLD
    listed = [whole, *boxes] if len(boxes) > 1 else [whole]
    start, end = (interval.start, interval.end) if interval else (None, None)
    return {
        "spatial": {"bbox": [[box.west, box.south, box.east, box.north] for box in listed]},
        "temporal": {"interval": [[_text(start) or None, _text(end) or None]]},
    }


def _summaries(record: CollectionRecord) -> dict[str, Any]:
    found = {
        "platform": list(record.platforms),
        "instruments": list(record.instruments),
        "pelagos:parameter": list(dict.fromkeys(key_of(one) for one in record.parameters)),
    }
    return {key: value for key, value in found.items() if value}


def _provider(provider: Provider) -> dict[str, Any]:
    document: dict[str, Any] = {"name": provider.name}
    if provider.roles:
        document["roles"] = list(provider.roles)
    if provider.url:
        document["url"] = provider.url
    return document


def _parameter(parameter: Parameter) -> dict[str, str]:
    return dict(_fields(parameter))


@lru_cache(maxsize=10_000)  # millions of granules have the same few
def _fields(parameter: Parameter) -> tuple[tuple[str, str], ...]:
    whole = complete(parameter)
    fields = {
        "key": key_of(whole),
        "name": whole.name,
        "standard_name": whole.standard_name,
        "p01": whole.p01,
        "p02": whole.p02,
        "units": whole.units,
    }
    return tuple((key, value) for key, value in fields.items() if value)


def _asset(asset: Asset) -> dict[str, Any]:
    document: dict[str, Any] = {**asset.extra, "href": asset.href, "roles": list(asset.roles)}
    if asset.type:
        document["type"] = asset.type
    if asset.title:
        document["title"] = asset.title
    if asset.size is not None:
        document["file:size"] = asset.size
    if asset.checksum:
        document["file:checksum"] = asset.checksum
    if asset.access is not Access.DIRECT:
        document["pelagos:access"] = asset.access.value
    return document


def _link(link: Link) -> dict[str, str]:
    fields = {"rel": link.rel, "href": link.href, "type": link.type, "title": link.title}
    return {key: value for key, value in fields.items() if value}


def _text(moment: datetime | None) -> str:
    """RFC 3339 in UTC; "" for none."""
    return moment.isoformat().replace("+00:00", "Z") if moment else ""
