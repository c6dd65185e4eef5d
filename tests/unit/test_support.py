"""What other tests wait with."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from storage_node import wait_for_files
from support import until_quiet


def test_a_pause_between_two_uploads_is_not_their_end() -> None:
    looks = [1, 0, 0, 0, 2, *[0] * 20]
    until_quiet(lambda: looks.pop(0), 30)
    assert len(looks) == 10


def test_a_file_that_is_not_there_as_it_was_written_is_waited_for(tmp_path: Path) -> None:
    expected = {"a": hashlib.sha256(b"whole").hexdigest()}
    for content in (None, b"half"):
        if content:
            (tmp_path / "a").write_bytes(content)
        with pytest.raises(AssertionError, match="not within"):
            wait_for_files(tmp_path, expected, 0.2)
    (tmp_path / "a").write_bytes(b"whole")
    wait_for_files(tmp_path, expected, 0.2)
