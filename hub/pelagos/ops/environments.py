"""The Python environments that stand for images where there is no container engine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from pelagos.backends.process import environment_of
from pelagos.deployment import ROOT
from pelagos.errors import BuildError
from pelagos.images import Image, fingerprint, load_graph
from pelagos.ops import packages
from pelagos.ops.report import Reporter

_SECONDS = 3600  # for one step
_EXTENSION = "extensions/labextension"
_RECIPE = ROOT / "images" / "tools"
_INDEX = "Is the package index of this machine (pip config) reachable?"
_REGISTRY = "Is the npm registry of this machine (npm config) reachable?"


def build_environment(image: Image, reporter: Reporter) -> Path:
    """The Python environment that stands for an image in the process backend; made if missing.

    Raises BuildError for an image that is not made of Python packages alone.
    """
    folder = environment_of(image.name)
    stamp = folder / "fingerprint"
    if stamp.exists() and stamp.read_text() == image.fingerprint:
        return folder
    if not image.requirements:
        raise BuildError(
            f"The image {image.name!r} can't be had without a container engine.",
            "Install Docker, or leave it out of the settings.",
        )
    extension = build_labextension(reporter)
    reporter.step(f"Making the Python environment of image {image.name}")
    _environment(folder, image.requirements)
    ours = [ROOT / "extensions" / name for name in ("client", "server")]
    _run(
        ["uv", "pip", "install", "--quiet", "--no-deps", "--python", _python(folder),
         *ours, extension],
        packages.uv_settings(in_container=False),
        _INDEX,
    )  # fmt: skip
    # of an image's configuration only what keeps JupyterLab from asking the internet for news
    page = Path("etc", "jupyter", "labconfig", "page_config.json")
    (folder / page).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "images" / "base" / "root" / "opt" / "pelagos" / page, folder / page)
    stamp.write_text(image.fingerprint)
    return folder


def build_labextension(reporter: Reporter) -> Path:
    """The wheel of the JupyterLab extension; built if its sources changed. Raises BuildError.

    By the recipe of the images, with PyPI's Node.js: the machine needs none of its own.
    """
    # each image inherits it from the first one
    first = next(iter(load_graph(ROOT)))
    sources = [name for name in first.recipe.sources if name.startswith(f"{_EXTENSION}/")]
    tools = [f"images/tools/{name}" for name in ("build.lock", "labextension.py")]
    here = ROOT / ".env" / "labextension"
    folder = here / fingerprint(ROOT, [*sources, *tools])
    if built := list(folder.glob("*.whl")):
        return built[0]
    reporter.step("Building the JupyterLab extension")
    programs = here / "tools"
    shutil.rmtree(programs, ignore_errors=True)
    _environment(programs, [_RECIPE / "build.lock"])
    recipe = [_python(programs), _RECIPE / "labextension.py"]
    source, work, out = ROOT / _EXTENSION, here / "work", here / "out"
    shutil.rmtree(out, ignore_errors=True)
    _run([*recipe, "packages", source, work], packages.npm_settings(), _REGISTRY)
    _run([*recipe, "wheel", source, work, out], {}, "Does ./pelagos test --fast pass?")
    for old in here.glob("*/*.whl"):
        if old.parent != out:
            shutil.rmtree(old.parent)
    out.rename(folder)
    # more than half a gigabyte, for the one wheel
    for left in (work, programs):
        shutil.rmtree(left)
    return next(folder.glob("*.whl"))


def _python(folder: Path) -> Path:
    return folder / "bin" / "python"


def _environment(folder: Path, locks: Sequence[Path]) -> None:
    """A new environment with what the locks name."""
    settings = packages.uv_settings(in_container=False)
    named = [argument for path in locks for argument in ("-r", path)]
    _run(["uv", "venv", "--quiet", "--clear", "--python", sys.executable, folder], settings, _INDEX)
    _run(
        ["uv", "pip", "install", "--quiet", "--require-hashes", "--no-deps", "--compile-bytecode",
         "--python", _python(folder), *named],
        settings,
        _INDEX,
    )  # fmt: skip


def _run(command: Sequence[str | Path], settings: Mapping[str, str], mend: str) -> None:
    try:
        done = subprocess.run(
            [str(part) for part in command],
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"{command[0]} took too long.", mend) from error
    if done.returncode != 0:
        raise BuildError(
            f"An environment of {ROOT / '.env'} can't be made: {done.stderr.strip()}", mend
        )
