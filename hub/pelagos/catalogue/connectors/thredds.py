"""A THREDDS server: catalogues that lead to catalogues, with data behind OPeNDAP and HTTP.

Verified against a recording of a catalogue (webservice-energy.org, through the Blue-Cloud broker);
catalogRefs, DAS and DDS against documentation only: no recording has them. A container of data sets
is a collection, each data set in it a granule. What the XML does not say is read from the DAS and
DDS of the data set; of a collection, from those of its first and last one.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from datetime import datetime
from urllib.parse import urldefrag, urljoin

from pelagos.catalogue.connectors import thredds_catalogue as xml
from pelagos.catalogue.connectors.files_records import cleaned
from pelagos.catalogue.fetch import Fetcher, FetchError
from pelagos.catalogue.formats.opendap import TEXT_LIMIT, read_opendap
from pelagos.catalogue.formats.summary import NETCDF, Summary, UnreadableError
from pelagos.catalogue.geometry import hull
from pelagos.catalogue.markup import parse_xml, plain_text
from pelagos.catalogue.records import (
    Access,
    Asset,
    Box,
    CollectionRecord,
    GranuleRecord,
    Interval,
    Link,
    Parameter,
    RecordError,
    Rejected,
    identify,
)
from pelagos.catalogue.rights import find_doi, licence
from pelagos.errors import SourceError
from pelagos.settings.sources import FilesSource

_CATALOGUES, _DEPTH = 20_000, 20
_SILENT = 5  # OPeNDAP answers that fail in a row, before it is left alone
_STANDARD_NAME = re.compile(r"[a-z][a-z0-9_]{1,200}")
_Said = tuple[Summary | None, str]


class Thredds:
    """Reads one server. It holds one catalogue at a time."""

    def __init__(self, source: FilesSource, fetch: Fetcher) -> None:
        self._source = source
        self._fetch = fetch
        self._silent = 0
        self._held: tuple[xml.Catalogue, dict[str, xml.Dataset]] | None = None
        self._where: dict[str, str] = {}  # collection: address of its catalogue
        self._read: dict[str, _Said] = {}  # what the DAS of the held catalogue's data sets say
        self._faults: list[Rejected] = []  # answers of OPeNDAP that are none, not yet told

    def collections(self) -> Iterator[CollectionRecord | Rejected]:
        """Containers of data sets, catalogue by catalogue. Raises SourceError for the first one."""
        waiting = deque([(self._source.url, 0)])
        seen = {self._source.url}
        while waiting:
            url, depth = waiting.popleft()
            try:
                catalogue = self._load(url)
            except (SourceError, RecordError) as error:
                if depth == 0:
                    raise SourceError(
                        f"{url}: {error}", "Check `url`: it should be a catalog.xml of THREDDS."
                    ) from error
                yield Rejected(url, str(error))
                continue
            yield from self._containers(catalogue)
            for reference in catalogue.references:
                address = _document(reference)
                if address in seen:  # a cycle, or named twice
                    continue
                seen.add(address)
                if depth == _DEPTH or len(seen) > _CATALOGUES:
                    yield Rejected(address, "too many catalogues, or too deep")
                    return
                waiting.append((address, depth + 1))

    def _load(self, url: str) -> xml.Catalogue:
        answer = self._fetch.get(url, headers={"Accept": "application/xml, text/xml"})
        return xml.read_catalogue(parse_xml(answer.content, url), answer.url)

    def _containers(self, catalogue: xml.Catalogue) -> Iterator[CollectionRecord | Rejected]:
        held = self._named(catalogue)
        self._held, self._read = (catalogue, held), {}
        for identifier, container in held.items():
            self._where[identifier] = catalogue.url
            try:
                yield self._collection(catalogue, container, identifier)
            except RecordError as error:
                yield Rejected(identifier, str(error))
            yield from self._told()

    def _told(self) -> Iterator[Rejected]:
        while self._faults:
            yield self._faults.pop(0)

    def _named(self, catalogue: xml.Catalogue) -> dict[str, xml.Dataset]:
        """Its containers by identifiers that no other catalogue has given; the same each time."""
        found: dict[str, xml.Dataset] = {}
        for position, container in enumerate(catalogue.containers):
            wanted = identify((container.identifier or container.name)[:400]) or "top"
            if wanted in found or self._where.get(wanted, catalogue.url) != catalogue.url:
                wanted = identify(f"{wanted} {catalogue.url} {position}")
            found[wanted] = container
        return found

    def _collection(
        self, catalogue: xml.Catalogue, container: xml.Dataset, identifier: str
    ) -> CollectionRecord:
        boxes, ends, depth = _extent(container)
        parameters = _parameters(container)
        said: list[Summary] = []
        if not (boxes and any(ends) and parameters):
            outer = dict.fromkeys((0, len(container.leaves) - 1))
            asked = (self._ask(catalogue, container.leaves[position])[0] for position in outer)
            said = [one for one in asked if one]
        if not boxes and (found := [Box(*one.box) for one in said if one.box]):
            boxes = (hull(found),)
        if not any(ends):
            moments = [datetime.fromisoformat(t) for one in said for t in (one.start, one.end) if t]
            ends = (min(moments), max(moments)) if moments else (None, None)
        depths = [value for one in said if one.depth for value in one.depth]
        first = said[0] if said else Summary("")
        rights = xml.documentation(container, "rights")
        spdx, terms = licence((rights or first.licence,), self._source.licence)
        summary = xml.documentation(container, "summary", "abstract")
        return CollectionRecord(
            id=identifier,
            title=container.name or catalogue.name or self._source.title or self._source.name,
            description=summary or first.description,
            licence=spdx,
            licence_text=terms,
            providers=xml.providers(container) or first.providers,
            keywords=xml.keywords(container) or first.keywords,
            parameters=parameters or first.parameters,
            platforms=first.platforms,
            instruments=first.instruments,
            boxes=boxes,
            interval=Interval(*ends) if any(ends) else None,
            depth=depth or ((min(depths), max(depths)) if depths else None),
            doi=first.doi or find_doi(container.identifier),
            citation=first.citation,
            links=_links(container, catalogue.url),
        )

    def granules(self, collection: CollectionRecord) -> Iterator[GranuleRecord | Rejected]:
        """The data sets of a container."""
        if self._held is None or collection.id not in self._held[1]:
            url = self._where.get(collection.id)
            if url is None:
                return
            catalogue = self._load(url)
            self._held, self._read = (catalogue, self._named(catalogue)), {}
        catalogue, held = self._held
        container = held.get(collection.id)
        for leaf in container.leaves if container else []:
            name = leaf.identifier or leaf.path or leaf.name
            try:
                yield self._granule(catalogue, collection, leaf, name)
            except RecordError as error:
                yield Rejected(name, str(error))
            yield from self._told()

    def _granule(
        self, catalogue: xml.Catalogue, collection: CollectionRecord, leaf: xml.Dataset, name: str
    ) -> GranuleRecord:
        boxes, (start, end), depth = _extent(leaf)
        box = boxes[0] if boxes else None
        parameters = _parameters(leaf)
        notes: list[str] = []
        said: Summary | None = None
        if box is None or not (start or end):
            said, failure = self._ask(catalogue, leaf)
            notes = [failure] if failure else []
        if said:
            box = box or (Box(*said.box) if said.box else None)
            if not (start or end):
                start = datetime.fromisoformat(said.start) if said.start else None
                end = datetime.fromisoformat(said.end) if said.end else None
            depth, parameters = depth or said.depth, parameters or said.parameters
            notes += said.notes
        assets = _assets(catalogue, leaf)
        if not assets:
            raise RecordError("neither OPeNDAP nor HTTP leads to it")
        return GranuleRecord(
            id=name,
            title=leaf.name or name,
            box=box,
            start=start,
            end=end,
            depth=depth,
            parameters=() if parameters == collection.parameters else parameters,
            words=tuple(dict.fromkeys((*leaf.path.split("/"), *xml.keywords(leaf)))),
            assets=assets,
            updated=xml.modified(leaf),
            properties={"pelagos:notes": notes} if notes else {},
        )

    def _ask(self, catalogue: xml.Catalogue, leaf: xml.Dataset) -> _Said:
        """What a data set's DAS and DDS say, or why that is not known."""
        address = xml.addresses(catalogue, leaf).get("opendap")
        if address is None:
            return None, ""
        if address not in self._read:
            if self._silent >= _SILENT:
                return None, "its OPeNDAP service did not answer"
            self._read[address] = self._ask_now(address)
        return self._read[address]

    def _ask_now(self, address: str) -> _Said:
        try:
            das = self._fetch.get(f"{address}.das", limit=TEXT_LIMIT).text()
            dds = self._fetch.get(f"{address}.dds", limit=TEXT_LIMIT).text()
            self._silent = 0
            return cleaned(read_opendap(das, dds)), ""
        except FetchError as error:
            self._silent += 1
            return None, f"its OPeNDAP service did not answer: {plain_text(str(error), 200)}"
        except UnreadableError as error:
            self._faults.append(Rejected(f"{address}.das", str(error)))
            return None, f"its OPeNDAP attributes can't be read: {error}"


