"""What an ODV spreadsheet says of itself: SeaDataNet's text format, and plain ODV's.

Format: SeaDataNet data file formats, ODV (deliverable D85); ODV user's guide, generic spreadsheet.
Comment lines (`//`) with the mapping of columns to P01 and P06, a line of columns, then rows; a
row without a station's columns belongs to the station above it.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from pelagos.catalogue.formats.attributes import one_line, sea_depth
from pelagos.catalogue.formats.calendars import written
from pelagos.catalogue.formats.extents import Longitudes, Span, depth_of_pressure
from pelagos.catalogue.formats.summary import ODV, Summary, UnreadableError
from pelagos.catalogue.records import Parameter, Provider, RecordError
from pelagos.catalogue.values import parse_moment

_LINE, _COMMENTS, _COLUMNS = 256 * 1024, 20_000, 2_000
_FILE_LIMIT = 512 * 2**20  # bytes
_WORDS = 200
_SUBJECT = re.compile(
    r"//\s*<subject>SDN:LOCAL:([^<]*)</subject>\s*<object>SDN:P01::([A-Z0-9]{4,8})</object>"
    r"\s*<units>SDN:P06::([A-Z0-9]{2,8})</units>"
)
_PLATFORM = re.compile(r"/C17/current/([A-Z0-9]{2,10})")
_COLUMN = re.compile(r"(.*?)\s*(?:\[([^\]]*)\])?\s*$")
_ISO = re.compile(r"yyyy-mm-ddthh:mm(:ss(\.s+)?)?", re.IGNORECASE)
# the vertical coordinates of SeaDataNet's P01
_DEPTHS = {"ADEPZZ01", "DEPHPR01", "DEPHZZ01"}
_PRESSURES = {"PRESPR01"}
_UNITS = {"ULAA": "m", "UPAA": "degC", "UPDB": "dbar", "PASX": "Pa"}
_DECIBAR = {"dbar": 1.0, "decibar": 1.0, "decibars": 1.0, "db": 1.0, "pascals": 1e-4, "pa": 1e-4}
_STATION = ("cruise", "station", "type", "longitude", "latitude")


@dataclass
class _Table:
    """The columns of a spreadsheet, by their positions."""

    names: list[str]
    units: list[str]
    mapping: dict[str, tuple[str, str]]
    at: dict[str, int] = field(default_factory=dict)
    values: list[int] = field(default_factory=list)
    depth: int | None = None
    pressure: int | None = None

    def __post_init__(self) -> None:
        lower = [name.lower() for name in self.names]
        for wanted in (*_STATION, "local_cdi_id", "edmo_code", "mon/day/yr", "hh:mm"):
            if wanted in lower:
                self.at[wanted] = lower.index(wanted)
        for position, name in enumerate(self.names):
            if _ISO.fullmatch(name):
                self.at.setdefault("time", position)
        last = max(self.at.values(), default=-1)
        for position in range(last + 1, len(self.names)):
            name = lower[position]
            if name.startswith(("qv:", "qv ", "qf")) or name in ("qv", "") or "bot. depth" in name:
                continue
            self.values.append(position)
        for position in self.values:
            code = self.mapping.get(self.names[position], ("", ""))[0]
            name, units = lower[position], self.units[position].lower()
            if (
                self.depth is None
                and units in ("m", "metres", "meters", "")
                and (code in _DEPTHS or (not code and name == "depth"))
            ):
                self.depth = position
            if (
                self.pressure is None
                and units in _DECIBAR
                and (code in _PRESSURES or (not code and name.startswith("pres")))
            ):
                self.pressure = position

    def parameters(self) -> tuple[Parameter, ...]:
        """What was measured: all columns of values but the vertical coordinates."""
        found = []
        for position in self.values:
            if position in (self.depth, self.pressure):
                continue
            code, units = self.mapping.get(self.names[position], ("", ""))
            written_units = self.units[position] or _UNITS.get(units, "")
            found.append(
                Parameter(
                    one_line(self.names[position], 200), p01=code, units=one_line(written_units, 60)
                )
            )
        return tuple(found)


@dataclass
class _Found:
    """What the rows say, as they come."""

    souths: Span = field(default_factory=Span)
    around: Longitudes = field(default_factory=Longitudes)
    depths: Span = field(default_factory=Span)
    pressures: Span = field(default_factory=Span)
    start: datetime | None = None
    end: datetime | None = None
    words: dict[str, None] = field(default_factory=dict)
    cruises: dict[str, None] = field(default_factory=dict)
    edmo: dict[str, None] = field(default_factory=dict)
    stations: int = 0
    rows: int = 0


def read_odv(path: str) -> Summary:
    """What the file says. Raises UnreadableError, with the line where it stops making sense."""
    if os.stat(path).st_size > _FILE_LIMIT:
        raise UnreadableError(f"larger than {_FILE_LIMIT >> 20} MiB, the most for a text file")
    lines = _lines(path)
    try:
        comments, table = _header(lines)
        found = _rows(lines, table)
    finally:
        lines.close()
    ends, sides = found.souths.ends(), found.around.ends()
    box = (sides[0], ends[0], sides[1], ends[1]) if ends and sides else None
    depth, notes = _depth(found, table, box)
    cruises = tuple(found.cruises)
    return Summary(
        ODV,
        title=one_line(", ".join(cruises[:3])),
        description=_description(comments),
        providers=tuple(
            Provider(f"EDMO {code}", ("producer",)) for code in found.edmo if code.isdecimal()
        )[:20],
        box=box,
        start=written(found.start),
        end=written(found.end),
        depth=depth,
        parameters=table.parameters(),
        feature_type="profile" if found.rows > found.stations else "point",
        words=(*tuple(found.words), *_platforms(comments))[:_WORDS],
        notes=notes,
    )


def _lines(path: str) -> Generator[tuple[int, str], None, None]:
    """Numbered lines. UTF-8 with or without BOM; what is not UTF-8 is taken as Latin-1."""
    with open(path, "rb") as file:
        for number in range(1, 2**40):
            raw = file.readline(_LINE + 1)
            if not raw:
                return
            if len(raw) > _LINE or b"\x00" in raw:
                raise UnreadableError(f"line {number}: no text, or longer than {_LINE} bytes")
            if number == 1:
                raw = raw.removeprefix(b"\xef\xbb\xbf")
            try:
                text = raw.decode("utf-8")
            except UnicodeDecodeError:
                text = raw.decode("latin-1")
            yield number, text.rstrip("\r\n")


def _header(
    lines: Iterator[tuple[int, str]],
) -> tuple[list[str], _Table]:
    """Comments and columns, with their mapping to P01 and P06."""
    comments: list[str] = []
    mapping: dict[str, tuple[str, str]] = {}
    announced = False
    for number, line in lines:
        if not line.startswith("//"):
            if not line.strip() and number <= _COMMENTS:
                continue
            return comments, _table(number, line, mapping)
        if len(comments) >= _COMMENTS:
            raise UnreadableError(f"more than {_COMMENTS} lines of comments")
        announced = announced or line[2:].strip() == "SDN_parameter_mapping"
        if "<subject>" in line:
            match = _SUBJECT.match(line)
            if not match:
                raise UnreadableError(f"line {number}: not a mapping of a column to P01 and P06")
            if not announced:
                raise UnreadableError(
                    f"line {number}: a mapping of columns without //SDN_parameter_mapping before it"
                )
            mapping[match.group(1).strip()] = (match.group(2), match.group(3))
        comments.append(line)
    raise UnreadableError("not an ODV spreadsheet: there is no line of columns")


def _table(number: int, line: str, mapping: dict[str, tuple[str, str]]) -> _Table:
    cells = line.split("\t")
    names, units = [], []
    for cell in cells:
        match = _COLUMN.match(cell.strip())
        names.append(match.group(1) if match else "")
        units.append((match.group(2) or "") if match else "")
    lower = {name.lower() for name in names}
    missing = [name for name in _STATION if name not in lower]
    if len(cells) > _COLUMNS or missing:
        raise UnreadableError(
            f"line {number}: not the columns of an ODV spreadsheet"
            + (f": {', '.join(missing)} missing" if missing else "")
        )
    absent = [name for name in mapping if name not in names]
    if absent:
        raise UnreadableError(f"line {number}: no column {absent[0]!r}, which the mapping names")
    return _Table(names, units, mapping)


def _rows(lines: Iterator[tuple[int, str]], table: _Table) -> _Found:
    found = _Found()
    for number, line in lines:
        if not line.strip() or line.startswith("//"):
            continue
        cells = [cell.strip() for cell in line.split("\t")]
        # ODV leaves out a last empty cell
        if any(cells[len(table.names) :]) or len(cells) < len(table.names) - 1:
            raise UnreadableError(f"line {number}: {len(cells)} columns, not {len(table.names)}")
        if found.rows == 0 and not cells[table.at["cruise"]] and not cells[table.at["station"]]:
            raise UnreadableError(f"line {number}: the first row has no station")
        found.rows += 1
        if any(cells[table.at[name]] for name in ("cruise", "station", "longitude")):
            _station(found, table, cells, number)
        for position, span in ((table.depth, found.depths), (table.pressure, found.pressures)):
            if position is not None and position < len(cells):
                span.add(np.array([_number(cells[position])]))
    if not found.rows:
        raise UnreadableError("it has no rows")
    return found


def _station(found: _Found, table: _Table, cells: list[str], number: int) -> None:
    found.stations += 1
    x, y = (_number(cells[table.at[name]]) for name in ("longitude", "latitude"))
    if not (abs(x) <= 360 and abs(y) <= 90):
        raise UnreadableError(
            f"line {number}: no position: longitude {cells[table.at['longitude']][:20]!r}, "
            f"latitude {cells[table.at['latitude']][:20]!r}"
        )
    found.around.add(np.array([x]))
    found.souths.add(np.array([y]))
    when = _moment(table, cells)
    if when:
        found.start = min(found.start or when, when)
        found.end = max(found.end or when, when)
    for name, target in (("local_cdi_id", found.words), ("edmo_code", found.edmo),
                         ("cruise", found.cruises)):  # fmt: skip
        text = cells[table.at[name]] if name in table.at else ""
        if text and len(target) < _WORDS:
            target[one_line(text, 200)] = None


def _moment(table: _Table, cells: list[str]) -> datetime | None:
    if "time" in table.at:
        try:
            return parse_moment(cells[table.at["time"]])
        except RecordError:
            return None
    if "mon/day/yr" not in table.at:
        return None
    clock = cells[table.at["hh:mm"]] if "hh:mm" in table.at else "00:00"
    try:
        text = f"{cells[table.at['mon/day/yr']]} {clock} +0000"
        return datetime.strptime(text, "%m/%d/%Y %H:%M %z").astimezone(UTC)
    except ValueError:
        return None


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def _depth(
    found: _Found, table: _Table, box: tuple[float, float, float, float] | None
) -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    ends = found.depths.ends()
    if ends:
        return sea_depth(*ends), ()
    ends = found.pressures.ends()
    if not ends or table.pressure is None:
        return None, ()
    factor = _DECIBAR[table.units[table.pressure].lower()]
    middle = (box[1] + box[3]) / 2 if box else 45.0
    least, greatest = depth_of_pressure(np.maximum(np.array(ends) * factor, 0.0), middle)
    note = "depth computed from pressure (UNESCO 44), within some metres"
    return sea_depth(float(least), float(greatest)), (note,)


def _description(comments: list[str]) -> str:
    """The comments that are prose."""
    tags = ("<subject", "<sdn", "SDN_")
    prose = (text for text in (line[2:].strip() for line in comments)
             if not text.lower().startswith(tuple(tag.lower() for tag in tags)))  # fmt: skip
    return "\n".join(line for line in prose if line)[:20_000]


def _platforms(comments: list[str]) -> list[str]:
    """ICES ship codes (C17) that the references name."""
    found = (_PLATFORM.search(line) for line in comments if "sdn_reference" in line)
    return list(dict.fromkeys(match.group(1) for match in found if match))
