"""Which hosts and addresses a source may lead us to: what it was configured with, nothing inside.

A remote's redirects, its `next` links and its DNS are hostile until checked (SSRF). The host is
checked against the settings, and the address against what is public, at the moment a connection
is made to just that address, so that a second answer of DNS changes nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable

import httpx

from pelagos.errors import SourceError
from pelagos.settings.sources import Source

_ADDRESSES = 4  # of one name that are tried
_PORTS = {"http": 80, "https": 443}
# RFC 6761, 6762, 8375 and what intranets use: names that no public zone answers for
_LOCAL_ENDINGS = (".localhost", ".localdomain", ".local", ".internal", ".lan", ".home.arpa")
_PUBLIC_V6 = ipaddress.IPv6Network("2000::/3")
# they carry an IPv4 address that nobody would check: 6to4, Teredo
_CARRIERS = (ipaddress.IPv6Network("2002::/16"), ipaddress.IPv6Network("2001::/32"))

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], list[str]]


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
    return str(url).split("?", 1)[0][:200]


def system_resolve(host: str, port: int) -> list[str]:
    """The addresses of a name, as the system knows them. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_public(address: Address) -> bool:
    """Whether it is an address of the internet: one unicast host, and none inside another."""
    if isinstance(address, ipaddress.IPv6Address):
        if address not in _PUBLIC_V6 or any(address in carrier for carrier in _CARRIERS):
            return False
    elif address.is_reserved:
        return False
    return address.is_global and not address.is_multicast


class Guard:
    """What one source may reach. `resolve` is asked for the addresses of a name."""

    def __init__(self, source: Source, resolve: Resolve = system_resolve) -> None:
        self._name = source.name
        self._resolve = resolve
        own = [
            httpx.URL(address)
            for address in (getattr(source, "url", ""), getattr(source, "files", ""))
            if address
        ]
        self._places = {_place(url) for url in own}
        self._listed = {host.lower().rstrip(".") for host in source.hosts}
        self._hosts = {host for host, _ in self._places} | self._listed

    def check(self, address: str | httpx.URL) -> httpx.URL:
        """`address`, if it may be asked. Raises FetchError."""
        try:
            url = httpx.URL(address)
        except (httpx.InvalidURL, ValueError, TypeError) as error:
            raise FetchError(f"{shown(str(address))!r} is no address: {error}") from error
        if url.scheme not in _PORTS or not url.host:
            raise FetchError(
                f"{shown(url)} is not fetched: only complete http and https addresses are."
            )
        if url.port is not None and not 0 < url.port < 2**16:
            raise FetchError(f"{shown(url)} is no address: there is no port {url.port}")
        if url.userinfo:
            raise FetchError(f"{url.host}: an address with a name or password in it is not fetched")
        host, _ = _place(url)
        if host not in self._hosts:
            raise FetchError(
                f"{host}: source {self._name} leads to this host, which is not one of its own.",
                f"If it belongs to the source, add it to `hosts` of {self._name} in pelagos.yaml.",
            )
        return url

    def addresses(self, host: str, port: int) -> list[str]:
        """Where to connect to for `host`. Raises FetchError if an address must not be reached."""
        host = host.lower().rstrip(".")
        try:
            found = self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise FetchError(
                f"{host}: its name has no address: {error}.",
                "Check the name and this machine's DNS.",
                again=True,
            ) from error
        for text in found:
            self._check_address(host, port, text)
        return found[:_ADDRESSES]

    def _check_address(self, host: str, port: int, text: str) -> None:
        try:
            address: Address = ipaddress.ip_address(text.partition("%")[0])
        except ValueError as error:
            raise FetchError(f"{host}: {text!r} is no address") from error
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        if is_public(address):
            return
        if not _may_be_configured(address):
            raise FetchError(f"{host}: {address} is an address that is never contacted")
        if not (_is_local(host) or str(address) in self._hosts):
            raise FetchError(
                f"{host}: its address {address} is a private one, and it was not configured so.",
                f"If that is right, add {address} to `hosts` of {self._name} in pelagos.yaml.",
            )
        # inside, a port is a service of its own: the hub's API may be next door
        if host not in self._listed and (host, port) not in self._places:
            raise FetchError(f"{host}: port {port} of this private host was not configured")


def _place(url: httpx.URL) -> tuple[str, int]:
    host = url.raw_host.decode("ascii").lower().rstrip(".")
    return host, url.port or _PORTS.get(url.scheme, 0)


def _may_be_configured(address: Address) -> bool:
    """Private addresses that an operator may name: those of real hosts of an own network."""
    if address.is_multicast or address.is_link_local or address.is_unspecified:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_private and not address.is_reserved
    return address.is_loopback or address in ipaddress.IPv6Network("fc00::/7")


def _is_local(host: str) -> bool:
    """Whether the name itself says that it is a host of an own network."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return "." not in host or host.endswith(_LOCAL_ENDINGS)
    return True
