"""The errors of Pelagos, as one tree.

- PelagosError: anything an operator or a person can be told about, with a mend
  - SettingsError: pelagos.yaml (or images.yaml) says something that can't be
  - StateError: the state folder can't be used, or is in use
  - EngineError: the container engine is missing, unreachable or refused
  - NetworkError: the users' network or its packet-filter rules can't be set
  - BuildError: an image could not be made
  - NotRunningError: the VRE that a command needs does not run
  - StorageError: people's storage can't be made, mounted or measured
  - VaultError: a person's account on a WebDAV server elsewhere can't be kept or read
  - AccountError: a WebDAV server elsewhere does not take an account, or is no such server
  - AwayError: a part of the VRE that a service needs does not answer now
  - SourceError: a source of the catalogue can't be harvested now
  - RefusedError: a person asked for something the settings don't allow

`str(error)` is one sentence for a person: what happened and why. `mend` says what to do next.
"""

from __future__ import annotations


class PelagosError(Exception):
    """What happened and why (`str`), and what to do next (`mend`, may be empty)."""

    def __init__(self, message: str, mend: str = "") -> None:
        super().__init__(message)
        self.mend = mend

    def __str__(self) -> str:
        return str(self.args[0])

    @property
    def sentence(self) -> str:
        """Message and mend as one text for a person."""
        return f"{self} {self.mend}".strip()


class SettingsError(PelagosError):
    """A settings file is wrong. `problems` holds one `file:line: path: reason` each."""

    def __init__(self, problems: list[str], mend: str = "") -> None:
        super().__init__("\n".join(problems), mend)
        self.problems = problems


class StateError(PelagosError):
    """The state folder can't be used as it is."""


class EngineError(PelagosError):
    """The container engine is missing, unreachable, or refused a call."""


class NetworkError(PelagosError):
    """The users' network or its packet-filter rules can't be set."""


class BuildError(PelagosError):
    """An image could not be built or fetched."""


class NotRunningError(PelagosError):
    """The command needs a running VRE and finds none."""


class StorageError(PelagosError):
    """People's storage can't be made, mounted or measured."""


class VaultError(PelagosError):
    """An account on a WebDAV server elsewhere can't be kept or read."""


class AccountError(PelagosError):
    """A WebDAV server elsewhere does not take an account. Safe to show to its owner."""


class SourceError(PelagosError):
    """A source of the catalogue can't be harvested now: away, refused, or not what it should be."""


class AwayError(PelagosError):
    """A part of the VRE that a service needs does not answer now. Safe to show to anybody."""


class RefusedError(PelagosError):
    """A person's request is not allowed by the settings. Safe to show to that person."""
