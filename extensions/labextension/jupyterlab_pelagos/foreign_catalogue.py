"""The search of any STAC API. What an API can't do is done here, or said in a sentence.

- Without Collection Search, or without free text in it, its data sets are read and looked at here:
  in id, title, description and keywords, each word as it begins.
- Without free text for items, the words count for data sets only.
- Facets are those of the VRE's catalogue; another one has none, and nothing is narrowed by them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from jupyterlab_pelagos import shaping
from jupyterlab_pelagos.base import Refused
from jupyterlab_pelagos.foreign_wire import Api, Page, api_of, no_stac
from jupyterlab_pelagos.models.problem import Problem
from jupyterlab_pelagos.models.search import (
    Box,
    Collection,
    CollectionsPage,
    Criteria,
    Granule,
    GranulesPage,
    Match,
    Search,
)
from jupyterlab_pelagos.together import together

_PAGE = 250  # granules at once, each of which may have many assets
_READ = 2_000  # data sets that are looked at here
_READ_PAGES = 20
_COUNTED = 50  # data sets whose granules are counted
_SORTED = {"datetime": "properties.datetime", "title": "properties.title"}


def collections(url: str, request: Search) -> CollectionsPage:
    """Step 1: a page of data sets. Raises Refused, QuestionError."""
    api = api_of(url)
    if request.next:
        return _collections_page(api, _place(api, request.next), False)
    interval = _interval(request.criteria)
    box, words = request.criteria.bbox, request.criteria.q.strip()
    searches = api.can("collection-search")
    finds = searches and api.can("collection-search#free-text")
    # most refuse a box across the antimeridian
    boxes = searches and not _crosses(box)
    asked: dict[str, Any] = {"limit": request.limit}
    if searches and interval:
        asked["datetime"] = interval
    if boxes and box:
        asked["bbox"] = ",".join(map(str, box))
    if finds and words:
        asked["q"] = words
    page = Page(f"{_with_query(api.address('data', 'collections'), asked)}")
    here = Criteria(
        q="" if finds else words,
        bbox=None if boxes else box,
        start=None if searches else request.criteria.start,
        end=None if searches else request.criteria.end,
    )
    if here == Criteria():
        return _collections_page(api, page, True)
    return _looked_at(api, page, here)


def _collections_page(api: Api, page: Page, is_first: bool) -> CollectionsPage:
    answer = api.ask(page)
    found = _collections(api, answer)
    following = api.following(answer, page) if found else None
    matched, text = _matched(answer, len(found), is_first, following)
    return CollectionsPage(found, matched, text, _told(following))


def _looked_at(api: Api, page: Page, criteria: Criteria) -> CollectionsPage:
    """Those that meet the criteria, of as many as are read."""
    found: list[Collection] = []
    following: Page | None = page
    read = 0
    for _ in range(_READ_PAGES):
        if following is None or read >= _READ:
            break
        answer = api.ask(following)
        given = _collections(api, answer)
        read += len(given)
        found += [one for one in given if _meets(one, criteria)]
        following = api.following(answer, following) if given else None
    whole = following is None
    text = f"{len(found):,}" if whole else f"{len(found):,}+"
    return CollectionsPage(found, len(found) if whole else None, text, None)


def _collections(api: Api, answer: Mapping[str, Any]) -> list[Collection]:
    given = answer.get("collections")
    if not isinstance(given, list):
        raise no_stac(api.name)
    found = map(shaping.collection_of, map(shaping.mapping, given))
    return [one for one in found if one is not None]


def _meets(one: Collection, criteria: Criteria) -> bool:
    if criteria.bbox and not any(_overlap(criteria.bbox, box) for box in one.boxes):
        return False
    # a data set of which no time is known is not left out: it may be in it
    start, _, end = (_interval(criteria) or "../..").partition("/")
    end = end or start
    if start != ".." and one.end and one.end < start:
        return False
    if end != ".." and one.start and one.start > end:
        return False
    text = " ".join([one.id, one.title, one.description, *one.keywords]).casefold()
    return not criteria.q or any(_has(text, part) for part in criteria.q.split(","))


def _has(text: str, words: str) -> bool:
    wanted = re.findall(r"\w+", words.casefold())
    return bool(wanted) and all(re.search(rf"\b{re.escape(word)}", text) for word in wanted)


def granules(url: str, request: Search) -> GranulesPage:
    """Step 2: a page of granules. Raises Refused, QuestionError."""
    api = api_of(url)
    if request.next:
        return _granules_page(api, _place(api, request.next), False)
    words = _words_of(api, request)
    found = _granules_page(api, _search(api, request, words), True)
    if words and not found.granules and _found_by_words(url, request):
        found = _granules_page(api, _search(api, request, ""), True)
    return found


def _words_of(api: Api, request: Search) -> str:
    """The words that granules are searched for. Raises Refused if that is not possible."""
    words = request.criteria.q.strip()
    if not words or api.can("item-search#free-text"):
        return words
    if not request.collections:
        raise Refused(
            400,
            Problem(
                f"{api.name} can't search granules for words.",
                "Choose a data set first, or search without words.",
            ),
        )
    return ""


def _found_by_words(url: str, request: Search) -> bool:
    """Whether the words find all the data sets themselves: then they need not be in granules."""
    if not request.collections:
        return False
    asked = Search(Criteria(q=request.criteria.q), limit=1000)
    found = {one.id for one in collections(url, asked).collections}
    return found.issuperset(request.collections)


def _search(api: Api, request: Search, words: str, limit: int | None = None) -> Page:
    interval = _interval(request.criteria)
    asked: dict[str, Any] = {"limit": limit or min(request.limit, _PAGE)}
    if request.collections:
        asked["collections"] = request.collections
    if interval:
        asked["datetime"] = interval
    if words:
        asked["q"] = words
    if request.sortby and api.can("item-search#sort"):
        asked["sortby"] = [
            {
                "field": _SORTED.get(one.lstrip("+-"), one.lstrip("+-")),
                "direction": "desc" if one.startswith("-") else "asc",
            }
            for one in request.sortby.split(",")
            if one.strip("+- ")
        ]
    box = request.criteria.bbox
    if box is None or not _crosses(box):
        return _page(api, asked, box)
    west, south, east, north = box
    first: Box = (west, south, 180.0, north)
    page = _page(api, asked, first)
    page.after = _page(api, asked, (-180.0, south, east, north))
    page.after.seen = first
    return page


def _page(api: Api, asked: Mapping[str, Any], box: Box | None) -> Page:
    url = api.address("search", "search")
    body = {**asked, **({"bbox": list(box)} if box else {})}
    if api.posts():
        return Page(url, "POST", body)
    for name in ("collections", "bbox"):
        if name in body:
            body[name] = ",".join(map(str, body[name]))
    if "sortby" in body:
        signs = {"desc": "-", "asc": ""}
        body["sortby"] = ",".join(signs[one["direction"]] + one["field"] for one in body["sortby"])
    return Page(_with_query(url, body))


def _granules_page(api: Api, page: Page, is_first: bool) -> GranulesPage:
    answer = api.ask(page)
    given = answer.get("features")
    if not isinstance(given, list):
        raise no_stac(api.name)
    found = [one for one in map(shaping.granule_of, map(shaping.mapping, given)) if one is not None]
    following = (api.following(answer, page) if given else None) or page.after
    matched, text = _matched(answer, len(given), is_first, following)
    if page.seen or page.after:
        # what lies in both halves is counted twice
        matched, text = None, ""
    return GranulesPage(
        [one for one in found if not _was_seen(one, page.seen)], matched, text, _told(following)
    )


def _was_seen(granule: Granule, seen: Box | None) -> bool:
    return seen is not None and granule.bbox is not None and _overlap(granule.bbox, seen)


def matches(url: str, request: Search) -> dict[str, Match]:
    """How many granules of each data set match, where the API counts. Raises Refused."""
    api = api_of(url)
    names = list(dict.fromkeys(request.collections))
    if _crosses(request.criteria.bbox):
        return {name: Match(None, "") for name in names}

    def count(name: str) -> Match:
        asked = Search(request.criteria, collections=[name])
        words = _words_of(api, asked)
        found = _counted(api, asked, words)
        if words and found.count == 0 and _found_by_words(url, asked):
            return _counted(api, asked, "")
        return found

    found, error = together(count, names[:_COUNTED])
    if names and not found and error is not None:
        raise error
    return {name: found.get(name, Match(None, "")) for name in names}


def _counted(api: Api, request: Search, words: str) -> Match:
    answer = api.ask(_search(api, request, words, 1))
    given = shaping.listed(answer.get("features"))
    following = api.following(answer, Page(""))
    matched, text = _matched(answer, len(given), not given, following)
    return Match(matched, text if matched is not None else "")


def granule(url: str, collection: str, item: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The documents of a granule and of its data set, which may be away. Raises Refused."""
    api = api_of(url)
    above = f"{api.address('data', 'collections')}/{quote(collection, safe='')}"
    addresses = {"item": f"{above}/items/{quote(item, safe='')}", "collection": above}
    found, error = together(lambda name: api.ask(Page(addresses[name])), list(addresses))
    if "item" not in found:
        raise error or no_stac(api.name)
    return found["item"], found.get("collection")


