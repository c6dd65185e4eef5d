"""EurOBIS' descriptions of two data sets, recorded: one in Turtle, one in expanded JSON-LD."""

from __future__ import annotations

from loopback import Loopback, Reply
from pelagos.settings.sources import DcatSource, SourceKind
from shared_data import shared_data

from connector_cases import Case, Routes

TURTLE = "services/accessor-eurobis/haltingturtle.ttl"
JSON = "services/accessor-eurobis/dataset.json"
DCAT = "@prefix dcat: <http://www.w3.org/ns/dcat#> . @prefix dct: <http://purl.org/dc/terms/> .\n"


def catalogue(server: Loopback, *names: str) -> None:
    """A list made here, in the form that EurOBIS' is documented to have (dcat:dataset)."""
    listed = ", ".join(f"<{server.url}/id/dataset/{name}>" for name in names)
    server.routes["/619.ttl"] = Reply(f"{DCAT}<> dcat:dataset {listed} .", "text/turtle")


def _source(url: str) -> DcatSource:
    return DcatSource(name="test", kind=SourceKind.DCAT, url=f"{url}/619.ttl", rate=100)


def _routes(server: Loopback) -> Routes:
    catalogue(server, "466", "2775")
    return server.routes | {
        "/id/dataset/466.ttl": Reply(shared_data(TURTLE).read_bytes(), "text/turtle"),
        "/id/dataset/2775.ttl": Reply(shared_data(JSON).read_bytes()),
    }


CASES = [Case("dcat", _source, _routes, collections=2, granules=1, conditional=True)]
