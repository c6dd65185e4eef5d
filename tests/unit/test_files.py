"""Small files of ours under several writers, and secrets that several programs want at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pelagos.deployment import State
from pelagos.files import create_private, write_private


def test_a_private_file_is_its_owners_only(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    write_private(path, "one")
    assert path.stat().st_mode & 0o777 == 0o600
    write_private(path, b"two")
    assert path.read_bytes() == b"two"
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret"]


def test_creating_never_replaces(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    create_private(path, "first")
    with pytest.raises(FileExistsError):
        create_private(path, "second")
    assert path.read_text() == "first"
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret"]


def test_programs_that_start_together_get_the_same_secret(tmp_path: Path) -> None:
    programs = 16
    for turn in range(20):
        state = State(tmp_path / str(turn))
        state.prepare()
        barrier = threading.Barrier(programs)

        def want(state: State = state, barrier: threading.Barrier = barrier) -> str:
            barrier.wait()
            return state.secret("x")

        with ThreadPoolExecutor(programs) as pool:
            got = {f.result() for f in [pool.submit(want) for _ in range(programs)]}
        assert got == {state.secret("x")}
