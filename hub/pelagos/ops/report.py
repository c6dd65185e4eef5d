"""How long work tells a person what it is doing, without knowing whether there is a terminal."""

from __future__ import annotations

from typing import Protocol


class Reporter(Protocol):
    """Receives what is going on."""

    def step(self, message: str) -> None:
        """A piece of work begins."""

    def detail(self, message: str) -> None:
        """The piece of work that is under way is at this point."""

    def notice(self, message: str) -> None:
        """Something that a person should know afterwards too."""


class Silent:
    """A reporter that keeps quiet."""

    def step(self, message: str) -> None:
        """See Reporter."""

    def detail(self, message: str) -> None:
        """See Reporter."""

    def notice(self, message: str) -> None:
        """See Reporter."""
