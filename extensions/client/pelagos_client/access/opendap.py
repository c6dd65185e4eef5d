"""Cuts a data set behind OPeNDAP on its server, into one classic NetCDF file.

The coordinates are read first, with small requests; then just the indices that lie in box and time
range are asked for, variable by variable. What lies at both ends of the server's longitudes is
joined, from west to east. Where latitude and longitude are no axes (curvilinear grids, tracks) or
the calendar is not the usual one, that is not cut, and a note says so. Texts are left out.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pelagos_client.access import dap
from pelagos_client.access.assembling import assemble
from pelagos_client.access.classic import Attribute, Stored, header, nbytes, padding
from pelagos_client.access.dap import Array, DapError
from pelagos_client.access.longitudes import spans
from pelagos_client.access.model import AccessError, Criteria, EmptyError, FilePlan, Protocol
from pelagos_client.access.names import cut_name, file_name
from pelagos_client.download.asking import Said
from pelagos_client.download.checksums import Hasher
from pelagos_client.download.engine import Engine, Tell
from pelagos_client.download.errors import DownloadError, SpaceError, TooLargeError
from pelagos_client.download.model import (
    DownloadProgress,
    Existing,
    Fetched,
)
from pelagos_client.download.parts import Part

_PIECE = 2**23  # bytes of one request for values
_AXIS = 2**24  # bytes of a coordinate
_SECONDS = {"second": 1, "sec": 1, "s": 1, "minute": 60, "min": 60, "hour": 3600, "hr": 3600,
            "h": 3600, "day": 86400, "d": 86400}  # fmt: skip
_SINCE = re.compile(r"(\w+?)s?\s+since\s+(\d{1,4})-(\d{1,2})-(\d{1,2})(?:[T\s]+(.*))?", re.I)
_CLOCK = re.compile(r"(\d{1,2}):(\d{1,2})(?::(\d{1,2}(?:\.\d+)?))?\s*(?:Z|UTC|GMT|\+?00?:?0*)?\s*")
_USUAL = ("", "standard", "gregorian", "proleptic_gregorian")
Ask = Callable[[str], Said]
Span = tuple[int, int]  # first and last index


def plan(key: str, asset: Mapping[str, Any], criteria: Criteria) -> list[FilePlan]:
    """One file of a data set at `href`."""
    href = str(asset.get("href") or "")
    base = re.sub(r"\.(html|dds|das|dods)$", "", href.partition("?")[0])
    name = file_name(base, "application/x-netcdf")
    is_subset = criteria != Criteria()
    if is_subset:
        text = json.dumps([key, base, criteria.to_json()], sort_keys=True)
        mark = hashlib.sha256(text.encode()).hexdigest()[:8]
        name = cut_name(re.sub(r"\.nc4?$", "", name), ".nc", mark)
    request = {"protocol": "opendap", "criteria": criteria.to_json()}
    media = "application/x-netcdf"
    return [FilePlan(key, name, base, Protocol.PAGES, media, request=request, is_subset=is_subset)]


def fetch_cut(
    plan: FilePlan,
    engine: Engine,
    into: Path,
    path: str,
    ask: Ask,
    tell: Tell | None,
    existing: Existing,
) -> Fetched:
    """The file. An interrupted one begins anew. Raises AccessError, DownloadError."""
    began = time.monotonic()

    def fill(part: Part) -> tuple[str, list[str]]:
        try:
            source = _Source(plan, ask)
            return _write(source, part, engine, tell, began), source.notes
        except DapError as error:
            raise AccessError(
                f"{plan.name}: its server's answer can't become a file: {error}.",
                "Open it instead, or order the item's file.",
            ) from error

    return assemble(plan, into, path, existing, fill)


@dataclass
class _Source:
    """A data set, and what of it is wanted."""

    plan: FilePlan
    ask: Ask
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.criteria = Criteria.from_json(self.plan.request["criteria"])
        self.arrays = dap.parse_dds(self._text(".dds"))
        self.attributes = dap.parse_das(self._text(".das"))
        self.spans: dict[str, list[Span]] = {}
        self._known: dict[str, list[float]] = {}
        self.wanted = self._chosen()
        self._cut()

    def _text(self, ending: str) -> str:
        said = self._asked(f"{self.plan.url}{ending}")
        if len(said) > dap.TEXT:
            raise DapError(f"its {ending[1:].upper()} is too large")
        return said.decode("utf-8", "replace")

    def _asked(self, url: str) -> bytes:
        said = self.ask(url)
        if said.status != 200 or said.body.lstrip()[:7] == b"Error {":
            raise DownloadError(
                f"{self.plan.name}: its server answered HTTP {said.status}.",
                "Try again later.",
                again=said.status == 429 or said.status >= 500,
            )
        return said.body

    def _chosen(self) -> list[Array]:
        """The variables, and the coordinates of their dimensions. Raises AccessError."""
        names = self.criteria.variables
        found = [
            one for name, one in self.arrays.items()
            if not names or name in names or self._about(one, "standard_name") in names
        ]  # fmt: skip
        if not found:
            some = ", ".join(list(self.arrays)[:12])
            raise AccessError(
                f"{self.plan.name}: it has none of the variables {', '.join(names)[:200]}.",
                f"It has {some or 'none of numbers'}.",
            )
        beside = {name for one in found for name, _ in one.dimensions}
        for one in found:
            beside.update(self._about(one, "coordinates").split())
        return [
            one for name, one in self.arrays.items()
            if one in found or name in beside
        ]  # fmt: skip

    def _about(self, one: Array, name: str) -> str:
        return dap.text_of(self.attributes.get(one.name, {}), name)

    def _cut(self) -> None:
        """Which indices of which dimension lie in the criteria. Raises EmptyError."""
        box = self.criteria.bbox
        cuts: list[tuple[str, Callable[[Array], list[Span] | None], str]] = []
        if box:
            cuts.append(("X", lambda one: self._longitudes(one, box), "longitude"))
            cuts.append(("Y", lambda one: self._between(one, box[1], box[3]), "latitude"))
        if self.criteria.start or self.criteria.end:
            cuts.append(("T", self._times, "time"))
        for kind, cut, what in cuts:
            axes = [one for one in self.wanted if one.is_axis and self._kind(one) == kind]
            done = False
            for axis in axes:
                found = cut(axis)
                if found is None:
                    continue
                if not found:
                    raise EmptyError.of(self.plan)
                self.spans[axis.name], done = found, True
            if not done:
                self.notes.append(f"Not cut by {what}: the data set has no such axis.")

    def _kind(self, one: Array) -> str:
        units, name = self._about(one, "units"), self._about(one, "standard_name")
        if " since " in units:
            return "" if name == "forecast_reference_time" else "T"
        if re.fullmatch(r"degrees?_?(east|E)", units) or name == "longitude":
            return "X"
        if re.fullmatch(r"degrees?_?(north|N)", units) or name == "latitude":
            return "Y"
        return ""

    def values_of(self, axis: Array) -> list[float]:
        """The values of a coordinate."""
        if axis.name not in self._known:
            count = axis.dimensions[0][1]
            if count * axis.sent > _AXIS:
                raise DapError(f"{axis.name} is too long")
            data = self.part(axis, [(0, count - 1)])
            found = dap.numbers(data, axis.kind)
            scale, offset = (self._number(axis, name) for name in ("scale_factor", "add_offset"))
            if scale is not None or offset is not None:
                found = [one * (1 if scale is None else scale) + (offset or 0) for one in found]
            self._known[axis.name] = found
        return self._known[axis.name]

    def _number(self, one: Array, name: str) -> float | None:
        found = self.attributes.get(one.name, {}).get(name)
        if found is None or isinstance(found.value, str):
            return None
        return float(found.value[0])

    def _between(self, axis: Array, low: float, high: float) -> list[Span]:
        return _runs(low <= value <= high for value in self.values_of(axis))

    def _longitudes(self, axis: Array, box: tuple[float, float, float, float]) -> list[Span]:
        """From west to east, so that what lies at both ends is joined where it meets."""
        values = self.values_of(axis)
        real = [value for value in values if math.isfinite(value)]
        if not real:
            return []
        west, _, east, _ = box
        found: list[Span] = []
        for left, right in sorted(
            spans(west, east, min(real), max(real)), key=lambda one: (one[0] - west) % 360
        ):
            for run in _runs(left <= value <= right for value in values):
                if not any(first <= run[1] and run[0] <= last for first, last in found):
                    found.append(run)
        return found

    def _times(self, axis: Array) -> list[Span] | None:
        match = _SINCE.fullmatch(self._about(axis, "units").strip())
        calendar = self._about(axis, "calendar").lower()
        unit = _SECONDS.get(match[1].lower()) if match else None
        if match is None or unit is None or calendar not in _USUAL:
            return None
        try:
            epoch = datetime(int(match[2]), int(match[3]), int(match[4]), tzinfo=UTC).timestamp()
        except ValueError:
            return None
        if match[5]:
            clock = _CLOCK.fullmatch(match[5])
            if clock is None:
                return None
            epoch += int(clock[1]) * 3600 + int(clock[2]) * 60 + float(clock[3] or 0)
        start, end = self.criteria.start, self.criteria.end
        low = start.timestamp() if start else -math.inf
        high = end.timestamp() if end else math.inf
        # stored as numbers of days, a time may be a little off
        return _runs(
            low - 1e-3 <= epoch + value * unit <= high + 1e-3 for value in self.values_of(axis)
        )

    def cut_of(self, one: Array) -> list[list[Span]]:
        """The indices of each dimension of a variable, in runs."""
        return [self.spans.get(name, [(0, size - 1)]) for name, size in one.dimensions]

    def part(self, one: Array, indices: Sequence[Span]) -> bytes:
        """Some values. Raises DapError, DownloadError."""
        count = math.prod(last - first + 1 for first, last in indices)
        body = self._asked(f"{self.plan.url}.dods?{dap.query(one, indices)}")
        return dap.values(body, one, count)


def _runs(inside: Any) -> list[Span]:
    """First and last index of each run of what is inside."""
    found: list[Span] = []
    for index, good in enumerate(inside):
        if not good:
            continue
        if found and found[-1][1] == index - 1:
            found[-1] = (found[-1][0], index)
        else:
            found.append((index, index))
    return found


def _write(source: _Source, part: Part, engine: Engine, tell: Tell | None, began: float) -> str:
    sizes: dict[str, int] = {}
    for one in source.wanted:
        for (name, _), runs in zip(one.dimensions, source.cut_of(one), strict=True):
            size = sum(last - first + 1 for first, last in runs)
            if sizes.setdefault(name, size) != size:
                raise DapError(f"its dimension {name} has two lengths")
    stored = [
        Stored(one.name, one.kind, tuple(name for name, _ in one.dimensions),
               _fitting(one, source.attributes.get(one.name, {})))
        for one in source.wanted
    ]  # fmt: skip
    try:
        head = header(sizes, source.attributes.get("", {}), stored)
    except ValueError:
        raise TooLargeError(
            f"{source.plan.name}: a variable of it is larger than 4 GiB.", "Order a smaller box."
        ) from None
    total = len(head) + sum(n + padding(n) for n in (nbytes(one, sizes) for one in stored))
    if total > engine.limits.largest:
        raise TooLargeError(f"{source.plan.name}: it is larger than the limit.", "Order less.")
    if total > part.free() - engine.limits.spare:
        raise SpaceError(f"{part.path}: there is not enough space for it.", "Make room.")
    hasher = Hasher("sha256")
    try:
        for data in itertools.chain([head], *(_content(source, one) for one in source.wanted)):
            part.write(data)
            hasher.update(data)
            if tell:
                tell(DownloadProgress(1, 0, 0, part.size, total, 0, time.monotonic() - began))
        if part.size != total:
            raise DapError(f"{part.size} of {total} bytes came")
        return str(hasher.checksum())
    finally:
        hasher.rest()


def _fitting(one: Array, attributes: Mapping[str, Attribute]) -> dict[str, Attribute]:
    """Attributes of a variable; fill values have to be of its own type."""
    found = dict(attributes)
    for name in ("_FillValue", "missing_value"):
        value = found.get(name)
        if value is not None and not isinstance(value.value, str) and value.kind != one.kind:
            numbers = [float(n) if one.kind in "fd" else int(n) for n in value.value]
            found[name] = Attribute(one.kind, numbers)
    if one.type == "byte":
        found.setdefault("_Unsigned", Attribute("", "true"))
    return found


def _content(source: _Source, one: Array) -> Iterator[bytes]:
    """All values of a variable, in pieces small enough to be held."""
    runs = source.cut_of(one)
    width = one.sent
    came = 0
    for indices in _pieces(runs, width):
        data = _joined(source, one, indices)
        came += len(data)
        yield data
    yield bytes(padding(came))


def _pieces(runs: list[list[Span]], width: int) -> Iterator[list[list[Span]]]:
    """The same indices in parts of at most about _PIECE bytes, in the order of a file."""
    counts = [sum(last - first + 1 for first, last in one) for one in runs]
    if math.prod(counts) * width <= _PIECE or not runs:
        yield runs
        return
    for place, count in enumerate(counts):
        inner = math.prod(counts[place + 1 :]) * width
        step = max(_PIECE // inner, 1)
        if count == 1:
            continue
        for first, last in runs[place]:
            for start in range(first, last + 1, step):
                part = [(start, min(start + step - 1, last))]
                yield from _pieces([*runs[:place], part, *runs[place + 1 :]], width)
        return
    yield runs


def _joined(source: _Source, one: Array, runs: list[list[Span]]) -> bytes:
    """Values of runs of indices, those of several runs along a dimension put together."""
    split = next((place for place, spans_ in enumerate(runs) if len(spans_) > 1), None)
    if split is None:
        return source.part(one, [spans_[0] for spans_ in runs])
    parts = [
        _joined(source, one, [*runs[:split], [span], *runs[split + 1 :]]) for span in runs[split]
    ]
    outer = math.prod(last - first + 1 for one_ in runs[:split] for first, last in one_)
    lengths = [len(part) // outer for part in parts]
    rows = (
        part[row * length : (row + 1) * length]
        for row in range(outer)
        for part, length in zip(parts, lengths, strict=True)
    )
    return b"".join(rows)
