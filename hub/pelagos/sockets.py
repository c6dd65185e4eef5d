"""HTTP over Unix sockets: how the node agent and the mounts are spoken to."""

from __future__ import annotations

from pathlib import Path

import httpx

# `verify=False` only saves loading certificates: nothing here is TLS.


def unix_client(socket: Path, timeout: float) -> httpx.Client:
    """A client of what listens on `socket`; `timeout` in seconds for each step of a call."""
    transport = httpx.HTTPTransport(uds=str(socket), verify=False)
    return httpx.Client(transport=transport, base_url="http://agent", timeout=timeout)


def async_unix_client(socket: Path, timeout: float) -> httpx.AsyncClient:
    """The same for an event loop."""
    transport = httpx.AsyncHTTPTransport(uds=str(socket), verify=False)
    return httpx.AsyncClient(transport=transport, base_url="http://agent", timeout=timeout)
