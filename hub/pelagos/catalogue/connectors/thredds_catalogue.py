"""One THREDDS catalogue document: its data sets, their services, and what stands above them.

THREDDS Client Catalog Specification 1.0.7 (InvCatalog 1.0). Elements are told by their local names,
since servers use more than one namespace version.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias
from urllib.parse import quote, urljoin, urlsplit

from lxml import etree

from pelagos.catalogue.markup import plain_text
from pelagos.catalogue.records import Box, Provider, RecordError
from pelagos.catalogue.values import parse_box, parse_depth, parse_moment, parse_number, parse_time

XLINK = "{http://www.w3.org/1999/xlink}"
_DEPTH = 100  # data sets within data sets
_OPENDAP = {"opendap", "dods"}
_HTTP = {"httpserver", "http", "file download", "fileserver"}
_SIZES = {"bytes": 1, "kbytes": 10**3, "mbytes": 10**6, "gbytes": 10**9, "tbytes": 10**12}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(second|sec|minute|min|hour|hr|day|week)s?", re.I)
_SECONDS = {"second": 1, "sec": 1, "minute": 60, "min": 60, "hour": 3600, "hr": 3600,
            "day": 86400, "week": 7 * 86400}  # fmt: skip
Element: TypeAlias = etree._Element


@dataclass
class Service:
    """A way to get at data: its kind and the address that paths are appended to."""

    kind: str
    base: str


@dataclass
class Dataset:
    """A data set with what it inherits: `about` are its metadata elements, its own first."""

    identifier: str
    name: str
    path: str
    about: list[Element]
    accesses: list[tuple[str, str, str]] = field(default_factory=list)  # service, path, format
    leaves: list[Dataset] = field(default_factory=list)


@dataclass
class Catalogue:
    """A document: containers with data sets right in them, and references to others."""

    url: str
    name: str
    services: dict[str, list[Service]]
    containers: list[Dataset]
    references: list[str]


def local(element: Element) -> str:
    """The name of an element without its namespace."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def read_catalogue(root: Element, url: str) -> Catalogue:
    """The document at `url`. Raises RecordError if it is no THREDDS catalogue."""
    if local(root) != "catalog":
        raise RecordError(f"not a THREDDS catalogue: its root is {local(root)[:60]!r}")
    name = plain_text(root.get("name"), 300)
    catalogue = Catalogue(url, name, {}, [], [])
    for element in root:
        if local(element) == "service":
            _add_service(catalogue, element, url, 0)
    top = Dataset("", name, "", [])
    _walk(catalogue, root, top, [], 0)
    if top.leaves:
        catalogue.containers.insert(0, top)
    return catalogue


def _add_service(catalogue: Catalogue, element: Element, url: str, depth: int) -> None:
    name = element.get("name") or ""
    kind = (element.get("serviceType") or "").lower()
    found: list[Service] = []
    if kind == "compound" and depth < 5:
        for inner in element:
            if local(inner) == "service":
                _add_service(catalogue, inner, url, depth + 1)
                found += catalogue.services.get(inner.get("name") or "", [])
    elif element.get("base") is not None:
        found = [Service(kind, urljoin(url, element.get("base") or ""))]
    catalogue.services[name] = found


def _walk(
    catalogue: Catalogue, parent: Element, holder: Dataset, inherited: list[Element], depth: int
) -> None:
    for element in parent:
        name = local(element)
        if name == "catalogRef":
            href = element.get(f"{XLINK}href")
            if href:
                catalogue.references.append(urljoin(catalogue.url, href.strip()))
        elif name == "dataset" and depth < _DEPTH:
            own = list(_own(element, inherited=False))
            passed = [*_own(element, inherited=True), *inherited]
            found = Dataset(
                element.get("ID") or "",
                plain_text(element.get("name"), 300),
                element.get("urlPath") or "",
                [*own, *passed],
            )
            found.accesses = [
                (one.get("serviceName") or "", one.get("urlPath") or "",
                 one.get("dataFormat") or "")
                for one in element if local(one) == "access"
            ]  # fmt: skip
            if found.path or found.accesses:
                holder.leaves.append(found)
            _walk(catalogue, element, found, passed, depth + 1)
            if found.leaves:
                catalogue.containers.append(found)


def _own(element: Element, *, inherited: bool) -> Iterator[Element]:
    """The metadata elements of a data set: those that data sets within it have too, or not."""
    for child in element:
        if local(child) == "metadata":
            if (child.get("inherited") == "true") == inherited:
                yield from child
        elif not inherited and local(child) not in ("dataset", "catalogRef", "service"):
            yield child


def elements(dataset: Dataset, name: str) -> list[Element]:
    """Its metadata elements of that name, its own before inherited ones."""
    return [element for element in dataset.about if local(element) == name]


def text_of(element: Element | None, name: str = "") -> str:
    """The text of an element, or of the first below it with that name."""
    if element is None:
        return ""
    if name:
        return next((text_of(one) for one in element if local(one) == name), "")
    return (element.text or "").strip()


def documentation(dataset: Dataset, *kinds: str) -> str:
    """Text of the documentation of these types; others must not stand in."""
    for kind in kinds:
        for one in elements(dataset, "documentation"):
            if (one.get("type") or "").lower() == kind and text_of(one):
                return plain_text(text_of(one), 20_000)
    return ""


