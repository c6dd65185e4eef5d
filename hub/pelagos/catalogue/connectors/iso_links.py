"""Online resources of ISO records: files to fetch, services to subset, orders, pages to read.

What a record calls a "download" is often a page with a viewer; so the address, the protocol and
the function decide together.
"""

from __future__ import annotations

import posixpath
import re
import urllib.parse
from dataclasses import dataclass

from pelagos.catalogue.markup import plain_text
from pelagos.catalogue.records import Access, Asset, Link, identify

_ADDRESS = re.compile(r"https?://[^\s<>\"{}|\\^`]{1,1980}", re.IGNORECASE)
_LIMIT = 200  # resources of one record
_MEGABYTE = 1_000_000
_TYPES = {
    ".nc": "application/netcdf",
    ".nc4": "application/netcdf",
    ".cdf": "application/netcdf",
    ".zip": "application/zip",
    ".gz": "application/gzip",
    ".tgz": "application/gzip",
    ".tar": "application/x-tar",
    ".7z": "application/x-7z-compressed",
    ".csv": "text/csv",
    ".txt": "text/plain",
    ".tif": "image/tiff; application=geotiff",
    ".tiff": "image/tiff; application=geotiff",
    ".json": "application/json",
    ".geojson": "application/geo+json",
    ".gpkg": "application/geopackage+sqlite3",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".hdf": "application/x-hdf",
    ".h5": "application/x-hdf5",
    ".grib": "application/wmo-GRIB2",
    ".shp": "application/vnd.shp",
    ".mat": "application/x-matlab-data",
}
_PAGES = frozenset(
    {".html", ".htm", ".php", ".asp", ".aspx", ".jsp", ".graph", ".png", ".jpg", ".pdf", ".doc"}
    | {".docx", ".xml"}
)
_SERVICE = re.compile(
    r"OGC[: ]?(WMS|WFS|WCS|WMTS|CSW|WPS|SOS|WMC|API)|serviceType:(Web\w+|CatalogueService)"
    r"|\b(WMS|WFS|WCS|WMTS)\b|ESRI:REST",
    re.IGNORECASE,
)
_SUBSET = re.compile(r"/dodsC/|/(tabledap|griddap)/|\bOPeNDAP\b|/opendap/", re.IGNORECASE)
_ORDERED = frozenset({"order", "downloadregistration", "offlineaccess", "emailservice"})


@dataclass(frozen=True)
class Resource:
    """A CI_OnlineResource; `megabytes` is what the record says of its size, roughly."""

    url: str
    protocol: str = ""
    name: str = ""
    description: str = ""
    function: str = ""
    megabytes: float | None = None

    @property
    def title(self) -> str:
        """What it is called, for people."""
        return plain_text(self.name, 300) or plain_text(self.description, 300)


def sort_resources(resources: list[Resource]) -> tuple[tuple[Asset, ...], tuple[Link, ...]]:
    """What can be fetched, and what can be read, without doubles and what is no web address."""
    assets: dict[str, Asset] = {}
    links: dict[str, Link] = {}
    keys: set[str] = set()
    for resource in resources[:_LIMIT]:
        url = resource.url.strip()
        if not _ADDRESS.fullmatch(url) or url in assets or url in links:
            continue
        access = _access(resource, url)
        if access is None:
            links[url] = _link(resource, url)
        else:
            key = _key(url, keys)
            assets[url] = _asset(resource, url, key, access)
    return tuple(assets.values()), tuple(links.values())


def _access(resource: Resource, url: str) -> Access | None:
    """How it is fetched; None for what only is read."""
    function, protocol = resource.function.lower(), resource.protocol
    extension = _extension(url)
    if function in _ORDERED:
        return Access.ORDER
    if _SERVICE.search(protocol) or "service=w" in url.lower():
        return None
    if extension in _PAGES:
        return None
    if _SUBSET.search(protocol) or _SUBSET.search(url):
        return Access.SUBSET
    if function == "information":
        return None
    if extension in _TYPES:
        return Access.DIRECT
    declared = "download" in protocol.lower() or function == "download"
    return Access.DIRECT if declared and extension else None


def _asset(resource: Resource, url: str, key: str, access: Access) -> Asset:
    about = resource.megabytes
    return Asset(
        key,
        url,
        type=_TYPES.get(_extension(url), "") if access is Access.DIRECT else "",
        title=resource.title,
        access=access,
        # ISO 19115 calls it an estimate, so it is no file:size that a download could be held to
        extra={"pelagos:size_about": round(about * _MEGABYTE)} if about else {},
    )


def _link(resource: Resource, url: str) -> Link:
    service = _SERVICE.search(resource.protocol)
    title = resource.title
    if service:
        kind = next(filter(None, service.groups()), service[0]).upper()
        return Link("service", url, title=f"{kind}: {title}" if title else kind)
    return Link("related", url, title=title)


def _extension(url: str) -> str:
    path = urllib.parse.urlsplit(url).path if "[" not in url else url
    return posixpath.splitext(path)[1].lower()


def _key(url: str, keys: set[str]) -> str:
    """A short name for an asset: that of its file, made unique."""
    path = urllib.parse.unquote(url.split("?", 1)[0].split("#", 1)[0]).rstrip("/")
    name = identify(posixpath.basename(path))[-80:].lstrip("-.") or "data"
    key, number = name, 2
    while key in keys:
        key, number = f"{name}-{number}", number + 1
    keys.add(key)
    return key
