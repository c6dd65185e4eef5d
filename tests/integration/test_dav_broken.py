"""WebDAV: uploads that end badly, and people who guess, flood or plant: nothing changes by them."""

import os
import select
import socket
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from dav_server import LOCK, Dav, answer_of, folder_of, move, names, propfind, staged
from pelagos.deployment import DAV_PATH, Deployment
from pelagos.services.dav.turns import Turns
from support import until


def test_a_body_that_is_shorter_than_announced_changes_nothing(
    alice: httpx.Client, dav: Dav
) -> None:
    alice.put("a", content=b"old")
    path = f"{DAV_PATH}/alice/a"
    with dav.raw("alice", "PUT", path, "Content-Length: 100\r\n") as connection:
        connection.sendall(b"x" * 50)
        connection.shutdown(socket.SHUT_WR)
        status, body = answer_of(connection)
    assert status == 400
    assert b"Nothing was changed" in body
    assert alice.get("a").content == b"old"
    assert staged(dav) == []


def test_a_client_that_vanishes_changes_nothing(alice: httpx.Client, dav: Dav) -> None:
    alice.put("a", content=b"old")
    path = f"{DAV_PATH}/alice/a"
    with dav.raw("alice", "PUT", path, "Content-Length: 3000000\r\n") as connection:
        connection.sendall(b"x" * 2_000_000)
        until(lambda: staged(dav), what="the upload began")
    until(lambda: not staged(dav), what="its rest is gone")
    assert alice.get("a").content == b"old"


@pytest.mark.parametrize(
    "body",
    [
        b"5\r\nhello\r\n", b"5\r\nhel", b"5\r\nhello\r\n0\r\n", b"-1\r\n\r\n", b"0x5\r\nhello\r\n",
        b"5\r\nhelloXX0\r\n\r\n", b"\r\n", b"5", b"zz\r\n\r\n", b"1_0\r\n\r\n", b"+0\r\n\r\n",
    ],
)  # fmt: skip
def test_a_chunked_body_without_its_end_changes_nothing(
    alice: httpx.Client, dav: Dav, body: bytes
) -> None:
    alice.put("a", content=b"old")
    path = f"{DAV_PATH}/alice/a"
    with dav.raw("alice", "PUT", path, "Transfer-Encoding: chunked\r\n") as connection:
        connection.sendall(body)
        connection.shutdown(socket.SHUT_WR)
        assert answer_of(connection)[0] == 400
    assert alice.get("a").content == b"old"
    assert staged(dav) == []


def test_a_chunked_body_comes_in(alice: httpx.Client, dav: Dav) -> None:
    blocks = [os.urandom(n) for n in (1, 100_000, 8192, 1_500_000)]
    assert alice.put("a", content=iter(blocks)).status_code == 201
    assert alice.get("a").content == b"".join(blocks)
    path = f"{DAV_PATH}/alice/b"
    with dav.raw("alice", "PUT", path, "Transfer-Encoding: chunked\r\n") as connection:
        connection.sendall(b"5;x=y\r\nhello\r\n0\r\nTrailer: 1\r\n\r\n")
        assert answer_of(connection)[0] == 201
        # the connection goes on where the trailers ended
        head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {dav.authorization('alice')}"
        connection.sendall(f"{head}\r\n\r\n".encode())
        assert answer_of(connection) == (200, b"hello")


@pytest.mark.parametrize(
    "headers",
    [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Content-Length: -5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n", "Content-Length: +5\r\n",
    ],
)  # fmt: skip
def test_lengths_that_a_proxy_could_read_differently_are_refused(
    alice: httpx.Client, dav: Dav, headers: str
) -> None:
    with dav.raw("alice", "PUT", f"{DAV_PATH}/alice/a", headers) as connection:
        connection.sendall(b"hello")
        assert answer_of(connection)[0] == 400
    assert alice.get("a").status_code == 404


def test_a_stalled_upload_is_given_up(deployment: Deployment) -> None:
    dav = Dav(deployment, stall=1)
    try:
        headers = "Content-Length: 100\r\n"
        with dav.raw("alice", "PUT", f"{DAV_PATH}/alice/a", headers) as connection:
            connection.sendall(b"x")
            assert answer_of(connection)[0] == 400
        assert os.listdir(folder_of(dav, "alice")) == []
    finally:
        dav.close()


