"""A Pelagos VRE from a notebook: find data, order them, open them; workspace and dataspace.

    import pelagos_client as pelagos

    items = pelagos.search("temperature", bbox=(-10, 35, 5, 60), datetime="2020-03")
    pelagos.estimate(items)
    order = pelagos.order(items).wait()
    data = pelagos.open(order)
    print(order.cite())

Importing it loads nothing but Python's own library; what a function needs is loaded when it is
called.
"""

from pelagos_client import dataspace, workspace
from pelagos_client.errors import PelagosError
from pelagos_client.items import Collections, Items
from pelagos_client.opening import Opened, open
from pelagos_client.order_model import Citations, Estimate, OrderState, Status
from pelagos_client.ordering import again, estimate, get, order, orders
from pelagos_client.orders import Order
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
