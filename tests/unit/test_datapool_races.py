"""Two things at once, each in the order in which it went wrong."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from downloader_by_hand import Hand, by_hand, trouble
from pelagos.datapool import queue
from pelagos.datapool.database import transaction
from pelagos.datapool.delivery import DeliveryState, Outcome, Parcel
from pelagos.datapool.eviction import strangers
from pelagos.datapool.model import FileState, OrderState, Target
from pelagos.datapool.queue import Live
from pelagos.datapool.schedule import Schedule
from pelagos.errors import AwayError
from pelagos.services.downloader import worker
from pelagos.services.downloader.turns import Turns
from support import until


@pytest.fixture
def hand(orders_url: str, tmp_path: Path) -> Iterator[Hand]:
    with by_hand(orders_url, tmp_path / "pool") as hand:
        yield hand


def state(hand: Hand, number: int) -> OrderState:
    return OrderState(hand.order(number).state)


# the database


def test_an_order_and_the_downloader_that_takes_another_do_not_lock_each_other_out(
    hand: Hand,
) -> None:
    number = hand.create("ann", "a", "b")
    with ThreadPoolExecutor(1) as threads:
        with transaction(hand.database) as connection:
            queue.take(connection, number, [], time.time())  # holds the rows of its files
            second = threads.submit(hand.create, "bob", "b", "a")
            time.sleep(0.3)  # it waits for them now, or for its turn
            queue.settle(connection, number)
        assert second.result(20) == number + 1


def test_what_is_ordered_while_room_is_made_is_kept_or_comes_again(
    hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = hand.create("ann", "a")
    hand.work(2)
    assert state(hand, first) is OrderState.READY
    hand.clock.now += 200  # no longer kept for anybody
    remove = hand.pool.remove
    with ThreadPoolExecutor(1) as threads:
        ordered = []

        def slowly(place: str) -> bool:
            ordered.append(threads.submit(hand.create, "bob", "a"))
            time.sleep(0.3)
            return remove(place)

        monkeypatch.setattr(hand.pool, "remove", slowly)
        hand.room.evict(1)
        second = ordered[0].result(20)
        monkeypatch.undo()
    row = hand.order(second)
    assert row.files_cached == 0, "it is not said to be there"
    hand.work(2)
    assert state(hand, second) is OrderState.READY
    hand.check()


def test_what_is_ordered_just_now_is_not_removed_as_a_stranger(hand: Hand) -> None:
    number = hand.create("ann", "a")
    hand.work(2)
    hand.clock.now += 200
    path = hand.pool.path(hand.files(number)[0].place)
    with transaction(hand.database) as connection:  # as if the file could not be removed
        hand.room._forget(connection, [hand.files(number)[0].id])
    found = strangers(hand.pool, hand.database, time.time() + 1000, 1000)
    assert path.exists()
    with ThreadPoolExecutor(1) as threads:
        place, _ = next(found)
        ordered = threads.submit(hand.create, "bob", "a")
        time.sleep(0.3)
        assert not ordered.done(), "it waits until the file is gone"
        hand.pool.remove(place)
        assert list(found) == []
        ordered.result(20)
    hand.work(2)
    hand.check()


# orders that were lost


@pytest.mark.parametrize("how", ["away", "failed", "done"])
def test_an_order_tried_again_while_its_delivery_goes_on_is_finished(hand: Hand, how: str) -> None:
    number = hand.create("ann", "a")

    def meanwhile(parcel: Parcel) -> Outcome | None:
        hand.meanwhile = lambda parcel: None
        hand.cancel(number)
        hand.look()
        hand.retry(number)
        hand.look()  # all is there: its turn comes while the first attempt still has it
        if how == "away":
            raise AwayError("The agent is away.")
        return Outcome(DeliveryState.FAILED, reason="No.") if how == "failed" else None

    hand.meanwhile = meanwhile
    hand.work(2)
    assert state(hand, number) is OrderState.READY


@pytest.mark.parametrize("after", range(6))
def test_a_delivery_that_failed_while_the_database_was_away_is_said_later(
    hand: Hand, after: int
) -> None:
    number = hand.create("ann", "a")
    hand.look()
    flight = hand.begin()
    assert flight
    hand.end(flight)
    hand.ledger.flush()
    hand.look()
    hand.meanwhile = lambda parcel: Outcome(DeliveryState.FAILED, reason="No space.")
    with trouble(after):
        hand.finish()
    hand.clock.now += 10
    hand.finish()
    assert (state(hand, number), hand.order(number).error) == (OrderState.FAILED, "No space.")


def test_an_order_is_not_ready_if_another_has_missed_its_file_meanwhile(hand: Hand) -> None:
    number = hand.create("ann", "a")

    def meanwhile(parcel: Parcel) -> None:
        hand.meanwhile = lambda parcel: None
        (place,) = parcel.links.values()
        hand.pool.path(place).unlink()
        hand.create("bob", "a")
        hand.look()
        assert hand.files(number)[0].state == FileState.QUEUED.value

    hand.meanwhile = meanwhile
    hand.work()
    assert state(hand, number) is not OrderState.READY
    hand.work(4)
    assert state(hand, number) is OrderState.READY
    hand.check()


def test_a_file_damaged_while_its_order_waits_for_another_is_not_taken_for_whole(
    hand: Hand,
) -> None:
    hand.create("ann", "a")
    hand.work(2)
    path = hand.pool.path(hand.files()[0].place)
    number = hand.create("bob", "a", "b")
    hand.look()
    path.write_bytes(b"bad")
    flight = hand.begin()
    assert flight
    hand.end(flight)
    hand.ledger.flush()
    hand.look()
    hand.finish()
    # under its name there may be only what was whole: that is how it is found after a crash
    assert not path.exists()
    hand.work(2)
    assert state(hand, number) is OrderState.READY
    hand.check()


@pytest.mark.parametrize("after", [0, 1, 2])
def test_what_was_cancelled_while_the_database_went_away_is_dropped_later(
    hand: Hand, after: int
) -> None:
    number = hand.create("ann", "a", "b")
    hand.look()
    assert hand.begin()
    hand.ledger.flush()
    hand.cancel(number)
    with trouble(after):
        try:
            hand.look()
        except AwayError:
            hand.look()
    states = [row.state for row in hand.files()]
    assert states == [FileState.FETCHING.value, FileState.ABSENT.value]
    (flight,) = hand.flights.values()
    hand.end(flight, "wait")  # it could not be stopped any more
    hand.ledger.flush()
    hand.look()
    assert hand.files()[0].state == FileState.ABSENT.value, "nobody wants what is prepared"


def test_a_window_that_is_older_than_the_end_of_a_file_does_not_begin_it_again(
    hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand.create("ann", "a", "b")
    hand.look()
    flight = hand.begin()
    assert flight
    hand.create("bob", "a", "b")
    window = queue.window

    def slow_window(*given: object) -> list[queue.Task]:
        found = window(*given)  # type: ignore[arg-type]
        if hand.flights:
            hand.end(flight, "wait")  # it has a job at its source now
            ThreadPoolExecutor(1).submit(hand.ledger.flush).result(20)
        return found

    monkeypatch.setattr(worker.queue, "window", slow_window)
    if hand.database.dialect.name == "sqlite":
        hand.look()
    else:
        hand.look()
    monkeypatch.undo()
    while again := hand.begin():
        assert again.task.file != flight.task.file, "a second job would be made"
        hand.end(again)
    hand.ledger.flush()
    hand.clock.now += 10
    hand.look()
    again = hand.begin()
    assert again
    assert '"number": 1' in again.task.job


# turns


def live(number: int, attempt: int = 1) -> Live:
    return Live(number, attempt, "ann", OrderState.VERIFYING, Target.DATASPACE)


def test_an_order_has_one_turn_at_a_time_and_the_last_attempt_counts() -> None:
    now = [0.0]
    turns = Turns(lambda: now[0])
    turns.add(live(1))
    turns.add(live(1, 2))
    first = turns.take()
    assert first == live(1, 2)
    turns.add(live(1, 3))
    turns.add(live(2))
    assert turns.take() == live(2)
    turns.done(live(1, 2), again=5)
    assert turns.take() == live(1, 3), "what was asked for meanwhile does not wait"


def test_who_waits_holds_up_nobody_and_the_end_ends_all() -> None:
    turns = Turns()
    done: list[int] = []

    def work() -> None:
        while order := turns.take():
            done.append(order.number)
            turns.done(order, again=60 if order.number < 5 else 0)

    thread = threading.Thread(target=work)
    thread.start()
    for number in range(1, 7):
        turns.add(live(number))
    until(lambda: len(done) == 6, 10)
    turns.end()
    thread.join(10)
    assert not thread.is_alive()


def test_the_owner_sees_that_storage_is_waited_for(hand: Hand) -> None:
    number = hand.create("ann", "a")

    def away(parcel: Parcel) -> None:
        raise AwayError("The agent is away.")

    hand.meanwhile = away
    hand.work(3)
    row = hand.order(number)
    assert (row.state, queue.STORAGE_AWAY in row.notes) == (OrderState.VERIFYING.value, True)
    hand.meanwhile = lambda parcel: None
    hand.work(8)
    row = hand.order(number)
    assert (row.state, row.notes) == (OrderState.READY.value, "[]")


# rests and tries


def test_a_rest_that_is_over_is_nothing_to_wake_for() -> None:
    now = [0.0]
    plan = Schedule(2, lambda: now[0])
    plan.rest("a", 5)
    assert plan.rests_until() == 5
    now[0] = 6
    assert plan.rests_until() is None, "else the downloader would look a hundred times a second"


def test_what_waited_long_for_room_has_all_its_tries_after_that(hand: Hand) -> None:
    hand.create("ann", "a")
    hand.look()
    flight = hand.begin()
    assert flight
    waited = worker.Task(**{**vars(flight.task), "tries": 9, "done": 10})
    hand.flights[flight.task.file] = type(flight)(waited, flight.job)
    hand.end(hand.flights[flight.task.file], "again")
    hand.ledger.flush()
    assert (hand.files()[0].state, hand.files()[0].tries) == (FileState.QUEUED.value, 1)


def test_polls_that_went_well_are_no_failures(hand: Hand) -> None:
    number = hand.create("ann", "a")
    for _ in range(10):
        for how in ("again", "wait"):
            hand.look()
            flight = hand.begin()
            assert flight
            hand.end(flight, how)
            hand.ledger.flush()
            hand.clock.now += 100
    hand.work(3)
    assert state(hand, number) is OrderState.READY


def test_a_disk_whose_clock_is_ahead_does_not_make_files_anew(hand: Hand) -> None:
    hand.clock.now -= 3600  # ours is an hour behind that of the disk
    first = hand.create("ann", "a")
    hand.work(2)
    second = hand.create("bob", "a")
    hand.look()
    assert hand.begin() is None
    hand.work(2)
    assert [state(hand, one) for one in (first, second)] == [OrderState.READY] * 2


def test_what_was_ordered_and_cancelled_between_two_looks_is_not_queued_for_ever(
    hand: Hand,
) -> None:
    hand.look()
    hand.cancel(hand.create("ann", "a"))
    hand.work(2, seconds=40)
    assert [row.state for row in hand.files()] == [FileState.ABSENT.value]


# parts in which a source has nothing


def ended(hand: Hand, **how: str) -> None:
    """All files of the orders end, each as its name says."""
    hand.look()
    while flight := hand.begin():
        name = flight.task.place.rpartition("/")[2].removesuffix(".nc")
        hand.end(flight, how.get(name, "ok"))
    hand.ledger.flush()
    hand.clock.now += 1
    hand.look()
    hand.finish()


def test_an_order_is_ready_without_the_part_in_which_there_is_nothing(hand: Hand) -> None:
    number = hand.create("ann", "a", "east")
    ended(hand, east="empty")
    row = hand.order(number)
    assert (row.state, row.files_ready, row.sizes_unknown) == ("ready", 2, 0)
    assert row.bytes_done == row.bytes_known == 10


def test_an_order_of_nothing_at_all_fails_and_says_so(hand: Hand) -> None:
    number = hand.create("ann", "east", "eastern")
    ended(hand, east="empty", eastern="empty")
    row = hand.order(number)
    assert row.state == "failed"
    assert "has nothing in what was asked for" in row.error
    hand.retry(number)
    ended(hand, east="empty")
    assert state(hand, number) is OrderState.READY
