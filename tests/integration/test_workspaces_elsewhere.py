"""Workspaces on somebody else's WebDAV server: Apache, with passwords that change and go away."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from pelagos.settings import Settings
from pelagos.vault import Account, Vault
from storage_node import Node, random_file
from support import until
from webdav_peers import Apache

NUMBERS = itertools.count()


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


@dataclass
class Person:
    """Somebody of the VRE with an account on Apache, whose workspace a server of theirs wants."""

    name: str
    node: Node
    vault: Vault
    apache: Apache

    def __post_init__(self) -> None:
        self.user, self.password = f"{self.name}@elsewhere", f"app-password of {self.name}"
        self.files = self.apache.add_user(self.user, self.password)
        self.node.call("PUT", f"/workspaces/{self.name}")

    @property
    def data(self) -> Path:
        """The workspace as their server sees it."""
        return self.node.data(self.name)

    @property
    def status(self) -> dict[str, Any]:
        """How it is."""
        return self.node.status(self.name)

    def enter(self, password: str = "", folder: str = "") -> None:
        """Keep an account, as the page of the workspace service does."""
        url = f"{self.apache.url}{quote(folder or self.user)}/"
        self.vault.put(self.name, Account(url, self.user, password or self.password))

    def mounted(self) -> None:
        """Wait for the mount."""
        until(lambda: self.status["state"] == "mounted", 60, self.node.log("agent"))

    def arrived(self, name: str, digest: str) -> None:
        """Wait until this file is in their folder on Apache."""
        self.node.arrived(self.name, {name: digest}, folder=self.files)


@pytest.fixture
def ada(node: Node, apache: Apache) -> Iterator[Person]:
    """Somebody whom no other test knows; their account is not entered yet."""
    vault = Vault(node.state.storage / "credentials", node.state.secret("storage-key"))
    person = Person(f"ada-{next(NUMBERS)}", node, vault, apache)
    yield person
    node.release(person.name)


def test_without_an_account_the_folder_says_where_to_enter_one(ada: Person) -> None:
    until(lambda: ada.status["state"] == "unavailable", 30)
    assert "no account" in ada.status["reason"]
    note = (ada.data / "README.txt").read_text()
    assert "/services/workspace/" in note


def test_an_account_that_is_entered_is_mounted_without_a_restart(ada: Person) -> None:
    until(lambda: ada.status["state"] == "unavailable", 30)
    ada.enter()
    ada.mounted()
    ada.arrived("ctd.nc", random_file(ada.data / "ctd.nc", 10 << 20))


def test_the_password_stands_nowhere_in_the_clear(ada: Person) -> None:
    ada.enter()
    ada.mounted()
    ada.arrived("ctd.nc", random_file(ada.data / "ctd.nc", 1 << 20))
    processes = [Path("/proc", pid, "cmdline") for pid in os.listdir("/proc") if pid.isdigit()]
    files = [path for path in ada.node.state.folder.rglob("*") if "mounts" not in path.parts]
    read = 0
    for path in [*processes, *files]:
        # what ends or is renamed meanwhile; sockets and folders
        with contextlib.suppress(OSError):
            assert ada.password.encode() not in path.read_bytes(), path
            read += path in files
    assert read >= 5, "settings, secrets, logs, the vault, rclone's configuration"


def test_a_rotated_password_is_told_and_what_waits_arrives_with_the_new_one(ada: Person) -> None:
    ada.enter()
    ada.mounted()
    content = os.urandom(1 << 20)
    with (ada.data / "waits.nc").open("wb") as file:
        # open before: a new name may be refused, which its program is told
        ada.apache.set_password("second password", ada.user)
        file.write(content)
    until(lambda: ada.status["failed"], 60, ada.node.log("agent"))
    assert "401" in ada.status["failed"][0]["reason"]
    ada.node.call("PUT", f"/workspaces/{ada.name}")
    until(
        lambda: "refused the user name" in ada.status["reason"],
        30,
        str((ada.status, ada.node.log("agent"))),
    )
    ada.enter("second password")
    ada.arrived("waits.nc", hashlib.sha256(content).hexdigest())
    until(lambda: not ada.status["reason"], 30, str(ada.status))


def test_a_forgotten_account_leaves_nothing_mounted_and_keeps_what_waits(ada: Person) -> None:
    ada.enter()
    ada.mounted()
    ada.arrived("ctd.nc", random_file(ada.data / "ctd.nc", 1 << 20))
    content = os.urandom(1 << 20)
    try:
        with (ada.data / "late.nc").open("wb") as file:
            ada.apache.stop()
            file.write(content)
        until(lambda: ada.status["pending"] == 1, 30)
        ada.vault.forget(ada.name)
        until(lambda: ada.status["state"] == "unavailable", 30, ada.node.log("agent"))
        assert not (ada.data / "ctd.nc").exists()
        assert ada.status["pending"] == 1
    finally:
        ada.apache.start()
    # another account does not get it
    other = ada.apache.add_folder(f"other of {ada.name}")
    ada.enter(folder=other.name)
    ada.mounted()
    assert list(other.iterdir()) == []
    ada.enter()
    ada.arrived("late.nc", hashlib.sha256(content).hexdigest())
