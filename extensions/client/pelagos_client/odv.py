"""Tables: ODV spreadsheets (also SeaDataNet's), CSV and tab-separated text, as pandas DataFrames.

Formats: SeaDataNet data file formats, ODV (deliverable D85); ODV user's guide, generic spreadsheet.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pelagos_client.errors import OpenError
from pelagos_client.needed import module

_COLUMN = re.compile(r"(.*?)\s*(?:\[([^\]]*)\])?\s*$")
_SUBJECT = re.compile(
    r"//\s*<subject>SDN:LOCAL:([^<]*)</subject>\s*<object>SDN:P01::([A-Z0-9]+)</object>"
    r"\s*<units>SDN:P06::([A-Z0-9]+)</units>"
)
_VARIABLE = re.compile(r"//\s*<(Meta|Data)Variable>(.*)</\1Variable>")
_ATTRIBUTE = re.compile(r'(\w+)="([^"]*)"')
_ISO_TIME = re.compile(r"yyyy-mm-ddthh:mm(:ss(\.s+)?)?", re.IGNORECASE)
_STATION = ("cruise", "station", "type", "longitude", "latitude")
_ABOUT = (*_STATION, "local_cdi_id", "edmo_code", "mon/day/yr", "hh:mm", "bot. depth")
_TEXTS = {"cruise", "station", "type", "local_cdi_id", "edmo_code", "mon/day/yr", "hh:mm"}
_QUALITY = re.compile(r"(qv|qf)(:|\s|$)", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_COMMA = re.compile(r"[+-]?\d+,\d+")
_MISSING = {"", "nan", "na", "-1e10", "-1.e10", "-1.e+10", "-1e+10", "-10000000000"}
_SCHEMA, _MISSING_FLAG = "SEADATANET", "9"  # L20: missing value


@dataclass
class _Head:
    """The columns: their names, without units; `about` a station; `quality` of which column."""

    labels: list[str]
    names: list[str] = field(default_factory=list)
    units: dict[str, str] = field(default_factory=dict)
    about: list[str] = field(default_factory=list)
    quality: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)  # flag of a missing value, by column
    time: str = ""


def read_odv(path: Path) -> Any:
    """An ODV spreadsheet as a pandas.DataFrame: one row for each sample.

    What stands once for a station (cruise, position, time, …) is in all its rows. Names of columns
    have no units: `attrs["units"]` has those by column, `attrs["quality"]` the column of the
    quality flags of each (text), `attrs["parameters"]` P01 and P06, `attrs["comments"]` the
    header. Times are datetime64 (UTC) in `time`. Missing values are NaN: empty, ODV's -1e10, and
    what SeaDataNet's flag 9 marks.

    Raises OpenError with the line that makes no sense, MissingPackageError without pandas.
    """
    pandas = module("pandas", "open")
    comments, head, rows, parameters = _read(path)
    table: dict[str, list[str]] = {
        name: [row[position] for row in rows] for position, name in enumerate(head.names)
    }
    frame = pandas.DataFrame(
        {name: _column(pandas, cells, name.lower() in _TEXTS) for name, cells in table.items()}
    )
    for name, flags in head.missing.items():
        frame[name] = frame[name].mask(pandas.Series(table[flags]) == _MISSING_FLAG)
    for flags in head.quality.values():
        frame[flags] = pandas.Series(table[flags], dtype="str")
    _times(pandas, frame, table, head)
    frame.attrs = {
        "units": head.units,
        "quality": head.quality,
        "parameters": {name: parameters[name] for name in head.names if name in parameters},
        "comments": comments,
    }
    return frame


def _read(path: Path) -> tuple[str, _Head, list[list[str]], dict[str, dict[str, str]]]:
    """Comments, columns, rows with their station's cells, and P01 and P06 by column."""
    comments: list[str] = []
    parameters: dict[str, dict[str, str]] = {}
    declared: dict[str, str] = {}
    head: _Head | None = None
    rows: list[list[str]] = []
    station: dict[int, str] = {}
    for number, line in _lines(path):
        if line.startswith("//"):
            comments.append(line[2:])
            if found := _SUBJECT.match(line):
                parameters[found[1].strip()] = {"P01": found[2], "P06": found[3]}
            if variable := _VARIABLE.match(line):
                label = dict(_ATTRIBUTE.findall(variable[2])).get("label", "")
                declared[html.unescape(label)] = variable[1]
        elif not line.strip():
            continue
        elif head is None:
            head = _head(path, number, line, declared)
        else:
            rows.append(_row(path, number, line, head, station))
    if head is None or not rows:
        what = "no line of columns" if head is None else "no rows"
        raise OpenError(f"{path.name} is no ODV spreadsheet: it has {what}.", "Look into it.")
    return "\n".join(comments), head, rows, parameters


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """UTF-8 with or without BOM; a line that is not is taken as Latin-1."""
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            try:
                text = raw.decode("utf-8")
            except UnicodeDecodeError:
                text = raw.decode("latin-1")
            yield number, (text.removeprefix("\ufeff") if number == 1 else text).rstrip("\r\n")


