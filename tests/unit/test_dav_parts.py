"""Parts of the WebDAV server that need no server."""

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from cheroot.makefile import MakeFile
from dav_server import SERVICE_TOKEN, Clock, StandInHub
from hypothesis import given, settings
from hypothesis import strategies as st
from pelagos.deployment import DAV_PATH
from pelagos.errors import StateError
from pelagos.layout import Layout
from pelagos.services.dav.addresses import decode, destination, encode, request_path
from pelagos.services.dav.body import Body, IncompleteError
from pelagos.services.dav.disk import Disk, folder_at
from pelagos.services.dav.handing import workspaces_for
from pelagos.services.dav.hub import CHECKS_AT_ONCE, Hub
from pelagos.services.dav.refusals import Refusal
from pelagos.services.dav.store import LockStore, PropertyStore, Store
from pelagos.services.dav.usage import Usage
from pelagos.settings import Storage

OWNER = (os.geteuid(), os.getegid())


@given(st.lists(st.text(min_size=1).filter(lambda t: "/" not in t and "\0" not in t), max_size=5))
def test_every_name_survives_its_address(names: list[str]) -> None:
    try:
        for name in names:
            name.encode()
    except UnicodeError:
        return
    path = f"{DAV_PATH}/{encode(names)}"
    if any({".", ".."} & set(name.split("\\")) for name in names):
        with pytest.raises(Refusal):
            request_path(path)
        return
    assert request_path(path)[0] == tuple(names)
    assert destination(f"http://h{path}", ("h",)) == tuple(names)


@given(st.text(alphabet="./%2eEfF5cC0a\\;?#", max_size=30))
def test_no_address_leads_upwards(text: str) -> None:
    with contextlib.suppress(Refusal):
        for name in decode(text):
            assert name not in ("", ".", "..")
            assert "/" not in name
            assert "\0" not in name


def chunked(pieces: list[bytes]) -> bytes:
    coded = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return coded + b"0\r\n\r\n"


def receive(sent: bytes, length: int | None) -> bytes:
    """What a Body makes of bytes after which the client ends the connection."""
    ours, theirs = socket.socketpair()
    with ours, theirs, MakeFile(ours, "rb") as reader:
        theirs.sendall(sent)
        theirs.shutdown(socket.SHUT_WR)
        body = Body(reader, ours, length)
        found = b""
        while block := body.read(7):
            found += block
        assert body.complete
        return found


@settings(max_examples=50)
@given(st.lists(st.binary(min_size=1, max_size=60), max_size=4), st.data())
def test_a_body_is_whole_or_an_error(pieces: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(pieces)
    coded = chunked(pieces)
    assert receive(coded + b"GET / HTTP/1.1", None) == whole
    assert receive(whole + b"GET / HTTP/1.1", len(whole)) == whole
    cut = data.draw(st.integers(0, len(coded) - 1))
    with pytest.raises(IncompleteError):
        receive(coded[:cut], None)
    with pytest.raises(IncompleteError):
        receive(whole, len(whole) + 1)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    store = Store(tmp_path / "locks.sqlite")
    base = workspaces_for(tmp_path / "workspaces", OWNER)
    disk = Disk(Layout(tmp_path, Storage()), base, store)
    yield disk
    disk.close()
    store.close()


def test_folders_are_opened_step_by_step_without_links(disk: Disk, tmp_path: Path) -> None:
    (tmp_path / "outside" / "d").mkdir(parents=True)
    root = disk.user("ada")
    with root.folder(()) as folder:
        os.mkdir("d", dir_fd=folder)
        os.symlink(tmp_path / "outside", "link", dir_fd=folder)
    with root.folder(("d",)):
        pass
    for names in (("link",), ("link", "d"), ("..",), ("d", ".."), (".",), ("d/..",)):
        with pytest.raises(OSError, match=r".*"), root.folder(names):
            pass
    assert root.stat(("link",)) is None
    assert root.stat(("link", "d")) is None


def test_a_folder_that_becomes_a_link_while_it_is_used_stays_the_folder(
    disk: Disk, tmp_path: Path
) -> None:
    root = disk.user("ada")
    with root.folder(()) as folder:
        os.mkdir("d", dir_fd=folder)
        with root.folder(("d",)) as inner:
            os.rename("d", "elsewhere", src_dir_fd=folder, dst_dir_fd=folder)
            os.symlink(tmp_path, "d", dir_fd=folder)
            os.close(os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=inner))
        with folder_at(folder, ("elsewhere",)) as moved:
            assert os.listdir(moved) == ["f"]
    assert not (tmp_path / "f").exists()


def test_roots_of_two_people_are_never_one(disk: Disk) -> None:
    names = ("a", "A", "a-b", "a_b", "a.b", "ä", "a b", "virtual-labs", "..", quote("ä"))
    assert len({disk.user(name).ref for name in names}) == len(names)


def test_a_count_that_is_overtaken_by_a_change_is_not_taken() -> None:
    sizes = [100]
    usage = Usage(1000, lambda: sizes[0], lambda job: job())
    assert usage.used() == 100
    usage.change(50)
    assert usage.used() == 150
    sizes[0] = 120  # somebody deleted something by another way
    changing = [True]

    def measure() -> int:
        if changing[0]:
            usage.change(1)
        return sizes[0]

    usage._measure = measure
    usage.recount()
    assert usage.used() == 151
    changing[0] = False
    usage.recount()
    assert usage.used() == 120


