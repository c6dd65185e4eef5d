"""People's own programs at the WebDAV server, through the proxy of a real VRE."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from pelagos.deployment import DAV_PATH, ROOT, STATE_VARIABLE, mount_password
from pelagos.hubconfig.roles import WORKSPACE_SCOPE
from support import Person, Vre, until

pytestmark = pytest.mark.engine

RCLONE = Path(sys.executable).with_name("rclone")


@pytest.fixture(scope="module")
def dav(vre: Vre) -> Iterator[Vre]:
    """The VRE with its WebDAV server. One line once `up` starts it: `yield vre`."""
    with started(vre):
        yield vre


@contextmanager
def started(vre: Vre) -> Iterator[None]:
    """The server, where supervisord does not run it."""
    log = vre.folder / "logs" / "dav.log"
    with log.open("ab") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "pelagos.services.dav"],
            env={**os.environ, STATE_VARIABLE: str(vre.folder), "PYTHONPATH": str(ROOT / "hub")},
            stdout=file, stderr=file,
        )  # fmt: skip
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def token(dav: Vre) -> str:
    """A token of ada's, made as the page /hub/token makes it."""
    with Person(dav, "ada") as ada:
        made = ada.post("/hub/api/users/ada/tokens", json={"note": "outside"})
        assert made.status_code == 201, made.text
    text = str(made.json()["token"])
    until(lambda: propfind(dav, ("ada", text)).status_code == 207, 60, "the server answers")
    return text


def address(vre: Vre, path: str = "") -> str:
    return f"{vre.url}{DAV_PATH}/ada/{path}"


def propfind(vre: Vre, auth: tuple[str, str], path: str = "") -> httpx.Response:
    return httpx.request("PROPFIND", address(vre, path), auth=auth, headers={"Depth": "1"})


def run(*command: str | Path, **arguments: object) -> str:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=300, **arguments
    )  # type: ignore[call-overload]
    assert done.returncode == 0, f"{command[:2]}: {done.stdout}{done.stderr}"
    return str(done.stdout)


