"""`./pelagos harvest`, with a harvester of the VRE and without one; and that harvester."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pelagos.catalogue.harvest import LOCK_FILE, RUNS_FILE
from pelagos.catalogue.harvest.lock import Who, holder, only_one
from pelagos.catalogue.harvest.records import RunState
from pelagos.catalogue.harvest.runs import Runs
from pelagos.cli.app import app
from pelagos.deployment import STATE_VARIABLE, Deployment, State
from pelagos.services.harvester import serve
from pelagos.services.own_folder import prepare_folder
from pelagos.settings import Settings
from support import facts_of, free_port, until
from typer.testing import CliRunner

run = CliRunner().invoke
TWO = """
catalogue:
  sources:
  - {{name: starter, title: Starter data, kind: files, path: "package:iris_sample_data/sample_data",
     description: "builtin:starter"}}
  - {{name: nowhere, kind: files, url: "http://127.0.0.1:{port}/catalog.xml"}}
"""


@pytest.fixture
def settings_file(tmp_path: Path) -> Path:
    """The starter, and a server that is not there."""
    path = tmp_path / "pelagos.yaml"
    path.write_text(TWO.format(port=free_port()))
    return path


@contextlib.contextmanager
def harvester_of(deployment: Deployment) -> Iterator[None]:
    """The VRE's harvester, in a thread."""
    stop = threading.Event()
    thread = threading.Thread(target=serve, args=(deployment, stop))
    thread.start()
    lock = deployment.state.catalogue / LOCK_FILE
    try:
        until(lambda: holder(lock), 30, "the harvester")
        yield
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


