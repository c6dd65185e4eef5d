"""Search any STAC API: data sets first, then their granules. Needs the extra `search`."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from pelagos_client.asking import Box, Time, box_of, criteria_of, interval_of, time_of
from pelagos_client.errors import (
    MissingPackageError,
    NotConfiguredError,
    QuestionError,
    SearchError,
)
from pelagos_client.items import Collections, Document, Items
from pelagos_client.needed import module
from pelagos_client.tables import clean
from pelagos_client.web import TOKEN_VARIABLE, origin

API_VARIABLE = "PELAGOS_CATALOGUE_API"
_SECONDS = 60
_COLLECTIONS = 200  # that are asked for one by one
_PAGE = {True: 1000, False: 100}  # of the VRE's own catalogue, of others
# what pystac-client itself puts into a request, in the form that the API wants
_SHAPED = ("ids", "intersects", "query", "filter", "filter_lang", "sortby", "fields", "method")
# tokens that were given to a search, by origin: what it found is ordered and opened with them.
# They live as long as the program, and are written nowhere.
_TOKENS: dict[tuple[str, str, int], str] = {}
_FREE_TEXT = "item-search#free-text"


def search(
    q: str = "",
    *,
    collections: Sequence[str] | str | None = None,
    bbox: Box | None = None,
    datetime: Time | None = None,
    limit: int | None = 100,
    variables: Sequence[str] | str | None = None,
    url: str | None = None,
    token: str | None = None,
    **more: Any,
) -> Items:
    """Granules of a catalogue.

    Args:
        q: Words; in the VRE's catalogue `a b` wants both, `a, b` any, `"a b"` the phrase.
        collections: Identifiers of data sets; all if None.
        bbox: West, south, east, north in degrees (east and north are positive); west of more than
            east crosses the antimeridian.
        datetime: A moment or a range, RFC 3339 in UTC: `2020`, `2020-03`, `2020-01/2020-06`,
            `2020-03-01T12:00:00Z/..`; or datetime objects, two as a tuple. Both ends are included.
        limit: At most so many items; None for all.
        variables: Not part of the search: what `order` and `open` cut out where a source can cut.
        url: A STAC API; the VRE's catalogue (PELAGOS_CATALOGUE_API) if None.
        token: For `url`, sent to its origin only; remembered while the program runs, for its files
            too. The VRE's catalogue gets JUPYTERHUB_API_TOKEN.
        more: What else the API takes, such as `sortby="-properties.datetime"`, `ids`, `filter`,
            or of the VRE's catalogue `parameter`, `platform`, `virtual_lab`.

    Raises:
        QuestionError: A box, a time or another argument makes no sense.
        SearchError: The catalogue does not answer, or refuses.
        NotConfiguredError: No `url`, and this is no server of a VRE.
        MissingPackageError: pystac-client is not installed.
    """
    criteria = criteria_of(bbox, datetime, variables)
    names = [collections] if isinstance(collections, str) else list(collections or ())
    catalogue = _Catalogue(url, token)
    asked = _asked(q, bbox, datetime, limit) | ({"collections": names} if names else {}) | more
    if not catalogue.own:
        asked["url"] = catalogue.url
    shaped = {name: more[name] for name in _SHAPED if name in more}
    extra = {name: value for name, value in more.items() if name not in shaped}
    with catalogue.errors():
        client = catalogue.open()
        if q and not any(_FREE_TEXT in one for one in client.get_conforms_to()):
            raise SearchError(
                f"{catalogue.name} can't search items for words.",
                "Search its collections(q=…), and then items with collections=[…].",
            )
        found: list[Document] = []
        matched: int | None = 0
        boxes = _boxes(criteria.bbox, catalogue.own)
        for box in boxes:
            pages = _item_search(
                client,
                {"q": q, **extra} if q else extra,
                collections=names or None,
                bbox=box,
                datetime=interval_of(criteria.start, criteria.end),
                limit=min(limit or _PAGE[catalogue.own], _PAGE[catalogue.own]),
                max_items=limit,
                **shaped,
            )
            documents, count = _all(pages)
            found += documents
            matched = None if matched is None or count is None else matched + count
    if len(boxes) > 1:  # what lies in both halves is there twice
        unique = {(one.get("collection"), one.get("id")): one for one in found}
        found, matched = list(unique.values())[:limit], None
    return Items(found, criteria, asked, matched, catalogue=catalogue.url, root=client)


def collections(
    q: str = "",
    *,
    bbox: Box | None = None,
    datetime: Time | None = None,
    limit: int | None = 100,
    url: str | None = None,
    token: str | None = None,
    **more: Any,
) -> Collections:
    """Data sets of a catalogue. Arguments and errors are those of `search`."""
    box = box_of(bbox)
    interval = interval_of(*time_of(datetime))
    _asked(q, bbox, datetime, limit)
    catalogue = _Catalogue(url, token)
    known = {"q": q or None, "bbox": box, "datetime": interval, "max_collections": limit}
    with catalogue.errors():
        client = catalogue.open()
        found = client.collection_search(**known)
        if more:
            search_class = module("pystac_client.collection_search", "search").CollectionSearch
            found = _with(search_class, more)(found.url, client=client, **known)
        documents = list(found.collections_as_dicts())
    return Collections(documents, None, client)


def token_for(url: str) -> str:
    """What `Authorization` is for an address.

    Empty for all but the VRE's own catalogue, and those that a search was given a token for.
    """
    configured, token = os.environ.get(API_VARIABLE, ""), os.environ.get(TOKEN_VARIABLE, "")
    try:
        given = _TOKENS.get(origin(url), "")
        if configured and token and origin(url) == origin(configured):
            return f"token {token}"
    except ValueError:
        return ""
    return f"Bearer {given}" if given else ""


def is_own(catalogue: str) -> bool:
    """Whether an address is that of the VRE's catalogue."""
    configured = os.environ.get(API_VARIABLE, "")
    try:
        return bool(configured) and origin(catalogue) == origin(configured)
    except ValueError:
        return False


