"""The European Nucleotide Archive, by its portal API: studies, and the files of their runs.

Written from documentation only (ENA Portal API, EMBL-EBI: `search` and `filereport`); no
recording of it exists here. A study is a collection, a run a granule with its files as assets.

Studies come from `search?result=read_study` as JSON, in pages (`limit`, `offset`); an empty answer
(204) ends them. Runs come from `filereport?result=read_run` as lines of tab-separated values,
because a study may have hundreds of thousands of them: they are read as they arrive. Several
files of one run stand in one value, separated by `;`, in the same order for addresses, sizes and
MD5 sums. Addresses have no scheme; the same paths are served over https. Every harvest asks for
all runs: a study's `last_updated` is not documented to change when runs are added.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import urlencode

from pelagos.catalogue.connectors import rest
from pelagos.catalogue.connectors.base import Connector
from pelagos.catalogue.fetch import FetchError
from pelagos.catalogue.markup import plain_text
from pelagos.catalogue.records import (
    TITLE_LIMIT,
    Asset,
    Box,
    CollectionRecord,
    GranuleRecord,
    Provider,
    RecordError,
    Rejected,
    Unchanged,
)
from pelagos.catalogue.rights import licence
from pelagos.catalogue.values import parse_interval, parse_moment, parse_point
from pelagos.errors import SourceError
from pelagos.settings.sources import EnaSource, SourceKind

_PAGE = 500  # studies in one answer
_LINE_LIMIT = 2**20  # bytes of a run's line
_MOST_FILES = 1000  # of one run
_ACCESSION = re.compile(r"[A-Z]{3,6}[0-9]{1,12}", re.ASCII)
_PLACE = re.compile(r"[A-Za-z0-9.-]+\.[A-Za-z]{2,}(?::\d+)?/[^\s\"'<>\\^`{|}]+", re.ASCII)
_DEPTH = re.compile(r"(\d{1,5}(?:\.\d+)?)(?:\s*(?:-|to)\s*(\d{1,5}(?:\.\d+)?))?\s*m?", re.ASCII)
_RUN = (
    "run_accession",
    "sample_accession",
    "sample_title",
    "experiment_title",
    "scientific_name",
    "collection_date",
    "lat",
    "lon",
    "depth",
    "country",
    "sampling_platform",
    "sampling_campaign",
    "instrument_platform",
    "instrument_model",
    "library_strategy",
    "library_source",
    "library_layout",
    "last_updated",
    "fastq_ftp",
    "fastq_bytes",
    "fastq_md5",
    "submitted_ftp",
    "submitted_bytes",
    "submitted_md5",
)


class EnaConnector(Connector[EnaSource]):
    """Reads ENA: see the module."""

    kind: ClassVar[SourceKind] = SourceKind.ENA

    def collections(self) -> Iterator[CollectionRecord | Rejected | Unchanged]:
        """All studies that the source's query finds."""
        paging = rest.Paging(self.source.name)
        while True:
            found = self._studies(paging.read)
            for position, record in enumerate(found, start=paging.read + 1):
                yield self._study(record, position, paging)
            paging.page(len(found))
            if len(found) < _PAGE:
                break

    def granules(
        self, collection: CollectionRecord
    ) -> Iterator[GranuleRecord | Rejected | Unchanged]:
        """All runs of a study."""
        parameters = {
            "accession": collection.id,
            "result": "read_run",
            "fields": ",".join(_RUN),
            "format": "tsv",
            "limit": "0",
        }
        address = f"{self._address('filereport')}?{urlencode(parameters)}"
        paging = rest.Paging(self.source.name)
        try:
            with self.fetch.stream(address) as pieces:
                for number, row in enumerate(_rows(pieces or iter(()), address), start=1):
                    yield self._run(row, number, paging)
        except FetchError as error:
            if not 400 <= error.status < 500 or error.again:  # the service, not this study
                raise
            yield Rejected(collection.id, f"its runs: {error}")

    def _address(self, path: str) -> str:
        return f"{self.source.url.rstrip('/')}/{path}"

    def _studies(self, offset: int) -> list[Any]:
        answer = self.fetch.get(
            self._address("search"),
            params={
                "result": "read_study",
                "query": self.source.query,
                "fields": "all",
                "format": "json",
                "limit": str(_PAGE),
                "offset": str(offset),
            },
        )
        return [] if answer.status == 204 else rest.listed(answer.url, answer.json())

    def _study(
        self, record: Any, position: int, paging: rest.Paging
    ) -> CollectionRecord | Rejected:
        try:
            identifier = rest.text(record, "study_accession")
            if not _ACCESSION.fullmatch(identifier):
                raise RecordError(f"study_accession: {identifier[:40]!r} is no accession")
            if not paging.new(identifier):
                raise RecordError("study_accession: another study has it already")
            return self._collection(record, identifier)
        except RecordError as error:
            return Rejected(rest.which(record, "study_accession", position), str(error))

    def _collection(self, record: rest.Record, identifier: str) -> CollectionRecord:
        spdx, licence_text = licence((), self.source.licence)
        center = plain_text(rest.text(record, "center_name"))
        description = rest.text(record, "study_description") or rest.text(record, "description")
        titles = (rest.text(record, key) for key in ("study_title", "study_name", "study_alias"))
        words = [rest.text(record, key) for key in ("scientific_name", "keywords", "tag")]
        return CollectionRecord(
            id=identifier,
            title=plain_text(next(filter(None, titles), identifier), TITLE_LIMIT),
            description=plain_text(description),
            licence=spdx,
            licence_text=licence_text,
            providers=(Provider(center, ("producer",)),) if center else (),
            keywords=tuple(
                dict.fromkeys(filter(None, map(plain_text, ";".join(words).split(";"))))
            ),
            updated=parse_moment(rest.text(record, "last_updated"), "last_updated"),
        )

    def _run(
        self, row: dict[str, str] | RecordError, number: int, paging: rest.Paging
    ) -> GranuleRecord | Rejected:
        if isinstance(row, RecordError):
            return Rejected(f"line {number + 1}", str(row))
        try:
            identifier = row["run_accession"]
            if not _ACCESSION.fullmatch(identifier):
                raise RecordError(f"run_accession: {identifier[:40]!r} is no accession")
            if not paging.new(identifier):
                raise RecordError("run_accession: another run has it already")
            return _granule(row, identifier)
        except RecordError as error:
            return Rejected(rest.which(row, "run_accession", number), str(error))


