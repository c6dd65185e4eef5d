"""Backups as an operator makes and needs them: real hub, real restic, real files."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from pelagos.deployment import ROOT, Deployment, State
from pelagos.ops import restic
from support import Person, Vre, facts_of, pelagos, until

# restic is among what the tests with an engine install
pytestmark = pytest.mark.engine

MIB = 2**20


def hashes(folder: Path) -> dict[str, str]:
    """Every file below a folder with its SHA-256."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Somebody whose uploads arrive all the time, each by a rename; a name tells its content."""
    stop = threading.Event()

    def write() -> None:
        while not stop.wait(0.005):
            content = os.urandom(50_000)
            temporary = folder / "part"
            temporary.write_bytes(content)
            temporary.rename(folder / hashlib.sha256(content).hexdigest())

    folder.mkdir(parents=True)
    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def backup(state: Path, place: Path, *options: str | Path) -> dict[str, object]:
    """One backup that must work."""
    done = pelagos("backup", place, "--state", state, "--json", *options)
    assert done.returncode == 0, done.stderr
    assert "Keep a copy of it somewhere else" in done.stderr
    result: dict[str, object] = json.loads(done.stdout)
    return result


def restored(place: Path, state: Path, *options: str | Path) -> dict[str, object]:
    """One restore that must work."""
    done = pelagos("restore", place, "--state", state, "--json", *options)
    assert done.returncode == 0, done.stderr
    result: dict[str, object] = json.loads(done.stdout)
    return result


def test_a_lost_machine_comes_back_with_accounts_tokens_and_files(tmp_path: Path) -> None:
    vre = Vre(tmp_path / "state", settings="site: {name: Kept}\n")
    place, key = tmp_path / "backups", tmp_path / "key"
    try:
        vre.up("--backend", "docker")
        layout = vre.deployment.layout
        lab = vre.deployment.settings.virtual_labs[0].name
        for folder in (layout.user_workspace("ada"), layout.virtual_lab_workspace(lab)):
            (folder / "cruise é [1]").mkdir(parents=True)
            (folder / "cruise é [1]" / "ctd.nc").write_bytes(os.urandom(5 * MIB))
            (folder / "notes.txt").write_text("notes")
        with Person(vre, "ada") as ada:
            token = ada.post("/hub/api/users/ada/tokens", json={"note": "laptop"}).json()["token"]
        with writing(layout.user_workspace("grace")):
            first = backup(vre.folder, place)
            backup(vre.folder, place)
        backup(vre.folder, place)
        quiet = backup(vre.folder, place)
        assert int(str(quiet["added"])) < int(str(first["added"])) / 4, "only changes are added"
        assert vre.status()["hub"], "nothing was stopped"
        wanted = hashes(layout.user_workspace("ada")) | hashes(layout.virtual_lab_workspace(lab))
        instance, password = vre.state.instance(), vre.password()
        shutil.copy(vre.folder / "secrets" / "backup-password", key)

        vre.run("down")
        shutil.rmtree(vre.folder)
        assert vre.settings
        vre.settings.unlink()
        done = pelagos("restore", place, "--state", vre.folder)
        assert done.returncode == 1
        assert "--password-file" in done.stderr
        restored(place, vre.folder, "--password-file", key)
        assert vre.settings.read_text() == "site: {name: Kept}\n"
        vre.settings = None  # as a plain `up` finds it
        vre.up("--backend", "docker")

        assert (vre.state.instance(), vre.password()) == (instance, password)
        got = hashes(layout.user_workspace("ada")) | hashes(layout.virtual_lab_workspace(lab))
        assert got == wanted
        uploads = {k: v for k, v in hashes(layout.user_workspace("grace")).items() if k != "part"}
        assert uploads
        assert [name for name, found in uploads.items() if name != found] == []
        answer = httpx.get(
            f"{vre.url}/hub/api/user", headers={"Authorization": f"token {token}"}, timeout=30
        )
        assert answer.json()["name"] == "ada"
        with Person(vre, "ada"):
            pass
        assert vre.deployment.settings.site.name == "Kept"
        refused = pelagos("restore", place, "--state", vre.folder, "--force")
        assert refused.returncode == 1
        assert "runs" in refused.stderr
    finally:
        vre.down()


