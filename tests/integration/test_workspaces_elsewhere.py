"""Workspaces on somebody else's WebDAV server: Apache, with passwords that change and go away."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pelagos.settings import Settings
from pelagos.vault import Account, Vault
from storage_node import Node, random_file, sha256
from support import until
from webdav_peers import Apache


@pytest.fixture(scope="module")
def apache() -> Iterator[Apache]:
    # not in pytest's own folders, which another run closes to other accounts
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        with Apache(Path(folder)) as apache:
            yield apache


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, apache: Apache) -> Iterator[Node]:
    workspace = {"kind": "webdav", "url": f"{apache.url}{{user}}/"}
    settings = Settings.model_validate({"storage": {"workspace": workspace}})
    node = Node(tmp_path_factory.mktemp("elsewhere"), settings)
    try:
        node.start("agent")
        yield node
    finally:
        node.close()


@pytest.fixture(scope="module")
def vault(node: Node) -> Vault:
    return Vault(node.state.storage / "credentials", node.state.secret("storage-key"))


def account(apache: Apache, password: str = "", folder: str = "") -> Account:
    """An account as the page of the workspace service keeps it."""
    url = f"{apache.url}{folder or 'ada%40elsewhere'}/"
    return Account(url, apache.user, password or apache.password)


def files(apache: Apache) -> Path:
    """The person's folder behind Apache."""
    return apache.files / "ada@elsewhere"


def test_without_an_account_the_folder_says_where_to_enter_one(node: Node, vault: Vault) -> None:
    node.call("PUT", "/workspaces/ada")
    until(lambda: node.status("ada")["state"] == "unavailable", 30)
    assert "no account" in node.status("ada")["reason"]
    note = (node.data("ada") / "README.txt").read_text()
    assert "/services/workspace/" in note


def test_an_account_that_is_entered_is_mounted_without_a_restart(
    node: Node, vault: Vault, apache: Apache
) -> None:
    vault.put("ada", account(apache))
    until(lambda: node.status("ada")["state"] == "mounted", 60, node.log("agent"))
    expected = random_file(node.data("ada") / "ctd.nc", 10 << 20)
    node.arrived("ada")
    assert sha256(files(apache) / "ctd.nc") == expected


def test_the_password_stands_nowhere_in_the_clear(node: Node, apache: Apache) -> None:
    for path in node.state.folder.rglob("*"):
        if path.is_file() and "mounts" not in path.parts:
            assert apache.password.encode() not in path.read_bytes(), path
    commands = [Path(f"/proc/{pid}/cmdline") for pid in os.listdir("/proc") if pid.isdigit()]
    for command in commands:
        try:
            assert apache.password.encode() not in command.read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue


def test_a_rotated_password_is_told_and_what_waits_arrives_with_the_new_one(
    node: Node, vault: Vault, apache: Apache
) -> None:
    apache.set_password("second password")
    expected = random_file(node.data("ada") / "waits.nc", 1 << 20)
    until(lambda: node.status("ada")["failed"], 60, node.log("agent"))
    assert "401" in node.status("ada")["failed"][0]["reason"]
    node.call("PUT", "/workspaces/ada")
    until(
        lambda: "refused the user name" in node.status("ada")["reason"],
        30,
        str((node.status("ada"), node.log("agent"))),
    )
    vault.put("ada", account(apache, "second password"))
    until((files(apache) / "waits.nc").exists, 60, node.log("agent"))
    node.arrived("ada")
    assert sha256(files(apache) / "waits.nc") == expected
    assert node.status("ada")["reason"] == ""


def test_a_forgotten_account_leaves_nothing_mounted_and_keeps_what_waits(
    node: Node, vault: Vault, apache: Apache
) -> None:
    assert os.listdir(node.data("ada"))  # rclone knows the folder for the next seconds
    apache.stop()
    expected = random_file(node.data("ada") / "late.nc", 1 << 20)
    until(lambda: node.status("ada")["pending"] == 1, 30)
    vault.forget("ada")
    until(lambda: node.status("ada")["state"] == "unavailable", 30, node.log("agent"))
    assert not (node.data("ada") / "ctd.nc").exists()
    assert node.status("ada")["pending"] == 1
    apache.start()
    # another account does not get it
    vault.put("ada", account(apache, "second password", "other"))
    (apache.files / "other").mkdir()
    os.chown(apache.files / "other", files(apache).stat().st_uid, files(apache).stat().st_gid)
    until(lambda: node.status("ada")["state"] == "mounted", 60, node.log("agent"))
    assert list((apache.files / "other").iterdir()) == []
    vault.put("ada", account(apache, "second password"))
    until((files(apache) / "late.nc").exists, 60, node.log("agent"))
    node.arrived("ada")
    assert sha256(files(apache) / "late.nc") == expected
