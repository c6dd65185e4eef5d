"""The errors of downloads, as one tree.

- PelagosError
  - DownloadError: a file was not downloaded
    - RequestError: what was asked for can't be asked for so (name, checksum, header)
    - RefusedError: the address, or one it led to, may not be contacted
    - NotAllowedError: the source wants a sign-in, or refuses (401, 403, 407, 451)
    - NotThereError: the source does not have it (404, 410)
    - AnswerError: any other answer that is no file
    - BusyError: the source asks to come back later (429, 503)
    - AwayError: no connection, no such host, no trust in its certificate
    - SlowError: nothing came for too long, or too little
    - CutError: the body ended before its end
    - ProtocolError: an answer that contradicts itself or the request
    - WrongSizeError, TooLargeError: the body is not as large as declared, or larger than allowed
    - ChecksumError: the content is not what was declared
    - StorageError: the file can't be written here
      - SpaceError: there is not enough space
      - OccupiedError: something else has the file's name
      - InUseError: another download is writing this file
    - StoppedError: it was cancelled

Messages never carry an answer's body, a query (where secrets may stand) or an internal address.
"""

from __future__ import annotations

from pelagos_client.errors import PelagosError


class DownloadError(PelagosError):
    """A file was not downloaded.

    `again`: whether trying again soon may help, or after how many seconds. `afresh`: whether what
    is here of the file is of no use for that. `after`: seconds that the source itself wants to be
    left alone, 0 if it did not say. `status`: of HTTP, 0 if there was no answer. `told`: the
    beginning of what the source said; to look for known words in it, never to be shown.
    """

    status = 0
    told = ""

    def __init__(
        self,
        message: str,
        mend: str = "",
        *,
        again: bool | float = False,
        afresh: bool = False,
        after: float = 0,
    ) -> None:
        super().__init__(message, mend)
        self.message = message
        self.again = again
        self.afresh = afresh
        self.after = after


class RequestError(DownloadError):
    """What was asked for can't be asked for so: its name, checksum, size or headers."""


class RefusedError(DownloadError):
    """The address, or one that it led to, may not be contacted."""


class NotAllowedError(DownloadError):
    """The source wants a sign-in, or refuses."""


class NotThereError(DownloadError):
    """The source does not have the file."""


class AnswerError(DownloadError):
    """The source answered with something else than a file."""


class BusyError(DownloadError):
    """The source asks to come back later."""


class AwayError(DownloadError):
    """The source can't be reached, or can't be trusted."""


class SlowError(DownloadError):
    """Nothing came for too long, or too little."""


class CutError(DownloadError):
    """The body ended before its end."""


class ProtocolError(DownloadError):
    """The answer contradicts itself or the request."""


class WrongSizeError(DownloadError):
    """The file is not as large as declared."""


class TooLargeError(DownloadError):
    """The file is larger than allowed."""


class ChecksumError(DownloadError):
    """The content is not what was declared."""


class StorageError(DownloadError):
    """The file can't be written here."""


class SpaceError(StorageError):
    """There is not enough space. What is there of the file is kept, and continued."""


class OccupiedError(StorageError):
    """Something else has the file's name."""


class InUseError(StorageError):
    """Another download is writing this file."""


class StoppedError(DownloadError):
    """It was cancelled. What is there of the file is kept, and continued."""
