"""From the basket to an order: in the data pool of a VRE, or into a folder by this server."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import msgspec

from jupyterlab_pelagos.base import Refused
from jupyterlab_pelagos.basket import BasketStore
from jupyterlab_pelagos.known_orders import KnownOrders
from jupyterlab_pelagos.models.orders import (
    Basket,
    BasketItem,
    Estimate,
    Order,
    WantedOrder,
)
from jupyterlab_pelagos.models.problem import Problem, Refusal, Terms
from jupyterlab_pelagos.orders import Desk
from jupyterlab_pelagos.places import AREAS, folder_of, has_pool
from jupyterlab_pelagos.shared import Shared

if TYPE_CHECKING:
    from pelagos_client.access.model import Criteria
    from pelagos_client.items import Items

_LEAVE_OUT = "Take what can't be ordered out of the basket."


class Ordering:
    """Estimates and places orders of what is in the basket."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._basket, self._known = shared.one(BasketStore), shared.one(KnownOrders)
        self._placing, self._looking = threading.Lock(), threading.Lock()
        self._found: tuple[Any, Items] | None = None

    def estimate(self) -> Estimate:
        """What an order of the basket would be. Raises Refused, PelagosError."""
        basket = self._filled()
        catalogue = self._catalogue(basket)
        if _to_pool(basket, catalogue):
            return _hub_estimate(_body(basket))
        return self._local_estimate(basket, catalogue)

    def order(self, wanted: WantedOrder) -> Order:
        """Order the basket, and take out what was ordered. Raises Refused, PelagosError."""
        with self._placing:  # two tabs at once must not order the same twice
            order = self._known.by_key(wanted.key)
            if order is None:
                basket = self._filled()
                order = self._place(basket, wanted)
                self._known.set_key(wanted.key, order)
                self._basket.ordered(basket.items)
        return self._shared.one(Desk).show(order)

    def _place(self, basket: Basket, wanted: WantedOrder) -> str:
        catalogue = self._catalogue(basket)
        if not _to_pool(basket, catalogue):
            return self._place_here(basket, catalogue, wanted)
        from pelagos_client import hub_orders

        # a basket is one order, however often and from how many servers of a person it is sent: by
        # its revision and not the browser's key, of which each tab has another
        key = f"basket-{basket.revision}"
        found = hub_orders.SERVICE.call(
            "POST", "/orders", _body(basket) | {"accept": wanted.accept, "key": key}
        )
        number = int(found["number"])
        self._known.add_under_way(number)
        return str(number)

    def _filled(self) -> Basket:
        basket = self._basket.get()
        if not basket.items:
            raise Refused(
                409, Problem("The basket is empty.", "Search for data and add some of them first.")
            )
        return basket

    def _catalogue(self, basket: Basket) -> str:
        """Address of the catalogue that all items are of; empty for the VRE's. Raises Refused."""
        from pelagos_client.searching import is_own

        named = {one.catalogue or self._shared.catalogue_url for one in basket.items}
        found = sorted({"" if is_own(one) else one for one in named})
        if len(found) > 1:
            names = " and ".join(one or "the VRE's own" for one in found[:2])
            raise Refused(
                409,
                Problem(
                    f"The basket has granules of several catalogues ({names}), and an order is of "
                    "one.",
                    "Order those of one catalogue first: take the others out.",
                ),
            )
        return found[0]

    def _items(self, basket: Basket, catalogue: str) -> Items:
        """The items as their catalogue has them now; an order follows its estimate at once."""
        from pelagos_client import ordering, searching
        from pelagos_client.items import Items

        if not catalogue and not os.environ.get(searching.API_VARIABLE):
            raise Refused(
                409,
                Problem(
                    "There is no catalogue here that these granules could be looked up in.",
                    "Name a STAC API in the settings, and search it.",
                ),
            )
        asked = catalogue, basket.revision
        with self._looking:  # who asks again meanwhile waits for the same answer
            if self._found is None or self._found[0] != asked:
                keys = [(one.collection, one.id) for one in basket.items]
                self._found = asked, ordering.look_up(keys, catalogue or None)
            found = self._found[1]
        return Items(
            found.documents, _criteria(basket), _query(basket, catalogue), catalogue=found.catalogue
        )

    def _local_estimate(self, basket: Basket, catalogue: str) -> Estimate:
        from pelagos_client import local_orders

        folder = folder_of(self._shared, basket.to)
        items = self._items(basket, catalogue)
        found = local_orders.estimate(items, items.criteria, folder, _assets(basket.items))
        told = asdict(found)
        told.pop("total_items")
        return msgspec.convert(told, Estimate)

    def _place_here(self, basket: Basket, catalogue: str, wanted: WantedOrder) -> str:
        from pelagos_client import local_orders, searching
        from pelagos_client.local_run import place_of

        folder = folder_of(self._shared, basket.to)
        items = self._items(basket, catalogue)
        assets = _assets(basket.items)
        expected = local_orders.estimate(items, items.criteria, folder, assets)
        _check(expected, wanted.accept)
        self._found = None
        made = local_orders.place(
            items,
            items.criteria,
            None,
            title=basket.title,
            accept=wanted.accept,
            named=[place_of(items.catalogue)],
            collections=searching.collection_documents(items),
            assets=assets,
            below=folder,
        )
        return self._known.add(made.folder)


