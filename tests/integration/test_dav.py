"""The WebDAV server over real connections; only the hub's answers are a stand-in's."""

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

import httpx
import pytest
from dav_server import Dav, answer_of
from pelagos.deployment import DAV_PATH, Deployment
from pelagos.settings import Settings
from pelagos.settings.models import Storage, VirtualLab, Workspace
from support import until

QUOTA = 8 << 20


@pytest.fixture
def dav(deployment: Deployment) -> Iterator[Dav]:
    deployment.settings = Settings(
        virtual_labs=[
            VirtualLab(name="ocean", open=True),
            VirtualLab(name="reef", members=["alice", "bob"], managers=["zoe"]),
            VirtualLab(name="course", members=["alice"], managers=["zoe"], members_write=False),
            VirtualLab(name="secret"),
        ],
        storage=Storage(workspace=Workspace(quota=QUOTA, virtual_lab_quota=QUOTA)),
    )
    deployment.__dict__.pop("layout", None)
    server = Dav(deployment)
    yield server
    server.close()


@pytest.fixture
def alice(dav: Dav) -> Iterator[httpx.Client]:
    with dav.client("alice", "reef", "course") as client:
        yield client


@pytest.fixture
def bob(dav: Dav) -> Iterator[httpx.Client]:
    with dav.client("bob", "reef") as client:
        yield client


def folder_of(dav: Dav, user: str) -> Path:
    return dav.deployment.layout.user_workspace(user)


def staged(dav: Dav) -> list[str]:
    root = dav.deployment.layout.workspaces
    return [
        name for kind in ("users", "virtual-labs") for name in os.listdir(root / kind / ".staging")
    ]


