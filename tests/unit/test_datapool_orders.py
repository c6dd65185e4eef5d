"""Orders in the database: identities, places, space, and what a downloader finds."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from pelagos.datapool import orders, orders_shown, space
from pelagos.datapool.database import migrate, open_database, reading, transaction
from pelagos.datapool.model import FileState, OrderState, Target
from pelagos.datapool.orders import Bounds
from pelagos.datapool.orders_model import NewFile, NewItem, NewOrder, files_of
from pelagos.datapool.orders_shown import Viewer
from pelagos.datapool.space import Limits
from pelagos.datapool.tables import files, order_files, records
from pelagos.datapool.tables import orders as table
from pelagos.errors import RefusedError
from pelagos_client.access import FilePlan
from sqlalchemy import Engine, func, select, update
from support import leeway

BOUNDS = Bounds(live_orders=1000, order_files=100_000)
NOW = 1_000_000.0
WIDE = Limits(quota=10**12, disk=10**12, now=NOW)
COLLECTION = {"id": "s.c", "type": "Collection"}


@pytest.fixture
def engine(orders_url: str) -> Iterator[Engine]:
    engine = open_database(orders_url)
    migrate(engine)
    yield engine
    engine.dispose()


def item(name: str, *sizes: int | None, collection: str = "s.c", **plan: Any) -> NewItem:
    plans = tuple(
        FilePlan(**{"asset": f"a{n}", "name": f"{n}.nc", "url": f"https://x.org/{name}/{n}",
                    "size": size, **plan})
        for n, size in enumerate(sizes)
    )  # fmt: skip
    return NewItem("s", collection, name, {"id": name}, COLLECTION, plans)


def create(engine: Engine, *items: NewItem, limits: Limits = WIDE, **more: Any) -> int:
    with transaction(engine) as connection:
        wanted = NewOrder(**{"owner": "ada", **more})
        return orders.create(connection, wanted, items, BOUNDS, limits)[0]


def rows(engine: Engine, number: int) -> list[Any]:
    with reading(engine) as connection:
        return orders_shown.files_page(connection, number, 0, 100_000)[0]


def order(engine: Engine, number: int) -> Any:
    with reading(engine) as connection:
        return orders_shown.order(connection, Viewer("ada"), number)


def arrive(engine: Engine, *numbers: int, state: FileState = FileState.PRESENT) -> None:
    """All files of these orders come, as the downloader says it."""
    with transaction(engine) as connection:
        of = select(order_files.c.file).where(order_files.c.order.in_(numbers))
        connection.execute(
            update(files).where(files.c.id.in_(of)).values(
                state=state, size=func.coalesce(files.c.declared, 7)
            )
        )  # fmt: skip


def end(engine: Engine, number: int, state: OrderState, expires: float | None = None) -> None:
    with transaction(engine) as connection:
        connection.execute(
            update(table).where(table.c.number == number).values(state=state, expires=expires)
        )


def test_thirty_orders_of_the_same_file_ask_for_it_once(engine: Engine) -> None:
    numbers = [create(engine, item("i", 500), owner=f"p{n}") for n in range(30)]
    with reading(engine) as connection:
        assert connection.scalar(select(func.count()).select_from(files)) == 1
        assert connection.scalar(select(func.count()).select_from(records)) == 2
    assert {row.id for number in numbers for row in rows(engine, number)} == {1}
    arrive(engine, numbers[0])
    late = create(engine, item("i", 500))
    found = order(engine, late)
    assert (found.files_cached, found.files_ready, found.bytes_done) == (1, 1, 500)
    assert found.state == OrderState.QUEUED, "the downloader makes its folder"


@pytest.mark.parametrize(
    "other",
    [{"url": "https://x.org/other"}, {"size": 6}, {"checksum": "md5:00"},
     {"request": {"page": 1}}, {"asset": "b"}],
)  # fmt: skip
def test_what_changes_in_its_description_is_another_file(
    engine: Engine, other: dict[str, Any]
) -> None:
    first = item("i", 5)
    second = replace(first, plans=(replace(first.plans[0], **other),))
    one, two = (rows(engine, create(engine, each))[0] for each in (first, second))
    assert one.identity != two.identity
    assert one.place == "s/c/i/0.nc"
    assert two.place == f"s/c/i/{two.identity[:8]}/0.nc", "both have a place of their own"
    assert rows(engine, create(engine, first))[0].place == one.place


@pytest.mark.parametrize(
    "name", ["..", ".", "../../etc/passwd", "a/b", ".hidden", "", "x" * 300, "a\nb", "a\x00b", "é/"]
)
def test_no_name_leads_out_of_its_folder(name: str) -> None:
    evil = replace(item(name, 1, collection=f"s.{name}"))
    file = NewFile(evil, replace(evil.plans[0], name=name))
    for path in (file.place, file.other_place, file.path, file.other_path):
        parts = path.split("/")
        assert all(part and not part.startswith(".") for part in parts), path
        assert all(len(part.encode()) <= 255 and part.isprintable() for part in parts)
    assert len(file.place.split("/")) == 4
    assert len(file.path.split("/")) == 3


def test_items_that_look_alike_have_folders_of_their_own() -> None:
    names = ["a b", "a-b", "a/b", "a_b", "A b", "a  b"]
    places = {NewFile(one, one.plans[0]).place for one in (item(name, 1) for name in names)}
    assert len(places) == len(names)


def test_two_files_of_one_name_in_an_order_have_paths_of_their_own(engine: Engine) -> None:
    found = item("i", 1, 2)
    same = replace(found, plans=tuple(replace(plan, name="same.nc") for plan in found.plans))
    paths = [row.path for row in rows(engine, create(engine, same))]
    assert paths[0] == "s.c/i/same.nc"
    assert len(set(paths)) == 2


def test_the_same_key_is_the_same_order_also_at_the_same_moment(engine: Engine) -> None:
    found: list[tuple[int, bool]] = []

    def make() -> None:
        with transaction(engine) as connection:
            wanted = NewOrder("ada", key="the-same-key")
            found.append(orders.create(connection, wanted, [item("i", 5)], BOUNDS, WIDE))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({number for number, _ in found}) == 1
    assert sorted(is_new for _, is_new in found) == [False] * 7 + [True]


def test_orders_made_at_the_same_moment_never_exceed_the_pool(engine: Engine) -> None:
    limits = Limits(quota=1000, disk=10**12, now=NOW)
    refused: list[str] = []

    def make(number: int) -> None:
        try:
            create(engine, item(f"i{number}", 300), owner=f"p{number}", limits=limits)
        except RefusedError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=make, args=[n]) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 5
    with reading(engine) as connection:
        assert connection.scalar(select(func.sum(files.c.declared))) == 900
        assert connection.scalar(select(func.count()).select_from(table)) == 3


def room(engine: Engine, *items: NewItem, quota: int = 1000, disk: int = 10**12) -> int:
    with reading(engine) as connection:
        known = space.lookup(connection, [one.identity for one in files_of(items)])
        return space.room(connection, known.values(), Limits(quota, disk, NOW))


def test_files_of_live_orders_are_kept_and_all_others_make_room(engine: Engine) -> None:
    assert room(engine) == 1000
    number = create(engine, item("a", 400))
    assert room(engine) == 600, "it is under way"
    arrive(engine, number)
    end(engine, number, OrderState.READY, expires=NOW + 1)
    assert room(engine) == 600, "it is kept for a while"
    end(engine, number, OrderState.READY, expires=NOW - 1)
    assert room(engine) == 1000, "it can go"
    assert room(engine, item("a", 400)) == 600, "unless it is what is ordered"
    second = create(engine, item("a", 400), item("b", 600), limits=Limits(1000, 10**12, NOW))
    with pytest.raises(RefusedError, match="no space for this order: it needs 1 B more"):
        create(engine, item("c", 1), limits=Limits(1000, 10**12, NOW))
    end(engine, second, OrderState.CANCELLED)
    create(engine, item("c", 1), limits=Limits(1000, 10**12, NOW))


def test_the_disk_counts_as_well_as_the_quota(engine: Engine) -> None:
    number = create(engine, item("a", 400))
    assert room(engine, disk=500) == 100, "400 still come"
    arrive(engine, number)
    assert room(engine, disk=500) == 500, "they came"
    end(engine, number, OrderState.FAILED)
    assert room(engine, disk=500) == 900, "and can go"
    assert room(engine, item("a", 400), disk=500) == 500
    with pytest.raises(RefusedError, match=r"501 B more, and 500 B can be made free"):
        create(engine, item("a", 400), item("b", 501), limits=Limits(10**12, 500, NOW))


def test_what_nobody_knows_the_size_of_is_counted_and_not_guessed(engine: Engine) -> None:
    number = create(engine, item("a", 10, None, None), limits=Limits(1000, 10**12, NOW))
    found = order(engine, number)
    assert (found.bytes_known, found.sizes_unknown) == (10, 2)
    create(engine, item("full", 990), limits=Limits(1000, 10**12, NOW))
    with pytest.raises(RefusedError, match="no space for this order: it needs some more"):
        create(engine, item("b", None), limits=Limits(1000, 10**12, NOW))
    create(engine, item("a", 10, None, None), limits=Limits(1000, 10**12, NOW))


def test_what_the_whole_pool_could_not_hold_says_so(engine: Engine) -> None:
    with pytest.raises(RefusedError, match="whole data pool holds 1000 B") as caught:
        create(engine, item("a", 1001), limits=Limits(1000, 10**12, NOW))
    assert caught.value.mend
    with reading(engine) as connection:
        for one in (table, files, records):
            assert connection.scalar(select(func.count()).select_from(one)) == 0


def test_a_retry_asks_only_for_what_is_missing(engine: Engine) -> None:
    number = create(engine, item("i", 1, 2, 3, 4))
    ids = [row.id for row in rows(engine, number)]
    states = [FileState.PRESENT, FileState.FAILED, FileState.ABSENT, FileState.FETCHING]
    with transaction(engine) as connection:
        for one, state in zip(ids, states, strict=True):
            connection.execute(
                update(files).where(files.c.id == one).values(
                    state=state, tries=5, error="Gone.", not_before=NOW + 99, job='{"id": 1}'
                )
            )  # fmt: skip
        orders.cancel(connection, number, NOW)
    with transaction(engine) as connection:
        orders.retry(connection, number, BOUNDS, WIDE)
    found = [(row.state, row.tries, row.error, row.job) for row in rows(engine, number)]
    untouched = (5, "Gone.", '{"id": 1}')
    assert found == [
        ("present", *untouched), ("queued", 0, "", ""), ("queued", 0, "", ""),
        ("fetching", *untouched),
    ]  # fmt: skip
    again = order(engine, number)
    assert (again.state, again.attempt, again.finished) == ("queued", 2, None)
    assert (again.files_ready, again.bytes_done) == (1, 1)


def test_only_what_is_over_is_tried_again_and_only_what_is_not_is_cancelled(
    engine: Engine,
) -> None:
    number = create(engine, item("i", 1))
    end(engine, number, OrderState.READY)
    with transaction(engine) as connection:
        with pytest.raises(RefusedError, match="is ready: there is nothing to cancel"):
            orders.cancel(connection, number, NOW)
        with pytest.raises(RefusedError, match="is ready: nothing of it is missing"):
            orders.retry(connection, number, BOUNDS, WIDE)


def test_a_retry_that_does_not_fit_is_refused(engine: Engine) -> None:
    number = create(engine, item("i", 600))
    end(engine, number, OrderState.FAILED)
    arrive(engine, number, state=FileState.ABSENT)
    create(engine, item("other", 600), limits=Limits(1000, 10**12, NOW))
    with pytest.raises(RefusedError, match="no space"), transaction(engine) as connection:
        orders.retry(connection, number, BOUNDS, Limits(1000, 10**12, NOW))
    assert order(engine, number).state == "failed"


def test_a_deleted_order_leaves_its_files_and_nothing_else(engine: Engine) -> None:
    first, second = create(engine, item("i", 1)), create(engine, item("i", 1), item("j", 2))
    with transaction(engine) as connection:
        orders.remove(connection, first)
    assert len(rows(engine, second)) == 2
    with transaction(engine) as connection:
        orders.remove(connection, second)
    with reading(engine) as connection:
        left = connection.scalars(select(records.c.document)).all()
        assert sorted(left) == ['{"id":"i"}', '{"id":"j"}'], "its files still have theirs"
        assert connection.scalar(select(func.count()).select_from(order_files)) == 0
    assert create(engine, item("k", 1)) > second, "a number is never given twice"


def test_an_order_that_is_deleted_is_noticed_by_the_number_of_changes(engine: Engine) -> None:
    number = create(engine, item("i", 1))
    with reading(engine) as connection:
        before = orders_shown.last_change(connection)
    with transaction(engine) as connection:
        orders.remove(connection, number)
    with reading(engine) as connection:
        assert orders_shown.last_change(connection) > before


def test_a_workspace_takes_what_other_orders_leave(engine: Engine) -> None:
    number = create(engine, item("i", 100), target=Target.WORKSPACE)
    create(engine, item("j", 50))
    with transaction(engine) as connection:
        connection.execute(update(table).where(table.c.number == number).values(bytes_copied=30))
    with reading(engine) as connection:
        assert orders_shown.bytes_to_workspace(connection, "ada") == 70
        assert orders_shown.bytes_to_workspace(connection, "bob") == 0


def test_ten_thousand_files_take_about_a_second(engine: Engine) -> None:
    items: Sequence[NewItem] = [item(f"i{n}", 1000 + n) for n in range(10_000)]
    begun = time.monotonic()
    number = create(engine, *items)
    took = time.monotonic() - begun
    assert order(engine, number).files == 10_000
    begun = time.monotonic()
    create(engine, item("alone", 5))
    alone = time.monotonic() - begun
    assert took < leeway(10), f"{took:.1f} s"  # 1.2 s on SQLite, 2.4 s on PostgreSQL
    assert alone < leeway(1), f"{alone:.2f} s"
