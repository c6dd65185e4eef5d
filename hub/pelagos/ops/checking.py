"""What the steps of `./pelagos check` share, and how they end."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass, field
from typing import Any

import httpx

from pelagos.backends.base import ServerSpec
from pelagos.deployment import Deployment
from pelagos.errors import PelagosError
from pelagos.hubconfig.roles import OPERATOR
from pelagos.ops.hubapi import HubApi
from pelagos.ops.kernel import Kernel
from pelagos.settings import VirtualLab

_TIMEOUT = 30.0


@dataclass(frozen=True)
class StepResult:
    """How one step went; `seconds` of wall time."""

    name: str
    ok: bool
    seconds: float
    detail: str


@dataclass
class CheckResult:
    """All steps, in order."""

    steps: list[StepResult] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether every step passed."""
        return bool(self.steps) and all(step.ok for step in self.steps)

    def as_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {"ok": self.ok, "steps": [asdict(step) for step in self.steps]}


@dataclass
class Run:
    """What the steps of one check share."""

    deployment: Deployment
    hub: HubApi
    image: str
    virtual_lab: VirtualLab
    user: str
    spec: ServerSpec
    token: str = field(default="", repr=False)  # of the person's own server, once it runs

    @property
    def server_url(self) -> str:
        """The temporary person's server, through the proxy."""
        return f"{self.deployment.facts.url}user/{self.user}/"

    def kernel(self) -> Kernel:
        """A new kernel on that server."""
        return Kernel(self.server_url, self.deployment.state.secret(OPERATOR))


class Failed(PelagosError):
    """A step found something wrong."""


def inside(run: Run, source: str) -> str:
    """What a cell prints on the temporary person's server. Raises PelagosError."""

    async def execute() -> str:
        async with run.kernel() as kernel:
            return (await kernel.run(source)).text

    return asyncio.run(execute()).strip()


def client_of(run: Run, path: str) -> httpx.Client:
    """A client of a service at `path`, with the token that the person's own programs have."""
    if not run.token:
        run.token = inside(run, "import os; print(os.environ['JUPYTERHUB_API_TOKEN'])")
    return httpx.Client(
        base_url=f"{run.deployment.facts.url.rstrip('/')}{path}",
        headers={"Authorization": f"token {run.token}"},
        timeout=_TIMEOUT,
        trust_env=False,
    )
