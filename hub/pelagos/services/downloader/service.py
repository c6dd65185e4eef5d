"""The downloader as a program: a supervised process beside the service of the data pool.

It makes its folders as root, and reads the sources' tokens, then gives root up for the account
`pelagos-server`: it reads what strangers send.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import importlib
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from pelagos_client.download import Limits
from sqlalchemy import Engine

from pelagos import accounts
from pelagos.datapool.database import database_url, migrate, open_database
from pelagos.datapool.delivery import Deliver
from pelagos.datapool.eviction import Room
from pelagos.datapool.pool import Pool
from pelagos.datapool.waking import Waker
from pelagos.deployment import Deployment, default_state
from pelagos.errors import AwayError, PelagosError, StateError
from pelagos.layout import Area, AreaKind
from pelagos.services.downloader.finishing import Finisher
from pelagos.services.downloader.pace import Pace
from pelagos.services.downloader.sources import Sources, read_tokens
from pelagos.services.downloader.upkeep import Upkeep
from pelagos.services.downloader.worker import Downloader
from pelagos.services.own_folder import prepare_folder
from pelagos.services.program import prepare_process, stopped_by_signals

logger = logging.getLogger(__name__)

LOCK = "downloader.lock"
_TROUBLE = 1.0
_OTHER = 2.0
_ARENAS = -8  # M_ARENA_MAX of glibc's malloc.h


def prepare_pool(deployment: Deployment) -> Path:
    """The folder of the pool: ours to write, everybody's to read. As root also its owner is set.

    Raises StateError where something else is in the way.
    """
    pool = deployment.layout.area(Area(AreaKind.POOL))
    above = pool.parent
    try:
        if not above.exists():
            above.mkdir(parents=True)
            above.chmod(0o711)
        with contextlib.suppress(FileExistsError):
            pool.mkdir()
        folder = os.open(pool, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            if os.geteuid() == 0 and deployment.facts.as_account:
                os.fchown(folder, *accounts.ids())
            os.fchmod(folder, 0o755)
        finally:
            os.close(folder)
    except OSError as error:
        raise StateError(
            f"The folder of the pool, {pool}, can't be used: {error.strerror}.",
            "It must be a plain folder: move what is there away, then ./pelagos up.",
        ) from error
    return pool


@contextlib.contextmanager
def only_one(folder: Path, stop: threading.Event) -> Iterator[bool]:
    """Wait until no other downloader works on this state folder; False if told to stop."""
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    told = False
    try:
        while not stop.is_set():
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not told:
                    logger.warning("Another downloader works here: waiting for its end")
                told = True
                stop.wait(_OTHER)
                continue
            yield True
            return
        yield False
    finally:
        os.close(descriptor)


def limits_of(deployment: Deployment) -> Limits:
    """Of the engines: what takes longer than a moment waits in the queue, not in a thread."""
    settings = deployment.settings.datapool
    return Limits(
        per_host=settings.per_host,
        connections=settings.downloads,
        largest=settings.quota,
        attempts=3,
        first_wait=0.5,
        longest_wait=3,
        retry_after=5,
        silence=60,
    )


def serve(
    deployment: Deployment,
    stop: threading.Event,
    *,
    deliver: Callable[[Deployment], Deliver] | None = None,
    pace: Pace | None = None,
    sources: Sources | None = None,
) -> None:
    """Work until `stop`. Raises StateError. What is given besides is for tests."""
    folder, settings = deployment.state.datapool, deployment.settings
    prepare_folder(folder, as_account=deployment.facts.as_account)
    root = prepare_pool(deployment)
    url = database_url(settings.datapool, folder)
    known = settings.catalogue.sources
    tokens = read_tokens(known)
    bringer = (deliver or deliveries)(deployment)
    _import_all()
    if deployment.facts.as_account:
        accounts.become()
    os.umask(0o077)
    with only_one(folder, stop) as alone:
        if not alone:
            return
        database = open_database(url)
        _migrate(database, stop)
        os.umask(0o022)  # people read what is in the pool
        pool, waker, pace = Pool(root), Waker(folder), pace or Pace()
        room = Room(pool, database, settings.datapool.quota)
        sources = sources or Sources(known, limits_of(deployment), tokens)
        keep = settings.datapool.keep
        finisher = Finisher(database, pool, bringer, keep=keep, site=settings.site.name, pace=pace)
        downloader = Downloader(
            database,
            pool,
            room,
            sources,
            finisher,
            downloads=settings.datapool.downloads,
            per_host=settings.datapool.per_host,
            wake=waker.wake,
            pace=pace,
        )
        upkeep = Upkeep(database, pool, room, bringer, keep=keep, pace=pace)
        finisher.back = downloader.back
        try:
            _work(downloader, finisher, upkeep, waker, stop)
        finally:
            downloader.stop()
            finisher.stop()
            upkeep.stop()
            sources.close()
            waker.close()
            database.dispose()


def _import_all() -> None:
    """What is imported when it is needed, now: the account may not see where Python is."""
    for name in ("pelagos.catalogue.own_files", "rocrate.rocrate", "http.cookiejar"):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def _migrate(database: Engine, stop: threading.Event) -> None:
    told = False
    while not stop.is_set():
        try:
            return migrate(database)
        except AwayError as error:
            if not told:
                logger.warning("%s", error)
            told = True
            stop.wait(_TROUBLE)
    return None


def _work(
    downloader: Downloader,
    finisher: Finisher,
    upkeep: Upkeep,
    waker: Waker,
    stop: threading.Event,
) -> None:
    begun = away = False
    while not stop.is_set():
        try:
            if not begun:
                downloader.start()
                finisher.start()
                upkeep.start()
                begun = True
            pause = downloader.look()
            if away:
                logger.info("The database of orders answers again")
            away = False
        except AwayError as error:
            if not away:
                logger.warning("%s", error)
            away, pause = True, _TROUBLE
        waker.wait(pause)


def deliveries(deployment: Deployment) -> Deliver:
    """What brings ready orders to their owners."""
    from pelagos.services.downloader.delivery import Deliveries

    return Deliveries(deployment)


def prepare() -> None:
    """What the process does first."""
    prepare_process()
    with contextlib.suppress(OSError, AttributeError):  # another C library
        # dozens of threads, each with memory that it had once and gives to nobody
        ctypes.CDLL(None).mallopt(_ARENAS, 2)


def main() -> None:
    """Work for the VRE whose state folder stands in PELAGOS_STATE, until SIGTERM."""
    prepare()
    stop = stopped_by_signals()
    try:
        serve(Deployment.load(default_state()), stop)
    except PelagosError as error:
        sys.exit(error.sentence)