def trickle(connection: socket.socket, begin: bytes = b"") -> int:
    """Send a byte now and then, until the other side has enough; how many."""
    connection.sendall(begin)
    for count in range(100):
        readable, _, _ = select.select([connection], [], [], 0.2)
        if readable:
            return count
        connection.sendall(b"1")
    pytest.fail("nobody has enough")


@pytest.mark.parametrize(
    ("headers", "begin"),
    [("Content-Length: 10000\r\n", b""), ("Transfer-Encoding: chunked\r\n", b"5;")],
)
def test_an_upload_that_trickles_is_given_up(
    deployment: Deployment, headers: str, begin: bytes
) -> None:
    dav = Dav(deployment, stall=1)
    try:
        with dav.raw("alice", "PUT", f"{DAV_PATH}/alice/a", headers) as connection:
            trickle(connection, begin)
            assert answer_of(connection)[0] == 400
        assert os.listdir(folder_of(dav, "alice")) == []
    finally:
        dav.close()


def test_headers_that_trickle_are_given_up(deployment: Deployment) -> None:
    dav = Dav(deployment, stall=1)
    try:
        with socket.create_connection(("127.0.0.1", dav.port), timeout=30) as connection:
            trickle(connection, b"GET / HTTP/1.1\r\nHost: x\r\nX: ")
    finally:
        dav.close()


def test_a_long_upload_at_an_honest_pace_comes_in(deployment: Deployment) -> None:
    dav = Dav(deployment, stall=1)
    try:
        headers = "Content-Length: 30000\r\n"
        with dav.raw("alice", "PUT", f"{DAV_PATH}/alice/a", headers) as connection:
            for count in range(10):
                connection.sendall(b"x" * 3000)
                assert select.select([connection], [], [], 0.3)[0] == [] or count == 9
            assert answer_of(connection)[0] == 201
    finally:
        dav.close()


