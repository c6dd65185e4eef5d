"""Orders copied to workspaces: the real agent, rclone and WebDAV servers, and what dies between."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pelagos.datapool.delivery import DeliveryState, Outcome, Parcel
from pelagos.datapool.model import Target
from pelagos.errors import AwayError, StorageError
from pelagos.node import mounts, parcel_copies
from pelagos.node.areas import Owner, Place, backends
from pelagos.node.order_content import Content
from pelagos.node.order_folder import OrderFolder
from pelagos.node.parcel_copies import Copies, Copy
from pelagos.node.workspaces import Workspaces
from pelagos.services.downloader.delivery import Deliveries
from pelagos.settings import QuotaKind, Settings
from pelagos.vault import Account, Vault
from storage_node import Node, hashes, random_file, sha256
from support import leeway, until
from webdav_peers import Apache, apache_server

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the agent needs root")
MIB = 1 << 20
NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    settings = {"storage": {"workspace": {"quota": "600 MiB"}}}
    node = Node(tmp_path_factory.mktemp("parcels"), Settings.model_validate(settings))
    try:
        node.start("dav")
        node.start("agent")
        yield node
    finally:
        node.close()


@pytest.fixture
def person() -> str:
    return f"Anna.{next(NUMBERS)}@x"


def pool(node: Node, sizes: dict[str, int]) -> dict[str, str]:
    """Files of the pool with random bytes; hashes by place."""
    folder = node.deployment.layout.dataspaces / "pool"
    found = {}
    for place, size in sizes.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        found[place] = random_file(folder / place, size)
    return found


def parcel(person: str, places: dict[str, str] | list[str], size: int, number: int = 7) -> Parcel:
    links = {f"c/{place.rpartition('/')[2]}": place for place in places}
    return Parcel(number, person, Target.WORKSPACE, {"README.txt": "Order 7\n"}, links, size)


def numbered(person: str, created: str, places: list[str], size: int) -> Parcel:
    """Order 7 of a database; that of another one was made at another moment."""
    query = {"format": 1, "number": 7, "site": "x", "owner": person, "created": created}
    made = parcel(person, places, size)
    return replace(made, documents={**made.documents, "query.json": json.dumps(query, indent=1)})


def ask(node: Node, wanted: Parcel) -> Outcome | None:
    """One question; None if the agent is away."""
    try:
        return Deliveries(node.deployment).deliver(wanted)
    except AwayError:
        return None


def finished(node: Node, wanted: Parcel, seconds: float = 120) -> Outcome:
    """Ask until it is over."""
    deadline, last = time.monotonic() + seconds, 0
    while time.monotonic() < deadline:
        outcome = ask(node, wanted)
        if outcome is not None:
            if outcome.state is not DeliveryState.COPYING:
                return outcome
            assert outcome.copied <= wanted.size
            last = outcome.copied
        time.sleep(0.1)
    raise AssertionError(f"not done after {last} bytes: {node.log('agent')}")


def test_files_arrive_whole_with_the_documents_and_nothing_is_left_on_the_node(
    node: Node, person: str
) -> None:
    digests = pool(node, {"s/whole/a.nc": 30 * MIB, "s/whole/ü b.nc": 100, "s/whole/none": 0})
    wanted = parcel(person, digests, 30 * MIB + 100)
    deliveries = Deliveries(node.deployment)
    assert not deliveries.there(person, 7, Target.WORKSPACE)
    started = time.monotonic()
    first = deliveries.deliver(wanted)
    assert time.monotonic() - started < leeway(2), "it answers at once"
    assert first.state is DeliveryState.COPYING
    outcome = finished(node, wanted)
    assert outcome == Outcome(DeliveryState.DONE, wanted.size, "", "orders/7")
    found = hashes(node.on_server(person) / "orders" / "7")
    assert {name: found[f"c/{name}"] for name in ("a.nc", "ü b.nc", "none")} == {
        place.rpartition("/")[2]: digest for place, digest in digests.items()
    }
    assert (node.on_server(person) / "orders/7/README.txt").read_text() == "Order 7\n"
    assert len(found) == 4
    assert deliveries.there(person, 7, Target.WORKSPACE)
    until(lambda: not list((node.deployment.layout.dataspaces / ".parcels").iterdir()), 5, "clean")
    assert not list(node.state.run.glob("c-*"))


def test_a_file_that_differs_with_the_same_size_and_time_is_found_and_mended(
    node: Node, person: str
) -> None:
    digests = pool(node, {"s/differs/a.nc": 5 * MIB})
    wanted = parcel(person, digests, 5 * MIB)
    assert finished(node, wanted).state is DeliveryState.DONE
    path = node.on_server(person) / "orders/7/c/a.nc"
    found = path.stat()
    with path.open("r+b") as file:
        file.seek(3 * MIB)
        file.write(b"other")
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    (path.parent / "own.txt").write_text("the person's")
    assert finished(node, wanted).state is DeliveryState.DONE
    assert sha256(path) == digests["s/differs/a.nc"]
    assert (path.parent / "own.txt").read_text() == "the person's"


def test_an_agent_killed_in_the_middle_goes_on_and_two_orders_at_a_time_end_right(
    node: Node, person: str
) -> None:
    digests = pool(node, {f"s/killed/{n}.nc": 40 * MIB for n in range(5)})
    one = parcel(person, list(digests)[:3], 120 * MIB, 7)
    other = parcel(person, list(digests)[3:], 80 * MIB, 8)
    for wanted in (one, other):
        assert Deliveries(node.deployment).deliver(wanted).state is DeliveryState.COPYING

    def under_way() -> bool:
        outcome = ask(node, one)
        assert outcome is not None
        assert outcome.state is DeliveryState.COPYING, outcome.reason
        return outcome.copied > 0

    until(under_way, 60, "bytes are copied")
    node.kill("agent")
    with pytest.raises(AwayError):
        Deliveries(node.deployment).deliver(one)
    node.start("agent")
    for wanted in (one, other):
        assert finished(node, wanted).state is DeliveryState.DONE
    for number, places in ((7, list(digests)[:3]), (8, list(digests)[3:])):
        found = hashes(node.on_server(person) / "orders" / str(number))
        assert {place: found[f"c/{Path(place).name}"] for place in places} == {
            place: digests[place] for place in places
        }


def test_a_server_that_goes_away_in_the_middle_is_waited_for(node: Node, person: str) -> None:
    digests = pool(node, {f"s/away/{n}.nc": 40 * MIB for n in range(3)})
    wanted = parcel(person, digests, 120 * MIB)

    def under_way() -> bool:
        outcome = ask(node, wanted)
        return outcome is not None and outcome.copied > 0

    until(under_way, 60, "bytes are copied")
    node.kill("dav")
    try:
        for _ in range(20):
            outcome = ask(node, wanted)
            assert outcome is not None
            assert outcome.state is DeliveryState.COPYING, outcome.reason
            time.sleep(0.1)
    finally:
        node.start("dav")
    assert finished(node, wanted).state is DeliveryState.DONE
    found = hashes(node.on_server(person) / "orders" / "7" / "c")
    assert found == {Path(place).name: digest for place, digest in digests.items()}


def test_a_full_workspace_is_said_with_what_to_do(node: Node, person: str) -> None:
    folder = node.deployment.layout.dataspaces / "pool" / "s" / "full"
    folder.mkdir(parents=True)
    with (folder / "big.nc").open("wb") as file:
        file.truncate(700 * MIB)
    outcome = finished(node, parcel(person, ["s/full/big.nc"], 700 * MIB))
    assert outcome.state is DeliveryState.FAILED
    assert outcome.reason == (
        "Your workspace is full: the order's files don't fit. Free space, then try the order "
        "again: nothing is fetched twice."
    )
    assert not (node.on_server(person) / "orders/7/c/big.nc").exists()


def test_what_is_no_file_of_the_pool_never_leaves_the_node(node: Node, person: str) -> None:
    folder = node.deployment.layout.dataspaces / "pool" / "s" / "links"
    folder.mkdir(parents=True)
    (folder / "shadow").symlink_to("/etc/shadow")
    outcome = finished(node, parcel(person, ["s/links/shadow"], 1))
    assert outcome.state is DeliveryState.FAILED
    assert "not in the data pool" in outcome.reason
    outcome = finished(node, parcel(person, ["../../etc/shadow"], 1))
    assert outcome.state is DeliveryState.FAILED
    assert not (node.on_server(person) / "orders").exists()


def test_the_dataspace_gets_links_also_while_no_server_of_the_person_runs(
    node: Node, person: str
) -> None:
    digests = pool(node, {"s/links-only/a.nc": 1000})
    deliveries = Deliveries(node.deployment)
    place = next(iter(digests))
    wanted = Parcel(9, person, Target.DATASPACE, {"query.json": "{}"}, {"a.nc": place}, 1000)
    assert not deliveries.there(person, 9, Target.DATASPACE)
    assert deliveries.deliver(wanted) == Outcome(DeliveryState.DONE, 1000, "", "orders/9")
    assert deliveries.there(person, 9, Target.DATASPACE)
    node.call("PUT", f"/dataspaces/users/{person}", json={"virtual_labs": []})
    view = node.deployment.layout.view(person)
    link = view / "me" / "orders" / "9" / "a.nc"
    assert os.readlink(link) == f"/dataspace/pool/{place}"
    assert link.lstat().st_uid == 1000
    inside = view / Path(os.readlink(link)).relative_to("/dataspace")
    assert sha256(inside) == digests[place]
    node.call("DELETE", f"/dataspaces/users/{person}?deleted=true")
    assert not deliveries.there(person, 9, Target.DATASPACE)
    mounts.unmount(view / "pool", lazy=True)


def test_a_full_area_gets_no_half_folder_and_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "users").mkdir()
    place = Place(tmp_path / "users" / "anna")
    backend = backends(tmp_path, Owner())[QuotaKind.IMAGE]
    backend.make(place, 64 * MIB)
    try:
        order = OrderFolder(place, 7, Owner(), "/dataspace/pool")
        content = Content(
            {"query.json": "x" * MIB}, {f"c/{n}.nc": f"/dataspace/pool/{n}" for n in range(100)}
        )
        order.write(content)
        with (place.files / "big").open("wb", buffering=0) as big, contextlib.suppress(OSError):
            while True:
                big.write(b"x" * 4096)
        with pytest.raises(StorageError, match="Your dataspace is full") as refused:
            OrderFolder(place, 8, Owner(), "/dataspace/pool").write(content)
        assert "Delete what you don't need" in refused.value.sentence
        assert not (place.files / "orders" / "8").exists()
        assert (place.files / "orders" / "7" / "query.json").stat().st_size == MIB
        (place.files / "big").unlink()
        OrderFolder(place, 8, Owner(), "/dataspace/pool").write(content)
        assert len(list((place.files / "orders" / "8" / "c").iterdir())) == 100
        assert not list((place.folder / "parcels").glob("*.part"))
    finally:
        for point in mounts.below(tmp_path):
            mounts.unmount(point, lazy=True)


def test_a_server_that_stays_away_ends_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parcel_copies, "AWAY_SECONDS", 1.0)
    node = Node(tmp_path / "state")  # nothing runs
    pool(node, {"s/a.nc": 10})
    copies = Copies(node.deployment, Workspaces(node.deployment))
    copy = Copy("anna", 7, {}, {"a.nc": "s/a.nc"}, 10)
    until(lambda: copies.deliver(copy).state is DeliveryState.COPYING, 5, "begun")
    outcome = Outcome(DeliveryState.COPYING)

    def over() -> bool:
        nonlocal outcome
        outcome = copies.deliver(copy)
        return outcome.state is not DeliveryState.COPYING

    until(over, 30, "it gives up")
    assert outcome.state is DeliveryState.FAILED
    assert "does not answer" in outcome.reason
    assert "try the order again" in outcome.reason


def test_an_order_of_another_database_with_the_same_number_gets_a_folder_of_its_own(
    node: Node, person: str
) -> None:
    """The second waits for the first, is killed in the middle, and is asked for again."""
    digests = pool(node, {"s/first/a.nc": 30 * MIB, "s/second/a.nc": 120 * MIB})
    first = numbered(person, "2026-03-01T09:00:00Z", ["s/first/a.nc"], 30 * MIB)
    second = numbered(person, "2026-04-02T10:00:00Z", ["s/second/a.nc"], 120 * MIB)
    orders = node.on_server(person) / "orders"
    deliveries = Deliveries(node.deployment)
    assert deliveries.deliver(first).state is DeliveryState.COPYING
    assert deliveries.deliver(second) == Outcome(DeliveryState.COPYING), "not the first one's"

    def begun() -> bool:
        outcome = ask(node, second)
        assert outcome is not None
        assert outcome.state is DeliveryState.COPYING, outcome.reason
        return (orders / "7-2026-04-02" / "query.json").exists() and outcome.copied > 0

    until(begun, 60, "the second is copied")
    node.kill("agent")
    before = hashes(orders / "7")
    assert before["c/a.nc"] == digests["s/first/a.nc"]
    node.start("agent")
    for _ in range(2):
        assert finished(node, second).folder == "orders/7-2026-04-02"
    assert hashes(orders / "7") == before
    assert hashes(orders / "7-2026-04-02")["c/a.nc"] == digests["s/second/a.nc"]
    assert sorted(os.listdir(orders)) == ["7", "7-2026-04-02"]
    assert finished(node, first).folder == "orders/7"
    for folder, there in (("7", True), ("7-2026-04-02", True), ("7-2026-04-03", False)):
        found = deliveries.there(person, 7, Target.WORKSPACE, f"orders/{folder}")
        assert found is there


# on somebody else's server


@pytest.fixture(scope="module")
def apache() -> Iterator[Apache]:
    with apache_server() as server:
        yield server


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory, apache: Apache) -> Iterator[Node]:
    workspace = {"kind": "webdav", "url": f"{apache.url}{{user}}/"}
    settings = Settings.model_validate({"storage": {"workspace": workspace}})
    node = Node(tmp_path_factory.mktemp("elsewhere"), settings)
    try:
        node.start("agent")
        yield node
    finally:
        node.close()


def test_elsewhere_an_account_is_needed_that_the_server_takes(
    elsewhere: Node, apache: Apache
) -> None:
    digests = pool(elsewhere, {"s/apache/a.nc": 20 * MIB, "s/apache/b c.nc": 10})
    wanted = parcel("anna", digests, 20 * MIB + 10)
    outcome = finished(elsewhere, wanted)
    assert outcome.state is DeliveryState.FAILED
    assert "no account on the WebDAV server was entered yet" in outcome.reason

    files = apache.add_user("anna@elsewhere", "right")
    state = elsewhere.state
    vault = Vault(state.storage / "credentials", state.secret("storage-key"))
    url = f"{apache.url}anna@elsewhere/"
    vault.put("anna", Account(url, "anna@elsewhere", "wrong"))
    outcome = finished(elsewhere, wanted)
    assert outcome.state is DeliveryState.FAILED
    assert "refused the user name or password" in outcome.reason
    assert "wrong" not in outcome.reason

    vault.put("anna", Account(url, "anna@elsewhere", "right"))
    for _ in range(2):
        outcome = finished(elsewhere, wanted)
        assert outcome.state is DeliveryState.DONE, outcome.reason
    found = hashes(files / "orders" / "7" / "c")
    assert found == {Path(place).name: digest for place, digest in digests.items()}
    assert Deliveries(elsewhere.deployment).there("anna", 7, Target.WORKSPACE)

    for day in ("2026-03-01", "2026-04-02"):  # what is there has no query.json: it is used
        again = numbered("anna", f"{day}T09:00:00Z", list(digests), wanted.size)
        folder = "orders/7" if day == "2026-03-01" else f"orders/7-{day}"
        for _ in range(2):
            assert finished(elsewhere, again) == Outcome(
                DeliveryState.DONE, wanted.size, folder=folder
            )
    assert sorted(os.listdir(files / "orders")) == ["7", "7-2026-04-02"]
    assert "right" not in elsewhere.log("agent")
