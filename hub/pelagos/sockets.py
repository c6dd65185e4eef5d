"""HTTP over Unix sockets: how the node agent and the mounts are spoken to."""

from __future__ import annotations

import socket
from pathlib import Path
from urllib.parse import quote

import httpx

# `verify=False` only saves loading certificates: nothing here is TLS.


class _UnixTransport(httpx.HTTPTransport):
    """httpx leaves a socket open where nobody listens: this looks first."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__(uds=str(path), verify=False)
        self._path, self._seconds = str(path), timeout

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """See httpx.BaseTransport."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(self._seconds)
            try:
                probe.connect(self._path)
            except OSError as error:
                raise httpx.ConnectError(str(error), request=request) from error
        return super().handle_request(request)


def segment(name: str) -> str:
    """Any name as one segment of a path (RFC 3986 3.3).

    Dots too: httpx, as section 5.2.4 wants it, takes `/people/../x` for `/x`.
    """
    return quote(name, safe="").replace(".", "%2E")


def unix_client(path: Path, timeout: float) -> httpx.Client:
    """A client of what listens on `path`; `timeout` in seconds for each step of a call."""
    transport = _UnixTransport(path, timeout)
    return httpx.Client(transport=transport, base_url="http://agent", timeout=timeout)


def async_unix_client(path: Path, timeout: float) -> httpx.AsyncClient:
    """The same for an event loop."""
    transport = httpx.AsyncHTTPTransport(uds=str(path), verify=False)
    return httpx.AsyncClient(transport=transport, base_url="http://agent", timeout=timeout)
