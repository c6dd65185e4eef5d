"""What an order of STAC items means in requests: which files, from where, cut to what.

The data pool's service plans with it, its downloader fetches with it, and so does a notebook where
there is no hub.
"""

from pelagos_client.access.model import (
    AccessError,
    Criteria,
    EmptyError,
    FilePlan,
    Protocol,
    Terms,
    Waiting,
)
from pelagos_client.access.obtaining import explained, is_plain, obtain, wanted
from pelagos_client.access.planning import plan, terms_of

__all__ = [
    "AccessError",
    "Criteria",
    "EmptyError",
    "FilePlan",
    "Protocol",
    "Terms",
    "Waiting",
    "explained",
    "is_plain",
    "obtain",
    "plan",
    "terms_of",
    "wanted",
]
