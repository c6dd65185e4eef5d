"""WebDAV: files come back as they were sent, and COPY, MOVE and quotas keep their word."""

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

import httpx
import pytest
from dav_server import LOCK, QUOTA, Dav, answer_of, folder_of, move, names, propfind, staged
from pelagos.deployment import DAV_PATH, Deployment
from pelagos.services.dav.disk import ENTRY
from support import until


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


def test_everybody_gets_the_etag_of_their_own_version(dav: Dav) -> None:
    tags: dict[str, int] = {}
    token = dav.hub_server.person("alice")

    def put(size: int) -> None:
        with httpx.Client(base_url=dav.url("alice"), auth=("alice", token)) as client:
            for _ in range(20):
                tags[client.put("a", content=b"x" * size).headers["ETag"]] = size

    threads = [threading.Thread(target=put, args=(1000 + n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    # the size is a part of it
    assert all(int(tag.strip('"').split("-")[2], 16) == size for tag, size in tags.items())


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
    assert alice.put("a", content=b"x" * (QUOTA - ENTRY)).status_code == 204
    # full: replacing is allowed, new things are not
    assert alice.put("a", content=b"y" * (QUOTA - ENTRY)).status_code == 204
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

    def after(content: int, entries: int) -> list[int]:
        used = content + entries * ENTRY
        return [used, QUOTA - used]

    folder_of(dav, "alice").mkdir(parents=True, exist_ok=True)
    (folder_of(dav, "alice") / "before").write_bytes(b"x" * 100)
    assert quota("") == after(100, 1)
    alice.put("a", content=b"x" * 1000)
    alice.request("MKCOL", "d")
    assert quota("d/") == after(1100, 3)
    move(alice, dav, "a", "d/a", "COPY")
    assert quota("") == after(2100, 4)
    move(alice, dav, "d", "shared/reef/d")
    assert quota("") == after(1100, 2)
    assert quota("shared/reef/") == after(1000, 2)
    bob.put("shared/reef/d/a", content=b"x" * 10)
    assert quota("shared/reef/") == after(10, 2)
    bob.delete("shared/reef/d")
    alice.put("a", content=b"")
    assert quota("shared/reef/") == [0, QUOTA]
    assert quota("") == after(100, 2)


def test_what_goes_first_thing_after_a_start_is_counted_once(dav: Dav, alice: httpx.Client) -> None:
    for name in ("a", "b", "c", "d"):
        alice.put(name, content=b"x" * 1000)
    dav.stop()
    dav.start()
    alice.base_url = dav.url("alice")
    alice.delete("a")
    assert dav.disk.user("alice").usage.used() == 3 * (1000 + ENTRY)
    dav.stop()
    dav.start()
    alice.base_url = dav.url("alice")
    move(alice, dav, "b", "shared/reef/b")
    assert dav.disk.user("alice").usage.used() == 2 * (1000 + ENTRY)
    move(alice, dav, "c", "d")
    assert dav.disk.user("alice").usage.used() == 1 * (1000 + ENTRY)


def test_empty_files_folders_and_properties_count_too(alice: httpx.Client, dav: Dav) -> None:
    alice.put("a", content=b"")
    usage = dav.disk.user("alice").usage
    alice.request("MKCOL", "d")
    assert alice.request("LOCK", "locked", content=LOCK).status_code == 201
    assert usage.used() == 3 * ENTRY
    assert set_property(alice, "d", "x" * 10_000).status_code == 207
    with_property = usage.used()
    assert 10_000 < with_property - 3 * ENTRY < 10_200
    move(alice, dav, "d", "e", "COPY")
    assert usage.used() == 2 * with_property - 2 * ENTRY
    alice.delete("d")
    assert usage.used() == with_property
    usage.recount()
    assert usage.used() == with_property
    assert set_property(alice, "e", "").status_code == 207
    assert usage.used() < 3 * ENTRY + 200
    # full
    usage.quota = usage.used()
    for answer in (
        alice.put("b", content=b""), alice.request("MKCOL", "b"),
        move(alice, dav, "a", "b", "COPY"), alice.request("LOCK", "b", content=LOCK),
    ):  # fmt: skip
        assert answer.status_code == 507
    assert "507" in set_property(alice, "a", "x" * 100).text


def test_a_file_has_a_limited_number_of_properties(alice: httpx.Client) -> None:
    alice.put("a", content=b"")
    many = "".join(f"<x{n}/>" for n in range(201))
    assert "507" in propose(alice, "a", many).text


def set_property(client: httpx.Client, path: str, value: str) -> httpx.Response:
    return propose(client, path, f"<name>{value}</name>")


def propose(client: httpx.Client, path: str, properties: str) -> httpx.Response:
    body = (
        f'<D:propertyupdate xmlns:D="DAV:" xmlns="urn:x"><D:set><D:prop>{properties}</D:prop>'
        "</D:set></D:propertyupdate>"
    )
    return client.request("PROPPATCH", path, content=body)


def test_two_uploads_can_not_share_the_same_room(alice: httpx.Client, dav: Dav) -> None:
    half = QUOTA // 2 + 1
    path = f"{DAV_PATH}/alice/a"
    with dav.raw("alice", "PUT", path, f"Content-Length: {half}\r\n") as connection:
        connection.sendall(b"x")
        until(lambda: staged(dav), what="the first began")
        assert alice.put("b", content=b"x" * half).status_code == 507
        connection.sendall(b"x" * (half - 1))
        assert answer_of(connection)[0] == 201


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
def test_something_stands_at_the_destination_at_any_moment(
    dav: Dav, alice: httpx.Client, method: str
) -> None:
    folder = folder_of(dav, "alice")
    ended = threading.Event()
    missing: list[int] = []

    def look() -> None:
        while not ended.is_set():
            if not (folder / "to").exists():
                missing.append(1)

    alice.request("MKCOL", "to")
    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        for _ in range(30):
            alice.request("MKCOL", "from")
            assert move(alice, dav, "from", "to", method).status_code == 204
    finally:
        ended.set()
        watcher.join(30)
    assert missing == []
    assert staged(dav) == []


@pytest.mark.parametrize("method", ["COPY", "MOVE"])
def test_a_file_system_that_can_not_exchange_gets_it_in_two_steps(
    dav: Dav, alice: httpx.Client, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    # no file system without it can be mounted here
    monkeypatch.setattr("pelagos.services.dav.transfer.exchange", lambda *_: False)
    alice.put("f", content=b"1")
    alice.request("MKCOL", "d")
    alice.put("d/x", content=b"2")
    assert move(alice, dav, "f", "d", method).status_code == 204
    assert alice.get("d").content == b"1"
    assert move(alice, dav, "d", "new", method).status_code == 201
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
                # a copy leaves these out: they must not be deleted with the rest
                alice.request("MKCOL", "mixed")
                alice.put("mixed/plain", content=b"3")
                odd = os.fsencode(folder_of(dav, "alice") / "mixed") + b"/\xff"
                for make in (lambda: os.symlink("x", odd), lambda: Path(os.fsdecode(odd)).touch()):
                    make()
                    assert move(alice, dav, "mixed", f"{lab}/mixed").status_code == 409
                    assert alice.get("mixed/plain").status_code == 200
                    os.unlink(odd)
                alice.delete("mixed")
                assert alice.put(f"{lab}/new", content=b"1").status_code == 201
                used = [root.usage.used() for root in dav.disk._roots.values()]
                assert used == [0, 2 + 3 * ENTRY]
        finally:
            dav.close()
