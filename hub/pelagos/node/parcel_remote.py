"""Looks at orders' folders in a workspace over WebDAV."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import httpx

from pelagos.node.order_names import HEAD, ORDERS, QUERY, whose
from pelagos.node.parcel_rclone import Problem
from pelagos.node.rclone import Remote

_ASK_SECONDS = 10.0
_NOTHING = (404, 409)  # 409: some servers' word for a folder above that is missing


class LookError(Exception):
    """The server does not say what is there; `problem`: in the words of rclone's."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.problem = Problem(text)


def is_there(remote: Remote, folder: str) -> bool:
    """Whether a folder is in the workspace. Raises LookError."""
    with _client(remote) as client:
        answer = client.request("PROPFIND", _address(remote, f"{folder}/"), headers={"Depth": "0"})
    if answer.status_code in (207, *_NOTHING):
        return answer.status_code == 207
    raise LookError(f"answers HTTP {answer.status_code}")


def owner_of(remote: Remote, name: str) -> str:
    """Whose the folder `name` of the orders' is; empty if there is none, or nobody's.

    Raises LookError.
    """
    address = _address(remote, f"{ORDERS}/{name}/{QUERY}")
    headers = {"Range": f"bytes=0-{HEAD - 1}", "Accept-Encoding": "identity"}
    head = b""
    with _client(remote) as client, client.stream("GET", address, headers=headers) as answer:
        if answer.status_code in (*_NOTHING, 416):  # 416: it is empty
            return ""
        if answer.status_code not in (200, 206):
            raise LookError(f"answers HTTP {answer.status_code}")
        for block in answer.iter_bytes():
            head += block
            if len(head) >= HEAD:
                break
    return whose(head.decode(errors="replace"))


def _address(remote: Remote, path: str) -> str:
    return f"{remote.url.rstrip('/')}/{path}"


@contextlib.contextmanager
def _client(remote: Remote) -> Iterator[httpx.Client]:
    try:
        with httpx.Client(
            auth=(remote.user, remote.password), timeout=_ASK_SECONDS, trust_env=False
        ) as client:
            yield client
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise LookError("does not answer") from error
