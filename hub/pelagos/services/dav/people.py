"""Who asks, and what they may: sign-in, own workspace, shared folders."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pelagos.deployment import mount_password
from pelagos.services.dav.hub import Hub
from pelagos.services.dav.refusals import Refusal, refuse
from pelagos.settings import Settings
from pelagos.virtual_labs import managers_group_of, named_groups, virtual_labs_of

READ_ONLY = (
    "Only managers of the virtual lab {name} may change its shared folder; you may read it. Keep "
    "your own files outside of shared/, or ask a manager."
)


@dataclass(frozen=True)
class Person:
    """Somebody who signed in, with the virtual labs they are in: name to "may write"."""

    name: str
    shared: Mapping[str, bool] = field(default_factory=dict)


class Gate:
    """Lets people in. `mount_key` is the VRE's secret for its own mounts."""

    def __init__(self, hub: Hub, settings: Settings, mount_key: str) -> None:
        self._hub = hub
        self._settings = settings
        self._mount_key = mount_key

    def admit(self, environ: Mapping[str, Any]) -> Person:
        """The person who asks. Raises a refusal: 401, or 503 while that can't be known."""
        scheme, _, rest = str(environ.get("HTTP_AUTHORIZATION", "")).partition(" ")
        rest = rest.strip()
        name: str | None = None
        if scheme.lower() == "basic":
            name = self._basic(rest, from_outside="HTTP_X_FORWARDED_FOR" in environ)
        elif scheme.lower() in ("bearer", "token") and rest:
            name = self._hub.owner(rest)
        if not name:
            raise unauthorized(self._settings.site.name)
        return Person(name, self._shared(name))

    def _basic(self, encoded: str, *, from_outside: bool) -> str | None:
        try:
            text = base64.b64decode(encoded, validate=True).decode("utf-8")
        except (binascii.Error, ValueError):
            return None
        name, colon, password = text.partition(":")
        if not colon or not name or not password:
            return None
        expected = mount_password(self._mount_key, name)
        if not from_outside and hmac.compare_digest(password.encode(), expected.encode()):
            return name
        return name if self._hub.owner(password) == name else None

    def _shared(self, name: str) -> dict[str, bool]:
        groups = self._hub.groups(name)
        known = set() if groups is None else groups | named_groups(self._settings, name)
        return {
            lab.name: lab.members_write or managers_group_of(lab) in known
            for lab in virtual_labs_of(self._settings, known)
        }


def unauthorized(site: str) -> Refusal:
    """The answer to somebody who did not say who they are, or not rightly."""
    realm = "".join(c for c in site if c.isascii() and c.isprintable() and c not in '"\\')
    return refuse(
        401,
        "Sign in with your user name, and a token from the hub's page /hub/token as password.",
        headers=[("WWW-Authenticate", f'Basic realm="{realm} workspace", charset="UTF-8"')],
    )
