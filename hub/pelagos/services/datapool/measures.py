"""What Prometheus reads of the data pool, as the database has it at one moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from pelagos.datapool.model import FileState, OrderState
from pelagos.datapool.orders_shown import Tally


def metrics(tally: Tally, sources: Iterable[str]) -> str:
    """Text in Prometheus' format. A source without a failure has the value 0."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Pool(tally, sources))
    return generate_latest(registry).decode()


class _Pool(Collector):
    def __init__(self, tally: Tally, sources: Iterable[str]) -> None:
        self._tally, self._sources = tally, sources

    def collect(self) -> Iterable[Metric]:
        """See prometheus_client."""
        found = self._tally
        yield _labelled(
            "orders", "Orders by state.", "state", {one.value: found.orders.get(one, 0)
                                                    for one in OrderState},
        )  # fmt: skip
        yield _labelled(
            "files", "Files that the pool knows, by state.", "state",
            {one.value: found.files.get(one, 0) for one in FileState},
        )  # fmt: skip
        yield _labelled(
            "failed_files", "Files that could not be got, by source.", "source",
            {**dict.fromkeys(self._sources, 0), **found.failed},
        )  # fmt: skip
        for name, text, value in (
            ("bytes", "Bytes of the files in the pool.", found.bytes),
            ("ordered_files", "Files of all orders that there are.", found.ordered),
            ("cached_files", "Those of them that were in the pool already.", found.cached),
        ):
            yield GaugeMetricFamily(f"pelagos_datapool_{name}", text, value=value)


def _labelled(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(f"pelagos_datapool_{name}", text, labels=[label])
    for one, value in values.items():
        family.add_metric([one], value)
    return family
