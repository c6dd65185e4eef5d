"""The repository as a whole: layers, types, style, generated files, documentation."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from pelagos.cli.app import app
from pelagos.settings.generate import targets


def run(root: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "NO_COLOR": "1"},
    )


def test_imports_point_one_way(root: Path) -> None:
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program], cwd=root, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("project", [".", "extensions/client", "extensions/labextension"])
def test_types_hold(root: Path, project: str) -> None:
    done = run(root / project, "mypy")
    assert done.returncode == 0, done.stdout


def test_style_holds(root: Path) -> None:
    for command in (("ruff", "check", "."), ("ruff", "format", "--check", ".")):
        done = run(root, *command)
        assert done.returncode == 0, done.stdout


def test_generated_files_are_fresh(root: Path) -> None:
    for path, text in targets(root).items():
        assert path.read_text() == text, f"run python -m pelagos.settings.generate: {path}"


def commands() -> dict[str, list[str]]:
    """Every command with its options."""
    group = typer.main.get_command(app)
    return {
        name: [option for parameter in command.params for option in parameter.opts]
        for name, command in group.commands.items()  # type: ignore[attr-defined]
    }


@pytest.mark.parametrize("name", list(commands()))
def test_each_command_has_a_heading_and_each_option_a_word(root: Path, name: str) -> None:
    page = (root / "docs" / "reference" / "commands.md").read_text()
    section = re.split(r"^## ", page, flags=re.MULTILINE)
    mine = [text for text in section if text.startswith(f"`./pelagos {name}`")]
    assert mine, f"docs/reference/commands.md has no heading for {name}"
    options = [option for option in commands()[name] if option.startswith("--")]
    assert [option for option in options if f"`{option}" not in mine[0]] == []


def test_links_between_pages_lead_somewhere(root: Path) -> None:
    broken = []
    for page in [*root.glob("*.md"), *(root / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(root)}: {target}")
    assert broken == []


def tracked(root: Path) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, timeout=60, check=True
    ).stdout
    return [root / name for name in listed.split("\0") if name and (root / name).is_file()]


def test_no_package_registry_is_named(root: Path) -> None:
    # put together here, so that this file does not name them either
    hosts = [".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"))]
    hosts += [".".join(parts) for parts in (("npmjs", "org"), ("yarnpkg", "com"))]
    hosts += [".".join(("deb", "debian", "org"))]
    found = []
    for path in tracked(root):
        text = path.read_bytes()
        found += [f"{path}: {host}" for host in hosts if host.encode() in text]
    assert found == []


def test_lock_files_hold_hashes(root: Path) -> None:
    locks = [path for path in tracked(root) if path.name.endswith(".lock")]
    assert locks
    for path in locks:
        pins = re.findall(r"^[a-z0-9][^=\s]*==", path.read_text(), flags=re.MULTILINE | re.I)
        hashed = re.findall(r"==[^\n]*\\\n\s+--hash=sha256:", path.read_text())
        assert len(pins) == len(hashed), path


def test_the_lock_matches_pyproject(root: Path) -> None:
    import tomllib

    project = tomllib.loads((root / "pyproject.toml").read_text())
    for lock, wanted in (
        ("requirements.lock", project["project"]["dependencies"]),
        (
            "requirements-test.lock",
            project["project"]["dependencies"] + project["dependency-groups"]["test"],
        ),
    ):
        pinned = {
            name.lower()
            for name in re.findall(r"^([A-Za-z0-9._-]+)==", (root / "hub" / lock).read_text(), re.M)
        }
        names = {re.split(r"[<>=;\[ ]", requirement)[0].lower() for requirement in wanted}
        assert names <= pinned, f"run hub/lock: {names - pinned}"
