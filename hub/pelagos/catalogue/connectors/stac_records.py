"""STAC documents of others (0.9 to 1.1) as records.

What a remote says in fields of its own is kept within bounds, never under `pelagos:`. Of a 3D box
the heights become a depth only where something is below the surface. A box whose west is more than
its east crosses the antimeridian (STAC item specification, `bbox`).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

from pelagos.catalogue.geometry import geometry_of, hull
from pelagos.catalogue.markup import plain_text
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
    RecordError,
)
from pelagos.catalogue.rights import find_doi, spdx
from pelagos.catalogue.values import parse_box, parse_moment, parse_time

ASSETS = 200
_LINKS = 30
_LISTED = 200  # keywords, parameters, platforms
_POINTS = 5_000  # of a geometry; one with more is its box
_OWN_LIMIT = 20_000  # bytes of JSON that a remote's own fields may have
_SCHEMES = frozenset({"http", "https", "s3", "gs", "az", "abfs", "ftp", "sftp"})
_RELATIONS = frozenset({"about", "license", "via", "cite-as", "describedby", "derived_from"})
_GEOMETRIES = {  # how deep the positions stand
    "Point": 0, "MultiPoint": 1, "LineString": 1, "MultiLineString": 2, "Polygon": 2,
    "MultiPolygon": 3,
}  # fmt: skip
# fields of an item's properties that have a place of their own in a record
_TAKEN = frozenset(
    {"datetime", "start_datetime", "end_datetime", "title", "platform", "instruments", "updated"}
)
_SPDX = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,60}", re.ASCII)
_ROLES = frozenset({"licensor", "producer", "processor", "host"})


def collection_record(document: Any, address: str, licence: str = "") -> CollectionRecord:
    """A STAC Collection read from `address`. `licence` is for one that names none.

    Raises RecordError.
    """
    if not isinstance(document, dict) or not isinstance(document.get("id"), str):
        raise RecordError("not a STAC collection: no id")
    extent = _mapping(document.get("extent"))
    summaries = _mapping(document.get("summaries"))
    identifier = document["id"]
    if not identifier.isprintable():
        raise RecordError(f"id: {identifier[:60]!r} is not text")
    name, terms = _licence(document, licence)
    dimensions = document.get("cube:dimensions") or summaries.get("cube:dimensions")
    return CollectionRecord(
        id=identifier,
        title=_plain(document.get("title"), 1000) or identifier,
        description=_plain(document.get("description"), 100_000),
        licence=name,
        licence_text=terms,
        providers=_providers(document.get("providers")),
        keywords=_texts(document.get("keywords")),
        parameters=parameters_of({**summaries, **document}),
        platforms=_texts(summaries.get("platform")),
        instruments=_texts(summaries.get("instruments")),
        boxes=_boxes(_mapping(extent.get("spatial")).get("bbox")),
        interval=_interval(_mapping(extent.get("temporal")).get("interval")),
        depth=depth_of(dimensions),
        doi=find_doi(_text(document.get("sci:doi"))),
        citation=_plain(document.get("sci:citation"), 5000),
        assets=assets_of(document.get("assets"), address),
        links=links_of(document.get("links"), address),
        updated=_updated(document.get("updated")),
        extra=own_fields({key: value for key, value in document.items() if ":" in key}),
    )


def granule_record(document: Any, address: str) -> GranuleRecord:
    """A STAC Item read from `address`. Raises RecordError."""
    if not isinstance(document, dict) or not isinstance(document.get("id"), str):
        raise RecordError("not a STAC item: no id")
    properties = document.get("properties")
    if not isinstance(properties, dict):
        raise RecordError("not a STAC item: no properties")
    box, heights = _box_and_heights(document.get("bbox"))
    geometry = checked_geometry(document.get("geometry"))
    if box is None and geometry is not None:
        box = hull([_bounds(part) for part in _parts(geometry)])
    if geometry is not None and (
        _points(geometry) > _POINTS or (box and geometry == geometry_of(box))
    ):
        geometry = None
    moment = parse_moment(_text(properties.get("datetime")), "datetime")
    start = parse_moment(_text(properties.get("start_datetime")), "start_datetime") or moment
    end = parse_time(_text(properties.get("end_datetime")), "end_datetime")[1] or moment
    order = properties.get("order:status") in ("orderable", "ordered", "pending")
    return GranuleRecord(
        id=document["id"],
        title=_plain(properties.get("title"), 1000),
        box=box,
        geometry=geometry,
        start=start,
        end=end,
        depth=depth_of(properties.get("cube:dimensions")) or heights,
        platform=_plain(properties.get("platform"), 200),
        instruments=_texts(properties.get("instruments")),
        parameters=parameters_of(properties),
        assets=assets_of(document.get("assets"), address, ordered=order),
        links=links_of(document.get("links"), address),
        updated=_updated(properties.get("updated")),
        properties=own_fields({k: v for k, v in properties.items() if k not in _TAKEN}),
    )


def assets_of(found: Any, address: str, *, ordered: bool = False) -> tuple[Asset, ...]:
    """Assets with absolute addresses; those without one that can be fetched are left out."""
    assets = []
    for key, asset in list(_mapping(found).items())[:ASSETS]:
        href = _absolute(_mapping(asset).get("href"), address)
        name = _plain(key, 200)
        if not href or not name:
            continue
        media = _text(asset.get("type"))[:200]
        access = Access.SUBSET if "zarr" in media else Access.DIRECT
        size = asset.get("file:size")
        known = ("href", "type", "title", "roles", "file:size", "file:checksum")
        assets.append(
            Asset(
                key=name,
                href=href,
                type=media,
                title=_plain(asset.get("title"), 300),
                size=size if type(size) is int and size >= 0 else None,
                checksum=_text(asset.get("file:checksum"))[:200],
                roles=_texts(asset.get("roles")) or ("data",),
                access=Access.ORDER if ordered else access,
                extra=own_fields({k: v for k, v in asset.items() if k not in known}),
            )
        )
    return tuple(assets)


def links_of(found: Any, address: str) -> tuple[Link, ...]:
    """Links that lead to more about it, and where it stands at its source (`via`)."""
    links = []
    for link in _list(found):
        relation = _text(_mapping(link).get("rel"))
        href = _absolute(_mapping(link).get("href"), address)
        if relation == "self":
            relation = "via"
        if relation in _RELATIONS and href.startswith(("http://", "https://")):
            title = _plain(link.get("title"), 300)
            links.append(Link(relation, href, _text(link.get("type"))[:200], title))
    return tuple(dict.fromkeys(links))[:_LINKS]


def parameters_of(found: Mapping[str, Any]) -> tuple[Parameter, ...]:
    """Of the extensions datacube (`cube:variables`) and CF (`cf:parameter`)."""
    parameters = []
    for name, variable in _mapping(found.get("cube:variables")).items():
        described = _mapping(variable)
        if described.get("type", "data") != "data":
            continue
        standard = described.get("standard_name") or described.get("standardName")
        standard = standard or described.get("cf:standard_name")
        title = described.get("title") or described.get("description")
        parameters.append(
            Parameter(
                _plain(title, 200) or _plain(name, 200),
                _text(standard)[:200],
                units=_text(described.get("unit"))[:100],
            )
        )
    for one in _list(found.get("cf:parameter")):
        name = _text(_mapping(one).get("name"))[:200]
        if name:
            units = _text(_mapping(one).get("unit"))[:100]
            parameters.append(Parameter(name.replace("_", " "), name, units=units))
    return tuple(dict.fromkeys(one for one in parameters if one.name))[:_LISTED]


def depth_of(dimensions: Any) -> tuple[float, float] | None:
    """Of a vertical dimension in metres (datacube extension): depth down, elevation up."""
    for name, dimension in _mapping(dimensions).items():
        described = _mapping(dimension)
        if described.get("axis") != "z" or described.get("unit", "m") not in (
            "m",
            "metre",
            "meter",
        ):
            continue
        values = _numbers(described.get("extent") or described.get("values"))
        if values:
            sign = 1 if "depth" in name.lower() else -1
            return min(sign * value for value in values), max(sign * value for value in values)
    return None


def own_fields(found: Mapping[str, Any]) -> dict[str, Any]:
    """A remote's own fields, as far as they fit; none that only we may write."""
    kept: dict[str, Any] = {}
    room = _OWN_LIMIT
    for key, value in found.items():
        if key.startswith("pelagos:") or len(key) > 100:
            continue
        try:
            text = json.dumps([key, value], allow_nan=False, ensure_ascii=False)
            size = len(text.encode())
        except (ValueError, RecursionError):  # NaN, or half of a character
            continue
        if size <= room:
            room -= size
            kept[key] = value
    return kept