def _rows(pieces: Iterator[bytes], address: str) -> Iterator[dict[str, str] | RecordError]:
    """The runs of a report. Raises SourceError if it is none."""
    header: list[str] | None = None
    for line in _lines(pieces, address):
        try:
            cells = line.decode("utf-8-sig").split("\t")
        except UnicodeDecodeError as error:
            yield RecordError(f"not UTF-8 text (byte {error.start})")
            continue
        if header is None:
            header = [cell.strip() for cell in cells]
            if "run_accession" not in header:
                raise SourceError(
                    f"{address.split('?')[0]}: not a file report: it begins with {line[:60]!r}.",
                    "Check the source's `url`.",
                )
        elif len(cells) != len(header):
            yield RecordError(f"{len(cells)} values where the report has {len(header)} columns")
        else:
            row = dict.fromkeys(_RUN, "")
            row.update(zip(header, (cell.strip() for cell in cells), strict=True))
            yield row


def _lines(pieces: Iterator[bytes], address: str) -> Iterator[bytes]:
    rest_of_line = b""
    for piece in pieces:
        *lines, rest_of_line = (rest_of_line + piece).split(b"\n")
        yield from (line.rstrip(b"\r") for line in lines if line.strip())
        if len(rest_of_line) > _LINE_LIMIT:
            raise SourceError(
                f"{address.split('?')[0]}: a line is longer than {_LINE_LIMIT} bytes.",
                "Check the source's `url`.",
            )
    if rest_of_line.strip():
        yield rest_of_line


