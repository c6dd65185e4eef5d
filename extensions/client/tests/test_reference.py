"""Every function and error has its word in the reference."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pelagos_client.errors
from pelagos_client import cli, dataspace, download, workspace
from pelagos_client.download import errors as download_errors

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "client.md"


def test_the_reference_names_everything() -> None:
    page = PAGE.read_text()
    calls = [f"dataspace.{name}(" for name in dataspace.__all__ if name.islower()]
    calls += [f"workspace.{name}(" for name in workspace.__all__ if name.islower()]
    errors = [name for name, e in vars(pelagos_client.errors).items() if isinstance(e, type)]
    calls += [f"{name}(" for name in pelagos_client.__all__ if name.islower()]
    calls = [call for call in calls if call not in ("dataspace(", "workspace(")]
    errors += [name for name in pelagos_client.__all__ if not name.islower()]
    assert len(calls) > 15
    assert [word for word in [*calls, *errors] if word not in page] == []


def test_the_reference_names_every_command_and_extra() -> None:
    page = PAGE.read_text()
    commands = next(
        action.choices for action in cli._parser()._actions if isinstance(action.choices, dict)
    )
    assert [name for name in commands if not re.search(rf"`{name}[ `]", page)] == []
    project = tomllib.loads((PAGE.parents[2] / "extensions/client/pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    assert [name for name in extras if f"`{name}`" not in page and f"[{name}]" not in page] == []


def test_the_page_of_the_download_engine_names_everything() -> None:
    page = PAGE.with_name("download-engine.md").read_text()
    found = [name for name, e in vars(download_errors).items() if isinstance(e, type)]
    assert len(found) > 15
    assert [word for word in [*download.__all__, *found] if word not in page] == []
