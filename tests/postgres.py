"""A real PostgreSQL for tests: a cluster of its own in a temporary folder, on a free port."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Self

import psycopg
from support import free_port

USER = "nobody"  # the server refuses to run as root


def programs() -> Path:
    """Where Debian keeps the server's programs, which are not on PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    assert found, "the Debian package postgresql is missing: run ./pelagos test"
    return found[-1].parent


class Postgres:
    """A cluster that trusts whoever reaches it: only the loopback does. Stop it at the end."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="plg-pg-"))
        self.port = free_port()
        self._account: dict[str, Any] = {}
        if os.geteuid() == 0:
            found = pwd.getpwnam(USER)
            os.chown(self.folder, found.pw_uid, found.pw_gid)
            self._account = {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}
        self._run(
            "initdb", "--auth=trust", "--username=pelagos", "--encoding=UTF8", "--locale=C",
            "--no-sync", "-D", self.data,
        )  # fmt: skip
        self._count = 0

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def start(self) -> Self:
        """Start it, or start it again; it answers when this returns."""
        options = (
            f"-h 127.0.0.1 -p {self.port} -k {self.folder} -c fsync=off -c shared_buffers=32MB"
        )
        self._run("pg_ctl", "start", "-w", "-t", "60", "-D", self.data, "-l",
                  self.folder / "log", "-o", options)  # fmt: skip
        return self

    def stop(self, mode: str = "fast") -> None:
        """End it; `immediate` is as if the machine had lost its power."""
        self._run("pg_ctl", "stop", "-w", "-m", mode, "-D", self.data)

    def database(self) -> str:
        """The address of a new, empty database."""
        self._count += 1
        name = f"test{self._count}"
        with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql+psycopg://pelagos:unused@127.0.0.1:{self.port}/{name}"

    def _address(self, name: str) -> str:
        return f"postgresql://pelagos@127.0.0.1:{self.port}/{name}"

    def _run(self, program: str, *arguments: Any) -> None:
        # no pipe: the server would keep its end open
        with (self.folder / "out").open("a+") as out:
            done = subprocess.run(
                [programs() / program, *map(str, arguments)],
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, timeout=120,
                cwd=self.folder, env={"PATH": os.environ["PATH"], "LC_ALL": "C", "TZ": "UTC"},
                **self._account,
            )  # fmt: skip
            out.seek(0)
            assert done.returncode == 0, out.read()[-3000:]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if (self.data / "postmaster.pid").exists():
            self.stop("immediate")
        shutil.rmtree(self.folder)
