"""Errors as a person at a terminal sees them: a sentence, a mend, an exit code, no traceback."""

import errno
import json
from pathlib import Path

import pytest
from pelagos.cli.app import app
from pelagos.cli.console import told
from pelagos.errors import PelagosError
from pelagos.ops.testing import processes
from typer import Exit
from typer.testing import CliRunner

run = CliRunner().invoke


@pytest.mark.parametrize("command", ["status", "down", "check"])
def test_a_vre_that_was_never_started_is_said_to_be_so(command: str, tmp_path: Path) -> None:
    result = run(app, [command, "--state", str(tmp_path / "none")])
    assert result.exit_code == 1
    assert "No VRE was ever started" in result.stderr
    assert "./pelagos up" in result.stderr


def test_an_error_is_json_where_json_was_asked_for(tmp_path: Path) -> None:
    result = run(app, ["check", "--json", "--state", str(tmp_path / "none")])
    assert result.exit_code == 1
    assert json.loads(result.stdout)["ok"] is False


def test_doctor_names_file_and_line_of_a_wrong_setting(tmp_path: Path) -> None:
    path = tmp_path / "pelagos.yaml"
    path.write_text("site:\n  nam: X\n")
    result = run(
        app, ["doctor", "--json", "--state", str(tmp_path / "none"), "--settings", str(path)]
    )
    assert result.exit_code == 1
    [finding] = [f for f in json.loads(result.stdout)["findings"] if f["name"] == "settings"]
    assert f"{path}:2: site.nam" in finding["detail"]


def test_up_refuses_wrong_settings_before_it_touches_anything(tmp_path: Path) -> None:
    path = tmp_path / "pelagos.yaml"
    path.write_text("images: [matlab]\n")
    state = tmp_path / "state"
    result = run(app, ["up", "--detach", "--state", str(state), "--settings", str(path)])
    assert result.exit_code == 1
    assert f"{path}:1: images.0: unknown image 'matlab'" in result.stderr.replace("\n", "")
    assert not (state / "deployment.json").exists()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PelagosError("[broken] went wrong", "Mend [it]."), "[broken] went wrong"),
        (OSError(errno.ENOSPC, "No space left on device", "/var/x"), "No space left on device"),
    ],
)
def test_whatever_happens_is_one_sentence(
    error: Exception, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def command() -> None:
        raise error

    with pytest.raises(Exit) as caught:
        told(command)()
    assert caught.value.exit_code == 1
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "side_by_side"),
    [
        ("", True),
        ("--durations=15 -x -v", True),
        ("-k limits -x", False),
        ("tests/unit/test_cli.py", False),
        ("-n 0", False),
        ("-s", False),
        ("--pdb", False),
        ("-p no:xdist", False),
        ("--lf", False),
    ],
)
def test_all_tests_run_side_by_side_and_chosen_ones_in_one_process(
    arguments: str, side_by_side: bool
) -> None:
    assert bool(processes(arguments.split())) is side_by_side
