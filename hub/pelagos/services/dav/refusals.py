"""Answers that are no success: a status and one sentence for a person.

WsgiDAV's own exception carries them, because its property and lock code raises it too.
"""

from __future__ import annotations

import errno

from wsgidav.dav_error import DAVError, DAVErrorCondition


class Refusal(DAVError):  # type: ignore[misc]  # WsgiDAV has no types
    """An answer that is no success."""


_FULL = (errno.ENOSPC, errno.EDQUOT)
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


def refuse(
    status: int,
    sentence: str = "",
    condition: str | None = None,
    headers: list[tuple[str, str]] | None = None,
) -> Refusal:
    """The exception that answers `status` with `sentence`.

    With a `condition` (RFC 4918, section 16) the body is XML.
    """
    return Refusal(
        status,
        sentence,
        err_condition=DAVErrorCondition(condition) if condition else None,
        add_headers=headers,
    )


def of_system(error: OSError) -> Refusal:
    """What a system call's failure means to a client."""
    if error.errno in _FULL:
        return refuse(507, "The disk of this server is full: nothing was written.")
    if error.errno in _GONE:
        return refuse(409, "The folder changed meanwhile: try again.")
    if error.errno == errno.ENAMETOOLONG:
        return refuse(400, "The name is too long: 255 bytes is the most a name may have.")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return refuse(403, "The file system of this server does not allow that.")
    if error.errno in (errno.EEXIST, errno.EISDIR, errno.ENOTEMPTY):
        return refuse(409, "Something else has that name.")
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return refuse(503, "The server has too many files open: try again.")
    return refuse(500, "The server could not do that; its log says why.")
