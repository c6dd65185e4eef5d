"""What Prometheus reads of the sources."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from pelagos.catalogue.harvest.overview import SourceStatus, read_overview
from pelagos.settings.sources import Source


def metrics(path: Path, sources: Sequence[Source], now: float) -> str:
    """Text in Prometheus' format, from the file of run records. Raises StateError.

    Ages in seconds at `now`; a source that never had a good run has no age.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Sources(read_overview(path, sources, now), now))
    return generate_latest(registry).decode()


class _Sources(Collector):
    """The sources at one moment."""

    def __init__(self, found: Sequence[SourceStatus], now: float) -> None:
        self._found, self._now = found, now

    def collect(self) -> Iterable[Metric]:
        """See prometheus_client."""
        values: dict[str, tuple[str, dict[str, float]]] = {
            "last_success_age_seconds": (
                "Seconds since the last good run ended.",
                {s.source.name: self._now - s.good_run for s in self._found if s.good_run},
            ),
            "failures": (
                "Runs that failed since the last good one.",
                {s.source.name: s.failures for s in self._found},
            ),
            "collections": (
                "Collections of the source in the index.",
                {s.source.name: s.collections for s in self._found},
            ),
            "granules": (
                "Granules of the source in the index.",
                {s.source.name: s.granules for s in self._found},
            ),
            "rejected": (
                "Records that the newest run rejected.",
                {s.source.name: s.last.progress.counts.rejected for s in self._found if s.last},
            ),
            "running": (
                "Whether the source is being harvested, or waits for its turn.",
                {s.source.name: int(s.under_way is not None) for s in self._found},
            ),
        }
        for name, (text, samples) in values.items():
            family = GaugeMetricFamily(f"pelagos_source_{name}", text, labels=["source"])
            for source, value in samples.items():
                family.add_metric([source], value)
            yield family