def _interval(criteria: Criteria) -> str | None:
    from pelagos_client.asking import interval_of, time_of

    return interval_of(*time_of((criteria.start or None, criteria.end or None)))


def _crosses(box: Box | None) -> bool:
    return box is not None and box[0] > box[2]


def _overlap(one: Box, other: Box) -> bool:
    if one[1] > other[3] or other[1] > one[3]:
        return False
    return any(
        west <= far and near <= east for west, east in _spans(one) for near, far in _spans(other)
    )


def _spans(box: Box) -> list[tuple[float, float]]:
    west, _, east, _ = box
    return [(west, 180.0), (-180.0, east)] if west > east else [(west, east)]


def _matched(
    answer: Mapping[str, Any], shown: int, is_first: bool, following: Page | None
) -> tuple[int | None, str]:
    """How many there are: as the API counts, else by what is there."""
    count = answer.get("numberMatched", shaping.mapping(answer.get("context")).get("matched"))
    if isinstance(count, int) and not isinstance(count, bool) and count >= shown:
        return count, f"{count:,}"
    if is_first and following is None:
        return shown, f"{shown:,}"
    return None, ""


def _with_query(url: str, asked: Mapping[str, Any]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(asked)}"


def _told(page: Page | None) -> str | None:
    told = msgspec.json.encode(page).decode() if page is not None else None
    # the contract's limit: a link that is longer can't be gone on with
    return told if told is None or len(told) <= 20_000 else None


def _place(api: Api, text: str) -> Page:
    """What `next` stands for. It came from a browser, so it may lead to this API only."""
    try:
        page = msgspec.json.decode(text, type=Page)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Refused(
            400, Problem("next: it is no place in this search.", "Search again.")
        ) from error
    one: Page | None = page
    while one is not None:
        if not api.absolute(one.url) or one.method not in ("GET", "POST"):
            raise Refused(400, Problem("next: it leads out of the catalogue.", "Search again."))
        one = one.after
    return page