@pytest.fixture
def stopped(tmp_path: Path, deployment: Deployment) -> State:
    """A VRE that does not run, with a database and a person's files."""
    import jupyterhub.orm
    from sqlalchemy import create_engine

    state = deployment.state
    engine = create_engine(f"sqlite:///{state.hub / 'jupyterhub.sqlite'}")
    jupyterhub.orm.Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO servers (id, ip, port) VALUES (7, '', 1)")
        connection.exec_driver_sql(
            "INSERT INTO users (id, name, admin, cookie_id) VALUES (1, 'ada', 0, 'c')"
        )
        connection.exec_driver_sql(
            "INSERT INTO spawners (id, user_id, server_id, state, name) VALUES (1, 1, 7, '{}', '')"
        )
    engine.dispose()
    state.write(facts_of(state), deployment.settings)
    folder = deployment.layout.user_workspace("ada")
    folder.mkdir(parents=True)
    (folder / "file").write_text("text")
    (state.folder / "dav").mkdir()
    (state.folder / "dav" / "of-the-server").write_text("kept")
    (deployment.layout.workspaces / "users" / ".staging").mkdir(parents=True)
    (deployment.layout.workspaces / "users" / ".staging" / "half-an-upload").write_text("worthless")
    return state


def test_a_copy_beside_its_original_has_an_identity_of_its_own(
    stopped: State, tmp_path: Path
) -> None:
    import sqlite3
    from contextlib import closing

    backup(stopped.folder, tmp_path / "b")
    key = stopped.secrets / "backup-password"
    result = restored(tmp_path / "b", tmp_path / "copy", "--password-file", key)
    copy = Deployment.load(tmp_path / "copy")
    assert copy.facts.instance == copy.state.instance() == result["instance"]
    assert copy.state.instance() != stopped.instance()
    assert copy.facts.hub_port == 0, "another than the original's is found"
    assert (copy.layout.user_workspace("ada") / "file").read_text() == "text"
    with closing(sqlite3.connect(copy.state.hub / "jupyterhub.sqlite")) as database:
        assert database.execute("SELECT name FROM users").fetchall() == [("ada",)]
        assert database.execute("SELECT server_id FROM spawners").fetchall() == [(None,)]
        assert database.execute("SELECT id FROM servers").fetchall() == []
    assert (copy.state.folder.stat().st_mode & 0o777) == 0o700
    assert (copy.state.secrets / "backup-password").stat().st_mode & 0o777 == 0o600


def test_what_is_there_is_moved_aside_and_only_by_force(stopped: State, tmp_path: Path) -> None:
    backup(stopped.folder, tmp_path / "b")
    mine = stopped.folder / "workspaces" / "users" / "ada" / "file"
    mine.write_text("newer")
    done = pelagos("restore", tmp_path / "b", "--state", stopped.folder)
    assert done.returncode == 1
    assert "--force" in done.stderr
    assert mine.read_text() == "newer"
    result = restored(tmp_path / "b", stopped.folder, "--force")
    assert mine.read_text() == "text"
    [aside] = result["aside"]  # type: ignore[misc]
    assert Path(aside, "workspaces", "users", "ada", "file").read_text() == "newer"
    assert Path(aside, "instance").read_text().strip() == stopped.instance()


def test_workspaces_elsewhere_are_restored_there_and_never_mixed(
    stopped: State, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    settings = stopped.settings()
    workspace = settings.storage.workspace.model_copy(update={"path": str(elsewhere)})
    storage = settings.storage.model_copy(update={"workspace": workspace})
    stopped.write(facts_of(stopped), settings.model_copy(update={"storage": storage}))
    (stopped.folder / "workspaces").rename(elsewhere)
    backup(stopped.folder, tmp_path / "b")
    key = stopped.secrets / "backup-password"
    done = pelagos(
        "restore", tmp_path / "b", "--state", tmp_path / "copy", "--password-file", key, "--force"
    )
    assert done.returncode == 1
    assert f"belong to the VRE in {stopped.folder}" in done.stderr
    (elsewhere / "users" / "newcomer").mkdir()
    result = restored(tmp_path / "b", stopped.folder, "--force")
    assert hashes(elsewhere).keys() == {"users/ada/file"}
    assert (stopped.folder / "dav" / "of-the-server").read_text() == "kept"
    assert not (elsewhere / "users" / "newcomer").exists()
    assert any(Path(aside, "users", "newcomer").is_dir() for aside in result["aside"])  # type: ignore[attr-defined]


def test_what_is_mounted_or_not_ours_is_not_moved_aside(stopped: State, tmp_path: Path) -> None:
    backup(stopped.folder, tmp_path / "b")
    mount = stopped.folder / "mounts" / "ada é" / "data"
    mount.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", mount], check=True, timeout=30)
    try:
        done = pelagos("restore", tmp_path / "b", "--state", stopped.folder, "--force")
    finally:
        subprocess.run(["umount", mount], check=True, timeout=30)
    assert done.returncode == 1
    assert f"still mounted below {stopped.folder}: {mount}" in done.stderr
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("x")
    done = pelagos(
        "restore", tmp_path / "b", "--state", tmp_path / "home", "--force",
        "--password-file", stopped.secrets / "backup-password",
    )  # fmt: skip
    assert done.returncode == 1
    assert "something else than a VRE, such as thesis.txt" in done.stderr


def test_a_copy_never_shares_a_dataspace_with_its_original(stopped: State, tmp_path: Path) -> None:
    settings = stopped.settings()
    dataspace = settings.storage.dataspace.model_copy(update={"path": str(tmp_path / "fast")})
    storage = settings.storage.model_copy(update={"dataspace": dataspace})
    stopped.write(facts_of(stopped), settings.model_copy(update={"storage": storage}))
    backup(stopped.folder, tmp_path / "b")
    key = stopped.secrets / "backup-password"
    done = pelagos("restore", tmp_path / "b", "--state", tmp_path / "copy", "--password-file", key)
    assert done.returncode == 1
    assert f"The dataspaces in {tmp_path / 'fast'} belong to" in done.stderr


def test_a_wrong_password_is_said_to_be_so(stopped: State, tmp_path: Path) -> None:
    backup(stopped.folder, tmp_path / "b")
    (tmp_path / "wrong").write_text("guess\n")
    for command in ("backup", "restore"):
        state = stopped.folder if command == "backup" else tmp_path / "other"
        done = pelagos(
            command, tmp_path / "b", "--state", state, "--password-file", tmp_path / "wrong"
        )
        assert done.returncode == 1
        assert "does not open the backups" in done.stderr
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "other").exists()


