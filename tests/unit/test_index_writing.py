"""The index keeps up with its sources, and stays whole whatever happens to the writer."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pelagos.catalogue.index import (
    IndexError_,
    Reader,
    Stored,
    Writer,
    check,
    rebuild,
    schema,
)
from pelagos.catalogue.query import TOTAL_LIMIT, Criteria, Facet, Order, Page, QueryError, Slice
from pelagos.catalogue.records import (
    Box,
    CollectionRecord,
    GranuleRecord,
    Interval,
    Parameter,
    RecordError,
)

DAY = datetime(2020, 1, 1, tzinfo=UTC)
FLOATS = CollectionRecord("floats", "Floats of the sea", parameters=(Parameter("TEMP"),))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "catalogue" / "index.sqlite"


def granule(number: int, **more: object) -> GranuleRecord:
    moment = DAY + timedelta(hours=number)
    fields = {
        "title": f"profile {number}",
        "box": Box(number % 180, 0, number % 180, 0),
        "start": moment,
        "end": moment,
        **more,
    }
    return GranuleRecord(f"g{number}", **fields)  # type: ignore[arg-type]


def store(
    path: Path, records: list[GranuleRecord], collection: CollectionRecord = FLOATS
) -> Stored:
    """One whole run of a source with one collection."""
    with Writer(path) as writer:
        run = writer.run("argo", "Argo")
        run.collection(collection)
        stored = run.granules(collection.id, records)
        run.finish_collection(collection.id)
        run.finish()
    return stored


def ask(path: Path, criteria: Criteria = Criteria(), part: Slice = Slice(100)) -> Page:  # noqa: B008
    reader = Reader(path)
    try:
        return reader.granules(criteria, part)
    finally:
        reader.close()


def ids(page: Page) -> list[str]:
    return [document["id"] for document in page.documents]


def test_a_second_run_stores_only_what_has_changed(path: Path) -> None:
    assert store(path, [granule(n) for n in range(10)]) == Stored(added=10)
    assert store(path, [granule(n) for n in range(10)]) == Stored(same=10)
    changed = [
        granule(0, title="renamed"),
        granule(1, words=("deep",)),
        *map(granule, range(2, 10)),
    ]
    assert store(path, changed) == Stored(changed=2, same=8)
    assert ids(ask(path, Criteria("renamed"))) == ["g0"]
    assert ids(ask(path, Criteria("deep"))) == ["g1"]
    assert ids(ask(path, Criteria('"profile 0"'))) == []
    assert check(path) == []


def test_a_granule_whose_time_changes_moves_in_the_order(path: Path) -> None:
    store(path, [granule(n) for n in range(5)])
    later = DAY + timedelta(days=9)
    store(path, [granule(0, start=later, end=later), *map(granule, range(1, 5))])
    assert ids(ask(path)) == ["g0", "g4", "g3", "g2", "g1"]
    assert ids(ask(path, Criteria(start=later))) == ["g0"]
    assert check(path) == []


def test_what_a_source_no_longer_has_is_removed_when_the_run_ends(path: Path) -> None:
    store(path, [granule(n) for n in range(5)])
    with Writer(path) as writer:
        run = writer.run("argo", "Argo")
        run.collection(FLOATS)
        run.granules("floats", [granule(1), granule(2)])
        assert ask(path).total == 5
        assert run.finish_collection("floats") == 3
        assert ids(ask(path)) == ["g2", "g1"]
        assert run.finish() == 0
        assert writer.run("argo", "Argo").finish() == 1
    assert ask(path).total == 0
    assert check(path) == []


def test_an_unchanged_collection_keeps_its_granules(path: Path) -> None:
    store(path, [granule(n) for n in range(5)])
    with Writer(path) as writer:
        run = writer.run("argo", "Argo")
        run.keep("floats")
        assert run.finish_collection("floats") == 0
        assert run.finish() == 0
    assert ask(path).total == 5


def test_a_run_touches_no_other_source(path: Path) -> None:
    store(path, [granule(1)])
    with Writer(path) as writer:
        run = writer.run("cdi", "SeaDataNet")
        run.collection(replace(FLOATS, title="Casts"))
        run.granules("floats", [granule(7)])
        run.finish()
        assert ids(ask(path)) == ["g7", "g1"]
        assert writer.forget("cdi") == 1
        assert writer.forget("cdi") == 0
    assert ids(ask(path)) == ["g1"]
    assert check(path) == []


def test_of_two_records_with_one_id_the_first_stays_and_the_second_is_reported(path: Path) -> None:
    with Writer(path) as writer:
        run = writer.run("argo", "Argo")
        run.collection(FLOATS)
        first = run.granules("floats", [granule(1), granule(1, title="again"), granule(2)])
        second = run.granules("floats", [granule(2, title="again"), granule(3)])
    assert first == Stored(added=2, duplicates=["g1"])
    assert second == Stored(added=1, duplicates=["g2"])
    assert ask(path, Criteria("again")).total == 0


def test_what_is_no_json_is_rejected_alone(path: Path) -> None:
    records = [granule(1), granule(2, title="\ud800"), granule(3, properties={"a": object()})]
    stored = store(path, records)
    assert (stored.added, [one.which for one in stored.rejected]) == (1, ["g2", "g3"])


def test_a_collection_that_nobody_announced_is_an_error(path: Path) -> None:
    with Writer(path) as writer:
        run = writer.run("argo", "Argo")
        with pytest.raises(RecordError, match="floats"):
            run.granules("floats", [granule(1)])


def test_many_granules_of_one_moment_are_all_kept_and_found(path: Path) -> None:
    records = [granule(n, start=DAY, end=DAY) for n in range(3000)]
    store(path, records[:1000])
    store(path, records)
    neighbour = DAY - timedelta(milliseconds=1)
    store(path, [*records, granule(5000, start=neighbour, end=neighbour)])
    assert ask(path, Criteria(start=DAY, end=DAY)).total == 3000
    assert ids(ask(path, Criteria(end=neighbour))) == ["g5000"]
    assert check(path) == []


def test_the_total_is_exact_up_to_its_limit(path: Path) -> None:
    records = [granule(n) for n in range(TOTAL_LIMIT + 1)]
    store(path, records[:-1])
    assert (ask(path).total, ask(path).more) == (TOTAL_LIMIT, False)
    assert ask(path, Criteria("profile")).more is False
    store(path, records)
    for criteria in (Criteria(), Criteria("profile"), Criteria(box=Box(-180, -90, 180, 90))):
        page = ask(path, criteria)
        assert (page.total, page.more) == (TOTAL_LIMIT, True)
    reader = Reader(path)
    try:
        counts, counted, partial = reader.granule_facets(Criteria())
    finally:
        reader.close()
    assert (counted, partial, counts[Facet.PARAMETER][0].count) == (TOTAL_LIMIT, True, TOTAL_LIMIT)


def test_the_oldest_first_is_the_newest_first_turned_round(path: Path) -> None:
    records = [granule(n * n) for n in range(3000)] + [
        granule(n, start=None, end=None) for n in (2, 3)
    ]
    store(path, records)
    for criteria in (Criteria(), Criteria("profile -4"), Criteria(box=Box(0, 0, 90, 1))):
        newest = ids(ask(path, criteria, Slice(10_000)))
        for limit in (10_000, 700):
            oldest, token = [], ""
            while True:
                order = (Order("properties.datetime"),)
                page = ask(path, criteria, Slice(limit, token, order))
                oldest += ids(page)
                token = page.next
                if not token:
                    break
            assert oldest == newest[::-1]


def test_readers_go_on_while_a_run_writes(path: Path) -> None:
    store(path, [granule(1)])
    reader = Reader(path)
    try:
        with Writer(path) as writer:
            run = writer.run("argo", "Argo")
            run.collection(FLOATS)
            with writer.transaction():
                # a transaction is open: the reader neither waits nor sees it
                assert ids(reader.granules(Criteria(), Slice())) == ["g1"]
            run.granules("floats", [granule(2)])
            assert ids(reader.granules(Criteria(), Slice())) == ["g2", "g1"]
            assert reader.granules(Criteria(), Slice(order=(Order("id"),))).total == 2
    finally:
        reader.close()


def test_a_second_writer_is_told_so(path: Path) -> None:
    with Writer(path), pytest.raises(IndexError_, match="Another process writes"):
        Writer(path)
    Writer(path).close()


def test_a_missing_index_and_a_damaged_one_say_what_to_do(path: Path) -> None:
    with pytest.raises(IndexError_) as missing:
        Reader(path)
    assert "harvest" in missing.value.mend
    path.parent.mkdir()
    path.write_bytes(b"this is no database" * 1000)
    for use in (Reader, Writer):
        with pytest.raises(IndexError_, match="can't be used"):
            use(path)
    assert "can't be used" in check(path)[0]


def test_an_index_of_a_newer_version_is_left_alone(path: Path) -> None:
    store(path, [granule(1)])
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    for use in (Reader, Writer):
        with pytest.raises(IndexError_, match="newer Pelagos"):
            use(path)


def test_migrations_run_once_each_and_in_order(path: Path) -> None:
    path.parent.mkdir()

    def second(connection: sqlite3.Connection) -> None:
        connection.execute("ALTER TABLE source ADD COLUMN colour TEXT")

    connection = sqlite3.connect(path, isolation_level=None)
    try:
        schema.migrate(connection, path)
        connection.execute("INSERT INTO source (name, title) VALUES ('argo', 'Argo')")
        schema.migrate(connection, path, (*schema.MIGRATIONS, second))
        schema.migrate(connection, path, (*schema.MIGRATIONS, second))
        assert schema.version_of(connection) == 2
        assert connection.execute("SELECT name, colour FROM source").fetchall() == [("argo", None)]

        def broken(connection: sqlite3.Connection) -> None:
            connection.execute("DROP TABLE source")
            raise RuntimeError("half-way")

        with pytest.raises(RuntimeError):
            schema.migrate(connection, path, (*schema.MIGRATIONS, second, broken))
        assert schema.version_of(connection) == 2
        assert connection.execute("SELECT count(*) FROM source").fetchone() == (1,)
    finally:
        connection.close()


def test_a_check_finds_what_is_missing_and_a_rebuild_mends_words(path: Path) -> None:
    store(path, [granule(n) for n in range(100)])
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO granule_text (granule_text) VALUES ('delete-all')")
    connection.commit()
    connection.close()
    assert any("granule_text 0" in problem for problem in check(path))
    assert ask(path, Criteria("profile")).total == 0
    assert rebuild(path) == 100
    assert check(path) == []
    assert ask(path, Criteria("profile")).total == 100
    connection = sqlite3.connect(path)
    connection.execute("DELETE FROM granule WHERE rid = (SELECT max(rid) FROM granule)")
    connection.commit()
    connection.close()
    assert any("1 places without a document" in problem for problem in check(path))


def test_collections_are_found_ranked_sorted_and_paged(path: Path) -> None:
    records = [
        CollectionRecord("a", "Zooplankton", "with some temperature", licence="CC-BY-4.0"),
        CollectionRecord("b", "Sea temperature", boxes=(Box(170, 0, -170, 10),)),
        CollectionRecord(
            "c", "Argo", keywords=("temperature",), interval=Interval(DAY, None), updated=DAY
        ),
    ]
    with Writer(path) as writer:
        run = writer.run("s", "Source")
        for record in records:
            run.collection(record)
        run.finish()
    reader = Reader(path)
    try:

        def found(criteria: Criteria, *order: Order) -> list[str]:
            pages, token = [], ""
            while True:
                page = reader.collections(criteria, Slice(2, token, order))
                pages += ids(page)
                token = page.next
                if not token:
                    return pages

        assert found(Criteria()) == ["s.c", "s.b", "s.a"]
        assert found(Criteria("temperature")) == ["s.b", "s.c", "s.a"]
        assert found(Criteria("temperature -sea")) == ["s.c", "s.a"]
        assert found(Criteria("zoo", prefix=True)) == ["s.a"]
        assert found(Criteria("zoo")) == []
        assert found(Criteria(), Order("id", True)) == ["s.c", "s.b", "s.a"]
        assert found(Criteria(), Order("updated", True), Order("id")) == ["s.c", "s.a", "s.b"]
        assert found(Criteria(box=Box(-175, 5, -174, 6))) == ["s.b"]
        assert found(Criteria(box=Box(0, 5, 1, 6))) == []
        assert found(Criteria(start=DAY + timedelta(days=9000))) == ["s.c"]
        assert found(Criteria(end=DAY - timedelta(days=1))) == []
        assert found(Criteria(scope=frozenset(["s.a"]))) == ["s.a"]
        assert found(Criteria(facets={Facet.LICENCE: ("CC-BY-4.0",)})) == ["s.a"]
        point = {"type": "Point", "coordinates": [-175, 5]}
        assert found(Criteria(geometry=point)) == ["s.b"]
        assert reader.collection("s.a", frozenset()) is None
        assert (reader.collection("s.a", None) or {})["title"] == "Zooplankton"
        counts = reader.collection_facets(Criteria())
        assert {one.value: one.count for one in counts[Facet.LICENCE]} == {
            "CC-BY-4.0": 1,
            "other": 2,
        }
        page = reader.collections(Criteria(), Slice(2))
        after = reader.collections(Criteria(), Slice(2, page.next))
        assert ids(reader.collections(Criteria(), Slice(2, after.previous))) == ids(page)
    finally:
        reader.close()


@pytest.mark.parametrize(
    ("criteria", "part", "message"),
    [
        (Criteria(), Slice(0), "limit"),
        (Criteria(), Slice(token="nonsense"), "token"),
        (Criteria(), Slice(token="é" * 10), "token"),
        (Criteria(), Slice(token="WyJnOi1kYXRldGltZSIsZmFsc2UsdHJ1ZV0"), "token"),
        (Criteria(), Slice(order=(Order("colour"),)), "collection, datetime, id"),
        (Criteria(), Slice(order=(Order("id"), Order("datetime"))), "one field"),
        (Criteria(text="word " * 500), Slice(), "q"),
        (Criteria(text="w " * 70), Slice(), "words"),
        (Criteria(text="\ud800"), Slice(), "q"),
        (Criteria(start=DAY, end=DAY - timedelta(1)), Slice(), "datetime"),
        (Criteria(geometry={"type": "Point", "coordinates": ["a", 1]}), Slice(), "intersects"),
        (Criteria(geometry={"type": "Point", "coordinates": [500, 1]}), Slice(), "intersects"),
        (Criteria(geometry={"type": "Polygon", "coordinates": []}), Slice(), "intersects"),
        (
            Criteria(geometry={"type": "Polygon", "coordinates": [[[1, 1], [2, 2]]]}),
            Slice(),
            "inter",
        ),
    ],
)
def test_what_cannot_be_asked_says_why(
    path: Path, criteria: Criteria, part: Slice, message: str
) -> None:
    store(path, [granule(1)])
    with pytest.raises(QueryError, match=message):
        ask(path, criteria, part)


_CHILD = """
import sys
from test_index_writing import generation
from pathlib import Path
generation(Path(sys.argv[1]), int(sys.argv[2]))
"""
_COUNT = 1500


def records_of(number: int) -> Iterator[list[GranuleRecord]]:
    """A source whose granules change from run to run: some stay, some change, some come and go."""
    chosen = random.Random(number)
    kept = [n for n in range(_COUNT) if chosen.random() < 0.8]
    changed = {n: f"edition {number}" for n in kept if chosen.random() < 0.3}
    records = [granule(n, words=(changed.get(n, "first"),)) for n in kept]
    for begin in range(0, len(records), 100):
        yield records[begin : begin + 100]


def generation(path: Path, number: int) -> None:
    with Writer(path) as writer:
        run = writer.run("argo", "Argo")
        run.collection(replace(FLOATS, description=f"run {number}"))
        for records in records_of(number):
            run.granules("floats", records)
            print("batch", flush=True)
        run.finish_collection("floats")
        run.finish()


def test_a_writer_that_is_killed_leaves_a_whole_index(path: Path) -> None:
    generation(path, 0)
    chosen = random.Random(4)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sys.path))}
    for number in range(1, 9):
        child = subprocess.Popen(
            [sys.executable, "-c", _CHILD, str(path), str(number)],
            stdout=subprocess.PIPE,
            env=environment,
        )
        assert child.stdout is not None
        with child, child.stdout as output:
            for _ in range(chosen.randrange(1, 16)):
                output.readline()
            deadline = time.monotonic() + chosen.random() * 0.01
            while time.monotonic() < deadline:
                pass
            child.send_signal(signal.SIGKILL)
            child.wait()
        assert check(path) == []
    generation(path, 99)
    assert check(path) == []
    wanted = [record for batch in records_of(99) for record in batch]
    assert sorted(ids(ask(path, part=Slice(10_000)))) == sorted(record.id for record in wanted)
    for words in ("edition", "first", "99"):
        expected = sum(words in record.words[0] for record in wanted)
        assert ask(path, Criteria(f"profile {words} -nothing")).total >= expected > 0
    edition = [record.id for record in wanted if record.words == ("edition 99",)]
    assert sorted(ids(ask(path, Criteria('"edition 99"'), Slice(10_000)))) == sorted(edition)


def test_one_of_a_collections_platforms_does_not_find_granules_of_the_others(path: Path) -> None:
    several = replace(FLOATS, platforms=("13857", "13858"), instruments=("APEX", "ARVOR"))
    store(path, [granule(1, platform="13857"), granule(2, platform="13858"), granule(3)], several)
    reader = Reader(path)
    try:
        found = reader.granules(Criteria(text="13857"), Slice(limit=9)).documents
        assert [one["id"] for one in found] == ["g1"]
        assert reader.granules(Criteria(text="arvor"), Slice(limit=9)).total == 0
        assert reader.collections(Criteria(text="13857 arvor"), Slice(limit=9)).total == 1
        store(path, [granule(1)], replace(FLOATS, platforms=("RV Example",)))
        assert reader.granules(Criteria(text="rv example"), Slice(limit=9)).total == 1
    finally:
        reader.close()


def test_a_facet_has_the_codes_of_the_quantity_and_not_of_the_first_record(path: Path) -> None:
    surface = Parameter("Temperature", standard_name="surface_temperature", p02="TEMP")
    odd = Parameter("Odd", standard_name="odd_thing")
    store(path, [], replace(FLOATS, parameters=(surface, odd), licence="other"))
    reader = Reader(path)
    try:
        counts = reader.collection_facets(Criteria())
    finally:
        reader.close()
    terms = {one.value: one.terms for one in counts[Facet.PARAMETER]}
    assert terms["temperature"]["standard_name"] == "sea_water_temperature"
    assert terms["odd thing"] == {"standard_name": "odd_thing"}
    assert [one.title for one in counts[Facet.LICENCE]] == ["Other, see the data set"]


def test_a_source_that_is_renamed_has_its_new_title_in_the_facet(path: Path) -> None:
    for title in ("Argo", "Argo of the Atlantic"):
        with Writer(path) as writer:
            run = writer.run("argo", title)
            run.collection(FLOATS)
            run.finish_collection(FLOATS.id)
            run.finish()
    reader = Reader(path)
    try:
        [found] = reader.collection_facets(Criteria())[Facet.INFRASTRUCTURE]
    finally:
        reader.close()
    assert found.title == "Argo of the Atlantic"


def test_granules_are_read_by_their_identifiers(path: Path) -> None:
    store(path, [granule(n) for n in range(2500)])
    reader = Reader(path)
    wanted = [f"g{n}" for n in range(2500, -1, -1)]
    found = reader.granules_by_id("argo.floats", wanted, None)
    assert set(found) == {f"g{n}" for n in range(2500)}
    one = reader.granule("argo.floats", "g7", None)
    assert one is not None
    assert found["g7"] == one
    assert reader.granules_by_id("argo.floats", wanted, frozenset({"argo.others"})) == {}
    assert set(reader.granules_by_id("argo.floats", ["g1", "g1"], frozenset({"argo.floats"}))) == {
        "g1"
    }
    assert reader.granules_by_id("argo.none", ["g1"], None) == {}
    assert reader.granules_by_id("argo.floats", [], None) == {}
    with pytest.raises(QueryError, match="ids: not a Unicode text"):
        reader.granules_by_id("argo.floats", ["\ud800"], None)
    reader.close()
