"""Argo's profile index: the recorded part of the global one, plain and packed."""

from __future__ import annotations

import gzip

from loopback import Loopback, Reply
from pelagos.settings.sources import ArgoIndexSource, SourceKind
from shared_data import shared_data

from connector_cases import Case, Routes

RECORDING = "argo/gdac-index/ar_index_global_prof.txt"
FILES = "https://gdac.example.org/dac"


def source(url: str, name: str = "index.txt", **fields: object) -> ArgoIndexSource:
    settings = {"rate": 100, "url": f"{url}/{name}", "files": FILES} | fields
    return ArgoIndexSource(name="argo", kind=SourceKind.ARGO_INDEX, **settings)


def _plain(server: Loopback) -> Routes:
    return {"/index.txt": Reply(shared_data(RECORDING).read_bytes(), "text/plain")}


def _packed(server: Loopback) -> Routes:
    packed = gzip.compress(shared_data(RECORDING).read_bytes())
    return {"/index.txt.gz": Reply(packed, "application/gzip")}


CASES = [
    Case("argo-index", source, _plain, collections=1, granules=2702, conditional=True),
    Case(
        "argo-index-packed",
        lambda url: source(url, "index.txt.gz"),
        _packed,
        collections=1,
        granules=2702,
        conditional=True,
    ),
]
