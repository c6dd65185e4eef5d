"""Pelagos: a virtual research environment for the ocean sciences, as a configured JupyterHub."""

__version__ = "0.1.0"
