import json
from pathlib import Path

import pytest
from pelagos.node.rclone import (
    EMBEDDED,
    Mount,
    Places,
    Remote,
    cached,
    command,
    configuration,
    remotes_in,
    short_reason,
)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(
        target=tmp_path / "mounts" / "ada" / "data",
        cache=tmp_path / "cache" / "ada",
        config=tmp_path / "ada.conf",
        log=tmp_path / "ada.log",
        socket=tmp_path / "ada.sock",
    )


REMOTE = Remote(EMBEDDED, "http://127.0.0.1:8002/dav/ada/", "ada", "secret-word")


def test_no_secret_stands_on_the_command_line_or_in_a_repr(places: Places) -> None:
    line = " ".join(command(REMOTE, places, 1 << 30))
    assert "secret-word" not in line + repr(REMOTE)
    text = configuration(REMOTE)
    assert "secret-word" not in text  # scrambled, and mode 0600
    assert "user = ada\n" in text


def test_refused_uploads_are_never_given_up(places: Places) -> None:
    line = command(REMOTE, places, 1 << 30)
    assert line[line.index("--vfs-write-back") + 1] != "0", "0 loses what the server refuses"
    assert line[line.index("--vfs-cache-mode") + 1] == "full"


def test_another_password_is_the_same_folder_and_another_account_is_not() -> None:
    rotated = Remote(EMBEDDED, REMOTE.url, "ada", "another")
    assert rotated.name == REMOTE.name
    assert rotated.stamp != REMOTE.stamp
    assert Remote("other", REMOTE.url, "ada", "secret-word").name != REMOTE.name


@pytest.mark.parametrize(
    ("identity", "url", "vendor"),
    [
        (EMBEDDED, "http://127.0.0.1/dav/ada/", "owncloud"),
        ("x", "https://cloud.example.org/remote.php/dav/files/ada/", "nextcloud"),
        ("x", "https://dav.example.org/ada/", "other"),
    ],
)
def test_only_what_is_known_of_a_server_is_assumed(identity: str, url: str, vendor: str) -> None:
    assert Remote(identity, url, "ada", "x").vendor == vendor


@pytest.mark.parametrize("user", ["ada\npass = x", "ada\rx", "ada\0"])
def test_a_user_name_cannot_add_lines_to_the_configuration(user: str) -> None:
    with pytest.raises(ValueError, match="line"):
        configuration(Remote("x", "https://dav.example.org/", user, "x"))


def note(cache: Path, name: str, text: str) -> None:
    path = cache / "vfsMeta" / REMOTE.name / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_cache_tells_what_the_server_lacks(tmp_path: Path) -> None:
    note(tmp_path, "cruise/a.nc", json.dumps({"Size": 7, "Dirty": True}))
    note(tmp_path, "b.nc", json.dumps({"Size": 9, "Dirty": False}))
    note(tmp_path, "c.nc", '{"Size": 9, "Dir')
    found = {file.name: (file.size, file.dirty) for file in cached(tmp_path, REMOTE.name)}
    assert found == {"cruise/a.nc": (7, True), "b.nc": (9, False), "c.nc": (0, None)}
    assert remotes_in(tmp_path) == [REMOTE.name]
    assert remotes_in(tmp_path / "none") == []


def test_a_reason_is_what_the_server_said() -> None:
    message = (
        "vfs cache: failed to upload try #3, will retry in 20s: vfs cache: failed to transfer file "
        "from cache to remote: unchunked simple update failed: quota exceeded: 507 Insufficient "
        "Storage"
    )
    assert short_reason(message) == "quota exceeded: 507 Insufficient Storage"
    refused = 'try #1, will retry in 2s: Put "https://cloud.example.org/files/ada/x": refused'
    assert "cloud.example.org" not in short_reason(refused)


def test_where_nobody_listens_nothing_is_known(places: Places) -> None:
    mount = Mount(places)
    assert mount.uploads() is None
    mount.retry()