def test_a_fresh_machine_harvests_its_starter(tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    first = run(app, ["harvest", "--json", "--state", state])
    assert first.exit_code == 0, first.stderr
    [told] = json.loads(first.stdout)["runs"]
    assert told["state"] == "done"
    assert told["found"] == told["stored"] == told["added"] > 0
    assert told["rejected"] == 0
    again = run(app, ["harvest", "starter", "--state", state])
    assert again.exit_code == 0
    assert "unchanged" in again.stdout
    assert f"{told['found']}" in again.stdout
    folder = State(Path(state)).catalogue
    assert {oct(path.stat().st_mode & 0o777) for path in folder.iterdir()} == {"0o600"}


def test_what_was_rejected_is_told_by_its_name_and_no_column_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    files = tmp_path / "files"
    files.mkdir()
    (files / "hello.txt").write_text("no columns\n")
    for name in ("a.nc", "b.nc"):
        (files / name).write_text("<html>")
    settings = tmp_path / "pelagos.yaml"
    settings.write_text(
        "catalogue: {sources: [{name: cruises-of-the-institute, kind: files, "
        f"path: {files}, title: Cruises}}]}}\n"
    )
    options = ["--settings", str(settings), "--state", str(tmp_path / "state")]
    told = run(app, ["harvest", *options])
    assert "cruises-of-the-institute" in told.stdout.splitlines()[1]
    assert "1 rejected: hello.txt: " in told.stdout
    assert "2 rejected, such as a.nc: not NetCDF" in told.stdout
    again = run(app, ["harvest", *options])
    assert "…" not in again.stdout.splitlines()[1]


def test_an_unknown_source_is_answered_with_those_that_exist(
    tmp_path: Path, settings_file: Path
) -> None:
    result = run(
        app,
        ["harvest", "argo", "--state", str(tmp_path / "s"), "--settings", str(settings_file)],
    )
    assert result.exit_code == 1
    assert "no source 'argo'" in result.stderr
    assert "nowhere, starter" in result.stderr
    assert "./pelagos down, then up" in result.stderr
    assert not (tmp_path / "s").exists(), "nothing was made"


def test_a_failing_source_is_said_and_the_others_are_harvested(
    tmp_path: Path, settings_file: Path
) -> None:
    result = run(app, ["harvest", "--state", str(tmp_path / "s"), "--settings", str(settings_file)])
    assert result.exit_code == 1
    assert "nowhere: http" in result.stderr.replace("\n", " ")
    assert "failed" in result.stdout
    assert "done" in result.stdout
    with Runs(State(tmp_path / "s").catalogue / RUNS_FILE) as runs:
        assert runs.source("nowhere").failures == 1
        assert runs.source("starter").granules > 0


def test_a_second_command_says_that_one_harvests(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    state.prepare()
    state.catalogue.mkdir()
    with only_one(state.catalogue / LOCK_FILE, Who.COMMAND):
        result = run(app, ["harvest", "--state", str(state.folder)])
    assert result.exit_code == 1
    assert "one writer" in result.stderr
    assert f"process {os.getpid()}" in result.stderr


def test_with_a_running_vre_its_harvester_does_it(deployment: Deployment) -> None:
    state = deployment.state
    state.write(deployment.facts, deployment.settings)
    with harvester_of(deployment):
        with Runs(state.catalogue / RUNS_FILE) as runs:
            until(lambda: runs.source("starter").good_run, 60, "the first harvest, by itself")
            first = len(runs.runs("starter"))
        result = run(app, ["harvest", "--json", "--state", str(state.folder)])
        assert result.exit_code == 0, result.stderr
        [told] = json.loads(result.stdout)["runs"]
        assert (told["source"], told["state"]) == ("starter", "unchanged")
        with Runs(state.catalogue / RUNS_FILE) as runs:
            assert len(runs.runs("starter")) == first + 1
        other = run(
            app,
            ["harvest", "--state", str(state.folder), "--settings", "/nothing.yaml"],
        )
        assert other.exit_code == 1
    assert holder(state.catalogue / LOCK_FILE) is None


def test_other_settings_are_refused_while_the_vre_runs(
    deployment: Deployment, settings_file: Path
) -> None:
    state = deployment.state
    state.write(deployment.facts, deployment.settings)
    with harvester_of(deployment):
        result = run(
            app, ["harvest", "--state", str(state.folder), "--settings", str(settings_file)]
        )
    assert result.exit_code == 1
    assert "settings of its last start" in result.stderr


def test_the_harvester_waits_for_a_command_that_harvests(deployment: Deployment) -> None:
    folder = deployment.state.catalogue
    folder.mkdir()
    stop = threading.Event()
    thread = threading.Thread(target=serve, args=(deployment, stop))
    with only_one(folder / LOCK_FILE, Who.COMMAND):
        thread.start()
        thread.join(1)
        assert thread.is_alive()
        assert not (folder / RUNS_FILE).exists()
    until((folder / RUNS_FILE).exists, 30, "its turn")
    stop.set()
    thread.join(30)
    assert not thread.is_alive()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_folder_that_is_in_use_by_its_account_is_left_alone(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = (54321, 54321)
    monkeypatch.setattr("pelagos.accounts.ids", lambda: nobody)
    prepare_folder(state.catalogue, as_account=True)
    path = state.catalogue / RUNS_FILE
    path.write_text("")
    changed: list[object] = []
    real = os.fchown

    def seen(descriptor: int, user: int, group: int) -> None:
        if os.fstat(descriptor).st_ino != state.folder.stat().st_ino:
            changed.append((user, group))
        real(descriptor, user, group)

    monkeypatch.setattr(os, "fchown", seen)
    prepare_folder(state.catalogue, as_account=True)
    assert nobody in changed, "what root left there is given to the account"
    assert (path.stat().st_uid, path.stat().st_gid) == nobody
    changed.clear()
    prepare_folder(state.catalogue, as_account=True)
    assert changed == []


@contextlib.contextmanager
def silent_server() -> Iterator[tuple[int, threading.Event]]:
    """A server that takes a request and never answers; its port, and whether it was asked."""
    asked, over = threading.Event(), threading.Event()
    kept: list[socket.socket] = []
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.2)

    def accept() -> None:
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                kept.append(listener.accept()[0])
                asked.set()

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield listener.getsockname()[1], asked
    finally:
        over.set()
        thread.join()
        for one in (*kept, listener):
            one.close()


def test_sigterm_ends_the_harvester_while_a_source_hangs(state: State) -> None:
    with silent_server() as (port, asked):
        wanted = {
            "name": "slow", "kind": "files", "url": f"http://127.0.0.1:{port}/catalog.xml",
        }  # fmt: skip
        settings = Settings.model_validate({"catalogue": {"sources": [wanted]}})
        state.write(facts_of(state), settings)
        process = subprocess.Popen(
            [sys.executable, "-m", "pelagos.services.harvester"],
            env={**os.environ, STATE_VARIABLE: str(state.folder)},
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            until(asked.is_set, 60, "the request to the source")
            process.send_signal(signal.SIGTERM)
            # its own grace is 5 s; supervisord would kill it after 20
            assert process.wait(30) == 0
        finally:
            process.kill()
            _, errors = process.communicate()
    assert "Traceback" not in errors
    with Runs(state.catalogue / RUNS_FILE) as runs:
        last = runs.source("slow").last
        assert last is not None
        assert last.state is RunState.INTERRUPTED
        assert runs.source("slow").failures == 0