def keywords(dataset: Dataset) -> tuple[str, ...]:
    """Its keywords, each once."""
    found = (plain_text(text_of(one), 200) for one in elements(dataset, "keyword"))
    return tuple(dict.fromkeys(text for text in found if text))[:200]


def providers(dataset: Dataset) -> tuple[Provider, ...]:
    """Creators as producers, publishers as hosts."""
    found: dict[tuple[str, str], Provider] = {}
    for name, role in (("creator", "producer"), ("publisher", "host")):
        for one in elements(dataset, name):
            who = plain_text(text_of(one, "name"), 300)
            contact = next((part for part in one if local(part) == "contact"), None)
            url = (contact.get("url") or "") if contact is not None else ""
            if who:
                safe = url if re.fullmatch(r"https?://\S{1,1000}", url) else ""
                found.setdefault((who, role), Provider(who, (role,), safe))
    return tuple(found.values())[:50]


def coverage(dataset: Dataset) -> tuple[Box | None, tuple[float, float] | None]:
    """Its box and depths, of geospatialCoverage. Raises RecordError for an absurd one."""
    element = next(iter(elements(dataset, "geospatialCoverage")), None)
    if element is None:
        return None, None
    parts = {local(one): one for one in element}
    north, east, up = parts.get("northsouth"), parts.get("eastwest"), parts.get("updown")
    box = None
    if north is not None and east is not None:
        south, height = _range(north, "geospatialCoverage: northsouth")
        west, width = _range(east, "geospatialCoverage: eastwest")
        east_end, north_end = round(west + width, 9), round(south + height, 9)
        box = parse_box(west, south, east_end, north_end, "geospatialCoverage")
    if up is None or text_of(up, "units").lower() not in (
        "m",
        "metre",
        "metres",
        "meters",
        "meter",
    ):
        return box, None
    start, size = _range(up, "geospatialCoverage: updown")
    ends = (start, start + size)
    if element.get("zpositive", "up") == "up":
        ends = (-ends[0], -ends[1])
    if ends == (0, 0):  # what editors leave in for "not said"
        return box, None
    return box, parse_depth(*ends)


def _range(element: Element, field_name: str) -> tuple[float, float]:
    start = parse_number(text_of(element, "start"), field_name)
    size = parse_number(text_of(element, "size") or "0", field_name)
    return start, size


def times(dataset: Dataset) -> tuple[datetime | None, datetime | None]:
    """Its timeCoverage: two of start, end and duration. Raises RecordError for an absurd one."""
    element = next(iter(elements(dataset, "timeCoverage")), None)
    if element is None:
        return None, None
    start = parse_time(text_of(element, "start"), "timeCoverage: start")[0]
    end = parse_time(text_of(element, "end"), "timeCoverage: end")[1]
    match = _DURATION.fullmatch(text_of(element, "duration"))
    if match and bool(start) != bool(end):
        length = timedelta(seconds=min(float(match[1]) * _SECONDS[match[2].lower()], 1e11))
        with contextlib.suppress(OverflowError):
            if start:
                end = start + length
            elif end:
                start = end - length
    if start and end and start > end:
        raise RecordError(f"timeCoverage: it ends before it starts: {start} > {end}")
    return start, end


def modified(dataset: Dataset) -> datetime | None:
    """When it was last modified, if it says so. Raises RecordError."""
    for one in elements(dataset, "date"):
        if one.get("type") in ("modified", "created"):
            return parse_moment(text_of(one), "date")
    return None


def size(dataset: Dataset) -> tuple[int | None, int | None]:
    """Its size in bytes if that is exact, and else about."""
    element = next(iter(elements(dataset, "dataSize")), None)
    if element is None:
        return None, None
    unit = (element.get("units") or "").lower()
    try:
        value = parse_number(text_of(element))
    except RecordError:
        return None, None
    if unit not in _SIZES or not 0 <= value < 1e6:
        return (int(value), None) if unit == "bytes" and 0 <= value < 1e15 else (None, None)
    return (int(value), None) if unit == "bytes" else (None, int(value * _SIZES[unit]))


def addresses(catalogue: Catalogue, dataset: Dataset) -> dict[str, str]:
    """Its addresses: `opendap` and `http`, where it has them."""
    named = next((text_of(one) for one in elements(dataset, "serviceName") if text_of(one)), "")
    wanted = [(service, path) for service, path, _ in dataset.accesses if path]
    if dataset.path:
        wanted.append((named, dataset.path))
    found: dict[str, str] = {}
    for name, path in wanted:
        for service in catalogue.services.get(name, []):
            address = service.base + quote(path.lstrip("/") if service.base.endswith("/") else path,
                                           safe="/:@!$&'()*+,;=~%")  # fmt: skip
            if urlsplit(address).scheme not in ("http", "https") or len(address) > 2_000:
                continue
            if service.kind in _OPENDAP:
                found.setdefault("opendap", address)
            elif service.kind in _HTTP:
                found.setdefault("http", address)
    return found


def parameters_of(dataset: Dataset) -> list[tuple[str, str, str]]:
    """Name, vocabulary name and units of its `variables`."""
    found = []
    for group in elements(dataset, "variables"):
        for one in group:
            if local(one) == "variable" and one.get("name"):
                found.append((plain_text(one.get("name"), 200),
                              (one.get("vocabulary_name") or "").strip(),
                              plain_text(one.get("units"), 100)))  # fmt: skip
    return found[:500]
