"""Addresses of requests: percent-decoded segment by segment, checked once, here.

Everything behind this module works with tuples of names, none of which can be a path.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote, unquote_to_bytes, urlsplit

from pelagos.deployment import DAV_PATH
from pelagos.services.dav.refusals import refuse

Segments = tuple[str, ...]

MAX_DEPTH = 200  # folders below each other
_BASE = tuple(DAV_PATH.strip("/").split("/"))
_DEFAULT_PORTS = re.compile(r":(?:80|443)$")


def decode(raw: str) -> Segments:
    """Names in a percent-encoded path, as it stands in a request line (RFC 3986, 2.4).

    Raises a refusal (400) for whatever could mean another place than it seems to.
    """
    names = []
    for part in raw.split("/"):
        if not part:
            continue
        try:
            name = unquote_to_bytes(part.encode("latin-1")).decode("utf-8")
        except UnicodeError:
            raise refuse(400, "The address is not UTF-8.") from None
        if "/" in name or "\0" in name:
            raise refuse(400, "An encoded slash or NUL can't be part of a name.")
        if {".", ".."} & set(name.split("\\")):
            raise refuse(400, "An address can't hold `.` or `..`.")
        names.append(name)
    if len(names) > MAX_DEPTH:
        raise refuse(400, f"The address has more than {MAX_DEPTH} parts.")
    return tuple(names)


def below_base(names: Segments) -> Segments | None:
    """What follows this server's own path; None outside of it."""
    return names[len(_BASE) :] if names[: len(_BASE)] == _BASE else None


def request_path(uri: str) -> tuple[Segments, bool]:
    """Names below the server's own path, and whether the address ends with a slash.

    Raises a refusal: 400 for a bad address, 404 outside of the server's path.
    """
    path = uri.partition("#")[0].partition("?")[0]
    if not path.startswith("/"):
        raise refuse(400, "The address must begin with a slash.")
    names = below_base(decode(path))
    if names is None:
        raise refuse(404, f"Workspaces are below {DAV_PATH}/.")
    return names, path.endswith("/")


def destination(header: str, hosts: Sequence[str]) -> Segments:
    """Names below the server's own path in a Destination header (RFC 4918, 10.3).

    `hosts` are the names that this server has for the client: behind a proxy that ends TLS it
    can't know the scheme, so only the host is compared. Raises a refusal: 400, 502.
    """
    try:
        split = urlsplit(header)
    except ValueError:
        raise refuse(400, "The Destination header is no address.") from None
    if split.scheme and split.scheme not in ("http", "https"):
        raise refuse(502, "The destination is on another server.")
    if (split.scheme or split.netloc) and _host(split.netloc) not in {_host(h) for h in hosts if h}:
        raise refuse(502, "The destination is on another server.")
    if not split.path.startswith("/"):
        raise refuse(400, "The path of the Destination header must begin with a slash.")
    names = below_base(decode(split.path))
    if names is None:
        raise refuse(502, "The destination is not in a workspace.")
    return names


def _host(netloc: str) -> str:
    return _DEFAULT_PORTS.sub("", netloc.strip().lower())


def encode(names: Sequence[str]) -> str:
    """A percent-encoded path with these names, without slashes around it."""
    return "/".join(quote(name, safe="!*'(),$-_.~") for name in names)