def _document(reference: str) -> str:
    """The XML of a catalogue that may be named by its page."""
    address = urldefrag(reference)[0]
    path, question, query = address.partition("?")
    if path.endswith(".html"):
        path = path.removesuffix(".html") + ".xml"
    return path + question + query


def _extent(
    dataset: xml.Dataset,
) -> tuple[tuple[Box, ...], tuple[datetime | None, datetime | None], tuple[float, float] | None]:
    box, depth = xml.coverage(dataset)
    return ((box,) if box else ()), xml.times(dataset), depth


def _parameters(dataset: xml.Dataset) -> tuple[Parameter, ...]:
    found = []
    for name, vocabulary, units in xml.parameters_of(dataset):
        standard = vocabulary if _STANDARD_NAME.fullmatch(vocabulary) else ""
        found.append(Parameter(name, standard, units=units))
    return tuple(dict.fromkeys(found))


def _links(dataset: xml.Dataset, url: str) -> tuple[Link, ...]:
    links = [Link("via", url, "application/xml", "THREDDS catalogue")]
    for one in xml.elements(dataset, "documentation"):
        href = (one.get(f"{xml.XLINK}href") or "").strip()
        if re.fullmatch(r"https?://\S{1,1900}", href):
            title = plain_text(one.get(f"{xml.XLINK}title"), 200)
            links.append(Link("about", urljoin(url, href), title=title))
    return tuple(dict.fromkeys(links))[:20]


def _assets(catalogue: xml.Catalogue, leaf: xml.Dataset) -> tuple[Asset, ...]:
    addresses = xml.addresses(catalogue, leaf)
    exact, about = xml.size(leaf)
    kind = next((xml.text_of(one) for one in xml.elements(leaf, "dataFormat")), "")
    netcdf = kind.lower().startswith("netcdf") or leaf.path.lower().endswith((".nc", ".nc4"))
    assets = []
    if "http" in addresses:
        # a rounded size would make a good download look broken
        extra = {"pelagos:approximate_size": about} if about else {}
        assets.append(
            Asset("data", addresses["http"], NETCDF if netcdf else "", leaf.name, exact,
                  extra=extra)
        )  # fmt: skip
    if "opendap" in addresses:
        assets.append(Asset("opendap", addresses["opendap"], "", "OPeNDAP", access=Access.SUBSET))
    return tuple(assets)