def _granule(row: dict[str, str], identifier: str) -> GranuleRecord:
    start, end = _time(row["collection_date"])
    model = row["instrument_model"] or row["instrument_platform"]
    words = ("scientific_name", "sample_title", "experiment_title", "country", "sampling_campaign",
             "library_strategy", "library_source", "sample_accession")  # fmt: skip
    return GranuleRecord(
        id=identifier,
        title=plain_text(row["sample_title"] or row["experiment_title"] or identifier, TITLE_LIMIT),
        box=_place(row),
        start=start,
        end=end,
        depth=_depth(row["depth"]),
        platform=plain_text(row["sampling_platform"], 200),
        instruments=(plain_text(model),) if model else (),
        words=tuple(dict.fromkeys(plain_text(row[key]) for key in words if row[key])),
        assets=tuple(_files(row)),
        updated=parse_moment(row["last_updated"], "last_updated"),
        properties={
            f"ena:{key}": row[key]
            for key in ("sample_accession", "library_strategy", "library_source", "library_layout")
            if row[key]
        },
    )


def _files(row: dict[str, str]) -> Iterator[Asset]:
    """The FASTQ files that the archive made of a run, or else what was submitted."""
    group = "fastq" if row["fastq_ftp"] else "submitted"
    places = [place for place in row[f"{group}_ftp"].split(";") if place]
    if not places:
        raise RecordError("fastq_ftp, submitted_ftp: the run has no files")
    if len(places) > _MOST_FILES:
        raise RecordError(f"{group}_ftp: {len(places)} files, the most is {_MOST_FILES}")
    sizes, sums = (_beside(row, f"{group}_{what}", len(places)) for what in ("bytes", "md5"))
    keys: set[str] = set()
    for said, size, digest in zip(places, sizes, sums, strict=True):
        place = said.removeprefix("ftp://").removeprefix("https://")
        if not _PLACE.fullmatch(place):
            raise RecordError(f"{group}_ftp: {place[:80]!r} is no address")
        name = place.rsplit("/", 1)[-1]
        key = name if name not in keys else f"{name}-{len(keys)}"
        keys.add(key)
        yield Asset(
            key=key,
            href=f"https://{place}",
            type="application/gzip" if name.endswith(".gz") else "application/octet-stream",
            title=name,
            size=rest.count({"bytes": size}, "bytes"),
            checksum=rest.multihash("md5", digest) if digest else "",
        )


def _beside(row: dict[str, str], key: str, files: int) -> list[str]:
    """What is said of each file; a list of another length could be of other files."""
    found = row[key].split(";") if row[key] else [""] * files
    if len(found) != files:
        raise RecordError(f"{key}: {len(found)} values for {files} files")
    return found


def _place(row: dict[str, str]) -> Box | None:
    east, north = rest.number(row, "lon"), rest.number(row, "lat")
    return None if east is None or north is None else parse_point(east, north)


def _depth(text: str) -> tuple[float, float] | None:
    """`5`, `5 m` or `5-10 m`; people write much else there, which is no depth."""
    found = _DEPTH.fullmatch(text.strip())
    if found is None:
        return None
    first = float(found[1])
    last = float(found[2]) if found[2] else first
    return min(first, last), max(first, last)


def _time(text: str) -> tuple[datetime | None, datetime | None]:
    """A day, month, year or time, or two of them around a `/`; `missing` is no time."""
    first, slash, last = text.partition("/")
    if not any(char.isdigit() for char in text):
        return None, None
    interval = parse_interval(first, last if slash else first, "collection_date")
    return (interval.start, interval.end) if interval else (None, None)
