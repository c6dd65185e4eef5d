"""What is asked of the engine, and what it says: requests, limits, progress and results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from pelagos_client.download.errors import DownloadError
from pelagos_client.progress import readable


@dataclass(frozen=True)
class Content:
    """What came of a file. `read(offset, count)` gives bytes of it; `proof`: what is known of its
    wholeness; `type`: the media type that the source gave it."""

    size: int
    read: Callable[[int, int], bytes]
    proof: Proof
    type: str = ""


Inspect = Callable[[Content], None]


@dataclass(frozen=True)
class Wanted:
    """One file to download.

    `path` is relative to the target folder. `size` in bytes, if it is declared. `checksum`, if it
    is declared: a multihash in hexadecimal, or `md5:…`, `sha1:…`, `sha256:…`, `sha512:…`.
    `headers` go to the host of `url` only, never to one that it redirects to. `inspect` looks at
    the whole content before the file gets its name, and raises DownloadError if it may not.
    """

    url: str
    path: str
    size: int | None = None
    checksum: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    inspect: Inspect | None = field(default=None, repr=False, compare=False)


class Existing(Enum):
    """What to do where a file of that name is already there."""

    KEEP = "keep"  # if it is as declared; else the file fails
    REPLACE = "replace"  # download it again; the old one stays until the new one is whole


class State(Enum):
    """How a file ended."""

    READY = "ready"  # downloaded
    PRESENT = "present"  # was there already
    FAILED = "failed"
    CANCELLED = "cancelled"


class Proof(Enum):
    """How it is known that a file is whole."""

    CHECKSUM = "checksum"  # the declared one
    LENGTH = "length"  # the declared or announced number of bytes, or the end of chunks
    NONE = "none"  # the connection ended, which proves nothing; or the file was there


@dataclass(frozen=True)
class Limits:
    """How much, and how long. Sizes in bytes, times in seconds.

    `per_host`: requests at a time to one host, over all calls of an engine. `connections`: at a
    time, of one call. `largest`: bytes of one file, received or unpacked. `spare`: what stays free
    in the target. `silence`: without one byte. `overall`: one file, with all retries. After its
    first byte an answer has to bring `least` bytes in every `window`. `attempts`: failures in a row
    without one more byte of the file. `retry_after`: the longest wait that a source may ask for.
    """

    per_host: int = 8
    connections: int = 24
    largest: int = 100 * 2**30
    spare: int = 0
    connect: float = 20
    silence: float = 120
    overall: float = 12 * 3600
    window: float = 60
    least: int = 6_000
    attempts: int = 5
    first_wait: float = 1
    longest_wait: float = 60
    retry_after: float = 300


@dataclass(frozen=True)
class DownloadProgress:
    """How far a call is. `total`: bytes of the `files` whose size is known; `unknown`: how many
    files have none yet. `done`: bytes that are here, also those of an earlier call."""

    files: int
    finished: int
    failed: int
    done: int
    total: int
    unknown: int
    seconds: float

    def __str__(self) -> str:
        text = f"{self.finished} of {self.files} files, {readable(self.done)}"
        text += f" of {'at least ' if self.unknown else ''}{readable(self.total)}"
        return text + (f", {self.failed} failed" if self.failed else "")


@dataclass(frozen=True)
class Fetched:
    """How one file ended.

    `checksum`: multihash in hexadecimal of the whole content, of the declared kind, else SHA-256.
    `url`: where it came from in the end, without a query. `resumed`: bytes that were there before.
    `notes`: what happened on the way that a person may want to know.
    """

    wanted: Wanted
    path: Path
    state: State
    size: int = 0
    checksum: str = ""
    proof: Proof = Proof.NONE
    url: str = ""
    etag: str = ""
    modified: str = ""
    resumed: int = 0
    attempts: int = 0
    seconds: float = 0
    notes: tuple[str, ...] = ()
    error: DownloadError | None = None

    @property
    def good(self) -> bool:
        """Whether the file is there."""
        return self.state in (State.READY, State.PRESENT)


@dataclass(frozen=True)
class Report:
    """How a call ended: `files` in the order in which they were asked for."""

    files: tuple[Fetched, ...]
    seconds: float

    @property
    def good(self) -> bool:
        """Whether every file is there."""
        return all(file.good for file in self.files)

    @property
    def failed(self) -> tuple[Fetched, ...]:
        """The files that are not there."""
        return tuple(file for file in self.files if not file.good)

    def check(self) -> Report:
        """This report if every file is there. Raises DownloadError: that of the first one."""
        failed = self.failed
        if failed and failed[0].error is not None:
            raise failed[0].error
        return self
