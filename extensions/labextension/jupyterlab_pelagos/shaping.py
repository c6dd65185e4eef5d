"""STAC documents as the browser gets them. They come from strangers: any field may be of the wrong
kind, absurd or huge, and costs at most itself. Texts stay as they are written: the browser shows
them as text, so HTML in them does nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from jupyterlab_pelagos.models.search import (
    Box,
    Collection,
    FacetName,
    FacetValue,
    Granule,
    Licence,
)

Document = Mapping[str, Any]
FACETS: tuple[FacetName, ...] = ("infrastructure", "parameter", "platform", "instrument", "licence")

_TITLE, _DESCRIPTION, _ID, _URL = 300, 4_000, 600, 2_000  # characters
_LISTED = 100  # parameters, keywords, boxes
_POSITIONS = 50  # of a geometry in a list
_UNSAID = ("", "other", "various")
_LANDING = ("cite-as", "about", "describedby", "via")
_MARKS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_DEEP = {
    "Point": 0,
    "MultiPoint": 1,
    "LineString": 1,
    "Polygon": 2,
    "MultiLineString": 2,
    "MultiPolygon": 3,
}
_FORMATS = {
    "application/x-netcdf": "NetCDF",
    "application/netcdf": "NetCDF",
    "application/x-netcdf4": "NetCDF",
    "application/x-hdf5": "HDF5",
    "application/x-hdf": "HDF",
    "application/vnd+zarr": "Zarr",
    "application/vnd.zarr": "Zarr",
    "application/x-zarr": "Zarr",
    "text/csv": "CSV",
    "text/tab-separated-values": "TSV",
    "text/plain": "text",
    "text/html": "web page",
    "application/json": "JSON",
    "application/geo+json": "GeoJSON",
    "application/zip": "ZIP",
    "application/gzip": "gzip",
    "application/pdf": "PDF",
    "application/x-grib": "GRIB",
    "application/grib": "GRIB",
    "image/tiff": "TIFF",
    "image/png": "PNG",
    "image/jpeg": "JPEG",
}


def mapping(value: object) -> Document:
    """`value` if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def listed(value: object) -> list[Any]:
    """`value` if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def text_of(value: object, longest: int = _TITLE) -> str:
    """A text in one line, of at most `longest` characters; "" for what is no text."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    line = _MARKS.sub("", " ".join(str(value)[: longest * 4].split())).strip()
    return line if len(line) <= longest else line[: longest - 1] + "…"


def paragraphs(value: object, longest: int = _DESCRIPTION) -> str:
    """A text with its lines."""
    if not isinstance(value, str):
        return ""
    found = _MARKS.sub("", value[: longest + 1].replace("\r\n", "\n").replace("\r", "\n")).strip()
    return found if len(found) <= longest else found[: longest - 1] + "…"


def address(value: object) -> str:
    """An http(s) address that a person may follow; "" for others, such as `javascript:`."""
    found = value.strip() if isinstance(value, str) else ""
    fits = len(found) <= _URL and re.fullmatch(r"https?://[^\s/\"'<>\\]+[^\s\"'<>\\]*", found, re.I)
    return found if fits else ""


def box_of(value: object) -> Box | None:
    """A box of four or six numbers; None if it is absurd. Longitudes to 360 are turned."""
    if not isinstance(value, list | tuple) or len(value) not in (4, 6):
        return None
    if not all(is_number(one) for one in value):
        return None
    west, south = float(value[0]), float(value[1])
    east, north = (float(value[2]), float(value[3])) if len(value) == 4 else map(float, value[3:5])
    if not (-90 <= south <= north <= 90) or max(abs(west), abs(east)) > 360:
        return None
    if east - west >= 360:
        return -180.0, south, 180.0, north
    return _turned(west), south, _turned(east), north


def _turned(longitude: float) -> float:
    if -180 <= longitude <= 180:
        return longitude
    return (longitude + 180) % 360 - 180


