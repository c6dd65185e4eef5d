"""Processes that harvest: killed, stopped, two at once, for many sources and much data."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harvest_child import truth, version_file
from harvesting import Place, Remote, granules, source
from pelagos.catalogue.harvest import LOCK_FILE
from pelagos.catalogue.harvest.harvester import AT_ONCE
from pelagos.catalogue.harvest.lock import BusyError, Who, holder, only_one
from pelagos.catalogue.harvest.records import Progress, Run, RunState, SourceRecord
from pelagos.catalogue.harvest.runs import Runs
from pelagos.catalogue.harvest.schedule import BY_HAND, due, next_run
from pelagos.catalogue.index import check
from pelagos.errors import SourceError, StateError
from support import until

TESTS = Path(__file__).parents[1]
MIB = 2**20


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "catalogue")


@contextlib.contextmanager
def child(mode: str, place: Place, *more: str) -> Iterator[subprocess.Popen[str]]:
    """A process that harvests; killed at the end if it still runs."""
    command = [sys.executable, str(TESTS / "harvest_child.py"), mode, str(place.folder), *more]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=TESTS
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def ids_of(version: int) -> dict[str, set[str]]:
    return {
        f"alpha.{name}": {one.id for one in found if hasattr(one, "id")}
        for name, found in truth(version).items()
    }


def test_a_harvest_that_is_killed_at_any_moment_leaves_a_whole_index(place: Place) -> None:
    seed = random.randrange(10_000)
    print(f"seed {seed}")
    chance = random.Random(seed)
    place.folder.mkdir()
    for attempt in range(5):
        with child("loop", place, str(seed + 100 * attempt)) as process:
            begun = place.folder / "version"
            # later ones first end what was interrupted, in a version that is not theirs
            began = seed + 100 * attempt + (attempt > 0)
            until(lambda: begun.exists() and int(begun.read_text() or 0) >= began, 60, "a run")  # noqa: B023
            # a random moment, from the making of the file to the third run or so
            time.sleep(chance.uniform(0, 1.2))
            assert process.poll() is None, process.communicate()
            process.kill()
            process.wait()
        if place.index.exists():
            assert check(place.index) == []
    version = int(version_file(place).read_text())
    with Runs(place.runs_file) as runs:
        stale = [run.id for run in runs.under_way() if run.state is RunState.RUNNING]
    place.remote.collections = truth(version)
    run = place.harvest()
    assert run.state is RunState.DONE
    # collections that the killed run had finished were read in this very version
    assert place.found() == ids_of(version)
    assert check(place.index) == []
    with Runs(place.runs_file) as runs:
        for number in stale:
            interrupted = runs.run(number)
            assert interrupted is not None
            assert interrupted.state is RunState.INTERRUPTED
            assert "ended before" in interrupted.error


def test_a_harvester_that_was_ended_goes_on_where_it_was(place: Place) -> None:
    with child("slow", place) as process:
        until((place.folder / "waiting").exists, 60, "the slow source")
        os.kill(process.pid, signal.SIGTERM)
        process.wait(30)
    # the child has no handler and dies: the service that has one is in test_harvest_command
    with place.harvester(scheduled=True) as harvester:
        harvester.begin()
        [run] = harvester.runs.runs("alpha")
        assert run.state is RunState.INTERRUPTED
        place.remote.collections = {"a": granules(1), "b": granules(2)}
        harvester.step()
        until(lambda: harvester.runs.runs("alpha")[0].state is RunState.DONE, 30)
    assert place.remote.asked == ["b"]


def test_a_second_harvester_says_that_there_is_one(place: Place) -> None:
    lock = place.folder / LOCK_FILE
    with child("slow", place) as process:
        until((place.folder / "waiting").exists, 60, "the slow source")
        with (
            pytest.raises(BusyError, match=rf"process {process.pid}\).* one writer"),
            only_one(lock, Who.COMMAND),
        ):
            pass
        found = holder(lock)
        assert found is not None
        assert (found.who, found.pid) == (Who.SERVICE, process.pid)
    assert holder(lock) is None
    with only_one(lock, Who.COMMAND):
        pass


def test_three_hundred_thousand_granules_need_no_more_memory_than_few(place: Place) -> None:
    with child("many", place, "300000") as process:
        out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    state, found, grown = out.split()
    assert (state, found) == ("done", "300000")
    # SQLite's cache may fill: 64 MiB, and as much for what it sorts
    assert int(grown) < 160 * MIB


def several(place: Place, *names: str) -> None:
    place.sources = [source(name) for name in names]
    place.remotes = {name: Remote({"a": granules(1_500), "b": granules(700)}) for name in names}


def test_two_sources_are_read_at_once_and_their_records_kept_apart(place: Place) -> None:
    several(place, "alpha", "beta", "gamma")
    lock, inside, most = threading.Lock(), 0, 0
    both = threading.Barrier(AT_ONCE, timeout=30)

    def meets(what: str) -> None:
        nonlocal inside, most
        if what == "a":
            with lock:
                inside += 1
                most = max(most, inside)
        if what == "a/g700" and inside < 3:
            both.wait()
        if what == "b/g699":
            with lock:
                inside -= 1

    place.remotes["alpha"].before = place.remotes["beta"].before = meets
    for _ in range(2):  # the second finds what each has of its own, and nothing to remove
        with place.harvester(scheduled=False) as harvester:
            numbers = [harvester.runs.queue(name) for name in ("alpha", "beta", "gamma")]

            def over() -> bool:
                harvester.step()
                runs = [harvester.runs.run(number) for number in numbers]  # noqa: B023
                return all(run and run.state is RunState.DONE for run in runs)

            until(over, 60, "three runs")
            runs = [harvester.runs.run(number) for number in numbers]
            assert [run.progress.counts.removed for run in runs if run] == [0, 0, 0]
    assert most == AT_ONCE
    for name in place.remotes:
        assert {key: len(ids) for key, ids in place.found(name).items()} == {
            f"{name}.a": 1_500,
            f"{name}.b": 700,
        }
    assert check(place.index) == []


def test_one_source_that_fails_does_not_hold_up_the_others(place: Place) -> None:
    several(place, "alpha", "beta")

    def fails(what: str) -> None:
        raise SourceError("The server is away.", "Wait.")

    place.remotes["alpha"].before = fails
    with place.harvester(scheduled=True) as harvester:
        harvester.begin()

        def over() -> bool:
            harvester.step()
            known = harvester.runs.sources()
            return all(one.last and one.last.state.over for one in known.values()) and bool(known)

        until(over, 60, "two runs")
        known = harvester.runs.sources()
        assert known["alpha"].failures == 1
        assert known["alpha"].next_run < time.time() + 120, "tried again before its schedule"
        assert known["beta"].failures == 0
        assert known["beta"].next_run > time.time() + 80_000
        assert harvester.runs.under_way() == []


def test_a_source_that_is_gone_from_the_settings_is_taken_out_of_the_index(place: Place) -> None:
    several(place, "alpha", "beta")
    place.harvest("alpha")
    place.harvest("beta")
    place.sources = [source("beta")]
    with place.harvester(scheduled=False) as harvester:
        harvester.begin()
    assert place.found("alpha"), "a command leaves that to the service"
    with place.harvester(scheduled=True) as harvester:
        harvester.begin()
        until(lambda: "alpha" not in harvester.runs.sources(), 30, "alpha's end")
    assert place.found("alpha") == {}
    assert len(place.found("beta")) == 2
    assert check(place.index) == []


def test_a_request_for_an_unknown_source_is_answered_with_those_that_exist(place: Place) -> None:
    with place.harvester(scheduled=True) as harvester:
        number = harvester.runs.ask("omega", "a test")
        harvester.step()
        request = harvester.runs.request(number)
        assert request is not None
        assert request.refusal == "There is no source 'omega'. Those in the settings: alpha."


def test_a_request_joins_the_run_that_is_under_way(place: Place) -> None:
    place.folder.mkdir()
    with Runs(place.runs_file) as runs:
        run = runs.queue("alpha")
        first = runs.ask("alpha", "ada")
        assert runs.ask("alpha", "bob") == first, "the same wish is not left twice"
        loss = runs.ask("alpha", "bob", accept_loss=True)
        for request in runs.open_requests():
            runs.take(request)
        joined, other = runs.request(first), runs.request(loss)
        assert joined is not None
        assert joined.run == run
        assert other is not None
        assert other.run != run, "that one was not told to accept losses"
        assert runs.open_requests() == []


def test_what_waited_when_the_process_died_still_waits(place: Place) -> None:
    place.folder.mkdir()
    with Runs(place.runs_file) as runs:
        number = runs.queue("alpha")
    place.sources = [source(schedule=0)]
    place.remote.collections = {"a": granules(1)}
    with place.harvester(scheduled=True) as harvester:
        harvester.begin()
        harvester.step()
        until(lambda: (run := harvester.runs.run(number)) and run.state is RunState.DONE, 30)


def test_a_source_by_hand_is_harvested_once_by_itself(place: Place) -> None:
    place.sources = [source(schedule=0)]
    place.remote.collections = {"a": granules(1)}
    with place.harvester(scheduled=True) as harvester:
        harvester.begin()

        def good() -> bool:
            harvester.step()
            return harvester.runs.source("alpha").good_run > 0

        until(good, 30, "the first run")
        harvester.step()
        assert harvester.runs.under_way() == []
        assert len(harvester.runs.runs("alpha")) == 1


def test_a_run_whose_end_could_not_be_recorded_is_not_forgotten(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.remote.collections = {"a": granules(1)}
    real, refused = Runs.finish, threading.Event()

    def full_disk(self: Runs, *arguments: Any, **named: Any) -> None:
        if not refused.is_set():
            refused.set()
            raise StateError("The disk is full.")
        real(self, *arguments, **named)

    monkeypatch.setattr(Runs, "finish", full_disk)
    with place.harvester(scheduled=True) as harvester:
        harvester.begin()

        def good() -> bool:
            harvester.step()
            return harvester.runs.source("alpha").good_run > 0

        until(good, 30, "a second run")
        states = [run.state for run in harvester.runs.runs("alpha")]
        assert states == [RunState.DONE, RunState.INTERRUPTED]


def test_retries_come_later_and_later_but_not_after_the_schedule() -> None:
    chance = random.Random(1)
    delays = [
        next_run(0, 86_400, RunState.FAILED, failures, chance=chance) for failures in range(1, 30)
    ]
    assert 45 <= delays[0] <= 75
    assert all(later > 1.1 * sooner for sooner, later in itertools.pairwise(delays[:8]))
    assert max(delays) <= 6 * 3_600 * 1.25
    assert next_run(0, 600, RunState.FAILED, 20, chance=chance) == 600
    spread = {round(next_run(0, 86_400, RunState.FAILED, 3, chance=chance)) for _ in range(50)}
    assert len(spread) > 20


def test_the_schedule_counts_from_the_end_of_a_run() -> None:
    assert next_run(100, 3_600, RunState.DONE, 0) == 3_700
    assert next_run(100, 3_600, RunState.UNCHANGED, 0) == 3_700
    assert next_run(100, 3_600, RunState.INTERRUPTED, 0) == 100
    assert next_run(100, 0, RunState.FAILED, 3) == BY_HAND
    assert next_run(100, 0, RunState.DONE, 0, ever_good=False) == BY_HAND
    assert 140 < next_run(100, 0, RunState.FAILED, 1, ever_good=False) < 180
    assert due(None, 0, 100) == due(None, 3_600, 100) == 100


def scheduled_runs(place: Place) -> None:
    """Let the service do all that is due now."""
    with place.harvester(scheduled=True) as harvester:
        harvester.begin()

        def idle() -> bool:
            harvester.step()
            return not harvester.runs.under_way() and not harvester._threads

        until(idle, 60, "the end of all runs")


@pytest.mark.parametrize("schedule", [0, 7 * 86_400])
def test_an_index_that_was_deleted_is_filled_again_at_the_next_start(
    place: Place, schedule: int
) -> None:
    place.sources = [source(schedule=schedule)]
    place.remote.collections = {"a": granules(3)}
    place.remote.memory = {"etag": "of the first run"}
    scheduled_runs(place)
    place.remote.known = {}
    scheduled_runs(place)
    assert place.remote.asked == ["a"], "it is not due again"
    for path in place.folder.glob("index.sqlite*"):
        path.unlink()
    scheduled_runs(place)
    assert place.found() == {"alpha.a": {"g0", "g1", "g2"}}
    assert place.remote.known == {}, "the memory is of the deleted index"


def test_an_index_that_is_deleted_while_harvests_go_on_is_noticed(place: Place) -> None:
    place.remote.collections = {"a": granules(3)}
    scheduled_runs(place)
    with place.harvester(scheduled=True) as harvester:
        place.index.unlink()
        with pytest.raises(StateError, match="deleted or replaced"):
            harvester.run()
    scheduled_runs(place)
    assert place.found() == {"alpha.a": {"g0", "g1", "g2"}}


def test_a_source_that_left_the_settings_leaves_the_index_even_without_run_records(
    place: Place,
) -> None:
    several(place, "alpha", "beta")
    scheduled_runs(place)
    for path in place.folder.glob("runs.sqlite*"):
        path.unlink()
    place.sources = [source("alpha")]
    scheduled_runs(place)
    assert place.found("beta") == {}
    assert place.found("alpha")


def test_a_clock_that_was_ahead_puts_no_harvest_off_for_years() -> None:
    then = 1_000.0 + 4 * 365 * 86_400
    ran = Run(1, "alpha", RunState.DONE, then, then, then, False, Progress())
    record = SourceRecord("alpha", next_run=ran.finished + 3_600, good_run=ran.finished, last=ran)
    assert due(record, 3_600, 1_000.0) == 1_000.0
    assert due(record, 0, 1_000.0) == BY_HAND
    # a small step back is none
    assert due(record, 3_600, ran.finished - 60) == ran.finished + 3_600
