"""What the ICOS Carbon Portal says of one data object, as a record. See `icos`."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urljoin

from pelagos.catalogue.connectors import rest
from pelagos.catalogue.connectors.places import geojson_box
from pelagos.catalogue.markup import plain_text
from pelagos.catalogue.records import (
    TITLE_LIMIT,
    Asset,
    Box,
    GranuleRecord,
    Link,
    Parameter,
    Provider,
    RecordError,
)
from pelagos.catalogue.rights import find_doi, licence
from pelagos.catalogue.values import parse_interval, parse_moment, parse_point

_ID = 24  # characters of the hash that an object is addressed by
_TYPES = {"csv": "text/csv", "zip": "application/zip", "nc": "application/x-netcdf"}
_NESTING = {"LineString": 1, "MultiPoint": 1, "MultiLineString": 2, "Polygon": 2}
_GEOMETRY_LIMIT = 100_000  # characters of one that is kept beside its box
_INTERVALS = (
    ("specificInfo", "acquisition", "interval"),  # of a station
    ("specificInfo", "temporal", "interval"),  # of an area
)


class Example:
    """What one object tells of its specification."""

    def __init__(self, record: rest.Record) -> None:
        specification = rest.at(record, "specification")
        keywords = [
            *rest.texts(specification, "keywords"),
            *rest.texts(specification, "project", "keywords"),
            rest.text(specification, "theme", "self", "label"),
        ]
        comments = [
            *rest.texts(specification, "self", "comments"),
            *rest.texts(specification, "format", "comments"),
        ]
        self.licence = terms(record)
        self.parameters = parameters(record)
        self.keywords = tuple(dict.fromkeys(filter(None, map(plain_text, keywords))))
        self.about = "\n".join(filter(None, map(plain_text, comments)))
        self.providers = tuple(_providers(record))


def granule(record: rest.Record, identifier: str) -> GranuleRecord:
    """An object. Raises RecordError."""
    start, end = _times(record)
    station = rest.at(record, "specificInfo", "acquisition", "station")
    coverage = rest.at(record, "coverageGeo")
    title = rest.text(record, "references", "title") or rest.text(record, "fileName")
    words = (
        rest.text(record, "fileName"),
        rest.text(record, "specification", "self", "label"),
        rest.text(station, "id"),
        rest.text(station, "countryCode"),
        rest.text(station, "responsibleOrganization", "name"),
    )
    return GranuleRecord(
        id=identifier,
        title=plain_text(title, TITLE_LIMIT),
        box=geojson_box(coverage, "coverageGeo"),
        geometry=_geometry(coverage),
        start=start,
        end=end,
        platform=plain_text(rest.text(station, "org", "name"), 200),
        instruments=tuple(_instruments(record)),
        parameters=parameters(record),
        words=tuple(dict.fromkeys(filter(None, map(plain_text, words)))),
        assets=(_asset(record, identifier),),
        links=tuple(_links(record)),
        updated=parse_moment(rest.text(record, "submission", "stop"), "submission.stop"),
        properties=_properties(record),
    )


def terms(record: rest.Record) -> str:
    """The address of the licence: of the one that it builds on, if it is one of the portal's."""
    found = rest.at(record, "references", "licence")
    return rest.text(found, "baseLicence") or rest.text(found, "url")


def parameters(record: rest.Record) -> tuple[Parameter, ...]:
    """What its columns hold: those with a unit. Times and quality flags have none."""
    found: dict[str, Parameter] = {}
    for column in rest.entries(record, "specificInfo", "columns"):
        units = plain_text(rest.text(column, "valueType", "unit"), 100)
        name = plain_text(rest.text(column, "valueType", "self", "label"), 200)
        if units and name:
            found.setdefault(name, Parameter(name=name, units=units))
    return tuple(found.values())


def listed_box(row: dict[str, str]) -> Box | None:
    """Where an object of the list is; None if nowhere, or nowhere on Earth."""
    try:
        if row.get("coverage"):
            return geojson_box(json.loads(row["coverage"]))
        if row.get("lat") and row.get("lon"):
            return parse_point(row["lon"], row["lat"])
    except (ValueError, RecursionError):  # reported as a granule
        pass
    return None


