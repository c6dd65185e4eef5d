"""Prometheus metrics of a node's storage, counted when somebody asks."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pelagos.node.dataspaces import Dataspaces
from pelagos.node.status import State
from pelagos.node.workspaces import Workspaces


class StorageCollector(Collector):
    """Mounts, uploads, space and what was swept. No person's name stands in a label."""

    def __init__(self, workspaces: Workspaces, dataspaces: Dataspaces) -> None:
        self._workspaces, self._dataspaces = workspaces, dataspaces

    def collect(self) -> Iterable[Metric]:
        """See prometheus_client."""
        yield from self._of_workspaces()
        yield from self._of_dataspaces()

    def _of_workspaces(self) -> Iterable[Metric]:
        found = self._workspaces.all()
        mounted = GaugeMetricFamily(
            "pelagos_workspaces", "Workspaces of this node by state.", labels=["state"]
        )
        for state in State:
            mounted.add_metric([state.value], sum(one.state is state for one in found))
        yield mounted
        for name, text, value in (
            ("files", "Files that wait for upload.", sum(one.pending for one in found)),
            ("bytes", "Bytes that wait for upload.", sum(one.pending_bytes for one in found)),
            ("refused", "Uploads that failed at least once.", sum(len(o.failed) for o in found)),
        ):
            yield GaugeMetricFamily(f"pelagos_workspace_pending_{name}", text, value=value)

    def _of_dataspaces(self) -> Iterable[Metric]:
        usages = self._dataspaces.usages()
        used = GaugeMetricFamily(
            "pelagos_dataspace_used_bytes", "Bytes in areas of the dataspace.", labels=["kind"]
        )
        quota = GaugeMetricFamily(
            "pelagos_dataspace_quota_bytes", "Quotas of areas of the dataspace.", labels=["kind"]
        )
        for kind in sorted({folder.partition("/")[0] for folder in usages}):
            mine = [one for folder, one in usages.items() if folder.startswith(f"{kind}/")]
            used.add_metric([kind], sum(one.used for one in mine))
            quota.add_metric([kind], sum(one.quota for one in mine))
        yield used
        yield quota
        totals = self._dataspaces.swept()
        for name, text, value in (
            ("files", "Files that expired.", totals.swept_files),
            ("bytes", "Bytes of files that expired.", totals.swept_bytes),
            ("errors", "What could not be swept.", totals.errors),
        ):
            yield CounterMetricFamily(f"pelagos_swept_{name}", text, value=value)
        yield GaugeMetricFamily(
            "pelagos_sweep_seconds", "Duration of the last sweep.", value=totals.seconds
        )
        yield GaugeMetricFamily(
            "pelagos_sweep_last_run", "Unix time of the last sweep.", value=totals.last_run
        )


def registry(workspaces: Workspaces, dataspaces: Dataspaces) -> CollectorRegistry:
    """A registry with these metrics only."""
    found = CollectorRegistry()
    found.register(StorageCollector(workspaces, dataspaces))
    return found
