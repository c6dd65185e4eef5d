"""The downloader as a program: a supervised process beside the service of the data pool.

It makes its folders as root, then gives root up for the account `pelagos-server`: it reads what
strangers send.
"""

from __future__ import annotations

import signal
import threading

from pelagos import accounts
from pelagos.deployment import Deployment, default_state
from pelagos.services.own_folder import prepare_folder
from pelagos.services.serving import prepare_process


def serve(deployment: Deployment, stop: threading.Event) -> None:
    """Work until `stop`."""
    prepare_folder(deployment.state.datapool, as_account=deployment.facts.as_account)
    if deployment.facts.as_account:
        accounts.become()
    stop.wait()


def main() -> None:
    """Work for the VRE whose state folder stands in PELAGOS_STATE, until SIGTERM."""
    prepare_process()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        # not set here: a signal may come in the middle of the event's own lock
        signal.signal(number, lambda *_: threading.Thread(target=stop.set).start())
    serve(Deployment.load(default_state()), stop)
