"""What is told when something was not done."""

from __future__ import annotations

from msgspec import Struct, field


class Terms(Struct):
    """What has to be accepted."""

    key: str
    title: str
    text: str
    url: str


class Refusal(Struct):
    """A granule that can't be ordered, and why."""

    collection: str
    item: str
    reason: str


class Problem(Struct, omit_defaults=True):
    """Why something was not done, and what to do next."""

    reason: str
    mend: str = ""
    refused: list[Refusal] = field(default_factory=list)
    accept: list[Terms] = field(default_factory=list)