def is_number(value: object) -> bool:
    """Whether it is a finite number, and no integer that is too large for a float."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def shape_of(value: object, box: Box | None = None) -> dict[str, Any] | None:
    """A geometry that is small enough for a list of thousands; None if the box says as much."""
    found = mapping(value)
    kind = found.get("type")
    deep = _DEEP.get(kind) if isinstance(kind, str) else None
    if deep is None:
        return None
    counter = [0]
    coordinates = _positions(found.get("coordinates"), deep, counter)
    if coordinates is None or not counter[0]:
        return None
    if kind == "Polygon" and box is not None and _is_box(coordinates, box):
        return None
    return {"type": kind, "coordinates": coordinates}


def _positions(value: object, deep: int, counter: list[int]) -> Any:
    """Coordinates without heights; None if there are too many or one is no place."""
    if not isinstance(value, list | tuple):
        return None
    if deep == 0:
        counter[0] += 1
        if counter[0] > _POSITIONS or len(value) < 2 or not all(map(is_number, value[:2])):
            return None
        longitude, latitude = value[:2]
        return [longitude, latitude] if abs(longitude) <= 360 and abs(latitude) <= 90 else None
    parts = []
    for one in value:
        part = _positions(one, deep - 1, counter)
        if part is None:
            return None
        parts.append(part)
    return parts


def _is_box(rings: list[Any], box: Box) -> bool:
    west, south, east, north = box
    corners = {(west, south), (east, south), (east, north), (west, north)}
    return len(rings) == 1 and len(rings[0]) == 5 and {tuple(one) for one in rings[0]} == corners


def moment_of(value: object) -> str | None:
    """A time in UTC; None for what is none, and for the widest that can be written."""
    if not isinstance(value, str) or len(value) > 40 or len(value) < 10:
        return None
    text = re.sub(r"(\.\d{6})\d+", r"\1", value.strip().upper())
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    if moment.year in (1, 9999):
        return None
    return moment.isoformat().replace("+00:00", "Z")


def times_of(properties: Document) -> tuple[str | None, str | None]:
    """Start and end of an item; None where nobody knows."""
    if properties.get("pelagos:time_unknown"):
        return None, None
    at = moment_of(properties.get("datetime"))
    start = moment_of(properties.get("start_datetime"))
    end = moment_of(properties.get("end_datetime"))
    if start is None and end is None:
        return at, at
    return start, end


def collection_of(document: Document) -> Collection | None:
    """A data set; None for what has no identifier."""
    identifier = document.get("id")
    if not isinstance(identifier, str) or not identifier or len(identifier) > _ID:
        return None
    extent = mapping(document.get("extent"))
    unknown = bool(document.get("pelagos:extent_unknown"))
    boxes = [] if unknown else _boxes(mapping(extent.get("spatial")).get("bbox"))
    start, end = _interval(extent)
    return Collection(
        id=identifier,
        title=text_of(document.get("title")) or identifier,
        description=paragraphs(document.get("description")),
        infrastructure=infrastructure_of(document),
        parameters=parameters_of(document),
        keywords=_texts(document.get("keywords")),
        boxes=boxes,
        start=start,
        end=end,
        licence=licence_of(document),
        doi=doi_of(document),
        url=landing_of(document),
    )


def _boxes(value: object) -> list[Box]:
    """Of an extent: the first is around all others, so it is left out where there are others."""
    given = listed(value)
    parts = given[1:] if len(given) > 1 else given
    found = [box for one in parts[:_LISTED] if (box := box_of(one)) is not None]
    if not found and given:
        whole = box_of(given[0])
        found = [whole] if whole is not None else []
    return found


def _interval(extent: Document) -> tuple[str | None, str | None]:
    intervals = listed(mapping(extent.get("temporal")).get("interval"))
    first = intervals[0] if intervals else None
    if not isinstance(first, list) or len(first) != 2:
        return None, None
    return moment_of(first[0]), moment_of(first[1])


def infrastructure_of(document: Document) -> str:
    """Who offers it, as a person knows it; "" if unknown."""
    named = text_of(document.get("pelagos:infrastructure_title"))
    if named:
        return named
    providers = [mapping(one) for one in listed(document.get("providers"))]
    for role in ("host", "producer"):
        for one in providers:
            if role in listed(one.get("roles")) and (name := text_of(one.get("name"))):
                return name
    return ""


def parameters_of(document: Document) -> list[str]:
    """Names of what was measured."""
    given = [mapping(one) for one in listed(document.get("pelagos:parameters"))]
    found = [
        text_of(one.get("name") or one.get("standard_name") or one.get("key"))
        for one in given[: _LISTED * 2]
    ]
    if not found:
        variables = mapping(document.get("cube:variables"))
        found = [text_of(name) for name in list(variables)[: _LISTED * 2]]
    return list(dict.fromkeys(filter(None, found)))[:_LISTED]


def _texts(value: object) -> list[str]:
    found = (text_of(one) for one in listed(value)[: _LISTED * 2])
    return list(dict.fromkeys(filter(None, found)))[:_LISTED]


def licence_of(document: Document) -> Licence:
    """With its title where a link or the source's own words have one."""
    identifier = text_of(document.get("license"), 200)
    link = _link(document, ("license",))
    said = text_of(document.get("pelagos:licence_text")) or text_of(link.get("title"))
    known = identifier.lower() not in _UNSAID
    return Licence(
        id=identifier if known else "",
        title=said or (identifier if known else ""),
        url=address(link.get("href")),
    )


