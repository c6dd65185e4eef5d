"""Granules that are not real, and look it: along tracks of floats and ships, in skewed words.

Everything is held as numpy columns, which are also the truth (truth.py); records are made from them
in pieces. The same seed gives the same granules.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from pelagos.catalogue.records import Asset, Box, CollectionRecord, GranuleRecord, Parameter

SEED = 20_260
SOURCES = {
    "floats": "Global float programme",
    "cruises": "Cruise data infrastructure",
    "stations": "Coastal stations network",
    "maps": "Ocean forecasting service",
    "samples": "Biological samples archive",
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEARS = (315_532_800, 1_790_000_000)  # 1980 to 2026, in seconds

QUANTITIES = (
    Parameter("Temperature of the water column", "sea_water_temperature", "TEMPPR01", "TEMP"),
    Parameter("Practical salinity", "sea_water_practical_salinity", "PSLTZZ01", "PSAL"),
    Parameter("Pressure", "sea_water_pressure", "PRESPR01"),
    Parameter("Dissolved oxygen", "moles_of_oxygen_per_unit_mass_in_sea_water", "", "DOXY"),
    Parameter("Chlorophyll-a", "mass_concentration_of_chlorophyll_a_in_sea_water", "", "CPWC"),
    Parameter("Nitrate", "mole_concentration_of_nitrate_in_sea_water", "", "NTRA"),
    Parameter("Phosphate", "mole_concentration_of_phosphate_in_sea_water", "", "PHOS"),
    Parameter("Silicate", "mole_concentration_of_silicate_in_sea_water", "", "SLCA"),
    Parameter("Current velocity", "sea_water_velocity", "", "RFVL"),
    Parameter("Sea level", "sea_surface_height_above_geoid", "", "ASLV"),
    Parameter("pH", "sea_water_ph_reported_on_total_scale", "", "ALKY"),
    Parameter("Zooplankton abundance"),
    Parameter("Particulate organic carbon", "mass_concentration_of_particulate_organic_carbon"),
    Parameter("Turbidity", "sea_water_turbidity", "", "TURB"),
    Parameter("Significant wave height", "sea_surface_wave_significant_height", "", "GWAV"),
)
# which quantities are measured together, the most frequent first
SUITES = (
    (0, 1, 2), (0, 2), (0,), (0, 1, 2, 3), (0, 1), (0, 1, 2, 3, 4), (8,), (9,), (4,), (14,), (11,),
    (3, 5, 6, 7), (0, 1, 2, 3, 4, 5, 10), (13,), (5, 6, 7), (12,), (1, 8), (10,),
)  # fmt: skip
INSTITUTES = (
    "aoml", "coriolis", "csio", "incois", "jma", "bodc", "csiro", "meds", "kma", "ifremer", "ogs",
    "imr", "hcmr", "ieo", "syke", "smhi", "bsh", "nioz", "vliz", "marum", "ipma", "imgw",
)  # fmt: skip
SHIPS = tuple(
    f"RV {first} {second}"
    for first in (
        "Polar",
        "Ocean",
        "Belgica",
        "Marine",
        "Thalassa",
        "Aegaeo",
        "Sarmiento",
        "Celtic",
    )
    for second in ("Star", "Explorer", "Surveyor", "Meteor", "Voyager", "Pioneer", "Wind", "Spirit")
)
# name, west, south, east, north, weight
SEAS = (
    ("Mediterranean Sea", -5, 31, 36, 45, 14), ("Black Sea", 28, 41, 41, 46, 4),
    ("Baltic Sea", 10, 54, 29, 65, 8), ("North Sea", -4, 51, 9, 60, 10),
    ("Bay of Biscay", -10, 43.5, -1, 48, 4), ("Norwegian Sea", -5, 62, 15, 72, 5),
    ("North Atlantic Ocean", -65, 15, -10, 60, 22), ("South Atlantic Ocean", -45, -55, 10, 0, 9),
    ("North Pacific Ocean", 140, 5, 235, 55, 16), ("South Pacific Ocean", 160, -55, 285, 0, 11),
    ("Indian Ocean", 45, -45, 110, 20, 12), ("Southern Ocean", -180, -75, 180, -55, 6),
    ("Arctic Ocean", -180, 72, 180, 88, 2), ("Gulf of Mexico", -97, 19, -82, 30, 3),
    ("Caribbean Sea", -85, 10, -62, 20, 2), ("Sea of Japan", 129, 35, 141, 46, 2),
)  # fmt: skip
# kind, source, share of all, words of a granule's title, what its place is like
KINDS = (
    ("profile", "floats", 0.42, "profiling float profile", "float"),
    ("ctd", "cruises", 0.13, "CTD cast", "ship"),
    ("xbt", "cruises", 0.08, "XBT drop expendable bathythermograph", "ship"),
    ("bottle", "cruises", 0.05, "water bottle sample", "ship"),
    ("underway", "cruises", 0.03, "underway thermosalinograph leg", "leg"),
    ("glider", "floats", 0.07, "glider dive section", "float"),
    ("mooring", "stations", 0.04, "mooring deployment time series", "station"),
    ("tide", "stations", 0.05, "tide gauge year", "station"),
    ("buoy", "stations", 0.04, "moored buoy month", "station"),
    ("map", "maps", 0.05, "daily analysis map", "sea"),
    ("climatology", "maps", 0.002, "monthly climatology atlas", "sea"),
    ("net", "samples", 0.03, "plankton net haul", "ship"),
    ("document", "samples", 0.008, "digitised log sheet", "nowhere"),
)
_PER_KIND = 5  # collections, about


@dataclass
class Corpus:
    """Columns of all granules, in the order of their collections.

    Times in seconds since 1970; `timeless` and `placeless` say where there are none. `x1` is
    more than 180 across the antimeridian.
    """

    collections: list[tuple[str, CollectionRecord]]  # source and record
    collection: NDArray[np.int32]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    timeless: NDArray[np.bool_]
    x0: NDArray[np.float64]
    y0: NDArray[np.float64]
    x1: NDArray[np.float64]
    y1: NDArray[np.float64]
    placeless: NDArray[np.bool_]
    platform: NDArray[np.int32]
    platforms: list[str]
    sea: NDArray[np.int32]
    institute: NDArray[np.int32]
    suite: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.start)

    def kind(self, collection: int) -> int:
        """Which of KINDS a collection is of."""
        return int(self.collections[collection][1].extra["bench:kind"])

    def identifier(self, index: int) -> str:
        """The identifier of a granule."""
        institute = INSTITUTES[self.institute[index]]
        return f"{institute}.{KINDS[self.kind(int(self.collection[index]))][0]}.{index:07}"

    def records(self, begin: int, end: int) -> Iterator[GranuleRecord]:
        """Granules from `begin` until before `end`."""
        suites = [tuple(QUANTITIES[number] for number in suite) for suite in SUITES]
        for index in range(begin, end):
            kind = KINDS[self.kind(int(self.collection[index]))]
            identifier = self.identifier(index)
            platform = self.platforms[self.platform[index]]
            timeless = self.timeless[index]
            yield GranuleRecord(
                id=identifier,
                title=f"{kind[3]} {index:07}, {platform}",
                box=None if self.placeless[index] else self._box(index),
                start=None if timeless else _moment(int(self.start[index])),
                end=None if timeless else _moment(int(self.end[index])),
                platform=platform,
                parameters=suites[self.suite[index]],
                words=(SEAS[self.sea[index]][0], INSTITUTES[self.institute[index]]),
                assets=(
                    Asset(
                        "data",
                        f"https://data.example/{kind[0]}/{identifier}.nc",
                        "application/netcdf",
                        size=1000 + index,
                    ),
                ),
            )

    def _box(self, index: int) -> Box:
        east = float(self.x1[index])
        return Box(
            float(self.x0[index]),
            float(self.y0[index]),
            east - 360 if east > 180 else east,
            float(self.y1[index]),
        )


def make(count: int, seed: int = SEED) -> Corpus:
    """A corpus of about `count` granules (exactly: the shares are rounded so that they fit)."""
    random = np.random.default_rng(seed)
    collections = _collections(random)
    kinds = np.array([record.extra["bench:kind"] for _, record in collections])
    shares = np.array([kind[2] for kind in KINDS])
    # within a kind one collection is much larger than the others
    weights = np.zeros(len(collections))
    for number, share in enumerate(shares):
        members = np.flatnonzero(kinds == number)
        weights[members] = share * _zipf(len(members))
    sizes = np.floor(weights / weights.sum() * count).astype(int)
    sizes[0] += count - sizes.sum()
    parts = [_Part.of(int(kinds[n]), int(size), random) for n, size in enumerate(sizes)]
    platforms = list(dict.fromkeys(name for part in parts for name in part.platforms))
    numbers = {name: number for number, name in enumerate(platforms)}
    joined = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in (
            "start",
            "end",
            "timeless",
            "x0",
            "y0",
            "x1",
            "y1",
            "placeless",
            "sea",
            "suite",
        )
    }
    return Corpus(
        collections=collections,
        collection=np.repeat(np.arange(len(sizes), dtype=np.int32), sizes),
        platform=np.concatenate(
            [np.array([numbers[name] for name in part.platforms])[part.track] for part in parts]
        ).astype(np.int32),
        platforms=platforms,
        institute=np.concatenate([part.institutes[part.track] for part in parts]).astype(np.int32),
        **joined,
    )


def _collections(random: np.random.Generator) -> list[tuple[str, CollectionRecord]]:
    found = []
    for number, kind in enumerate(KINDS):
        for version in range(_PER_KIND - (number % 2)):
            sea = SEAS[int(random.integers(len(SEAS)))][0]
            title = f"{kind[3].capitalize()} collection {version + 1}, {sea}"
            record = CollectionRecord(
                id=f"{kind[0]}-{version + 1}",
                title=title,
                description=f"{title}. Delayed mode and near real time, quality controlled.",
                licence=("CC-BY-4.0", "other", "CC0-1.0")[version % 3],
                keywords=("oceanography", kind[0]),
                extra={"bench:kind": number},
            )
            found.append((kind[1], record))
    return found


@dataclass
class _Part:
    """One collection's columns. `track`: the float, cruise or station of each granule."""

    track: NDArray[np.int64]
    platforms: list[str]
    institutes: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    timeless: NDArray[np.bool_]
    x0: NDArray[np.float64]
    y0: NDArray[np.float64]
    x1: NDArray[np.float64]
    y1: NDArray[np.float64]
    placeless: NDArray[np.bool_]
    sea: NDArray[np.int64]
    suite: NDArray[np.int64]

    @staticmethod
    def of(kind: int, size: int, random: np.random.Generator) -> _Part:
        name, _, _, _, place = KINDS[kind]
        length = {"float": 180, "ship": 60, "leg": 12, "station": 40, "sea": 400, "nowhere": 500}[
            place
        ]
        tracks = max(1, -(-size // length))
        track = np.arange(size) // length
        step = np.arange(size) % length
        seas = random.choice(len(SEAS), tracks, p=_shares([sea[5] for sea in SEAS]))
        x, y = _tracks(place, seas, track, step, random)
        wide = {"leg": 3.0, "sea": 0.0}.get(place, 0.0) * random.random(size)
        x0, x1, y0, y1 = x, x + wide, y, np.minimum(y + wide / 2, 90)
        if place == "sea":
            x0, y0, x1, y1 = (
                np.array([sea[n] for sea in SEAS], float)[seas[track]] for n in (1, 2, 3, 4)
            )
            whole = random.random(size) < 0.1
            x0, x1 = np.where(whole, -180.0, x0), np.where(whole, 180.0, x1)
            y0, y1 = np.where(whole, -90.0, y0), np.where(whole, 90.0, y1)
        start, end = _times(name, place, track, step, tracks, random)
        x0, x1 = _wrapped(x0, x1)
        return _Part(
            track=track,
            platforms=_platforms(place, tracks, random),
            institutes=random.choice(len(INSTITUTES), tracks, p=_zipf(len(INSTITUTES))),
            start=start,
            end=end,
            timeless=random.random(size) < (0.3 if place == "nowhere" else 0.001),
            x0=x0, y0=y0, x1=x1, y1=y1,
            placeless=np.full(size, True) if place == "nowhere" else random.random(size) < 0.002,
            sea=seas[track],
            suite=random.choice(len(SUITES), tracks, p=_zipf(len(SUITES)))[track],
        )  # fmt: skip


def _tracks(
    place: str,
    seas: NDArray[np.int64],
    track: NDArray[np.int64],
    step: NDArray[np.int64],
    random: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Each track begins somewhere in its sea, and drifts; to a hundredth of a degree."""
    bounds = np.array([sea[1:5] for sea in SEAS], float)[seas]
    at_x = random.uniform(bounds[:, 0], bounds[:, 2])[track]
    at_y = random.uniform(bounds[:, 1], bounds[:, 3])[track]
    speed = {"float": 0.06, "ship": 0.25, "leg": 2.0}.get(place, 0.0)
    heading = random.uniform(0, 2 * np.pi, len(seas))[track]
    noise = speed * random.standard_normal((2, len(track)))
    x = at_x + speed * step * np.cos(heading) + noise[0]
    y = at_y + speed * step * np.sin(heading) / 2 + noise[1]
    return np.round(x, 2), np.round(np.clip(y, -78, 89), 2)


def _wrapped(x0: NDArray[np.float64], x1: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    turns = np.floor((x0 + 180) / 360) * 360
    turns = np.where((x0 == 180) & (x1 == 180), 0, turns)
    x0, x1 = x0 - turns, x1 - turns
    return x0, np.where(x1 - 360 >= x0, 180.0, x1)


def _times(
    name: str,
    place: str,
    track: NDArray[np.int64],
    step: NDArray[np.int64],
    tracks: int,
    random: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """More of what is recent. Whole seconds; days where a real one would be."""
    day = 86_400
    began = _YEARS[0] + (_YEARS[1] - _YEARS[0]) * np.sqrt(random.random(tracks))
    every = {
        "profile": 10 * day, "glider": day // 4, "mooring": 180 * day, "tide": 365 * day,
        "buoy": 30 * day, "map": day, "climatology": 30 * day,
    }.get(name, day // 5)  # fmt: skip
    start = (began[track] + step * every + random.integers(0, 600, len(track))).astype(np.int64)
    if place in ("sea", "nowhere") or name == "tide":
        start -= start % day
    # nothing is from the future: late tracks go on before they began
    start = np.where(start > _YEARS[1], start - 8 * 365 * day, start)
    lasts = {
        "mooring": 170 * day, "tide": 365 * day, "buoy": 30 * day, "map": day,
        "climatology": 30 * 365 * day, "underway": day, "glider": day // 5,
    }.get(name, 0)  # fmt: skip
    return start, start + lasts


def _platforms(place: str, tracks: int, random: np.random.Generator) -> list[str]:
    if place == "float":
        return [f"WMO{number}" for number in random.integers(1_900_000, 7_900_000, tracks)]
    if place in ("ship", "leg"):
        return [SHIPS[number] for number in random.choice(len(SHIPS), tracks, p=_zipf(len(SHIPS)))]
    if place == "station":
        return [f"station {number:04}" for number in random.integers(0, 3000, tracks)]
    return ["model"] * tracks


def _zipf(count: int) -> NDArray[np.float64]:
    return _shares([1 / (rank + 1) for rank in range(count)])


def _shares(weights: list[float] | list[int]) -> NDArray[np.float64]:
    found = np.array(weights, float)
    return found / found.sum()


def _moment(seconds: int) -> datetime:
    return _EPOCH + timedelta(seconds=seconds)
