"""What `./pelagos doctor` looks at, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pelagos.deployment import State
from pelagos.errors import SettingsError
from pelagos.images import ImageGraph
from pelagos.settings import BackendKind, Settings


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Finding:
    """One thing looked at: what was found, and how to mend it where that is needed."""

    name: str
    level: Level
    detail: str
    mend: str = ""


@dataclass(frozen=True)
class Patient:
    """What is looked at."""

    state: State
    settings_file: Path | None
    graph: ImageGraph
    settings: Settings | None
    settings_error: SettingsError | None
    bind: str
    port: int
    runs: bool
    backend: BackendKind
