"""`python -m pelagos.services.dav`: serve the workspaces of the VRE named in PELAGOS_STATE."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading

from pelagos import accounts
from pelagos.deployment import Deployment, default_state
from pelagos.errors import PelagosError
from pelagos.hubconfig.roles import DAV
from pelagos.services.dav.app import App
from pelagos.services.dav.disk import Disk
from pelagos.services.dav.handing import store_for, workspaces_for
from pelagos.services.dav.hub import Hub
from pelagos.services.dav.people import Gate
from pelagos.services.dav.store import Store
from pelagos.services.dav.web import DavServer

MOUNT_SECRET = "workspace-mount"  # noqa: S105 - its name


def serve(deployment: Deployment) -> None:
    """Serve until SIGTERM. Root, where it is given up, is needed only before `become`."""
    as_account = deployment.facts.as_account
    owner = accounts.ids() if as_account else (os.geteuid(), os.getegid())
    mount_key = deployment.state.secret(MOUNT_SECRET)
    hub = Hub(deployment.hub_api, deployment.state.secret(DAV))
    base = workspaces_for(deployment.layout.workspaces, owner)
    locks = store_for(deployment.state.folder, owner)
    if as_account:
        accounts.become()
    # from here on folders are used in which others may have put anything
    store = Store(locks)
    disk = Disk(deployment.layout, base, store)
    disk.prepare_staging()
    app = App(disk, store, Gate(hub, deployment.settings, mount_key))
    server = DavServer(deployment.facts.dav_port, app)
    stopping: list[threading.Thread] = []

    def stop(*_: object) -> None:
        if not stopping:
            # not here: a signal comes in the middle of the server's own loop
            stopping.append(threading.Thread(target=server.stop, name="stop"))
            stopping[0].start()

    server.prepare()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    logging.getLogger(__name__).info("Workspaces on %s", deployment.dav_url)
    server.serve()
    for thread in stopping:
        thread.join()
    disk.close()
    store.close()
    hub.close()


def main() -> None:
    """See the module."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    os.umask(0o077)
    try:
        serve(Deployment.load(default_state()))
    except PelagosError as error:
        sys.exit(error.sentence)


if __name__ == "__main__":
    main()
