"""Stand-ins are gone after the import that they are for, and lead to the real modules."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pelagos_server.singleuser import StandIn, stand_ins


def run(code: str) -> str:
    """Output of Python code in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_stand_in_has_a_modules_place_only_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    # other tests may have imported it
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with stand_ins({"colorsys": {"answer": 42}}):
        import colorsys as kept

        assert kept.answer == 42  # type: ignore[attr-defined]
        with pytest.raises(AttributeError, match=r"colorsys\.hsv_to_rgb is not here yet"):
            _ = kept.hsv_to_rgb
    assert isinstance(kept, StandIn)
    # who kept it gets the real one by it
    assert kept.hsv_to_rgb(0, 0, 1) == (1, 1, 1)
    import colorsys as real

    assert not isinstance(real, StandIn)


def test_a_module_that_is_there_already_stays() -> None:
    with stand_ins({"sys": {}}):
        assert sys.modules["sys"] is sys


def test_a_single_user_server_needs_no_more_than_the_stand_ins() -> None:
    assert run(
        "import sys\n"
        "from pelagos_server.singleuser import load\n"
        "print(load().__name__, 'sqlalchemy' in sys.modules, 'jupyterhub.orm' in sys.modules)\n"
    ) == "launch_instance False False"  # fmt: skip


def test_an_import_that_needs_more_is_repeated_without_stand_ins() -> None:
    assert run(
        "import pelagos_server.singleuser as s\n"
        "s._HUB['tornado'] = {}\n"
        "print(s.load().__name__)\n"
        "import tornado.web; print(tornado.web.HTTPError.__name__)\n"
    ).split() == ["launch_instance", "HTTPError"]  # fmt: skip
