"""What every service needs."""

from __future__ import annotations

import time

import httpx

from pelagos.deployment import Deployment


def wait_for_hub(deployment: Deployment) -> None:
    """Return once the hub answers: it starts at the same time, and takes longer."""
    while True:
        try:
            httpx.get(f"{deployment.hub_api}/health", timeout=5, trust_env=False)
        except httpx.HTTPError:
            time.sleep(0.5)
        else:
            return
