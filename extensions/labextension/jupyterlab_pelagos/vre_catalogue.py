"""The catalogue of the VRE: the search of `docs/reference/catalogue-api.md`, for the browser.

A granule is also found by what its data set says of itself. Where a data set is found by words that
none of its granules has (of its description), a person expects all of them: then the words are left
out for its granules, so that a count beside a data set is what opening it shows.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from jupyterlab_pelagos import shaping
from jupyterlab_pelagos.base import Refused
from jupyterlab_pelagos.models.problem import Problem
from jupyterlab_pelagos.models.search import (
    CollectionsPage,
    Criteria,
    Facets,
    GranulesPage,
    Match,
    Search,
)
from jupyterlab_pelagos.together import together

SECONDS = 30.0
_BYTES = 64 * 2**20  # of a page of 1,000 granules with all their assets
_WORDS = 2_000  # characters that the catalogue reads
_COUNTED = 200  # data sets whose granules are counted one by one
_SPLIT = 20  # data sets in one list that are looked at one by one for their words
_COLLECTION_FIELDS = [
    "id",
    "title",
    "description",
    "keywords",
    "extent",
    "license",
    "links",
    "sci:doi",
    "pelagos:infrastructure_title",
    "pelagos:parameters",
    "pelagos:licence_text",
    "pelagos:extent_unknown",
]
_GRANULE_FIELDS = [
    "bbox",
    "geometry",
    "assets",
    *(
        f"properties.{name}"
        for name in (
            "title",
            "datetime",
            "start_datetime",
            "end_datetime",
            "platform",
            "pelagos:time_unknown",
        )
    ),
]
_LAST_WORD = re.compile(r"(?:^|[\s,(])([^\s\"(),*]*\w)$")


class _Phase(msgspec.Struct):
    """A part of a list of granules: these data sets, with or without the words."""

    collections: list[str]
    words: bool
    matched: int | None = None
    text: str = ""


class _Place(msgspec.Struct):
    """Where a list goes on: what `next` stands for. `total`: of all phases."""

    token: str
    phases: list[_Phase] = []
    matched: int | None = None
    text: str = ""


def _service() -> Any:
    from pelagos_client.searching import API_VARIABLE
    from pelagos_client.web import Service

    safe = "What you have in your basket and your orders is not affected"
    return Service(API_VARIABLE, "catalogue", safe, SECONDS, _BYTES)


def begun(words: str) -> str:
    """What was typed, its last word as one that may go on: a person is not done with it.

    Not within a phrase, not of what must not be there, and not before its third letter.
    """
    if len(words) >= _WORDS or words.count('"') % 2 or not (found := _LAST_WORD.search(words)):
        return words
    last = found[1]
    letters = re.search(r"\w+$", last)
    if last in ("AND", "OR") or last.startswith("-") or not letters or len(letters[0]) < 3:
        return words
    return words + "*"


def collections(request: Search) -> CollectionsPage:
    """Step 1: a page of data sets. Raises ServiceError, QuestionError."""
    body = _body(request.criteria) | {
        "limit": request.limit,
        "fields": {"include": _COLLECTION_FIELDS},
    }
    if request.sortby:
        body["sortby"] = _sorted_by(request.sortby)
    if request.next:
        body["token"] = _place(request.next).token
    answer = _ask("POST", "/collections", body)
    found = map(shaping.collection_of, map(shaping.mapping, _members(answer, "collections")))
    token = _next(answer)
    return CollectionsPage(
        [one for one in found if one is not None], *_matched(answer), _told(token and _Place(token))
    )


def facets(request: Search) -> Facets:
    """What a search can be narrowed by. Raises ServiceError, QuestionError."""
    query = _body(request.criteria)
    if "bbox" in query:
        query["bbox"] = ",".join(map(str, query["bbox"]))
    if request.collections:
        query["collections"] = ",".join(request.collections)
    answer = _ask("GET", "/facets", query=query)
    counted = answer.get("counted")
    return Facets(
        counted=counted if isinstance(counted, int) else 0,
        partial=bool(answer.get("partial")),
        facets=shaping.facets_of(answer.get("facets")),
    )


def granules(request: Search) -> GranulesPage:
    """Step 2: a page of granules. Raises ServiceError, QuestionError."""
    place = _place(request.next) if request.next else _first(request)
    place.phases = place.phases or [_Phase(request.collections, True)]
    phase, *rest = place.phases
    answer = _items(request, phase, place.token, request.limit)
    if not (request.next or _members(answer, "features") or rest) and request.criteria.q.strip():
        without = _without_words(request.criteria, request.collections)
        if without:
            phase = _Phase(without, False)
            answer = _items(request, phase, "", request.limit)
    matched, text = (place.matched, place.text) if place.text else _matched(answer)
    token = _next(answer)
    following: _Place | None = None
    if token:
        following = _Place(token, [phase, *rest], matched, text)
    elif rest:
        following = _Place("", rest, matched, text)
    found = map(shaping.granule_of, map(shaping.mapping, _members(answer, "features")))
    return GranulesPage([one for one in found if one is not None], matched, text, _told(following))


def matches(request: Search) -> dict[str, Match]:
    """How many granules of each data set match. Raises ServiceError if none can be counted."""
    names = list(dict.fromkeys(request.collections))
    counted, error = _counts(request.criteria, names[:_COUNTED])
    if names and not counted and error is not None:
        raise error
    return {name: _match(counted.get(name)) for name in names}


def granule(collection: str, item: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The documents of a granule and of its data set, which may be away. Raises ServiceError."""
    above = f"/collections/{quote(collection, safe='')}"
    paths = {"item": f"{above}/items/{quote(item, safe='')}", "collection": above}
    found, error = together(lambda name: _ask("GET", paths[name]), list(paths))
    if "item" not in found:
        raise error or nonsense()
    return found["item"], found.get("collection")


