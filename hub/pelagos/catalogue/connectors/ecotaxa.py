"""EcoTaxa, by its REST API: projects of plankton images, and their samples.

A project that anybody may see is a collection, a sample of it a granule. The service exports
objects by a job: the asset `export` is to be ordered. Verified against: the API's own description
(version 0.0.45, openapi.json) and a sample project as people exchange it; no recording of answers
exists here. The API gives no extent of a project: it is that of its samples.

The asset says in `pelagos:order` how it is ordered; the service wants a token of a user
(`Authorization: Bearer …`) for it:

- `protocol`: `ecotaxa`; `create`: POST `body` as JSON to `url`. `job` names where the answer has
  the job's number; `errors` where it says why there is none.
- `box`, `start`, `end`, `depth`: fields of `body.filters` that cut: four texts in degrees
  (north, west, east, south; all or none), days, and least and greatest depth in metres.
- `poll`: GET `url` with the number in place of `{job}`, until `state` stands in `done`; `failed`
  and `asks` are states that end it (`asks`: it waits for an answer of its owner).
- `fetch`: GET `url` gives the result, of media type `type`.
- `columns`: where the tables of the result have longitude, latitude, date, time and depths.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

from pelagos.catalogue.connectors import rest
from pelagos.catalogue.connectors.base import Connector
from pelagos.catalogue.fetch import FetchError
from pelagos.catalogue.geometry import hull
from pelagos.catalogue.markup import plain_text
from pelagos.catalogue.records import (
    TITLE_LIMIT,
    Access,
    Asset,
    Box,
    CollectionRecord,
    GranuleRecord,
    Link,
    Provider,
    RecordError,
    Rejected,
    Unchanged,
)
from pelagos.catalogue.rights import licence
from pelagos.catalogue.values import parse_moment, parse_point
from pelagos.settings.sources import EcotaxaSource, SourceKind

_PAGE = 100  # projects in one answer
_VISIBLE = {"1", "2"}  # "0" is private
_COLUMN_CODE = re.compile(r"[nt]\d{2,3}", re.ASCII)  # where a mapping gives no value
_MOMENT = re.compile(r"(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d)", re.ASCII)


class EcotaxaConnector(Connector[EcotaxaSource]):
    """Reads EcoTaxa: see the module."""

    kind: ClassVar[SourceKind] = SourceKind.ECOTAXA
    _latest: tuple[str, list[Any]] = ("", [])  # a project and its samples: asked for twice

    def collections(self) -> Iterator[CollectionRecord | Rejected | Unchanged]:
        """All projects that anybody may see."""
        paging = rest.Paging(self.source.name)
        while True:
            answer = self.fetch.get(
                self._address("projects/search"),
                params={
                    "not_granted": "true",  # nobody is signed in, so nothing is granted
                    "order_field": "projid",
                    "window_start": str(paging.read),
                    "window_size": str(_PAGE),
                },
            )
            found = rest.listed(answer.url, answer.json())
            for position, record in enumerate(found, start=paging.read + 1):
                yield self._project(record, position, paging)
            paging.page(len(found))
            if len(found) < _PAGE:
                return

    def granules(
        self, collection: CollectionRecord
    ) -> Iterator[GranuleRecord | Rejected | Unchanged]:
        """All samples of a project."""
        seen: set[str] = set()
        for position, sample in enumerate(self._samples(collection.id), start=1):
            try:
                identifier = str(rest.count(sample, "sampleid") or "")
                if identifier in seen:
                    raise RecordError("sampleid: another sample has it already")
                seen.add(identifier)
                yield self._sample(sample, identifier, collection)
            except RecordError as error:
                yield Rejected(rest.which(sample, "sampleid", position), str(error))

    def _address(self, path: str) -> str:
        return f"{self.source.url.rstrip('/')}/{path}"

    def _samples(self, project: str) -> list[Any]:
        if self._latest[0] != project:
            answer = self.fetch.get(
                self._address("samples/search"), params={"project_ids": project, "id_pattern": "*"}
            )
            self._latest = (project, rest.listed(answer.url, answer.json()))
        return self._latest[1]

    def _project(
        self, record: Any, position: int, paging: rest.Paging
    ) -> CollectionRecord | Rejected:
        try:
            identifier = str(rest.count(record, "projid") or "")
            if not paging.new(identifier or f"project {position}"):
                raise RecordError("projid: another project has it already")
            if rest.text(record, "access") not in _VISIBLE:
                raise RecordError("access: the project is private")
            return self._collection(record, identifier)
        except RecordError as error:
            return Rejected(rest.which(record, "projid", position), str(error))

    def _collection(self, record: rest.Record, identifier: str) -> CollectionRecord:
        spdx, licence_text = licence((rest.text(record, "license"),), self.source.licence)
        instrument = plain_text(rest.text(record, "instrument"))
        term = rest.web(rest.text(record, "instrument_url"))
        objects = rest.count(record, "objcount")
        assets = () if objects == 0 else (self._export("all", identifier, {}, "All objects"),)
        return CollectionRecord(
            id=identifier,
            title=plain_text(rest.text(record, "title"), TITLE_LIMIT),
            description=plain_text(rest.text(record, "comments")),
            licence=spdx,
            licence_text=licence_text,
            providers=_providers(record),
            instruments=(instrument,) if instrument and instrument != "?" else (),
            boxes=self._extent(identifier),
            assets=assets,
            links=(Link("about", term, title=instrument),) if term else (),
            extra={} if objects is None else {"pelagos:objects": objects},
        )

    def _extent(self, project: str) -> tuple[Box, ...]:
        try:
            samples = self._samples(project)
        except FetchError as error:
            if error.status in (401, 403, 404):
                raise RecordError(f"its samples may not be seen (HTTP {error.status})") from error
            raise
        places = []
        for sample in samples:
            try:
                place = _place(sample)
            except RecordError:
                continue  # reported as a granule
            if place is not None:
                places.append(place)
        return (hull(places),) if places else ()

    def _sample(
        self, sample: rest.Record, identifier: str, collection: CollectionRecord
    ) -> GranuleRecord:
        name = plain_text(rest.text(sample, "orig_id"))
        free = _free_columns(sample)
        moment = _moment(free.get("sampledatetime", ""))
        return GranuleRecord(
            id=identifier,
            title=plain_text(name or f"Sample {identifier}", TITLE_LIMIT),
            box=_place(sample),
            start=moment,
            end=moment,
            platform=plain_text(free.get("ship", ""), 200),
            words=tuple(
                filter(None, (plain_text(free.get(k, "")) for k in ("cruise", "stationid")))
            ),
            assets=(self._export("export", collection.id, {"samples": identifier}, "Its objects"),),
            properties={"ecotaxa:project": collection.id},
        )

    def _export(self, key: str, project: str, filters: dict[str, str], title: str) -> Asset:
        return Asset(
            key=key,
            href=self._address("object_set/export/general"),
            type="application/zip",
            title=f"{title}, as tables and images",
            access=Access.ORDER,
            extra={"pelagos:order": self._order(project, filters)},
        )

    def _order(self, project: str, filters: dict[str, str]) -> dict[str, Any]:
        return {
            "protocol": "ecotaxa",
            "create": {
                "url": self._address("object_set/export/general"),
                "body": {
                    "filters": filters,
                    "request": {
                        "project_id": int(project),
                        "split_by": "sample",
                        "with_images": "none",
                    },
                },
                "job": "job_id",
                "errors": "errors",
            },
            "box": ["MapN", "MapW", "MapE", "MapS"],
            "start": "fromdate",
            "end": "todate",
            "depth": ["depthmin", "depthmax"],
            "poll": {
                "url": self._address("jobs/{job}/"),
                "state": "state",
                "done": ["F"],
                "failed": ["E"],
                "asks": ["A"],
            },
            "fetch": {"url": self._address("jobs/{job}/file"), "type": "application/zip"},
            "columns": {
                "longitude": "object_lon",
                "latitude": "object_lat",
                "date": "object_date",
                "time": "object_time",
                "depth": ["object_depth_min", "object_depth_max"],
            },
        }


def _providers(record: rest.Record) -> tuple[Provider, ...]:
    """The organisations of its contact and managers; people's names and addresses stay there."""
    people = [rest.at(record, "contact") or {}, *rest.entries(record, "managers")]
    names = (plain_text(rest.text(person, "organisation")) for person in people)
    return tuple(Provider(name, ("producer",)) for name in dict.fromkeys(filter(None, names)))


def _place(sample: Any) -> Box | None:
    east, north = rest.number(sample, "longitude"), rest.number(sample, "latitude")
    return None if east is None or north is None else parse_point(east, north)


def _free_columns(sample: rest.Record) -> dict[str, str]:
    """A project's own columns of samples. Some answers have a column's code for a value."""
    found = {
        key: rest.text(sample, "free_columns", key)
        for key in ("sampledatetime", "ship", "cruise", "stationid")
    }
    return {key: value for key, value in found.items() if not _COLUMN_CODE.fullmatch(value)}


def _moment(text: str) -> Any:
    """A time as instruments write it: 20200205-111218, UTC."""
    found = _MOMENT.fullmatch(text)
    return parse_moment("{}{}{}T{}{}{}Z".format(*found.groups())) if found else None
