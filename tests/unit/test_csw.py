"""CSW: paging, incremental runs, exception reports and records as they should not be."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from connector_cases.csw import get_records, recorded, source
from loopback import Asked, Loopback, Reply, serve
from pelagos.catalogue.connectors.csw import CswConnector
from pelagos.catalogue.fetch import Fetcher
from pelagos.catalogue.records import Access, CollectionRecord, Interval, Rejected, Unchanged
from pelagos.errors import SourceError
from shared_data import shared_data

NAMESPACES = (
    'xmlns:gmd="http://www.isotc211.org/2005/gmd" xmlns:gco="http://www.isotc211.org/2005/gco" '
    'xmlns:gmx="http://www.isotc211.org/2005/gmx" xmlns:gml="http://www.opengis.net/gml/3.2" '
    'xmlns:xlink="http://www.w3.org/1999/xlink"'
)


def text(value: str) -> str:
    return f"<gco:CharacterString>{value}</gco:CharacterString>"


def record(
    identifier: str,
    title: str = "A title",
    *,
    abstract: str = "",
    box: tuple[object, ...] = (),
    begin: str = "",
    end: str = "",
    online: str = "",
    constraints: str = "",
    citation: str = "",
) -> bytes:
    extent = ""
    if box:
        sides = zip(
            (
                "westBoundLongitude",
                "southBoundLatitude",
                "eastBoundLongitude",
                "northBoundLatitude",
            ),
            box,
            strict=True,
        )
        inner = "".join(f"<gmd:{k}><gco:Decimal>{v}</gco:Decimal></gmd:{k}>" for k, v in sides)
        extent += (
            "<gmd:geographicElement><gmd:EX_GeographicBoundingBox>"
            f"{inner}</gmd:EX_GeographicBoundingBox></gmd:geographicElement>"
        )
    if begin or end:
        extent += (
            "<gmd:temporalElement><gmd:EX_TemporalExtent><gmd:extent><gml:TimePeriod>"
            f"<gml:beginPosition>{begin}</gml:beginPosition><gml:endPosition>{end}</gml:endPosition>"
            "</gml:TimePeriod></gmd:extent></gmd:EX_TemporalExtent></gmd:temporalElement>"
        )
    return (
        f"<gmd:MD_Metadata {NAMESPACES}>"
        f"<gmd:fileIdentifier>{text(identifier)}</gmd:fileIdentifier>"
        "<gmd:identificationInfo><gmd:MD_DataIdentification><gmd:citation><gmd:CI_Citation>"
        f"<gmd:title>{text(title)}</gmd:title>{citation}</gmd:CI_Citation></gmd:citation>"
        f"<gmd:abstract>{text(abstract)}</gmd:abstract>{constraints}"
        f"<gmd:extent><gmd:EX_Extent>{extent}</gmd:EX_Extent></gmd:extent>"
        "</gmd:MD_DataIdentification></gmd:identificationInfo>"
        f"<gmd:distributionInfo><gmd:MD_Distribution>{online}</gmd:MD_Distribution>"
        "</gmd:distributionInfo></gmd:MD_Metadata>"
    ).encode()


def transfer(url: str, protocol: str = "", function: str = "", size: str = "") -> str:
    return (
        "<gmd:transferOptions><gmd:MD_DigitalTransferOptions>"
        + (f"<gmd:transferSize><gco:Real>{size}</gco:Real></gmd:transferSize>" if size else "")
        + f"<gmd:onLine><gmd:CI_OnlineResource><gmd:linkage><gmd:URL>{url}</gmd:URL></gmd:linkage>"
        f"<gmd:protocol>{text(protocol)}</gmd:protocol>"
        f'<gmd:function><gmd:CI_OnLineFunctionCode codeListValue="{function}"/></gmd:function>'
        "</gmd:CI_OnlineResource></gmd:onLine></gmd:MD_DigitalTransferOptions></gmd:transferOptions>"
    )


@pytest.fixture
def server() -> Iterator[Loopback]:
    with serve({}) as running:
        yield running


def run(
    server: Loopback,
    answer: Reply | Callable[[Asked], Reply],
    memory: dict[str, Any] | None = None,
    **fields: object,
) -> list[CollectionRecord | Rejected | Unchanged]:
    server.routes["/csw"] = answer
    configured = source(server.url, **fields)
    with Fetcher(configured) as fetcher:
        return list(CswConnector(configured, fetcher, memory).collections())


def one(server: Loopback, content: bytes, **fields: object) -> CollectionRecord:
    [found] = run(server, lambda asked: get_records([content], asked), **fields)
    assert isinstance(found, CollectionRecord), found
    return found


def refused(server: Loopback, content: bytes) -> str:
    [found] = run(server, lambda asked: get_records([content], asked))
    assert isinstance(found, Rejected)
    return found.reason


# --- one record


def test_the_emodnet_record_is_understood(server: Loopback) -> None:
    found = one(server, recorded("services/accessor-csw/EmodNET_Chemistry.xml"))
    assert found.title == "Contaminants-Lead: stations below LOD/LOQ v2019"
    assert found.licence == "CC-BY-4.0"
    assert [(p.name, p.p02) for p in found.parameters][:2] == [
        ("Metal concentrations in sediment", "MTSD"),
        ("Dissolved metal concentrations in the water column", "MTWD"),
    ]
    assert (found.boxes[0].west, found.boxes[0].north) == (-32, 86)
    assert found.interval is not None
    assert str(found.interval.start) == "1970-02-17 00:00:00+00:00"
    assert [(a.key, a.type, a.access) for a in found.assets] == [
        ("Lead_b_LOD_LOQ_stations0.zip", "application/zip", Access.DIRECT)
    ]
    assert found.doi == ""  # the one in it is of the method's description
    roles = {provider.name: provider.roles for provider in found.providers}
    assert roles["University of Plymouth, Institute of Marine Studies"] == ("producer",)


def test_open_ends_depths_and_subsets_are_understood(server: Loopback) -> None:
    canada = one(server, recorded("iso19139/iso_mi.xml"))
    assert canada.interval is not None
    assert (canada.interval.start is not None, canada.interval.end) == (True, None)
    assert (canada.platforms, canada.instruments) == (("LANDSAT_8",), ("OLI_TIRS",))
    pacific = one(server, recorded("iso19139/pacioos-NS06agg.xml"))
    assert pacific.depth == (1, 1)
    assert [asset.access for asset in pacific.assets] == [Access.SUBSET]
    assert "sea_water_temperature" in [p.standard_name for p in pacific.parameters]
    assert "time" not in [p.name for p in pacific.parameters]


def test_text_of_strangers_becomes_plain(server: Loopback) -> None:
    found = one(
        server,
        record(
            "a",
            "&lt;script&gt;x()&lt;/script&gt;Sea &lt;b&gt;ice&lt;/b&gt;",
            abstract="word " * 1_000_000,
        ),
    )
    assert found.title == "Sea ice"
    assert len(found.description) <= 100_000


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (record("a", box=(0, 0, 10, 91)), "box: latitude outside"),
        (record("a", box=("NaN", 0, 10, 9)), "box: west: 'NaN' is no number"),
        (record("a", box=(0, 10, 10, 9)), "box: latitude outside .* or upside down"),
        (record("a", begin="9999-99-99"), "temporal extent: begin: '9999-99-99' is no time"),
        (record("a", begin="2020", end="2019"), "it ends before it starts"),
        (record("a", ""), "title: empty"),
        (record("", "A title"), "id: '' is empty"),
        (b"<gmd:MD_Metadata %s/>" % NAMESPACES.encode(), "identificationInfo: there is none"),
    ],
)
def test_a_bad_record_is_rejected_with_its_reason(
    server: Loopback, content: bytes, reason: str
) -> None:
    assert re.search(reason, refused(server, content))


def test_years_and_odd_longitudes_are_read(server: Loopback) -> None:
    found = one(server, record("a", box=(350, 0, 370, 10), begin="2019", end="2020-02"))
    assert (found.boxes[0].west, found.boxes[0].east) == (-10, 10)
    assert isinstance(found.interval, Interval)
    assert str(found.interval.end) == "2020-02-29 23:59:59+00:00"
    crossing = one(server, record("a", box=(170, 0, -170, 10)))
    assert (crossing.boxes[0].west, crossing.boxes[0].east) == (170, -170)


def test_a_doi_is_that_of_the_data(server: Loopback) -> None:
    citation = (
        "<gmd:identifier><gmd:MD_Identifier><gmd:code>"
        '<gmx:Anchor xlink:href="https://doi.org/10.12770/abc">10.12770/abc</gmx:Anchor>'
        "</gmd:code></gmd:MD_Identifier></gmd:identifier>"
        f"<gmd:otherCitationDetails>{text('A. Author (2020).')}</gmd:otherCitationDetails>"
    )
    found = one(server, record("a", citation=citation))
    assert (found.doi, found.citation) == ("10.12770/abc", "A. Author (2020).")


@pytest.mark.parametrize(
    ("url", "protocol", "function", "access"),
    [
        ("https://x.org/a.nc", "", "", Access.DIRECT),
        ("https://x.org/a.csv", "WWW:DOWNLOAD-1.0-link--download", "download", Access.DIRECT),
        ("https://x.org/a.odv", "WWW:DOWNLOAD-1.0-link--download", "", Access.DIRECT),
        ("https://x.org/thredds/dodsC/a.nc", "", "", Access.SUBSET),
        ("https://x.org/erddap/griddap/a", "", "", Access.SUBSET),
        ("https://x.org/order?id=1", "", "downloadRegistration", Access.ORDER),
        ("https://x.org/wms", "OGC:WMS", "download", None),
        ("https://x.org/viewer.html", "WWW:DOWNLOAD", "download", None),
        ("https://x.org/about", "WWW:LINK", "download", None),
        ("https://x.org/manual.pdf", "", "download", None),
        ("https://x.org/a.nc", "", "information", None),
    ],
)
def test_online_resources_are_told_apart(
    server: Loopback, url: str, protocol: str, function: str, access: Access | None
) -> None:
    found = one(server, record("a", online=transfer(url, protocol, function, "1.5")))
    assert [asset.access for asset in found.assets] == ([access] if access else [])
    assert [link.href for link in found.links] == ([] if access else [url])
    assert all(asset.extra == {"pelagos:size_about": 1_500_000} for asset in found.assets)


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "file:///etc/passwd", "ftp://x.org/a.nc", "a b", ""]
)
def test_what_is_no_web_address_is_left_out(server: Loopback, url: str) -> None:
    found = one(server, record("a", online=transfer(url, "WWW:DOWNLOAD", "download")))
    assert (found.assets, found.links) == ((), ())


def test_files_of_one_name_stay_apart(server: Loopback) -> None:
    online = "".join(transfer(f"https://x.org/{n}/a.nc") for n in (1, 2, 2))
    found = one(server, record("a", online=online))
    assert [asset.key for asset in found.assets] == ["a.nc", "a.nc-2"]


def test_a_record_without_files_says_that_it_has_no_granules(server: Loopback) -> None:
    assert not one(server, record("a")).searchable


def test_a_sources_licence_is_that_of_records_that_name_none(server: Loopback) -> None:
    assert one(server, record("a"), licence="CC-BY-4.0").licence == "CC-BY-4.0"
    constraints = (
        "<gmd:resourceConstraints><gmd:MD_LegalConstraints><gmd:otherConstraints>"
        f"{text('Ask us')}</gmd:otherConstraints></gmd:MD_LegalConstraints>"
        "</gmd:resourceConstraints>"
    )
    asked = one(server, record("a", constraints=constraints), licence="CC-BY-4.0")
    assert (asked.licence, asked.licence_text) == ("other", "Ask us")


# --- the listing


def many(count: int) -> list[bytes]:
    return [record(f"r{number}") for number in range(count)]


def test_all_pages_are_read(server: Loopback) -> None:
    records = many(45)
    found = run(server, lambda asked: get_records(records, asked))
    assert [one.id for one in found if isinstance(one, CollectionRecord)] == [
        f"r{number}" for number in range(45)
    ]
    assert len(server.requests) == 3


def test_a_record_twice_in_the_listing_is_kept_once(server: Loopback) -> None:
    records = [*many(3), record("r1")]
    found = run(server, lambda asked: get_records(records, asked))
    assert [type(one) for one in found].count(CollectionRecord) == 3
    assert found[3] == Rejected("r1", "the listing has it twice")


def test_words_of_the_settings_narrow_the_listing(server: Loopback) -> None:
    run(server, lambda asked: get_records(many(1), asked), query="sea & <ice>")
    assert b"%sea &amp; &lt;ice&gt;%" in server.requests[0].body


def listed(body: bytes, **attributes: object) -> Reply:
    given = " ".join(f'{name}="{value}"' for name, value in attributes.items())
    return Reply(
        b'<csw:GetRecordsResponse xmlns:csw="http://www.opengis.net/cat/csw/2.0.2">'
        b"<csw:SearchResults %s>%s</csw:SearchResults></csw:GetRecordsResponse>"
        % (given.encode(), body),
        "application/xml",
    )


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"numberOfRecordsMatched": 100, "nextRecord": 2}, "only records that were there before"),
        ({"numberOfRecordsMatched": 100, "nextRecord": 1}, "only records that were there before"),
        ({"numberOfRecordsMatched": 100, "nextRecord": 0}, "ended after 1 of 100 records"),
        ({"numberOfRecordsMatched": 10**11, "nextRecord": 10**10}, "there before|ended after"),
    ],
)
def test_a_listing_that_goes_in_circles_or_stops_early_spoils_the_run(
    server: Loopback, attributes: dict[str, object], reason: str
) -> None:
    with pytest.raises(SourceError, match=reason):
        run(server, listed(record("a"), **attributes))
    assert len(server.requests) <= 3


@pytest.mark.parametrize("attributes", [{}, {"numberOfRecordsMatched": "many", "nextRecord": "-1"}])
def test_a_listing_without_counts_is_one_page(
    server: Loopback, attributes: dict[str, object]
) -> None:
    assert len(run(server, listed(record("a"), **attributes))) == 1


def test_the_recorded_exception_report_is_told(server: Loopback) -> None:
    report = shared_data("services/accessor-csw/badError.xml").read_bytes()
    with pytest.raises(SourceError, match="None of the supplied parameter values are supported"):
        run(server, Reply(report, "application/xml"))


def test_capabilities_instead_of_records_are_told(server: Loopback) -> None:
    answer = shared_data("services/accessor-csw/GetCapabilities.xml").read_bytes()
    with pytest.raises(SourceError, match="it answered with Capabilities instead of records"):
        run(server, Reply(answer, "application/xml"))


def test_the_recorded_dublin_core_record_is_rejected(server: Loopback) -> None:
    answer = shared_data("services/accessor-csw/SimpleGetRecordsResponse.xml").read_bytes()
    assert run(server, Reply(answer, "application/xml")) == [
        Rejected("REC-1", "it is Record, not ISO 19139")
    ]


# --- incremental runs


def test_a_second_run_asks_for_changes_and_keeps_the_rest(server: Loopback) -> None:
    memory: dict[str, Any] = {}
    run(server, lambda asked: get_records(many(3), asked), memory)
    assert memory["ids"] == ["r0", "r1", "r2"]

    changed = [record("r1", "Another title"), record("r2", box=(0, 0, 0, 91)), record("new")]
    found = run(server, lambda asked: get_records(changed, asked), memory)
    assert b"dct:modified" in server.requests[-1].body
    # r2 is neither kept nor good: it goes
    assert [getattr(one, "id", None) for one in found] == ["r1", None, "new", None]
    assert found[-1] == Unchanged("r0")
    assert memory["ids"] == ["new", "r0", "r1"]


def test_nothing_changed_is_said_at_once(server: Loopback) -> None:
    memory: dict[str, Any] = {}
    run(server, lambda asked: get_records(many(3), asked), memory)
    assert run(server, lambda asked: get_records([], asked), memory) == [Unchanged()]


def test_deletions_are_noticed_once_a_week(server: Loopback) -> None:
    memory: dict[str, Any] = {}
    run(server, lambda asked: get_records(many(3), asked), memory)
    memory["full"] = "2020-01-01T00:00:00+00:00"
    found = run(server, lambda asked: get_records(many(2), asked), memory)
    assert [one.id for one in found if isinstance(one, CollectionRecord)] == ["r0", "r1"]
    assert memory["ids"] == ["r0", "r1"]


@pytest.mark.parametrize("full", [None, 7, "soon", "9999-01-01T00:00:00+00:00", "2020-01-01"])
def test_an_unreadable_memory_means_a_full_run(server: Loopback, full: object) -> None:
    memory = {"full": full, "since": full, "ids": []}
    assert len(run(server, lambda asked: get_records(many(2), asked), memory)) == 2
    assert b"dct:modified" not in server.requests[0].body


def test_a_server_that_can_not_tell_changes_is_listed_again(server: Loopback) -> None:
    def answer(asked: Asked) -> Reply:
        if b"dct:modified" in asked.body:
            return Reply(
                '<ows:ExceptionReport xmlns:ows="http://www.opengis.net/ows"><ows:Exception>'
                "<ows:ExceptionText>No such queryable</ows:ExceptionText></ows:Exception>"
                "</ows:ExceptionReport>",
                "application/xml",
            )
        return get_records(many(2), asked)

    memory: dict[str, Any] = {}
    run(server, answer, memory)
    assert len([one for one in run(server, answer, memory) if not isinstance(one, Rejected)]) == 2
