"""Kernels that die before the server does, and that know why they died."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from traitlets import Int

from pelagos_server.memory import MemoryGroup


class PelagosProvisioner(LocalProvisioner):
    """Starts kernels on this machine, as the first to go when memory runs out."""

    oom_score_adj = Int(
        900,
        min=0,
        max=1000,
        config=True,
        help="How readily Linux picks a kernel when memory runs out: 0 as any process, 1000 first.",
    )

    _kills_at_launch: int | None = None

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Launch the kernel and mark it, and so the processes that it starts.

        Raises what Popen raises when the command cannot be started.
        """
        self._kills_at_launch = MemoryGroup().kills()
        info = await super().launch_kernel(cmd, **kwargs)
        self._mark()
        return info

    def _mark(self) -> None:
        try:
            Path(f"/proc/{self.pid}/oom_score_adj").write_text(f"{self.oom_score_adj}\n")
        except OSError as error:
            # another system than Linux, or a kernel that has ended already
            self.log.debug("Kernel %s keeps its oom_score_adj: %s", self.kernel_id, error)

    @property
    def out_of_memory(self) -> bool:
        """Whether the kernel was killed because memory ran out.

        True only between its death and its restart: a SIGKILL since whose launch the control
        group has counted a kill for want of memory.
        """
        process: Any = self.process
        if process is None or process.poll() != -signal.SIGKILL:
            return False
        kills = MemoryGroup().kills()
        return None not in (kills, self._kills_at_launch) and kills != self._kills_at_launch
