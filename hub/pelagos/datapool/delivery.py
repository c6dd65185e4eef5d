"""What leaves the pool for its owner: the parcel, and what became of it.

The downloader packs a parcel; `pelagos.services.downloader.delivery.Deliveries` brings it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from pelagos.datapool.model import Target


class DeliveryState(StrEnum):
    """How far a parcel is."""

    COPYING = "copying"  # to the workspace: call again
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class Parcel:
    """A ready order's folder.

    `documents`: texts by path below the folder. `links`: by path below the folder, the place below
    the pool. `size`: bytes of the files that are linked to, together.
    """

    number: int
    owner: str
    target: Target
    documents: Mapping[str, str] = field(repr=False)
    links: Mapping[str, str] = field(repr=False)
    size: int = 0


@dataclass(frozen=True)
class Outcome:
    """What became of a parcel. `copied`: bytes so far. `reason`: a sentence for its owner, if it
    failed. `folder`: below the target, once it is there."""

    state: DeliveryState
    copied: int = 0
    reason: str = ""
    folder: str = ""


class Deliver(Protocol):
    """Brings parcels. Safe for many threads, and to repeat after any crash."""

    def deliver(self, parcel: Parcel) -> Outcome:
        """Begin or go on; returns within seconds. Call again until it is no longer copying.

        The same parcel again is the same folder: written anew where something is missing. Raises
        AwayError if what it needs does not answer just now: try again later.
        """

    def there(self, owner: str, number: int, target: Target, folder: str = "") -> bool:
        """Whether the order's folder is still there; `folder`: of its outcome.

        Raises AwayError if nobody knows now.
        """
