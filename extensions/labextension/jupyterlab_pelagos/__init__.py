"""Marine data in JupyterLab: the server extension, and the files of the browser's part.

Importing it costs a server's start, so it loads nothing that only a request needs.
"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "jupyterlab-pelagos"}]


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    from jupyterlab_pelagos.extension import PelagosExtension

    return [{"module": "jupyterlab_pelagos", "app": PelagosExtension}]
