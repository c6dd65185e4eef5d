"""Answers of the API: what is asked of the index and made of that, in one turn of a thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import orjson
from fastapi import HTTPException, Request
from fastapi.responses import Response

from pelagos.catalogue.index import Reader
from pelagos.catalogue.query import (
    TOTAL_LIMIT,
    Criteria,
    Facet,
    FacetCount,
    Page,
    QueryError,
    Slice,
)
from pelagos.services.catalogue import fields
from pelagos.services.catalogue.access import View, Views
from pelagos.services.catalogue.links import GEOJSON, JSON, Document, Links, link
from pelagos.services.catalogue.live import Live
from pelagos.services.catalogue.readers import Readers
from pelagos.services.catalogue.search import Wanted
from pelagos.services.web import caller

T = TypeVar("T")

_FIRST, _REST = "first", "rest"
# what all items of a collection have in common: a live source need not be asked for it
_OF_COLLECTIONS = {Facet.INFRASTRUCTURE, Facet.LICENCE, Facet.PARAMETER}


class Answers:
    """Answers for whoever a request's guard let in. `prefix` has no final slash."""

    def __init__(self, readers: Readers, views: Views, live: Live, prefix: str) -> None:
        self._readers, self._views, self._live = readers, views, live
        self._prefix = prefix

    def links(self, request: Request) -> Links:
        """Links as this caller reaches us."""
        return Links(request, self._prefix)

    async def collections(self, request: Request, wanted: Wanted) -> Response:
        """Collection Search. Raises QueryError, AwayError."""
        links = self.links(request)
        view = await self._views.of(caller(request), wanted.virtual_lab)

        def question(reader: Reader) -> bytes:
            page = _collections(reader, replace(wanted.criteria, scope=view.scope), wanted, view)
            documents = _shaped(page, wanted, links.collection, fields.COLLECTION)
            return orjson.dumps(
                {
                    "collections": documents,
                    "links": _links(links, page, wanted, JSON),
                    **_counts(page),
                }
            )

        return _json(await self._ask(request, question))

    async def items(self, request: Request, wanted: Wanted, collection: str = "") -> Response:
        """Item Search, or the items of one collection. Raises HTTPException for an unknown one.

        Raises QueryError, AwayError.
        """
        links = self.links(request)
        view = await self._views.of(caller(request), wanted.virtual_lab)
        criteria = replace(wanted.criteria, scope=view.scope)
        if collection:
            if criteria.collections not in ((), (collection,)):
                raise QueryError(f"collections: here it can only be {collection[:200]!r}.")
            criteria = replace(criteria, collections=(collection,))
        if live := self._live.only(criteria.collections):
            page = await self._live_items(request, live, criteria, wanted.part)
            return _json(_features(page, links, wanted), GEOJSON)

        def question(reader: Reader) -> bytes:
            if collection:
                _found(reader.collection(collection, view.scope), "collection", collection)
            return _features(reader.granules(criteria, wanted.part), links, wanted)

        return _json(await self._ask(request, question), GEOJSON)

    async def _ask(self, request: Request, question: Callable[[Reader], T]) -> T:
        return await self._readers.ask_for(caller(request).name, question)

    async def _live_items(
        self, request: Request, collection: str, criteria: Criteria, part: Slice
    ) -> Page:
        """Items of a live collection, if it is what the facets ask for."""

        def question(reader: Reader) -> tuple[Document, bool]:
            found = reader.collection(collection, criteria.scope)
            facets = {one: criteria.facets[one] for one in _OF_COLLECTIONS & set(criteria.facets)}
            meant = Criteria(collections=(collection,), facets=facets, scope=criteria.scope)
            fits = not facets or reader.collections(meant, Slice(limit=1)).total > 0
            return _found(found, "collection", collection), fits

        document, fits = await self._ask(request, question)
        if not fits:
            return Page([], 0, more=False)
        return await self._live.granules(caller(request).name, document, criteria, part)

    async def collection(self, request: Request, identifier: str) -> Response:
        """One collection. Raises HTTPException if the caller sees none of that id."""
        links = self.links(request)
        view = await self._views.of(caller(request))

        def question(reader: Reader) -> bytes:
            found = reader.collection(identifier, view.scope)
            return orjson.dumps(links.collection(_found(found, "collection", identifier)))

        return _json(await self._ask(request, question))

    async def item(self, request: Request, collection: str, identifier: str) -> Response:
        """One item. Raises HTTPException if the caller sees none of that id."""
        links = self.links(request)
        view = await self._views.of(caller(request))
        if self._live.only((collection,)):
            above = await self._ask(request, lambda one: one.collection(collection, view.scope))
            found = _found(above, "collection", collection)
            item = await self._live.granule(caller(request).name, found, identifier)
            return _json(orjson.dumps(links.item(_found(item, "item", identifier))), GEOJSON)

        def question(reader: Reader) -> bytes:
            found = reader.granule(collection, identifier, view.scope)
            return orjson.dumps(links.item(_found(found, "item", identifier)))

        return _json(await self._ask(request, question), GEOJSON)

    async def facets(self, request: Request, wanted: Wanted) -> Response:
        """Values of the facets with counts: of items, if collections are named; else of those."""
        view = await self._views.of(caller(request), wanted.virtual_lab)
        criteria = replace(wanted.criteria, scope=view.scope)

        def question(reader: Reader) -> bytes:
            if criteria.collections:
                facets, counted, partial = reader.granule_facets(criteria)
            else:
                facets, partial = reader.collection_facets(criteria), False
                counted = reader.collections(criteria, Slice(limit=1)).total
            return orjson.dumps(
                {
                    "of": "items" if criteria.collections else "collections",
                    "counted": counted,
                    "partial": partial,
                    "facets": {
                        facet.value: [_count(one) for one in facets.get(facet, ())]
                        for facet in Facet
                    },
                }
            )

        return _json(await self._ask(request, question))