@pytest.fixture(scope="module")
def rclone(dav: Vre, token: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """rclone's configuration, as a person makes it."""
    configuration = tmp_path_factory.mktemp("rclone") / "rclone.conf"
    hidden = run(RCLONE, "obscure", "-", input=token).strip()
    configuration.write_text(
        f"[pelagos]\ntype = webdav\nurl = {address(dav)}\nvendor = owncloud\nuser = ada\n"
        f"pass = {hidden}\n"
    )
    return configuration


def test_rclone_copies_checks_and_moves(dav: Vre, rclone: Path, tmp_path: Path) -> None:
    def call(*arguments: str | Path) -> str:
        return run(RCLONE, "--config", rclone, *arguments)

    tree = tmp_path / "tree"
    (tree / "deep" / "er").mkdir(parents=True)
    for name, size in (
        ("a.nc", 5_000_000), ("deep/b c#%.txt", 10), ("deep/er/é\U0001f41f", 0),
        ("deep/back\\slash", 5), ("deep/ lead", 1), ("deep/trail ", 1), ("deep/new\nline", 1),
    ):  # fmt: skip
        (tree / name).write_bytes(os.urandom(size))
        os.utime(tree / name, (1_000_000_000, 1_000_000_000))
    call("copy", tree, "pelagos:tree")
    call("check", "--download", tree, "pelagos:tree")
    # times went along
    times = call("lsf", "--format", "t", "-R", "--files-only", "pelagos:tree")
    assert {line[:10] for line in times.split("\n") if line} == {"2001-09-09"}
    call("moveto", "pelagos:tree", "pelagos:shared/ocean-climate/moved")
    call("check", "--download", tree, "pelagos:shared/ocean-climate/moved")
    call("purge", "pelagos:shared/ocean-climate/moved")
    about = call("about", "--json", "pelagos:")
    assert f'"total": {dav.deployment.settings.storage.workspace.quota}' in about


def test_curl_uploads_and_downloads(dav: Vre, token: str, tmp_path: Path) -> None:
    secret = tmp_path / "netrc"
    secret.write_text(f"machine 127.0.0.1 login ada password {token}\n")
    secret.chmod(0o600)
    (tmp_path / "up").write_bytes(os.urandom(3_000_000))
    curl = ("curl", "--fail-with-body", "--silent", "--show-error", "--netrc-file", secret)
    run(*curl, "--upload-file", tmp_path / "up", address(dav, "curl.bin"))
    run(*curl, "--output", tmp_path / "down", address(dav, "curl.bin"))
    assert (tmp_path / "down").read_bytes() == (tmp_path / "up").read_bytes()
    run(*curl, "--upload-file", "-", address(dav, "stream"), input="from a pipe")
    run(*curl, "-X", "DELETE", address(dav, "curl.bin"))


def test_davfs2_mounts_it(dav: Vre, token: str, tmp_path: Path) -> None:
    point = tmp_path / "mount"
    point.mkdir()
    secrets, configuration = tmp_path / "secrets", tmp_path / "davfs2.conf"
    secrets.write_text(f"{address(dav)} ada {token}\n")
    secrets.chmod(0o600)
    configuration.write_text(
        f"secrets {secrets}\nignore_dav_header 0\ndelay_upload 0\nn_cookies 0\n"
    )
    content = os.urandom(500_000)
    run("mount.davfs", address(dav), point, "-o", f"conf={configuration},rw")
    try:
        assert (point / "shared" / "ocean-climate").is_dir()
        (point / "folder").mkdir()
        (point / "folder" / "f").write_bytes(content)
        (point / "folder" / "f").rename(point / "folder" / "g")
        (point / "shared" / "ocean-climate" / "davfs").write_bytes(content)
    finally:
        run("umount", point)
        for left in Path("/var/cache/davfs2").glob(f"*{tmp_path.name}*"):
            shutil.rmtree(left)
    auth = ("ada", token)
    with httpx.Client(auth=auth, trust_env=False, timeout=60) as client:
        assert client.get(address(dav, "folder/g")).content == content
        assert client.get(address(dav, "shared/ocean-climate/davfs")).content == content
        assert client.delete(address(dav, "shared/ocean-climate/davfs")).status_code == 204


def test_a_destination_behind_the_proxy_is_understood(dav: Vre, token: str) -> None:
    with httpx.Client(auth=("ada", token), trust_env=False, timeout=60) as client:
        client.put(address(dav, "m1"), content=b"1")
        for method in ("COPY", "MOVE"):
            there = {"Destination": address(dav, f"m-{method}")}
            assert client.request(method, address(dav, "m1"), headers=there).status_code == 201


def test_an_upload_that_breaks_before_the_proxy_changes_nothing(dav: Vre, token: str) -> None:
    with httpx.Client(auth=("ada", token), trust_env=False, timeout=60) as client:
        client.put(address(dav, "keep"), content=b"old")

        def broken() -> Iterator[bytes]:
            yield b"x" * 500_000
            raise RuntimeError("the client's machine goes down")

        for headers in ({}, {"Content-Length": "1000000"}):
            with pytest.raises(RuntimeError):
                client.put(address(dav, "keep"), content=broken(), headers=headers)
        staging = dav.folder / "workspaces" / "users" / ".staging"
        until(lambda: not os.listdir(staging))
        assert client.get(address(dav, "keep")).content == b"old"


def test_a_person_sees_another_ones_files_with_no_token(dav: Vre, token: str) -> None:
    with Person(dav, "ben") as ben:
        made = ben.post("/hub/api/users/ben/tokens", json={}).json()["token"]
        assert propfind(dav, ("ben", made)).status_code == 403
        assert propfind(dav, ("ada", made)).status_code == 401
        # a cookie of the hub opens nothing here: other pages could use it
        assert ben.client.get(address(dav)).status_code == 401


@pytest.mark.parametrize(
    ("scope", "status"), [("read:users:name!user", 401), (WORKSPACE_SCOPE, 207)]
)
def test_a_token_opens_files_only_with_the_scope_for_that(
    dav: Vre, token: str, scope: str, status: int
) -> None:
    with Person(dav, "ada") as ada:
        made = ada.post("/hub/api/users/ada/tokens", json={"scopes": [scope]}).json()["token"]
    assert propfind(dav, ("ada", made)).status_code == status


def test_a_revoked_token_is_refused_soon(dav: Vre) -> None:
    with Person(dav, "ada") as ada:
        made = ada.post("/hub/api/users/ada/tokens", json={}).json()
        auth = ("ada", str(made["token"]))
        assert propfind(dav, auth).status_code == 207
        xsrf = ada.client.cookies.get("_xsrf", path="/hub/") or ""
        gone = ada.client.delete(
            f"/hub/api/users/ada/tokens/{made['id']}",
            headers={"X-XSRFToken": xsrf, "Referer": f"{dav.url}/hub/home"},
        )
        assert gone.status_code == 204
    until(lambda: propfind(dav, auth).status_code == 401, 30)


def test_the_mounts_password_is_no_way_in_from_outside(dav: Vre, token: str) -> None:
    password = mount_password(dav.state.secret("workspace-mount"), "ada")
    assert propfind(dav, ("ada", password)).status_code == 401
    inside = httpx.request(
        "PROPFIND", f"{dav.deployment.dav_url}/ada/", auth=("ada", password), headers={"Depth": "0"}
    )
    assert inside.status_code == 207
