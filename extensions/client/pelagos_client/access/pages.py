"""Records that come page by page, joined into one CSV file. Protocol: see `obis`."""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pelagos_client.access.assembling import assemble
from pelagos_client.access.model import EmptyError, FilePlan
from pelagos_client.access.shapes import within
from pelagos_client.download.asking import Said
from pelagos_client.download.checksums import Hasher
from pelagos_client.download.engine import Engine
from pelagos_client.download.errors import (
    CutError,
    DownloadError,
    ProtocolError,
    SpaceError,
    TooLargeError,
)
from pelagos_client.download.model import (
    DownloadProgress,
    Existing,
    Fetched,
)
from pelagos_client.download.parts import Part

_PAGES = 5_000  # of one file
_PAGE_BYTES = 2**26
_FLUSH = 2**18
Ask = Callable[[str], Said]
Tell = Callable[[DownloadProgress], None]


@dataclass
class _Joined:
    """What came so far."""

    records: int = 0  # that the source gave
    kept: int = 0
    pages: int = 0


def fetch_pages(
    plan: FilePlan,
    engine: Engine,
    into: Path,
    path: str,
    ask: Ask,
    tell: Tell | None,
    existing: Existing,
) -> Fetched:
    """One file of all records. An interrupted one begins anew. Raises DownloadError, EmptyError."""

    def fill(part: Part) -> tuple[str, list[str]]:
        joined, checksum = _join(plan, part, engine, ask, tell)
        if not joined.kept:
            raise EmptyError.of(plan)
        notes = [f"{joined.kept} records, in {joined.pages} pages."]
        if joined.kept < joined.records:
            left = joined.records - joined.kept
            notes.append(f"{left} records outside of the box were left out.")
        return checksum, notes

    return assemble(plan, into, path, existing, fill)


def _join(
    plan: FilePlan, part: Part, engine: Engine, ask: Ask, tell: Tell | None
) -> tuple[_Joined, str]:
    """Two passes: only at the end it is known which columns there are."""
    joined, began = _Joined(), time.monotonic()
    columns: dict[str, None] = {}
    folder = part.path.parent
    # without a name, so it is gone whatever ends this program
    with tempfile.TemporaryFile("w+", dir=folder, encoding="utf-8", newline="\n") as spool:
        for record in _records(plan, ask, joined):
            columns.update(dict.fromkeys(record))
            try:
                spool.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n")
            except OSError as error:
                raise _full(part) from error
            if joined.kept % 500 == 1:
                spool_size = os.fstat(spool.fileno()).st_size
                if spool_size > engine.limits.largest:
                    raise TooLargeError(f"{plan.name}: it is larger than is allowed.")
                if part.free() - engine.limits.spare < spool_size:
                    raise _full(part)
                if tell:
                    seconds = time.monotonic() - began
                    tell(DownloadProgress(1, 0, 0, spool_size, 0, 1, seconds))
        spool.seek(0)
        checksum = _write(spool, list(columns), part)
    return joined, checksum


def _write(spool: Any, columns: list[str], part: Part) -> str:
    hasher, text = Hasher("sha256"), io.StringIO()
    try:
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        for line in spool:
            writer.writerow({name: _cell(value) for name, value in json.loads(line).items()})
            if text.tell() > _FLUSH:
                _drain(text, part, hasher)
        _drain(text, part, hasher)
        return str(hasher.checksum())
    finally:
        hasher.rest()


def _drain(text: io.StringIO, part: Part, hasher: Hasher) -> None:
    data = text.getvalue().encode(errors="replace")
    text.seek(0)
    text.truncate()
    part.write(data)
    hasher.update(data)


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else value


def _records(plan: FilePlan, ask: Ask, joined: _Joined) -> Iterator[Mapping[str, Any]]:
    """All records within the box. Raises DownloadError."""
    request = plan.request
    key, size = request["id"], int(request["most"])
    box = request.get("box")
    after, total, last = "", None, ""
    while True:
        if joined.pages >= _PAGES:
            raise TooLargeError(
                f"{plan.name}: it has more than {joined.records} records, too many to be joined.",
                "Order a smaller box or time range.",
            )
        asked = {**request["parameters"], request["size"]: str(size)}
        if after:
            asked[request["after"]] = after
        document = _answer(ask(f"{plan.url}?{urllib.parse.urlencode(asked)}"))
        found = document.get(request["records"])
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise ProtocolError("The source's answer has no records.", "Try again later.")
        if total is None and type(document.get("total")) is int:
            total = document["total"]
        joined.pages += 1
        for record in found:
            joined.records += 1
            if box is None or _is_within(record, request, box):
                joined.kept += 1
                yield record
        if len(found) < size:
            break
        after = str(found[-1].get(key) or "")
        if not after or after == last:
            raise ProtocolError("The source gives the same page again and again.")
        last = after
    if total is not None and joined.records < total:
        raise CutError(
            f"{plan.name}: {joined.records} of {total} records came.",
            "Try again later: the source may be changing.",
            again=True,
        )


def _is_within(record: Mapping[str, Any], request: Mapping[str, Any], box: list[float]) -> bool:
    """Whether a record lies in the box; the source's word where it does not say its place."""
    try:
        place = float(record[request["longitude"]]), float(record[request["latitude"]])
    except (KeyError, TypeError, ValueError):
        return True
    west, south, east, north = box
    return within((west, south, east, north), *place)


def _answer(said: Said) -> Mapping[str, Any]:
    if said.status != 200:
        raise DownloadError(
            f"The source answered HTTP {said.status}.",
            "Try again later.",
            again=said.status == 429 or said.status >= 500,
        )
    found = said.json()
    if not isinstance(found, dict):
        raise ProtocolError("The source's answer is no object.", "Try again later.")
    return found


def _full(part: Part) -> SpaceError:
    return SpaceError(
        f"{part.path} can't be written any further: it is full.", "Make room, and order it again."
    )