def collection_documents(items: Items) -> dict[str, Document]:
    """The data sets of items by identifier; those that their catalogue does not give are left out.

    Never raises: they are for citations, which the items themselves also give.
    """
    found: dict[str, Document] = {}
    names = {str(one.get("collection")) for one in items.documents if one.get("collection")}
    if not names or not items.catalogue:
        return found
    try:
        catalogue = _Catalogue(items.catalogue, None)
        with catalogue.errors():
            client = catalogue.open()
            for name in sorted(names)[:_COLLECTIONS]:
                with suppress(SearchError), catalogue.errors():
                    one = client.get_collection(name)
                    found[name] = one.to_dict(include_self_link=False, transform_hrefs=False)
    except (SearchError, QuestionError, MissingPackageError):
        pass  # away, or without the library
    return found


class _Catalogue:
    """Where to search; `own`: it is the VRE's."""

    def __init__(self, url: str | None, token: str | None) -> None:
        configured = os.environ.get(API_VARIABLE, "")
        self.url = url or configured
        if not self.url:
            raise NotConfiguredError(
                f"{API_VARIABLE} is not set: this is no server of a VRE.",
                "Give the address of a STAC API: url='https://…'.",
            )
        try:
            self._origin = origin(self.url)
            self.own = is_own(self.url)
        except ValueError:
            raise QuestionError(
                f"{self.url!r} is no address of a STAC API.", "Give an http(s) address."
            ) from None
        if self.own and not token:
            self._authorization = f"token {os.environ.get(TOKEN_VARIABLE, '')}"
            self._authorization = self._authorization if os.environ.get(TOKEN_VARIABLE) else ""
        else:
            if token:
                _TOKENS[self._origin] = token
            given = _TOKENS.get(self._origin, "")
            self._authorization = f"Bearer {given}" if given else ""
        self.name = "The catalogue" if self.own else f"The catalogue at {self._origin[1]}"

    def open(self) -> Any:
        """A pystac_client.Client that sends the token to this origin only."""
        pystac_client = module("pystac_client", "search")
        api_io = module("pystac_client.stac_api_io", "search").StacApiIO(timeout=_SECONDS)
        if self.own:  # beside the hub: no proxy; and no .netrc in place of the token
            api_io.session.trust_env = False
        return pystac_client.Client.open(
            self.url,
            stac_io=api_io,
            request_modifier=self._sign,
            timeout=_SECONDS,
        )

    def _sign(self, request: Any) -> None:
        if self._authorization and origin(request.url) == self._origin:
            request.headers["Authorization"] = self._authorization

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Errors of the libraries as ours."""
        pystac_client = module("pystac_client.exceptions", "search")
        pystac = module("pystac", "search")
        no_api = module("pystac_client.errors", "search").ClientTypeError
        noise = module("pystac_client.warnings", "search").PystacClientWarning
        try:
            with warnings.catch_warnings():  # of what an API lacks, and what is done instead
                warnings.simplefilter("ignore", noise)
                yield
        except pystac_client.APIError as error:
            raise self._refusal(error) from error
        except (pystac.STACError, no_api, NotImplementedError) as error:
            raise SearchError(
                f"{self.name} is no STAC API with a search for this.", "Look at its address."
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            if isinstance(error, QuestionError):
                raise
            # pystac-client says so of arguments that it can't bring into shape
            why = clean(error)[:200]
            raise SearchError(
                f"{self.name} can't be asked so, or its answer makes no sense: {why}",
                "Look at the arguments and at its address.",
            ) from error

    def _refusal(self, error: Any) -> SearchError:
        status = getattr(error, "status_code", None)
        if status is None or status >= 500:
            why = "does not answer" if status is None else f"has a fault ({status})"
            return SearchError(f"{self.name} {why}.", "Try again in a minute.")
        if status in (401, 403):
            return SearchError(
                f"{self.name} does not let you in ({status}).",
                "Restart the server from the hub's page."
                if self.own
                else "Give a token: token='…'.",
            )
        return SearchError(
            f"{self.name} refuses ({status}): {_reason(str(error))}", "Change the search."
        )


def _reason(body: str) -> str:
    try:
        found = json.loads(body)
        body = next(found[key] for key in ("reason", "description", "detail") if found.get(key))
    except (ValueError, TypeError, AttributeError, StopIteration):
        pass
    text = clean(body)[:300] or "without a reason"
    return text if text.endswith((".", "!", "?")) else text + "."


def _asked(q: str, bbox: Box | None, datetime: Time | None, limit: int | None) -> dict[str, Any]:
    """The search as JSON can keep it. Raises QuestionError."""
    if not isinstance(q, str):
        raise QuestionError("q: it must be a text.", "Give words, such as 'temperature arctic'.")
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
        raise QuestionError(
            f"limit: {limit!r} is no count.", "Give a number from 1 on, or None for all."
        )
    found: dict[str, Any] = {"q": q} if q else {}
    if bbox is not None:
        found["bbox"] = list(box_of(bbox) or ())
    if datetime is not None:
        found["datetime"] = interval_of(*time_of(datetime)) or ".."
    return found


def _boxes(box: tuple[float, float, float, float] | None, own: bool) -> list[Any]:
    """Most APIs refuse a box across the antimeridian, so they get its halves."""
    if box is None or box[0] <= box[2] or own:
        return [box]
    west, south, east, north = box
    return [(west, south, 180.0, north), (-180.0, south, east, north)]


def _item_search(client: Any, extra: Mapping[str, Any], **known: Any) -> Any:
    base = module("pystac_client.item_search", "search").ItemSearch
    plain = client.search(**known)  # looks whether the API can search
    methods = {link.extra_fields.get("method", "GET") for link in client.get_links("search")}
    known.setdefault("method", "POST" if "POST" in methods or not methods else "GET")
    return _with(base, extra)(plain.url, client=client, **known)


def _with(base: Any, extra: Mapping[str, Any]) -> Any:
    """A search of pystac-client that sends what it has no argument for: `q` of items in 0.9."""

    # `base` is known when it is called only: pystac-client is imported late
    class Search(base):  # type: ignore[misc]
        def get_parameters(self) -> dict[str, Any]:
            return {**super().get_parameters(), **extra}

    return Search


def _all(found: Any) -> tuple[list[Document], int | None]:
    documents: list[Document] = []
    matched: int | None = None
    pages: Callable[[], Iterator[Document]] = found.pages_as_dicts
    for number, page in enumerate(pages()):
        documents += page.get("features") or ()
        if number == 0:
            count = page.get("numberMatched", (page.get("context") or {}).get("matched"))
            matched = count if isinstance(count, int) else None
    return documents, matched if documents else 0