def checked_geometry(found: Any) -> dict[str, Any] | None:
    """A GeoJSON geometry with real positions; None for null. Raises RecordError."""
    if found is None:
        return None
    kind = _text(_mapping(found).get("type"))
    if kind == "GeometryCollection":
        raise RecordError("geometry: a GeometryCollection, which STAC does not allow")
    if kind not in _GEOMETRIES:
        raise RecordError(f"geometry: {kind[:40]!r} is no type of GeoJSON")
    return {"type": kind, "coordinates": _positions(found.get("coordinates"), _GEOMETRIES[kind])}


def _positions(found: Any, depth: int) -> Any:
    if not isinstance(found, list) or not found:
        raise RecordError("geometry: coordinates that are no list, or empty")
    if depth:
        return [_positions(one, depth - 1) for one in found]
    values = _numbers(found[:2])
    if len(values) != 2:
        raise RecordError("geometry: a position that is not two numbers")
    if not (-180 <= values[0] <= 180 and -90 <= values[1] <= 90):
        raise RecordError(f"geometry: no such place: {values[0]}, {values[1]}")
    return list(values)


def _parts(geometry: Mapping[str, Any]) -> Sequence[Any]:
    whole: Sequence[Any] = geometry["coordinates"]
    return whole if geometry["type"].startswith("Multi") else [whole]


