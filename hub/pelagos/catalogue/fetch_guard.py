"""Which hosts and addresses a source may lead us to: what it was configured with, nothing inside.

A remote's redirects, its `next` links and its DNS are hostile until checked (SSRF). The rules are
those of the download engine; here they are made from the settings of a source.
"""

from __future__ import annotations

import httpx
from pelagos_client.download import Guard as Rules
from pelagos_client.download import addresses
from pelagos_client.download.addresses import Resolve, parse, system_resolve
from pelagos_client.download.errors import AwayError, DownloadError

from pelagos.errors import SourceError
from pelagos.settings.sources import Source


class FetchError(SourceError):
    """A remote did not give what was asked of it.

    `status` is that of its answer, 0 without one. `again`: whether asking again soon may help,
    or after how many seconds.
    """

    def __init__(
        self, message: str, mend: str = "", *, status: int = 0, again: bool | float = False
    ) -> None:
        super().__init__(message, mend)
        self.status = status
        self.again = again


def shown(url: httpx.URL | str) -> str:
    """An address for messages: short, and without its query, where secrets may stand."""
    return addresses.shown(str(url))


def rules_of(source: Source, resolve: Resolve = system_resolve) -> Rules:
    """What a source may reach: the hosts of its own addresses, and those that are listed for it.

    A listed host may be a private one, on any port; one of its own addresses on just that port.
    """
    own = [parse(url) for name in ("url", "files") if (url := getattr(source, name, ""))]
    named = [*source.hosts, *(f"{_bracketed(one.host)}:{one.port}" for one in own)]
    return Rules([_bracketed(one.host) for one in own], named=named, resolve=resolve)


class Guard:
    """The rules of one source, as its fetcher asks. `resolve` tells the addresses of a name."""

    def __init__(self, source: Source, resolve: Resolve = system_resolve) -> None:
        self._mend = (
            f"If it belongs to the source, add it to `hosts` of {source.name} in pelagos.yaml; of "
            "a private host the address too."
        )
        self._rules = rules_of(source, resolve)

    def check(self, address: str | httpx.URL) -> httpx.URL:
        """`address`, if it may be asked. Raises FetchError."""
        try:
            return httpx.URL(self._rules.check(str(address)).url)
        except DownloadError as error:
            raise FetchError(error.message, self._mend) from error
        except httpx.InvalidURL as error:
            raise FetchError(f"{shown(str(address))!r} is no address: {error}") from error

    def addresses(self, host: str, port: int) -> list[str]:
        """Where to connect to for `host`. Raises FetchError if an address must not be reached."""
        try:
            return self._rules.addresses(parse(f"http://{_bracketed(host)}:{port}/"))
        except AwayError as error:
            raise FetchError(error.message, error.mend, again=True) from error
        except DownloadError as error:
            raise FetchError(error.message, self._mend) from error


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
