"""Order what a search found: in the data pool of a VRE, or right here, into any folder."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pelagos_client import hub_orders, local_orders
from pelagos_client.access.model import Criteria
from pelagos_client.asking import Box, Time, criteria_of
from pelagos_client.errors import OrderError, QuestionError
from pelagos_client.items import Items, items_of, read_json
from pelagos_client.local_run import place_of
from pelagos_client.local_state import STATE
from pelagos_client.order_base import Order, Orders
from pelagos_client.order_model import AGAIN, Estimate
from pelagos_client.searching import collection_documents, is_own, search

DATASPACE, WORKSPACE = "dataspace", "workspace"
Assets = Sequence[str] | Mapping[tuple[str, str], Sequence[str]] | None
_IDS_AT_ONCE = 100


def estimate(
    items: Any,
    to: str | os.PathLike[str] = DATASPACE,
    *,
    variables: Sequence[str] | str | None = None,
    bbox: Box | None = None,
    datetime: Time | None = None,
    assets: Assets = None,
) -> Estimate:
    """What an order of `items` would be: files, bytes, free space, terms, what can't be ordered.

    Arguments are those of `order`. Raises QuestionError, OrderError, ServiceError.
    """
    found = items_of(items)
    criteria = criteria_of(bbox, datetime, variables, found.criteria)
    if _in_pool(found, to):
        body = hub_orders.body_of(found, criteria, str(to), _assets(found, assets))
        return hub_orders.estimate(body)
    folder = Path(local_orders.FOLDER) if to == DATASPACE else Path(to).expanduser()
    return local_orders.estimate(found, criteria, folder, _assets(found, assets))


def order(
    items: Any,
    to: str | os.PathLike[str] = DATASPACE,
    *,
    title: str = "",
    variables: Sequence[str] | str | None = None,
    bbox: Box | None = None,
    datetime: Time | None = None,
    assets: Assets = None,
    accept: Sequence[str] | bool = (),
    virtual_lab: str | None = None,
    private_hosts: Iterable[str] = (),
    wait: bool = False,
) -> Order:
    """Order items; returns at once, and the files come by themselves.

    Args:
        items: What `search` found, a part of it, an item, or JSON of items. Their search's box,
            time and variables are cut out where a source can cut (ERDDAP, OBIS).
        to: `"dataspace"` (fast, links into the data pool, expires) or `"workspace"` (a copy that
            stays) of the VRE. Or a folder, which must be empty: then this program downloads
            by itself, as it does without a VRE, into ./pelagos-orders/NUMBER.
        title: For you, to find it again.
        variables: Names or CF standard names to cut out, in place of the search's.
        bbox: A box to cut out, in place of the search's: W, S, E, N in degrees.
        datetime: A time to cut out, in place of the search's: RFC 3339, UTC.
        assets: Only these assets of each item; all data if None.
        accept: Keys of terms that `estimate` told, which you have read and accept; True for all.
        virtual_lab: On behalf of which virtual lab of yours; that of your server if None, none if
            empty.
        private_hosts: For a folder: hosts that may be private ones, such as `"data.lan:8080"`.
        wait: Wait until it is ready, as `Order.wait` does.

    Raises:
        QuestionError: An argument makes no sense.
        OrderError: It can't be ordered: what and why.
        ServiceError: The data pool refuses (too large, no such item), or does not answer.
    """
    found = items_of(items)
    if not found:
        raise OrderError("There is nothing to order: no items.", "Search again.")
    criteria = criteria_of(bbox, datetime, variables, found.criteria)
    chosen = _assets(found, assets)
    made: Order
    if _in_pool(found, to):
        body = hub_orders.body_of(found, criteria, str(to), chosen)
        keys = _accepted(body, accept)
        made = hub_orders.place(
            body
            | {"title": title, "query": found.query, "accept": keys}
            | {"virtual_lab": _own_lab() if virtual_lab is None else virtual_lab}
        )
    else:
        named = [*private_hosts, *([place_of(found.catalogue)] if found.catalogue else [])]
        made = local_orders.place(
            found,
            criteria,
            None if to == DATASPACE else Path(to).expanduser(),
            title=title,
            accept=accept,
            named=named,
            collections=collection_documents(found),
            assets=chosen,
        )
    return made.wait() if wait else made


def orders(limit: int = 50) -> Orders:
    """Your orders, the newest first: those in the data pool; without one, in ./pelagos-orders.

    Raises ServiceError.
    """
    if hub_orders.SERVICE.configured():
        return hub_orders.orders(limit)
    return local_orders.orders(Path(local_orders.FOLDER), limit)


def get(which: int | str | os.PathLike[str]) -> Order:
    """An order by its number, or by the folder that was named.

    Raises OrderError, QuestionError, ServiceError.
    """
    if not isinstance(which, int | str | os.PathLike):
        raise QuestionError(f"{which!r} names no order.", "Give its number, or its folder.")
    text = str(which)
    if not text.isdecimal():
        # an int is decimal, so this is a path
        return local_orders.LocalOrder(Path(which).expanduser())  # type: ignore[arg-type]
    if hub_orders.SERVICE.configured():
        return hub_orders.get(int(text))
    return local_orders.LocalOrder(Path(local_orders.FOLDER) / text)


def again(which: int | str | os.PathLike[str] | Order, *, url: str | None = None) -> Order:
    """Fetch an order again, after its files were swept: by number, folder or its `query.json`.

    `url`: the STAC API where its items are, if this is no VRE. Raises OrderError, QuestionError,
    SearchError, ServiceError.
    """
    path = None
    if isinstance(which, str | os.PathLike) and not str(which).isdecimal():
        path = Path(which).expanduser()
    if isinstance(which, Order) or path is None or (path / STATE).is_file():
        known = which if isinstance(which, Order) else get(which)
        return known.retry() if known.state in AGAIN else known
    document = read_json(path / "query.json" if path.is_dir() else path)
    try:
        asked = document["order"]
        criteria = Criteria.from_json(asked["criteria"])
        keys = [(str(one["collection"]), str(one["item"])) for one in asked["items"]]
        chosen = {
            key: [str(name) for name in one["assets"]]
            for key, one in zip(keys, asked["items"], strict=True)
            if one.get("assets")
        }
        query, title, to = dict(asked["query"]), str(asked["title"]), str(asked["to"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise QuestionError(
            f"{path} is no query.json of an order.", "Give the folder of an order."
        ) from error
    if hub_orders.SERVICE.configured() and not query.get("url"):
        documents = [{"collection": one, "id": item} for one, item in keys]
        return order(Items(documents, criteria, query), to, title=title, assets=chosen)
    found = look_up(keys, url or query.get("url"))
    items = Items(found.documents, criteria, query, catalogue=found.catalogue)
    return order(items, DATASPACE, title=title, assets=chosen)


def look_up(keys: Sequence[tuple[str, str]], url: str | None) -> Items:
    """Items by their identifiers. Raises OrderError, SearchError."""
    by_collection: dict[str, list[str]] = {}
    for collection, item in keys:
        by_collection.setdefault(collection, []).append(item)
    found: dict[tuple[str, str], dict[str, Any]] = {}
    catalogue = ""
    for collection, ids in by_collection.items():
        for start in range(0, len(ids), _IDS_AT_ONCE):
            part = ids[start : start + _IDS_AT_ONCE]
            page = search(collections=[collection], ids=part, limit=len(part), url=url)
            catalogue = page.catalogue
            found.update({(collection, str(one["id"])): one for one in page.documents})
    missing = [key for key in keys if key not in found]
    if missing:
        raise OrderError(
            f"{missing[0][0]}/{missing[0][1]} is not in the catalogue any more"
            f"{f' (and {len(missing) - 1} more)' if len(missing) > 1 else ''}.",
            "Search for what replaced it.",
        )
    return Items([found[key] for key in keys], catalogue=catalogue)


def _own_lab() -> str:
    """The virtual lab of this server."""
    return os.environ.get("PELAGOS_VIRTUAL_LAB", "")


def _check_spelling(to: str) -> None:
    """A slip of the keyboard must not become a folder that this program fills by itself."""
    meant = difflib.get_close_matches(to.lower(), (DATASPACE, WORKSPACE), 1, 0.8)
    if meant and not Path(to).is_dir():
        raise QuestionError(
            f"to: {to!r} is no place of the VRE.",
            f"Did you mean {meant[0]!r}? For a folder of that name write './{to}'.",
        )


def _in_pool(items: Items, to: str | os.PathLike[str]) -> bool:
    """Whether the data pool does it. Raises OrderError where nobody can."""
    if to not in (DATASPACE, WORKSPACE):
        if hub_orders.SERVICE.configured():
            _check_spelling(str(to))
        return False
    if not hub_orders.SERVICE.configured():
        if to == WORKSPACE:
            raise OrderError(
                "There is no workspace here: this is no server of a VRE.",
                "Name a folder: to='my-data'.",
            )
        return False
    if items.catalogue and not is_own(items.catalogue):
        raise OrderError(
            f"These items are of {items.catalogue}, and the data pool orders from the VRE's "
            "catalogue.",
            "Name a folder to download into: to='my-data'.",
        )
    return True


def _accepted(body: Mapping[str, Any], accept: Sequence[str] | bool) -> list[str]:
    if accept is True:
        return [one.key for one in hub_orders.estimate(body).accept]
    return [accept] if isinstance(accept, str) else list(accept or ())


def _assets(items: Items, assets: Assets) -> dict[tuple[str, str], list[str]] | None:
    if assets is None:
        return None
    if isinstance(assets, Mapping):
        return {key: list(names) for key, names in assets.items()}
    names = [assets] if isinstance(assets, str) else list(assets)
    keys = ((str(one.get("collection") or ""), str(one["id"])) for one in items.documents)
    return dict.fromkeys(keys, names)
