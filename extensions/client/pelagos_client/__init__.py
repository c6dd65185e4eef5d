"""A Pelagos VRE from a notebook: find data, order them, open them; workspace and dataspace.

    import pelagos_client as pelagos

    items = pelagos.search("temperature", bbox=(-10, 35, 5, 60), datetime="2020-03")
    pelagos.estimate(items)
    order = pelagos.order(items).wait()
    data = pelagos.open(order)
    print(order.cite())

Importing it loads nothing but Python's own library, and of this package little; what a function
needs is loaded when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pelagos_client import dataspace, workspace
from pelagos_client.errors import PelagosError

if TYPE_CHECKING:
    from pelagos_client.items import Collections, Items
    from pelagos_client.opening import Opened, open
    from pelagos_client.order_base import Order
    from pelagos_client.order_model import Citations, Estimate, OrderState, Status
    from pelagos_client.ordering import again, estimate, get, order, orders
    from pelagos_client.searching import collections, search

__all__ = [
    "Citations",
    "Collections",
    "Estimate",
    "Items",
    "Opened",
    "Order",
    "OrderState",
    "PelagosError",
    "Status",
    "again",
    "collections",
    "dataspace",
    "estimate",
    "get",
    "open",
    "order",
    "orders",
    "search",
    "workspace",
]

# who only wants paths does not wait for the engine; none of these is a module's name
_LATE = {
    "items": ("Collections", "Items"),
    "opening": ("Opened", "open"),
    "order_base": ("Order",),
    "order_model": ("Citations", "Estimate", "OrderState", "Status"),
    "ordering": ("again", "estimate", "get", "order", "orders"),
    "searching": ("collections", "search"),
}
_MODULES = {name: module for module, names in _LATE.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
