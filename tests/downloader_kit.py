"""A downloader for tests: a state folder, a source on the loopback, orders, and the program."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from download_source import Source, multihash
from pelagos.datapool import queue
from pelagos.datapool.database import (
    database_url,
    migrate,
    next_change,
    open_database,
    reading,
    transaction,
)
from pelagos.datapool.model import FileState, OrderState, Target
from pelagos.datapool.tables import files, order_files, order_items, orders, records
from pelagos.datapool.waking import wake
from pelagos.deployment import STATE_VARIABLE, Deployment, State
from pelagos.images import load_graph
from pelagos.layout import Area, AreaKind
from pelagos.ops.supervise import environment
from pelagos.services.own_folder import prepare_folder
from pelagos.settings import BackendKind, Settings
from pelagos_client.access import FilePlan
from pelagos_client.download.parts import PREFIX
from sqlalchemy import select, update
from support import ROOT, facts_of

QUICK = {"retries": [0.3] * 12, "no_room": [0.3] * 100, "upkeep": 0.5}


@dataclass(frozen=True)
class Asked:
    """A file of an order."""

    name: str
    url: str
    size: int | None = None
    checksum: str = ""
    source: str = "src"


def asked(source: Source, *names: str, declared: bool = True) -> list[Asked]:
    """Files that the source has, with size and checksum if `declared`."""
    found = []
    for name in names:
        content = source.files[f"/{name}"].content
        size, checksum = (len(content), multihash(content)) if declared else (None, "")
        found.append(Asked(name, source.url(f"/{name}"), size, checksum))
    return found


class Kit:
    """`source_url`: of the STAC source `src`, the only one. `datapool`: settings."""

    def __init__(self, folder: Path, source_url: str, **datapool: Any) -> None:
        self.state = State(folder)
        self.state.prepare()
        self.settings = Settings.model_validate(
            {
                "catalogue": {"sources": [{"name": "src", "kind": "stac", "url": source_url}]},
                "datapool": {"keep": 60, **datapool},
            }
        )
        facts = facts_of(self.state, BackendKind.DOCKER)
        self.state.write(facts, self.settings)
        self.deployment = Deployment(self.state, facts, self.settings, load_graph(ROOT))
        prepare_folder(self.state.datapool, as_account=False)
        self.pool = self.deployment.layout.area(Area(AreaKind.POOL))
        self.database = open_database(database_url(self.settings.datapool, self.state.datapool))
        migrate(self.database)
        self.process: subprocess.Popen[bytes] | None = None
        self.pace: dict[str, Any] = dict(QUICK)

    # the program

    def start(self) -> None:
        with (self.state.logs / "downloader.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "tests" / "downloader_child.py")],
                env={
                    **environment(),
                    STATE_VARIABLE: str(self.state.folder),
                    "TEST_PACE": json.dumps(self.pace),
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def end(self, number: int = signal.SIGTERM) -> None:
        if self.process:
            self.process.send_signal(number)
            self.process.wait(30)
            self.process = None

    def log(self) -> str:
        return (self.state.logs / "downloader.log").read_text(errors="replace")[-4000:]

    def memory(self) -> int:
        """Most bytes of memory that the program had."""
        assert self.process
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024

    def close(self) -> None:
        if self.process and psutil.pid_exists(self.process.pid):
            self.end(signal.SIGKILL)
        self.database.dispose()

    # orders, as the service makes them

    def order(
        self,
        owner: str,
        wanted: Sequence[Asked],
        *,
        collection: str = "col",
        target: Target = Target.DATASPACE,
        call: bool = True,
    ) -> int:
        now = time.time()
        with transaction(self.database) as connection:
            sequence = next_change(connection)
            text = json.dumps({"type": "Feature", "id": "item", "collection": collection})
            digest = hashlib.sha256(text.encode()).hexdigest()
            if not connection.execute(select(records.c.digest)).first():
                connection.execute(records.insert().values(digest=digest, document=text))
            digest = connection.execute(select(records.c.digest)).scalar_one()
            number = connection.execute(
                orders.insert()
                .values(
                    owner=owner,
                    target=target.value,
                    state=OrderState.QUEUED.value,
                    criteria="{}",
                    query="{}",
                    created=now,
                    changed=sequence,
                    files=len(wanted),
                )
                .returning(orders.c.number)
            ).scalar_one()
            connection.execute(
                order_items.insert().values(
                    order=number,
                    position=0,
                    collection=collection,
                    item="item",
                    item_record=digest,
                    collection_record=digest,
                )
            )
            for position, one in enumerate(wanted):
                connection.execute(
                    order_files.insert().values(
                        order=number,
                        position=position,
                        file=self._file(connection, one, collection, digest),
                        path=f"{collection}/item/{one.name}",
                    )
                )
        if call:
            wake(self.state.datapool)
        return int(number)

    def _file(self, connection: Any, one: Asked, collection: str, digest: str) -> int:
        place = f"{one.source}/{collection}/item/{one.name}"
        row = connection.execute(select(files).where(files.c.place == place)).first()
        if row is not None:
            if row.state in (FileState.ABSENT.value, FileState.FAILED.value):
                connection.execute(
                    update(files)
                    .where(files.c.id == row.id)
                    .values(state=FileState.QUEUED.value, not_before=0, tries=0, error="")
                )
            return int(row.id)
        plan = FilePlan(one.name, one.name, one.url, size=one.size, checksum=one.checksum)
        return int(
            connection.execute(
                files.insert()
                .values(
                    identity=hashlib.sha256(place.encode()).hexdigest(),
                    place=place,
                    source=one.source,
                    collection=collection,
                    item="item",
                    plan=json.dumps(plan.to_json()),
                    item_record=digest,
                    state=FileState.QUEUED.value,
                    declared=one.size,
                )
                .returning(files.c.id)
            ).scalar_one()
        )

    def again(self, number: int) -> None:
        """As `retry`."""
        with transaction(self.database) as connection:
            sequence = next_change(connection)
            mine = select(order_files.c.file).where(order_files.c.order == number)
            gone = (FileState.ABSENT.value, FileState.FAILED.value)
            connection.execute(
                update(files)
                .where(files.c.id.in_(mine), files.c.state.in_(gone))
                .values(state=FileState.QUEUED.value, not_before=0, tries=0, error="")
            )
            queue.change(
                connection,
                number,
                sequence,
                state=OrderState.QUEUED.value,
                attempt=orders.c.attempt + 1,
                error="",
            )
        wake(self.state.datapool)

    def cancel(self, number: int) -> None:
        with transaction(self.database) as connection:
            sequence = next_change(connection)
            queue.change(connection, number, sequence, state=OrderState.CANCELLED.value)
        wake(self.state.datapool)

    def age(self, number: int, seconds: float) -> None:
        """The order is no longer kept, and was last used so long ago."""
        with transaction(self.database) as connection:
            sequence = next_change(connection)
            queue.change(connection, number, sequence, expires=time.time() - 1)
            mine = select(order_files.c.file).where(order_files.c.order == number)
            connection.execute(
                update(files).where(files.c.id.in_(mine)).values(used=time.time() - seconds)
            )
            places = connection.execute(select(files.c.place).where(files.c.id.in_(mine)))
            for place in places.scalars():
                path = self.pool / place
                os.utime(path, (time.time() - seconds, path.stat().st_mtime))

    def row(self, number: int) -> Any:
        with reading(self.database) as connection:
            return connection.execute(select(orders).where(orders.c.number == number)).one()

    def file(self, name: str) -> Any:
        with reading(self.database) as connection:
            found = select(files).where(files.c.place.endswith(f"/{name}", autoescape=True))
            return connection.execute(found).one()

    def state_of(self, number: int) -> OrderState:
        return OrderState(self.row(number).state)

    def wait(self, number: int, state: OrderState = OrderState.READY, seconds: float = 60) -> Any:
        """The order's row once it is in that state; fails at once if it is over in another."""
        deadline = time.monotonic() + seconds
        while True:
            row = self.row(number)
            if row.state == state.value:
                return row
            over = OrderState(row.state).over or time.monotonic() > deadline
            assert not over, f"order {number} is {row.state}: {row.error}\n{self.log()}"
            time.sleep(0.01)

    def names(self) -> dict[str, str]:
        """Hash by place of all that has a final name and is no document of ours."""
        return {
            str(path.relative_to(self.pool)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in self.pool.rglob("*")
            if path.is_file()
            and not path.name.startswith(PREFIX)
            and path.name not in ("item.json", "collection.json")
        }

    def check(self, source: Source, place: str = "src/col/item") -> None:
        """No wrong file has a final name."""
        for name, digest in self.names().items():
            content = source.files["/" + name.removeprefix(f"{place}/")].content
            assert hashlib.sha256(content).hexdigest() == digest, name


@contextlib.contextmanager
def kit(folder: Path, source_url: str, *, start: bool = True, **datapool: Any) -> Iterator[Kit]:
    """A Kit whose program runs."""
    found = Kit(folder, source_url, **datapool)
    try:
        if start:
            found.start()
        yield found
    finally:
        found.close()


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    """A file system of its own, so large; needs root."""
    if os.geteuid():
        pytest.skip("only root can mount a small disk")
    folder.mkdir(parents=True)
    options = ["-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    done = subprocess.run(["mount", *options], capture_output=True)
    if done.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
