"""An ERDDAP server: data sets are collections, each with a granule that the server cuts.

Protocol: ERDDAP documentation, "Web services". The list of data sets is the table
`tabledap/allDatasets.json`, with extents; where a server has none, `info/index.json` page by page.
`info/ID/index.json` is asked for only if the table says something else of a data set than in the
last run; without the table, always, and compared.

Granules of a data set: `ID`, whose asset `subset` is its address with what the data pool needs to
cut it (keys: `erddap_info`); and files, as far as the server shows them under `files/ID/`: at most
FILES of them in LISTINGS folders. Those have neither place nor time of their own.

Verified against recordings of one server: its `info/index.json` and three info pages of tabledap.
By documentation only: allDatasets.json, griddap's dimensions, `files/` listings.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections import deque
from collections.abc import Iterator
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import quote

from pelagos.catalogue.connectors.base import Connector
from pelagos.catalogue.connectors.erddap_info import (
    Info,
    box_of,
    depth_of,
    interval_of,
    number,
    parameters_of,
    read_info,
    rows,
    subset_of,
    time_of,
)
from pelagos.catalogue.fetch import FetchError
from pelagos.catalogue.markup import plain_text
from pelagos.catalogue.records import (
    Asset,
    Box,
    CollectionRecord,
    GranuleRecord,
    Interval,
    Link,
    Provider,
    RecordError,
    Rejected,
    Unchanged,
)
from pelagos.catalogue.rights import find_doi, licence
from pelagos.errors import SourceError
from pelagos.settings.sources import ErddapSource, SourceKind

logger = logging.getLogger(__name__)

FILES = 500
LISTINGS = 20
_PAGE = 1000  # data sets in a page of info/index.json
_PAGES = 100
_PATIENCE = 5  # info pages in turn that can't be had, before the server counts as away
_INFO_LIMIT = 16 * 2**20  # bytes
_IDENTIFIER = re.compile(r"[A-Za-z0-9_.-]{1,200}")
_NAME = re.compile(r"[^/\\\x00-\x1f\x7f?#]{1,200}/?")
_TYPES = {"nc": "application/x-netcdf", "csv": "text/csv", "txt": "text/plain"}
_WORDS = 100
_OPEN = frozenset({"public", "yes", ""})
# of allDatasets, what a record is made of; other columns change with every look
_COLUMNS = (
    "accessible", "institution", "dataStructure", "title", "summary", "infoUrl", "griddap",
    "tabledap", "files", "minLongitude", "maxLongitude", "minLatitude", "maxLatitude",
    "minAltitude", "maxAltitude", "minTime", "maxTime",
)  # fmt: skip
# the same things as info/index.json calls them
_INDEX = {
    "Dataset ID": "datasetID",
    "Accessible": "accessible",
    "Institution": "institution",
    "Title": "title",
    "Summary": "summary",
    "Background Info": "infoUrl",
    "griddap": "griddap",
    "tabledap": "tabledap",
    "files": "files",
}
Row = dict[str, Any]


class ErddapConnector(Connector[ErddapSource]):
    """Reads a server's list of data sets, and the info pages of those that changed."""

    kind = SourceKind.ERDDAP

    @property
    def _base(self) -> str:
        return self.source.url.rstrip("/")

    def collections(self) -> Iterator[CollectionRecord | Rejected | Unchanged]:
        """All public data sets that are wanted. Raises SourceError if the server has no list."""
        before: dict[str, str] = self.memory.get("datasets", {})
        now: dict[str, str] = {}
        seen: set[str] = set()
        failures = 0
        for row, has_extent in self._listed():
            identifier = str(row.get("datasetID") or "")
            if identifier == "allDatasets" or not self._is_wanted(identifier):
                continue  # the first is the list itself
            try:
                _check(row, identifier, seen)
                digest, record = self._look(identifier, row, has_extent, before.get(identifier))
            except RecordError as error:
                yield Rejected(identifier, str(error))
            except FetchError as error:
                yield Rejected(identifier, str(error))
                if error.status in (404, 410):  # listed, but it has just gone
                    continue
                failures += 1
                if failures >= _PATIENCE:
                    raise
                if identifier in before:  # what is known of it is kept, and looked at next time
                    now[identifier] = ""
                    yield Unchanged(identifier)
            else:
                failures = 0
                now[identifier] = digest
                yield record or Unchanged(identifier)
        self.memory["datasets"] = now

    def granules(
        self, collection: CollectionRecord
    ) -> Iterator[GranuleRecord | Rejected | Unchanged]:
        """What can be cut on the server, and the first of its files."""
        assets = {asset.key: asset for asset in collection.assets}
        yield GranuleRecord(
            collection.id,
            collection.title,
            box=collection.boxes[0] if collection.boxes else None,
            start=collection.interval.start if collection.interval else None,
            end=collection.interval.end if collection.interval else None,
            depth=collection.depth,
            assets=(assets["subset"],),
            links=tuple(link for link in collection.links if link.rel == "about"),
        )
        if "files" in assets:
            yield from self._files(assets["files"].href)

    def _is_wanted(self, identifier: str) -> bool:
        wanted = self.source.datasets
        return not wanted or any(fnmatchcase(identifier, pattern) for pattern in wanted)

    def _listed(self) -> Iterator[tuple[Row, bool]]:
        """Each data set as allDatasets has it, and whether its extent is there too."""
        try:
            answer = self.fetch.get(f"{self._base}/tabledap/allDatasets.json")
        except FetchError as error:
            if error.status not in (400, 403, 404, 410):
                raise
        else:
            for row in self._rows(answer.json(), "tabledap/allDatasets.json"):
                yield row, True
            return
        for page in range(1, _PAGES + 1):
            address = f"{self._base}/info/index.json"
            try:
                answer = self.fetch.get(
                    address, params={"page": str(page), "itemsPerPage": str(_PAGE)}
                )
            except FetchError as error:
                if page > 1 and error.status == 404:  # "there is no page", ERDDAP's way to say so
                    return
                raise
            listed = self._rows(answer.json(), "info/index.json")
            for row in listed:
                yield {_INDEX[name]: value for name, value in row.items() if name in _INDEX}, False
            if len(listed) < _PAGE:
                return

    def _rows(self, document: Any, path: str) -> list[Row]:
        try:
            return rows(document)
        except RecordError as error:
            raise SourceError(
                f"{self._base}/{path}: {error}",
                f"Check `url` of {self.source.name}: it must end in /erddap.",
            ) from error

    def _look(
        self, identifier: str, row: Row, has_extent: bool, before: str | None
    ) -> tuple[str, CollectionRecord | None]:
        """A digest of what the server says of a data set, and its record; None if unchanged."""
        digest = _digest({name: row.get(name) for name in _COLUMNS})
        if has_extent and before == digest:
            return digest, None
        page = self.fetch.get(f"{self._base}/info/{identifier}/index.json", limit=_INFO_LIMIT)
        if not has_extent:
            digest = _digest([digest, hashlib.sha256(page.content).hexdigest()])
            if before == digest:
                return digest, None
        return digest, self._record(identifier, row, read_info(page.json()))

    def _record(self, identifier: str, row: Row, info: Info) -> CollectionRecord:
        protocol = "griddap" if row.get("griddap") else "tabledap"
        subset = subset_of(f"{self._base}/{protocol}/{identifier}", protocol, info)
        assets = [subset]
        if row.get("files"):
            folder = f"{self._base}/files/{identifier}/"
            assets.append(Asset("files", folder, "text/html", "Files", roles=("overview",)))
        name, terms = licence([info.get("license")], self.source.licence)
        box, interval = _extent(row, info)
        return CollectionRecord(
            id=identifier,
            title=plain_text(info.get("title") or str(row.get("title") or ""), 1000) or identifier,
            description=plain_text(info.get("summary") or str(row.get("summary") or "")),
            licence=name,
            licence_text=terms,
            providers=_providers(row, info),
            keywords=_keywords(info.get("keywords")),
            parameters=parameters_of(info),
            platforms=_list(info.get("platform")),
            instruments=_list(info.get("instrument")),
            boxes=(box,) if box else (),
            interval=interval,
            depth=depth_of(info),
            doi=_doi(info),
            citation=plain_text(info.get("citation"), 5000),
            assets=tuple(assets),
            links=_links(f"{self._base}/info/{identifier}/index.html", info),
            updated=_updated(info),
        )

    def _files(self, folder: str) -> Iterator[GranuleRecord | Rejected]:
        """Files under `folder`, breadth first, within FILES and LISTINGS."""
        waiting = deque([""])
        files = listings = 0
        while waiting and listings < LISTINGS:
            below = waiting.popleft()
            listings += 1
            try:
                answer = self.fetch.get(f"{folder}{quote(below)}.json", limit=_INFO_LIMIT)
                listed = rows(answer.json())
            except (RecordError, FetchError) as error:
                yield Rejected(f"files/{below}", str(error))
                continue
            for row in listed:
                name = str(row.get("Name") or "")
                if not _NAME.fullmatch(name) or name.strip("./") == "":
                    continue
                if name.endswith("/"):
                    waiting.append(below + name)
                elif files < FILES:
                    files += 1
                    yield _file(folder, below + name, row)
        if waiting or files == FILES:
            logger.info("%s: more files than are kept: %s", self.source.name, folder)


