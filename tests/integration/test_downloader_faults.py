"""The downloader as a program, and everything that can go wrong around it."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import stat
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from download_source import Answer, Source, changed, cut, late, raw, say, serve, slow
from downloader_kit import Asked, asked, kit, small_disk
from pelagos.datapool.model import FileState, OrderState
from postgres import Postgres
from support import leeway, until

KILLS = int(os.environ.get("PELAGOS_TEST_KILLS", "8"))


@pytest.fixture
def source() -> Iterator[Source]:
    with serve() as found:
        yield found


def test_an_order_becomes_ready_and_all_can_read_its_files(source: Source, tmp_path: Path) -> None:
    for name in ("a.nc", "b.nc"):
        source.add(f"/{name}", os.urandom(100_000))
    with kit(tmp_path, source.url("/")) as pool:
        number = pool.order("ann", asked(source, "a.nc", "b.nc"))
        row = pool.wait(number)
        pool.check(source)
        assert (row.files_ready, row.bytes_done, row.error) == (2, 200_000, "")
        assert row.expires > time.time() + 50
        place = pool.pool / "src/col/item"
        assert {path.name for path in place.iterdir()} == {"a.nc", "b.nc", "item.json"}
        assert json.loads((place / "item.json").read_text())["id"] == "item"
        assert (place.parent / "collection.json").exists()
        for path in [pool.pool, *pool.pool.rglob("*")]:
            wanted = 0o755 if path.is_dir() else 0o644
            assert stat.S_IMODE(path.stat().st_mode) == wanted, path
        kept = pool.file("a.nc")
        assert kept.checksum == "1220" + hashlib.sha256(source.files["/a.nc"].content).hexdigest()
        began = time.monotonic()
        second = pool.order("bob", asked(source, "a.nc", "b.nc"))
        pool.wait(second)
        assert time.monotonic() - began < leeway(1)
        assert len(source.requests) == 2


def test_killed_at_any_byte_it_goes_on_and_no_wrong_file_gets_a_name(
    source: Source, tmp_path: Path
) -> None:
    large = [f"large{n}.nc" for n in range(3)]
    small = [f"small{n}.nc" for n in range(40)]
    for name in large:
        source.add(f"/{name}", os.urandom(2_000_000 + random.randrange(10_000)))
        source.always[f"/{name}"] = slow(1_500_000)
    for name in small:
        source.add(f"/{name}", os.urandom(random.randrange(60_000)))
        source.always[f"/{name}"] = late(0.03)
    with kit(tmp_path, source.url("/"), start=False) as pool:
        declared = pool.order("ann", asked(source, *large[:2], *small[:20]))
        bare = pool.order("bob", asked(source, *large[2:], *small[20:], declared=False))
        for _ in range(KILLS):
            asked_before = len(source.requests)
            pool.start()
            until(
                lambda before=asked_before: (
                    len(source.requests) > before or pool.state_of(bare).over
                ),
                30,
            )
            time.sleep(random.random() * 0.7)
            pool.end(signal.SIGKILL)
            pool.check(source)
        pool.start()
        for number, count in ((declared, 22), (bare, 21)):
            assert pool.wait(number).files_ready == count
        pool.check(source)
        assert len(pool.names()) == 43
        assert any(source.ranges(f"/{large[0]}")), "it was continued, not begun anew each time"


def test_a_source_that_is_away_is_asked_again_by_itself(tmp_path: Path) -> None:
    first = Source()
    port = first.port
    first.add("/a.nc", b"a" * 50_000)
    wanted = asked(first, "a.nc")
    first.stop()
    with kit(tmp_path, f"http://127.0.0.1:{port}/") as pool:
        number = pool.order("ann", wanted)
        until(lambda: pool.file("a.nc").tries >= 1, 30)
        assert not pool.state_of(number).over
        second = Source(port=port)
        try:
            second.add("/a.nc", b"a" * 50_000)
            pool.wait(number)
            pool.check(second)
        finally:
            second.stop()


def test_a_source_that_stays_away_fails_the_order_with_a_sentence(tmp_path: Path) -> None:
    gone = Source()
    gone.add("/a.nc", b"a")
    wanted, url = asked(gone, "a.nc"), gone.url("/")
    gone.stop()
    with kit(tmp_path, url, start=False) as pool:
        pool.pace["retries"] = [0.1]
        pool.start()
        row = pool.wait(pool.order("ann", wanted), OrderState.FAILED)
        assert "1 of 1 files could not be fetched: col/item/a.nc (" in row.error
        assert row.finished


@pytest.mark.parametrize(
    "answers",
    [
        [say(503, Retry_After="1")],
        [say(429, Retry_After="7")],
        [say(500), say(502), say(500), say(500)],
        [cut(1000), cut(70_000), cut(0)],
        [raw(b"HTTP/1.1 200 OK\r\nContent-Le")],
        [cut(90_000), changed(etag='"other"')],
    ],
    ids=["503", "429-long", "5xx", "truncated", "no-answer", "etag"],
)
def test_a_source_with_faults_is_asked_until_the_file_is_whole(
    source: Source, tmp_path: Path, answers: list[Answer]
) -> None:
    source.add("/a.nc", os.urandom(200_000))
    source.first["/a.nc"] = list(answers)
    with kit(tmp_path, source.url("/")) as pool:
        number = pool.order("ann", asked(source, "a.nc", declared=False))
        pool.wait(number)
        pool.check(source)


def test_another_version_between_parts_never_mixes(source: Source, tmp_path: Path) -> None:
    source.add("/a.nc", b"1" * 300_000)
    source.first["/a.nc"] = [cut(150_000), changed(content=b"2" * 300_000)]
    with kit(tmp_path, source.url("/")) as pool:
        number = pool.order("ann", asked(source, "a.nc", declared=False))
        pool.wait(number)
        assert (pool.pool / "src/col/item/a.nc").read_bytes() == b"2" * 300_000


def test_a_wrong_checksum_fails_the_order_and_leaves_no_file(
    source: Source, tmp_path: Path
) -> None:
    source.add("/a.nc", b"a" * 50_000)
    source.add("/b.nc", b"b" * 50_000)
    wanted = asked(source, "a.nc", "b.nc")
    source.files["/a.nc"].content = b"x" * 50_000
    with kit(tmp_path, source.url("/")) as pool:
        row = pool.wait(pool.order("ann", wanted), OrderState.FAILED)
        assert "1 of 2" in row.error
        assert "is declared" in row.error
        assert list(pool.names()) == ["src/col/item/b.nc"]
        # mended at the source: one call brings the rest
        source.files["/a.nc"].content = b"a" * 50_000
        pool.again(row.number)
        pool.wait(row.number)
        assert len(source.ranges("/b.nc")) == 1


def test_thirty_people_make_one_download_and_each_sees_progress(
    source: Source, tmp_path: Path
) -> None:
    source.add("/big.nc", os.urandom(5_000_000))
    source.always["/big.nc"] = slow(2_500_000)
    with kit(tmp_path, source.url("/")) as pool:
        wanted = asked(source, "big.nc")
        numbers = [pool.order(f"user{n}", wanted) for n in range(30)]
        until(lambda: all(0 < pool.row(one).bytes_done < 5_000_000 for one in numbers), 20)
        for number in numbers:
            pool.wait(number)
        assert len(source.requests) == 1
        pool.check(source)


def test_one_file_does_not_wait_for_anothers_thousand(source: Source, tmp_path: Path) -> None:
    many = [f"f{n}.nc" for n in range(1000)]
    for name in many:
        source.add(f"/{name}", name.encode() * 100)
        source.always[f"/{name}"] = late(0.1)
    source.add("/one.nc", b"one")
    source.always["/one.nc"] = late(0.1)
    with kit(tmp_path, source.url("/"), per_host=4) as pool:
        long = pool.order("ann", asked(source, *many))
        until(lambda: len(source.requests) > 20)
        began = time.monotonic()
        short = pool.order("bob", asked(source, "one.nc"))
        pool.wait(short)
        assert time.monotonic() - began < leeway(3)
        assert pool.row(long).files_ready < 500
        pool.wait(long)
        assert len(source.requests) == 1001


def test_a_slow_host_does_not_hold_up_another(source: Source, tmp_path: Path) -> None:
    for n in range(40):
        source.add(f"/slow{n}.nc", b"s")
        source.always[f"/slow{n}.nc"] = late(3)
    with serve() as quick, kit(tmp_path, source.url("/"), start=False) as pool:
        quick.add("/quick.nc", b"q")
        pool.settings = pool.settings.model_copy(
            update={
                "catalogue": pool.settings.catalogue.model_validate(
                    {
                        "sources": [
                            {"name": "src", "kind": "stac", "url": source.url("/")},
                            {"name": "other", "kind": "stac", "url": quick.url("/")},
                        ]
                    }
                )
            }
        )
        pool.state.write(pool.deployment.facts, pool.settings)
        pool.start()
        stuck = pool.order("ann", asked(source, *(f"slow{n}.nc" for n in range(40))))
        until(lambda: len(source.requests) >= 4)
        one = asked(quick, "quick.nc")[0]
        began = time.monotonic()
        number = pool.order("ann", [replace(one, source="other")])
        pool.wait(number)
        assert time.monotonic() - began < leeway(2.5)
        pool.cancel(stuck)


def test_cancelling_ends_the_transfer_within_a_second_and_keeps_the_part(
    source: Source, tmp_path: Path
) -> None:
    source.add("/a.nc", os.urandom(3_000_000))
    source.always["/a.nc"] = slow(500_000)
    with kit(tmp_path, source.url("/")) as pool:
        number = pool.order("ann", asked(source, "a.nc"))
        until(lambda: pool.row(number).bytes_done > 300_000)
        began = time.monotonic()
        pool.cancel(number)
        until(lambda: pool.file("a.nc").state == FileState.ABSENT.value, 5)
        assert time.monotonic() - began < leeway(1.5)
        assert [path.suffix for path in pool.pool.rglob("*.part")] == [".part"]
        assert pool.row(number).state == OrderState.CANCELLED.value
        source.always.clear()
        pool.again(number)
        pool.wait(number)
        pool.check(source)
        assert source.ranges("/a.nc")[1].startswith("bytes="), "the part was continued"


def test_a_file_that_another_still_wants_goes_on_when_one_cancels(
    source: Source, tmp_path: Path
) -> None:
    source.add("/a.nc", os.urandom(1_000_000))
    source.always["/a.nc"] = slow(700_000)
    with kit(tmp_path, source.url("/")) as pool:
        first, second = (pool.order(owner, asked(source, "a.nc")) for owner in ("ann", "bob"))
        until(lambda: pool.row(second).bytes_done > 0)
        pool.cancel(first)
        pool.wait(second)
        assert len(source.requests) == 1


def test_a_source_that_is_no_longer_in_the_settings_is_said(source: Source, tmp_path: Path) -> None:
    source.add("/a.nc", b"a")
    with kit(tmp_path, source.url("/")) as pool:
        wanted = [replace(one, source="gone") for one in asked(source, "a.nc")]
        row = pool.wait(pool.order("ann", wanted), OrderState.FAILED)
        assert "gone, is no longer one of this VRE's" in row.error
        assert source.requests == []


def test_only_one_downloader_works_on_a_state_folder(source: Source, tmp_path: Path) -> None:
    source.add("/a.nc", b"a")
    with kit(tmp_path, source.url("/")) as pool:
        pool.wait(pool.order("ann", asked(source, "a.nc")))
        first, pool.process = pool.process, None
        pool.start()
        until(lambda: "Another downloader works here" in pool.log(), 20)
        assert first
        first.kill()
        first.wait()
        source.add("/b.nc", b"b")
        pool.wait(pool.order("ann", asked(source, "b.nc")))


def test_a_pool_that_is_full_lets_go_of_what_nobody_needs(source: Source, tmp_path: Path) -> None:
    for name in ("old.nc", "used.nc", "kept.nc", "new.nc"):
        source.add(f"/{name}", os.urandom(400_000))
    with kit(tmp_path, source.url("/"), quota=1_300_000) as pool:
        old, used, kept = (
            pool.order("ann", asked(source, f"{name}.nc")) for name in ("old", "used", "kept")
        )
        for number in (old, used, kept):
            pool.wait(number)
        pool.age(old, 3600)
        pool.age(used, 7200)
        os.utime(
            pool.pool / "src/col/item/used.nc",
            (time.time(), (pool.pool / "src/col/item/used.nc").stat().st_mtime),
        )
        new = pool.order("bob", asked(source, "new.nc"))
        pool.wait(new)
        assert {name.rpartition("/")[2] for name in pool.names()} == {
            "used.nc",
            "kept.nc",
            "new.nc",
        }
        assert pool.state_of(old) is OrderState.EXPIRED
        assert pool.state_of(kept) is OrderState.READY
        pool.age(kept, 3600)
        # with one call it is there again, with the same checksum and no word of a change
        pool.again(old)
        row = pool.wait(old)
        assert json.loads(row.notes) == []
        pool.check(source)


def test_a_source_that_changed_since_is_said(source: Source, tmp_path: Path) -> None:
    for name in ("a.nc", "b.nc", "c.nc"):
        source.add(f"/{name}", os.urandom(500_000))
    with kit(tmp_path, source.url("/"), quota=1_100_000) as pool:
        a = pool.order("ann", asked(source, "a.nc", declared=False))
        pool.wait(a)
        pool.age(a, 100)
        for name in ("b.nc", "c.nc"):
            number = pool.order("ann", asked(source, name))
            pool.wait(number)
            pool.age(number, 50)
        until(lambda: pool.state_of(a) is OrderState.EXPIRED)
        source.files["/a.nc"].content = os.urandom(500_000)
        pool.again(a)
        row = pool.wait(a)
        assert "changed" in json.loads(row.notes)[0]
        pool.check(source)


def test_no_room_waits_says_so_and_goes_on_when_there_is_some(
    source: Source, tmp_path: Path
) -> None:
    source.add("/a.nc", os.urandom(800_000))
    source.add("/b.nc", os.urandom(800_000))
    with kit(tmp_path, source.url("/"), quota=1_100_000) as pool:
        a = pool.order("ann", asked(source, "a.nc"))
        pool.wait(a)
        b = pool.order("bob", asked(source, "b.nc"))
        until(lambda: "The pool is full" in pool.row(b).notes, 10)
        assert not pool.state_of(b).over
        assert pool.state_of(a) is OrderState.READY, "what is kept for someone stays"
        pool.age(a, 100)
        row = pool.wait(b)
        assert json.loads(row.notes) == []
        assert pool.state_of(a) is OrderState.EXPIRED


def test_a_disk_that_is_full_waits_and_then_fails_with_a_sentence(
    source: Source, tmp_path: Path
) -> None:
    source.add("/a.nc", os.urandom(6_000_000))
    with (
        small_disk(tmp_path / "dataspaces" / "pool", 4),
        kit(tmp_path, source.url("/"), start=False) as pool,
    ):
        pool.pace["no_room"] = [0.2, 0.2]
        pool.start()
        row = pool.wait(pool.order("ann", asked(source, "a.nc", declared=False)), OrderState.FAILED)
        assert "no room in the pool" in row.error
        assert pool.names() == {}
        source.add("/b.nc", os.urandom(100_000))
        pool.wait(pool.order("ann", asked(source, "b.nc")))


def test_what_nobody_knows_is_removed_and_documents_stay(source: Source, tmp_path: Path) -> None:
    source.add("/a.nc", b"a" * 1000)
    with kit(tmp_path, source.url("/")) as pool:
        pool.wait(pool.order("ann", asked(source, "a.nc")))
        folder = pool.pool / "src/col/item"
        ages = {"stray.nc": 3600, ".pelagos-00.part": 3 * 86400, ".pelagos-01.part": 3600}
        for name, age in ages.items():
            (folder / name).write_bytes(b"x")
            os.utime(folder / name, (time.time() - age,) * 2)
        outside = tmp_path / "outside"
        outside.write_text("mine")
        (pool.pool / "link").symlink_to(tmp_path)
        until(lambda: not (folder / "stray.nc").exists(), 10)
        until(lambda: not (folder / ".pelagos-00.part").exists(), 10)
        assert {path.name for path in folder.iterdir()} == {
            "a.nc",
            "item.json",
            ".pelagos-01.part",
        }
        assert outside.read_text() == "mine"


def test_a_file_that_is_damaged_is_fetched_again(source: Source, tmp_path: Path) -> None:
    source.add("/a.nc", os.urandom(100_000))
    with kit(tmp_path, source.url("/")) as pool:
        pool.wait(pool.order("ann", asked(source, "a.nc")))
        os.truncate(pool.pool / "src/col/item/a.nc", 10)
        pool.wait(pool.order("bob", asked(source, "a.nc")))
        pool.check(source)
        (pool.pool / "src/col/item/a.nc").unlink()
        pool.wait(pool.order("cleo", asked(source, "a.nc")))
        pool.check(source)
        assert len(source.requests) == 3


def test_a_locked_database_only_delays(source: Source, tmp_path: Path) -> None:
    for n in range(20):
        source.add(f"/f{n}.nc", os.urandom(10_000))
        source.always[f"/f{n}.nc"] = late(0.2)
    with kit(tmp_path, source.url("/")) as pool:
        number = pool.order("ann", asked(source, *(f"f{n}.nc" for n in range(20))))
        until(lambda: len(source.requests) > 2)
        with pool.database.connect() as holder, holder.begin():
            time.sleep(18)  # longer than anybody waits for it
        pool.wait(number)
        pool.check(source)
        assert len(source.requests) == 20


def test_a_database_that_is_gone_for_a_while_only_delays(source: Source, tmp_path: Path) -> None:
    for n in range(20):
        source.add(f"/f{n}.nc", os.urandom(10_000))
        source.always[f"/f{n}.nc"] = late(0.2)
    with kit(tmp_path, source.url("/")) as pool:
        number = pool.order("ann", asked(source, *(f"f{n}.nc" for n in range(20))))
        until(lambda: len(source.requests) > 2)
        file = pool.state.datapool / "orders.sqlite"
        # as a disk that does not answer: what is open fails, too
        pool.end(signal.SIGKILL)
        pool.database.dispose()
        file.rename(file.with_name("away"))
        file.mkdir()
        pool.start()
        until(lambda: "does not answer" in pool.log(), 30)
        file.rmdir()
        file.with_name("away").rename(file)
        pool.wait(number)
        pool.check(source)


def test_ten_thousand_files_take_little_memory(source: Source, tmp_path: Path) -> None:
    count = int(os.environ.get("PELAGOS_TEST_FILES", "1500"))
    names = [f"f{n}.nc" for n in range(count)]
    for name in names:
        source.add(f"/{name}", name.encode() * 20)
    with kit(tmp_path, source.url("/")) as pool:
        began = time.monotonic()
        pool.wait(pool.order("ann", asked(source, *names)), seconds=300)
        print(f"{count} files in {time.monotonic() - began:.1f} s, {pool.memory() / 2**20:.0f} MiB")
        began = time.monotonic()
        pool.wait(pool.order("bob", asked(source, *names)))
        print(f"again in {time.monotonic() - began:.2f} s")
        assert pool.memory() < 150 * 2**20
        assert len(source.requests) == count


INTERNAL = [
    "http://169.254.169.254/latest/meta-data/",
    "http://127.0.0.1:{other}/",
    "http://localhost:{other}/",
    "http://2130706433:{port}/a.nc",
    "http://0x7f.1:{port}/a.nc",
    "http://127.1:{port}/a.nc",
    "http://\uff11\uff12\uff17.0.0.1:{port}/a.nc",  # fullwidth digits
    "http://[::ffff:127.0.0.1]:{other}/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[2002:7f00:1::]/",
    "http://100.64.0.1/",
    "http://10.0.0.1/",
    "http://user:secret@127.0.0.1:{port}/a.nc",
    "file:///etc/passwd",
    "ftp://127.0.0.1:{port}/a.nc",
]


def test_nothing_internal_is_contacted_or_told(source: Source, tmp_path: Path) -> None:
    with serve() as inside, kit(tmp_path, source.url("/")) as pool:
        inside.add("/", b"the secret of an internal service")
        targets = [
            one.format(other=inside.port, port=source.port).replace("{", "") for one in INTERNAL
        ]
        wanted = [Asked(f"direct{n}.nc", url) for n, url in enumerate(targets)]
        for n, url in enumerate(targets):
            if url.isascii():
                source.always[f"/redirect{n}"] = say(302, Location=url)
                wanted.append(Asked(f"redirect{n}.nc", source.url(f"/redirect{n}")))
        for one in wanted:
            row = pool.wait(pool.order("eve", [one]), OrderState.FAILED)
            assert "secret of an internal" not in row.error, one
            assert (
                "169.254.169.254" not in row.error or "169.254" in one.url or "redirect" in one.name
            )
        assert inside.requests == []
        assert pool.names() == {}
        asked_for = {path for path, _ in source.requests}
        assert asked_for <= {f"/redirect{n}" for n in range(len(targets))}


def test_with_postgresql_that_dies_for_a_while_orders_end_well(
    source: Source, tmp_path: Path
) -> None:
    server = Postgres().start()
    try:
        file = tmp_path / "database"
        file.write_text(server.database())
        for n in range(30):
            source.add(f"/f{n}.nc", os.urandom(300_000))
            source.always[f"/f{n}.nc"] = late(0.2)
        with kit(tmp_path / "state", source.url("/"), database_file=str(file)) as pool:
            first = pool.order("ann", asked(source, *(f"f{n}.nc" for n in range(25))))
            until(lambda: len(source.requests) > 4)
            server.stop("immediate")
            until(lambda: "does not answer" in pool.log(), 30)
            server.start()
            pool.database.dispose()
            pool.wait(first)
            second = pool.order("bob", asked(source, *(f"f{n}.nc" for n in range(30))))
            assert pool.wait(second).files_ready == 30
            pool.cancel(pool.order("cleo", asked(source, "f1.nc")))
            pool.check(source)
    finally:
        server.stop("immediate")
        shutil.rmtree(server.folder, ignore_errors=True)
