"""The errors of this package, as one tree.

- PelagosError: what happened and why, and what to do next
  - NotAvailableError: a folder of the workspace or the dataspace is not here, or not connected
  - OutsideError: a path leads out of the place where it must be
  - CopyError: a copy was not made
    - ExistsError: something else is already there
    - ChangedError: the source changed while it was read
    - VerificationError: what was read back is not what was written
  - ServiceError: a service of the hub
    - NotConfiguredError: its address or the token is not in the environment
    - ServiceAwayError: it does not answer
    - ServiceRefusedError: it answered no; `status` is the HTTP status
  - MissingPackageError: a package that is needed for this is not installed
  - QuestionError: a box, a time or another part of a question makes no sense
  - SearchError: a catalogue did not answer a search
  - OrderError: an order can't be placed, found, or used
    - OrderFailedError: it ended without all its files; `failed` has them with the reasons
    - OrderTimeoutError: it is still under way after the time that was to be waited
  - OpenError: data can't be opened, or not so
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
    """A service of the hub."""


class NotConfiguredError(ServiceError):
    """The service's address or the token is not in the environment."""


class ServiceAwayError(ServiceError):
    """The service does not answer."""


class ServiceRefusedError(ServiceError):
    """The service answered no. `document` is its answer, with lists for programs; may be empty."""

    def __init__(
        self, status: int, message: str, document: dict[str, object] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.document = document or {}


class MissingPackageError(PelagosError, ImportError):
    """A package that is needed for this is not installed."""


class QuestionError(PelagosError, ValueError):
    """A box, a time or another part of a question makes no sense."""


class SearchError(PelagosError):
    """A catalogue did not answer a search."""


class OrderError(PelagosError):
    """An order can't be placed, found, or used."""


class OrderFailedError(OrderError):
    """An order ended without all its files: `failed` has their paths with the reasons."""

    def __init__(self, message: str, mend: str = "", failed: dict[str, str] | None = None) -> None:
        super().__init__(message, mend)
        self.failed = failed or {}


class OrderTimeoutError(OrderError, TimeoutError):
    """An order is still under way after the time that was to be waited."""


class OpenError(PelagosError):
    """Data can't be opened, or not so."""
