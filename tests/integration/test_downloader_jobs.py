"""Files that a source prepares first, through the downloader as a program."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from download_source import Source, say, serve, slow
from downloader_kit import Asked, Kit, asked, kit
from pelagos.datapool.database import transaction
from pelagos.datapool.model import FileState, OrderState
from pelagos.datapool.tables import files
from pelagos_client.access import FilePlan, Protocol
from sqlalchemy import update
from support import until

CREATE, POLL, FILE = "/api/export", "/api/jobs/77/", "/api/jobs/77/file"
ZIP = b"PK\x03\x04" + os.urandom(200_000)


@pytest.fixture
def source() -> Iterator[Source]:
    with serve() as found:
        found.always[CREATE] = tell({"job_id": 77, "errors": []})
        found.always[POLL] = tell({"id": 77, "state": "R", "progress_pct": 40})
        yield found


def tell(document: dict[str, Any]) -> Any:
    return say(200, json.dumps(document).encode(), Content_Type="application/json")


def order(pool: Kit, source: Source) -> int:
    """An order of an export; the program does not run yet."""
    request = {
        "create": {"url": source.url(CREATE), "body": {}, "job": "job_id", "errors": "errors"},
        "poll": {
            "url": source.url("/api/jobs/{job}/"), "state": "state",
            "done": ["F"], "failed": ["E"], "asks": ["A"],
        },
        "fetch": {"url": source.url("/api/jobs/{job}/file")},
    }  # fmt: skip
    number = pool.order("ann", [Asked("export.zip", source.url(CREATE))], call=False)
    plan = FilePlan(
        "export", "export.zip", source.url(CREATE), Protocol.ORDER, "application/zip",
        request=request,
    )  # fmt: skip
    with transaction(pool.database) as connection:
        connection.execute(update(files).values(plan=json.dumps(plan.to_json())))
    return number


def came(source: Source, path: str) -> int:
    return len(source.ranges(path))


def test_a_job_is_made_once_survives_a_kill_and_ends_as_a_ready_order(
    source: Source, tmp_path: Path
) -> None:
    with kit(tmp_path, source.url("/"), start=False) as pool:
        number = order(pool, source)
        pool.start()
        until(lambda: pool.state_of(number) is OrderState.WAITING, 30)
        row = pool.file("export.zip")
        assert row.state == FileState.WAITING.value
        assert json.loads(row.job)["number"] == 77
        assert "prepares it" in row.notes
        pool.end(signal.SIGKILL)
        # a gateway that errs once is no end of a job that takes days
        source.first[POLL] = [say(502)]
        source.files.clear()
        pool.start()
        until(lambda: came(source, POLL) >= 2, 30)
        until(lambda: pool.state_of(number) is OrderState.WAITING, 30)
        pool.end(signal.SIGKILL)
        source.always[POLL] = tell({"id": 77, "state": "F"})
        source.add(FILE, ZIP)
        pool.start()
        row = pool.wait(number)
        assert (row.files_ready, row.files_waiting, row.bytes_done) == (1, 0, len(ZIP))
        assert (pool.pool / "src/col/item/export.zip").read_bytes() == ZIP
        assert came(source, CREATE) == 1, "the job was kept"
        assert pool.file("export.zip").job == ""


@pytest.mark.parametrize(
    ("path", "answer", "words"),
    [
        (CREATE, say(404), "HTTP 404"),
        (CREATE, tell({"job_id": 0, "errors": ["No such project."]}), "No such project"),
        (POLL, tell({"state": "E", "errors": ["No content."]}), "could not prepare it: No content"),
        (POLL, say(404), "does not know its job any more"),
    ],
    ids=["create-404", "refused", "failed", "job-gone"],
)
def test_a_job_that_fails_ends_in_a_sentence_and_can_be_made_anew(
    source: Source, tmp_path: Path, path: str, answer: Any, words: str
) -> None:
    usual, source.always[path] = source.always[path], answer
    with kit(tmp_path, source.url("/"), start=False) as pool:
        number = order(pool, source)
        pool.start()
        row = pool.wait(number, OrderState.FAILED)
        assert words in row.error
        assert "export.zip" in row.error
        assert pool.names() == {}
        source.always[path] = usual
        pool.again(number)
        made = came(source, CREATE)
        until(lambda: came(source, CREATE) > made or came(source, CREATE) == 2, 20)
        until(lambda: pool.state_of(number) is OrderState.WAITING, 20)


def test_one_broken_file_does_not_stop_its_host_for_all(source: Source, tmp_path: Path) -> None:
    source.always["/broken.nc"] = say(503)
    source.add("/good.nc", b"good")
    with kit(tmp_path, source.url("/"), start=False) as pool:
        pool.pace |= {"retries": [600.0], "rest": 1.0}
        pool.start()
        broken = pool.order("ann", [Asked("broken.nc", source.url("/broken.nc"))])
        until(lambda: pool.file("broken.nc").tries == 1, 30)
        pool.wait(pool.order("bob", [Asked("good.nc", source.url("/good.nc"))]), seconds=20)
        assert not pool.state_of(broken).over


def test_files_of_unknown_sizes_do_not_fill_more_than_the_quota(
    source: Source, tmp_path: Path
) -> None:
    names = [f"f{n}.nc" for n in range(4)]
    for name in names:
        source.add(f"/{name}", os.urandom(800_000))
        source.always[f"/{name}"] = slow(400_000)
    with kit(tmp_path, source.url("/"), start=False, quota=1_100_000) as pool:
        pool.pace["no_room"] = [1.0]
        pool.start()
        numbers = [
            pool.order(f"user{n}", asked(source, name, declared=False))
            for n, name in enumerate(names)
        ]
        until(lambda: all(pool.state_of(one).over for one in numbers), 60)
        states = [pool.state_of(one) for one in numbers]
        assert states.count(OrderState.READY) == 1
        assert "no room" in pool.row(numbers[states.index(OrderState.FAILED)]).error
        assert len(pool.names()) == 1
