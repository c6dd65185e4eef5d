"""Counters and limits are read from either version of cgroups, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from pelagos_server.memory import MemoryGroup, readable


@pytest.fixture
def membership(tmp_path: Path) -> Path:
    return tmp_path / "cgroup"


def v1(folder: Path, kills: int, limit: int) -> None:
    folder.mkdir(parents=True)
    (folder / "memory.oom_control").write_text(
        f"oom_kill_disable 0\nunder_oom 0\noom_kill {kills}\n"
    )
    (folder / "memory.limit_in_bytes").write_text(f"{limit}\n")


def v2(folder: Path, kills: int, limit: str) -> None:
    folder.mkdir(parents=True)
    (folder / "memory.events").write_text(f"low 0\nhigh 0\nmax 7\noom 3\noom_kill {kills}\n")
    (folder / "memory.max").write_text(f"{limit}\n")


def test_version_1_as_a_container_sees_it(tmp_path: Path, membership: Path) -> None:
    v1(tmp_path / "fs/memory", kills=2, limit=2**30)
    membership.write_text("5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n0::/x\n")
    group = MemoryGroup(tmp_path / "fs", membership)
    assert (group.kills(), group.limit()) == (2, 2**30)


def test_version_1_as_the_host_sees_it(tmp_path: Path, membership: Path) -> None:
    v1(tmp_path / "fs/memory/user/ada", kills=1, limit=0x7FFFFFFFFFFFF000)
    membership.write_text("4:memory:/user/ada\n")
    group = MemoryGroup(tmp_path / "fs", membership)
    assert (group.kills(), group.limit()) == (1, None)


@pytest.mark.parametrize("path", ["/", "/system.slice/pelagos.service"])
def test_version_2(tmp_path: Path, membership: Path, path: str) -> None:
    v2(tmp_path / "fs" / path.lstrip("/"), kills=4, limit="1073741824")
    membership.write_text(f"0::{path}\n")
    group = MemoryGroup(tmp_path / "fs", membership)
    assert (group.kills(), group.limit()) == (4, 2**30)


def test_no_limit_in_version_2(tmp_path: Path, membership: Path) -> None:
    v2(tmp_path / "fs", kills=0, limit="max")
    membership.write_text("0::/\n")
    assert MemoryGroup(tmp_path / "fs", membership).limit() is None


def test_a_system_without_cgroups_is_known_to_be_unknown(tmp_path: Path, membership: Path) -> None:
    group = MemoryGroup(tmp_path / "nothing", membership)
    assert (group.kills(), group.limit()) == (None, None)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (1536, "1.5 KiB"), (400 * 2**20, "400 MiB"), (2**31, "2 GiB"),
     (3 * 2**40, "3 TiB"), (32 * 2**30, "32 GiB")],
)  # fmt: skip
def test_sizes_are_readable(size: int, text: str) -> None:
    assert readable(size) == text
