"""One run of one source: what comes into the index, what goes, and what is said about it."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from harvesting import Place, granule, granules, source
from pelagos.catalogue.harvest.loss import is_suspicious
from pelagos.catalogue.harvest.records import RunState
from pelagos.catalogue.harvest.runs import KEPT_REJECTIONS, KEPT_RUNS, Runs
from pelagos.catalogue.harvest.tally import kind_of
from pelagos.catalogue.index import check
from pelagos.catalogue.records import CollectionRecord, Rejected, Unchanged
from pelagos.errors import SourceError
from support import until


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "catalogue")


def test_what_a_source_has_is_stored_and_counted(place: Place) -> None:
    place.remote.collections = {"a": granules(1_200), "b": granules(3), "empty": []}
    run = place.harvest()
    counts = run.progress.counts
    assert run.state is RunState.DONE
    assert (counts.collections, counts.found, counts.added) == (3, 1_203, 1_203)
    assert {name: len(ids) for name, ids in place.found().items()} == {
        "alpha.a": 1_200,
        "alpha.b": 3,
        "alpha.empty": 0,
    }
    assert run.progress.seconds.keys() == {"reading", "storing", "removing"}
    again = place.harvest().progress.counts
    assert (again.added, again.changed, again.same, again.removed) == (0, 0, 1_203, 0)
    assert check(place.index) == []


def test_what_is_gone_from_the_source_goes(place: Place) -> None:
    place.remote.collections = {"a": granules(10), "b": granules(5), "c": granules(5)}
    place.harvest()
    changed = granule("g3", "Another title")
    place.remote.collections = {"a": [*granules(3), changed], "c": granules(5)}
    counts = place.harvest().progress.counts
    assert (counts.found, counts.same, counts.changed) == (9, 8, 1)
    assert (counts.removed, counts.removed_collections) == (11, 1)
    assert place.found() == {
        "alpha.a": {"g0", "g1", "g2", "g3"},
        "alpha.c": {f"g{number}" for number in range(5)},
    }


@pytest.mark.parametrize(
    "error", [SourceError("The server is away.", "Wait."), KeyError("features")]
)
def test_a_source_that_fails_midway_keeps_what_it_had(place: Place, error: Exception) -> None:
    place.remote.collections = {"a": granules(900), "b": granules(900)}
    place.remote.memory = {"etag": "1"}
    place.harvest()
    before = place.found()
    place.remote.collections = {"a": granules(900), "b": granules(600, first=300)}
    place.remote.memory = {"etag": "2"}

    def fails(what: str) -> None:
        if what == "b/g850":
            raise error

    place.remote.before = fails
    run = place.harvest()
    assert run.state is RunState.FAILED
    assert ("away" in run.error) == isinstance(error, SourceError)
    assert run.mend
    assert place.found() == before
    with Runs(place.runs_file) as runs:
        record = runs.source("alpha")
        assert record.failures == 1
        assert record.good_run < run.finished
        assert record.granules == 1_800
    place.remote.before = lambda what: None
    place.harvest()
    assert place.remote.known == {"etag": "1"}, "what a failed run learned is not remembered"
    assert len(place.found()["alpha.b"]) == 600


def test_bad_records_are_skipped_with_their_reasons(place: Place) -> None:
    place.remote.others = [Rejected("x1", "title: empty or longer than 1000 characters")]
    place.remote.collections = {
        "a": [
            *granules(2),
            Rejected("p9", "box: latitude outside -90..90 or upside down: 91.0, 92.0"),
            Rejected("p10", "box: latitude outside -90..90 or upside down: -95.5, 3.0"),
            granule("g1", "The second of this name"),
            *granules(600, first=2),
            granule("g0", "Once more, much later"),
        ]
    }
    run = place.harvest()
    counts = run.progress.counts
    assert run.state is RunState.DONE
    assert counts.found == counts.added == 602
    assert counts.rejected == 5
    assert sorted(run.progress.reasons.values()) == [1, 2, 2]
    with Runs(place.runs_file) as runs:
        told = {one.which: one.reason for one in runs.rejections(run.id)}
    assert told["x1"].startswith("title:")
    assert "91.0" in told["a: p9"]
    assert "twice" in told["a: g0"]
    assert place.found()["alpha.a"] == {f"g{number}" for number in range(602)}


def test_a_source_of_which_nothing_can_be_kept_has_failed(place: Place) -> None:
    place.remote.others = [Rejected("a", "no XML"), Rejected("b", "no XML"), Rejected("c", "odd")]
    place.remote.memory = {"etag": "1"}
    run = place.harvest()
    assert run.state is RunState.FAILED
    assert run.error == "None of its 3 records can be kept; most often: no XML."
    place.harvest()
    assert place.remote.known == {}, "it is asked for everything again"


def test_rejections_beyond_any_number_are_counted_and_the_first_are_kept(place: Place) -> None:
    bad = [Rejected(f"r{number}", f"date: {'x' * (number % 90)}y") for number in range(3_000)]
    place.remote.collections = {"a": [*granules(1), *bad]}
    run = place.harvest()
    assert run.progress.counts.rejected == 3_000
    assert sum(run.progress.reasons.values()) == 3_000
    assert len(run.progress.reasons) <= 51
    with Runs(place.runs_file) as runs:
        kept = runs.rejections(run.id)
    assert [one.which for one in kept] == [f"a: r{number}" for number in range(KEPT_REJECTIONS)]


def test_a_record_that_the_index_can_not_take_is_the_only_one_left_out(place: Place) -> None:
    odd = granule("odd")
    odd.properties["number"] = {1, 2}  # no JSON has sets
    place.remote.collections = {"a": [*granules(20), odd, *granules(20, first=20)]}
    run = place.harvest()
    assert run.state is RunState.DONE
    assert run.progress.counts.rejected == 1
    assert len(place.found()["alpha.a"]) == 40


def test_a_source_that_has_not_changed_keeps_all(place: Place) -> None:
    place.remote.collections = {"a": granules(30)}
    place.remote.memory = {"etag": "abc"}
    place.harvest()
    place.remote.collections = {}
    place.remote.others = [Unchanged()]
    run = place.harvest()
    assert run.state is RunState.UNCHANGED
    assert place.remote.known == {"etag": "abc"}
    assert run.progress.counts.found == run.progress.counts.same == 30
    assert len(place.found()["alpha.a"]) == 30


def test_a_collection_that_has_not_changed_keeps_its_granules(place: Place) -> None:
    place.remote.collections = {"a": granules(30), "b": granules(5), "c": granules(5)}
    place.harvest()
    place.remote.others = [Unchanged("c")]
    place.remote.collections = {"a": [Unchanged()], "b": granules(4)}
    run = place.harvest()
    assert run.state is RunState.DONE
    counts = run.progress.counts
    assert (counts.collections, counts.found, counts.removed) == (3, 39, 1)
    assert {name: len(ids) for name, ids in place.found().items()} == {
        "alpha.a": 30,
        "alpha.b": 4,
        "alpha.c": 5,
    }


def test_a_source_that_contradicts_itself_loses_nothing(place: Place) -> None:
    place.remote.collections = {"a": granules(30)}
    place.harvest()
    place.remote.collections = {"a": [*granules(3), Unchanged()]}
    assert place.harvest().state is RunState.FAILED
    assert len(place.found()["alpha.a"]) == 30


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"a": 40}, {"a": 3}),
        ({"a": 40}, {"a": 0}),
        ({"a": 3}, {}),
        ({"a": 5, "b": 5}, {}),
        ({str(n): 0 for n in range(30)}, {"1": 0, "2": 0}),
    ],
)
def test_a_sudden_loss_is_doubted_until_somebody_confirms_it(
    place: Place, before: dict[str, int], after: dict[str, int]
) -> None:
    place.remote.collections = {name: granules(count) for name, count in before.items()}
    place.remote.memory = {"etag": "full"}
    place.harvest()
    kept = place.found()
    place.remote.collections = {name: granules(count) for name, count in after.items()}
    place.remote.memory = {"etag": "empty"}
    for _ in range(2):
        run = place.harvest()
        assert run.state is RunState.FAILED
        assert "nothing was removed" in run.error
        assert "./pelagos harvest alpha --accept-loss" in run.mend
        assert place.found() == kept
        assert place.remote.known == {"etag": "full"}
    run = place.harvest(accept_loss=True)
    assert run.state is RunState.DONE
    assert {name: len(ids) for name, ids in place.found().items()} == {
        f"alpha.{name}": count for name, count in after.items()
    }


def test_one_collection_may_empty_where_most_of_the_source_stays(place: Place) -> None:
    place.remote.collections = {"a": granules(40), "b": granules(200)}
    place.harvest()
    place.remote.collections = {"a": [], "b": granules(199)}
    run = place.harvest()
    assert run.state is RunState.DONE
    assert run.progress.counts.removed == 41
    assert place.found()["alpha.a"] == set()
    assert check(place.index) == []


@pytest.mark.parametrize(
    ("before", "now", "doubted"),
    [(0, 0, False), (1, 0, True), (1, 1, False), (10, 1, False), (11, 1, True), (9, 0, True)],
)
def test_less_than_a_tenth_is_a_loss(before: int, now: int, doubted: bool) -> None:
    assert is_suspicious(before, now) is doubted


def test_granules_go_where_the_settings_say_that_only_collections_are_kept(place: Place) -> None:
    place.remote.collections = {"a": granules(40)}
    place.harvest()
    place.remote.searchable = False
    assert place.harvest().state is RunState.DONE
    assert place.found() == {"alpha.a": set()}


def test_no_more_is_kept_than_the_settings_allow(place: Place) -> None:
    place.remote.collections = {"a": granules(700), "b": granules(700), "c": granules(700)}
    place.sources = [source(record_limit=1_000)]
    run = place.harvest()
    assert run.state is RunState.DONE
    assert "1,000" in run.notice
    assert sum(len(ids) for ids in place.found().values()) == 998, "and two collections"
    place.sources = [source(record_limit=900)]
    assert place.harvest().progress.counts.found == 898
    assert sum(len(ids) for ids in place.found().values()) == 898


def test_what_was_remembered_with_other_settings_is_forgotten(place: Place) -> None:
    place.remote.collections = {"a": granules(5)}
    place.remote.memory = {"etag": "abc"}
    place.harvest()
    place.sources = [source(title="Alpha", schedule=60)]
    place.harvest()
    assert place.remote.known == {"etag": "abc"}
    place.sources = [source(licence="CC-BY-4.0")]
    place.harvest()
    assert place.remote.known == {}


def test_what_is_remembered_of_an_index_that_is_gone_is_forgotten(place: Place) -> None:
    place.remote.collections = {"a": granules(5), "b": granules(5)}
    place.remote.memory = {"etag": "abc"}
    place.harvest()
    for path in place.folder.glob("index.sqlite*"):
        path.unlink()
    place.harvest()
    assert place.remote.known == {}
    assert len(place.found()["alpha.a"]) == 5


def test_what_is_unchanged_and_unknown_is_asked_for_anew_and_spoils_nothing(place: Place) -> None:
    place.remote.collections = {"a": granules(5)}
    place.remote.memory = {"since": "yesterday"}
    place.harvest()
    place.remote.others = [Unchanged("never-stored")]
    place.remote.collections = {"a": granules(5), "new": [Unchanged()]}
    run = place.harvest()
    assert run.state is RunState.DONE
    assert run.progress.counts.rejected == 2
    assert place.found() == {"alpha.a": {f"g{n}" for n in range(5)}, "alpha.new": set()}
    place.harvest()
    assert place.remote.known == {}, "the next run reads everything"


def test_an_interrupted_run_is_taken_up_where_it_was(place: Place) -> None:
    place.remote.collections = {"a": granules(10), "b": granules(10), "c": granules(10)}
    stop = threading.Event()
    reached, go_on = threading.Event(), threading.Event()

    def waits(what: str) -> None:
        if what == "c/g5":
            reached.set()
            assert go_on.wait(30)

    place.remote.before = waits
    with place.harvester(stop=stop) as harvester:
        number = harvester.runs.queue("alpha")
        harvester.step()
        assert reached.wait(30)
        stop.set()
        go_on.set()
        run: Any = until(
            lambda: (found := harvester.runs.run(number)) and found.state.over and found, 30
        )
    assert run.state is RunState.INTERRUPTED
    assert place.remote.asked == ["a", "b", "c"]
    place.remote.before = lambda what: None
    place.remote.asked.clear()
    run = place.harvest()
    assert run.state is RunState.DONE
    assert place.remote.asked == ["c"], "what was finished a moment ago is not read again"
    assert run.progress.counts.found == 30
    place.remote.asked.clear()
    place.harvest()
    assert place.remote.asked == ["a", "b", "c"], "after a good run everything is"


def test_changed_and_new_granules_of_one_moment_are_stored_together(place: Place) -> None:
    place.remote.collections = {"a": granules(100)}
    place.harvest()
    changed = [granule(f"g{number}", "Another title") for number in range(0, 100, 2)]
    place.remote.collections = {"a": [*granules(100, first=200), *changed]}
    run = place.harvest()
    assert run.error == ""
    counts = run.progress.counts
    assert (counts.added, counts.changed, counts.removed) == (100, 50, 50)
    assert check(place.index) == []


def test_old_runs_are_forgotten_with_what_they_rejected(place: Place) -> None:
    place.remote.collections = {"a": [*granules(1), Rejected("x", "bad")]}
    for _ in range(KEPT_RUNS + 3):
        place.harvest()
    with Runs(place.runs_file) as runs:
        kept = runs.runs("alpha")
        assert len(kept) == KEPT_RUNS
        assert runs.rejections(kept[-1].id)
        assert runs.rejections(kept[-1].id - 1) == []


def test_memory_that_is_no_json_fails_the_run_and_not_the_harvester(place: Place) -> None:
    place.remote.collections = {"a": granules(1)}
    place.remote.memory = {"odd": object()}
    run = place.harvest()
    assert run.state is RunState.FAILED
    assert "JSON" in run.error


def test_two_collections_of_one_identifier_are_told(place: Place) -> None:
    place.remote.others = [CollectionRecord("a", "The first")]
    place.remote.collections = {"a": granules(2)}
    run = place.harvest()
    assert (run.progress.counts.collections, run.progress.counts.rejected) == (1, 1)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("box: longitude outside -180..180: 181.5, 3.0", "box: longitude outside …: …, …"),
        ("id: 'a\\tb' is empty, too long or not text", "id: … is empty, too long or not text"),
        ("title: empty", "title: empty"),
    ],
)
def test_alike_reasons_count_together(reason: str, kind: str) -> None:
    assert kind_of(reason) == kind


def test_progress_is_seen_while_a_run_goes_on(place: Place) -> None:
    place.remote.collections = {"a": granules(600), "b": granules(600)}
    reached, go_on = threading.Event(), threading.Event()

    def waits(what: str) -> None:
        if what == "b/g599":
            reached.set()
            assert go_on.wait(30)

    place.remote.before = waits
    with place.harvester() as harvester:
        number = harvester.runs.queue("alpha")
        harvester.step()
        assert reached.wait(30)
        with Runs(place.runs_file, write=False) as reader:
            run = reader.run(number)
            assert run is not None
            assert run.state is RunState.RUNNING
            assert run.progress.counts.found >= 500
        go_on.set()
        until(lambda: (one := harvester.runs.run(number)) and one.state.over, 30)


def test_a_newer_file_of_run_records_is_not_touched(place: Place, tmp_path: Path) -> None:
    import sqlite3
    from contextlib import closing

    from pelagos.errors import StateError

    path = tmp_path / "runs.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")
    for write in (True, False):
        with pytest.raises(StateError, match="newer Pelagos"):
            Runs(path, write=write)
    path.write_text("this is no database, " * 100)
    with pytest.raises(StateError, match="can't be used"):
        Runs(path)
    assert json.dumps(path.read_text())
    (tmp_path / "link").symlink_to(path)
    for write in (True, False):
        with pytest.raises(StateError):
            Runs(tmp_path / "link", write=write)
