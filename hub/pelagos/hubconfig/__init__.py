"""From settings to JupyterHub's configuration: pure functions over a traitlets `Config`."""

from pelagos.hubconfig.configure import configure

__all__ = ["configure"]
