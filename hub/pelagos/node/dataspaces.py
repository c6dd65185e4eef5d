"""Stub until the branch lands."""

from __future__ import annotations
from dataclasses import dataclass, asdict
from typing import Any
from pelagos.layout import Layout
from pelagos.settings import Settings


@dataclass(frozen=True)
class AreaStatus:
    name: str
    kind: str
    used: int | None
    quota: int | None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Swept:
    files: int = 0
    bytes: int = 0


class Dataspaces:
    def __init__(self, layout: Layout, settings: Settings) -> None:
        self.layout = layout

    def ensure(self, user: str, labs: list[str]) -> None:
        self.layout.view(user).mkdir(parents=True, exist_ok=True)

    def areas(self, user: str) -> list[AreaStatus]:
        return []

    def all(self) -> list[AreaStatus]:
        return []

    def swept(self) -> Swept:
        return Swept()

    def remove_user(self, user: str) -> None:
        pass

    def release(self, user: str) -> None:
        pass

    def recover(self) -> None:
        pass

    def close_all(self) -> None:
        pass

    def pin(self, user: str, area: str, path: str, until: float) -> None:
        pass

    def unpin(self, user: str, area: str, path: str) -> None:
        pass
