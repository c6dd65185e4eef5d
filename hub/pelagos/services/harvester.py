"""The harvester as a program: a supervised process that brings the sources into the index.

It makes its folder as root, then gives root up for the account `pelagos-server`: it reads what
strangers send. `./pelagos harvest` does the same where no VRE runs.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pelagos import accounts
from pelagos.catalogue.connectors import connector_for
from pelagos.catalogue.connectors.base import Connector
from pelagos.catalogue.fetch import Fetcher
from pelagos.catalogue.harvest import INDEX_FILE, LOCK_FILE, RUNS_FILE
from pelagos.catalogue.harvest.harvester import Harvester, Options
from pelagos.catalogue.harvest.lock import BusyError, Who, only_one
from pelagos.catalogue.harvest.runs import Runs
from pelagos.catalogue.harvest.shared import SharedIndex
from pelagos.catalogue.index import Writer
from pelagos.deployment import Deployment, default_state
from pelagos.errors import PelagosError
from pelagos.services.own_folder import prepare_folder
from pelagos.services.program import prepare_process, stopped_by_signals
from pelagos.settings.sources import Source

logger = logging.getLogger(__name__)

_WAIT_SECONDS = 2.0
_TROUBLE_SECONDS = 30.0


def connect(source: Source, fetcher: Fetcher, memory: dict[str, Any]) -> Connector[Any]:
    """The connector for a source."""
    return connector_for(source)(source, fetcher, memory)


@contextlib.contextmanager
def opened(
    folder: Path, sources: Sequence[Source], options: Options, stop: threading.Event
) -> Iterator[Harvester]:
    """A harvester over the files in `folder`, which nobody else may be using to harvest.

    What hangs in the network at its end is left behind: the files are closed only if nothing is.
    Raises StateError, and whatever the index raises if it can't be used.
    """
    runs = Runs(folder / RUNS_FILE)
    try:
        index = SharedIndex(lambda: Writer(folder / INDEX_FILE))
    except BaseException:
        runs.close()
        raise
    harvester = Harvester(sources, runs, index, connect, options, stop)
    try:
        yield harvester
    finally:
        stop.set()
        if harvester.leave():
            index.close()
            runs.close()


def serve(deployment: Deployment, stop: threading.Event) -> None:
    """Harvest until `stop`. A `./pelagos harvest` that is under way is waited for.

    Raises StateError.
    """
    state, settings = deployment.state, deployment.settings
    folder = state.catalogue
    prepare_folder(folder, as_account=deployment.facts.as_account)
    if deployment.facts.as_account:
        accounts.become()
    options = Options(contact=settings.site.contact)
    told = ""
    while not stop.is_set():
        pause = _WAIT_SECONDS
        try:
            with (
                only_one(folder / LOCK_FILE, Who.SERVICE),
                opened(folder, settings.catalogue.sources, options, stop) as harvester,
            ):
                logger.info("Harvesting into %s", folder)
                harvester.run()
        except PelagosError as error:
            # a full disk, a damaged index: an operator may mend it meanwhile
            if error.sentence != told:
                logger.error("%s", error.sentence)
            told = error.sentence
            pause = _WAIT_SECONDS if isinstance(error, BusyError) else _TROUBLE_SECONDS
        stop.wait(pause)


def main() -> None:
    """Harvest for the VRE whose state folder stands in PELAGOS_STATE, until SIGTERM."""
    prepare_process()
    stop = stopped_by_signals()
    try:
        serve(Deployment.load(default_state()), stop)
    except PelagosError as error:
        sys.exit(error.sentence)
    leave_now()


def leave_now(code: int = 0) -> None:
    """End the process, without waiting for what may hang in the network.

    Every change of index and records is a transaction: nothing is left half done.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