def _head(path: Path, number: int, line: str, declared: dict[str, str]) -> _Head:
    head = _Head(line.split("\t"))
    lower = {_split(label)[0].lower() for label in head.labels}
    if missing := [name for name in _STATION if name not in lower]:
        raise OpenError(
            f"{path.name}, line {number}: no columns of an ODV spreadsheet: no {missing[0]}.",
            "Look into it.",
        )
    positions = [i for i, label in enumerate(head.labels) if _is_about(label)]
    last, value = max(positions), ""
    for position, label in enumerate(head.labels):
        plain, unit = _split(label)
        about = declared.get(label.strip()) == "Meta" if declared else position <= last
        if _QUALITY.match(plain):
            name = _unique(f"QV:{value}" if value else plain, head.names)
            head.quality.setdefault(value, name)
            schema = plain.partition(":")[2].upper()
            if schema == _SCHEMA and value:
                head.missing[value] = name
        else:
            name = _unique(plain or f"column {position + 1}", head.names)
            value = name
            if unit:
                head.units[name] = unit
            if _ISO_TIME.fullmatch(plain) or plain.lower() == "time_iso8601":
                head.time = head.time or name
        head.names.append(name)
        if about:
            head.about.append(name)
    head.quality.pop("", None)
    return head


def _is_about(label: str) -> bool:
    name = _split(label)[0].lower()
    return name in _ABOUT or bool(_ISO_TIME.fullmatch(name))


def _split(label: str) -> tuple[str, str]:
    found = _COLUMN.match(label.strip())
    return (found[1], found[2] or "") if found else (label, "")


def _unique(name: str, taken: Sequence[str]) -> str:
    chosen, number = name, 1
    while chosen in taken:
        number += 1
        chosen = f"{name} ({number})"
    return chosen


def _row(path: Path, number: int, line: str, head: _Head, station: dict[int, str]) -> list[str]:
    """A row; one that has no station's cells belongs to the station above."""
    cells = [cell.strip() for cell in line.split("\t")]
    columns = len(head.names)
    if any(cells[columns:]) or len(cells) < columns - 1:  # ODV leaves out a last empty cell
        raise OpenError(
            f"{path.name}, line {number}: {len(cells)} columns, not {columns}.", "Mend that line."
        )
    cells = [*cells, ""][:columns]
    about = [position for position, name in enumerate(head.names) if name in head.about]
    if any(cells[position] for position in about):
        station.clear()
        station.update((position, cells[position]) for position in about)
    elif not station:
        raise OpenError(f"{path.name}, line {number}: the first row has no station.", "Mend it.")
    for position in about:
        cells[position] = station[position]
    return cells


def _column(pandas: Any, cells: list[str], is_text: bool) -> Any:
    """Numbers if all are, also with a comma as decimal sign; names of stations stay texts."""
    if is_text:
        return pandas.Series([cell or None for cell in cells], dtype="str")
    there = [cell for cell in cells if cell.lower() not in _MISSING]
    decimal = bool(there) and any(_COMMA.fullmatch(cell) for cell in there)
    if decimal:
        there = [cell.replace(",", ".") for cell in there]
        cells = [cell.replace(",", ".") for cell in cells]
    if all(_NUMBER.fullmatch(cell) for cell in there):
        nan = float("nan")
        return pandas.Series(
            [nan if cell.lower() in _MISSING else float(cell) for cell in cells], dtype="float64"
        )
    return pandas.Series([cell or None for cell in cells], dtype="str")


def _times(pandas: Any, frame: Any, table: dict[str, list[str]], head: _Head) -> None:
    """The station's time as datetime64 in `time`, UTC."""
    lower = {name.lower(): name for name in head.names}
    if head.time:
        texts = pandas.Series(table[head.time])
        # with a zone or without, to the minute or finer
        found = pandas.to_datetime(texts, format="ISO8601", errors="coerce", utc=True)
        found = found.dt.tz_localize(None)
        if head.time != "time" and "time" not in frame:
            frame.insert(list(frame.columns).index(head.time), "time", found)
            del frame[head.time]
        else:
            frame[head.time] = found
        head.names = ["time" if name == head.time else name for name in head.names]
    elif "mon/day/yr" in lower:
        clock = table[lower["hh:mm"]] if "hh:mm" in lower else []
        days = table[lower["mon/day/yr"]]
        clock = clock or ["00:00"] * len(days)
        texts = pandas.Series([f"{day} {at}" for day, at in zip(days, clock, strict=True)])
        frame["time"] = pandas.to_datetime(texts, format="%m/%d/%Y %H:%M", errors="coerce")


def read_table(path: Path, **options: Any) -> Any:
    """CSV or tab-separated text as a pandas.DataFrame; ERDDAP's line of units is in `attrs`.

    `options` go to pandas.read_csv. Raises OpenError, MissingPackageError.
    """
    pandas = module("pandas", "open")
    with path.open("rb") as file:
        first = file.readline(2**16).decode("utf-8", "replace")
        second = file.readline(2**16).decode("utf-8", "replace")
    comma = ";" if first.count(";") > first.count(",") else ","
    options.setdefault("sep", "\t" if "\t" in first else comma)
    units: dict[str, str] = {}
    cells = [cell.strip().strip('"') for cell in second.rstrip("\r\n").split(options["sep"])]
    if {"degrees_north", "degrees_east"} & set(cells) and "skiprows" not in options:
        names = [cell.strip().strip('"') for cell in first.rstrip("\r\n").split(options["sep"])]
        units = {name: unit for name, unit in zip(names, cells, strict=False) if unit}
        options["skiprows"] = [1]
    try:
        frame = pandas.read_csv(path, **options)
    except (ValueError, UnicodeDecodeError) as error:  # pandas' ParserError is a ValueError
        raise OpenError(
            f"{path.name} can't be read as a table: {error}.", "Look into it."
        ) from error
    frame.attrs["units"] = units
    return frame
