"""What is ordered, and the files that come of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from pelagos_client.errors import PelagosError


class AccessError(PelagosError):
    """An item can't be ordered, or not so."""


class EmptyError(AccessError):
    """The source has nothing of it within the criteria: there is no file, and none is missing."""

    @classmethod
    def of(cls, plan: FilePlan) -> EmptyError:
        """For a file of an order."""
        return cls(
            f"{plan.name}: the source has nothing of it within the box, time range and variables.",
            "Order a larger box or time range.",
        )


class Protocol(StrEnum):
    """How a file is got."""

    DIRECT = "direct"  # one GET of `url` is the file; also what a server cuts on request
    LOCAL = "local"  # a file of a source that is a folder of the VRE's machine
    PAGES = "pages"  # several requests, whose answers are joined
    ORDER = "order"  # the source prepares it: ask, wait, fetch


@dataclass(frozen=True)
class Criteria:
    """What is cut out where a source can cut.

    `bbox`: west, south, east, north in degrees; west of more than east crosses the antimeridian.
    `start`, `end`: aware datetimes, ends included; None is open. `variables`: names, or CF standard
    names; all if empty.
    """

    bbox: tuple[float, float, float, float] | None = None
    start: datetime | None = None
    end: datetime | None = None
    variables: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As JSON has it; times in RFC 3339, UTC."""
        return {
            "bbox": list(self.bbox) if self.bbox else None,
            "start": _text(self.start),
            "end": _text(self.end),
            "variables": list(self.variables),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Criteria:
        """What `to_json` wrote. Raises ValueError, KeyError, TypeError for anything else."""
        box = document.get("bbox")
        return cls(
            (float(box[0]), float(box[1]), float(box[2]), float(box[3])) if box else None,
            _time(document.get("start")),
            _time(document.get("end")),
            tuple(str(name) for name in document.get("variables") or ()),
        )


@dataclass(frozen=True)
class FilePlan:
    """One file of an order.

    `asset`: its key in the item. `name`: a safe file name, unique within the item and criteria: of
    what is cut, it has a part that tells one cut from another. `url`: for DIRECT, an http(s)
    address; for LOCAL, `files/PATH` as in the catalogue's index. `size` in bytes and `checksum`
    (multihash in hexadecimal, or `md5:…`) where they are declared, else None and "". `request`:
    what the protocols PAGES and ORDER need, as JSON; of DIRECT `may_be_empty` (one side of a box
    across the antimeridian: an EmptyError of it is no failure) and `accept` (an address to ask
    first, once the terms are accepted). `accept`: key of the terms that have to be
    accepted first; "" for none. `is_subset`: it is less than the whole asset.
    """

    asset: str
    name: str
    url: str
    protocol: Protocol = Protocol.DIRECT
    type: str = ""
    size: int | None = None
    checksum: str = ""
    request: dict[str, Any] = field(default_factory=dict)
    accept: str = ""
    is_subset: bool = False

    def to_json(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> FilePlan:
        """What `to_json` wrote. Raises TypeError, ValueError for anything else."""
        return cls(**{**document, "protocol": Protocol(document["protocol"])})


@dataclass(frozen=True)
class Terms:
    """What has to be accepted before a file is fetched. `key` names it in an order."""

    key: str
    title: str
    text: str
    url: str = ""


@dataclass(frozen=True)
class Waiting:
    """A source prepares a file: ask again after `seconds`, with `job`. `note`: how it stands."""

    seconds: float
    job: dict[str, Any]
    note: str = ""


def _text(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None


def _time(text: str | None) -> datetime | None:
    if not text:
        return None
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return found