def _to_pool(basket: Basket, catalogue: str) -> bool:
    """Whether the data pool does it. Raises Refused where nobody can."""
    if basket.to not in AREAS:
        return False
    if not has_pool():
        raise Refused(
            409,
            Problem(
                f"There is no {basket.to} here: this is no server of a VRE.",
                "Choose a folder that the file browser shows.",
            ),
        )
    if catalogue:
        raise Refused(
            409,
            Problem(
                f"These granules are of {catalogue}, and the data pool orders from the VRE's "
                "catalogue.",
                "Choose a folder: then this server fetches them.",
            ),
        )
    return True


def _body(basket: Basket) -> dict[str, Any]:
    """An order as the data pool takes it."""
    return {
        "items": [
            {"collection": one.collection, "item": one.id, "assets": one.assets}
            for one in basket.items
        ],
        "criteria": _criteria(basket).to_json(),
        "to": basket.to,
        "virtual_lab": os.environ.get("PELAGOS_VIRTUAL_LAB", ""),
        "title": basket.title,
        "query": _query(basket, ""),
    }


def _criteria(basket: Basket) -> Criteria:
    """What is cut out: what all items have in common."""
    from pelagos_client.access.model import Criteria
    from pelagos_client.asking import criteria_of

    cuts = [one.cut for one in basket.items]
    if not basket.cut or cuts[0] is None or any(one != cuts[0] for one in cuts):
        return Criteria()
    return criteria_of(cuts[0].bbox, (cuts[0].start, cuts[0].end), None)


def _query(basket: Basket, catalogue: str) -> dict[str, Any]:
    """The search as `pelagos_client.search` takes it, so that it can be repeated."""
    asked = basket.query
    found: dict[str, Any] = {}
    if asked is not None:
        found = {"q": asked.q} if asked.q else {}
        if asked.bbox:
            found["bbox"] = list(asked.bbox)
        if asked.start or asked.end:
            found["datetime"] = f"{asked.start or '..'}/{asked.end or '..'}"
        found |= {name: values for name, values in asked.facets.items() if values}
    found["collections"] = sorted({one.collection for one in basket.items})[:1000]
    return found | ({"url": catalogue} if catalogue else {})


def _assets(items: Sequence[BasketItem]) -> dict[tuple[str, str], list[str]]:
    return {(one.collection, one.id): one.assets for one in items if one.assets is not None}


def _hub_estimate(body: dict[str, Any]) -> Estimate:
    from pelagos_client import hub_orders

    found = hub_orders.SERVICE.call("POST", "/estimate", body)
    told = found | {"known": found["bytes"]["known"], "unknown": found["bytes"]["unknown"]}
    return msgspec.convert(told, Estimate)


def _check(expected: Any, accept: Sequence[str]) -> None:
    """The refusals of an order, as the data pool has them. Raises Refused."""
    if expected.refused:
        count, first = len(expected.refused), expected.refused[0]
        told = (
            f"{first.item} can't be ordered: {first.reason}"
            if count == 1
            else f"{count:,} granules can't be ordered. The first: {first.reason}"
        )
        refused = [Refusal(**asdict(one)) for one in expected.refused[:20]]
        raise Refused(400, Problem(told, _LEAVE_OUT, refused))
    terms = [one for one in expected.accept if one.key not in accept]
    if terms:
        raise Refused(
            409,
            Problem(
                "Some of these data have terms that have to be accepted first.",
                "Nothing was ordered: read them, accept them, and order again.",
                accept=[Terms(**asdict(one)) for one in terms],
            ),
        )
    if not expected.fits:
        reason = expected.reason[:1].upper() + expected.reason[1:]
        raise Refused(
            409, Problem(f"The order does not fit: {reason}", "Order less, or make room.")
        )
