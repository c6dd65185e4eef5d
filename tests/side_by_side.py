"""The whole suite in two processes (`./pelagos test`, `pytest -n 2`): whose test runs where.

Most unit tests keep a core busy, most of the others wait. Whatever touches what a machine has only
once (the engine, the firewall, mounts, accounts, a look at all processes) runs in one process, in
its order; the other takes the rest, file by file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

MACHINE = "machine"
_REASON = 2000  # characters
_FOLDERS = ("tests/contract/", "tests/images/", "tests/integration/", "tests/browser/")
# of those folders, and yet with nothing but processes and folders of their own
_APART = frozenset(
    f"tests/integration/test_{name}.py"
    for name in (
        "account_elsewhere",
        "dav_broken",
        "dav_files",
        "dav_people",
        "dav_process",
        "downloader_faults",
        "downloader_jobs",
        "parcels_workspace",
        "sweep",
        "workspaces",
        "workspaces_elsewhere",
    )
)


def scope(nodeid: str) -> str:
    """What runs in one process and in order: all that needs the machine, else a file."""
    path = _file(nodeid)
    return MACHINE if path.startswith(_FOLDERS) and path not in _APART else path


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
    """The machine's tests begin at once: all others fit beside them."""

    def __init__(self, config: pytest.Config, log: Any) -> None:
        config.option.loadscopereorder = True  # then by number of tests
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return scope(nodeid)

    def _assign_work_unit(self, node: Any) -> None:
        if MACHINE in self.workqueue:
            self.workqueue.move_to_end(MACHINE, last=False)
        super()._assign_work_unit(node)


class Told:
    """In the process that hands tests out: a line for each file, instead of letters of all."""

    def __init__(self, config: pytest.Config) -> None:
        self._plugins = config.pluginmanager
        self._files: dict[str, int] = {}  # tests that are left, by file
        self._total = 1
        self._found: dict[str, Counter[str]] = {}
        self._seconds: Counter[str] = Counter()
        self._quiet = False

    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """All processes find the same."""
        self._files, self._total = dict(Counter(map(_file, ids))), len(ids)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Which file runs now."""
        path = _file(nodeid)
        if path not in self._found:
            self._found[path] = Counter()
            self._write(f"       {path}")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> Generator[None, Any, Any]:
        """No letters while tests run; the summary has its words."""
        category, letter, word = yield
        if self._quiet:
            if category:
                self._found[_file(report.nodeid)][category] += 1
            return category, "", ""
        return category, letter, word

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Generator[None]:
        """A failure is told at once, a file when all its tests are done."""
        path = _file(report.nodeid)
        self._quiet = True
        try:
            yield
        finally:
            self._quiet = False
        self._seconds[path] += report.duration
        if report.failed:
            self._write(f"FAILED {report.nodeid} ({report.when}): {_reason(report)}", red=True)
        if report.when == "teardown":
            self._files[path] -= 1
            if not self._files[path]:
                self._tell(path)

    def _write(self, line: str, **markup: bool) -> None:
        terminal: Any = self._plugins.get_plugin("terminalreporter")
        if terminal:  # made later than this
            terminal.write_line(line, **markup)

    def _tell(self, path: str) -> None:
        done = 100 * (self._total - sum(self._files.values())) // self._total
        found = ", ".join(f"{count} {what}" for what, count in self._found[path].items())
        self._write(f"[{done:3d}%] {path}: {found} in {self._seconds[path]:.1f} s")


def _reason(report: pytest.TestReport) -> str:
    """What is enough to begin with, should no more of the output be kept."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = f"{crash.path}:{crash.lineno}: {crash.message}" if crash else report.longreprtext
    return text if len(text) <= _REASON else f"{text[:_REASON]} ..."


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0]


def register(config: pytest.Config) -> None:
    """Have both in a process that hands tests out; people who ask for more words get xdist's."""
    if hasattr(config, "workerinput"):
        folder = Path(config.option.basetemp)  # .../popen-gw0: too long for sockets in it
        config.option.basetemp = str(folder.parent / folder.name.removeprefix("popen-gw"))
        return
    if config.getoption("dist", "no") == "no" or not config.getoption("tx", None):
        return
    manager = config.pluginmanager

    class Chosen:
        def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Scheduling:
            return Scheduling(config, log)

    manager.register(Chosen())
    if config.get_verbosity() == 0:
        manager.register(Told(config))