def public(url: str) -> str:
    """An address of the catalogue as a browser reaches it: a path of the hub's own address.

    The catalogue names files as it was asked, which is on the network of the servers. Other
    addresses stay as they are.
    """
    from pelagos_client.searching import API_VARIABLE

    base = os.environ.get(API_VARIABLE, "").rstrip("/")
    if not base or not url.startswith(f"{base}/"):
        return url
    hub = os.environ.get("JUPYTERHUB_BASE_URL", "/").rstrip("/")
    return f"{hub}/services/catalogue{url.removeprefix(base)}"


def _match(phase: _Phase | None) -> Match:
    return Match(phase.matched, phase.text) if phase else Match(None, "")


def _first(request: Search) -> _Place:
    """The phases of a list over some data sets; none where one search does."""
    names = list(dict.fromkeys(request.collections))
    if not request.criteria.q.strip() or not 1 < len(names) <= _SPLIT:
        return _Place("")
    counted, _ = _counts(request.criteria, names)
    found = list(counted.values())
    without = [one for phase in found if not phase.words for one in phase.collections]
    if not without or len(counted) < len(names):
        return _Place("")
    with_words = [one for phase in found if phase.words for one in phase.collections]
    parts = [_Phase(with_words, True), _Phase(without, False)]
    counts = [phase.matched for phase in found]
    total = sum(one for one in counts if one is not None)
    exact = None not in counts
    return _Place(
        "",
        [one for one in parts if one.collections],
        total if exact else None,
        f"{total:,}" if exact else "10,000+",
    )


def _counts(criteria: Criteria, names: Sequence[str]) -> tuple[dict[str, _Phase], Exception | None]:
    """How many granules of each of these; and why not, if one could not be counted."""

    def count(name: str) -> _Phase:
        return _counted(criteria, _Phase([name], True))

    found, error = together(count, names)
    if criteria.q.strip():
        none = [name for name, one in found.items() if one.matched == 0]
        if none:
            whole = set(_without_words(criteria, none))
            again = [name for name in none if name in whole]
            more, other = together(lambda one: _counted(criteria, _Phase([one], False)), again)
            found |= more
            error = error or other
    return found, error