def _check(row: Row, identifier: str, seen: set[str]) -> None:
    if not _IDENTIFIER.fullmatch(identifier):
        raise RecordError("id: not letters, digits, `_`, `.` and `-`")
    if identifier in seen:
        raise RecordError("id: it is listed twice")
    seen.add(identifier)
    accessible = str(row.get("accessible") or "")
    if accessible not in _OPEN:
        raise RecordError(
            f"the server gives it to some people only (accessible: {accessible[:40]})"
        )
    if not row.get("griddap") and not row.get("tabledap"):
        raise RecordError("the server offers neither griddap nor tabledap for it")


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _extent(row: Row, info: Info) -> tuple[Box | None, Interval | None]:
    """Of the table of data sets, or of the info page."""
    names = ("minLongitude", "minLatitude", "maxLongitude", "maxLatitude")
    box = box_of(*(row.get(name) for name in names)) or box_of(
        info.get("geospatial_lon_min", "Westernmost_Easting"),
        info.get("geospatial_lat_min", "Southernmost_Northing"),
        info.get("geospatial_lon_max", "Easternmost_Easting"),
        info.get("geospatial_lat_max", "Northernmost_Northing"),
    )
    interval = interval_of(row.get("minTime"), row.get("maxTime")) or interval_of(
        info.get("time_coverage_start"), info.get("time_coverage_end")
    )
    return box, interval


