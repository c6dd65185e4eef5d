"""Folders and links in what belongs to the account of people's servers (process backend).

Everything here could be moved or replaced by a server while it is made. So it is not the hub that
makes it, which may be root, but a short program that runs as the account itself.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from pelagos.accounts import ACCOUNT
from pelagos.errors import StorageError

_TIMEOUT = 60  # seconds
_MAKE = """
import json, os, sys
os.umask(0o077)
for link, folder in json.load(sys.stdin).items():
    for wanted in (folder, os.path.dirname(link)):
        os.makedirs(wanted, exist_ok=True)
    if not os.path.lexists(link):
        os.symlink(folder, link)
"""
_REMOVE = """
import json, os, sys
for folder in json.load(sys.stdin):
    if os.path.isdir(folder) and not os.path.islink(folder):
        for entry in os.scandir(folder):
            if entry.is_symlink():
                os.unlink(entry.path)
        try:
            os.rmdir(folder)
        except OSError:
            pass
"""

_COPY = """
import json, os, shutil, sys
source, target = json.load(sys.stdin)
os.umask(0o022)
if not os.path.lexists(target):
    shutil.copytree(source, target)
"""


def copy_once(python: Path, source: Path, target: Path) -> None:
    """Copy a folder that everybody can read to where nothing is yet. Raises StorageError."""
    _run(python, _COPY, [str(source), str(target)])


def make_links(python: Path, links: Mapping[Path, Path]) -> None:
    """Make each link to its folder, and folders that are missing. What is in a place stays.

    `python`: an interpreter that the account can run. Raises StorageError.
    """
    _run(python, _MAKE, {str(link): str(folder) for link, folder in links.items()})


def remove_links(python: Path, folder: Path) -> None:
    """Take every link out of `folder`, and `folder` itself if nothing else is in it.

    Raises StorageError.
    """
    _run(python, _REMOVE, [str(folder)])


def _run(python: Path, program: str, data: object) -> None:
    root = os.geteuid() == 0
    try:
        done = subprocess.run(
            [str(python), "-I", "-c", program],
            input=json.dumps(data),
            user=ACCOUNT if root else None,
            group=ACCOUNT if root else None,
            extra_groups=[] if root else None,
            cwd="/",
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
        reason = done.stderr.strip().rpartition("\n")[2] if done.returncode else ""
    except (OSError, subprocess.SubprocessError) as error:
        reason = str(error)
    if reason:
        raise StorageError(
            f"People's folders can't be linked: {reason}.", "See the disk and modes."
        )
