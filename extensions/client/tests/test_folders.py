"""Where things are, and what is said when they are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pelagos_client import dataspace, workspace
from pelagos_client.errors import NotAvailableError, OutsideError, PelagosError


def test_paths_come_from_the_environment(storage: Any) -> None:
    assert workspace.path() == storage.workspace
    assert workspace.shared("reef-lab") == storage.workspace / "shared" / "reef-lab"
    assert dataspace.path() == storage.dataspace / "me"
    assert dataspace.shared("reef-lab") == storage.dataspace / "reef-lab"
    assert dataspace.pool() == storage.dataspace / "pool"


def test_the_workspace_is_in_the_home_without_a_variable(
    storage: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("PELAGOS_WORKSPACE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert workspace.path() == tmp_path / "workspace"


def test_a_folder_that_is_missing_is_said_so(storage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PELAGOS_WORKSPACE", str(storage.workspace / "nothing"))
    with pytest.raises(NotAvailableError, match="no folder") as caught:
        workspace.path()
    assert "PELAGOS_WORKSPACE" in caught.value.mend


def test_what_stands_for_a_mount_is_not_taken_for_it(storage: Any) -> None:
    for folder, look in ((storage.workspace, workspace.path), (dataspace.path(), dataspace.path)):
        (folder / "README.txt").write_text("The server is down.")
        assert look() == folder  # a file of one's own
        folder.chmod(0o555)
        with pytest.raises(NotAvailableError, match=r"not connected.*README\.txt says why"):
            look()
        folder.chmod(0o755)


@pytest.mark.parametrize("name", ["..", "../me", "", "a/b", "pool", "Reef", "me\n"])
def test_what_is_no_name_of_a_virtual_lab_is_refused(storage: Any, name: str) -> None:
    for look in (dataspace.shared, workspace.shared):
        with pytest.raises(OutsideError):
            look(name)


def test_a_virtual_lab_that_is_not_here_is_said_with_those_that_are(storage: Any) -> None:
    with pytest.raises(NotAvailableError, match="Here are: reef-lab"):
        dataspace.shared("abyss")
    with pytest.raises(NotAvailableError, match="Here are: reef-lab"):
        workspace.shared("abyss")


def test_every_error_is_one_to_catch() -> None:
    import pelagos_client.errors

    found = [e for e in vars(pelagos_client.errors).values() if isinstance(e, type)]
    assert len(found) > 8
    assert all(issubclass(error, PelagosError) for error in found)
    for error in found:
        assert error.__name__ in (pelagos_client.errors.__doc__ or "")
