"""What goes into a backup, and what is refused before anything is written. Needs no restic."""

import http.server
import json
import os
import shutil
import socket
import socketserver
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from pelagos.deployment import Deployment, State
from pelagos.errors import PelagosError, StateError
from pelagos.ops import backup, packages, restic, restore, staging
from pelagos.ops.report import Silent
from pelagos.volumes import safe_name


@contextmanager
def agent(path: Path, answers: list[Any]) -> Iterator[None]:
    """A node agent's socket that gives these answers to GET /workspaces, then the last again."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(answers.pop(0) if len(answers) > 1 else answers[0]).encode()
            self.send_response(200 if self.path == "/workspaces" else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

        def address_string(self) -> str:
            return "agent"

    with socketserver.UnixStreamServer(str(path), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def person(user: str, pending: int, failed: int = 0) -> dict[str, Any]:
    return {
        "user": user, "state": "mounted", "pending": pending, "pending_bytes": 1, "failed": failed,
    }  # fmt: skip


def wait(deployment: Deployment, seconds: float) -> dict[str, int]:
    return backup.wait_for_uploads(deployment, seconds, Silent())


def cache(state: State, user: str, *, dirty: int, clean: int = 1, torn: int = 0) -> None:
    """What a mount that was killed leaves of a person's files: rclone's notes, and the agent's."""
    folder = state.folder / "cache" / safe_name(user) / "vfsMeta" / "ws0123" / "cruise"
    folder.mkdir(parents=True)
    for number in range(dirty):
        (folder / f"dirty-{number}.nc").write_text('{"Size": 7, "Dirty": true}')
    for number in range(clean):
        (folder / f"clean-{number}.nc").write_text('{"Size": 7, "Dirty": false}')
    for number in range(torn):
        (folder / f"torn-{number}.nc").write_text('{"Size": 7, "Di')
    record = state.folder / "agent" / "workspaces" / f"{safe_name(user)}.json"
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps({"user": user, "wanted": False}))


def test_a_backup_waits_until_uploads_have_arrived(deployment: Deployment) -> None:
    answers = [[person("ada", 2), person("bob", 0)], [person("ada", 0), person("bob", 0)]]
    with agent(deployment.agent_socket, answers):
        assert wait(deployment, 30) == {}


def test_files_that_do_not_arrive_are_told_by_name_and_number(deployment: Deployment) -> None:
    with agent(deployment.agent_socket, [[person("ada", 2), person("bob", 3, failed=3)]]):
        assert wait(deployment, 0) == {"ada": 2, "bob": 3}


def test_no_agent_and_an_old_agent_are_fine(deployment: Deployment) -> None:
    assert wait(deployment, 60) == {}
    with closing(socket.socket(socket.AF_UNIX)) as dead:
        dead.bind(str(deployment.agent_socket))  # nobody listens
        assert wait(deployment, 60) == {}
    deployment.agent_socket.unlink()
    with agent(deployment.agent_socket, [{"detail": "Not Found"}]):
        assert wait(deployment, 60) == {}


def test_without_an_agent_what_waits_is_counted_on_the_disk(deployment: Deployment) -> None:
    cache(deployment.state, "ada@example.org", dirty=2, torn=1)
    cache(deployment.state, "bob", dirty=0)
    (deployment.state.folder / "agent" / "workspaces" / "carl.json").write_text("{half")
    cache(deployment.state, "dora", dirty=1)
    (deployment.state.folder / "agent" / "workspaces" / "dora.json").unlink()
    assert wait(deployment, 60) == {"ada@example.org": 3, "dora": 1}
    with agent(deployment.agent_socket, [[person("ada@example.org", 0)]]):
        assert wait(deployment, 0) == {}  # the agent knows better


def test_a_restore_leaves_files_that_are_nowhere_else_where_they_are_uploaded(
    deployment: Deployment,
) -> None:
    state = deployment.state
    state.write(deployment.facts, deployment.settings)

    def force() -> None:
        restore.restore(
            state, state.folder / "b", snapshot="latest", given_password=None, force=True,
            reporter=Silent(),
        )  # fmt: skip

    cache(state, "ada", dirty=2)
    with pytest.raises(StateError, match=r"Files of ada \(2\) wait in .*/cache") as caught:
        force()
    assert "./pelagos up" in caught.value.mend
    shutil.rmtree(state.folder / "cache")
    cache(state, "ada", dirty=0)
    with pytest.raises(PelagosError) as caught:
        force()
    assert "--password-file" in caught.value.mend  # copies are in nobody's way


@pytest.mark.parametrize("below", ["", "x/y", "workspaces/users/ada"])
def test_a_backup_never_backs_itself_up(deployment: Deployment, below: str) -> None:
    with pytest.raises(PelagosError, match="inside of the state folder"):
        backup.check_place(deployment.state.folder / below, deployment.layout)


