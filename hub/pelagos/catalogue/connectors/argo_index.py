"""The profile index of an Argo GDAC (ar_index_global_prof.txt, plain or gzip): 3 million lines.

Format: Argo user's manual, section "Index files". One collection, `profiles`, for a scientist
searches the ocean and not a data centre; one granule for each profile, `<float>_<cycle>`, with a D
at the end for a descending one. So a profile keeps its identifier when its real-time file (R…) is
replaced by the delayed-mode one (D…).

Properties of a granule: `argo:cycle` (number), `argo:direction` (ascending, descending),
`argo:mode` (real-time, delayed: of the file; a real-time file may hold adjusted values),
`argo:dac`, `argo:institution`, `argo:ocean`, `argo:profiler_type` (codes as the index has them).
Lines without position or date (blank, 99999, -99.999, -999.999) give granules without place or
time; `memory` counts them. The collection's own extents are those that the last run saw.

Verified against a recording of 2,702 lines of the global index.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pelagos.catalogue.connectors.argo_profiles import (
    ProfileReader,
    moment,
    read_header,
    read_lines,
)
from pelagos.catalogue.connectors.argo_terms import PARAMETERS
from pelagos.catalogue.connectors.base import Connector
from pelagos.catalogue.records import (
    Asset,
    Box,
    CollectionRecord,
    GranuleRecord,
    Interval,
    Provider,
    Rejected,
    Unchanged,
)
from pelagos.errors import SourceError
from pelagos.settings.sources import ArgoIndexSource, SourceKind

logger = logging.getLogger(__name__)

COLLECTION = "profiles"
_DOI = "10.17882/42182"
_CITATION = (
    "Argo (2000). Argo float data and metadata from Global Data Assembly Centre (Argo GDAC). "
    "SEANOE. https://doi.org/10.17882/42182"
)
_DESCRIPTION = (
    "Temperature and salinity against pressure, measured by the autonomous floats of the Argo "
    "programme: one granule for each profile in the index of the Global Data Assembly Centre, in "
    "real time or, after expert control, in delayed mode."
)


class ArgoIndexConnector(Connector[ArgoIndexSource]):
    """Reads the index; asks for it only if it changed (ETag, Last-Modified, its own date)."""

    kind = SourceKind.ARGO_INDEX

    def collections(self) -> Iterator[CollectionRecord | Rejected | Unchanged]:
        """The one collection. Raises SourceError if the address has no profile index."""
        known = dict(self.memory.get("known", {}))  # a copy: the whole is read by `granules`
        with self.fetch.stream(self.source.url, known=known) as pieces:
            header = None if pieces is None else read_header(read_lines(pieces), self.source.url)
        if header is None or header["Date of update"] == self.memory.get("updated"):
            yield Unchanged()
            return
        yield self._collection(moment(header["Date of update"]))

    def granules(
        self, collection: CollectionRecord
    ) -> Iterator[GranuleRecord | Rejected | Unchanged]:
        """All profiles, in the index's order. Raises SourceError if there is none at all."""
        known: dict[str, str] = {}
        with self.fetch.stream(self.source.url, known=known) as pieces:
            if pieces is None:  # it was asked for without conditions
                raise SourceError(f"{self.source.url}: answered that nothing changed")
            lines = read_lines(pieces)
            header = read_header(lines, self.source.url)
            reader = ProfileReader(self.source.files, moment(header["Date of update"]))
            for number, line in enumerate(lines, start=int(header["lines"]) + 1):
                if line:
                    yield reader.read(number, line)
        if not reader.profiles:
            raise SourceError(
                f"{self.source.url}: no profile can be read from it",
                "The profiles of the last run are kept. Open the address in a browser.",
            )
        self.memory["known"] = known
        self.memory["updated"] = header["Date of update"]
        self.memory["seen"] = seen = reader.seen()
        logger.info("%s: %s", self.source.name, seen["counts"])

    def _collection(self, updated: datetime | None) -> CollectionRecord:
        seen: dict[str, Any] = self.memory.get("seen", {})
        box = Box(*seen["box"]) if seen.get("box") else Box(-180, -90, 180, 90)
        start, end = (
            datetime.fromisoformat(text) if text else None
            for text in seen.get("interval", (None, None))
        )
        return CollectionRecord(
            id=COLLECTION,
            title="Argo float profiles",
            description=_DESCRIPTION,
            licence=self.source.licence or "CC-BY-4.0",
            providers=(Provider("Argo", ("producer", "licensor")),),
            keywords=("Argo", "profiling floats", "temperature", "salinity", "CTD profiles"),
            parameters=PARAMETERS,
            platforms=("Argo float",),
            instruments=tuple(seen.get("instruments", ())),
            boxes=(box,),
            interval=Interval(start, end or updated),
            doi=_DOI,
            citation=_CITATION,
            assets=(
                Asset("index", self.source.url, "text/plain", "Profile index", roles=("metadata",)),
            ),
            updated=updated,
        )
