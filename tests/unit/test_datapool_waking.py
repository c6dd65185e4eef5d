"""Waking the downloader."""

import threading
import time
from pathlib import Path

from pelagos.datapool.waking import SOCKET, Waker, wake


def test_who_waits_is_woken_at_once(tmp_path: Path) -> None:
    waker = Waker(tmp_path)
    began = time.monotonic()
    thread = threading.Timer(0.05, wake, [tmp_path])
    thread.start()
    waker.wait(20)
    assert time.monotonic() - began < 10
    thread.join()
    waker.close()
    assert not (tmp_path / SOCKET).exists()


def test_a_call_while_nobody_waited_is_not_lost_and_counts_once(tmp_path: Path) -> None:
    waker = Waker(tmp_path)
    for _ in range(1000):  # more than the socket holds
        wake(tmp_path)
    began = time.monotonic()
    waker.wait(20)
    assert time.monotonic() - began < 10
    began = time.monotonic()
    waker.wait(0.2)
    assert time.monotonic() - began >= 0.19
    waker.close()


def test_without_a_downloader_nothing_happens(tmp_path: Path) -> None:
    wake(tmp_path)
    waker = Waker(tmp_path)
    waker._socket.close()  # ended without a word: its file stays
    wake(tmp_path)
    again = Waker(tmp_path)
    wake(tmp_path)
    again.wait(20)
    again.close()
