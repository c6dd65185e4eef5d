"""The reference page names each command, setting and trait."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from jupyterlab_pelagos.extension import PelagosExtension

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT.parents[1] / "docs/reference/jupyterlab-extension.md").read_text("utf-8")
COMMANDS = re.findall(r"'(pelagos:[a-z-]+)'", (ROOT / "src/tokens.ts").read_text("utf-8"))
SETTINGS = list(json.loads((ROOT / "schema/plugin.json").read_text("utf-8"))["properties"])


def test_there_are_commands_and_settings() -> None:
    assert "pelagos:open" in COMMANDS
    assert "catalogueUrl" in SETTINGS


@pytest.mark.parametrize("name", [*COMMANDS, *SETTINGS])
def test_the_page_has_it(name: str) -> None:
    assert f"| `{name}` |" in PAGE


@pytest.mark.parametrize("name", ["catalogue_url", "order_folder"])
def test_the_page_has_the_trait(name: str) -> None:
    assert name in PelagosExtension.class_own_traits(config=True)
    assert f"| `PelagosExtension.{name}` |" in PAGE


def test_the_page_has_all_traits() -> None:
    own = set(PelagosExtension.class_own_traits(config=True))
    assert own <= set(re.findall(r"`PelagosExtension\.(\w+)`", PAGE))
