"""A look at a WebDAV folder before it is mounted: does it answer, is the password right, how full.

PROPFIND: RFC 4918 section 9.1; quota properties: RFC 4331.
"""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus

import httpx
from defusedxml import ElementTree

from pelagos.node.rclone import Remote

TIMEOUT = httpx.Timeout(5.0)
_BODY = (
    '<?xml version="1.0" encoding="utf-8"?><propfind xmlns="DAV:"><prop><resourcetype/>'
    "<quota-available-bytes/><quota-used-bytes/></prop></propfind>"
)
_BODY_SECONDS = 10.0
_MOST = 1 << 20  # bytes of an answer that are read
_REASONS = {
    401: "the WebDAV server refused the user name or password",
    403: "the WebDAV server does not let this account in",
    404: "the WebDAV server has no such folder",
    405: "this address is not a WebDAV folder",
}


@dataclass(frozen=True)
class Space:
    """Bytes used and in all; None where the server does not say."""

    used: int | None = None
    total: int | None = None


def probe(remote: Remote) -> tuple[Space | None, str]:
    """How full the folder is, and why it can't be used: empty if it can."""
    try:
        with (
            httpx.Client(
                timeout=TIMEOUT, trust_env=False, auth=(remote.user, remote.password)
            ) as c,
            c.stream("PROPFIND", remote.url, headers={"Depth": "0"}, content=_BODY) as response,
        ):
            if response.status_code != HTTPStatus.MULTI_STATUS:
                known = _REASONS.get(response.status_code)
                return None, known or f"the WebDAV server answers HTTP {response.status_code}"
            body, deadline = b"", time.monotonic() + _BODY_SECONDS
            for block in response.iter_bytes():
                body += block
                if len(body) > _MOST or time.monotonic() > deadline:
                    return None, "the WebDAV server's answer is too long or too slow"
    except httpx.TimeoutException:
        return None, "the WebDAV server does not answer in time"
    except httpx.ConnectError as error:
        what = "certificate" if "CERTIFICATE" in str(error) else ""
        return None, (
            "the WebDAV server's certificate is not trusted by this machine"
            if what
            else "the WebDAV server does not answer"
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return None, f"the WebDAV server could not be asked: {type(error).__name__}"
    return _space(body), ""


@cache
def _certificates() -> ssl.SSLContext:
    """The machine's own: rclone trusts the same, and a site may have a CA of its own."""
    return ssl.create_default_context()


def _space(body: bytes) -> Space:
    """The quota properties of an answer; unknown where they are missing or no numbers."""
    try:
        tree = ElementTree.fromstring(body)
    except (ElementTree.ParseError, ValueError):
        return Space()
    used = _number(tree.findtext(".//{DAV:}quota-used-bytes"))
    available = _number(tree.findtext(".//{DAV:}quota-available-bytes"))
    # Nextcloud says -3 where nothing limits
    if used is None or available is None or available < 0:
        return Space(used)
    return Space(used, used + available)


def _number(text: str | None) -> int | None:
    try:
        return int(text) if text else None
    except ValueError:
        return None
