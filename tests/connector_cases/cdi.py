"""SeaDataNet CDI: recorded records, in a list of addresses and in one document."""

from __future__ import annotations

from loopback import Loopback, Reply
from pelagos.settings.sources import CdiSource, SourceKind

from connector_cases import Case, Routes
from connector_cases.csw import recorded

FOLDER = "services/accessor-cdi"
AGGREGATED = f"{FOLDER}/cdiExample.xml"
SINGLE = f"{FOLDER}/cdiValidationTest-good.xml"
INVALID = [
    f"{FOLDER}/invalid/{name}"
    for name in (
        "cdiValidationTest-wrong-schematron.xml",
        "cdiValidationTest-wrong-xsd.xml",
        "csrValidationTest-wrong-schematron.xml",
        "csrValidationTest-wrong-xsd.xml",
    )
]


def source(url: str, **fields: object) -> CdiSource:
    fields = {"rate": 100} | fields
    return CdiSource(name="test", kind=SourceKind.CDI, url=f"{url}/aggregation", **fields)


def document(*records: bytes) -> Reply:
    return Reply(b"<?xml version='1.0'?><all>%s</all>" % b"".join(records), "application/xml")


def addresses(*urls: str) -> Reply:
    listed = "".join(f"<cdiUrl>{url}</cdiUrl>" for url in urls)
    return Reply(f'<?xml version="1.0"?><cdi xmlns="urn:x">{listed}</cdi>', "application/xml")


def _document(server: Loopback) -> Routes:
    names = (AGGREGATED, SINGLE, *INVALID)
    return {"/aggregation": document(*(recorded(name) for name in names))}


def _addresses(server: Loopback) -> Routes:
    return {
        "/aggregation": addresses(f"{server.url}/1/xml", f"{server.url}/2/xml"),
        "/1/xml": Reply(recorded(AGGREGATED), "application/xml"),
        "/2/xml": Reply(recorded(SINGLE), "application/xml"),
    }


CASES = [
    # of the invalid ones, two are the same record once more, and two are cruise reports
    Case("cdi-document", source, _document, 2, 2, rejected=4, conditional=True, single=True),
    Case("cdi-addresses", source, _addresses, 2, 2, conditional=True),
]
