"""The basket: one for all tabs, and for the next server too."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import msgspec
from msgspec import UNSET

from jupyterlab_pelagos.base import Refused
from jupyterlab_pelagos.models.orders import Add, Basket, BasketItem, Change, Remove, Set
from jupyterlab_pelagos.models.problem import Problem
from jupyterlab_pelagos.places import checked, default_target
from jupyterlab_pelagos.shared import Shared
from jupyterlab_pelagos.state_file import StateFile

LARGEST = 20_000  # granules
_Key = tuple[str, str]


class BasketStore:
    """The basket of this person."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._file = StateFile("basket.json", Basket, shared.log)

    def get(self) -> Basket:
        """As it is now, in whichever tab it was changed."""
        found = self._file.read()
        return msgspec.structs.replace(found, to=found.to or default_target(self._shared))

    def change(self, change: Change) -> Basket:
        """Make a change and tell all tabs. Raises Refused."""
        if isinstance(change, Set) and change.to is not UNSET:
            change = msgspec.structs.replace(change, to=checked(self._shared, change.to))
        return self._changed(lambda basket: _applied(basket, change))

    def ordered(self, items: Iterable[BasketItem]) -> None:
        """Take out what was ordered; what was added or changed since stays."""
        gone = {_key(item): item for item in items}

        def left(basket: Basket) -> Basket:
            items = [one for one in basket.items if gone.get(_key(one)) != one]
            if items:
                return msgspec.structs.replace(basket, items=items)
            return msgspec.structs.replace(basket, items=[], title="", query=None)

        self._changed(left)

    def _changed(self, change: Callable[[Basket], Basket]) -> Basket:
        with self._file.locked():
            before = self._file.read()
            # by the clock, so that it grows even if the file was lost
            revision = max(before.revision + 1, int(time.time() * 1000))
            self._file.write(msgspec.structs.replace(change(before), revision=revision))
        self._shared.emit("basket", sequence=revision)
        return self.get()


def _applied(basket: Basket, change: Change) -> Basket:
    if isinstance(change, Add):
        items = {_key(one): one for one in (*basket.items, *change.items)}
        if len(items) > LARGEST:
            raise Refused(
                409,
                Problem(
                    f"A basket holds at most {LARGEST:,} granules, and this would make it "
                    f"{len(items):,}.",
                    "Order what is in it first, or narrow the search.",
                ),
            )
        query = basket.query if change.query is None else change.query
        return msgspec.structs.replace(basket, items=list(items.values()), query=query)
    if isinstance(change, Remove):
        gone = {(one.collection, one.id) for one in change.items}
        left = [one for one in basket.items if _key(one) not in gone]
        return msgspec.structs.replace(basket, items=left)
    if isinstance(change, Set):
        given = {name: getattr(change, name) for name in ("to", "title", "cut")}
        known = {name: value for name, value in given.items() if value is not UNSET}
        return msgspec.structs.replace(basket, **known)
    return msgspec.structs.replace(basket, items=[], title="", query=None)


def _key(item: BasketItem) -> _Key:
    return item.collection, item.id
