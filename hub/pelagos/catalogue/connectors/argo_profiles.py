"""Reads the lines of an Argo profile index, as they come, about 10 µs each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from pelagos.catalogue.connectors.argo_terms import INSTITUTIONS, OCEANS, profiler
from pelagos.catalogue.records import Asset, Box, GranuleRecord, Rejected
from pelagos.errors import SourceError

NETCDF = "application/x-netcdf"
COLUMNS = b"file,date,latitude,longitude,ocean,profiler_type,institution,date_update"
_LINE_LIMIT = 64 * 1024  # bytes; real lines have about 90
_HEADER_LIMIT = 100  # lines
# fill values for "not known": the manual's, and those that data centres write instead
_UNKNOWN = frozenset({99999.0, -99.999, -999.999, 99.999, 999.999})
_NO_DATES = frozenset({"", "99999", "99999.", "99999999999999"})
_FILE = re.compile(r"([a-z0-9_-]+)/(\d{1,9})/profiles/([RD])(\d{1,9})_(\d{1,5})(D?)\.nc", re.ASCII)
_MODES = {"R": "real-time", "D": "delayed"}


def read_lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The lines of a stream, without their ends. Raises SourceError for one without an end."""
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines
        if len(rest) > _LINE_LIMIT:
            raise SourceError(f"a line of the index is longer than {_LINE_LIMIT} bytes")
    if rest:
        yield rest


def read_header(lines: Iterator[bytes], address: str) -> dict[str, str]:
    """What the index says of itself; `lines`: how many lines that took.

    Raises SourceError if it is no profile index of format version 2.
    """
    header: dict[str, str] = {}
    for number, raw in enumerate(lines, start=1):
        line = raw.strip()
        if line == COLUMNS:
            return {**_checked(header, address), "lines": str(number)}
        if not line.startswith(b"#") or number > _HEADER_LIMIT:
            shown = line[:80].decode("ascii", "replace")
            raise _no_index(address, f"line {number} is {shown!r}")
        key, colon, value = line[1:].decode("ascii", "replace").partition(":")
        if colon:
            header.setdefault(key.strip(), value.strip())
    raise _no_index(address, "it ends before the line of columns")


def _checked(header: dict[str, str], address: str) -> dict[str, str]:
    if not header.get("Title", "").startswith("Profile directory file"):
        raise _no_index(address, f"its title is {header.get('Title', '')!r}")
    if header.get("Format version", "").split(".")[0] != "2":
        raise _no_index(address, f"its format version is {header.get('Format version', '')!r}")
    try:
        if moment(header.get("Date of update", "")) is None:
            raise ValueError
    except ValueError:
        shown = header.get("Date of update", "")
        raise _no_index(address, f"its date of update is {shown!r}") from None
    return header


def _no_index(address: str, why: str) -> SourceError:
    return SourceError(
        f"{address}: not an Argo profile index of format version 2: {why}",
        "The address must lead to ar_index_global_prof.txt (or .txt.gz) of a GDAC.",
    )


def moment(text: str) -> datetime | None:
    """A time as Argo writes it (YYYYMMDDHHMMSS, UTC); None for none. Raises ValueError."""
    if len(text) == 14 and text.isdecimal():
        try:
            return datetime.fromisoformat(f"{text[:8]}T{text[8:]}Z")
        except ValueError:
            if text not in _NO_DATES:
                raise ValueError(f"date: there is no {text}") from None
            return None
    if text.strip() in _NO_DATES:
        return None
    raise ValueError(f"date: not YYYYMMDDHHMMSS: {text[:20]!r}")


