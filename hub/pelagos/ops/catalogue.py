"""How the catalogue stands, for `./pelagos status`."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from pelagos.catalogue.harvest import RUNS_FILE
from pelagos.catalogue.harvest.overview import Health, SourceStatus, read_overview
from pelagos.deployment import Deployment
from pelagos.services.workspace.storage import about


@dataclass(frozen=True)
class SourceLine:
    """One source. `age` in seconds since its last good run, None: never."""

    source: str
    health: str
    running: bool
    collections: int
    granules: int
    age: float | None
    error: str


@dataclass(frozen=True)
class CatalogueStatus:
    """All sources at one moment."""

    sources: list[SourceLine] = field(default_factory=list)

    @property
    def line(self) -> str:
        """One line for a person."""
        collections = sum(one.collections for one in self.sources)
        granules = sum(one.granules for one in self.sources)
        parts = [
            f"{collections:,} collections and {granules:,} granules "
            f"of {len(self.sources)} source{'' if len(self.sources) == 1 else 's'}"
        ]
        for word, count in (
            ("being harvested", sum(one.running for one in self.sources)),
            ("failing", self._count(Health.FAILING)),
            ("out of date", self._count(Health.STALE)),
            ("not harvested yet", self._count(Health.NEW)),
        ):
            if count:
                parts.append(f"{count} {word}")
        ages = [one.age for one in self.sources if one.age is not None]
        if ages:
            parts.append(f"the oldest of {about(max(ages))} ago")
        return f"catalogue: {', '.join(parts)}"

    def _count(self, health: Health) -> int:
        return sum(one.health == health.value for one in self.sources)


def catalogue_status(deployment: Deployment) -> CatalogueStatus:
    """How the sources stand. Raises StateError if the run records can't be read."""
    now = time.time()
    found = read_overview(
        deployment.state.catalogue / RUNS_FILE, deployment.settings.catalogue.sources, now
    )
    return CatalogueStatus([_line(one, now) for one in found])


def _line(status: SourceStatus, now: float) -> SourceLine:
    failing = status.health is Health.FAILING and status.last is not None
    return SourceLine(
        source=status.source.name,
        health=status.health.value,
        running=status.under_way is not None,
        collections=status.collections,
        granules=status.granules,
        age=round(now - status.good_run, 1) if status.good_run else None,
        error=status.last.error if failing and status.last else "",
    )
