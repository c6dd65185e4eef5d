"""jupyterhub-idle-culler with this VRE's times: stops servers that are idle or too old."""

from __future__ import annotations

import os
import sys

from pelagos.deployment import Deployment, default_state
from pelagos.hubconfig.roles import CULLER
from pelagos.services.base import wait_for_hub

CHECK_SECONDS = 60


def arguments(deployment: Deployment) -> list[str]:
    """The culler's command line."""
    servers = deployment.settings.servers
    # the culler has no `never` for idle servers: a year stands for it
    idle = servers.idle_timeout or 365 * 86400
    check = min(CHECK_SECONDS, max(1, idle // 2))
    return [
        f"--url={deployment.hub_api}",
        f"--timeout={idle}",
        f"--max-age={servers.max_age}",
        f"--cull-every={check}",
        "--concurrency=10",
    ]


def main() -> None:
    """Become the culler. Its token travels in the environment, where other people can't look."""
    deployment = Deployment.load(default_state())
    wait_for_hub(deployment)
    os.environ["JUPYTERHUB_API_TOKEN"] = deployment.state.secret(CULLER)
    command = [sys.executable, "-m", "jupyterhub_idle_culler", *arguments(deployment)]
    os.execv(command[0], command)  # noqa: S606 - our own arguments


if __name__ == "__main__":
    main()
