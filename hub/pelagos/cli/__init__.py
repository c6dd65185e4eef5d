"""The command line: one file per command, no logic."""

from pelagos.cli.app import main

__all__ = ["main"]