def test_a_backup_that_was_killed_does_not_stand_in_the_way(stopped: State, tmp_path: Path) -> None:
    place = tmp_path / "b"
    backup(stopped.folder, place)
    (stopped.folder / "workspaces" / "users" / "ada" / "large").write_bytes(os.urandom(150 * MIB))
    packs = len(list((place / "data").rglob("*")))
    process = subprocess.Popen(
        [ROOT / "pelagos", "backup", place, "--state", stopped.folder],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until(lambda: len(list((place / "data").rglob("*"))) > packs, what="the first new pack")
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait(30) == -signal.SIGKILL
    assert list((place / "locks").iterdir()), "killed in the middle"
    assert (stopped.folder / "backup-stage").exists()

    result = backup(stopped.folder, place, "--keep", "1")
    assert result["forgotten"] == 1
    assert list((place / "locks").iterdir()) == []
    assert not (stopped.folder / "backup-stage").exists()
    shutil.rmtree(stopped.folder / "workspaces")
    restored(place, stopped.folder, "--force")
    size = (stopped.folder / "workspaces" / "users" / "ada" / "large").stat().st_size
    assert size == 150 * MIB


@pytest.mark.parametrize("part", ["files", "structure"])
def test_a_damaged_backup_is_not_put_into_place(stopped: State, tmp_path: Path, part: str) -> None:
    place = tmp_path / "b"
    (stopped.folder / "workspaces" / "users" / "ada" / "large").write_bytes(os.urandom(MIB))
    backup(stopped.folder, place)
    packs = [path for path in (place / "data").rglob("*") if path.is_file()]
    packs.sort(key=lambda path: path.stat().st_size)
    for pack in packs[-1:] if part == "files" else packs[:-1]:
        pack.chmod(0o600)
        content = bytearray(pack.read_bytes())
        content[len(content) // 2] ^= 1
        pack.write_bytes(content)
    before = {k: v for k, v in hashes(stopped.folder).items() if not k.startswith("run/")}
    done = pelagos("restore", place, "--state", stopped.folder, "--force")
    assert done.returncode == 1
    assert "damaged" in done.stderr
    assert "Traceback" not in done.stderr
    after = hashes(stopped.folder)
    assert {k: v for k, v in after.items() if not k.startswith("run/")} == before


def test_a_full_disk_is_said_to_be_so(stopped: State, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    (stopped.folder / "workspaces" / "users" / "ada" / "large").write_bytes(os.urandom(30 * MIB))
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", small], check=True, timeout=30
    )
    try:
        done = pelagos("backup", small / "b", "--state", stopped.folder)
    finally:
        subprocess.run(["umount", small], check=True, timeout=30)
    assert done.returncode == 1
    assert "full" in done.stderr
    assert "Free space" in done.stderr


def test_a_half_made_place_is_made_again(stopped: State, tmp_path: Path) -> None:
    backup(stopped.folder, tmp_path / "b")
    made = tmp_path / "half"
    for part in ("data", "index", "keys", "locks", "snapshots"):
        (made / part).mkdir(parents=True)
    key = next((tmp_path / "b" / "keys").iterdir())
    shutil.copy(key, made / "keys" / key.name)
    backup(stopped.folder, made)
    assert len(restic.Repository(made, stopped.secrets / "backup-password").snapshots()) == 1