def test_a_change_before_the_first_count_is_counted_once() -> None:
    usage = Usage(1000, lambda: 70, lambda job: job())
    usage.change(-30)
    assert usage.used() == 70


def test_room_is_given_back() -> None:
    usage = Usage(100, lambda: 0, lambda job: job())
    with usage.reserve(credit=30) as room:
        room.grow(130)
        assert usage.available() == 0
        with pytest.raises(Refusal):
            room.grow(1)
    assert usage.available() == 100


def test_the_count_of_one_folder_keeps_nobody_else_waiting() -> None:
    entered, leave = threading.Event(), threading.Event()

    def slow() -> int:
        entered.set()
        leave.wait(30)
        return 1

    one = Usage(10, slow, lambda job: job())
    other = Usage(10, lambda: 2, lambda job: job())
    thread = threading.Thread(target=one.used)
    thread.start()
    assert entered.wait(30)
    assert other.used() == 2
    leave.set()
    thread.join(30)
    assert one.used() == 1


@pytest.fixture
def stand_in() -> Iterator[StandInHub]:
    server = StandInHub()
    yield server
    server.leave()


@pytest.fixture
def hub(stand_in: StandInHub) -> Iterator[Hub]:
    hub = Hub(f"http://127.0.0.1:{stand_in.port}/hub/api", SERVICE_TOKEN, clock=Clock())
    yield hub
    hub.close()


def test_many_requests_with_one_token_ask_the_hub_once(hub: Hub, stand_in: StandInHub) -> None:
    token = stand_in.person("ada")
    found: list[str | None] = []
    threads = [threading.Thread(target=lambda: found.append(hub.owner(token))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == ["ada"] * 20
    assert stand_in.asked == ["/hub/api/user"]


def test_guessing_can_not_flood_the_hub(hub: Hub, stand_in: StandInHub) -> None:
    stand_in.hold = threading.Event()
    threads = [
        threading.Thread(target=hub.owner, args=(f"guess-{n}",)) for n in range(CHECKS_AT_ONCE * 3)
    ]
    for thread in threads:
        thread.start()
    assert stand_in.full(CHECKS_AT_ONCE)
    assert len(stand_in.asked) == CHECKS_AT_ONCE
    stand_in.hold.set()
    for thread in threads:
        thread.join(30)
    assert len(stand_in.asked) == CHECKS_AT_ONCE * 3


def test_a_wrong_token_is_not_asked_about_again_at_once(hub: Hub, stand_in: StandInHub) -> None:
    assert hub.owner("wrong") is None
    assert hub.owner("wrong") is None
    assert len(stand_in.asked) == 1
    assert hub.owner("not\x7fprintable") is None
    assert hub.owner("nöt") is None
    assert len(stand_in.asked) == 1


def test_a_damaged_store_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "locks.sqlite"
    path.write_bytes(b"no database " * 100)
    with pytest.raises(StateError) as caught:
        Store(path)
    assert "files are not" in caught.value.mend


def test_properties_below_move_and_neighbours_stay(tmp_path: Path) -> None:
    store = Store(tmp_path / "locks.sqlite")
    try:
        kept = PropertyStore(store, lambda _: None)
        for url in ("/u/a", "/u/a/x", "/u/ab", "/u/a0", "/u/a-"):
            kept.write_property(url, "{urn:x}n", url.encode())
        kept.move_properties("/u/a/", "/u/b", with_children=True)
        assert kept.get_property("/u/b/x", "{urn:x}n") == b"/u/a/x"
        assert [kept.get_properties(url) for url in ("/u/a", "/u/a/x")] == [[], []]
        assert all(kept.get_properties(url) for url in ("/u/ab", "/u/a0", "/u/a-"))
        with pytest.raises(Refusal):
            kept.write_property("/u/b", "{urn:x}long", b"x" * 70_000)
    finally:
        store.close()


def test_a_lock_lives_a_day_at_most(tmp_path: Path) -> None:
    store = Store(tmp_path / "locks.sqlite")
    try:
        locks = LockStore(store)
        lock = {
            "type": "write", "scope": "exclusive", "depth": "0", "owner": b"", "principal": "ada",
        }  # fmt: skip
        for asked in (-1, 10**9):
            assert locks.create("/a", {**lock, "timeout": asked})["timeout"] == 86400
        brief = locks.create("/a", {**lock, "timeout": 0.000001})
        assert locks.get(brief["token"]) is None
    finally:
        store.close()


def test_one_persons_locks_lock_out_nobody_else(tmp_path: Path) -> None:
    store = Store(tmp_path / "locks.sqlite")
    try:
        locks = LockStore(store)

        def lock(person: str) -> None:
            wanted = {"type": "write", "scope": "shared", "depth": "0", "owner": "", "timeout": 999}
            locks.create("/users/x", {**wanted, "principal": person})

        for _ in range(500):
            lock("alice")
        with pytest.raises(Refusal):
            lock("alice")
        lock("bob")
    finally:
        store.close()
