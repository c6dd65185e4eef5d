"""People's own programs at the WebDAV server, through the proxy of a real VRE."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pelagos.deployment import DAV_PATH, mount_password
from pelagos.hubconfig.roles import WORKSPACE_SCOPE
from support import Person, Vre, until

pytestmark = pytest.mark.engine

RCLONE = Path(sys.executable).with_name("rclone")


@pytest.fixture(scope="module")
def token(vre: Vre) -> str:
    """A token of ada's, made as the page /hub/token makes it."""
    with Person(vre, "ada") as ada:
        made = ada.post("/hub/api/users/ada/tokens", json={"note": "outside"})
        assert made.status_code == 201, made.text
    text = str(made.json()["token"])
    until(lambda: propfind(vre, ("ada", text)).status_code == 207, 60, "the server answers")
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
def rclone(vre: Vre, token: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """rclone's configuration, as a person makes it."""
    configuration = tmp_path_factory.mktemp("rclone") / "rclone.conf"
    hidden = run(RCLONE, "obscure", "-", input=token).strip()
    configuration.write_text(
        f"[pelagos]\ntype = webdav\nurl = {address(vre)}\nvendor = owncloud\nuser = ada\n"
        f"pass = {hidden}\n"
    )
    return configuration


def test_rclone_copies_checks_and_moves(vre: Vre, rclone: Path, tmp_path: Path) -> None:
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
    assert f'"total": {vre.deployment.settings.storage.workspace.quota}' in about


def test_curl_uploads_and_downloads(vre: Vre, token: str, tmp_path: Path) -> None:
    secret = tmp_path / "netrc"
    secret.write_text(f"machine 127.0.0.1 login ada password {token}\n")
    secret.chmod(0o600)
    (tmp_path / "up").write_bytes(os.urandom(3_000_000))
    curl = ("curl", "--fail-with-body", "--silent", "--show-error", "--netrc-file", secret)
    run(*curl, "--upload-file", tmp_path / "up", address(vre, "curl.bin"))
    run(*curl, "--output", tmp_path / "down", address(vre, "curl.bin"))
    assert (tmp_path / "down").read_bytes() == (tmp_path / "up").read_bytes()
    run(*curl, "--upload-file", "-", address(vre, "stream"), input="from a pipe")
    run(*curl, "-X", "DELETE", address(vre, "curl.bin"))


def test_davfs2_mounts_it(vre: Vre, token: str, tmp_path: Path) -> None:
    point = tmp_path / "mount"
    point.mkdir()
    secrets, configuration = tmp_path / "secrets", tmp_path / "davfs2.conf"
    secrets.write_text(f"{address(vre)} ada {token}\n")
    secrets.chmod(0o600)
    configuration.write_text(
        f"secrets {secrets}\nignore_dav_header 0\ndelay_upload 0\nn_cookies 0\n"
    )
    content = os.urandom(500_000)
    run("mount.davfs", address(vre), point, "-o", f"conf={configuration},rw")
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
        assert client.get(address(vre, "folder/g")).content == content
        assert client.get(address(vre, "shared/ocean-climate/davfs")).content == content
        assert client.delete(address(vre, "shared/ocean-climate/davfs")).status_code == 204


def test_a_destination_behind_the_proxy_is_understood(vre: Vre, token: str) -> None:
    with httpx.Client(auth=("ada", token), trust_env=False, timeout=60) as client:
        client.put(address(vre, "m1"), content=b"1")
        for method in ("COPY", "MOVE"):
            there = {"Destination": address(vre, f"m-{method}")}
            assert client.request(method, address(vre, "m1"), headers=there).status_code == 201


def test_an_upload_that_breaks_before_the_proxy_changes_nothing(vre: Vre, token: str) -> None:
    with httpx.Client(auth=("ada", token), trust_env=False, timeout=60) as client:
        client.put(address(vre, "keep"), content=b"old")

        def broken() -> Iterator[bytes]:
            yield b"x" * 500_000
            raise RuntimeError("the client's machine goes down")

        for headers in ({}, {"Content-Length": "1000000"}):
            with pytest.raises(RuntimeError):
                client.put(address(vre, "keep"), content=broken(), headers=headers)
        staging = vre.folder / "workspaces" / "users" / ".staging"
        until(lambda: not os.listdir(staging))
        assert client.get(address(vre, "keep")).content == b"old"


def test_a_person_sees_another_ones_files_with_no_token(vre: Vre, token: str) -> None:
    with Person(vre, "ben") as ben:
        made = ben.post("/hub/api/users/ben/tokens", json={}).json()["token"]
        assert propfind(vre, ("ben", made)).status_code == 403
        assert propfind(vre, ("ada", made)).status_code == 401
        # a cookie of the hub opens nothing here: other pages could use it
        assert ben.client.get(address(vre)).status_code == 401


@pytest.mark.parametrize(
    ("scope", "status"), [("read:users:name!user", 401), (WORKSPACE_SCOPE, 207)]
)
def test_a_token_opens_files_only_with_the_scope_for_that(
    vre: Vre, token: str, scope: str, status: int
) -> None:
    with Person(vre, "ada") as ada:
        made = ada.post("/hub/api/users/ada/tokens", json={"scopes": [scope]}).json()["token"]
    assert propfind(vre, ("ada", made)).status_code == status


def test_a_revoked_token_is_refused_soon(vre: Vre) -> None:
    with Person(vre, "ada") as ada:
        made = ada.post("/hub/api/users/ada/tokens", json={}).json()
        auth = ("ada", str(made["token"]))
        assert propfind(vre, auth).status_code == 207
        xsrf = ada.client.cookies.get("_xsrf", path="/hub/") or ""
        gone = ada.client.delete(
            f"/hub/api/users/ada/tokens/{made['id']}",
            headers={"X-XSRFToken": xsrf, "Referer": f"{vre.url}/hub/home"},
        )
        assert gone.status_code == 204
    until(lambda: propfind(vre, auth).status_code == 401, 30)


def test_the_mounts_password_is_no_way_in_from_outside(vre: Vre, token: str) -> None:
    password = mount_password(vre.state.secret("workspace-mount"), "ada")
    assert propfind(vre, ("ada", password)).status_code == 401
    inside = httpx.request(
        "PROPFIND", f"{vre.deployment.dav_url}/ada/", auth=("ada", password), headers={"Depth": "0"}
    )
    assert inside.status_code == 207
