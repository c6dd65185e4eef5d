"""The texts of an order's folder for people and for their usual programs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pelagos_client.documents.citing import Cited, plain
from pelagos_client.documents.model import Citation, DeliveredFile, OrderFacts

if TYPE_CHECKING:
    from pelagos_client.download.checksums import Checksum

FORMAT = 1  # of query.json
_TAGS = {"md5": "MD5", "sha1": "SHA1", "sha384": "SHA384", "sha512": "SHA512"}


def query(facts: OrderFacts) -> str:
    """`query.json`: what was asked and what came; `order` can be sent again as it is."""
    assets: dict[tuple[str, str], list[str]] = {}
    for file in facts.files:
        assets.setdefault((file.collection, file.item), []).append(file.asset)
    document = {
        "format": FORMAT,
        "number": facts.number,
        "site": facts.site,
        "owner": facts.owner,
        "created": moment(facts.created),
        "ready": moment(facts.ready),
        "notes": list(facts.notes),
        "order": {
            "title": facts.title,
            "to": facts.target,
            "items": [
                {
                    "collection": collection,
                    "item": item,
                    "assets": list(dict.fromkeys(assets.get((collection, item), ()))) or None,
                }
                for collection, item in facts.items
            ],
            "criteria": facts.criteria.to_json(),
            "query": facts.query,
        },
        "files": [_file(file) for file in facts.files],
    }
    return json_text(document, indent=1) + "\n"


def json_text(value: Any, *, indent: int | None = None, sort: bool = False) -> str:
    """Valid JSON in valid UTF-8, whatever a query holds: NaN becomes null."""
    text = json.dumps(_finite(value), indent=indent, sort_keys=sort, ensure_ascii=False)
    return text.encode("utf-8", "replace").decode()  # halves of a pair, which JSON can hold


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _file(file: DeliveredFile) -> dict[str, Any]:
    fetched = moment(file.fetched) if file.fetched else None
    return {**asdict(file), "fetched": fetched, "notes": list(file.notes)}


def citation_text(found: Iterable[Cited]) -> str:
    """`CITATION.txt`."""
    lines = ["Cite these data sets where you use the files of this folder:", ""]
    for one in found:
        lines += [one.citation.text, ""]
    return "\n".join(lines)


def licences(found: Iterable[Cited]) -> str:
    """`LICENCES.txt`: the data sets by licence."""
    groups: dict[tuple[str, str], list[Citation]] = {}
    for one in found:
        key = one.citation.licence, one.citation.licence_text
        groups.setdefault(key, []).append(one.citation)
    lines = ["Under which terms the files of this folder may be used:", ""]
    for (licence, words), group in groups.items():
        lines.append(licence_name(licence))
        if words and words != licence:
            lines.append(f"  {words}")
        if not words and licence == "other":
            lines.append("  The source says nothing. Ask it before you pass the files on.")
        lines += [f"  - {one.title}{f' ({one.url})' if one.url else ''}" for one in group]
        lines.append("")
    return "\n".join(lines)


def licence_name(licence: str) -> str:
    """A licence for a person."""
    return "Terms of the source" if licence == "other" else licence


def checksums(files: Iterable[DeliveredFile]) -> dict[str, str]:
    """`SHA256SUMS` for `sha256sum -c`, and `CHECKSUMS.txt` for what has another kind.

    The latter has the tagged lines that `md5sum -c`, `sha1sum -c` and so on take. A file without a
    checksum that can be read is in neither.
    """
    sums, others = [], []
    for file in files:
        found = checksum(file)
        if found is None:
            continue
        name = _escaped(file.path)
        mark = "\\" if name != file.path else ""
        if found.kind == "sha256":
            sums.append(f"{mark}{found.digest.hex()}  {name}\n")
        else:
            others.append(f"{mark}{_TAGS[found.kind]} ({name}) = {found.digest.hex()}\n")
    texts = {"SHA256SUMS": "".join(sums), "CHECKSUMS.txt": "".join(others)}
    return {name: text for name, text in texts.items() if text}


def checksum(file: DeliveredFile) -> Checksum | None:
    """What is known of a file's content."""
    # here, because the engine needs libraries that whoever only cites does not have
    from pelagos_client.download.checksums import parse
    from pelagos_client.download.errors import RequestError

    try:
        return parse(file.checksum) if file.checksum else None
    except RequestError:
        return None


def _escaped(path: str) -> str:
    # as coreutils write and read names with such characters: the line begins with a backslash
    return path.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")


def readme(facts: OrderFacts, names: Iterable[str]) -> str:
    """`README.txt`."""
    size = sum(file.size for file in facts.files)
    title = plain(facts.title)
    lines = [
        f"Order{f' {facts.number}' if facts.number else ''}{f': {title}' if title else ''}",
        "",
        f"Ordered by {plain(facts.owner)} on {_day(facts.created)}"
        f"{f' at {plain(facts.site)}' if facts.site else ''}, ready on {_day(facts.ready)}: "
        f"{count(len(facts.files))}, {size} bytes.",
        "",
        *(_of_copies(facts) if facts.target == "workspace" else _of_links(facts)),
        "",
        "Beside the files:",
        *(f"  {name}: {_ABOUT[name]}" for name in names if name in _ABOUT),
    ]
    notes = [plain(note) for note in facts.notes]
    notes += [f"{file.path}: {plain(note)}" for file in facts.files for note in file.notes]
    unproved = [file.path for file in facts.files if file.proof == "none"]
    if unproved:
        shown = ", ".join(unproved[:5]) + (" and others" if len(unproved) > 5 else "")
        notes.append(f"The source gave no size or checksum to compare with: {shown}.")
    if notes:
        lines += ["", "Mind:", *(f"  - {note}" for note in notes)]
    return "\n".join(lines) + "\n"


def _of_links(facts: OrderFacts) -> list[str]:
    until = (
        f"until {_day(facts.expires)}, unless another order needs them longer"
        if facts.expires
        else "for some time"
    )
    return [
        "The data files in this folder are links into the data pool, which everybody shares and",
        f"nobody can change. The pool keeps them {until}.",
        "This folder is in the dataspace, where files that nobody changes go after some days.",
        "",
        f"To fetch it all again:  {_again(facts)}",
        "To keep the files: copy this folder to the workspace, following the links. In it, type",
        '  cp -rL "$PWD" ~/workspace/',
        "or order with the target `workspace`.",
    ]


def _of_copies(facts: OrderFacts) -> list[str]:
    return [
        "The data files in this folder are copies of yours: nothing removes or changes them.",
        "",
        f"To fetch it all again:  {_again(facts)}",
    ]


def _again(facts: OrderFacts) -> str:
    # a program's own order has a number in its working folder at best: its query says it all
    return f"pelagos-data order --again {facts.number}" if facts.site else _FROM_QUERY


_FROM_QUERY = "pelagos-data order query.json"
_ABOUT = {
    "query.json": "what was searched and ordered, and every file with its source",
    "CITATION.txt": "how to cite the data",
    "LICENCES.txt": "under which terms they may be used",
    "SHA256SUMS": "to check the files: sha256sum -c SHA256SUMS",
    "CHECKSUMS.txt": "to check the others: md5sum -c, sha1sum -c or sha512sum -c, as it says there",
    "ro-crate-metadata.json": "all of this for programs (RO-Crate)",
}


def moment(when: datetime) -> str:
    """RFC 3339 in UTC, in whole seconds."""
    return when.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")


def count(files: int) -> str:
    """So many files, in words."""
    return f"{files} {'file' if files == 1 else 'files'}"


def _day(when: datetime) -> str:
    return when.astimezone(UTC).date().isoformat()