def test_a_link_into_the_state_folder_is_seen_through(
    deployment: Deployment, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(deployment.state.folder)
    with pytest.raises(PelagosError, match="inside of"):
        backup.check_place(tmp_path / "link" / "b", deployment.layout)


def test_a_folder_around_the_state_folder_is_refused(deployment: Deployment) -> None:
    with pytest.raises(PelagosError, match="holds the state folder"):
        backup.check_place(deployment.state.folder.parent, deployment.layout)


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("x")
    repository = restic.Repository(tmp_path, tmp_path / "key")
    with pytest.raises(PelagosError, match="something else"):
        repository.open_or_make(Silent())
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_instead_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(PelagosError, match="file"):
            restic.Repository(place, tmp_path / "key").open_or_make(Silent())


def test_without_restic_and_apt_the_mend_names_the_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(packages, "can_install", lambda: False)
    with pytest.raises(PelagosError) as caught:
        restic.ensure(Silent())
    assert "apt-get install restic" in caught.value.mend


def staged(deployment: Deployment) -> tuple[Path, dict[str, str]]:
    problems: dict[str, str] = {}
    deployment.state.write(deployment.facts, deployment.settings)
    staging.stage(deployment, None, {}, problems)
    return deployment.state.folder / staging.STAGE / staging.STATE_PART, problems


def test_what_must_be_remembered_is_staged_and_nothing_else(deployment: Deployment) -> None:
    folder = deployment.state.folder
    kept = ["secrets/cookie", "storage/ada", "agent/pins.json", "instance", "of-a-later-version/x"]
    left = ["logs/hub.log", "run/agent.sock", "cache/ada/f", "dataspaces/users/ada/f", "homes/a/f"]
    left += ["mounts/ada/data/f", "views/ada/me/f", "workspaces/users/ada/f"]
    for name in kept + left:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    part, problems = staged(deployment)
    found = {str(path.relative_to(part)) for path in part.rglob("*") if path.is_file()}
    assert found == {*kept, "settings.json", "deployment.json"}
    assert problems == {}
    assert part.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_database_in_use_is_copied_whole(deployment: Deployment, mode: str) -> None:
    path = deployment.state.hub / "jupyterhub.sqlite"
    with closing(sqlite3.connect(path)) as live:
        live.execute(f"PRAGMA journal_mode = {mode}")
        live.execute("CREATE TABLE users (name)")
        live.execute("INSERT INTO users VALUES ('ada')")
        live.commit()  # with wal: in the side file only
        live.execute("INSERT INTO users VALUES ('not yet')")
        part, problems = staged(deployment)
    assert problems == {}
    assert [file.name for file in (part / "hub").iterdir()] == ["jupyterhub.sqlite"]
    with closing(sqlite3.connect(part / "hub" / "jupyterhub.sqlite")) as copy:
        assert copy.execute("SELECT name FROM users").fetchall() == [("ada",)]


def test_a_database_that_its_server_keeps_to_itself_is_copied_too(
    deployment: Deployment, tmp_path: Path
) -> None:
    path = deployment.state.folder / "dav" / "locks.sqlite"
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as live:
        for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=WAL"):
            live.execute(f"PRAGMA {pragma}")
        live.execute("CREATE TABLE properties (name)")
        live.execute("INSERT INTO properties VALUES ('displayname')")
        staging.copy_database(path, tmp_path / "copy", timeout=0)
        with closing(sqlite3.connect(tmp_path / "copy")) as copy:
            assert copy.execute("SELECT name FROM properties").fetchall() == [("displayname",)]
    part, _ = staged(deployment)
    assert [path.name for path in (part / "dav").iterdir()] == ["locks.sqlite"]


def test_a_damaged_database_is_told_and_the_rest_is_kept(deployment: Deployment) -> None:
    path = deployment.state.hub / "jupyterhub.sqlite"
    path.write_bytes(b"SQLite format 3\0" + os.urandom(8192))
    part, problems = staged(deployment)
    assert list(problems) == [str(path)]
    assert (part / "settings.json").exists()


def test_the_operators_settings_file_is_kept(deployment: Deployment, tmp_path: Path) -> None:
    path = tmp_path / "pelagos.yaml"
    path.write_text("site: {name: X}\n")
    facts = deployment.facts.model_copy(update={"settings_file": path})
    staged(Deployment(deployment.state, facts, deployment.settings, deployment.graph))
    kept = deployment.state.folder / staging.STAGE / staging.SETTINGS_PART / "pelagos.yaml"
    assert kept.read_text() == "site: {name: X}\n"


def test_an_empty_password_file_is_refused(state: State, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(PelagosError, match="empty"):
        backup.password_file(state, tmp_path / "empty")
    with pytest.raises(PelagosError, match="can't be read"):
        backup.password_file(state, tmp_path / "none")


def test_two_backups_at_once_are_refused(state: State) -> None:
    with (
        backup.only_backup(state),
        pytest.raises(StateError, match="under way"),
        backup.only_backup(state),
    ):
        pass


def test_a_restore_makes_no_password_of_its_own(state: State) -> None:
    with pytest.raises(PelagosError) as caught:
        restore.restore(
            state, state.folder / "b", snapshot="latest", given_password=None, force=True,
            reporter=Silent(),
        )  # fmt: skip
    assert "--password-file" in caught.value.mend
    assert list(state.secrets.iterdir()) == []


def test_a_restore_into_a_folder_that_holds_something_is_refused(deployment: Deployment) -> None:
    state = deployment.state
    state.write(deployment.facts, deployment.settings)
    with pytest.raises(StateError) as caught:
        restore.restore(
            state, state.folder / "b", snapshot="latest", given_password=None, force=False,
            reporter=Silent(),
        )  # fmt: skip
    assert "--force" in caught.value.mend
