"""ISO 19115 records in the XML of ISO 19139, also with SeaDataNet's elements, as plain values.

OWSLib reads what it knows; extents, sizes, acquisition and all that SeaDataNet adds are read here.
Verified against: recordings (EMODnet Chemistry, SeaDataNet CDI, GéoBretagne, PacIOOS, Canada).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lxml import etree
from owslib.iso import MD_Metadata

from pelagos.catalogue.connectors.iso_links import Resource, sort_resources
from pelagos.catalogue.connectors.iso_terms import Terms, address_of, sort_keywords
from pelagos.catalogue.geometry import hull
from pelagos.catalogue.markup import plain_text
from pelagos.catalogue.records import (
    ID_LIMIT,
    TITLE_LIMIT,
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
from pelagos.catalogue.rights import find_doi, licence
from pelagos.catalogue.values import parse_box, parse_depth, parse_moment, parse_number, parse_time

GMD = "http://www.isotc211.org/2005/gmd"
GMI = "http://www.isotc211.org/2005/gmi"
TAGS = (f"{{{GMD}}}MD_Metadata", f"{{{GMI}}}MI_Metadata")

_GCO = "{http://www.isotc211.org/2005/gco}"
_ANCHOR = "{http://www.isotc211.org/2005/gmx}Anchor"
_HREF = "{http://www.w3.org/1999/xlink}href"
_STRING = f"{_GCO}CharacterString"
_SDN = "{http://www.seadatanet.org}"
_SIDES = ("westBoundLongitude", "southBoundLatitude", "eastBoundLongitude", "northBoundLatitude")
_BOXES = 100
_PARTIES = 300
_ROLES = {
    "owner": "licensor",
    "originator": "producer",
    "author": "producer",
    "principalinvestigator": "producer",
    "processor": "processor",
    "custodian": "host",
    "distributor": "host",
    "publisher": "host",
    "resourceprovider": "host",
}
_CODE = re.compile(r"SDN:\S+|[A-Z]\d{2}")  # where a name should be
# what is read here or not at all
_IGNORED = frozenset(
    {"dataQualityInfo", "spatialRepresentationInfo", "referenceSystemInfo", "locale"}
    | {"EX_BoundingPolygon", "metadataExtensionInfo", "contentInfo"}
)
_READ = frozenset(
    {"contact", "pointOfContact", "citedResponsibleParty", "extent", "distributionInfo"}
    | {"aggregationInfo", "acquisitionInformation", "containsOperations"}
)


@dataclass(frozen=True)
class IsoRecord:
    """What a record says, as our records have it. `kind` is its hierarchy level."""

    id: str
    title: str
    description: str
    kind: str
    updated: datetime | None
    licence: str
    licence_text: str
    providers: tuple[Provider, ...]
    keywords: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    platforms: tuple[str, ...]
    instruments: tuple[str, ...]
    boxes: tuple[Box, ...]
    interval: Interval | None
    depth: tuple[float, float] | None
    doi: str
    citation: str
    assets: tuple[Asset, ...]
    links: tuple[Link, ...]


def identifier_of(element: etree._Element) -> str:
    """The identifier of a record, "" if it has none; for messages too."""
    return plain_text(_text(element.find("{*}fileIdentifier")), ID_LIMIT)


def read_iso(element: etree._Element, default_licence: str = "") -> IsoRecord:
    """A record out of its MD_Metadata or MI_Metadata, which is changed on the way.

    `default_licence` is that of records that say nothing. Raises RecordError.
    """
    _make_plain(element)
    identification = element.find("{*}identificationInfo/*")
    if identification is None:
        raise RecordError("identificationInfo: there is none, so no title and nothing else")
    ours = _own_parts(element, identification)
    acquired = Terms()
    _add_acquisition(element, acquired)
    read = _read_with_owslib(element)
    about = read.identification[0]
    terms = sort_keywords(about.keywords, acquired)
    spdx, licence_text = _licence(about, default_licence)
    return IsoRecord(
        id=identifier_of(element),
        title=plain_text(about.title, TITLE_LIMIT),
        description=plain_text(about.abstract),
        kind=(read.hierarchy or "").lower(),
        updated=_datestamp(read.datestamp),
        licence=spdx,
        licence_text=licence_text,
        keywords=tuple(terms.keywords),
        parameters=tuple(terms.parameters),
        platforms=tuple(terms.platforms),
        instruments=tuple(terms.instruments),
        doi=next(filter(None, map(find_doi, [*about.uricode, read.dataseturi])), ""),
        **ours,
    )


def _own_parts(element: etree._Element, identification: etree._Element) -> dict[str, Any]:
    """What is read without OWSLib: it takes the first of several extents, and no sizes."""
    assets, links = sort_resources(list(_resources(element)))
    citation = _text(identification.find("{*}citation/*/{*}otherCitationDetails"))
    return {
        "providers": _providers(element),
        "boxes": _boxes(identification),
        "interval": _interval(identification),
        "depth": _depth(identification),
        "citation": plain_text(citation, 2_000),
        "assets": assets,
        "links": links,
    }


def _read_with_owslib(element: etree._Element) -> MD_Metadata:
    """What is left when everything else has been read; the rest would cost it most of its time."""
    for part in list(element.iter(*(f"{{*}}{name}" for name in _READ))):
        parent = part.getparent()
        if parent is not None:
            parent.remove(part)
    try:
        read = MD_Metadata(element)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise RecordError(f"the record can't be read: {error}") from error
    if not read.identification:
        raise RecordError("identificationInfo: it describes neither data nor a service")
    return read


def _licence(about: Any, default: str) -> tuple[str, str]:
    return licence(
        [
            *(text for text in about.uselimitation if _says_something(text)),
            *(url for url in about.uselimitation_url if url),
            *(text for text in about.otherconstraints if text),
            *(url for url in about.otherconstraints_url if url and url.startswith("http")),
        ],
        default,
    )


def collection_of(record: IsoRecord) -> CollectionRecord:
    """The record as a collection. Raises RecordError."""
    return CollectionRecord(
        id=record.id,
        title=record.title,
        description=record.description,
        licence=record.licence,
        licence_text=record.licence_text,
        providers=record.providers,
        keywords=record.keywords,
        parameters=record.parameters,
        platforms=record.platforms,
        instruments=record.instruments,
        boxes=record.boxes,
        interval=record.interval,
        depth=record.depth,
        doi=record.doi,
        citation=record.citation,
        assets=record.assets,
        links=record.links,
        updated=record.updated,
        searchable=bool(record.assets),
    )


def file_granules(collection: CollectionRecord) -> Iterator[GranuleRecord]:
    """The assets of such a collection as granules: what a record says holds for each of them."""
    box = hull(collection.boxes) if collection.boxes else None
    interval = collection.interval
    for asset in collection.assets:
        yield GranuleRecord(
            id=asset.key,
            title=asset.title or collection.title,
            box=box,
            start=interval.start if interval else None,
            end=interval.end if interval else None,
            depth=collection.depth,
            assets=(asset,),
            updated=collection.updated,
        )


def _make_plain(element: etree._Element) -> None:
    """SeaDataNet's elements as those of ISO, and text where OWSLib looks for text."""
    for part in list(element.iter(*(f"{{*}}{name}" for name in _IGNORED))):
        parent = part.getparent()
        if parent is not None:
            parent.remove(part)
    for part in list(element.iter(f"{_SDN}*", _ANCHOR, _STRING)):
        parent = part.getparent()
        holder = etree.QName(parent).localname if parent is not None else ""
        if part.tag.startswith(_SDN):
            iso_type = part.get(f"{_GCO}isoType", "")
            if iso_type:
                part.tag = f"{{{GMD}}}{iso_type.removesuffix('_Type')}"
                continue
            address = address_of(etree.QName(part).localname, part.get("codeListValue", ""))
            part.tag = _ANCHOR
            if address:
                part.set(_HREF, address)
        if holder == "keyword":
            part.tag = _ANCHOR
        elif part.tag == _ANCHOR and holder not in ("otherConstraints", "useLimitation", "code"):
            part.tag = _STRING


