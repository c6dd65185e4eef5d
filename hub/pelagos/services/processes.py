"""A service in several processes: one interpreter lets one thread at a time run Python."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
from typing import Any

import uvicorn
from fastapi import FastAPI

logger = logging.getLogger(__name__)


def serve(app: FastAPI, host: str, port: int, processes: int, **options: Any) -> int:
    """Serve `app` from `processes` processes until SIGTERM or SIGINT; the exit code.

    `app` must have no threads and no open connections yet: its lifespan opens them in each
    process. `options` are uvicorn's. If one process ends, so do all, for whoever watches this one
    to start them anew; they also end with it, however it ends. Raises OSError if the address is
    taken.
    """
    with listening(host, port) as listener:
        config = uvicorn.Config(app, host=host, port=port, **options)
        if processes < 2:
            uvicorn.Server(config).run(sockets=[listener])
            return 0
        alive, held = os.pipe()
        children = [_fork(config, listener, alive, held) for _ in range(processes)]
        os.close(alive)
    try:
        return _watch(children)
    finally:
        os.close(held)


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises OSError if the address is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # with the protocol by its name: asyncio turns Nagle's algorithm off only for such sockets, and
    # with it each answer waits 40 ms for an acknowledgement
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
    except OSError:
        listener.close()
        raise
    return listener


def _fork(config: uvicorn.Config, listener: socket.socket, alive: int, held: int) -> int:
    """The number of a new process that serves until the pipe's other end is closed."""
    if child := os.fork():
        return child
    code = 1
    try:
        os.close(held)
        threading.Thread(target=_end_with_parent, args=(alive,), daemon=True).start()
        uvicorn.Server(config).run(sockets=[listener])
        code = 0
    except BaseException:  # the end of this process, whatever it was
        logger.exception("A process of the service ended")
    finally:
        os._exit(code)


def _end_with_parent(alive: int) -> None:
    os.read(alive, 1)  # returns once nobody holds the other end
    os.kill(os.getpid(), signal.SIGTERM)


def _watch(children: list[int]) -> int:
    """Wait for the first that ends or for a signal, then end all. The exit code."""
    asked = False

    def end(*_: object) -> None:
        nonlocal asked
        asked = True
        _end(children)

    before = {one: signal.signal(one, end) for one in (signal.SIGTERM, signal.SIGINT)}
    try:
        left = set(children)
        while left:
            child, status = os.wait()
            left.discard(child)
            if not asked:
                logger.error("Process %s ended (%s); so do the others", child, status)
                _end(list(left))
                _reap(left)
                return 1
        return 0
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _end(children: list[int]) -> None:
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGTERM)


def _reap(children: set[int]) -> None:
    for child in children:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(child, 0)
