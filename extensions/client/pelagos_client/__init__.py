"""A Pelagos VRE from a notebook: `from pelagos_client import dataspace, workspace`."""

from pelagos_client import dataspace, workspace
from pelagos_client.errors import PelagosError

__all__ = ["PelagosError", "dataspace", "workspace"]
