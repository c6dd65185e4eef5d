"""Running the project's own tests and benchmarks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from pelagos.backends.engine import connect
from pelagos.deployment import ROOT
from pelagos.errors import PelagosError
from pelagos.images import load_graph
from pelagos.ops import build, engine, packages
from pelagos.ops.report import Reporter
from pelagos.settings import Settings

# Program, and the Debian package that brings it.
NEEDED = {
    "apache2": "apache2-bin",  # without the package that starts it on port 80
    "chromium": "chromium",
    "curl": "curl",
    "fusermount3": "fuse3",
    "git": "git",
    "litmus": "litmus",
    "losetup": "mount",
    "mkfs.ext4": "e2fsprogs",
    "mount.davfs": "davfs2",
    "openssl": "openssl",
    "restic": "restic",
    "unshare": "util-linux",
    "useradd": "passwd",
}
_BENCHMARKS = ROOT / "tests" / "benchmarks"


# Options of pytest of who looks into some tests, in one process where they see everything.
_CLOSER = ("-k", "-m", "-n", "-p", "-s", "--capture", "--last-failed", "--lf", "--pdb", "--trace")


def benchmarks() -> list[str]:
    """Names of the benchmarks."""
    return sorted(path.stem.removeprefix("bench_") for path in _BENCHMARKS.glob("bench_*.py"))


def run(*, fast: bool, arguments: list[str], reporter: Reporter) -> int:
    """Run pytest; its exit code. Everything but the `fast` tests needs an engine and Chromium."""
    chosen = ["-m", "not engine and not browser"] if fast else []
    if not fast:
        _prepare(reporter)
    command = [sys.executable, "-m", "pytest", *chosen, *processes(arguments), *arguments]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def processes(arguments: list[str]) -> list[str]:
    """Options of pytest: two processes for all tests, one where arguments choose some."""
    for argument in arguments:
        if not argument.startswith("-") or argument.startswith(_CLOSER):
            return []  # a path, or an option's value
    return ["-n", "2"]


def _prepare(reporter: Reporter) -> None:
    """Packages, engine and images that the tests need. Raises PelagosError."""
    wanted = sorted({package for program, package in NEEDED.items() if not shutil.which(program)})
    if not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")):  # not on PATH
        wanted.append("postgresql")
    if not _has_venv("/usr/bin/python3"):  # an ordinary user's, in the tests
        wanted.append("python3-venv")
    if wanted:
        if not packages.can_install():
            raise PelagosError(
                f"The tests need {', '.join(wanted)}.", "Install them, or run with --fast."
            )
        packages.install(wanted, reporter)
    with tempfile.TemporaryDirectory(prefix="pelagos-test-") as folder:
        log = Path(folder) / "log"
        log.touch()
        try:
            engine.ensure(Path(tempfile.gettempdir()) / "pelagos-dockerd.log", reporter)
            graph = load_graph(ROOT)
            with connect() as client:
                build.build(client, graph, Settings(), graph.names, log=log, reporter=reporter)
        except PelagosError as error:
            sys.stderr.write("".join(log.read_text().splitlines(keepends=True)[-60:]))
            raise PelagosError(str(error), f"{error.mend} Or run with --fast.") from error


def _has_venv(python: str) -> bool:
    try:
        done = subprocess.run(
            [python, "-c", "import venv, ensurepip"], capture_output=True, timeout=60, check=False
        )
    except OSError:
        return False
    return done.returncode == 0


def bench(name: str, arguments: list[str], reporter: Reporter) -> int:
    """Run one benchmark; its exit code. Raises PelagosError for an unknown one."""
    if name not in benchmarks():
        raise PelagosError(f"There is no benchmark {name!r}.", f"Known: {', '.join(benchmarks())}.")
    _prepare(reporter)
    command = [sys.executable, str(_BENCHMARKS / f"bench_{name}.py"), *arguments]
    return subprocess.run(command, cwd=ROOT, env={**os.environ}, check=False).returncode
