"""What the ICOS Carbon Portal says of one data object, as a record. See `icos`."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote, urljoin

from pelagos.catalogue.connectors import rest
from pelagos.catalogue.records import (
    Asset,
    Box,
    GranuleRecord,
    Link,
    Parameter,
    Provider,
    RecordError,
)

_ID = 24  # characters of the hash that an object is addressed by
_TYPES = {"csv": "text/csv", "zip": "application/zip", "nc": "application/x-netcdf"}
_MOST_POSITIONS = 10_000  # of a geometry that is kept beside its box


class Example:
    """What one object tells of its specification."""

    def __init__(self, record: rest.Record) -> None:
        keywords = [
            *rest.texts(record, "specification", "keywords"),
            *rest.texts(record, "specification", "project", "keywords"),
            rest.text(record, "specification", "theme", "self", "label"),
        ]
        self.licence = licence(record)
        self.parameters = parameters(record)
        self.keywords = tuple(dict.fromkeys(filter(None, map(common.plain, keywords))))
        self.providers = tuple(_providers(record))
        self.about = "\n".join(
            filter(
                None,
                (
                    *(common.plain(c) for c in rest.texts(record, "specification", "self", "comments")),
                    *(common.plain(c) for c in rest.texts(record, "specification", "format", "comments")),
                ),
            )
        )


def granule(record: rest.Record, identifier: str) -> GranuleRecord:
    """An object. Raises RecordError."""
    interval = common.interval(*_times(record))
    box, geometry = _where(rest.at(record, "coverageGeo"))
    station = rest.at(record, "specificInfo", "acquisition", "station")
    words = (
        rest.text(record, "fileName"),
        rest.text(record, "specification", "self", "label"),
        rest.text(station, "id"),
        rest.text(station, "countryCode"),
        rest.text(station, "responsibleOrganization", "name"),
    )
    return GranuleRecord(
        id=identifier,
        title=common.title(rest.text(record, "references", "title") or rest.text(record, "fileName")),
        box=box,
        geometry=geometry,
        start=interval.start if interval else None,
        end=interval.end if interval else None,
        platform=common.plain(rest.text(station, "org", "name"))[:200],
        instruments=tuple(_instruments(record)),
        parameters=parameters(record),
        words=tuple(dict.fromkeys(filter(None, map(common.plain, words)))),
        assets=(_asset(record, identifier),),
        links=tuple(_links(record)),
        updated=common.moment(rest.text(record, "submission", "stop")),
        properties=_properties(record),
    )


def licence(record: rest.Record) -> str:
    """The address of the licence; that of the one it builds on, if it is one of its own."""
    terms = ("references", "licence")
    return rest.text(record, *terms, "baseLicence") or rest.text(record, *terms, "url")


def parameters(record: rest.Record) -> tuple[Parameter, ...]:
    """What its columns hold: those with a unit. Times and quality flags have none."""
    found: dict[str, Parameter] = {}
    for column in rest.entries(record, "specificInfo", "columns"):
        units = rest.text(column, "valueType", "unit")
        name = common.plain(rest.text(column, "valueType", "self", "label"))
        if units and name:
            found.setdefault(name, Parameter(name=name, units=units))
    return tuple(found.values())


def places(row: dict[str, str]) -> list[tuple[float, float]]:
    """Corners of where an object of the list is; none if nowhere, or nowhere on Earth."""
    try:
        if row.get("coverage"):
            box, _ = _where(json.loads(row["coverage"]))
        else:
            east, north = rest.number(row, "lon"), rest.number(row, "lat")
            box = None if east is None or north is None else Box(east, north, east, north)
    except (ValueError, RecursionError):
        return []
    return [] if box is None else [(box.west, box.south), (box.east, box.north)]


def _times(record: rest.Record) -> tuple[str, str]:
    for path in (("specificInfo", "acquisition", "interval"), ("coverage", "temporal", "interval"),
                 ("specificInfo", "temporal", "interval")):  # fmt: skip
        found = rest.at(record, *path)
        if found is not None:
            return rest.text(found, "start"), rest.text(found, "stop")
    return "", ""


def _where(feature: Any) -> tuple[Box | None, dict[str, Any] | None]:
    """The box of a GeoJSON feature or geometry, and the geometry if it says more."""
    geometry = rest.at(feature, "geometry") if rest.text(feature, "type") == "Feature" else feature
    if geometry is None:
        return None, None
    positions = list(_positions(geometry, 0))
    if not positions:
        return None, None
    boxes = common.around(positions)
    simple = rest.text(geometry, "type") == "Point" or len(positions) > _MOST_POSITIONS
    kind = rest.text(geometry, "type")
    if simple or kind not in ("LineString", "MultiPoint", "Polygon", "MultiLineString"):
        return boxes[0], None
    return boxes[0], {"type": kind, "coordinates": geometry["coordinates"]}
