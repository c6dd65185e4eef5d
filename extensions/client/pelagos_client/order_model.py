"""What an order looks like: state, files, estimate, citations, wherever it is carried out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Self, overload

from pelagos_client.access.model import Terms
from pelagos_client.documents.model import Citation
from pelagos_client.progress import readable
from pelagos_client.tables import clean, escaped

EMPTY = "empty"  # state of a file: a part of a cut in which the source has nothing
_SHOWN = 10  # refusals in an estimate


class OrderState(StrEnum):
    """Where an order is in its life."""

    QUEUED = "queued"
    FETCHING = "fetching"
    WAITING = "waiting"  # a source prepares what is left
    VERIFYING = "verifying"  # all is here: its folder is made, or copied to the workspace
    READY = "ready"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"  # was ready; files of it are gone since

    @property
    def over(self) -> bool:
        """Whether nothing more happens by itself."""
        return self in _OVER


_OVER = {OrderState.READY, OrderState.FAILED, OrderState.CANCELLED, OrderState.EXPIRED}
AGAIN = _OVER - {OrderState.READY}


@dataclass(frozen=True)
class Status:
    """How an order was when it was asked. Sizes in bytes.

    `total`, `ready`, `failed`, `waiting` count files; `cached` of them were in the pool already.
    `known`: bytes of the files whose size is known; `unknown` files have none yet; `done` bytes are
    here. `error` and `next_step` are sentences for a person. `expires`: until then its files stay.
    """

    number: int
    state: OrderState
    title: str = ""
    to: str = "dataspace"
    created: datetime | None = None
    finished: datetime | None = None
    expires: datetime | None = None
    total: int = 0
    ready: int = 0
    failed: int = 0
    waiting: int = 0
    cached: int = 0
    known: int = 0
    unknown: int = 0
    done: int = 0
    folder: str = ""
    error: str = ""
    next_step: str = ""
    notes: tuple[str, ...] = ()
    owner: str = ""
    virtual_lab: str = ""

    @property
    def place(self) -> str:
        """The folder as a person finds it in their server; of an order without a VRE, its path."""
        if not self.folder or self.folder.startswith("/"):
            return self.folder
        return f"{'~/workspace' if self.to == 'workspace' else '~/dataspace/me'}/{self.folder}"

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """The service's document. Raises KeyError, TypeError, ValueError for anything else."""
        files, sizes = document["files"], document["bytes"]
        return cls(
            number=int(document["number"]),
            state=OrderState(document["state"]),
            title=str(document["title"]),
            to=str(document["to"]),
            created=moment(document["created"]),
            finished=moment(document["finished"]),
            expires=moment(document["expires"]),
            **{
                name: int(files[name]) for name in ("total", "ready", "failed", "waiting", "cached")
            },
            **{name: int(sizes[name]) for name in ("known", "unknown", "done")},
            folder=str(document["folder"]),
            error=str(document["error"]),
            next_step=str(document["next_step"]),
            notes=tuple(str(note) for note in document["notes"]),
            owner=str(document["owner"]),
            virtual_lab=str(document["virtual_lab"]),
        )

    def __str__(self) -> str:
        total = f"{self.total} {'file' if self.total == 1 else 'files'}"
        if self.state is OrderState.READY and self.ready == self.total:
            return f"{self.state.value}, {total}, {readable(max(self.known, self.done))}"
        text = f"{self.state.value}, {self.ready} of {total}"
        if self.known or self.done:
            text += f", {readable(self.done)} of {'at least ' if self.unknown else ''}"
            text += readable(max(self.known, self.done))
        if self.waiting:
            text += f", {self.waiting} wait for their source"
        return text + (f", {self.failed} failed" if self.failed else "")


def moment(text: str | None) -> datetime | None:
    """A time of the service."""
    return datetime.fromisoformat(text) if text else None


@dataclass(frozen=True)
class OrderFile:
    """One file of an order. `path` is below the order's folder, `pool` below the data pool ("" if
    it is not in one). `size` in bytes or None, `checksum` a multihash in hexadecimal, `url` without
    a query."""

    path: str
    collection: str
    item: str
    asset: str
    state: str
    pool: str = ""
    size: int | None = None
    done: int = 0
    checksum: str = ""
    type: str = ""
    url: str = ""
    is_subset: bool = False
    error: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refusal:
    """A granule that can't be ordered, and why."""

    collection: str
    item: str
    reason: str


