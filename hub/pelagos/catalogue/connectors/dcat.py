"""A DCAT catalogue (W3C REC, version 3) in Turtle or expanded JSON-LD, such as EurOBIS' (VLIZ).

The catalogue names its data sets (`dcat:dataset`); each is asked for at its own address, with the
catalogue's ending (`.ttl`). Verified against: recording (two data sets of EurOBIS, one in each
form); the catalogue by documentation only. A data set is a collection. Its archived files, and
what has a `dcat:downloadURL`, are one granule; other addresses are pages, and become links. Of
people and institutes the descriptions give addresses only, so there are no providers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from pelagos.catalogue.connectors import rdf, rest
from pelagos.catalogue.connectors.base import Connector
from pelagos.catalogue.connectors.places import wkt_box
from pelagos.catalogue.fetch import Answer, FetchError
from pelagos.catalogue.markup import plain_text
from pelagos.catalogue.records import (
    TITLE_LIMIT,
    Asset,
    Box,
    CollectionRecord,
    GranuleRecord,
    Interval,
    Link,
    Parameter,
    RecordError,
    Rejected,
    Unchanged,
)
from pelagos.catalogue.rights import find_doi, licence
from pelagos.catalogue.values import parse_moment, parse_time
from pelagos.settings.sources import DcatSource, SourceKind

_DCAT = "http://www.w3.org/ns/dcat#"
_DCT = "http://purl.org/dc/terms/"
_DC = "http://purl.org/dc/elements/1.1/"
_SCHEMA = "https://schema.org/"
_SOSA = "http://www.w3.org/ns/sosa/"
_ENDING = re.compile(r"\.[a-z]{2,8}$", re.ASCII)
_FILE = "archived file"
_AGAIN = 1  # raised when records are made in another way: what is remembered doesn't count then


class DcatConnector(Connector[DcatSource]):
    """Reads a DCAT catalogue: see the module."""

    kind: ClassVar[SourceKind] = SourceKind.DCAT

    def collections(self) -> Iterator[CollectionRecord | Rejected | Unchanged]:
        """All data sets of the catalogue."""
        known = self.memory.get("answers", {}) if self.memory.get("made") == _AGAIN else {}
        fresh: dict[str, dict[str, str]] = {}
        paging = rest.Paging(self.source.name)
        ending = _ENDING.search(self.source.url)
        for iri in self._data_sets():
            try:
                identifier = iri.rstrip("/").rsplit("/", 1)[-1]
                if not paging.new(identifier):
                    raise RecordError(f"another data set is called {identifier[:60]!r}")
                said = dict(known.get(identifier, {}))
                answer = self._ask(iri + (ending[0] if ending else ""), said)
                if answer.unchanged:
                    yield Unchanged(identifier)
                else:
                    yield self._collection(_graph(answer), iri, identifier)
                fresh[identifier] = said  # of what could be kept only
            except (RecordError, rdf.RdfError) as error:
                yield Rejected(iri[:200], str(error))
        self.memory.update(made=_AGAIN, answers=fresh)

    def granules(
        self, collection: CollectionRecord
    ) -> Iterator[GranuleRecord | Rejected | Unchanged]:
        """Its files, if it has any."""
        if collection.assets:
            yield GranuleRecord(
                id="files",
                title=f"{collection.title}: files"[-TITLE_LIMIT:],
                box=collection.boxes[0] if collection.boxes else None,
                start=collection.interval.start if collection.interval else None,
                end=collection.interval.end if collection.interval else None,
                assets=collection.assets,
                updated=collection.updated,
            )

    def _data_sets(self) -> Iterator[str]:
        answer = self._ask(self.source.url, None)
        try:
            graph = _graph(answer)
        except rdf.RdfError as error:
            raise rest.strange(answer.url, str(error)) from error
        found = [iri for node in graph.nodes for iri in graph.things(node, f"{_DCAT}dataset")]
        if not found:
            raise rest.strange(answer.url, "it names no data sets (dcat:dataset)")
        yield from found

    def _ask(self, address: str, known: dict[str, str] | None) -> Answer:
        try:
            return self.fetch.get(
                address,
                headers={"Accept": "text/turtle, application/ld+json;q=0.9"},
                known=known,
                limit=rdf.SIZE_LIMIT,
            )
        except FetchError as error:
            if known is None or error.status >= 500 or error.again:  # the service
                raise
            raise RecordError(str(error)) from error

    def _collection(self, graph: rdf.Graph, iri: str, identifier: str) -> CollectionRecord:
        this = iri if iri in graph.nodes else _only(graph)
        rights = graph.things(this, f"{_DCT}license") + graph.texts(this, f"{_DCT}license")
        spdx, terms = licence(rights, self.source.licence)
        about = graph.text(this, f"{_DCT}abstract", f"{_DCT}description")
        remark = graph.text(this, "http://www.w3.org/2000/01/rdf-schema#comment")
        citation = graph.text(this, f"{_DC}bibliographicCitation", f"{_DCT}bibliographicCitation")
        named = graph.texts(this, f"{_DCT}identifier", f"{_SCHEMA}identifier") + graph.things(
            this, f"{_DCT}identifier", f"{_SCHEMA}identifier"
        )
        files, links = _distributions(graph, this)
        modified = graph.text(this, f"{_DCT}modified")
        return CollectionRecord(
            id=identifier,
            title=plain_text(graph.text(this, f"{_DCT}title"), TITLE_LIMIT),
            description=plain_text("\n".join(filter(None, (about, remark)))),
            licence=spdx,
            licence_text=terms,
            keywords=_keywords(graph, this),
            parameters=_parameters(graph, this),
            boxes=_boxes(graph, this),
            interval=_interval(graph, this),
            doi=next(filter(None, map(find_doi, [*named, citation])), ""),
            citation=plain_text(citation),
            assets=files,
            links=(Link("about", iri, title="Its description"), *links),
            updated=parse_moment(modified, "dct:modified"),
            searchable=bool(files),
        )


def _graph(answer: Answer) -> rdf.Graph:
    """What was answered, by its looks: servers name both forms in many ways. Raises RdfError."""
    try:
        if answer.content.lstrip()[:1] in (b"[", b"{"):
            return rdf.from_json(answer.json(), answer.url)
        return rdf.from_turtle(answer.text(), answer.url)
    except FetchError as error:
        raise rdf.RdfError(str(error)) from error


def _only(graph: rdf.Graph) -> str:
    found = graph.of_type(f"{_DCAT}Dataset")
    if len(found) != 1:
        raise RecordError(f"it describes {len(found)} data sets, and none by this address")
    return found[0]


def _keywords(graph: rdf.Graph, this: str) -> tuple[str, ...]:
    """Words, terms by their names, and themes from the narrowest to the broadest."""
    keys = (f"{_SCHEMA}keywords", f"{_DCAT}keyword")
    found = graph.texts(this, *keys)
    for term in graph.things(this, *keys):
        found += graph.texts(term, f"{_SCHEMA}name")
    for theme in graph.texts(this, f"{_DCAT}theme"):
        found += theme.split(">")
    return tuple(dict.fromkeys(filter(None, map(plain_text, found))))


def _parameters(graph: rdf.Graph, this: str) -> tuple[Parameter, ...]:
    names = []
    for variable in graph.things(this, f"{_SCHEMA}variableMeasured"):
        names += graph.texts(variable, f"{_SCHEMA}name")
    for activity in graph.things(this, "http://www.w3.org/ns/prov#wasGeneratedBy"):
        for observed in graph.things(activity, f"{_SOSA}observedProperty"):
            names += graph.texts(observed, f"{_DCT}title")
    distinct = dict.fromkeys(filter(None, (plain_text(name, 200) for name in names)))
    return tuple(Parameter(name) for name in distinct)


def _boxes(graph: rdf.Graph, this: str) -> tuple[Box, ...]:
    places = graph.things(this, f"{_DCT}spatial")
    texts = [text for place in places for text in graph.texts(place, f"{_DCAT}bbox")]
    return tuple(wkt_box(text, "dcat:bbox") for text in texts)


def _interval(graph: rdf.Graph, this: str) -> Interval | None:
    """From the first start to the last end of all periods. A reversed period says nothing."""
    starts: list[datetime] = []
    ends: list[datetime] = []
    for period in graph.things(this, f"{_DCT}temporal"):
        start = parse_time(graph.text(period, f"{_DCAT}startDate"), "dcat:startDate")[0]
        end = parse_time(graph.text(period, f"{_DCAT}endDate"), "dcat:endDate")[1]
        if start is not None and end is not None and start > end:
            continue
        starts += [start] if start else []
        ends += [end] if end else []
    if not starts and not ends:
        return None
    return Interval(min(starts, default=None), max(ends, default=None))


def _distributions(graph: rdf.Graph, this: str) -> tuple[tuple[Asset, ...], tuple[Link, ...]]:
    files: dict[str, Asset] = {}
    links: dict[str, Link] = {}
    for one in graph.things(this, f"{_DCAT}distribution"):
        kind = plain_text(graph.text(one, f"{_DCT}type", f"{_DCT}title"), TITLE_LIMIT)
        download = graph.things(one, f"{_DCAT}downloadURL")
        pages = graph.things(one, f"{_DCAT}accessURL")
        if kind.lower() == _FILE:
            download, pages = download + pages, []
        for address in filter(None, map(rest.web, download)):
            title = f"{kind or 'File'} {len(files) + 1}"
            files.setdefault(address, Asset(f"file-{len(files) + 1}", address, title=title))
        for address in filter(None, map(rest.web, pages)):
            links.setdefault(address, Link("related", address, "text/html", kind))
    return tuple(files.values()), tuple(links.values())
