"""Small questions: whole answers or none, and nothing given to another host."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator

import pytest
from access_support import engine
from loopback import Asked, Loopback, Reply, serve
from pelagos_client.download import DownloadError, Engine, Guard
from pelagos_client.download.asking import cookies
from pelagos_client.download.errors import (
    CutError,
    ProtocolError,
    RefusedError,
    RequestError,
    StoppedError,
    TooLargeError,
)

SECRET = {"Authorization": "Bearer secret"}


@pytest.fixture
def server() -> Iterator[Loopback]:
    with serve({}) as running:
        yield running


@pytest.fixture
def running() -> Iterator[Engine]:
    with engine() as found:
        yield found


def test_json_is_sent_and_any_status_comes_back(server: Loopback, running: Engine) -> None:
    def answer(asked: Asked) -> Reply:
        return Reply(json.dumps([asked.method, json.loads(asked.body)]), status=422)

    server.routes["/x"] = answer
    said = running.ask("POST", f"{server.url}/x", json={"a": [1]})
    assert (said.status, said.json()) == (422, ["POST", {"a": [1]}])
    assert said.headers["content-type"] == "application/json"


def test_an_answer_that_is_no_json_is_said(server: Loopback, running: Engine) -> None:
    server.routes["/x"] = Reply(b"<html>")
    with pytest.raises(ProtocolError, match="JSON"):
        running.ask("GET", f"{server.url}/x").json()


@pytest.mark.parametrize("packed", [False, True])
def test_what_is_too_large_is_not_held(server: Loopback, running: Engine, packed: bool) -> None:
    body = bytes(2_000_000)
    headers = {"Content-Encoding": "gzip"} if packed else {}
    server.routes["/x"] = Reply(gzip.compress(body) if packed else body, headers=headers)
    with pytest.raises(TooLargeError):
        running.ask("GET", f"{server.url}/x", largest=100_000)
    assert running.ask("GET", f"{server.url}/x", largest=3_000_000).body == body


def test_half_an_answer_is_none(server: Loopback, running: Engine) -> None:
    server.routes["/x"] = Reply(b"half", headers={"Content-Length": "100", "Connection": "close"})
    with pytest.raises(CutError):
        running.ask("GET", f"{server.url}/x")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_token_and_a_body_stay_at_their_host(
    server: Loopback, running: Engine, status: int
) -> None:
    with serve({"/y": Reply(b"{}")}) as other:
        server.routes["/x"] = Reply(status=status, headers={"Location": f"{other.url}/y"})
        if status in (307, 308):
            with pytest.raises(RefusedError, match="another host"):
                running.ask("POST", f"{server.url}/x", json={"s": 1}, headers=SECRET)
            assert other.requests == []
        else:
            running.ask("POST", f"{server.url}/x", json={"s": 1}, headers=SECRET)
            (asked,) = other.requests
            assert (asked.method, asked.body) == ("GET", b"")
            assert "authorization" not in asked.headers
            assert "content-type" not in asked.headers
        running.ask("GET", f"{server.url}/x", headers=SECRET)
        assert all("authorization" not in asked.headers for asked in other.requests)


def test_a_redirect_can_be_looked_at(server: Loopback, running: Engine) -> None:
    server.routes["/x"] = Reply(status=303, headers={"Location": "/y", "Set-Cookie": "a=b; Path=/"})
    said = running.ask("GET", f"{server.url}/x", follow=False)
    assert (said.status, cookies(said.headers["set-cookie"])) == (303, "a=b")
    assert len(server.requests) == 1


def test_hosts_that_nobody_named_are_not_asked(server: Loopback) -> None:
    with Engine(guard=Guard()) as strict, pytest.raises(RefusedError):
        strict.ask("GET", f"{server.url}/x")
    assert server.requests == []


def test_a_body_is_sent_once(server: Loopback, running: Engine) -> None:
    """A connection that ends without an answer does not say whether the body was taken."""
    server.routes["/ok"] = Reply(b"{}")
    running.ask("GET", f"{server.url}/ok")

    def hang_up(asked: Asked) -> None:
        asked.handler.close_connection = True

    server.routes["/x"] = hang_up
    with pytest.raises(DownloadError):
        running.ask("POST", f"{server.url}/x", json={})
    assert [asked.path for asked in server.requests] == ["/ok", "/x"]


def test_it_ends_in_time_and_when_cancelled(server: Loopback, running: Engine) -> None:
    def slow(asked: Asked) -> Reply:
        server.stopping.wait(5)
        return Reply(b"{}")

    server.routes["/x"] = slow
    with pytest.raises(DownloadError, match="not done after"):
        running.ask("GET", f"{server.url}/x", seconds=0.5)
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(StoppedError):
        running.ask("GET", f"{server.url}/x", cancel=cancel)


@pytest.mark.parametrize("headers", [{"Host": "x"}, {"A": "b\r\nC: d"}, {"Range": "bytes=0-1"}])
def test_headers_that_the_engine_sets_are_refused(
    server: Loopback, running: Engine, headers: dict[str, str]
) -> None:
    with pytest.raises(RequestError):
        running.ask("GET", f"{server.url}/x", headers=headers)


@pytest.mark.parametrize("text", ["", "a", "=b", "a=b\r\nX: y"[1:], "ä=b"])
def test_what_is_no_cookie_is_none(text: str) -> None:
    assert "\n" not in cookies(text)
    assert cookies(text) in ("", "a=b")
