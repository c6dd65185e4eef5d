"""Files: the starter source, recorded folders, and a recorded THREDDS catalogue."""

from __future__ import annotations

from loopback import Loopback, Reply
from pelagos.settings.sources import CatalogueSettings, FilesSource, Source, SourceKind
from shared_data import shared_data

from connector_cases import Case, Routes

REFERRING = """<catalog xmlns="http://www.unidata.ucar.edu/namespaces/thredds/InvCatalog/v1.0"
 xmlns:xlink="http://www.w3.org/1999/xlink"><catalogRef xlink:href="waves.xml" name="Waves"/>
 <catalogRef xlink:href="catalog.xml" name="itself"/></catalog>"""


# made: no recording has them
DAS = """Attributes { t0m1 { String long_name "Mean wave period"; String units "s"; }
 NC_GLOBAL { String title "Waves"; } }"""
DDS = "Dataset { Float32 t0m1[lat = 4150][lon = 4650]; } wave_t0m1_maps.nc;"
WAVES = "/thredds/dodsC/waves/wave_t0m1_maps.nc"


def starter(url: str) -> Source:
    return CatalogueSettings().sources[0]


def folder(name: str) -> FilesSource:
    return FilesSource(name="test", kind=SourceKind.FILES, path=str(shared_data(name)))


def thredds(url: str) -> FilesSource:
    return FilesSource(
        name="test", kind=SourceKind.FILES, url=f"{url}/thredds/catalog.xml", rate=100
    )


def _none(server: Loopback) -> Routes:
    return {}


def _waves(server: Loopback) -> Routes:
    recording = shared_data("services/accessor-thredds") / "waves.xml"
    return {
        "/thredds/catalog.xml": Reply(recording.read_bytes(), "application/xml"),
        f"{WAVES}.das": Reply(DAS, "text/plain"),
        f"{WAVES}.dds": Reply(DDS, "text/plain"),
    }


def _referring(server: Loopback) -> Routes:
    routes = _waves(server)
    return routes | {
        "/thredds/catalog.xml": Reply(REFERRING, "application/xml"),
        "/thredds/waves.xml": routes["/thredds/catalog.xml"],
    }


CASES = [
    Case("files-starter", starter, _none, 4, 6, conditional=True, remote=False),
    Case(
        "files-argo", lambda _: folder("argo/gdac"), _none, 1, 58, conditional=True, remote=False
    ),
    Case(
        "files-seadatanet", lambda _: folder("seadatanet"), _none, 1, 3, rejected=1,
        conditional=True, remote=False,
    ),
    Case("files-thredds", thredds, _waves, 1, 1),
    Case("files-thredds-references", thredds, _referring, 1, 1),
]  # fmt: skip
