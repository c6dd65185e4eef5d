"""Areas of the dataspace on the disk, and the back ends that keep their quotas."""

from __future__ import annotations

from pelagos.node.areas.base import Backend, Owner, Place, Usage
from pelagos.node.areas.choice import Choice, Possibility, backends, choose, kind_of, possibilities

__all__ = [
    "Backend",
    "Choice",
    "Owner",
    "Place",
    "Possibility",
    "Usage",
    "backends",
    "choose",
    "kind_of",
    "possibilities",
]