@dataclass(frozen=True)
class Estimate:
    """What an order would be. Sizes in bytes.

    `files` in all; `known` bytes of those whose size is known, `unknown` files have none. `cached`:
    bytes that are there already. `free`: what the target can still take. `fits` and `reason`:
    whether it would be accepted, and why not. `accept`: terms that have to be accepted first.
    `refused`: what can't be ordered.
    """

    files: int
    known: int
    unknown: int
    cached: int
    free: int
    fits: bool
    reason: str = ""
    accept: tuple[Terms, ...] = ()
    refused: tuple[Refusal, ...] = ()
    total_items: int = field(default=0, repr=False)

    def _answer(self) -> str:
        if not self.fits:
            return f"no: {self.reason}"
        count = len(self.refused)  # an order with one of them is refused as a whole
        if not count:
            return "yes"
        return f"no: leave out {'this granule' if count == 1 else f'these {count} granules'}"

    def _lines(self) -> list[tuple[str, str]]:
        size = readable(self.known)
        if self.unknown:
            size = f"at least {size}; {self.unknown} files don't say" if self.known else "unknown"
        lines = [
            ("files", str(self.files)),
            ("size", size),
            ("there already", readable(self.cached)),
            ("free in the target", readable(self.free)),
            ("can be ordered", self._answer()),
        ]
        lines += [("to be accepted", f"{one.title}: {one.text} [{one.key}]") for one in self.accept]
        lines += [
            ("can't be ordered", f"{one.collection}/{one.item}: {one.reason}")
            for one in self.refused[:_SHOWN]
        ]
        if len(self.refused) > _SHOWN:
            lines.append(("", f"and {len(self.refused) - _SHOWN} more"))
        return lines

    def __str__(self) -> str:
        return "\n".join(f"{name:>18}  {clean(text)}" for name, text in self._lines())

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text("Estimate(…)" if cycle else str(self))

    def _repr_html_(self) -> str:
        return pairs("Estimate", self._lines())


class Citations(Sequence[Citation]):
    """How the data of an order want to be cited, each with its DOI and licence."""

    def __init__(self, found: Iterable[Citation]) -> None:
        self._found = tuple(found)

    def __len__(self) -> int:
        return len(self._found)

    @overload
    def __getitem__(self, index: int) -> Citation: ...
    @overload
    def __getitem__(self, index: slice) -> Citations: ...
    def __getitem__(self, index: int | slice) -> Citation | Citations:
        return Citations(self._found[index]) if isinstance(index, slice) else self._found[index]

    def __str__(self) -> str:
        lines = []
        for one in self._found:
            licence = _terms(one)
            lines.append(clean(one.text) + (f"\n  Licence: {clean(licence)}" if licence else ""))
        return "\n\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        entries = []
        for one in self._found:
            text, address = (
                escaped(one.text),
                one.url or (f"https://doi.org/{one.doi}" if one.doi else ""),
            )
            if address.startswith(("https://", "http://")):
                text += f' <a href="{escaped(address)}" rel="noopener">{escaped(address)}</a>'
            licence = _terms(one)
            entries.append(
                f"<li>{text}{f'<br>Licence: {escaped(licence)}' if licence else ''}</li>"
            )
        return f"<ul>{''.join(entries)}</ul>"


def _terms(citation: Citation) -> str:
    """A licence for a person; `other` is STAC's word for "see the words", and says nothing."""
    named = "" if citation.licence == "other" else citation.licence
    return " ".join(filter(None, (named, citation.licence_text)))


def pairs(title: str, lines: Iterable[tuple[str, str]]) -> str:
    """A table of names and values as HTML, everything escaped."""
    body = "".join(
        f'<tr><th scope="row">{escaped(name)}</th><td>{escaped(text)}</td></tr>'
        for name, text in lines
    )
    return f"<table><caption>{escaped(title)}</caption><tbody>{body}</tbody></table>"
