"""A database of orders that was lost counts from 1 again: each order keeps its own folder."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pelagos.datapool.delivery import DeliveryState, Outcome, Parcel
from pelagos.datapool.model import Target
from pelagos.deployment import Deployment
from pelagos.node import order_folder, order_notes
from pelagos.node.areas import Owner, Place
from pelagos.node.order_content import Content
from pelagos.node.order_folder import OrderFolder
from pelagos.node.order_names import chosen, is_folder_of, whose
from pelagos.services.downloader.delivery import Deliveries
from pelagos.settings import BackendKind
from pelagos_client.access import Criteria
from pelagos_client.documents import OrderFacts, write

POOL = "/dataspace/pool"
OWNER = Owner() if os.geteuid() == 0 else Owner(os.geteuid(), os.getegid())
FIRST = datetime(2026, 3, 1, 9, tzinfo=UTC)
SECOND = datetime(2026, 4, 2, 10, tzinfo=UTC)
THIRD = datetime(2026, 4, 2, 11, tzinfo=UTC)


def documents(created: datetime, number: int = 7, ready: datetime | None = None) -> dict[str, str]:
    """As the downloader writes them; the person gave a title and a query that look like another."""
    facts = OrderFacts(
        number=number,
        owner='ann"a',
        title='"number": 9',
        created=created,
        ready=ready or created,
        criteria=Criteria(),
        query={"created": "2000-01-01T00:00:00Z", "number": 9},
        files=(),
        items={},
        collections={},
        site='The "VRE", of us',
        version="0.1.0",
    )
    return write(facts)


def tree(folder: Path) -> dict[str, tuple[str, int]]:
    """All that is below a folder: contents or targets, and which files they are."""
    return {
        str(path.relative_to(folder)): (
            str(path.readlink()) if path.is_symlink() else path.read_text(),
            path.lstat().st_ino,
        )
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


class Area:
    """An area with the folder of order 7."""

    def __init__(self, folder: Path) -> None:
        self.place = Place(folder / "users" / "anna")
        self.place.files.mkdir(parents=True)
        self.place.trash.mkdir()
        os.chown(self.place.files, OWNER.uid, OWNER.gid)
        self.orders = self.place.files / "orders"

    def bring(self, created: datetime, *links: str, **more: Any) -> str:
        content = Content(
            documents(created, **more), {path: f"{POOL}/s/{path}" for path in links or ("a.nc",)}
        )
        return OrderFolder(self.place, 7, OWNER, POOL).write(content)

    def there(self, folder: str) -> bool:
        return OrderFolder(self.place, 7, OWNER, POOL).there(folder)


@pytest.fixture
def area(tmp_path: Path) -> Area:
    return Area(tmp_path)


def test_a_folder_says_whose_it_is_whatever_a_person_wrote_into_the_order() -> None:
    of = {whose(documents(when)["query.json"]) for when in (FIRST, SECOND, THIRD)}
    assert len(of) == 3
    assert whose(documents(FIRST)["query.json"]) == "2026-03-01T09:00:00Z 7"
    assert whose(documents(FIRST, number=9)["query.json"]) == "2026-03-01T09:00:00Z 9"
    later = documents(FIRST, ready=SECOND)["query.json"]
    assert whose(later) == whose(documents(FIRST)["query.json"]), "fetched again it is the same"
    for other in ("", "{}", "[1]", '{"created": "2026-03-01T09:00:00Z"}', "\ufffd\ufffd"):
        assert whose(other) == ""


def test_names_are_of_the_order_and_nothing_else() -> None:
    for folder in ("orders/7", "orders/7-2026-03-01", "orders/7-2026-03-01-12"):
        assert is_folder_of(7, folder)
        assert not is_folder_of(77, folder)
    for folder in ("orders", "orders/7/..", "orders/7-x", "7", "orders/7\n", "../orders/7"):
        assert not is_folder_of(7, folder)
    taken = {"7": "x", "7-2026-03-01": "y", "7-2026-03-01-2": "z"}
    assert chosen(7, "2026-03-01T09 7", lambda name: taken.get(name, "")) == "7-2026-03-01-3"


def test_a_new_order_leaves_the_folder_of_an_old_one_alone(area: Area) -> None:
    assert area.bring(FIRST, "a.nc", "old.nc") == "orders/7"
    before = tree(area.orders / "7")
    for _ in range(2):  # the same again is the same folder
        assert area.bring(SECOND, "a.nc", "new.nc") == "orders/7-2026-04-02"
    assert area.bring(THIRD, "a.nc") == "orders/7-2026-04-02-2", "another one of that day"
    assert area.bring(SECOND, "a.nc", "new.nc", ready=THIRD) == "orders/7-2026-04-02"
    assert tree(area.orders / "7") == before
    assert area.bring(FIRST, "a.nc", "old.nc") == "orders/7", "an old one, brought again"
    assert sorted(os.listdir(area.orders)) == ["7", "7-2026-04-02", "7-2026-04-02-2"]
    assert set(tree(area.orders / "7-2026-04-02")) >= {"a.nc", "new.nc", "query.json"}
    assert not list(area.orders.rglob("*.kept-*"))


def test_each_order_s_own_folder_is_looked_for(area: Area) -> None:
    area.bring(FIRST)
    folder = area.bring(SECOND)
    shutil.rmtree(area.orders / folder.partition("/")[2])
    assert area.there("orders/7")
    assert not area.there(folder)
    assert area.bring(SECOND) == folder


def test_an_order_stays_where_it_is_when_the_first_name_becomes_free(area: Area) -> None:
    area.bring(FIRST)
    folder = area.bring(SECOND)
    shutil.rmtree(area.orders / "7")
    assert area.bring(SECOND) == folder
    assert os.listdir(area.orders) == [folder.partition("/")[2]]
    assert area.bring(THIRD) == "orders/7"


def test_a_folder_without_query_json_is_still_that_of_its_order(area: Area) -> None:
    area.bring(FIRST)
    (area.orders / "7" / "query.json").unlink()
    before = tree(area.orders / "7")
    assert area.bring(SECOND) == "orders/7-2026-04-02"
    assert tree(area.orders / "7") == before
    assert area.bring(FIRST) == "orders/7"


def test_a_folder_from_before_this_was_known_says_it_itself(area: Area) -> None:
    """The notes of an older version hold digests of texts only."""
    area.bring(FIRST)
    [notes] = (area.place.folder / "parcels").glob("*.json")
    notes.write_text('["0123"]')
    before = tree(area.orders / "7")
    assert area.bring(SECOND) == "orders/7-2026-04-02"
    assert tree(area.orders / "7") == before


@pytest.mark.parametrize("what", ["fifo", "link", "folder", "large"])
def test_whatever_lies_where_query_json_was_nobody_waits_for_it(area: Area, what: str) -> None:
    query = area.orders / "7" / "query.json"
    query.parent.mkdir(parents=True)
    if what == "fifo":
        os.mkfifo(query)
    elif what == "link":
        (area.place.folder / "secret").write_text(documents(SECOND)["query.json"])
        query.symlink_to(area.place.folder / "secret")
    elif what == "folder":
        query.mkdir()
    else:
        query.write_text(" " * 200_000)
    (query.parent / "mine.txt").write_text("mine")
    assert area.bring(FIRST) == "orders/7", "a folder of the person's own"
    assert (query.parent / "mine.txt").read_text() == "mine"
    assert set(os.listdir(query.parent)) >= {"query.json.kept-1", "a.nc"}


@pytest.mark.parametrize("step", range(12))
def test_after_a_crash_between_any_steps_there_is_one_folder_for_each(
    area: Area, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    area.bring(FIRST)
    before = tree(area.orders / "7")
    left = step
    calls = ("rename_new", "exchange", "_build", "_give")

    def counted(real: Any) -> Any:
        def call(*arguments: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise KeyboardInterrupt  # as a kill would
            return real(*arguments)

        return call

    def twice() -> None:
        for _ in range(2):
            area.bring(SECOND, "c/b.nc")

    with monkeypatch.context() as patched:
        patched.setattr(order_notes, "write_private", counted(order_notes.write_private))
        for name in calls:
            patched.setattr(order_folder, name, counted(getattr(order_folder, name)))
        patched.setattr(order_folder, "remove_tree", lambda _: None)
        with pytest.raises(KeyboardInterrupt):
            twice()
    assert area.bring(SECOND, "c/b.nc") == "orders/7-2026-04-02"
    assert tree(area.orders / "7") == before
    assert sorted(os.listdir(area.orders)) == ["7", "7-2026-04-02"]
    assert not list((area.place.folder / "parcels").glob("*.part"))


# without an agent


@pytest.fixture
def alone(deployment: Deployment) -> Deployment:
    deployment.facts = deployment.facts.model_copy(update={"backend": BackendKind.PROCESS})
    pool = deployment.layout.dataspaces / "pool" / "s"
    pool.mkdir(parents=True)
    (pool / "a.nc").write_text("old")
    (pool / "b.nc").write_text("new")
    return deployment


def parcel(target: Target, created: datetime, place: str) -> Parcel:
    return Parcel(7, "anna", target, documents(created), {"c/a.nc": place}, 3)


@pytest.mark.parametrize("target", Target)
def test_without_an_agent_too_both_orders_have_their_folder(
    alone: Deployment, target: Target
) -> None:
    deliveries = Deliveries(alone)
    old, new = parcel(target, FIRST, "s/a.nc"), parcel(target, SECOND, "s/b.nc")
    assert deliveries.deliver(old) == Outcome(DeliveryState.DONE, 3, folder="orders/7")
    for _ in range(2):
        done = deliveries.deliver(new)
        assert done == Outcome(DeliveryState.DONE, 3, folder="orders/7-2026-04-02")
    assert deliveries.deliver(old).folder == "orders/7"
    top = (
        alone.layout.user_workspace("anna")
        if target is Target.WORKSPACE
        else alone.layout.dataspaces / "users" / "anna" / "files"
    )
    for folder, text, when in (("7", "old", FIRST), ("7-2026-04-02", "new", SECOND)):
        assert (top / "orders" / folder / "c" / "a.nc").read_text() == text
        found = (top / "orders" / folder / "query.json").read_text()
        assert found == documents(when)["query.json"]
        assert deliveries.there("anna", 7, target, f"orders/{folder}")
    assert not deliveries.there("anna", 7, target, "orders/7-2026-04-03")
    assert sorted(os.listdir(top / "orders")) == ["7", "7-2026-04-02"]


def test_without_an_agent_a_copy_that_broke_off_goes_on_in_its_folder(
    alone: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliveries = Deliveries(alone)
    assert deliveries.deliver(parcel(Target.WORKSPACE, FIRST, "s/a.nc")).folder == "orders/7"

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    new = parcel(Target.WORKSPACE, SECOND, "s/b.nc")
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copyfile", full)
        assert deliveries.deliver(new).state is DeliveryState.FAILED
    assert deliveries.deliver(new).folder == "orders/7-2026-04-02"
    orders = alone.layout.user_workspace("anna") / "orders"
    assert sorted(os.listdir(orders)) == ["7", "7-2026-04-02"]