def names(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 207, answer.text
    found = ElementTree.fromstring(answer.content)  # noqa: S314 - our own
    return [href.text or "" for href in found.iter("{DAV:}href")]


def propfind(client: httpx.Client, path: str = "", depth: str = "1") -> httpx.Response:
    return client.request("PROPFIND", path, headers={"Depth": depth})


def move(
    client: httpx.Client, dav: Dav, path: str, to: str, method: str = "MOVE"
) -> httpx.Response:
    user = str(client.base_url).rstrip("/").rpartition("/")[2]
    return client.request(method, path, headers={"Destination": dav.url(user, to)})


# --- Files ---


def test_a_file_comes_back_as_it_was_sent(alice: httpx.Client) -> None:
    content = os.urandom(3_000_000)
    put = alice.put("a.bin", content=content)
    assert (put.status_code, put.text) == (201, "")
    got = alice.get("a.bin")
    assert got.content == content
    assert got.headers["ETag"] == put.headers["ETag"]
    assert alice.put("a.bin", content=b"2").status_code == 204
    assert alice.head("a.bin").headers["Content-Length"] == "1"
    assert "WsgiDAV" not in str(got.headers)
    assert "heroot" not in str(got.headers)


def test_folders_and_files_belong_to_their_owner_only(alice: httpx.Client, dav: Dav) -> None:
    alice.put("a", content=b"1")
    assert alice.request("MKCOL", "d").status_code == 201
    home = folder_of(dav, "alice")
    assert [(home / n).stat().st_mode & 0o77 for n in ("", "a", "d")] == [0, 0, 0]


@pytest.mark.parametrize(
    "name",
    [
        "a\nb", "\U0001f41f.nc", "x" * 255, " leading", "trailing ", "100%", "a#b?c", "a;b=c&d",
        "back\\slash", "é" * 127, "..a", "~", "+ +", "tab\there", "<&>\"'", "ctrl\x01",
    ],
)  # fmt: skip
def test_any_name_makes_the_round_trip(alice: httpx.Client, dav: Dav, name: str) -> None:
    there = quote(name, safe="")
    assert alice.put(there, content=b"1").status_code == 201
    assert (folder_of(dav, "alice") / name).read_bytes() == b"1"
    listed = [href for href in names(propfind(alice)) if not href.endswith("/")]
    assert [alice.get(f"http://127.0.0.1:{dav.port}{href}").content for href in listed] == [b"1"]
    if len(name.encode()) < 250:
        assert move(alice, dav, there, there + quote("%?#2")).status_code == 201
        assert (folder_of(dav, "alice") / (name + "%?#2")).exists()


def test_a_name_of_256_bytes_is_refused(alice: httpx.Client) -> None:
    answer = alice.put("x" * 256, content=b"1")
    assert answer.status_code == 400
    assert "255 bytes" in answer.text


@pytest.mark.parametrize(
    ("asked", "status", "expected"),
    [
        ("bytes=2-4", 206, b"234"), ("bytes=7-", 206, b"789"), ("bytes=-3", 206, b"789"),
        ("bytes=0-99", 206, b"0123456789"), ("bytes=10-", 416, None), ("bytes=5-2", 416, None),
        ("bytes=0-1,4-5", 200, b"0123456789"), ("lines=1-2", 200, b"0123456789"),
    ],
)  # fmt: skip
def test_a_part_of_a_file(
    alice: httpx.Client, asked: str, status: int, expected: bytes | None
) -> None:
    alice.put("a", content=b"0123456789")
    answer = alice.get("a", headers={"Range": asked})
    assert answer.status_code == status
    if expected is not None:
        assert answer.content == expected
    else:
        assert answer.headers["Content-Range"] == "bytes */10"


def test_a_part_of_a_file_that_changed_is_the_whole(alice: httpx.Client) -> None:
    old = alice.put("a", content=b"0123456789").headers["ETag"]
    headers = {"Range": "bytes=2-4", "If-Range": old}
    assert alice.get("a", headers=headers).status_code == 206
    alice.put("a", content=b"9876543210")
    assert alice.get("a", headers=headers).content == b"9876543210"


def test_conditions_are_kept(alice: httpx.Client) -> None:
    assert alice.put("a", content=b"1", headers={"If-Match": "*"}).status_code == 412
    first = alice.put("a", content=b"1", headers={"If-None-Match": "*"})
    assert first.status_code == 201
    assert alice.put("a", content=b"2", headers={"If-None-Match": "*"}).status_code == 412
    tag = first.headers["ETag"]
    assert alice.get("a", headers={"If-None-Match": tag}).status_code == 304
    # same length at once: the tag changes all the same
    second = alice.put("a", content=b"2", headers={"If-Match": tag}).headers["ETag"]
    assert second != tag
    assert alice.put("a", content=b"3", headers={"If-Match": tag}).status_code == 412
    assert alice.delete("a", headers={"If-Match": tag}).status_code == 412
    assert alice.get("a").content == b"2"
    assert alice.delete("a", headers={"If-Match": second}).status_code == 204


def test_of_many_who_create_a_file_only_if_it_is_new_one_does(dav: Dav) -> None:
    found: list[int] = []

    def create(content: bytes) -> None:
        with dav.client("alice") as client:
            answer = client.put("a", content=content * 300_000, headers={"If-None-Match": "*"})
            found.append(answer.status_code)

    threads = [threading.Thread(target=create, args=(b"%d" % n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [201, *[412] * 5]


def test_of_many_versions_at_once_one_whole_one_stays(dav: Dav) -> None:
    versions = [bytes([n]) * 700_000 for n in range(8)]

    def put(content: bytes) -> None:
        with dav.client("alice") as client:
            assert client.put("a", content=content).status_code in (201, 204)

    threads = [threading.Thread(target=put, args=(content,)) for content in versions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (folder_of(dav, "alice") / "a").read_bytes() in versions
    assert staged(dav) == []


def test_a_time_of_the_client_is_kept(alice: httpx.Client, dav: Dav) -> None:
    answer = alice.put("a", content=b"1", headers={"X-OC-Mtime": "1000000000"})
    assert answer.headers["X-OC-Mtime"] == "accepted"
    assert (folder_of(dav, "alice") / "a").stat().st_mtime == 1e9
    assert alice.put("a", content=b"1", headers={"X-OC-Mtime": "soon"}).status_code == 400
    body = (
        '<propertyupdate xmlns="DAV:"><set><prop><lastmodified>1100000000</lastmodified></prop>'
        "</set></propertyupdate>"
    )
    assert alice.request("PROPPATCH", "a", content=body).status_code == 207
    assert (folder_of(dav, "alice") / "a").stat().st_mtime == 1.1e9


# --- Uploads that end badly ---


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


# --- Quota ---


def test_the_quota_holds_and_the_old_file_stays(alice: httpx.Client, dav: Dav) -> None:
    alice.put("a", content=b"old")
    with dav.raw(
        "alice", "PUT", f"{DAV_PATH}/alice/a",
        f"Content-Length: {QUOTA + 1}\r\nExpect: 100-continue\r\n",
    ) as connection:  # fmt: skip
        status, body = answer_of(connection)  # without a byte of the body
    assert (status, b"quota of 8 MiB" in body) == (507, True)
    big = alice.put("a", content=b"x" * (QUOTA + 1))
    assert big.status_code == 507
    chunked = alice.put("a", content=iter([b"x" * (1 << 20)] * 9))
    assert chunked.status_code == 507
    assert alice.get("a").content == b"old"
    assert staged(dav) == []
    assert alice.put("a", content=b"x" * QUOTA).status_code == 204
    # full: replacing is allowed, new things are not
    assert alice.put("a", content=b"y" * QUOTA).status_code == 204
    assert alice.put("b", content=b"1").status_code == 507
    assert alice.request("MKCOL", "d").status_code == 507
    assert move(alice, dav, "a", "c", "COPY").status_code == 507
    assert move(alice, dav, "a", "c").status_code == 201
    assert alice.delete("c").status_code == 204
    assert alice.put("b", content=b"1").status_code == 201


def test_programs_can_ask_for_the_quota(alice: httpx.Client, bob: httpx.Client, dav: Dav) -> None:
    def quota(path: str) -> list[int]:
        body = (
            '<propfind xmlns="DAV:"><prop><quota-used-bytes/><quota-available-bytes/></prop>'
            "</propfind>"
        )
        answer = alice.request("PROPFIND", path, headers={"Depth": "0"}, content=body)
        found = ElementTree.fromstring(answer.content)  # noqa: S314 - our own
        tags = ("{DAV:}quota-used-bytes", "{DAV:}quota-available-bytes")
        return [int(next(found.iter(tag)).text or "-1") for tag in tags]

    folder_of(dav, "alice").mkdir(parents=True, exist_ok=True)
    (folder_of(dav, "alice") / "before").write_bytes(b"x" * 100)
    assert quota("") == [100, QUOTA - 100]
    alice.put("a", content=b"x" * 1000)
    alice.request("MKCOL", "d")
    assert quota("d/") == [1100, QUOTA - 1100]
    move(alice, dav, "a", "d/a", "COPY")
    assert quota("") == [2100, QUOTA - 2100]
    move(alice, dav, "d", "shared/reef/d")
    assert quota("") == [1100, QUOTA - 1100]
    assert quota("shared/reef/") == [1000, QUOTA - 1000]
    bob.put("shared/reef/d/a", content=b"x" * 10)
    assert quota("shared/reef/") == [10, QUOTA - 10]
    bob.delete("shared/reef/d")
    alice.put("a", content=b"")
    assert quota("shared/reef/") == [0, QUOTA]
    assert quota("") == [100, QUOTA - 100]


def test_what_goes_first_thing_after_a_start_is_counted_once(dav: Dav, alice: httpx.Client) -> None:
    for name in ("a", "b", "c", "d"):
        alice.put(name, content=b"x" * 1000)
    dav.stop()
    dav.start()
    alice.base_url = dav.url("alice")
    alice.delete("a")
    assert dav.disk.user("alice").usage.used() == 3000
    dav.stop()
    dav.start()
    alice.base_url = dav.url("alice")
    move(alice, dav, "b", "shared/reef/b")
    assert dav.disk.user("alice").usage.used() == 2000
    move(alice, dav, "c", "d")
    assert dav.disk.user("alice").usage.used() == 1000


def test_two_uploads_can_not_share_the_same_room(alice: httpx.Client, dav: Dav) -> None:
    half = QUOTA // 2 + 1
    path = f"{DAV_PATH}/alice/a"
    with dav.raw("alice", "PUT", path, f"Content-Length: {half}\r\n") as connection:
        connection.sendall(b"x")
        until(lambda: staged(dav), what="the first began")
        assert alice.put("b", content=b"x" * half).status_code == 507
        connection.sendall(b"x" * (half - 1))
        assert answer_of(connection)[0] == 201


# --- Who may ---


@pytest.mark.parametrize(
    "authorization",
    ["", "Basic", "Basic !!!", "Basic YWxpY2U6", "Basic YWxpY2U=", "Bearer", "Bearer wrong",
     "Digest username=alice", "Basic YWxpY2U6d3Jvbmc="],
)  # fmt: skip
def test_without_a_right_token_nothing_opens(dav: Dav, authorization: str) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    for method in ("GET", "PROPFIND", "OPTIONS", "PUT", "DELETE"):
        answer = httpx.request(method, dav.url("alice", "a"), headers=headers)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")
        assert "/hub/token" in answer.text


def test_a_token_opens_as_bearer_too(dav: Dav) -> None:
    token = dav.hub_server.person("alice")
    for scheme in ("Bearer", "token"):
        headers = {"Authorization": f"{scheme} {token}", "Depth": "0"}
        answer = httpx.request("PROPFIND", dav.url("alice"), headers=headers)
        assert answer.status_code == 207


@pytest.mark.parametrize("scopes", [(), ("self",), ("access:services!service=other",)])
def test_a_token_without_the_scope_opens_nothing(dav: Dav, scopes: tuple[str, ...]) -> None:
    token = dav.hub_server.person("alice", scopes=scopes)
    assert httpx.get(dav.url("alice", "a"), auth=("alice", token)).status_code == 401


def test_a_services_token_opens_nothing(dav: Dav) -> None:
    token = dav.hub_server.person("alice")
    dav.hub_server.tokens[token]["kind"] = "service"
    assert httpx.get(dav.url("alice", "a"), auth=("alice", token)).status_code == 401


def test_a_token_opens_its_owners_files_only(dav: Dav, alice: httpx.Client) -> None:
    alice.put("a", content=b"1")
    token = dav.hub_server.person("bob")
    assert httpx.get(dav.url("alice", "a"), auth=("alice", token)).status_code == 401
    theirs = httpx.get(dav.url("alice", "a"), auth=("bob", token))
    assert (theirs.status_code, "somebody else" in theirs.text) == (403, True)
    listed = httpx.request(
        "PROPFIND", f"http://127.0.0.1:{dav.port}{DAV_PATH}/", auth=("bob", token),
        headers={"Depth": "1"},
    )  # fmt: skip
    assert names(listed) == [f"{DAV_PATH}/", f"{DAV_PATH}/bob/"]


def test_a_revoked_token_is_refused_within_seconds(dav: Dav) -> None:
    token = dav.hub_server.person("alice")
    with httpx.Client(auth=("alice", token), base_url=dav.url("alice")) as client:
        assert propfind(client).status_code == 207
        del dav.hub_server.tokens[token]
        dav.clock.now += 10
        assert propfind(client).status_code == 401


def test_while_the_hub_is_away_who_was_known_works_on_for_a_minute(dav: Dav) -> None:
    token = dav.hub_server.person("alice", "secret")
    with httpx.Client(auth=("alice", token), base_url=dav.url("alice")) as client:
        assert f"{DAV_PATH}/alice/shared/secret/" in names(propfind(client, "shared/"))
        dav.hub_server.leave()
        dav.clock.now += 59
        assert f"{DAV_PATH}/alice/shared/secret/" in names(propfind(client, "shared/"))
        dav.clock.now += 2
        refused = propfind(client)
        assert refused.status_code == 503
        assert refused.headers["Retry-After"]
        assert "JupyterHub does not answer" in refused.text
        dav.hub_server.come()
        assert propfind(client).status_code == 207


def test_the_mounts_password_works_without_the_hub_and_only_past_the_proxy(dav: Dav) -> None:
    dav.hub_server.leave()
    auth = ("alice", dav.mount_password("alice"))
    found = httpx.request(
        "PROPFIND", dav.url("alice", "shared/"), auth=auth, headers={"Depth": "1"}
    )
    # never known: what is open to all
    assert names(found)[1:] == [f"{DAV_PATH}/alice/shared/ocean/"]
    dav.hub_server.come()
    outside = httpx.get(dav.url("alice", "a"), auth=auth, headers={"X-Forwarded-For": "1.2.3.4"})
    assert outside.status_code == 401
    # the header that a WSGI environment could take for it is no way around
    assert httpx.get(dav.url("bob", "a"), auth=("bob", auth[1])).status_code == 401


def test_a_header_with_an_underscore_is_not_the_one_with_a_dash(dav: Dav) -> None:
    headers = "X_Forwarded_For: 1\r\nDepth: 0\r\n"
    with dav.raw("alice", "PROPFIND", f"{DAV_PATH}/alice/", headers) as connection:
        assert answer_of(connection)[0] == 207


def test_tokens_are_neither_kept_nor_logged(
    dav: Dav, alice: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="pelagos")
    token = next(iter(dav.hub_server.tokens))
    alice.put("a?token=" + token, content=b"1")
    alice.get("a", headers={"Authorization": "Bearer wrong-token"})
    assert "PUT" in caplog.text
    assert "token" not in caplog.text
    assert token not in str(vars(dav.hub._tokens))


def test_a_user_name_may_hold_almost_anything(dav: Dav) -> None:
    for name in ("jörg@example.org", "a\\..\\b", "a%2fb", "shared", "☃", "..x"):
        with dav.client(name) as client:
            expected = 400 if "\\..\\" in name else 201
            assert client.put("x", content=name.encode()).status_code == expected
            if expected == 201:
                assert (folder_of(dav, name) / "x").read_bytes() == name.encode()


# --- Shared folders ---


def test_members_share_and_others_see_nothing(
    dav: Dav, alice: httpx.Client, bob: httpx.Client
) -> None:
    base = f"{DAV_PATH}/alice/shared/"
    labs = [f"{base}{name}/" for name in ("course", "ocean", "reef")]
    assert names(propfind(alice, "shared/")) == [base, *labs]
    assert alice.put("shared/reef/a", content=b"1").status_code == 201
    assert bob.get("shared/reef/a").content == b"1"
    assert bob.delete("shared/reef/a").status_code == 204
    for answer in (
        bob.get("shared/course/a"), bob.put("shared/course/a", content=b"1"),
        propfind(bob, "shared/secret/"), bob.request("MKCOL", "shared/new"),
    ):  # fmt: skip
        assert answer.status_code == 404, answer.text


def test_only_managers_write_where_members_may_not(dav: Dav, alice: httpx.Client) -> None:
    with dav.client("zoe", "course:managers") as zoe:
        assert zoe.put("shared/course/a", content=b"1").status_code == 201
        assert alice.get("shared/course/a").content == b"1"
        alice.put("own", content=b"1")
        refused = [
            alice.put("shared/course/a", content=b"2"),
            alice.put("shared/course/b", content=b"2"),
            alice.delete("shared/course/a"),
            alice.request("MKCOL", "shared/course/d"),
            alice.request("PROPPATCH", "shared/course/a", content="<x/>"),
            alice.request("LOCK", "shared/course/a", content="<x/>"),
            move(alice, dav, "shared/course/a", "mine"),
            move(alice, dav, "own", "shared/course/own"),
            move(alice, dav, "own", "shared/course/own", "COPY"),
        ]
        assert [answer.status_code for answer in refused] == [403] * len(refused)
        assert all("Only managers of the virtual lab course" in r.text for r in refused)
        assert move(alice, dav, "shared/course/a", "mine", "COPY").status_code == 201
        assert alice.get("mine").content == b"1"


def test_the_folder_shared_is_the_servers(dav: Dav, alice: httpx.Client) -> None:
    alice.put("a", content=b"1")
    answers = [
        alice.delete("shared"), alice.delete("shared/reef"), alice.put("shared", content=b"1"),
        alice.put("shared/x", content=b"1"), alice.request("MKCOL", "shared/x"),
        alice.request("MKCOL", "shared"), move(alice, dav, "shared", "x"),
        move(alice, dav, "a", "shared"), move(alice, dav, "a", "shared/reef"),
        alice.delete(""), move(alice, dav, "", "x"),
        alice.request("LOCK", "shared", content="<x/>"),
    ]  # fmt: skip
    assert {answer.status_code for answer in answers} <= {403, 404, 405}
    hidden = folder_of(dav, "alice") / "shared"
    hidden.mkdir()
    (hidden / "reef").write_bytes(b"hidden")
    assert names(propfind(alice)).count(f"{DAV_PATH}/alice/shared/") == 1
    assert alice.get("shared/reef").status_code == 403  # the virtual lab's folder, not the file


def test_somebody_who_left_a_virtual_lab_is_out_within_half_a_minute(dav: Dav) -> None:
    with dav.client("carol", "secret") as carol:
        assert carol.put("shared/secret/a", content=b"1").status_code == 201
        dav.hub_server.groups["carol"] = []
        dav.clock.now += 30
        assert carol.get("shared/secret/a").status_code == 404


LOCK = (
    '<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype>'
    "</lockinfo>"
)


def test_a_lock_holds_for_everybody_and_over_a_restart(
    dav: Dav, alice: httpx.Client, bob: httpx.Client
) -> None:
    alice.put("shared/reef/a", content=b"1")
    locked = alice.request("LOCK", "shared/reef/a", content=LOCK)
    assert locked.status_code == 200, locked.text
    token = locked.headers["Lock-Token"]
    assert f"{DAV_PATH}/alice/shared/reef/a" in locked.text
    refused = bob.put("shared/reef/a", content=b"2")
    assert refused.status_code == 423
    assert f"{DAV_PATH}/bob/shared/reef/a" in refused.text
    for answer in (
        bob.delete("shared/reef/a"), move(bob, dav, "shared/reef/a", "x"),
        bob.request("LOCK", "shared/reef/a", content=LOCK),
        bob.put("shared/reef/a", content=b"2", headers={"If": f"({token}) (Not <x:y>)"}),
    ):  # fmt: skip
        assert answer.status_code == 423
    assert bob.request("UNLOCK", "shared/reef/a", headers={"Lock-Token": token}).status_code == 403
    assert bob.request("LOCK", "shared/reef/a", headers={"If": f"({token})"}).status_code == 403
    seen = bob.request("PROPFIND", "shared/reef/a", headers={"Depth": "0"})
    assert f"<D:href>{DAV_PATH}/bob/shared/reef/a</D:href></D:lockroot>" in seen.text
    dav.stop()
    dav.start()
    alice.base_url, bob.base_url = dav.url("alice"), dav.url("bob")
    assert bob.put("shared/reef/a", content=b"2").status_code == 423
    assert alice.put("shared/reef/a", content=b"2").status_code == 423
    mine = {"If": f"({token})"}
    assert alice.put("shared/reef/a", content=b"2", headers=mine).status_code == 204
    assert alice.request("UNLOCK", "shared/reef/a", headers={"Lock-Token": token}).is_success
    assert bob.put("shared/reef/a", content=b"3").status_code == 204


def test_a_refused_lock_leaves_no_file(dav: Dav, alice: httpx.Client, bob: httpx.Client) -> None:
    alice.request("MKCOL", "shared/reef/d")
    assert alice.request("LOCK", "shared/reef/d", content=LOCK).status_code == 200
    assert bob.request("LOCK", "shared/reef/d/new", content=LOCK).status_code == 423
    assert bob.put("shared/reef/d/new", content=b"1").status_code == 423
    assert alice.get("shared/reef/d/new").status_code == 404


def test_an_if_with_an_address_is_evaluated(dav: Dav, alice: httpx.Client) -> None:
    tag = alice.put("a", content=b"1").headers["ETag"]
    for address in (dav.url("alice", "a"), f"{DAV_PATH}/alice/a"):
        wrong = alice.put("a", content=b"2", headers={"If": f'<{address}> (["nothing"])'})
        assert wrong.status_code == 412
        assert alice.get("a").content == b"1"
    right = alice.put("a", content=b"2", headers={"If": f"<{dav.url('alice', 'a')}> ([{tag}])"})
    assert right.status_code == 204


def test_properties_are_the_same_for_everybody_and_travel(
    dav: Dav, alice: httpx.Client, bob: httpx.Client
) -> None:
    body = (
        '<propertyupdate xmlns="DAV:"><set><prop><x:note xmlns:x="urn:x">deep</x:note></prop>'
        "</set></propertyupdate>"
    )
    alice.request("MKCOL", "shared/reef/d")
    alice.put("shared/reef/d/a", content=b"1")
    assert alice.request("PROPPATCH", "shared/reef/d/a", content=body).status_code == 207
    assert "deep" in propfind(bob, "shared/reef/d/a", "0").text
    assert move(alice, dav, "shared/reef/d", "mine", "COPY").status_code == 201
    assert move(alice, dav, "mine", "moved").status_code == 201
    dav.stop()
    dav.start()
    alice.base_url, bob.base_url = dav.url("alice"), dav.url("bob")
    assert "deep" in propfind(alice, "moved/a", "0").text
    alice.delete("moved")
    alice.request("MKCOL", "moved")
    alice.put("moved/a", content=b"1")
    assert "deep" not in propfind(alice, "moved/a", "0").text


# --- COPY and MOVE ---


def test_folders_are_copied_and_moved_whole(dav: Dav, alice: httpx.Client) -> None:
    for name in ("d", "d/e", "old", "old/x"):
        assert alice.request("MKCOL", name).status_code == 201
    alice.put("d/e/f", content=b"1", headers={"X-OC-Mtime": "1000000000"})
    alice.put("old/x/gone", content=b"1")
    assert move(alice, dav, "d", "old", "COPY").status_code == 204
    assert names(propfind(alice, "old/"))[1:] == [f"{DAV_PATH}/alice/old/e/"]
    assert (folder_of(dav, "alice") / "old/e/f").stat().st_mtime == 1e9
    kept = alice.request(
        "MOVE", "d", headers={"Destination": dav.url("alice", "old"), "Overwrite": "F"}
    )
    assert kept.status_code == 412
    assert move(alice, dav, "d", "shared/reef/d").status_code == 201
    assert alice.get("d").status_code == 404
    assert alice.get("shared/reef/d/e/f").content == b"1"
    assert move(alice, dav, "shared/reef/d/e/f", "f").status_code == 201
    assert staged(dav) == []


@pytest.mark.parametrize("method", ["COPY", "MOVE"])
def test_a_destination_elsewhere_is_refused(dav: Dav, alice: httpx.Client, method: str) -> None:
    alice.request("MKCOL", "d")
    alice.put("d/a", content=b"1")
    base = f"http://127.0.0.1:{dav.port}"
    cases = {
        f"{base}{DAV_PATH}/bob/a": 403, f"{DAV_PATH}/bob/a": 403, f"{base}{DAV_PATH}/": 403,
        f"{base}{DAV_PATH}/alice/../bob/a": 400, f"{base}{DAV_PATH}/alice/%2e%2e/bob/a": 400,
        f"{base}{DAV_PATH}/alice/x%2fy": 400, f"{base}{DAV_PATH}/alice/x%00": 400,
        f"{base}/elsewhere/a": 502, "http://other.example/services/workspace/dav/alice/b": 502,
        "ftp://127.0.0.1/services/workspace/dav/alice/b": 502, "/etc/passwd": 502,
        f"{base}{DAV_PATH}x/alice/b": 502, "b": 400, "": 400, "http://[": 400,
        f"{DAV_PATH}/alice/d": 403, f"{DAV_PATH}/alice/d/a/b": 403, f"{DAV_PATH}/alice/": 403,
        f"{DAV_PATH}/alice/no/b": 409, f"{DAV_PATH}/alice/d/a": 403,
    }  # fmt: skip
    for destination, status in cases.items():
        answer = alice.request(method, "d/a", headers={"Destination": destination})
        assert answer.status_code == status, (destination, answer.text)
    into = alice.request(method, "d", headers={"Destination": f"{DAV_PATH}/alice/d/e"})
    assert into.status_code == 403
    assert alice.get("d/a").content == b"1"


def test_a_proxy_that_ends_tls_may_name_the_host(dav: Dav, alice: httpx.Client) -> None:
    alice.put("a", content=b"1")
    path = f"{DAV_PATH}/alice/b"
    for headers in (
        {"Host": "vre.example", "Destination": f"https://vre.example{path}"},
        {"X-Forwarded-Host": "vre.example:443", "Destination": f"https://vre.example{path}"},
        {"Destination": path},
    ):
        assert alice.request("COPY", "a", headers=headers).status_code in (201, 204)


# --- Attacks ---


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


# --- Disks (root mounts them) ---


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    subprocess.run(command, check=True, timeout=60)
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True, timeout=60)


@pytest.mark.engine
def test_a_full_disk_is_507_and_the_old_file_stays(deployment: Deployment) -> None:
    with small_disk(deployment.layout.workspaces, "3m"):
        dav = Dav(deployment)
        try:
            with dav.client("alice") as alice:
                alice.put("a", content=b"old" * 500_000)
                for content in (b"x" * 4_000_000, iter([b"x" * 1_000_000] * 4)):
                    answer = alice.put("a", content=content)
                    assert (answer.status_code, "disk" in answer.text) == (507, True)
                alice.put("b", content=b"x" * 1_000_000)
                assert move(alice, dav, "a", "c", "COPY").status_code == 507
                assert alice.get("a").content == b"old" * 500_000
                assert alice.get("c").status_code == 404
                assert staged(dav) == []
        finally:
            dav.close()


@pytest.mark.engine
def test_shared_folders_may_be_on_another_disk(deployment: Deployment) -> None:
    lab = f"shared/{deployment.settings.virtual_labs[0].name}"
    with small_disk(deployment.layout.workspaces / "virtual-labs", "3m"):
        dav = Dav(deployment)
        try:
            with dav.client("alice") as alice:
                alice.request("MKCOL", "d")
                alice.put("d/a", content=b"1")
                alice.put("f", content=b"2")
                assert move(alice, dav, "d", f"{lab}/d").status_code == 201
                assert move(alice, dav, "f", f"{lab}/d/a").status_code == 204
                assert alice.get(f"{lab}/d/a").content == b"2"
                assert [alice.get(path).status_code for path in ("d/a", "f")] == [404, 404]
                assert alice.put(f"{lab}/new", content=b"1").status_code == 201
                assert [root.usage.used() for root in dav.disk._roots.values()] == [0, 2]
        finally:
            dav.close()
