"""What one server may use, and how code inside is told about it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pelagos.settings import Size

# A CPU quota is invisible to nproc: without these every numerical library starts one thread per
# core of the machine, and they throttle each other.
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMEXPR_MAX_THREADS",
    "NUMBA_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "JULIA_NUM_THREADS",
    "MC_CORES",  # R's parallel package
    "PYTHON_CPU_COUNT",  # os.cpu_count() from Python 3.13 on
    "DASK_NUM_WORKERS",
)


@dataclass(frozen=True)
class ServerLimits:
    """What one server may use: cores, memory in bytes (no swap on top), processes and threads."""

    cores: float
    memory: int
    pids: int

    @classmethod
    def of(cls, size: Size) -> ServerLimits:
        """The limits that a size stands for."""
        return cls(cores=size.cores, memory=size.memory, pids=size.pids)

    @property
    def threads(self) -> int:
        """How many threads a numerical library should start; a part of a core counts as one."""
        return math.ceil(self.cores)

    def environment(self) -> dict[str, str]:
        """Variables that make libraries in the server respect its cores."""
        return dict.fromkeys(_THREAD_VARIABLES, str(self.threads))
