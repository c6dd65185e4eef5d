import stat
from pathlib import Path

from pelagos.node import placeholder


def test_the_folder_says_why_and_is_read_only(tmp_path: Path) -> None:
    parent = tmp_path / "ada"
    for reason in ("the WebDAV server does not answer", "it is being mounted"):
        placeholder.make(parent, reason)
        text = (parent / "data" / "README.txt").read_text()
        assert reason in text
        assert "/services/workspace/" in text
    assert stat.S_IMODE((parent / "data").stat().st_mode) == 0o555
    assert stat.S_IMODE(parent.stat().st_mode) == 0o555
    assert [path.name for path in (parent / "data").iterdir()] == ["README.txt"]


def test_it_goes_without_a_trace_and_twice(tmp_path: Path) -> None:
    placeholder.make(tmp_path / "ada", "x")
    placeholder.remove(tmp_path / "ada")
    placeholder.remove(tmp_path / "ada")
    assert list(tmp_path.iterdir()) == []
