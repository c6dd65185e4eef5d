"""stac-api-validator without the internet: `python offline_validator.py ROOT_URL ...`.

Its libraries fetch the specification's JSON schemas by requests; here they get those that pystac
carries and those of ../shared/data. Any connection but to the loopback is an error.
"""

from __future__ import annotations

import json
import socket
import sys
from typing import Any

import requests
from requests.adapters import BaseAdapter
from stac_api_validator.__main__ import main
from stac_schemas import schemas

_connect = socket.socket.connect


def _loopback_only(self: socket.socket, address: Any) -> None:
    if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1"):
        raise AssertionError(f"a connection to {address} was tried")
    _connect(self, address)


class _Schemas(BaseAdapter):
    """Answers requests for schemas."""

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        answer = requests.Response()
        answer.request, answer.url = request, request.url or ""
        found = schemas().get((request.url or "").rstrip("#"))
        if found is None:
            raise requests.ConnectionError(f"there is no schema {request.url} here")
        answer.status_code = 200
        answer._content = json.dumps(found).encode()
        return answer

    def close(self) -> None:
        pass


def _get_adapter(self: requests.Session, url: str) -> BaseAdapter:
    return _Schemas() if url.startswith("https://") else self.adapters["http://"]


if __name__ == "__main__":
    socket.socket.connect = _loopback_only  # type: ignore[method-assign, assignment]
    requests.Session.get_adapter = _get_adapter  # type: ignore[method-assign, assignment]
    sys.exit(main(prog_name="stac-api-validator"))