def _providers(row: Row, info: Info) -> tuple[Provider, ...]:
    institution = info.get("institution") or str(row.get("institution") or "")
    found: dict[str, Provider] = {}
    for name, role, url in (
        (institution, "producer", ""),
        (info.get("creator_name"), "producer", info.get("creator_url")),
        (info.get("publisher_name"), "host", info.get("publisher_url")),
    ):
        text = plain_text(name, 300)
        address = url if _is_address(url) else ""
        if text and text != "???" and (text not in found or (address and not found[text].url)):
            found[text] = Provider(text, (role,), address)
    return tuple(found.values())


def _is_address(text: str) -> bool:
    good = text.isprintable() and " " not in text and len(text) <= 2000
    return good and text.startswith(("http://", "https://"))


def _keywords(text: str) -> tuple[str, ...]:
    words = (plain_text(word, 200) for word in text.split(","))
    return tuple(dict.fromkeys(word for word in words if word))[:_WORDS]


def _doi(info: Info) -> str:
    names = ("doi", "identifier_product_doi", "id", "infoUrl", "metadata_link")
    return next(filter(None, (find_doi(info.get(name)) for name in names)), "")


def _list(text: str) -> tuple[str, ...]:
    return _keywords(text)[:20]


def _links(page: str, info: Info) -> tuple[Link, ...]:
    links = [Link("about", page, "text/html", "At the server")]
    for name, title in (("infoUrl", "Background"), ("references", "References")):
        address = info.get(name)
        if _is_address(address):
            links.append(Link("related", address, "", title))
    return tuple(links)


def _updated(info: Info) -> datetime | None:
    try:
        return time_of(info.get("date_metadata_modified", "date_modified", "date_issued"))
    except RecordError:
        return None


def _file(folder: str, path: str, row: Row) -> GranuleRecord:
    size = number(row.get("Size"))
    changed = row.get("Last modified")
    milliseconds = number(changed)
    try:
        updated = time_of(milliseconds / 1000 if milliseconds is not None else changed)
    except RecordError:
        updated = None
    return GranuleRecord(
        f"files/{path}",
        path,
        assets=(
            Asset(
                "file",
                folder + quote(path),
                _TYPES.get(path.rpartition(".")[2].lower(), "application/octet-stream"),
                size=int(size) if size is not None and size >= 0 else None,
            ),
        ),
        updated=updated,
    )