def _counted(criteria: Criteria, phase: _Phase) -> _Phase:
    answer = _items(Search(criteria), phase, "", 1, ["id"])
    phase.matched, phase.text = _matched(answer)
    return phase


def _without_words(criteria: Criteria, names: Iterable[str]) -> list[str]:
    """Those of these data sets that are found by the words themselves."""
    body = {"q": begun(criteria.q), "limit": 1000, "fields": {"include": ["id"]}}
    answer = _ask("POST", "/collections", body)
    found = {shaping.mapping(one).get("id") for one in _members(answer, "collections")}
    return [name for name in names if name in found]


def _items(
    request: Search,
    phase: _Phase,
    token: str,
    limit: int,
    fields: Sequence[str] = _GRANULE_FIELDS,
) -> dict[str, Any]:
    body = _body(request.criteria, phase.words) | {
        "limit": limit,
        "fields": {"include": list(fields)},
    }
    if phase.collections:
        body["collections"] = phase.collections
    if request.sortby:
        body["sortby"] = _sorted_by(request.sortby)
    if token:
        body["token"] = token
    return _ask("POST", "/search", body)


def _body(criteria: Criteria, words: bool = True) -> dict[str, Any]:
    """The criteria as the catalogue takes them. Raises QuestionError."""
    from pelagos_client.asking import box_of, interval_of, time_of

    found: dict[str, Any] = {name: values for name, values in criteria.facets.items() if values}
    if words and criteria.q.strip():
        found["q"] = begun(criteria.q)
    if criteria.bbox is not None:
        found["bbox"] = list(box_of(criteria.bbox) or ())
    interval = interval_of(*time_of((criteria.start or None, criteria.end or None)))
    if interval:
        found["datetime"] = interval
    return found


def _sorted_by(text: str) -> list[dict[str, str]]:
    parts = [one.strip() for one in text.split(",") if one.strip("+- ")]
    return [
        {"field": one.lstrip("+-"), "direction": "desc" if one.startswith("-") else "asc"}
        for one in parts
    ]


def _ask(
    method: str, path: str, body: dict[str, Any] | None = None, query: dict[str, Any] | None = None
) -> dict[str, Any]:
    answer = _service().call(method, path, body, query)
    if not isinstance(answer, dict):
        raise nonsense()
    return answer


def nonsense() -> Refused:
    """Of an answer that is none."""
    return Refused(
        502,
        Problem(
            "The catalogue's answer makes no sense to this version of the extension.",
            "Restart your server, so that it has the version of the VRE.",
        ),
    )


def _members(answer: dict[str, Any], name: str) -> list[Any]:
    found = answer.get(name)
    if not isinstance(found, list):
        raise nonsense()
    return found


def _matched(answer: dict[str, Any]) -> tuple[int | None, str]:
    """How many there are, and the same for people."""
    count = answer.get("numberMatched")
    exact = count if isinstance(count, int) and not isinstance(count, bool) else None
    text = shaping.text_of(answer.get("pelagos:matched"), 40)
    return exact, text or (f"{exact:,}" if exact is not None else "")


def _next(answer: dict[str, Any]) -> str:
    """The token of the next page; its link is not followed, so it leads nowhere else."""
    for link in map(shaping.mapping, shaping.listed(answer.get("links"))):
        if link.get("rel") == "next":
            token = shaping.mapping(link.get("body")).get("token")
            return token if isinstance(token, str) else ""
    return ""


def _told(place: _Place | str | None) -> str | None:
    return msgspec.json.encode(place).decode() if isinstance(place, _Place) else None


def _place(text: str) -> _Place:
    try:
        return msgspec.json.decode(text, type=_Place)
    except msgspec.DecodeError as error:
        raise Refused(
            400, Problem("next: it is no place in this search.", "Search again.")
        ) from error
