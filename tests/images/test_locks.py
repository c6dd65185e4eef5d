"""The lock files are what `images/lock` would write, and name no index. No network, no engine."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from pelagos.images import load_graph

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted((ROOT / "images").glob("*/*.lock"))


def pins(lock: Path) -> dict[str, set[str]]:
    """Versions by name; a universal lock may have several, for several Pythons."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([a-z0-9._-]+)==(\S+)", lock.read_text(), re.MULTILINE):
        found.setdefault(name, set()).add(version)
    return found


def test_every_image_has_a_lock() -> None:
    for image in load_graph(ROOT):
        assert image.requirements[-1] in LOCKS


@pytest.mark.parametrize("lock", LOCKS, ids=lambda p: str(p.relative_to(ROOT / "images")))
def test_a_lock_is_fresh(lock: Path) -> None:
    source = lock.with_suffix(".in")
    inputs = [source, ROOT / "images/tools/overrides.txt"]
    graph = load_graph(ROOT)
    if lock.parent.name in graph and (parent := graph[lock.parent.name].parent):
        inputs.append(parent.requirements[-1])
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in inputs)).hexdigest()
    assert f"(inputs: sha256 {digest})" in lock.read_text(), f"{source} changed: run images/lock"


@pytest.mark.parametrize("lock", LOCKS, ids=lambda p: str(p.relative_to(ROOT / "images")))
def test_a_lock_has_hashes_and_names_no_index(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    assert not re.search(r"^\s*--(?!hash)", text, re.MULTILINE)
    blocks = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert blocks
    assert all("--hash=sha256:" in block for block in blocks)


def test_a_childs_lock_agrees_with_its_parents() -> None:
    for image in load_graph(ROOT):
        if image.parent is None:
            continue
        own, above = pins(image.requirements[-1]), pins(image.parent.requirements[-1])
        assert {n: v for n, v in own.items() if n in above and not v <= above[n]} == {}


def test_the_recipes_name_no_host() -> None:
    recipes = [*(ROOT / "images").rglob("Dockerfile"), *(ROOT / "images/tools").iterdir()]
    assert [str(p) for p in recipes if p.is_file() and "://" in p.read_text()] == []
