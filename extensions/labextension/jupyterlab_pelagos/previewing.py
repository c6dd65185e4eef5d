"""Quick looks: which file, and the process that looks at it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from jupyterlab_pelagos import shaping
from jupyterlab_pelagos.base import Refused
from jupyterlab_pelagos.here import path_of
from jupyterlab_pelagos.models.problem import Problem
from jupyterlab_pelagos.models.search import Preview, WantedPreview
from jupyterlab_pelagos.shared import Shared

SECONDS = 40.0
_BYTES = 16 * 2**20
_IN_NOTEBOOK = "Open it in a notebook, where you can choose a part of it."


def preview(shared: Shared, wanted: WantedPreview) -> Preview:
    """A quick look at a file or a granule. Raises Refused, PelagosError."""
    request: dict[str, Any] = {"variable": wanted.variable}
    if wanted.path:
        path = allowed(shared, wanted.path)
        request |= {"path": str(path), "name": path.name}
    elif wanted.collection and wanted.item:
        request |= _of_granule(shared, wanted)
    else:
        raise Refused(400, Problem("A preview needs a path, or a collection and an item."))
    return _looked(request)


def allowed(shared: Shared, given: str) -> Path:
    """A path of this server's folders, without links. Raises Refused for others."""
    from pelagos_client import folders

    try:
        real = Path(os.path.realpath(shared.root / Path(given).expanduser()))
        there = real.exists()
    except (ValueError, RuntimeError, OSError):  # no such user, too long, not to be looked into
        raise Refused(
            400, Problem(f"{given[:200]!r} is no path that can be read.", "Give another one.")
        ) from None
    roots = [shared.root, Path.home(), folders.workspace(), folders.dataspace()]
    if not any(real.is_relative_to(os.path.realpath(root)) for root in roots):
        raise Refused(
            403,
            Problem(
                f"{given[:200]} is in none of your folders.",
                "Give a path below your home, the workspace or the dataspace.",
            ),
        )
    if not there:
        raise Refused(
            404,
            Problem(f"There is no file {given[:200]}.", "It may have expired: retry its order."),
        )
    return real


def _of_granule(shared: Shared, wanted: WantedPreview) -> dict[str, Any]:
    from jupyterlab_pelagos.handlers.catalogue import catalogue_of, documents_of

    document, _ = documents_of(shared, wanted.catalogue, wanted.collection, wanted.item)
    title = shaping.text_of(shaping.mapping(document.get("properties")).get("title"))
    title = title or wanted.item
    catalogue = catalogue_of(shared, wanted.catalogue)
    if path := path_of(shared, catalogue, document):
        return {"path": path, "name": title}
    return {"document": document, "catalogue": catalogue, "name": title}


def _looked(request: dict[str, Any]) -> Preview:
    try:
        # what a killed process leaves behind goes, too
        with tempfile.TemporaryDirectory(prefix="pelagos-preview-") as folder:
            done = subprocess.run(
                [sys.executable, "-P", "-m", "jupyterlab_pelagos.preview_child"],
                input=json.dumps(request).encode(),
                capture_output=True,
                timeout=SECONDS,
                check=False,
                env=_environment(folder),
                cwd=folder,
                start_new_session=True,
            )
    except subprocess.TimeoutExpired as error:
        raise Refused(
            504,
            Problem(f"The preview took longer than {SECONDS:.0f} seconds.", _IN_NOTEBOOK),
        ) from error
    try:
        found = json.loads(done.stdout) if len(done.stdout) <= _BYTES else {}
        if "preview" in found:
            return msgspec.convert(found["preview"], Preview)
        raise Refused(422, Problem(str(found["reason"]), str(found["mend"])))
    except (ValueError, KeyError, TypeError) as error:
        # it was killed, or a library ended it
        raise Refused(
            422,
            Problem(
                "The preview ended early: the file needs too much memory, or is damaged.",
                _IN_NOTEBOOK,
            ),
        ) from error


def _environment(folder: str) -> dict[str, str]:
    import pelagos_client

    # more threads of a library reserve more address space
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    # the same code as here, wherever this server has it from
    ours = [str(Path(one).resolve().parents[1]) for one in (__file__, str(pelagos_client.__file__))]
    paths = [*dict.fromkeys(ours), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        **dict.fromkeys(threads, "1"),
        "MALLOC_ARENA_MAX": "2",
        "PYTHONPATH": os.pathsep.join(paths),
        "TMPDIR": folder,
    }
