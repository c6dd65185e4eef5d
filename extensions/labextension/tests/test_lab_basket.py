"""The basket that all tabs share."""

from __future__ import annotations

import asyncio
import fcntl
import json
from pathlib import Path
from typing import Any

import pytest
from jupyterlab_pelagos import state_file
from lab_server import Ask

FILE = Path(".local/share/jupyterlab-pelagos/basket.json")


def an_item(number: int, **more: Any) -> dict[str, Any]:
    return {"collection": "argo.floats", "id": f"p{number}", "size": 10, "files": 1} | more


def add(*numbers: int, **more: Any) -> dict[str, Any]:
    return {"kind": "add", "items": [an_item(one) for one in numbers], "query": None} | more


def ids(basket: dict[str, Any]) -> list[str]:
    return [one["id"] for one in basket["items"]]


def test_two_tabs_see_the_same(ask: Ask) -> None:
    empty = ask("GET", "basket").json
    assert (empty["items"], empty["to"], empty["cut"]) == ([], "pelagos-orders", True)
    query = {"q": "temperature", "bbox": [1, 2, 3, 4], "facets": {"platform": ["float"]}}
    first = ask("POST", "basket", add(1, 2, query=query)).json
    second = ask("POST", "basket", add(2, 3)).json
    assert ids(second) == ["p1", "p2", "p3"]
    assert empty["revision"] < first["revision"] < second["revision"]
    found = ask("GET", "basket").json
    assert found == second
    assert found["query"]["q"] == "temperature"
    gone = {"kind": "remove", "items": [{"collection": "argo.floats", "id": "p1"}]}
    assert ids(ask("POST", "basket", gone).json) == ["p2", "p3"]
    titled = ask("POST", "basket", {"kind": "set", "title": "Mine", "cut": False}).json
    assert (titled["title"], titled["cut"], titled["to"]) == ("Mine", False, "pelagos-orders")
    assert ids(titled) == ["p2", "p3"]
    assert ask("POST", "basket", {"kind": "clear"}).json["items"] == []


def test_tabs_that_change_it_at_once_lose_nothing(
    ask: Ask, jp_fetch: Any, jp_asyncio_loop: asyncio.AbstractEventLoop, jp_home_dir: Path
) -> None:
    async def at_once() -> list[Any]:
        bodies = [json.dumps(add(number)) for number in range(20)]
        asked = (jp_fetch("pelagos", "basket", method="POST", body=one) for one in bodies)
        return await asyncio.gather(*asked)

    answers = [json.loads(one.body) for one in jp_asyncio_loop.run_until_complete(at_once())]
    assert len({one["revision"] for one in answers}) > 1
    found = ask("GET", "basket").json
    assert sorted(ids(found)) == sorted(f"p{number}" for number in range(20))
    assert found["revision"] == max(one["revision"] for one in answers)
    assert json.loads((jp_home_dir / FILE).read_text())["revision"] == found["revision"]


def test_the_next_server_has_it_too(ask: Ask, jp_home_dir: Path, jp_serverapp: Any) -> None:
    before = ask("POST", "basket", add(1)).json
    kept = json.loads((jp_home_dir / FILE).read_text())
    assert ids(kept) == ["p1"]
    # as another server of the same person would write it
    kept["items"].append(an_item(9))
    kept["revision"] += 5
    (jp_home_dir / FILE).write_text(json.dumps(kept))
    assert ids(ask("GET", "basket").json) == ["p1", "p9"]
    after = ask("POST", "basket", add(2)).json
    assert ids(after) == ["p1", "p9", "p2"]
    assert after["revision"] > before["revision"] + 5


def test_a_damaged_file_is_set_aside(ask: Ask, jp_home_dir: Path) -> None:
    before = ask("POST", "basket", add(1)).json
    (jp_home_dir / FILE).write_text('{"revision": 3, "items": [{"collec')
    assert ask("GET", "basket").json["items"] == []
    assert (jp_home_dir / f"{FILE}.damaged").is_file()
    after = ask("POST", "basket", add(2)).json
    assert ids(after) == ["p2"]
    assert after["revision"] > before["revision"]


def test_a_server_that_hangs_with_the_lock_holds_up_nobody(
    ask: Ask, jp_home_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_file, "_PATIENCE", 0.2)
    ask("POST", "basket", add(1))
    with (jp_home_dir / FILE).with_suffix(".lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert ids(ask("POST", "basket", add(2)).json) == ["p1", "p2"]
    assert ids(ask("POST", "basket", add(3)).json) == ["p1", "p2", "p3"]


def test_a_home_that_cannot_be_written_is_no_obstacle(ask: Ask, jp_home_dir: Path) -> None:
    (jp_home_dir / ".local").mkdir(exist_ok=True)
    (jp_home_dir / ".local" / "share").write_text("in the way")
    assert ids(ask("POST", "basket", add(1)).json) == ["p1"]
    assert ids(ask("POST", "basket", add(2)).json) == ["p1", "p2"]
    assert ids(ask("GET", "basket").json) == ["p1", "p2"]


def test_too_many_are_refused_with_a_sentence(ask: Ask) -> None:
    items = [an_item(number) for number in range(15_000)]
    assert ask("POST", "basket", {"kind": "add", "items": items}).status == 200
    items = [an_item(number) for number in range(14_000, 21_000)]
    answer = ask("POST", "basket", {"kind": "add", "items": items})
    assert answer.status == 409
    assert "at most 20,000" in answer.json["reason"]
    assert len(ask("GET", "basket").json["items"]) == 15_000


def test_targets_are_below_the_root(ask: Ask, jp_root_dir: Path, tmp_path: Path) -> None:
    (jp_root_dir / "data").mkdir()
    (jp_root_dir / "out").symlink_to(tmp_path)
    (jp_root_dir / "note.txt").write_text("x")
    assert ask("POST", "basket", {"kind": "set", "to": "data/mine"}).json["to"] == "data/mine"
    refused = ("/etc", "../elsewhere", "out/x", "note.txt", "dataspce", "dataspace", "a\0b", " ",
               "x" * 300, "~nobody-here/x")  # fmt: skip
    for to in refused:
        answer = ask("POST", "basket", {"kind": "set", "to": to})
        assert answer.status in (400, 409), to
        assert answer.json["reason"], to
        assert answer.json["mend"], to
    assert ask("GET", "basket").json["to"] == "data/mine"


def test_nonsense_is_refused(ask: Ask) -> None:
    for body in (
        {"kind": "other"},
        {"kind": "add"},
        {"kind": "add", "items": [{"collection": "a"}]},
        {"kind": "add", "items": [an_item(1, catalogue="file:///etc/passwd")]},
        {"kind": "add", "items": [an_item(1, surprise=True)]},
        [],
    ):
        answer = ask("POST", "basket", body)
        assert answer.status == 400, body
        assert "can't be read" in answer.json["reason"]
