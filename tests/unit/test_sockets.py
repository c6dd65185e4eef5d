"""HTTP over Unix sockets."""

from __future__ import annotations

from pathlib import Path

import pytest
from pelagos.sockets import async_unix_client, segment, unix_client
from stand_ins import PeopleAgent

NAMES = ["ada", "ada@example.org", "a b", "ümlaut", ".", "..", "...", "a%2Fb", "a?b#c", "%2e%2e"]


async def test_any_name_is_one_segment_of_a_path(tmp_path: Path) -> None:
    with PeopleAgent(tmp_path / "a.sock") as agent:
        for name in NAMES:
            with unix_client(agent.path, 20) as client:
                assert client.post(f"/people/{segment(name)}/retry").is_success
            async with async_unix_client(agent.path, 20) as asynchronous:
                assert (await asynchronous.get(f"/people/{segment(name)}")).is_success
    assert agent.asked == [(what, name, None) for name in NAMES for what in ("retry", "status")]


@pytest.mark.parametrize("name", ["a/b", "../x", "/"])
def test_a_slash_does_not_make_two_segments(name: str) -> None:
    assert "/" not in segment(name)
    assert "." not in segment(name)
