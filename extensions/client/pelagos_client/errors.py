"""The errors of this package, as one tree.

- PelagosError: what happened and why, and what to do next
  - NotAvailableError: a folder of the workspace or the dataspace is not here, or not connected
  - OutsideError: a path leads out of the place where it must be
  - CopyError: a copy was not made
    - ExistsError: something else is already there
    - ChangedError: the source changed while it was read
    - VerificationError: what was read back is not what was written
  - ServiceError: the workspace service
    - NotConfiguredError: its address or the token is not in the environment
    - ServiceAwayError: it does not answer
    - ServiceRefusedError: it answered no; `status` is the HTTP status
"""

from __future__ import annotations


class PelagosError(Exception):
    """What happened and why, and what to do next (`mend`)."""

    def __init__(self, message: str, mend: str = "") -> None:
        super().__init__(f"{message} {mend}".strip())
        self.mend = mend


class NotAvailableError(PelagosError):
    """A folder of the workspace or the dataspace is not here, or not connected."""


class OutsideError(PelagosError):
    """A path leads out of the place where it must be."""


class CopyError(PelagosError):
    """A copy was not made. What was copied before stays, and is skipped the next time."""


class ExistsError(CopyError):
    """Something else is already there; nothing was copied."""


class ChangedError(CopyError):
    """The source changed while it was read."""


class VerificationError(CopyError):
    """What was read back is not what was written."""


class ServiceError(PelagosError):
    """The workspace service."""


class NotConfiguredError(ServiceError):
    """The service's address or the token is not in the environment."""


class ServiceAwayError(ServiceError):
    """The service does not answer."""


class ServiceRefusedError(ServiceError):
    """The service answered no."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