def _features(page: Page, links: Links, wanted: Wanted) -> bytes:
    documents = _shaped(page, wanted, links.item, fields.ITEM)
    return orjson.dumps(
        {
            "type": "FeatureCollection",
            "features": documents,
            "links": _links(links, page, wanted, GEOJSON),
            **_counts(page),
        }
    )


def _collections(reader: Reader, criteria: Criteria, wanted: Wanted, view: View) -> Page:
    if view.featured and not wanted.part.order:
        return _featured_first(reader, criteria, wanted.part, view)
    return reader.collections(criteria, wanted.part)


def _featured_first(reader: Reader, criteria: Criteria, part: Slice, view: View) -> Page:
    """A page of two searches, one after the other; the token says in which one it goes on."""
    phase, colon, token = part.token.partition(":") if part.token else (_FIRST, ":", "")
    if phase not in (_FIRST, _REST) or not colon:
        raise QueryError("token: it is of another search. Follow the links of this one.")

    def search(scope: frozenset[str], limit: int, token: str) -> Page:
        return reader.collections(
            replace(criteria, scope=scope), replace(part, limit=limit, token=token)
        )

    if phase == _REST:
        first = search(view.featured, 1, "")
        rest = search(view.rest, part.limit, token)
        documents = rest.documents
        following = f"{_REST}:{rest.next}" if rest.next else ""
        previous = f"{_REST}:{rest.previous}" if rest.previous else f"{_FIRST}:"
    else:
        first = search(view.featured, part.limit, token)
        room = 0 if first.next else part.limit - len(first.documents)
        rest = search(view.rest, room or 1, "")
        documents = [*first.documents, *(rest.documents if room else ())]
        if first.next:
            following = f"{_FIRST}:{first.next}"
        elif room:
            following = f"{_REST}:{rest.next}" if rest.next else ""
        else:
            following = f"{_REST}:" if rest.documents else ""
        previous = f"{_FIRST}:{first.previous}" if first.previous else ""
    total = first.total + rest.total
    more = first.more or rest.more or total > TOTAL_LIMIT
    return Page(documents, min(total, TOTAL_LIMIT), more, following, previous)


def _shaped(
    page: Page, wanted: Wanted, link_up: Callable[[Document], Document], default: frozenset[str]
) -> list[Document]:
    documents = [link_up(document) for document in page.documents]
    if not wanted.include and not wanted.exclude:
        return documents
    return [fields.choose(one, wanted.include, wanted.exclude, default) for one in documents]


def _links(links: Links, page: Page, wanted: Wanted, kind: str) -> list[Document]:
    found = [link("self", links.here, kind), links.root]
    for rel, token in (("next", page.next), ("prev", page.previous)):
        if token and wanted.is_body:
            found.append(links.page_of_body(rel, token, kind, wanted.body))
        elif token:
            found.append(links.page_of_query(rel, token, kind))
    return found


def _counts(page: Page) -> Document:
    """How many there are. OGC API Features leaves `numberMatched` out where it is not known."""
    if page.more:
        return {"numberReturned": len(page.documents), "pelagos:matched": f"{TOTAL_LIMIT:,}+"}
    return {
        "numberMatched": page.total,
        "numberReturned": len(page.documents),
        "pelagos:matched": f"{page.total:,}",
    }


def _count(one: FacetCount) -> dict[str, Any]:
    found: dict[str, Any] = {"value": one.value, "title": one.title or one.value}
    found["count"] = one.count
    if one.terms:
        found["terms"] = one.terms
    return found


def _found(document: Document | None, kind: str, identifier: str) -> Document:
    if document is None:
        raise HTTPException(404, f"There is no {kind} {identifier[:200]!r} that you may see.")
    return document


def _json(content: bytes, kind: str = JSON) -> Response:
    return Response(content, media_type=kind)
