"""Each source as the downloader sees it: its settings, what it may reach, and its token."""

from __future__ import annotations

import logging
import ssl
import urllib.parse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pelagos_client.access import FilePlan, Protocol
from pelagos_client.download import Engine, Limits
from pelagos_client.download.addresses import Resolve, system_resolve
from pelagos_client.download.addresses import parse as parse_url
from pelagos_client.download.errors import RefusedError

from pelagos.catalogue.fetch_guard import rules_of
from pelagos.settings.sources import Source

logger = logging.getLogger(__name__)

_TOKEN_BYTES = 10_000


def read_tokens(sources: Sequence[Source]) -> dict[str, str]:
    """The tokens of sources that have one, by name. Only root may be able to read their files."""
    found = {}
    for source in sources:
        if not source.token_file:
            continue
        try:
            with Path(source.token_file).open("rb") as file:
                found[source.name] = file.read(_TOKEN_BYTES).decode("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            # its orders fail with what the source says; all others go on
            logger.error("The token of source %s can't be read: %s", source.name, type(error))
    return found


@dataclass(frozen=True)
class Known:
    """A source of the settings."""

    source: Source
    engine: Engine
    token: str = field(repr=False)

    def headers_for(self, plan: FilePlan) -> dict[str, str]:
        """The token, where the source prepares files for us; for its own host and no other."""
        own = urllib.parse.urlsplit(getattr(self.source, "url", ""))
        asked = urllib.parse.urlsplit(plan.url)
        same = (own.scheme, own.netloc.lower()) == (asked.scheme, asked.netloc.lower())
        if not self.token or plan.protocol is not Protocol.ORDER or not same:
            return {}
        return {"Authorization": f"Bearer {self.token}"}


class Sources:
    """All sources of the settings, each with an engine of its own: its hosts are its own."""

    def __init__(
        self,
        sources: Sequence[Source],
        limits: Limits,
        tokens: dict[str, str],
        resolve: Resolve = system_resolve,
        trust: Callable[[], ssl.SSLContext] | None = None,
    ) -> None:
        self._known = {
            source.name: Known(
                source,
                Engine(
                    limits=limits,
                    guard=rules_of(source, resolve),
                    trust=trust() if trust else None,
                ),
                tokens.get(source.name, ""),
            )
            for source in sources
        }

    def get(self, name: str) -> Known | None:
        """A source, or None if it is no longer in the settings."""
        return self._known.get(name)

    def host_of(self, name: str, plan: dict[str, Any]) -> str:
        """What a file shares with others that are fetched at the same time: host and port, or the
        source itself."""
        if plan.get("protocol") in (Protocol.DIRECT.value, None):
            try:
                return parse_url(plan["url"]).authority
            except (RefusedError, KeyError, TypeError):
                return f"={name}"
        known = self._known.get(name)
        url = getattr(known.source, "url", "") if known else ""
        if plan.get("protocol") != Protocol.LOCAL.value and url:
            return urllib.parse.urlsplit(url).netloc.lower()
        return f"={name}"

    def close(self) -> None:
        """Close idle connections."""
        for known in self._known.values():
            known.engine.close()
