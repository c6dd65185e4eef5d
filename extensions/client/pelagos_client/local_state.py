"""What is remembered of an order that is carried out here: one JSON file in its folder."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from pelagos_client.access.model import Criteria, FilePlan
from pelagos_client.errors import OrderError
from pelagos_client.order_model import OrderState

STATE, LOCK, STOP = ".pelagos-order.json", ".pelagos-order.lock", ".pelagos-order.stop"
_FORMAT = 1
Document = dict[str, Any]


@dataclass
class LocalFile:
    """One file. `path` is below the folder; `expected` the checksum that it had before."""

    collection: str
    item: str
    path: str
    plan: FilePlan
    state: str = "queued"
    size: int | None = None
    checksum: str = ""
    proof: str = ""
    url: str = ""
    etag: str = ""
    modified: str = ""
    fetched: str = ""
    notes: list[str] = field(default_factory=list)
    error: str = ""
    job: Document | None = None
    expected: str = ""


@dataclass
class LocalState:
    """An order. `named`: hosts that may be private ones."""

    number: int
    title: str
    created: str
    criteria: Criteria
    query: Document
    catalogue: str
    items: list[Document]
    collections: dict[str, Document]
    files: list[LocalFile]
    named: list[str] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    state: OrderState = OrderState.QUEUED
    finished: str = ""
    error: str = ""
    next_step: str = ""
    notes: list[str] = field(default_factory=list)
    attempt: int = 1

    def save(self, folder: Path) -> None:
        """Write it, whole or not at all. Raises OrderError."""
        document = {"format": _FORMAT, **asdict(self), "criteria": self.criteria.to_json()}
        target = folder / STATE
        # each thread and program its own, so that two never mix
        # (servers that share a home each count their processes from 1)
        own = f"{socket.gethostname()}.{os.getpid()}.{threading.get_ident()}"
        beside = target.with_name(f"{STATE}.{own}")
        try:
            beside.write_text(json.dumps(document, ensure_ascii=False))
            beside.replace(target)
        except OSError as error:
            raise OrderError(
                f"The order's state can't be written to {target}: {error.strerror}.",
                "Make room, or look at who may write there.",
            ) from error

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What `save` wrote. Raises OrderError."""
        try:
            document = json.loads((folder / STATE).read_text())
            if document.pop("format") != _FORMAT:
                raise ValueError("another format")
            names = {one.name for one in fields(LocalFile)}
            return cls(
                **{
                    **document,
                    "criteria": Criteria.from_json(document["criteria"]),
                    "state": OrderState(document["state"]),
                    "files": [
                        LocalFile(
                            **{name: value for name, value in one.items() if name in names}
                            | {"plan": FilePlan.from_json(one["plan"])}
                        )
                        for one in document["files"]
                    ],
                }
            )
        except FileNotFoundError:
            raise OrderError(
                f"There is no order in {folder}.", "Give the folder that order(…) made."
            ) from None
        except OSError as error:
            raise OrderError(
                f"The order in {folder} can't be read: {error.strerror}.", "Look at its folder."
            ) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise OrderError(
                f"{folder / STATE} is damaged, or of another version.",
                "Order again, into another folder.",
            ) from error


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Hold an order's lock; False if another thread or program carries it out."""
    try:
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError:  # a folder that can only be read: nobody carries it out
        yield True
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True
    finally:
        os.close(descriptor)


def new_folder(base: Path) -> tuple[int, Path]:
    """The next number's folder below `base`. Raises OrderError."""
    try:
        base.mkdir(parents=True, exist_ok=True)
        taken = [int(one.name) for one in base.iterdir() if one.name.isdecimal()]
        number = max(taken, default=0)
        while True:
            number += 1
            with contextlib.suppress(FileExistsError):
                (base / str(number)).mkdir()
                return number, base / str(number)
    except OSError as error:
        raise _unwritable(base, error) from error


def empty_folder(folder: Path) -> Path:
    """A folder that a person named, made if it is not there. Raises OrderError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        there = next(folder.iterdir(), None)
    except OSError as error:
        raise _unwritable(folder, error) from error
    if there is not None:
        known = (folder / STATE).is_file()
        raise OrderError(
            f"{folder} {'holds an order already' if known else 'is not empty'}.",
            f"get({str(folder)!r}).retry() goes on with it." if known else "Name another folder.",
        )
    return folder


def _unwritable(folder: Path, error: OSError) -> OrderError:
    return OrderError(
        f"{folder} can't be made or written: {error.strerror}.", "Name another folder: to='…'."
    )
