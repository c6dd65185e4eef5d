"""Tutorials come to a home without ever touching what a person did there. No engine."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "images/base/root/opt/pelagos/libexec/tutorials.py"


@pytest.fixture(scope="module")
def tutorials() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tutorials", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def shipped(tmp_path: Path, tutorials: ModuleType) -> Path:
    folder = tmp_path / "shipped"
    (folder / "deep").mkdir(parents=True)
    (folder / "one.ipynb").write_text("one")
    (folder / "deep/two.ipynb").write_text("two")
    tutorials.ship(str(folder))
    return folder


@pytest.fixture
def home(tmp_path: Path, shipped: Path, tutorials: ModuleType) -> Path:
    folder = tmp_path / "home"
    tutorials.update(str(shipped), str(folder))
    return folder


def next_version(shipped: Path, tutorials: ModuleType) -> None:
    (shipped / "one.ipynb").write_text("one, better")
    (shipped / "three.ipynb").write_text("three")
    tutorials.ship(str(shipped))


def test_a_new_home_gets_all(home: Path) -> None:
    assert (home / "one.ipynb").read_text() == "one"
    assert (home / "deep/two.ipynb").read_text() == "two"


def test_an_untouched_file_is_refreshed_and_a_new_one_added(
    home: Path, shipped: Path, tutorials: ModuleType
) -> None:
    next_version(shipped, tutorials)
    tutorials.update(str(shipped), str(home))
    assert (home / "one.ipynb").read_text() == "one, better"
    assert (home / "three.ipynb").read_text() == "three"


def test_a_changed_file_is_left_alone_for_ever(
    home: Path, shipped: Path, tutorials: ModuleType
) -> None:
    (home / "one.ipynb").write_text("mine")
    for _ in range(2):
        next_version(shipped, tutorials)
        tutorials.update(str(shipped), str(home))
        assert (home / "one.ipynb").read_text() == "mine"


def test_a_file_that_was_thrown_away_does_not_come_back(
    home: Path, shipped: Path, tutorials: ModuleType
) -> None:
    (home / "one.ipynb").unlink()
    next_version(shipped, tutorials)
    tutorials.update(str(shipped), str(home))
    assert not (home / "one.ipynb").exists()


def test_a_persons_own_file_of_the_same_name_is_kept(
    tmp_path: Path, shipped: Path, tutorials: ModuleType
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "one.ipynb").write_text("mine")
    tutorials.update(str(shipped), str(home))
    assert (home / "one.ipynb").read_text() == "mine"
    assert (home / "deep/two.ipynb").read_text() == "two"


def test_a_full_home_is_left_without_a_torn_file(
    home: Path, shipped: Path, tutorials: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: str, target: str) -> None:
        raise OSError(28, "No space left on device")

    next_version(shipped, tutorials)
    monkeypatch.setattr(tutorials.os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        tutorials.update(str(shipped), str(home))
    assert (home / "one.ipynb").read_text() == "one"
    assert list(home.rglob("*.part")) == []