def doi_of(document: Document) -> str:
    """Its DOI without a resolver."""
    from pelagos_client.documents.citing import doi_of as found

    return found(document)


def landing_of(document: Document) -> str:
    """A page about it."""
    return address(_link(document, _LANDING).get("href"))


def _link(document: Document, wanted: Iterable[str]) -> Document:
    links = [mapping(one) for one in listed(document.get("links"))]
    for rel in wanted:
        for link in links:
            if link.get("rel") == rel and address(link.get("href")):
                return link
    return {}


def granule_of(document: Document) -> Granule | None:
    """A granule of a list; None for what has no identifier or collection."""
    identifier, collection = document.get("id"), document.get("collection")
    if not isinstance(identifier, str) or not identifier or not isinstance(collection, str):
        return None
    if len(identifier) > _ID or not collection or len(collection) > _ID:
        return None
    properties = mapping(document.get("properties"))
    start, end = times_of(properties)
    box = box_of(document.get("bbox")) or point_box(document.get("geometry"))
    assets = [one for _, one in data_assets(document)]
    sizes = [size_of(one) for one in assets]
    known = [size for size in sizes if size is not None]
    return Granule(
        collection=collection,
        id=identifier,
        title=text_of(properties.get("title")) or identifier,
        bbox=box,
        shape=shape_of(document.get("geometry"), box),
        start=start,
        end=end,
        size=sum(known) if known and len(known) == len(sizes) else None,
        files=len(assets),
        platform=text_of(properties.get("platform")),
        formats=list(dict.fromkeys(filter(None, map(format_of, assets))))[:10],
    )


def point_box(value: object) -> Box | None:
    """The box of a point, where an item has none of its own."""
    found = mapping(value)
    at = found.get("coordinates")
    if found.get("type") != "Point" or not isinstance(at, list) or len(at) < 2:
        return None
    return box_of([at[0], at[1], at[0], at[1]])


def assets_of(document: Document) -> Iterator[tuple[str, Document]]:
    """Its assets with their keys."""
    for key, asset in mapping(document.get("assets")).items():
        if isinstance(key, str) and isinstance(asset, Mapping):
            yield key, asset


def is_data(asset: Document) -> bool:
    """Whether an order would fetch it, as pelagos_client decides."""
    roles = asset.get("roles")
    return not roles or (isinstance(roles, list) and "data" in roles)


def data_assets(document: Document) -> list[tuple[str, Document]]:
    """What an order of all its data would fetch: files, if there are any."""
    data = [(key, asset) for key, asset in assets_of(document) if is_data(asset)]
    direct = [one for one in data if one[1].get("pelagos:access", "direct") == "direct"]
    return direct or data


def size_of(asset: Document) -> int | None:
    """Its size in bytes; None if unknown."""
    size = asset.get("file:size")
    return size if isinstance(size, int) and not isinstance(size, bool) and size >= 0 else None


def format_of(asset: Document) -> str:
    """Its format for people; "" if unknown."""
    media = text_of(asset.get("type"), 200)
    plain = media.partition(";")[0].strip().lower()
    if plain in _FORMATS:
        return _FORMATS[plain]
    return media if plain not in ("", "application/octet-stream") else ""


def facets_of(value: object) -> dict[FacetName, list[FacetValue]]:
    """Facets of the VRE's catalogue; what has no value is left out."""
    given = mapping(value)
    found: dict[FacetName, list[FacetValue]] = {}
    for name in FACETS:
        values = []
        for one in map(mapping, listed(given.get(name))):
            count, own = one.get("count"), one.get("value")
            if isinstance(own, str) and 0 < len(own) <= _ID and isinstance(count, int):
                values.append(FacetValue(own, text_of(one.get("title")) or own, count))
        found[name] = values
    return found
