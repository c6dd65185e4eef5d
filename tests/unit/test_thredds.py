"""THREDDS catalogues over HTTP: the recorded one, made ones with references, DAS and DDS."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from loopback import Loopback, Reply, Route, serve
from pelagos.catalogue.connectors.files import FilesConnector
from pelagos.catalogue.fetch import Fetcher
from pelagos.catalogue.fetch_network import Patience
from pelagos.catalogue.formats.opendap import parse_das, parse_dds, read_opendap
from pelagos.catalogue.formats.summary import UnreadableError
from pelagos.catalogue.records import Access, Box, CollectionRecord, GranuleRecord, Rejected
from pelagos.errors import SourceError
from pelagos.settings.sources import FilesSource, SourceKind
from shared_data import shared_data

QUICK = Patience(attempts=1)
DAS = """Attributes {
    time { String units "days since 2000-01-01"; String standard_name "time";
           Float64 actual_range 0.0, 30.5; }
    lat { String units "degrees_north"; Float32 actual_range -10.0, 10.0; }
    lon { String units "degrees_east"; Float32 actual_range 170.0, 190.0; }
    depth { String units "m"; String positive "down";
            Float64 valid_min 0.0; Float64 valid_max 500.0; }
    sst { String standard_name "sea_surface_temperature"; String units "degC";
          Int16 _FillValue -1; }
    sst_qc { String long_name "flags; \\"with\\" { braces }"; String units "1"; }
    NC_GLOBAL { String title "From <i>OPeNDAP</i>"; String license "CC-BY-4.0";
                inner { Int32 a 1; } }
}
"""
DDS = """Dataset {
    Float64 time[time = 31];
    Float32 lat[lat = 20]; Float32 lon[lon = 20]; Float64 depth[depth = 5];
    Grid { ARRAY: Int16 sst[time = 31][lat = 20][lon = 20];
      MAPS: Float64 time[time = 31]; Float32 lat[lat = 20]; Float32 lon[lon = 20]; } sst;
    Byte sst_qc[time = 31];
} made.nc;
"""


def catalogue(inner: str) -> Reply:
    head = (
        '<catalog xmlns="http://www.unidata.ucar.edu/namespaces/thredds/InvCatalog/v1.0" '
        'xmlns:xlink="http://www.w3.org/1999/xlink" name="Made">'
        '<service name="all" serviceType="Compound" base="">'
        '<service name="odap" serviceType="OPENDAP" base="/thredds/dodsC/"/>'
        '<service name="http" serviceType="HTTPServer" base="/thredds/fileServer/"/></service>'
    )
    return Reply(f"{head}{inner}</catalog>", "application/xml")


class Harvest:
    """All that a run over a server gives."""

    def __init__(self, routes: dict[str, Route], start: str = "/thredds/catalog.xml") -> None:
        self.collections: dict[str, CollectionRecord] = {}
        self.granules: dict[str, GranuleRecord] = {}
        self.rejected: dict[str, str] = {}
        with serve(routes) as server:
            self.server: Loopback = server
            source = FilesSource(
                name="tds", kind=SourceKind.FILES, url=server.url + start, rate=100.0
            )
            with Fetcher(source, patience=QUICK) as fetcher:
                self._run(FilesConnector(source, fetcher))
        self.asked = [one.path for one in server.requests]

    def _run(self, connector: FilesConnector) -> None:
        records = []
        for found in connector.collections():
            if isinstance(found, CollectionRecord):
                records.append(found)
                self._granules(connector, found)
            elif isinstance(found, Rejected):
                self.rejected[found.which] = found.reason
        first = dict(self.granules)
        for record in records:  # once more, afterwards: the same
            self._granules(connector, record)
        assert self.granules == first

    def _granules(self, connector: FilesConnector, record: CollectionRecord) -> None:
        assert record.id not in self.collections or self.collections[record.id] == record
        self.collections[record.id] = record
        for found in connector.granules(record):
            if isinstance(found, GranuleRecord):
                self.granules[found.id] = found
            elif isinstance(found, Rejected):
                self.rejected[found.which] = found.reason


def test_the_recorded_catalogue() -> None:
    recording = (shared_data("services/accessor-thredds") / "waves.xml").read_bytes()
    found = Harvest({"/thredds/catalog.xml": Reply(recording, "application/xml")})
    (record,) = found.collections.values()
    (granule,) = found.granules.values()
    assert found.rejected == {}
    assert (record.id, record.title) == ("waves", "Waves")
    assert record.description.startswith("Maps of wave parameters relevant for marine energy")
    assert record.boxes == (Box(-6.3, 43.3, 3.0, 51.6),)
    assert record.interval is not None
    assert record.interval.start == datetime(1994, 1, 1, tzinfo=UTC)
    assert record.interval.end == datetime(2012, 12, 31, 23, tzinfo=UTC)
    assert "provided free of charge" in record.licence_text
    assert "Renewable energy" in record.keywords
    assert {(one.name.split()[0], one.roles[0]) for one in record.providers} == {
        ("Prof.", "producer"), ("Lionel", "producer"), ("MINES", "host"),
    }  # fmt: skip
    assert any(link.href.endswith("/iremare") for link in record.links)
    assert (granule.id, granule.title) == ("waves/wave_t0m1_maps.nc", "wave_t0m1_maps.nc")
    assert (granule.box, granule.start) == (record.boxes[0], record.interval.start)
    assert granule.updated == datetime(2021, 3, 22, 20, 13, 13, tzinfo=UTC)
    assets = {one.key: one for one in granule.assets}
    assert assets["data"].href == f"{found.server.url}/thredds/fileServer/waves/wave_t0m1_maps.nc"
    assert (assets["data"].size, assets["data"].extra) == (
        None,
        {"pelagos:approximate_size": 48_730_000},
    )
    assert assets["data"].type == "application/x-netcdf"
    assert assets["opendap"].href == f"{found.server.url}/thredds/dodsC/waves/wave_t0m1_maps.nc"
    assert assets["opendap"].access is Access.SUBSET


def test_what_the_xml_lacks_is_asked_of_opendap() -> None:
    leaf = (
        '<dataset name="made.nc" ID="made" urlPath="a/made.nc">'
        "<serviceName>all</serviceName></dataset>"
    )
    found = Harvest({
        "/thredds/catalog.xml": catalogue(f'<dataset name="Set" ID="set">{leaf}</dataset>'),
        "/thredds/dodsC/a/made.nc.das": Reply(DAS, "text/plain"),
        "/thredds/dodsC/a/made.nc.dds": Reply(DDS, "text/plain"),
    })  # fmt: skip
    record, granule = found.collections["set"], found.granules["made"]
    assert (record.title, record.licence) == ("Set", "CC-BY-4.0")
    assert granule.box == record.boxes[0] == Box(170, -10, -170, 10)
    assert granule.start == datetime(2000, 1, 1, tzinfo=UTC)
    assert granule.end == datetime(2000, 1, 31, 12, tzinfo=UTC)
    assert granule.depth == (0, 500)
    assert [(one.standard_name, one.units) for one in record.parameters] == [
        ("sea_surface_temperature", "degC")
    ]
    # once per data set and pass
    assert found.asked.count("/thredds/dodsC/a/made.nc.das") == 1


def test_references_are_followed_once_whatever_they_say() -> None:
    def referring(*hrefs: str) -> Reply:
        inner = "".join(f'<catalogRef xlink:href="{href}" name="x"/>' for href in hrefs)
        return catalogue(
            inner + '<dataset name="S"><dataset name="d.nc" urlPath="d.nc"><serviceName>http'
            "</serviceName></dataset></dataset>"
        )

    found = Harvest({
        "/thredds/catalog.xml": referring(
            "sub/catalog.xml", "/thredds/sub/catalog.html", "gone.xml"
        ),
        "/thredds/sub/catalog.xml": referring("../catalog.xml", "catalog.xml#x", "deeper/c.xml"),
        "/thredds/sub/deeper/c.xml": referring("../../catalog.xml", "http://192.0.2.1/catalog.xml"),
    })  # fmt: skip
    assert len(found.collections) == 3  # the same name three times
    assert next(iter(found.collections)) == "S"
    assert len(found.rejected) == 2
    reasons = " ".join(f"{which} {reason}" for which, reason in found.rejected.items())
    assert "gone.xml" in reasons
    assert "192.0.2.1" in reasons


def test_nested_metadata_and_direct_data_sets() -> None:
    meta = (
        '<metadata inherited="true"><serviceName>all</serviceName>'
        "<timeCoverage><start>2020-01-01</start><duration>10 days</duration></timeCoverage>"
        "</metadata>"
    )
    box = (
        '<geospatialCoverage zpositive="up"><northsouth><start>-90</start>'
        "<size>180</size></northsouth><eastwest><start>0</start><size>360</size></eastwest>"
        "<updown><start>-100</start><size>90</size><units>m</units></updown></geospatialCoverage>"
    )
    inner = (
        f'<dataset name="Outer" ID="o">{meta}<dataset name="Inner" ID="i"><variables>'
        '<variable name="t" vocabulary_name="sea_water_temperature" units="K"/></variables>'
        f'<dataset name="a.nc" urlPath="a.nc">{box}<dataSize units="bytes">123</dataSize></dataset>'
        '<dataset name="none"/></dataset></dataset><dataset name="top.nc" urlPath="top.nc">'
        "<serviceName>http</serviceName></dataset>"
    )
    found = Harvest({"/thredds/catalog.xml": catalogue(inner)})
    assert list(found.collections) == ["Made", "i"]
    assert [one.standard_name for one in found.collections["i"].parameters] == [
        "sea_water_temperature"
    ]
    granule = found.granules["a.nc"]
    assert granule.box == Box(-180, -90, 180, 90)
    assert granule.depth == (10, 100)
    assert granule.end == datetime(2020, 1, 11, tzinfo=UTC)
    assert granule.assets[0].size == 123
    assert [one.key for one in found.granules["top.nc"].assets] == ["data"]


@pytest.mark.parametrize(
    ("leaf", "reason"),
    [
        ('<dataset name="a" urlPath="a.nc"/>', "neither OPeNDAP nor HTTP"),
        ('<dataset name="a" ID="a.nc" urlPath="a.nc"><serviceName>http</serviceName>'
         "<geospatialCoverage><northsouth><start>80</start><size>20</size></northsouth>"
         "<eastwest><start>0</start><size>1</size></eastwest></geospatialCoverage></dataset>",
         "latitude"),
        ('<dataset name="a" urlPath="a.nc"><serviceName>http</serviceName><timeCoverage>'
         "<start>9999-99-99</start></timeCoverage></dataset>", "no time"),
    ],
)  # fmt: skip
def test_a_bad_data_set_is_rejected_alone(leaf: str, reason: str) -> None:
    good = '<dataset name="b" urlPath="b.nc"><serviceName>http</serviceName></dataset>'
    found = Harvest(
        {"/thredds/catalog.xml": catalogue(f'<dataset name="S">{leaf}{good}</dataset>')}
    )
    assert list(found.granules) == ["b.nc"]
    assert reason in found.rejected["a.nc"]


def test_an_opendap_service_that_fails_is_left_alone() -> None:
    leaves = "".join(
        f'<dataset name="{n}" urlPath="{n}.nc"><serviceName>all</serviceName></dataset>'
        for n in range(20)
    )
    found = Harvest({"/thredds/catalog.xml": catalogue(f'<dataset name="S">{leaves}</dataset>')})
    assert len(found.granules) == 20
    assert sum(path.endswith(".das") for path in found.asked) == 5
    assert "did not answer" in found.granules["7.nc"].properties["pelagos:notes"][0]


@pytest.mark.parametrize(
    "reply",
    [
        Reply("<html><body>Sign in</body></html>", "text/html"),
        Reply("<catalog><dataset></catalog>", "application/xml"),
        Reply("", "application/xml"),
        Reply("<other/>", "application/xml"),
        Reply('<!DOCTYPE c [<!ENTITY a "b">]><catalog>&a;</catalog>', "application/xml"),
        Reply("gone", "text/plain", 500),
    ],
)
def test_a_first_catalogue_that_is_none_ends_the_run(reply: Reply) -> None:
    with pytest.raises(SourceError):
        Harvest({"/thredds/catalog.xml": reply})


def test_deep_nesting_ends() -> None:
    inner = "<dataset name='d'>" * 220 + "</dataset>" * 220
    assert Harvest({"/thredds/catalog.xml": catalogue(inner)}).collections == {}


# DAS and DDS


def test_das_values_have_their_types() -> None:
    found = parse_das(DAS)
    assert found["lon"]["actual_range"] == [170, 190]
    assert found["sst"]["_FillValue"] == -1
    assert found["sst_qc"]["long_name"] == 'flags; "with" { braces }'
    assert found["NC_GLOBAL"]["inner.a"] == 1


def test_dds_takes_the_array_of_a_grid() -> None:
    assert parse_dds(DDS)["sst"] == (("time", "lat", "lon"), (31, 20, 20), True)


@pytest.mark.parametrize(
    "das",
    ["", "Error { code = 404; };", "Attributes {", "Attributes { a {", "Attributes { a b; }",
     'Attributes { a { String b "c', "Attributes { a { String b { ",
     "Attributes { a { String b } }", "Attributes {" + "a {" * 50 + "}" * 51],
)  # fmt: skip
def test_a_broken_das_is_unreadable(das: str) -> None:
    with pytest.raises(UnreadableError):
        read_opendap(das, "")


def test_numbers_that_are_none_do_no_harm() -> None:
    das = """Attributes {
      lat { String units "degrees_north"; Float32 actual_range NaN, 91.0; }
      lon { String units "degrees_east"; Float32 actual_range 1e400, -1e400; }
      time { String units "days since 1950-01-01"; Float64 actual_range 1e300, 1e301; }
      v { String long_name "V"; String units "1"; Float32 valid_min abc; } }"""
    found: Any = read_opendap(das, "")
    assert (found.box, found.start, found.end) == (None, "", "")
    assert [one.name for one in found.parameters] == ["V"]
