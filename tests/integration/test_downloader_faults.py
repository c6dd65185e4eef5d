"""The downloader as a program, and everything that can go wrong around it."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from download_source import Source, serve
from downloader_kit import asked, kit
from pelagos.datapool.model import FileState, OrderState
from support import until

KILLS = int(os.environ.get("PELAGOS_TEST_KILLS", "8"))


@pytest.fixture
def source() -> Iterator[Source]:
    with serve() as found:
        yield found


def test_an_order_becomes_ready_and_all_can_read_its_files(source: Source, tmp_path: Path) -> None:
    for name in ("a.nc", "b.nc"):
        source.add(f"/{name}", os.urandom(100_000))
    with kit(tmp_path, source.url("/")) as pool:
        number = pool.order("ann", asked(source, "a.nc", "b.nc"))
        row = pool.wait(number)
        pool.check(source)
        assert (row.files_ready, row.bytes_done, row.error) == (2, 200_000, "")
        assert row.expires > time.time() + 7 * 86400 - 100
        place = pool.pool / "src/col/item"
        assert {path.name for path in place.iterdir()} == {"a.nc", "b.nc", "item.json"}
        assert json.loads((place / "item.json").read_text())["id"] == "item"
        assert (place.parent / "collection.json").exists()
        for path in [pool.pool, *pool.pool.rglob("*")]:
            wanted = 0o755 if path.is_dir() else 0o644
            assert stat.S_IMODE(path.stat().st_mode) == wanted, path
        kept = pool.file("a.nc")
        assert kept.checksum == "1220" + hashlib.sha256(source.files["/a.nc"].content).hexdigest()
        began = time.monotonic()
        second = pool.order("bob", asked(source, "a.nc", "b.nc"))
        pool.wait(second)
        assert time.monotonic() - began < 1
        assert len(source.requests) == 2