def _text(element: etree._Element | None) -> str:
    """The text of gmd:x/gco:CharacterString or whatever stands there instead, at first."""
    if element is None:
        return ""
    child = next(iter(element), None)
    return ((element if child is None else child).text or "").strip()


def _says_something(text: str) -> bool:
    return text.strip().lower() not in ("not applicable", "none", "unknown", "no conditions apply")


def _datestamp(text: str | None) -> datetime | None:
    with contextlib.suppress(RecordError):  # of the metadata only: no reason to lose the record
        return parse_moment(text or "", "dateStamp")
    return None


def _providers(element: etree._Element) -> tuple[Provider, ...]:
    """All organisations with their parts; people are left out."""
    found: dict[str, tuple[list[str], str]] = {}
    parties = (
        *element.iterfind("{*}identificationInfo/*/{*}citation/*/{*}citedResponsibleParty/*"),
        *element.iterfind("{*}identificationInfo/*/{*}pointOfContact/*"),
        *element.iterfind("{*}distributionInfo//{*}distributorContact/*"),
        *element.iterfind("{*}contact/*"),
    )
    for party in parties[:_PARTIES]:
        name = plain_text(_text(party.find("{*}organisationName")), 300)
        if not name:
            continue
        code = party.find("{*}role/{*}CI_RoleCode")
        role = _ROLES.get((code.get("codeListValue") or "").lower() if code is not None else "")
        url = (party.findtext("{*}contactInfo//{*}onlineResource//{*}URL") or "").strip()
        roles, known = found.setdefault(name, ([], ""))
        if role and role not in roles:
            roles.append(role)
        if not known and url.startswith(("http://", "https://")) and " " not in url:
            found[name] = (roles, url[:2000])
    return tuple(Provider(name, tuple(roles), url) for name, (roles, url) in found.items())