def _times(record: rest.Record) -> tuple[Any, Any]:
    for path in _INTERVALS:
        found = rest.at(record, *path)
        if found is not None:
            interval = parse_interval(rest.text(found, "start"), rest.text(found, "stop"))
            return (interval.start, interval.end) if interval else (None, None)
    return None, None


def _geometry(coverage: Any) -> dict[str, Any] | None:
    """A ship's track, if it is not too long to be kept: it says more than its box."""
    found = coverage
    if isinstance(found, Mapping) and found.get("type") == "Feature":
        found = found.get("geometry")
    if not isinstance(found, Mapping) or found.get("type") not in _NESTING:
        return None
    kept = _coordinates(found.get("coordinates"), _NESTING[found["type"]])
    whole = {"type": found["type"], "coordinates": kept}
    return whole if len(json.dumps(kept)) <= _GEOMETRY_LIMIT else None


def _coordinates(value: Any, depth: int) -> list[Any]:
    """Positions on Earth, nested as the type wants them; without heights."""
    if not isinstance(value, list) or (not depth and len(value) < 2):
        raise RecordError("coverageGeo: coordinates that are no positions")
    if depth:
        return [_coordinates(inner, depth - 1) for inner in value]
    place = parse_point(value[0], value[1], "coverageGeo")
    return [place.west, place.south]


def _instruments(record: rest.Record) -> Iterator[str]:
    """One object or a list of them, as the portal writes it."""
    found = rest.at(record, "specificInfo", "acquisition", "instrument")
    for one in found if isinstance(found, list) else [found]:
        name = plain_text(rest.text(one, "label"), 200)
        if name:
            yield name


def _providers(record: rest.Record) -> Iterator[Provider]:
    production = rest.at(record, "specificInfo", "productionInfo")
    creator = plain_text(rest.text(production, "creator", "name"), 200)
    submitter = plain_text(rest.text(record, "submission", "submitter", "name"), 200)
    if creator:
        yield Provider(creator, ("processor",))
    if submitter and submitter != creator:
        yield Provider(submitter, ("processor",))


def _asset(record: rest.Record, identifier: str) -> Asset:
    """The file. Its address holds the first part of its checksum, which has to agree."""
    address = rest.web(rest.text(record, "accessUrl"))
    if not address:
        raise RecordError("accessUrl: no address of the file")
    name = rest.text(record, "fileName")
    digest = rest.text(record, "hash")
    if digest and digest[:_ID] != identifier[:_ID]:
        raise RecordError(f"hash: {digest[:_ID]!r} is not that of object {identifier[:_ID]!r}")
    accept = f"/licence_accept?ids={quote(json.dumps([identifier]))}"
    page = rest.web(rest.text(record, "references", "licence", "webpage"))
    return Asset(
        key="file",
        href=address,
        type=_TYPES.get(name.rsplit(".", 1)[-1].lower(), "application/octet-stream"),
        title=plain_text(name, TITLE_LIMIT),
        size=rest.count(record, "size"),
        checksum=rest.multihash("sha256", _hex(digest)) if digest else "",
        extra={"pelagos:licence": {"accept": urljoin(address, accept), "page": page}},
    )


def _hex(digest: str) -> str:
    """A hash in base64url without padding (RFC 4648 5), in hex."""
    try:
        return base64.b64decode(digest + "=" * (-len(digest) % 4), "-_", validate=True).hex()
    except (binascii.Error, ValueError) as error:
        raise RecordError(f"hash: {digest[:60]!r} is not base64url") from error


def _links(record: rest.Record) -> Iterator[Link]:
    page = rest.web(rest.text(record, "latestVersion"))
    if page:
        yield Link("about", page, title="At the Carbon Portal")
    for one in rest.entries(record, "parentCollections"):
        address = rest.web(rest.text(one, "uri"))
        if address:
            yield Link("related", address, title=plain_text(rest.text(one, "label"), TITLE_LIMIT))


def _properties(record: rest.Record) -> dict[str, Any]:
    spdx, _ = licence((terms(record),))
    found = {
        "license": spdx if spdx != "other" else "",
        "sci:doi": find_doi(rest.text(record, "doi")),
        "sci:citation": plain_text(rest.text(record, "references", "citationString")),
        "icos:pid": rest.text(record, "pid"),
        "icos:level": rest.count(record, "specification", "dataLevel"),
        "icos:rows": rest.count(record, "specificInfo", "nRows"),
    }
    return {key: value for key, value in found.items() if value not in ("", None)}
