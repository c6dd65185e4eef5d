"""What a data set behind OPeNDAP says of itself: its DAS (attributes) and DDS (variables) as text.

DAP 2.0 (ESE-RFC-004), sections 6.2 and 6.4. No values are fetched: extents come from ACDD's
attributes, else from `actual_range` or the valid range of coordinates.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pelagos.catalogue.formats import attributes, coordinates
from pelagos.catalogue.formats.calendars import moment, written
from pelagos.catalogue.formats.structure import Structure, Variable
from pelagos.catalogue.formats.summary import NETCDF, Summary, UnreadableError
from pelagos.catalogue.records import RecordError
from pelagos.catalogue.values import parse_box

TEXT_LIMIT = 4 * 2**20  # bytes of a DAS or DDS
_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|([{};,])|([^\s{};,"]+)')
_DEPTH = 10
_DECLARED = re.compile(
    r"\b(Byte|U?Int(?:8|16|32|64)|Float(?:32|64)|String|Url)\s+([^\s\[\];{}]+)((?:\s*\[[^\]]*\])*)\s*;",
    re.IGNORECASE,
)
_DIMENSION = re.compile(r"\[\s*(?:([^\s=\]]+)\s*=\s*)?(\d{1,18})\s*\]")
_NUMBERS = re.compile(r"byte|u?int\d*|float\d*", re.IGNORECASE)
_GLOBAL = ("NC_GLOBAL", "HDF_GLOBAL", "DODS_EXTRA")


def parse_das(text: str) -> dict[str, dict[str, Any]]:
    """The attributes of each variable, and of NC_GLOBAL. Raises UnreadableError."""
    if not re.match(r"\s*Attributes\s*\{", text, re.IGNORECASE):
        raise UnreadableError("not a DAS")
    tokens = ((match[1], match[2] or match[3] or "") for match in _TOKEN.finditer(text))
    next(tokens), next(tokens)
    found: dict[str, dict[str, Any]] = {}
    for quoted, word in tokens:
        if word == "}":
            return found
        name = quoted if quoted is not None else word
        if next(tokens, (None, ""))[1] != "{":
            raise UnreadableError("a DAS that makes no sense")
        found.setdefault(name, {}).update(_container(tokens, 1))
    raise UnreadableError("a DAS that is cut off")


def _container(tokens: Iterator[tuple[str | None, str]], depth: int) -> dict[str, Any]:
    """Attributes up to the closing brace; those of containers within are named `outer.inner`."""
    if depth > _DEPTH:
        raise UnreadableError("a DAS that is nested too deeply")
    found: dict[str, Any] = {}
    for quoted, kind in tokens:
        if kind == "}":
            return found
        second = next(tokens, (None, ""))
        if second[1] == "{":
            inner = _container(tokens, depth + 1)
            found.update({f"{quoted or kind}.{name}": value for name, value in inner.items()})
            continue
        name = second[0] if second[0] is not None else second[1]
        values = []
        for text, word in tokens:
            if word == ";":
                break
            if word in ("{", "}"):
                raise UnreadableError("a DAS that makes no sense")
            if word != ",":
                values.append(_unquoted(text) if text is not None else word)
        found[name] = _value(kind, values)
    raise UnreadableError("a DAS that is cut off")


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)


def _value(kind: str, values: list[str]) -> Any:
    if not _NUMBERS.fullmatch(kind):
        return ", ".join(values)
    numbers = []
    for text in values[:100]:
        try:
            numbers.append(float(text))
        except ValueError:
            return ", ".join(values)
    return numbers[0] if len(numbers) == 1 else numbers


def parse_dds(text: str) -> dict[str, tuple[tuple[str, ...], tuple[int, ...], bool]]:
    """Dimensions, shape, and whether it is of numbers, of each variable. Raises UnreadableError."""
    if not re.match(r"\s*Dataset\s*\{", text, re.IGNORECASE):
        raise UnreadableError("not a DDS")
    found: dict[str, tuple[tuple[str, ...], tuple[int, ...], bool]] = {}
    for kind, name, sizes in _DECLARED.findall(text):
        dimensions = _DIMENSION.findall(sizes)
        found.setdefault(
            name,  # the array of a grid stands before its maps
            (
                tuple(named or "" for named, _ in dimensions),
                tuple(int(size) for _, size in dimensions),
                _NUMBERS.fullmatch(kind) is not None,
            ),
        )
    return found


def structure_of(das: str, dds: str) -> Structure:
    """The outline of a data set; `dds` may be empty. Raises UnreadableError."""
    said = parse_das(das)
    shapes = parse_dds(dds) if dds else {}
    whole: dict[str, Any] = {}
    for name in _GLOBAL:
        whole.update(said.pop(name, {}))
    variables = {}
    for name in dict.fromkeys([*shapes, *said]):
        dimensions, shape, numeric = shapes.get(name, ((), (), True))
        variables[name] = Variable(name, said.get(name, {}), dimensions, shape, numeric)
    return Structure(whole, variables)


def read_opendap(das: str, dds: str) -> Summary:
    """What the data set says. Raises UnreadableError."""
    structure = structure_of(das, dds)
    of = Variable("", structure.attributes)
    place = coordinates.horizontal(structure)
    clock, vertical = coordinates.time(structure), coordinates.depth(structure)
    pressure = coordinates.pressure(structure)
    notes: list[str] = []
    start, end = attributes.times(structure)
    if clock and not (start or end):
        start, end = _times(clock, notes)
    used = {one.name for one in (*(place or ()), clock, vertical, pressure) if one}
    return Summary(
        NETCDF,
        title=attributes.title(structure),
        description=attributes.description(structure),
        licence=of.text("license", "licence", "rights")[:5_000],
        providers=attributes.providers(structure),
        keywords=attributes.keywords(structure),
        citation=attributes.citation(structure),
        doi=attributes.doi(structure),
        box=attributes.box(structure) or _box(place, notes),
        start=written(start),
        end=written(end),
        depth=attributes.depth(structure) or _depth(vertical, notes),
        parameters=attributes.parameters(structure, used),
        platforms=attributes.named(structure, "platform_name", "platform", "platform_code"),
        instruments=attributes.named(structure, "instrument", "instrument_name", "sensor"),
        feature_type=attributes.one_line(of.text("featureType", "cdm_data_type"), 40),
        updated=written(attributes.updated(structure)),
        notes=tuple(dict.fromkeys(notes)),
    )


def _range(variable: Variable, notes: list[str]) -> tuple[float, float] | None:
    """Its least and greatest value, as its attributes say."""
    found = variable.numbers("actual_range")
    if len(found) != 2:
        found = variable.numbers("valid_range")
        if len(found) != 2:
            found = [*variable.numbers("valid_min"), *variable.numbers("valid_max")]
        if len(found) == 2:
            notes.append(f"{variable.name}: from its range of valid values")
    return (min(found), max(found)) if len(found) == 2 else None


def _box(
    place: tuple[Variable, Variable] | None, notes: list[str]
) -> tuple[float, float, float, float] | None:
    if place is None:
        return None
    south, west = _range(place[0], notes), _range(place[1], notes)
    if south is None or west is None:
        return None
    try:
        found = parse_box(west[0], south[0], west[1], south[1])
    except RecordError:
        return None
    return found.west, found.south, found.east, found.north


def _times(clock: Variable, notes: list[str]) -> tuple[datetime | None, datetime | None]:
    ends = _range(clock, notes)
    if ends is None:
        return None, None
    found = []
    try:
        for value in ends:
            date, note = moment(value, clock.text("units"), clock.text("calendar"))
            found.append(date)
            if note:
                notes.append(note)
    except ValueError:
        return None, None
    return found[0], found[1]


def _depth(vertical: Variable | None, notes: list[str]) -> tuple[float, float] | None:
    ends = _range(vertical, notes) if vertical else None
    if vertical is None or ends is None:
        return None
    if coordinates.upwards(vertical):
        ends = (-ends[1], -ends[0])
    return attributes.sea_depth(*ends)