def _boxes(identification: etree._Element) -> tuple[Box, ...]:
    boxes: dict[Box, None] = {}
    for box in identification.iterfind("{*}extent//{*}EX_GeographicBoundingBox"):
        west, south, east, north = (_text(box.find(f"{{*}}{side}")) for side in _SIDES)
        if west or south or east or north:  # some leave all of a template empty
            boxes[parse_box(west, south, east, north)] = None
        if len(boxes) > _BOXES:
            raise RecordError(f"box: more than {_BOXES} boxes")
    return tuple(boxes)


def _interval(identification: etree._Element) -> Interval | None:
    """Around all periods and moments; an end is open if one of them is."""
    starts: list[datetime | None] = []
    ends: list[datetime | None] = []
    for extent in identification.iterfind("{*}extent//{*}EX_TemporalExtent"):
        for period in extent.iter("{*}TimePeriod"):
            starts.append(parse_time(_position(period, "begin"), "temporal extent: begin")[0])
            ends.append(parse_time(_position(period, "end"), "temporal extent: end")[1])
        for moment in extent.iter("{*}TimeInstant"):
            first, last = parse_time(moment.findtext("{*}timePosition") or "", "temporal extent")
            if first is not None:
                starts.append(first)
                ends.append(last)
    start = None if None in starts else min(filter(None, starts), default=None)
    end = None if None in ends else max(filter(None, ends), default=None)
    return Interval(start, end) if start or end else None


def _position(period: etree._Element, side: str) -> str:
    """gml:beginPosition or gml:begin; "" where it is said to be indeterminate."""
    element = period.find(f"{{*}}{side}Position")
    if element is None:
        element = period.find(f"{{*}}{side}//{{*}}timePosition")
    if element is None or element.get("indeterminatePosition") in ("now", "unknown"):
        return ""
    return element.text or ""


def _depth(identification: etree._Element) -> tuple[float, float] | None:
    """Metres below the surface. What is below zero only is a height, as ISO has it by default."""
    found: list[float] = []
    for extent in identification.iterfind("{*}extent//{*}EX_VerticalExtent"):
        pair = parse_depth(
            _text(extent.find("{*}minimumValue")), _text(extent.find("{*}maximumValue"))
        )
        if pair is not None:
            found += pair if pair[1] > 0 else (-pair[1], -pair[0])
    return (min(found) + 0.0, max(found) + 0.0) if found else None


def _resources(element: etree._Element) -> Iterator[Resource]:
    for transfer in element.iterfind("{*}distributionInfo//{*}MD_DigitalTransferOptions"):
        online = list(transfer.iterfind("{*}onLine/{*}CI_OnlineResource"))
        size = None
        with contextlib.suppress(RecordError):
            size = parse_number(_text(transfer.find("{*}transferSize")))
        for one in online:
            # a size of several together is the size of none
            yield _resource(one, size if len(online) == 1 and size and size > 0 else None)
    for one in element.iterfind(".//{*}connectPoint/{*}CI_OnlineResource"):
        yield _resource(one, None)


def _resource(element: etree._Element, megabytes: float | None) -> Resource:
    function = element.find("{*}function/{*}CI_OnLineFunctionCode")
    return Resource(
        url=element.findtext("{*}linkage/{*}URL") or "",
        protocol=_text(element.find("{*}protocol")),
        name=_text(element.find("{*}name")),
        description=_text(element.find("{*}description")),
        function="" if function is None else function.get("codeListValue", ""),
        megabytes=megabytes,
    )


def _add_acquisition(element: etree._Element, terms: Terms) -> None:
    """Platforms and instruments of ISO 19115-2."""
    for tag, values in (("MI_Platform", terms.platforms), ("MI_Instrument", terms.instruments)):
        for found in element.iterfind(f"{{*}}acquisitionInformation//{{*}}{tag}"):
            words = found.find("{*}identifier")
            code = None if words is None else words.find(".//{*}code")
            name = plain_text(_text(words if code is None else code), 300)
            if name and name not in values and not _CODE.fullmatch(name):
                values.append(name)