def _flat(positions: Any) -> Iterator[list[float]]:
    if isinstance(positions[0], list):
        for one in positions:
            yield from _flat(one)
    else:
        yield positions


def _points(geometry: Mapping[str, Any]) -> int:
    return sum(1 for _ in _flat(geometry["coordinates"]))


def _bounds(part: Any) -> Box:
    xs, ys = zip(*_flat(part), strict=True)
    return Box(min(xs), min(ys), max(xs), max(ys))


def _box_and_heights(found: Any) -> tuple[Box | None, tuple[float, float] | None]:
    if found is None:
        return None, None
    values = _numbers(found)
    if len(values) != len(_list(found)) or len(values) not in (4, 6):
        raise RecordError("bbox: not four or six numbers")
    if len(values) == 4:
        values = [*values[:2], 0.0, *values[2:], 0.0]
    west, south, low, east, north, high = values
    below = low < 0 and low <= high
    return parse_box(west, south, east, north, "bbox"), ((-high, -low) if below else None)


def _boxes(found: Any) -> tuple[Box, ...]:
    """Of several the first is around the others (STAC collection specification, 1.0)."""
    boxes = [_box_and_heights(one)[0] for one in _list(found)[:_LISTED] if one is not None]
    kept = tuple(box for box in boxes if box is not None)
    return kept[1:] if len(kept) > 1 else kept


def _interval(found: Any) -> Interval | None:
    ends = _list(_list(found)[0]) if _list(found) else []
    if len(ends) != 2:
        return None
    start = parse_moment(_text(ends[0]), "extent")
    end = parse_time(_text(ends[1]), "extent")[1]
    return Interval(start, end) if start or end else None


def _licence(document: Mapping[str, Any], default: str) -> tuple[str, str]:
    """The SPDX identifier (or "other") and the terms, of the field and of links `license`."""
    said = _text(document.get("license"))
    if said.lower() in ("", "proprietary", "various", "other", "unknown", "notspecified"):
        linked = [
            _text(link.get("href"))
            for link in _list(document.get("links"))
            if _mapping(link).get("rel") == "license"
        ]
        found = next(filter(None, map(spdx, linked)), "")
        return found or (default if not said else "") or "other", ""
    if _SPDX.fullmatch(said):
        return said, ""
    return spdx(said) or "other", plain_text(said, 2000)


def _providers(found: Any) -> tuple[Provider, ...]:
    providers = []
    for one in _list(found)[:_LISTED]:
        name = _plain(_mapping(one).get("name"), 300)
        url = _text(_mapping(one).get("url"))
        roles = tuple(role for role in _texts(_mapping(one).get("roles")) if role in _ROLES)
        if name:
            good = url.startswith(("http://", "https://")) and len(url) <= 2000
            providers.append(Provider(name, roles, url if good else ""))
    return tuple(dict.fromkeys(providers))


def _absolute(found: Any, address: str) -> str:
    """An address as the document at `address` means it; "" for one that leads nowhere."""
    text = _text(found)
    if not text or len(text) > 4000 or any(ord(c) < 33 or ord(c) == 127 for c in text):
        return ""
    try:
        whole = urljoin(address, text)
        parts = urlsplit(whole)
    except ValueError:
        return ""
    return whole if parts.scheme in _SCHEMES and parts.netloc else ""


def _updated(found: Any) -> datetime | None:
    try:
        return parse_moment(_text(found))
    except RecordError:
        return None


def _numbers(found: Any) -> list[float]:
    return [
        float(one)
        for one in _list(found)
        if isinstance(one, int | float) and not isinstance(one, bool) and math.isfinite(one)
    ]


def _texts(found: Any) -> tuple[str, ...]:
    texts = (_plain(one, 200) for one in _list(found)[: 10 * _LISTED] if isinstance(one, str))
    return tuple(dict.fromkeys(text for text in texts if text))[:_LISTED]


def _plain(found: Any, limit: int) -> str:
    return plain_text(found, limit) if isinstance(found, str) else ""


def _text(found: Any) -> str:
    """Text as it is, if all of it can be shown."""
    if not isinstance(found, str):
        return ""
    return found.strip() if found.isprintable() else plain_text(found)


def _list(found: Any) -> list[Any]:
    return found if isinstance(found, list) else []


def _mapping(found: Any) -> Mapping[str, Any]:
    return found if isinstance(found, dict) else {}
