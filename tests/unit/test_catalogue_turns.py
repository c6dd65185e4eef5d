"""One person's searches, or one slow source, leave room for everybody else's."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from catalogue_service import FLOATS, build, settings
from fastapi import HTTPException
from pelagos.catalogue.index import Reader
from pelagos.catalogue.query import Criteria, Page, Slice
from pelagos.errors import AwayError
from pelagos.services.catalogue.live import Live
from pelagos.services.catalogue.readers import Readers
from pelagos.services.catalogue.turns import Turns
from support import until


async def test_one_person_never_holds_all_threads(tmp_path: Path) -> None:
    build(tmp_path / "index.sqlite")
    readers = Readers(tmp_path / "index.sqlite", threads=4, seconds=60)
    readers.open()
    over = threading.Event()
    held: list[Reader] = []

    def slow(reader: Reader) -> None:
        held.append(reader)
        over.wait(30)

    try:
        hogs = [asyncio.create_task(readers.ask_for("hog", slow)) for _ in range(20)]
        await asyncio.to_thread(until, lambda: len(held) == 2, 20, "two of them")
        async with asyncio.timeout(5):
            assert await readers.ask_for("ada", lambda one: one.collection(FLOATS, None))
        assert len(held) == 2
        over.set()
        await asyncio.gather(*hogs)
    finally:
        over.set()
        readers.close()


async def test_who_asks_on_and_on_is_told_to_wait() -> None:
    turns = Turns(at_once=1, waiting=2)
    over = asyncio.Event()

    async def search(name: str) -> None:
        async with turns.of(name):
            await over.wait()

    under_way = [asyncio.create_task(search("hog")) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(HTTPException) as refused:
        await search("hog")
    assert refused.value.status_code == 429
    assert refused.value.headers == {"Retry-After": "1"}
    other = asyncio.create_task(search("ada"))
    over.set()
    await asyncio.gather(other, *under_way)
    assert not turns._people


class Slow:
    """A source that answers when the test says so."""

    def __init__(self) -> None:
        self.over, self.asked = threading.Event(), 0

    def granules(self, *_: Any) -> Page:
        self.asked += 1
        self.over.wait(30)
        return Page([], 0, more=False)

    def close(self) -> None:
        self.over.set()


async def test_a_slow_source_holds_no_threads_of_others_and_no_endless_queue() -> None:
    live, slow = Live(settings(), "key"), Slow()
    live._searches["far"] = slow  # type: ignore[assignment]
    answers: list[asyncio.Task[Page]] = []

    def ask(person: str) -> asyncio.Task[Page]:
        return asyncio.create_task(live.granules(person, {"id": "far.a"}, Criteria(), Slice()))

    at_work: Callable[[], bool] = lambda: slow.asked == 3  # noqa: E731
    try:
        answers += [ask("hog") for _ in range(11)]
        await asyncio.to_thread(until, at_work, 20, "three of one person")
        with pytest.raises(HTTPException):
            await ask("hog")
        answers += [ask(f"person-{number}") for number in range(69)]
        await asyncio.to_thread(until, lambda: slow.asked == 8, 20, "eight at once")
        with pytest.raises(AwayError):
            await ask("one-more")
        # what everything else uses for its files and geometries
        async with asyncio.timeout(5):
            assert await asyncio.to_thread(lambda: 1) == 1
        slow.over.set()
        await asyncio.gather(*answers)
    finally:
        live.close()
