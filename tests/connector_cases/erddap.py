"""ERDDAP: the recorded list of a server, and the three info pages that were recorded of it."""

from __future__ import annotations

from loopback import Loopback, Reply
from pelagos.settings.sources import ErddapSource, SourceKind
from shared_data import shared_data

from connector_cases import Case, Routes

LIST = "argo/erddap/3390b5158713_index.json"
INFOS = {
    "ArgoFloats": "argo/erddap/f912c39019f2_index.json",
    "ArgoFloats-reference": "argo/erddap/f4bdba7f58e6_index.json",
    "ArgoFloats-synthetic-BGC": "argo/erddap/393550088750_index.json",
}


def source(url: str, **fields: object) -> ErddapSource:
    settings = {"rate": 100, "url": f"{url}/erddap"} | fields
    return ErddapSource(name="erddap", kind=SourceKind.ERDDAP, **settings)


def routes(server: Loopback) -> Routes:
    found: Routes = {"/erddap/info/index.json": Reply(shared_data(LIST).read_bytes())}
    for identifier, path in INFOS.items():
        page = Reply(shared_data(path).read_bytes())
        found[f"/erddap/info/{identifier}/index.json"] = page
    return found


CASES = [
    # rejected: one that needs a sign-in, 49 whose info pages were not recorded
    Case("erddap", source, routes, collections=3, granules=3, rejected=50),
    Case(
        "erddap-argo-floats",
        lambda url: source(url, datasets=["ArgoFloats", "ArgoFloats-synthetic-*"]),
        routes,
        collections=2,
        granules=2,
        conditional=True,
    ),
]
