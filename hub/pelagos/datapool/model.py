"""What an order and a file of the pool go through, in one meaning for service and workers.

An order:

    queued -> fetching -> verifying -> ready -> expired
                 |  ^         |
                 v  |         v
               waiting      failed       (cancelled: from any state before ready)

`retry` leads from failed, cancelled and expired back to queued. `ready` means that every file is in
the pool under its final name, verified as far as its source allows, and that the order's folder is
where its owner finds it.

A file of the pool, which any number of orders may need:

    absent -> queued -> fetching -> present -> absent
                ^          |  |
                |          |  +-> failed, empty
                +- waiting <-+              (the source prepares it; asked again at `not_before`)
"""

from __future__ import annotations

from enum import StrEnum


class OrderState(StrEnum):
    """Where an order is in its life."""

    QUEUED = "queued"
    FETCHING = "fetching"
    WAITING = "waiting"  # a source prepares what is left
    VERIFYING = "verifying"  # all is in the pool: its folder is made, or copied to the workspace
    READY = "ready"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"  # was ready; files of it, or its folder, are gone since

    @property
    def over(self) -> bool:
        """Whether nothing more happens by itself."""
        return self not in UNDER_WAY


UNDER_WAY = frozenset(
    {OrderState.QUEUED, OrderState.FETCHING, OrderState.WAITING, OrderState.VERIFYING}
)
AGAIN = frozenset({OrderState.FAILED, OrderState.CANCELLED, OrderState.EXPIRED})


class FileState(StrEnum):
    """Where a file of the pool is in its life."""

    ABSENT = "absent"  # evicted, or no order wants it any more
    QUEUED = "queued"
    WAITING = "waiting"
    FETCHING = "fetching"
    PRESENT = "present"
    EMPTY = "empty"  # a part of a cut in which the source has nothing: no file, and no fault
    FAILED = "failed"


class Target(StrEnum):
    """Where the owner of an order wants it."""

    DATASPACE = "dataspace"  # links into the pool, in `me/orders/NUMBER`
    WORKSPACE = "workspace"  # copies, in `orders/NUMBER` of the workspace