class ProfileReader:
    """Turns lines into granules.

    `files` is the address of the folder `dac`; `updated` the index's own date (or None): a profile
    that is more than two days younger has a wrong date, and counts as one without.
    """

    def __init__(self, files: str, updated: datetime | None) -> None:
        self._files = files.rstrip("/") + "/"
        latest = updated or datetime.now(UTC)
        self._latest = min(latest, datetime(9999, 1, 1, tzinfo=UTC)) + timedelta(days=2)
        self._kinds: dict[str, tuple[str, ...]] = {}
        self._words: dict[str, tuple[str, ...]] = {}
        self.profiles = self.rejected = self.without_place = self.without_time = 0
        self._west = self._south = 999.0
        self._east = self._north = -999.0
        self._first: datetime | None = None
        self._last: datetime | None = None

    def read(self, number: int, line: bytes) -> GranuleRecord | Rejected:
        """The granule of one line, or why there is none. Lines count from 1."""
        try:
            record = self._granule(line.decode("ascii"))
        except ValueError as error:
            self.rejected += 1
            text = line[:60].decode("ascii", "replace").strip()
            reason = "not ASCII text" if isinstance(error, UnicodeError) else str(error)
            return Rejected(f"line {number}", f"{reason} ({text})")
        self._note(record.box, record.start)
        return record

    def _granule(self, line: str) -> GranuleRecord:
        values = line.rstrip("\r").split(",")
        if len(values) != 8:
            raise ValueError(f"{len(values)} values instead of 8")
        path, date, latitude, longitude, ocean, kind, institution, changed = values
        found = _FILE.fullmatch(path)
        if found is None:
            raise ValueError("file: not DAC/FLOAT/profiles/[RD]FLOAT_CYCLE[D].nc")
        dac, folder, mode, wmo, digits, descending = found.groups()
        if len(ocean) > 1 or len(kind) > 4 or len(institution) > 2:
            raise ValueError("ocean, profiler_type or institution: not a code of Argo's tables")
        if folder != wmo:
            raise ValueError(f"file: of float {wmo} in the folder of float {folder}")
        box = self._place(latitude, longitude)
        time = self._time(date)
        cycle = int(digits)
        return GranuleRecord(
            f"{wmo}_{digits}{descending}",
            f"Argo float {wmo} profile {cycle}" + (" (descending)" if descending else ""),
            box,
            None,
            time,
            time,
            None,
            wmo,
            self._kinds.get(kind) or self._kind(kind),
            (),
            self._words.get(ocean + institution) or self._word(ocean, institution),
            (Asset("profile", self._files + path, NETCDF),),
            (),
            moment(changed),
            {
                "argo:cycle": cycle,
                "argo:direction": "descending" if descending else "ascending",
                "argo:mode": _MODES[mode],
                "argo:dac": dac,
                "argo:institution": institution,
                "argo:ocean": ocean,
                "argo:profiler_type": kind,
            },
        )

    def _place(self, latitude: str, longitude: str) -> Box | None:
        try:
            north = float(latitude) if latitude else 99999.0
            east = float(longitude) if longitude else 99999.0
        except ValueError:
            raise ValueError(f"position: not numbers: {latitude!r}, {longitude!r}") from None
        if north in _UNKNOWN or east in _UNKNOWN:
            return None
        if 180 < east <= 360:
            east -= 360
        return Box(east, north, east, north)

    def _time(self, text: str) -> datetime | None:
        time = moment(text)
        return None if time is None or time > self._latest else time

    def _note(self, box: Box | None, time: datetime | None) -> None:
        """Widen the extents, and count."""
        self.profiles += 1
        if box is None:
            self.without_place += 1
        else:
            east, north = box.east, box.north
            if east < self._west:
                self._west = east
            if east > self._east:
                self._east = east
            if north < self._south:
                self._south = north
            if north > self._north:
                self._north = north
        if time is None:
            self.without_time += 1
        else:
            if self._first is None or time < self._first:
                self._first = time
            if self._last is None or time > self._last:
                self._last = time

    def _kind(self, code: str) -> tuple[str, ...]:
        name = profiler(code)
        if name:
            self._kinds[code] = (name,)
        return (name,) if name else ()

    def _word(self, ocean: str, institution: str) -> tuple[str, ...]:
        names = (OCEANS.get(ocean, ""), INSTITUTIONS.get(institution, institution))
        words = tuple(name for name in names if name)
        self._words[ocean + institution] = words
        return words

    def seen(self) -> dict[str, Any]:
        """Extents, instruments and counts of the profiles so far, as JSON."""
        placed = self._west <= self._east
        times = (self._first, self._last)
        return {
            "box": [self._west, self._south, self._east, self._north] if placed else [],
            "interval": [time.isoformat() if time else None for time in times],
            "instruments": sorted({name for names in self._kinds.values() for name in names}),
            "counts": {
                "profiles": self.profiles,
                "rejected": self.rejected,
                "without_place": self.without_place,
                "without_time": self.without_time,
            },
        }
