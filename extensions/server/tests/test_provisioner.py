"""A kernel is marked as the first to go, and tells its death from another."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest
from jupyter_client.kernelspec import KernelSpec
from pelagos_server import provisioner as module
from pelagos_server.provisioner import PelagosProvisioner

pytestmark = pytest.mark.skipif(not Path("/proc/self/oom_score_adj").exists(), reason="no Linux")

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


class Counter:
    """A control group that counts as it is told."""

    value: int | None = 3

    def kills(self) -> int | None:
        return self.value


@pytest.fixture
def group(monkeypatch: pytest.MonkeyPatch) -> Counter:
    counter = Counter()
    monkeypatch.setattr(module, "MemoryGroup", lambda: counter)
    return counter


def score(provisioner: PelagosProvisioner) -> int:
    return int(Path(f"/proc/{provisioner.pid}/oom_score_adj").read_text())


@pytest.fixture
def provisioner() -> PelagosProvisioner:
    return PelagosProvisioner(kernel_id="1", kernel_spec=KernelSpec())


async def end(provisioner: PelagosProvisioner, signum: int) -> None:
    process = provisioner.process
    assert process is not None
    process.send_signal(signum)
    process.wait()


async def test_a_kernel_is_marked(provisioner: PelagosProvisioner, group: Counter) -> None:
    await provisioner.launch_kernel(SLEEP)
    marked = score(provisioner)
    await end(provisioner, signal.SIGKILL)
    assert marked == 900


@pytest.mark.parametrize(
    ("signum", "before", "after", "expected"),
    [
        (signal.SIGKILL, 3, 4, True),
        (signal.SIGKILL, 3, 3, False),
        (signal.SIGTERM, 3, 4, False),
        (signal.SIGKILL, None, None, False),
    ],
)
async def test_a_death_by_memory_is_told_from_others(
    provisioner: PelagosProvisioner,
    group: Counter,
    signum: int,
    before: int | None,
    after: int | None,
    expected: bool,
) -> None:
    group.value = before
    await provisioner.launch_kernel(SLEEP)
    assert not provisioner.out_of_memory
    group.value = after
    await end(provisioner, signum)
    assert provisioner.out_of_memory is expected
