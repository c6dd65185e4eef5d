"""A service in several processes: all serve, and they end together."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator

import httpx
import psutil
import pytest
from pelagos.services.processes import listening
from support import free_port, until

SOURCE = """
import os, sys
from fastapi import FastAPI
from pelagos.services.processes import serve

app = FastAPI()

@app.get("/")
async def pid() -> int:
    return os.getpid()

sys.exit(serve(app, "127.0.0.1", int(sys.argv[1]), int(sys.argv[2]), log_level="error"))
"""
Start = Callable[[int], tuple[subprocess.Popen[str], int]]


@pytest.fixture
def start() -> Iterator[Start]:
    started = []

    def run(processes: int) -> tuple[subprocess.Popen[str], int]:
        port = free_port()
        process = subprocess.Popen(
            [sys.executable, "-c", SOURCE, str(port), str(processes)],
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        until(lambda: ask(port), 60, "the service")
        return process, port

    yield run
    for process in started:
        process.kill()
        process.communicate()


def ask(port: int) -> int:
    """The number of the process that answered; 0 if none did."""
    try:
        return int(httpx.get(f"http://127.0.0.1:{port}/", trust_env=False, timeout=5).json())
    except httpx.HTTPError:
        return 0


def gone(pids: set[int]) -> bool:
    """Whether none of them runs any more."""
    return not any(
        psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        for pid in pids
    )


def children(process: subprocess.Popen[str]) -> set[int]:
    return {child.pid for child in psutil.Process(process.pid).children()}


def test_each_process_answers_and_a_signal_ends_them_all(start: Start) -> None:
    process, port = start(2)
    pids = children(process)
    assert len(pids) == 2
    seen: set[int] = set()

    def both() -> bool:
        seen.add(ask(port))
        return seen == pids

    until(both, 30, "an answer of each")
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert gone(pids)


def test_when_one_ends_all_end(start: Start) -> None:
    process, port = start(2)
    pids = children(process)
    os.kill(min(pids), signal.SIGKILL)
    assert process.wait(30) == 1
    assert gone(pids)
    assert ask(port) == 0


def test_they_end_with_the_first_process_however_it_ends(start: Start) -> None:
    process, port = start(2)
    pids = children(process)
    process.kill()
    process.wait(30)
    until(lambda: gone(pids), 30, "the end of all")
    assert ask(port) == 0


def test_one_process_needs_no_others(start: Start) -> None:
    process, port = start(1)
    assert ask(port) == process.pid
    assert children(process) == set()
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) in (0, -signal.SIGTERM)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_answers_do_not_wait_for_acknowledgements(host: str) -> None:
    # asyncio looks at the protocol before it turns Nagle's algorithm off
    with listening(host, free_port()) as listener:
        assert listener.proto == socket.IPPROTO_TCP
