"""Real mounts, as root."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pelagos.errors import StorageError
from pelagos.node import mounts

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounts need root")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with `source/file` and an empty `target`; unmounted afterwards."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "file").write_text("here")
    (tmp_path / "target dir").mkdir()
    yield tmp_path
    for point in mounts.below(tmp_path):
        mounts.unmount(point, lazy=True)


def test_a_bind_shows_the_folder_and_can_be_repeated(folder: Path) -> None:
    for _ in range(2):
        mounts.bind(folder / "source", folder / "target dir")
    assert (folder / "target dir" / "file").read_text() == "here"
    assert len(mounts.below(folder)) == 1
    found = mounts.find(folder / "target dir")
    assert found is not None
    assert {"nosuid", "nodev"} <= found.options
    for _ in range(2):
        mounts.unmount(folder / "target dir")
    assert not (folder / "target dir" / "file").exists()


def test_a_read_only_bind_refuses_writes_of_root(folder: Path) -> None:
    mounts.bind(folder / "source", folder / "target dir", read_only=True)
    with pytest.raises(OSError, match="Read-only"):
        (folder / "target dir" / "new").touch()
    with pytest.raises(StorageError, match="Something else"):
        mounts.bind(folder / "source", folder / "target dir")


def test_a_symbolic_link_is_no_place_for_a_mount(folder: Path) -> None:
    (folder / "link").symlink_to("/etc")
    with pytest.raises(StorageError, match="not a folder"):
        mounts.bind(folder / "source", folder / "link")
    with pytest.raises(StorageError, match="No such file"):
        mounts.bind(folder / "source", folder / "missing")


def test_a_busy_mount_goes_only_lazily(folder: Path) -> None:
    mounts.bind(folder / "source", folder / "target dir")
    with (folder / "target dir" / "file").open() as held:
        with pytest.raises(StorageError, match="busy"):
            mounts.unmount(folder / "target dir")
        mounts.unmount(folder / "target dir", lazy=True)
        assert held.read() == "here"
    assert not mounts.is_mount(folder / "target dir")


def test_a_later_mount_reaches_a_namespace_with_its_flags(folder: Path) -> None:
    """What a container sees: a slave of the shared parent, from before the bind."""
    parent = folder / "parent"
    (parent / "area").mkdir(parents=True)
    for _ in range(2):
        mounts.shared(parent)
    assert len(mounts.below(parent)) == 1
    script = f'echo ready; read line; cat {parent}/area/file; touch {parent}/area/new || echo "ro"'
    with subprocess.Popen(
        ["unshare", "--mount", "--propagation", "slave", "sh", "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as container:
        assert container.stdin is not None
        assert container.stdout is not None
        assert container.stdout.readline() == "ready\n"
        mounts.bind(folder / "source", parent / "area", read_only=True)
        container.stdin.write("\n")
        container.stdin.flush()
        assert container.stdout.read() == "herero\n"
    assert mounts.below(parent) == [parent / "area", parent]
