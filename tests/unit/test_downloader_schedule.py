"""Which file comes next: no person starves another, no host takes all."""

from __future__ import annotations

from pelagos.datapool.schedule import Job, Schedule


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def schedule(per_host: int = 4) -> Schedule:
    return Schedule(per_host, Clock())


def fill(plan: Schedule, number: int, owner: str, files: range, host: str = "a") -> None:
    plan.add_order(number, owner)
    plan.feed(number, [Job(file, host) for file in files], more=False)


def test_one_persons_thousand_files_do_not_starve_anothers_one() -> None:
    plan = schedule(per_host=2)
    fill(plan, 1, "ann", range(1000))
    begun = [plan.next(), plan.next()]
    assert [job and job.file for job in begun] == [0, 1]
    assert plan.next() is None, "the host is full"
    fill(plan, 2, "bob", range(5000, 5001))
    plan.ended(0)
    job = plan.next()
    assert job is not None
    assert job.file == 5000


def test_people_with_equally_much_under_way_take_turns() -> None:
    plan = schedule(per_host=1)
    fill(plan, 1, "ann", range(10))
    fill(plan, 2, "bob", range(100, 110))
    fill(plan, 3, "cleo", range(200, 210))
    served = []
    for _ in range(9):
        job = plan.next()
        assert job is not None
        served.append(job.file // 100)
        plan.ended(job.file)
    assert served == [0, 1, 2] * 3


def test_the_oldest_order_of_a_person_comes_first() -> None:
    plan = schedule(per_host=10)
    fill(plan, 7, "ann", range(70, 72))
    fill(plan, 3, "ann", range(30, 32))
    assert [job.file for job in iter(plan.next, None)] == [30, 31, 70, 71]


def test_a_slow_host_does_not_take_all_places() -> None:
    plan = schedule(per_host=2)
    plan.add_order(1, "ann")
    plan.feed(1, [Job(n, "slow") for n in range(50)] + [Job(99, "quick")], more=False)
    assert [job.file for job in iter(plan.next, None)] == [0, 1, 99]


def test_a_file_that_many_wait_for_is_begun_once_and_counts_for_all() -> None:
    plan = schedule(per_host=1)
    for number in range(30):
        fill(plan, number, f"user{number}", range(1))
    fill(plan, 99, "zoe", range(500, 501), host="b")
    first, second = plan.next(), plan.next()
    assert first is not None
    assert second is not None
    assert (first.file, second.file) == (0, 500)
    assert plan.next() is None
    # one who comes later is charged too, and it is not begun again
    fill(plan, 100, "late", range(1))
    assert plan.next() is None
    plan.ended(0)
    assert plan.next() is None


def test_a_host_that_rests_is_left_alone_until_then() -> None:
    clock = Clock()
    plan = Schedule(2, clock)
    fill(plan, 1, "ann", range(2))
    plan.rest("a", 10)
    assert plan.next() is None
    assert plan.rests_until() == 10
    clock.now = 10.5
    assert plan.next() is not None


def test_a_dropped_order_takes_its_files_along_but_not_those_of_others() -> None:
    plan = schedule()
    fill(plan, 1, "ann", range(3))
    fill(plan, 2, "bob", range(2, 4))
    plan.drop_order(1)
    assert sorted(job.file for job in iter(plan.next, None)) == [2, 3]


def test_windows_are_asked_to_be_filled_while_there_may_be_more() -> None:
    plan = schedule()
    plan.add_order(1, "ann")
    assert plan.hungry() == [1]
    plan.feed(1, [Job(n, "a") for n in range(500)], more=True)
    assert plan.hungry() == []
    for _ in range(450):
        job = plan.next()
        assert job is not None
        plan.ended(job.file)
    assert plan.hungry() == [1]
    plan.feed(1, [], more=False)
    assert plan.hungry() == []
    plan.look_again()
    assert plan.hungry() == [1]
