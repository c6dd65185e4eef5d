"""JupyterHub's configuration file: loads the VRE that `./pelagos up` decided on."""

import os
from pathlib import Path

from pelagos.backends.docker import wait_for_engine
from pelagos.deployment import Deployment, default_state
from pelagos.hubconfig import configure
from pelagos.settings import BackendKind
from traitlets.config import get_config

c = get_config()
deployment = Deployment.load(default_state())
configure(c, deployment)

# A hub that polls its servers while the engine is down would take them for dead.
if deployment.facts.backend is BackendKind.DOCKER:
    wait_for_engine(float(os.environ.get("PELAGOS_ENGINE_WAIT", "60")))

# The operator's escape hatch: files in order of their names, after ours.
for extra in sorted((Path(__file__).parent / "jupyterhub_config.d").glob("*.py")):
    exec(compile(extra.read_text(), extra, "exec"))  # noqa: S102 - the operator's own file
