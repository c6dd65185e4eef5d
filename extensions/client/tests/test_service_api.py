"""Status and pins, over a real socket."""

from __future__ import annotations

import datetime
import json
import socket
import time
from typing import Any

import pytest
from pelagos_client import dataspace, workspace
from pelagos_client.errors import (
    NotConfiguredError,
    OutsideError,
    ServiceAwayError,
    ServiceRefusedError,
)

STATUS = {
    "workspace": {
        "state": "mounted", "reason": "", "pending": 2, "pending_bytes": 10,
        "failed": [{"name": "a.nc", "reason": "full", "tries": 3, "next_try": 5.5}],
        "used": 5, "total": None,
    },
    "dataspace": {
        "areas": [
            {"name": "me", "next": [{"path": "b.nc", "expires": 2000}]},
            {"name": "reef-lab", "next": [{"path": "a.nc", "expires": 1000}]},
        ]
    },
}  # fmt: skip


def test_the_status_is_asked_with_the_servers_token(service: Any) -> None:
    service.answers = [(200, STATUS)]
    found = workspace.status()
    assert (found.state, found.pending, found.used, found.total) == ("mounted", 2, 5, None)
    assert found.failed[0].reason == "full"
    assert not found.safe
    assert service.asked == [("GET", "/w/api/status", "token token-of-ada", None)]


def test_without_a_service_it_is_said_what_is_missing(storage: Any) -> None:
    with pytest.raises(NotConfiguredError, match="PELAGOS_WORKSPACE_API"):
        workspace.status()


def test_a_service_that_is_away_is_said_so(service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    service.answers = [(503, {"reason": "The hub does not answer."})]
    with pytest.raises(ServiceAwayError, match="The hub does not answer"):
        workspace.status()
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("PELAGOS_WORKSPACE_API", f"http://127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(ServiceAwayError, match="does not answer"):
            workspace.status()


def test_a_token_is_never_sent_on(service: Any) -> None:
    service.answers = [(302, {})]
    with pytest.raises(ServiceRefusedError, match="302"):
        workspace.status()
    assert len(service.asked) == 1


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://127.0.0.1/", "nonsense"])
def test_only_http_is_spoken(service: Any, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("PELAGOS_WORKSPACE_API", address)
    with pytest.raises(NotConfiguredError):
        workspace.status()


def test_pins_name_the_area_and_the_path_below_it(service: Any, storage: Any) -> None:
    (storage.dataspace / "me" / "run1").mkdir()
    service.answers = [(200, {})]
    before = int(time.time())
    until = dataspace.pin("run1/out.nc", days=2)
    assert before + 2 * 86400 <= until.timestamp() <= time.time() + 2 * 86400
    body = {"area": "me", "path": "run1/out.nc", "until": int(until.timestamp())}
    assert service.asked[-1] == ("PUT", "/w/api/pins", "token token-of-ada", body)
    dataspace.unpin(storage.dataspace / "reef-lab" / "x.nc")
    assert service.asked[-1][0] == "DELETE"
    assert service.asked[-1][3] == {"area": "reef-lab", "path": "x.nc"}


@pytest.mark.parametrize("path", ["..", "../..", "/etc/passwd", ".", "../reef-lab", "a/../../.."])
def test_what_is_not_below_an_area_cannot_be_pinned(service: Any, path: str) -> None:
    with pytest.raises(OutsideError):
        dataspace.pin(path)
    assert service.asked == []


def test_a_refused_pin_says_why(service: Any) -> None:
    service.answers = [(400, {"reason": "You have too many pins."})]
    with pytest.raises(ServiceRefusedError, match="too many pins") as caught:
        dataspace.pin("x.nc")
    assert caught.value.status == 400


def test_what_expires_is_told_by_the_file_soonest_first(service: Any, storage: Any) -> None:
    areas = {area["name"]: area for area in STATUS["dataspace"]["areas"]}
    (storage.dataspace / "expiry.json").write_text(json.dumps({"written": 1, "areas": areas}))
    found = dataspace.expiring()
    assert [(one.area, one.path) for one in found] == [("reef-lab", "a.nc"), ("me", "b.nc")]
    assert found[0].expires == datetime.datetime(1970, 1, 1, 0, 16, 40, tzinfo=datetime.UTC)
    assert service.asked == []


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"areas": 5}', '{"areas": {"me": 1}}'])
def test_without_a_good_file_the_service_is_asked(
    service: Any, storage: Any, content: str | None
) -> None:
    if content is not None:
        (storage.dataspace / "expiry.json").write_text(content)
    service.answers = [(200, STATUS)]
    assert [one.path for one in dataspace.expiring()] == ["a.nc", "b.nc"]


def test_what_is_refused_keeps_the_answer_for_programs(service: Any) -> None:
    answer = {"reason": "Terms first.", "mend": "Read them.", "accept": [{"key": "a"}]}
    service.answers = [(409, answer)]
    with pytest.raises(ServiceRefusedError) as caught:
        workspace.status()
    assert caught.value.document == answer
    assert str(caught.value) == "Terms first. Read them."
    service.answers = [(404, ["no object"])]
    with pytest.raises(ServiceRefusedError) as caught:
        workspace.status()
    assert caught.value.document == {}
