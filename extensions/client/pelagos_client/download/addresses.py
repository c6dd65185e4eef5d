"""Which addresses may be contacted: checked before a connection is made, to just that address.

Catalogues, redirects and DNS are hostile until checked (SSRF). There is one parser; what it does
not understand in full is refused. A name is looked up once per connection, every address that it
has is checked, and the connection goes to a checked one, so a second answer of DNS changes nothing.
"""

from __future__ import annotations

import ipaddress
import logging
import re
import socket
import urllib.parse
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pelagos_client.download.errors import AwayError, RefusedError

logger = logging.getLogger(__name__)

_ADDRESSES = 4  # of one name that are tried
_LONGEST = 8000  # characters of a URL
_PORTS = {"http": 80, "https": 443}
_USUAL = frozenset({80, 443, 8080, 8443})
_NETLOC = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]@]+)(?::([0-9]{1,5}))?", re.ASCII)
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
# what may stand in a path or query as it is (RFC 3986, 3.3); all else is written as %XX
_AS_IS = "%/:@!$&'()*+,;=?~"
# RFC 6761, 6762, 8375 and what intranets use: names that no public zone answers for
_LOCAL_ENDINGS = (".localhost", ".localdomain", ".local", ".internal", ".lan", ".home.arpa")
_PUBLIC_V6 = ipaddress.IPv6Network("2000::/3")
# they carry an IPv4 address that nobody would check: 6to4, Teredo
_CARRIERS = (ipaddress.IPv6Network("2002::/16"), ipaddress.IPv6Network("2001::/32"))

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], list[str]]


