import time
from pathlib import Path

import pytest
from pelagos.errors import RefusedError, StorageError
from pelagos.node import pins as module
from pelagos.node.pins import Kept, Pins, checked

AREA = "users/anna"
BAD = ["", "/", "/etc", "..", "../bert", "a/../b", "a/..", "./a", "a/./b", "a//b", "a\0b", "\ud800"]


@pytest.fixture
def pins(tmp_path: Path) -> Pins:
    return Pins(tmp_path / "pins")


def later(seconds: float = 1000) -> float:
    return time.time() + seconds


@pytest.mark.parametrize("path", [*BAD, "x" * 4096])
def test_a_path_that_leads_out_or_means_nothing_is_refused(pins: Pins, path: str) -> None:
    with pytest.raises(RefusedError):
        pins.pin(AREA, path, later())
    with pytest.raises(RefusedError):
        pins.unpin(AREA, path)


@pytest.mark.parametrize(
    "path", ["a", "a/b.nc", "...", "..a/b", "new\nline", "🐟", "a b", "\udcff"]
)
def test_any_name_of_a_file_can_be_pinned(pins: Pins, path: str) -> None:
    pins.pin(AREA, path, later())
    assert list(pins.of(AREA)) == [path]
    pins.unpin(AREA, path)
    assert pins.of(AREA) == {}


def test_a_folder_may_end_with_a_slash() -> None:
    assert checked("run/data/") == "run/data"


@pytest.mark.parametrize("seconds", [-1, 0, 367 * 86400, float("nan"), float("inf")])
def test_a_pin_ends_in_the_future_and_within_a_year(pins: Pins, seconds: float) -> None:
    with pytest.raises(RefusedError, match="year"):
        pins.pin(AREA, "file", later(seconds))


def test_pins_that_ended_are_forgotten(pins: Pins) -> None:
    pins.pin(AREA, "old", later(0.2))
    pins.pin(AREA, "new", later())
    while "old" in pins.of(AREA):
        assert time.time() < later(10)
    pins.pin(AREA, "newer", later())
    assert '"old"' not in pins.file(AREA).read_text()
    assert pins.file(AREA).stat().st_mode & 0o777 == 0o600


def test_pins_of_areas_are_apart(pins: Pins) -> None:
    pins.pin(AREA, "file", later())
    assert pins.of("users/bert") == {}
    pins.forget(AREA)
    assert pins.of(AREA) == {}


def test_there_is_a_most(pins: Pins, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 2)
    for name in ("a", "b", "b"):
        pins.pin(AREA, name, later())
    with pytest.raises(RefusedError, match="2 pins already"):
        pins.pin(AREA, "c", later())


def test_a_damaged_file_is_no_lack_of_pins(pins: Pins) -> None:
    pins.pin(AREA, "file", later())
    for text in ("{half", "[]", '{"file": "soon"}'):
        pins.file(AREA).write_text(text)
        with pytest.raises(StorageError, match="can't be read"):
            pins.of(AREA)


def test_a_pin_keeps_what_is_below_it_and_no_neighbour(pins: Pins) -> None:
    kept = Kept(pins, AREA)
    kept.refresh()
    assert not kept.keeps("run/data/a")
    pins.pin(AREA, "run/data", later())
    kept.refresh()
    assert kept.keeps("run/data")
    assert kept.keeps("run/data/deep/a")
    assert not kept.keeps("run")
    assert not kept.keeps("run/database")
    assert kept.keeps_folder("run")
    assert not kept.keeps_folder("other")
    pins.unpin(AREA, "run/data")
    kept.refresh()
    assert not kept.keeps("run/data/a")