@pytest.mark.parametrize("headers", ["Content-Length: 60000\r\n", "Transfer-Encoding: chunked\r\n"])
def test_a_refused_body_that_trickles_is_not_waited_for(dav: Dav, headers: str) -> None:
    with socket.create_connection(("127.0.0.1", dav.port), timeout=30) as connection:
        connection.sendall(f"PUT {DAV_PATH}/alice/a HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())
        begin = b"ea60\r\n" if "chunked" in headers else b""
        # more than a second's worth is not taken
        assert trickle(connection, begin) < 30
        assert answer_of(connection)[0] == 401


def test_bodies_that_never_come_hold_up_nobody(dav: Dav, alice: httpx.Client) -> None:
    with ExitStack() as stack:
        for n in range(40):
            length = f"Content-Length: {100 + n % 2 * 100_000}\r\n"
            stack.enter_context(dav.raw("nobody", "PUT", f"{DAV_PATH}/alice/a", length))
        # less than a stalled upload may take
        assert alice.put("a", content=b"1", timeout=25).status_code == 201


def test_one_person_can_not_take_every_thread(
    dav: Dav, alice: httpx.Client, bob: httpx.Client
) -> None:
    with ExitStack() as stack:
        for n in range(9):
            headers = "Content-Length: 9\r\n"
            stack.enter_context(dav.raw("alice", "PUT", f"{DAV_PATH}/alice/{n}", headers))
        until(lambda: len(staged(dav)) == 9)
        refused = alice.put("a", content=b"1")
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        assert bob.put("a", content=b"1").status_code == 201
    until(lambda: alice.put("a", content=b"1").status_code == 201)


def test_what_an_earlier_run_left_half_done_is_removed_at_start(dav: Dav) -> None:
    staging = dav.deployment.layout.workspaces / "users" / ".staging"
    (staging / "half").write_bytes(b"x")
    (staging / "trash").mkdir()
    (staging / "trash" / "f").write_bytes(b"x")
    dav.stop()
    dav.start()
    until(lambda: not staged(dav))


@pytest.mark.parametrize(
    "path",
    [
        "/../bob/a", "/%2e%2e/bob/a", "/.%2e/bob/a", "/%2E%2E/%2E%2E/etc/passwd", "/x/../../bob/a",
        "/..%2fbob%2fa", "/%2e%2e%2fbob", "/a%00.txt", "/..%5cbob%5ca", "/..\\bob\\a", "/./a",
        "/%ff", "/" + "d/" * 300 + "a",
    ],
)  # fmt: skip
def test_a_path_that_means_another_place_is_refused(
    dav: Dav, alice: httpx.Client, bob: httpx.Client, path: str
) -> None:
    bob.put("a", content=b"secret")
    for method in ("GET", "PUT", "DELETE", "PROPFIND", "MKCOL", "COPY"):
        headers = "Content-Length: 0\r\nDepth: 0\r\n"
        with dav.raw("alice", method, f"{DAV_PATH}/alice{path}", headers) as connection:
            status, body = answer_of(connection)
        assert status == 400, (method, body)
        assert b"<" not in body
        assert body.endswith(b".\n")
    assert bob.get("a").content == b"secret"


def test_other_addresses_lead_nowhere(dav: Dav, alice: httpx.Client) -> None:
    for path in ("/", "/services/workspace/", "/etc/passwd", f"{DAV_PATH}x/alice/", "//x/y", "*"):
        with dav.raw("alice", "OPTIONS", path, "") as connection:
            assert answer_of(connection)[0] in (400, 403, 404)
    for path in (f"{DAV_PATH}/alicex/a", f"{DAV_PATH}/ALICE/a"):
        with dav.raw("alice", "GET", path, "") as connection:
            assert answer_of(connection)[0] == 403


def test_a_folder_whose_name_begins_alike_is_not_opened(dav: Dav) -> None:
    with dav.client("a") as short, dav.client("ab") as long:
        long.put("x", content=b"1")
        assert names(propfind(short)) == [f"{DAV_PATH}/a/", f"{DAV_PATH}/a/shared/"]


def test_links_in_a_folder_are_not_there(dav: Dav, alice: httpx.Client, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    alice.put("a", content=b"1")
    home = folder_of(dav, "alice")
    (home / "file").symlink_to(outside / "secret")
    (home / "folder").symlink_to(outside)
    (home / "inner").symlink_to("a")
    os.mkfifo(home / "pipe")
    assert names(propfind(alice)) == [
        f"{DAV_PATH}/alice/", f"{DAV_PATH}/alice/shared/", f"{DAV_PATH}/alice/a",
    ]  # fmt: skip
    for name in ("file", "folder", "folder/secret", "inner", "pipe"):
        assert alice.get(name).status_code == 404
        assert alice.delete(name).status_code == 404
        assert propfind(alice, name, "0").status_code == 404
        assert move(alice, dav, name, "x").status_code == 404
    assert alice.put("folder/new", content=b"1").status_code == 409
    assert alice.put("folder/secret", content=b"1").status_code == 409
    assert move(alice, dav, "a", "folder/secret", "COPY").status_code == 409
    # written to, a link's place becomes a file: what it led to stays
    assert alice.put("file", content=b"mine").status_code == 201
    assert not (home / "file").is_symlink()
    assert move(alice, dav, "a", "folder", "COPY").status_code == 201
    assert [p.name for p in outside.iterdir()] == ["secret"]
    assert (outside / "secret").read_bytes() == b"secret"
    # a folder with links in it is deleted with them, not through them
    alice.request("MKCOL", "d")
    (home / "d" / "out").symlink_to(outside)
    assert move(alice, dav, "d", "e", "COPY").status_code == 201
    assert not (home / "e" / "out").is_symlink()
    assert alice.delete("d").status_code == 204
    assert (outside / "secret").read_bytes() == b"secret"


def test_a_workspace_that_is_a_link_is_not_followed(dav: Dav, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    folder_of(dav, "eve").symlink_to(outside)
    with dav.client("eve") as eve:
        assert eve.put("a", content=b"1").status_code >= 400
    assert list(outside.iterdir()) == []


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
FILE = '<!DOCTYPE x [<!ENTITY b SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize("method", ["PROPFIND", "PROPPATCH", "LOCK"])
@pytest.mark.parametrize("kind", [BOMB, FILE, "<!DOCTYPE x SYSTEM 'http://x/'>"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_xml_with_entities_is_refused(
    alice: httpx.Client, method: str, kind: str, encoding: str
) -> None:
    alice.put("a", content=b"1")
    text = f'<?xml version="1.0" encoding="{encoding}"?>{kind}<propfind xmlns="DAV:">&b;</propfind>'
    answer = alice.request(method, "a", content=text.encode(encoding), headers={"Depth": "0"})
    assert answer.status_code == 400
    assert "document type" in answer.text


def test_xml_that_is_too_long_too_deep_or_none_is_refused(alice: httpx.Client) -> None:
    headers = {"Depth": "0"}
    for body, status in (
        (b"x" * 300_000, 413), (iter([b"x" * 200_000] * 2), 413), (b"<a>" * 1000, 400),
        (b"<a/>", 400), (b"\xff\xfe", 400), (b"<a xmlns='x'", 400),
    ):  # fmt: skip
        answer = alice.request("PROPFIND", "", content=body, headers=headers)
        assert answer.status_code == status, answer.text
        assert answer.text.endswith(".\n")
    assert propfind(alice).status_code == 207


def test_nobody_can_ask_for_everything_at_once(alice: httpx.Client) -> None:
    for headers in ({"Depth": "infinity"}, {}):
        answer = alice.request("PROPFIND", "", headers=headers)
        assert answer.status_code == 403
        assert "propfind-finite-depth" in answer.text


def test_a_page_in_a_workspace_can_do_nothing_in_the_hubs_name(alice: httpx.Client) -> None:
    alice.put("evil.html", content=b"<script>alert(1)</script>")
    headers = alice.get("evil.html").headers
    assert "sandbox" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_a_folder_is_no_page(alice: httpx.Client) -> None:
    answer = alice.get("")
    assert answer.status_code == 403
    assert "WebDAV client" in answer.text


def test_a_method_that_there_is_not_is_refused(alice: httpx.Client) -> None:
    assert alice.post("a", content=b"1").status_code == 405
    assert alice.request("SEARCH", "a").status_code == 405
    assert alice.put("a", content=b"1", headers={"Content-Range": "bytes 0-0/9"}).status_code == 400


def test_every_refusal_is_a_sentence_and_no_page(alice: httpx.Client) -> None:
    alice.put("a", content=b"1")
    empty = '<propertyupdate xmlns="DAV:"/>'
    answers = [
        alice.request("OPTIONS", "no/where"), alice.request("PROPPATCH", "none", content=empty),
        alice.request("UNLOCK", "none"), alice.request("UNLOCK", "a"), alice.get("none"),
        alice.request("LOCK", "a"), alice.request("LOCK", "a", content="<a/>"),
        alice.request("PROPPATCH", "a", content="<a/>"), alice.request("PROPPATCH", "a"),
        alice.request("LOCK", "no/where", content=LOCK), alice.delete("none"),
        alice.request("PROPFIND", "a", headers={"Depth": "2"}), alice.request("MKCOL", "no/where"),
        alice.request("MKCOL", "x", content="x"), alice.request("MKCOL", "a"),
    ]  # fmt: skip
    for answer in answers:
        assert 400 <= answer.status_code < 500, answer.request
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert answer.text.endswith(".\n")
        assert not answer.text.startswith("/")
        assert "<" not in answer.text


def test_a_large_folder_is_listed_whole(dav: Dav, alice: httpx.Client) -> None:
    alice.request("MKCOL", "many")
    for n in range(3000):
        (folder_of(dav, "alice") / "many" / f"{n:05}").touch()
    found = names(propfind(alice, "many/"))
    assert len(found) == 3001
    assert found[-1].endswith("/02999")


def test_very_large_folders_are_listed_by_turns(
    dav: Dav, alice: httpx.Client, bob: httpx.Client
) -> None:
    dav.provider.listings = Turns(wait=0.2)
    for person in (alice, bob):
        person.request("MKCOL", "many")
    for user in ("alice", "bob"):
        for n in range(5001):
            (folder_of(dav, user) / "many" / f"{n:05}").touch()
    # somebody who does not read on has their turn
    path = f"{DAV_PATH}/alice/many/"
    with dav.raw("alice", "PROPFIND", path, "Depth: 1\r\n") as connection:
        assert connection.recv(12) == b"HTTP/1.1 207"
        second = propfind(alice, "many/")
        assert (second.status_code, second.headers["Retry-After"]) == (503, "5")
        assert propfind(alice).status_code == 207
        # one is left for everybody else
        assert len(names(propfind(bob, "many/"))) == 5002
        leave = dav.provider.listings.enter("carol")
        assert propfind(bob, "many/").status_code == 503
        leave()
    until(lambda: propfind(alice, "many/").status_code == 207)
