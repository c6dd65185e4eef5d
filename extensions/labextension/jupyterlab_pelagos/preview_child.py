"""A quick look at data, in a process of its own: a file that needs too much memory or time, or that
makes a library crash, ends this process and no kernel, and not the server.

Reads a request as JSON from standard input and writes `{"preview": …}`, or `{"reason": …,
"mend": …}`, to standard output.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

MEMORY = 3 * 2**30  # bytes of address space, most of which libraries only reserve
_CPU, _SECONDS = 40, 60
LARGEST = 32 * 2**20  # bytes that are downloaded to be shown
_TABLE = 64 * 2**20  # bytes of a text that is read
_ROWS = 200_000
_ANSWER = 16 * 2**20


def main() -> int:
    """Answer one request."""
    out = os.dup(1)
    os.dup2(2, 1)  # what a library prints is no answer
    _lower()
    found: dict[str, Any]
    try:
        found = {"preview": answer(json.load(sys.stdin))}
    except MemoryError:
        found = {
            "reason": "The file needs more memory than a quick look may take.",
            "mend": "Open it in a notebook, where you can choose a part of it.",
        }
    except Exception as error:  # libraries raise anything for a file that is damaged
        found = _told(error)
    content = json.dumps(found, allow_nan=False).encode()
    with os.fdopen(out, "wb") as stream:
        stream.write(content[:_ANSWER])
    return 0


def _lower() -> None:
    """Never in the way of kernels, and the first to go when memory runs out."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    with contextlib.suppress(OSError):
        os.nice(10)
    signal.alarm(_SECONDS)  # if the server is no more
    for what, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, _CPU),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 4 * LARGEST),
    ):
        with contextlib.suppress(OSError, ValueError):
            _, hard = resource.getrlimit(what)
            least = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(what, (least, least))


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """The preview. Raises what `_told` tells."""
    import warnings

    warnings.simplefilter("ignore")
    from jupyterlab_pelagos.glance.look import look

    name = str(request.get("name") or "")
    return look(_opened(request), str(request.get("variable") or ""), name)


def _opened(request: dict[str, Any]) -> Any:
    from pelagos_client import formats
    from pelagos_client.items import Items
    from pelagos_client.opening import Opened
    from pelagos_client.opening import open as open_data

    if request.get("path"):
        path = Path(request["path"])
        kind = formats.kind_of_path(path)
        return formats.open_path(path, **_options(kind, path))
    items = Items([request["document"]], catalogue=request.get("catalogue") or "")
    options: dict[str, Any] = {} if request.get("is_table") else {"decode_times": False}
    found = open_data(items, largest=LARGEST, **options)
    return next(iter(found.values())) if isinstance(found, Opened) else found


def _options(kind: str, path: Path) -> dict[str, Any]:
    from pelagos_client import formats
    from pelagos_client.errors import OpenError

    if kind in (formats.ODV, formats.TABLE) and path.stat().st_size > _TABLE:
        raise OpenError(
            f"{path.name} is larger than {_TABLE // 2**20} MB, too large for a quick look.",
            "Open it in a notebook.",
        )
    if kind == formats.TABLE:
        return {"nrows": _ROWS}
    return {} if kind == formats.ODV else {"decode_times": False}


def _told(error: Exception) -> dict[str, str]:
    """What happened and what to do, for people."""
    from pelagos_client.access import AccessError
    from pelagos_client.download.errors import DownloadError
    from pelagos_client.errors import MissingPackageError, PelagosError

    if isinstance(error, MissingPackageError):
        return {
            "reason": "A quick look needs xarray and netCDF4, which this server does not have.",
            "mend": "Choose an image with the Python packages for data, or install them.",
        }
    if isinstance(error, PelagosError):
        reason = str(error).removesuffix(error.mend).strip()
        return {"reason": reason, "mend": error.mend}
    if isinstance(error, AccessError | DownloadError):
        return {"reason": str(error), "mend": ""}
    if type(error).__name__ == "Unshowable":
        return {
            "reason": f"There is nothing to be seen at a glance: {error}.",
            "mend": "Choose another variable, or open it in a notebook.",
        }
    print(repr(error), file=sys.stderr)
    return {
        "reason": "The file can't be shown: it is damaged, or of a kind that is not known here.",
        "mend": "Open it in a notebook.",
    }


if __name__ == "__main__":
    sys.exit(main())
