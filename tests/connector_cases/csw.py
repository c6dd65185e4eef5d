"""CSW: recorded ISO records in answers to GetRecords."""

from __future__ import annotations

import re

from loopback import Asked, Loopback, Reply
from pelagos.settings.sources import CswSource, SourceKind
from shared_data import shared_data

from connector_cases import Case, Routes

RECORDINGS = [
    "services/accessor-csw/EmodNET_Chemistry.xml",
    "iso19139/csw_geobretagne_mdmetadata.xml",
    "iso19139/iso_mi.xml",
    "iso19139/pacioos-NS06agg.xml",
]


def recorded(name: str) -> bytes:
    """A recorded record, without its XML declaration."""
    return re.sub(rb"^\s*<\?xml [^>]*\?>", b"", shared_data(name).read_bytes())


def get_records(records: list[bytes], asked: Asked, most: int = 20) -> Reply:
    """The answer of a server that has these records, to the request that was sent."""
    start = int(re.search(rb'startPosition="(\d+)"', asked.body)[1])  # type: ignore[index]
    part = records[start - 1 : start - 1 + most]
    following = start + len(part) if start + len(part) <= len(records) else 0
    return Reply(
        b'<csw:GetRecordsResponse xmlns:csw="http://www.opengis.net/cat/csw/2.0.2" version="2.0.2">'
        b'<csw:SearchStatus timestamp="2026-11-21T08:00:00Z"/>'
        b'<csw:SearchResults elementSet="full" numberOfRecordsMatched="%d" '
        b'numberOfRecordsReturned="%d" nextRecord="%d">%s</csw:SearchResults>'
        b"</csw:GetRecordsResponse>" % (len(records), len(part), following, b"".join(part)),
        "application/xml",
    )


def source(url: str, **fields: object) -> CswSource:
    return CswSource(name="test", kind=SourceKind.CSW, url=f"{url}/csw", **{"rate": 100} | fields)


def _routes(server: Loopback) -> Routes:
    records = [recorded(name) for name in RECORDINGS]
    return {"/csw": lambda asked: get_records(records, asked, most=3)}


CASES = [Case("csw", source, _routes, collections=4, granules=2)]
