"""Argo's fleet monitoring (Euro-Argo): floats, each with its track, sensors and data files.

`platformCodes` lists the WMO numbers, `floats/NUMBER` describes one: 0.3 MB each, so a whole fleet
takes hours. Verified against: recording (descriptions of floats); the list by documentation only
(Swagger of the service). All floats are one collection; a float is a granule, whose file is the
one with all its profiles in the folder `dac` of a GDAC (Argo user's manual 3.41, section 1.3).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, ClassVar

from pelagos.catalogue.connectors import rest
from pelagos.catalogue.connectors.base import Connector
from pelagos.catalogue.fetch import FetchError
from pelagos.catalogue.geometry import hull
from pelagos.catalogue.markup import plain_text
from pelagos.catalogue.records import (
    TITLE_LIMIT,
    Asset,
    CollectionRecord,
    GranuleRecord,
    Link,
    Parameter,
    RecordError,
    Rejected,
    Unchanged,
)
from pelagos.catalogue.rights import licence
from pelagos.catalogue.values import parse_moment, parse_point
from pelagos.settings.sources import ArgoFleetSource, SourceKind

_WMO = re.compile(r"\d{5,7}", re.ASCII)
_DESCRIPTION_LIMIT = 16 * 2**20  # bytes
# Argo reference table 4 -> folder of the GDAC
_FOLDERS = {
    "AO": "aoml",
    "BO": "bodc",
    "CI": "meds",
    "CS": "csiro",
    "HZ": "csio",
    "IF": "coriolis",
    "IN": "incois",
    "JA": "jma",
    "KM": "kma",
    "KO": "kordi",
    "ME": "meds",
    "NM": "nmdis",
}
# how the service writes what a float measures, with the CF name of Argo reference table 3
_STANDARD_NAMES = {
    "SUBSURFACE PRESSURE": "sea_water_pressure",
    "SUBSURFACE TEMPERATURE": "sea_water_temperature",
    "SUBSURFACE SALINITY": "sea_water_salinity",
    "OXYGEN": "moles_of_oxygen_per_unit_mass_in_sea_water",
}


class ArgoFleetConnector(Connector[ArgoFleetSource]):
    """Reads the fleet monitoring: see the module."""

    kind: ClassVar[SourceKind] = SourceKind.ARGO_FLEET

    def collections(self) -> Iterator[CollectionRecord | Rejected | Unchanged]:
        """The one collection, of all floats."""
        spdx, terms = licence((), self.source.licence)
        yield CollectionRecord(
            id="floats",
            title=f"{self.source.title or self.source.name}: floats",
            description="Profiling floats of Argo, each with all its profiles in one file.",
            licence=spdx,
            licence_text=terms,
            keywords=("Argo", "profiling floats"),
        )

    def granules(
        self, collection: CollectionRecord
    ) -> Iterator[GranuleRecord | Rejected | Unchanged]:
        """All floats."""
        paging = rest.Paging(self.source.name)
        address = self._address("platformCodes")
        codes = rest.listed(address, self.fetch.get(address).json())
        for position, code in enumerate(codes, start=1):
            try:
                wmo = rest.text({"code": code}, "code")
                if not _WMO.fullmatch(wmo):
                    raise RecordError(f"{wmo[:20]!r} is no WMO number")
                if not paging.new(wmo):
                    raise RecordError("the list has it already")
                yield self._float(self._description(wmo), wmo)
            except RecordError as error:
                yield Rejected(str(code)[:100] or f"code {position}", str(error))

    def _address(self, path: str) -> str:
        return f"{self.source.url.rstrip('/')}/{path}"

    def _description(self, wmo: str) -> Any:
        try:
            return self.fetch.get(self._address(f"floats/{wmo}"), limit=_DESCRIPTION_LIMIT).json()
        except FetchError as error:
            if error.status >= 500 or error.again:  # the service, not this float
                raise
            raise RecordError(str(error)) from error

    def _float(self, record: rest.Record, wmo: str) -> GranuleRecord:
        if rest.text(record, "wmo") != wmo:
            raise RecordError(f"wmo: {rest.text(record, 'wmo')[:20]!r} was given for {wmo}")
        track = _track(record)
        fixes = [parse_point(east, north) for _, east, north in track]
        times = [time for time, _, _ in track if time is not None]
        kind = plain_text(rest.text(record, "platform", "type"), 100)
        projects = tuple(map(plain_text, rest.texts(record, "projects")))
        return GranuleRecord(
            id=wmo,
            title=" ".join(filter(None, ("Argo float", wmo, kind, *projects)))[:TITLE_LIMIT],
            box=hull(fixes) if fixes else None,
            geometry=_line(track),
            start=min(times, default=None),
            end=max(times, default=None),
            depth=_depth(record, track),
            platform=wmo,
            instruments=_instruments(record, kind),
            parameters=tuple(
                Parameter(plain_text(name), _STANDARD_NAMES.get(name, ""))
                for name in rest.texts(record, "variables")
            ),
            words=tuple(filter(None, map(plain_text, _words(record)))),
            assets=self._assets(record, wmo),
            links=(Link("via", self._address(f"floats/{wmo}"), "application/json"),),
            properties={"argo:networks": list(rest.texts(record, "networks"))},
        )

    def _assets(self, record: rest.Record, wmo: str) -> tuple[Asset, ...]:
        center = rest.text(record, "dataCenter", "code")
        if center not in _FOLDERS:
            raise RecordError(f"dataCenter.code: {center[:20]!r} has no folder in the GDAC")
        folder = f"{self.source.files.rstrip('/')}/{_FOLDERS[center]}/{wmo}"
        files = [Asset("meta", f"{folder}/{wmo}_meta.nc", _NETCDF, "Metadata", roles=("metadata",))]
        if rest.values(record, "cycles"):
            files.insert(0, Asset("profiles", f"{folder}/{wmo}_prof.nc", _NETCDF, "All profiles"))
        return tuple(files)


_NETCDF = "application/x-netcdf"
_BAD = (4.0, 9.0)  # Argo reference table 2: bad, missing
Fix = tuple[datetime | None, float, float]  # time, longitude, latitude


def _track(record: rest.Record) -> list[Fix]:
    """Where it was launched and where its cycles ended. Zero is a longitude, null is none."""
    launch = rest.at(record, "deployment")
    found = [_fix(launch, "launchDate", "qc", "qc")]
    for cycle in rest.entries(record, "cycles"):
        found.append(_fix(cycle, "startDate", "positionQc", "dateQc"))
    fixes = [fix for fix in found if fix is not None]
    return sorted(fixes, key=lambda fix: fix[0] or datetime.max.replace(tzinfo=UTC))


def _fix(place: Any, time: str, place_flag: str, time_flag: str) -> Fix | None:
    east, north = rest.number(place, "lon"), rest.number(place, "lat")
    if east is None or north is None or rest.number(place, place_flag) in _BAD:
        return None
    good = rest.number(place, time_flag) not in _BAD
    spot = parse_point(east, north)
    return parse_moment(rest.text(place, time), time) if good else None, spot.west, spot.south


def _line(track: list[Fix]) -> dict[str, Any] | None:
    """The track as points: what lies between two of them is not known."""
    positions = list(dict.fromkeys((east, north) for _, east, north in track))
    if len(positions) < 2:
        return None
    return {"type": "MultiPoint", "coordinates": [list(position) for position in positions]}


def _depth(record: rest.Record, track: list[Fix]) -> tuple[float, float] | None:
    """From the surface to the greatest pressure that it is set to, or reached at last."""
    phases = rest.entries(record, "configurations", "phases")
    pressures = [rest.number(phase, "deepestPresAsc") for phase in phases]
    pressures.append(rest.number(record, "lastCycleBasicInfo", "pMax"))
    most = max((p for p in pressures if p is not None and 0 < p < 12_000), default=None)
    if most is None or not track:
        return None
    return 0.0, round(depth_of(most, track[0][2]), 1)


def depth_of(pressure: float, latitude: float) -> float:
    """Metres below the surface at a pressure in decibar (UNESCO technical papers 44, 1983)."""
    sine = math.sin(math.radians(latitude)) ** 2
    gravity = 9.780318 * (1 + (5.2788e-3 + 2.36e-5 * sine) * sine) + 1.092e-6 * pressure
    column = ((-1.82e-15 * pressure + 2.279e-10) * pressure - 2.2512e-5) * pressure + 9.72659
    return column * pressure / gravity


def _instruments(record: rest.Record, kind: str) -> tuple[str, ...]:
    models = [
        plain_text(rest.text(sensor, "model"), 200) for sensor in rest.entries(record, "sensors")
    ]
    names = (name for name in (kind, *models) if name and name.upper() != "UNKNOWN")
    return tuple(dict.fromkeys(names))


def _words(record: rest.Record) -> Iterator[str]:
    for path in (("platform", "name"), ("model",), ("owner",), ("dataCenter", "name"),
                 ("deployment", "platform"), ("deployment", "cruiseName"),
                 ("deployment", "principalInvestigatorName")):  # fmt: skip
        yield rest.text(record, *path)
    yield from rest.texts(record, "networks")
