"""How a service begins as a program. Small: not every one of them serves the web."""

from __future__ import annotations

import logging
import os
import signal
import threading


def prepare_process() -> None:
    """What a service does first: it logs, and its files are its own."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    for name in ("httpx", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    os.umask(0o077)


def stopped_by_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        # not set here: a signal may come in the middle of the event's own lock
        signal.signal(number, lambda *_: threading.Thread(target=stop.set).start())
    return stop
