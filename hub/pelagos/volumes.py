"""Names of containers and volumes: one per person and server, never two for one or one for two.

A JupyterHub user name may be almost any text; a Docker name may not. Characters outside a-z and
0-9 are escaped (escapism, as DockerSpawner does), parts are joined by `.`, which never stands in
an escaped part. Where that gets too long for a host name, a readable beginning and a SHA-256
follow, joined by `_`, which never stands in an escaped part either.
"""

from __future__ import annotations

import hashlib
import string

from escapism import escape

_SAFE = set(string.ascii_lowercase + string.digits)
_LONGEST_PART = 80
_READABLE = 24


def safe_name(text: str) -> str:
    """`text` as a part of a Docker name: injective, lower-case ASCII, at most 89 characters."""
    escaped: str = escape(text, _SAFE, escape_char="-").lower()
    if len(escaped) <= _LONGEST_PART:
        return escaped
    return f"{escaped[:_READABLE]}_{hashlib.sha256(text.encode()).hexdigest()}"


def container_name(instance: str, user: str, server: str) -> str:
    """Name of the container of one server of one person."""
    return f"pelagos-{instance}.{safe_name(user)}.{safe_name(server)}".rstrip(".")


def home_volume(instance: str, user: str) -> str:
    """Name of the volume with one person's home."""
    return f"pelagos-{instance}-home.{safe_name(user)}"
