"""Files from anywhere, whole or not at all: resumed, checked, and only from where it is allowed.

    from pelagos_client.download import Wanted, fetch
    report = fetch([Wanted("https://data.example.org/sst.nc", "sst.nc")], "data").check()

Works without a hub, into any folder, also in a notebook whose event loop runs.
"""

from pelagos_client.download.addresses import Guard
from pelagos_client.download.asking import Said
from pelagos_client.download.engine import Download, Engine, fetch
from pelagos_client.download.errors import DownloadError
from pelagos_client.download.model import (
    Content,
    DownloadProgress,
    Existing,
    Fetched,
    Limits,
    Proof,
    Report,
    State,
    Wanted,
)

__all__ = [
    "Content",
    "Download",
    "DownloadError",
    "DownloadProgress",
    "Engine",
    "Existing",
    "Fetched",
    "Guard",
    "Limits",
    "Proof",
    "Report",
    "Said",
    "State",
    "Wanted",
    "fetch",
]