@dataclass(frozen=True)
class Location:
    """A URL, understood. `target`: path and query as they are sent."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def place(self) -> tuple[str, int]:
        """Host and port."""
        return self.host, self.port

    @property
    def authority(self) -> str:
        """Host and port as a URL and the Host header have them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole of it; its query may hold secrets."""
        return f"{self.scheme}://{self.authority}{self.target}"

    @property
    def bare(self) -> str:
        """The URL without its query."""
        return self.url.partition("?")[0]

    def __str__(self) -> str:
        """For messages: short, and without the query."""
        return shown(self.url)


def shown(url: str) -> str:
    """A URL for messages: short, and without user, query and fragment, where secrets may stand."""
    scheme, slashes, rest = re.split(r"[?#]", url, maxsplit=1)[0].partition("://")
    authority, slash, path = rest.partition("/")
    return (scheme + slashes + authority.rpartition("@")[2] + slash + path)[:200]


def parse(url: str) -> Location:
    """A complete http or https URL. Raises RefusedError."""

    def refused(why: str, mend: str = "") -> RefusedError:
        return RefusedError(f"{shown(url)!r} is not downloaded: {why}.", mend)

    if len(url) > _LONGEST:
        raise refused(f"it is longer than {_LONGEST} characters")
    if re.search(r"[\x00-\x1f\x7f\\]", url):
        raise refused("it has a backslash or a control character in it")
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError as error:
        raise refused(f"it is no address ({error})") from None
    if parts.scheme not in _PORTS:
        raise refused("only complete http and https addresses are")
    if "@" in parts.netloc:
        raise refused("it has a name or password in it", "Give them as a header.")
    found = _NETLOC.fullmatch(parts.netloc)
    if not found:
        raise refused("its host can't be read")
    host, port = _host(found[1]), int(found[2] or _PORTS[parts.scheme])
    if not host:
        raise refused(
            "its host is written in an unusual way",
            "Write a name in ASCII (xn--… for others), or an address in full.",
        )
    if not 0 < port < 2**16:
        raise refused(f"there is no port {port}")
    target = urllib.parse.quote(parts.path or "/", _AS_IS)
    if parts.query:
        target += "?" + urllib.parse.quote(parts.query, _AS_IS)
    return Location(parts.scheme, host, port, target)


def _host(text: str) -> str:
    """A name or address in its usual form; empty if it is none, or one that others read anew."""
    try:
        if text.startswith("["):
            return str(ipaddress.IPv6Address(text[1:-1]))
        name = text.lower().removesuffix(".") if text.isascii() else ""
        labels = name.split(".")
        # 2130706433, 0x7f.1 and 127.1 are addresses to the system, and none to `ipaddress`
        if re.fullmatch(r"[0-9]+|0x[0-9a-f]*", labels[-1]):
            return str(ipaddress.IPv4Address(name))
    except ValueError:
        return ""
    good = len(name) < 254 and all(_LABEL.fullmatch(label) for label in labels)
    return name if good else ""


def is_public(address: Address) -> bool:
    """Whether it is an address of the internet: one unicast host, and none inside another."""
    if isinstance(address, ipaddress.IPv6Address):
        if address not in _PUBLIC_V6 or any(address in carrier for carrier in _CARRIERS):
            return False
    elif address.is_reserved:
        return False
    return address.is_global and not address.is_multicast


def system_resolve(host: str, port: int) -> list[str]:
    """The addresses of a name, as the system knows them. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Guard:
    """Which hosts may be contacted.

    `hosts`: these and no others; None for every public one. `named`: hosts that the person or the
    operator has named, and that may be private ones: a name or address, with a port or for all
    ports. A name that looks public leads to a private address only if that is named, too. An entry
    is `host` or `host:port`; a public host without one has the usual ports: 80, 443, 8080, 8443.

    Link-local (where clouds keep their secrets), multicast and reserved addresses are never
    contacted. `resolve` is asked for the addresses of a name.
    """

    def __init__(
        self,
        hosts: Iterable[str] | None = None,
        *,
        named: Iterable[str] = (),
        resolve: Resolve = system_resolve,
    ) -> None:
        self._named = {_entry(text) for text in named}
        self._hosts = None if hosts is None else {_entry(text) for text in hosts} | self._named
        self._resolve = resolve

    def check(self, url: str) -> Location:
        """The URL, if it may be asked for. Raises RefusedError."""
        location = parse(url)
        host, port = location.place
        if self._hosts is not None and not any(host == name for name, _ in self._hosts):
            raise RefusedError(
                f"{location} is not downloaded: {host} is not one of the hosts that may be asked.",
                "If it belongs to the source, an administrator can add it to the source's hosts.",
            )
        if not self._usual(host, port):
            raise RefusedError(
                f"{location} is not downloaded: {port} is not a usual port of the web.",
                f"If it is right, name the host as {host}:{port}.",
            )
        return location

    def _usual(self, host: str, port: int) -> bool:
        if (host, port) in self._named or (host, None) in self._named:
            return True
        if self._hosts is None or (host, None) in self._hosts:
            return port in _USUAL
        return (host, port) in self._hosts

    def addresses(self, location: Location) -> list[str]:
        """Where to connect to. Raises RefusedError if any must not be reached, AwayError."""
        host, port = location.place
        try:
            found = [str(ipaddress.ip_address(host))]
        except ValueError:
            try:
                found = self._resolve(host, port)
            except (OSError, UnicodeError) as error:
                raise AwayError(
                    f"{host} has no address.", "Check the name and the connection.", again=True
                ) from error
        if not found:
            raise AwayError(f"{host} has no address.", "Check the name.", again=True)
        for text in found:
            if not self._allowed(host, port, text):
                # for the operator; whoever gave the URL does not learn what is inside
                logger.warning("%s: its address %s is not contacted", host, text)
                raise RefusedError(
                    f"{location} is not downloaded: {host} leads to an address that is not public.",
                    "Only hosts of the internet are asked, and those that were named on purpose.",
                )
        return found[:_ADDRESSES]

    def _allowed(self, host: str, port: int, text: str) -> bool:
        try:
            address: Address = ipaddress.ip_address(text)
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address):
            if address.scope_id:
                return False
            address = address.ipv4_mapped or address
        if is_public(address):
            return True
        if not _may_be_named(address):
            return False
        # inside, a port is a service of its own: the hub's API may be next door
        named = (host, None) in self._named or (host, port) in self._named
        return named and (_is_local(host) or any(str(address) == name for name, _ in self._named))


def _entry(text: str) -> tuple[str, int | None]:
    """`host` or `host:port`. Raises RefusedError."""
    bare = f"[{text}]" if text.count(":") > 1 and "[" not in text else text
    location = parse(f"http://{bare}/")
    has_port = re.search(r":[0-9]+$", bare) is not None
    return location.host, location.port if has_port else None


def _may_be_named(address: Address) -> bool:
    """Private addresses that may be named: those of real hosts of an own network."""
    if address.is_multicast or address.is_link_local or address.is_unspecified:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_private and not address.is_reserved
    return address.is_loopback or address in ipaddress.IPv6Network("fc00::/7")


def _is_local(host: str) -> bool:
    """Whether the name itself says that it is a host of an own network."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(_LOCAL_ENDINGS)
    return True
