"""Does a WebDAV server elsewhere take this account? Asked before a password is kept.

PROPFIND (RFC 4918 9.1) with the quota properties (RFC 4331), then a small file is written, read
and removed. Each way to fail has a sentence of its own.
"""

from __future__ import annotations

import re
import secrets
import socket
import ssl
import time
import unicodedata
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import quote, urlsplit, urlunsplit

import httpx

from pelagos.errors import AccountError
from pelagos.vault import Account

_TIMEOUT = httpx.Timeout(20, connect=8)
_SECONDS = 40  # in all
_ANSWER_BYTES = 256 * 1024
_LONGEST = 256  # of a user name or password
_PROPFIND = (
    b'<?xml version="1.0" encoding="utf-8"?>'
    b'<propfind xmlns="DAV:"><prop><resourcetype/>'
    b"<quota-available-bytes/><quota-used-bytes/></prop></propfind>"
)
_DAV = "{DAV:}"


@dataclass(frozen=True)
class Space:
    """What the server says of its quota, in bytes; None where it says nothing."""

    used: int | None
    available: int | None


def account(url: str, user: str, password: str) -> Account:
    """The account of a person whose folder is at `url` (`{user}` stands for the user name).

    Raises AccountError for what can't be a user name or password.
    """
    user = user.strip()
    if not user or not password:
        raise AccountError("The user name or the password is missing.", "Enter both.")
    if len(user) > _LONGEST or len(password) > _LONGEST:
        raise AccountError("The user name or the password is too long.", "Check what you entered.")
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in user + password):
        raise AccountError(
            "The user name or the password holds a character that can't be typed.",
            "Copy it again, without line breaks.",
        )
    if "/" in user or "\\" in user or ":" in user or ".." in user or user == ".":
        raise AccountError(
            "The user name can't hold / \\ : or two dots.",
            "Enter the name that you sign in with on the other server.",
        )
    parts = urlsplit(url)
    # in the path only: a name must not choose the host
    path = parts.path.replace("{user}", quote(user, safe=""))
    return Account(
        urlunsplit(parts._replace(path=path.rstrip("/") + "/", query="", fragment="")),
        user,
        password,
    )


def check(wanted: Account) -> Space:
    """Sign in, look, write, read and remove; what the server says of its space.

    Blocks for a minute at most. Raises AccountError.
    """
    host = urlsplit(wanted.url).netloc
    with (
        _explained(host),
        httpx.Client(
            auth=httpx.BasicAuth(wanted.user, wanted.password),
            timeout=_TIMEOUT,
            follow_redirects=False,
            trust_env=False,
            # what this machine trusts, as the mount does, and not a list of httpx's own
            verify=ssl.create_default_context(),
        ) as client,
    ):
        asker = _Asker(client, host)
        space = _look(asker, wanted.url)
        _write(asker, wanted.url)
    return space


class _Asker:
    """Requests with one deadline for all, and answers of a limited size."""

    def __init__(self, client: httpx.Client, host: str) -> None:
        self._client, self._host = client, host
        self._deadline = time.monotonic() + _SECONDS

    def ask(
        self, method: str, url: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Status and body. Raises AccountError for what no request should get."""
        request = self._client.build_request(method, url, content=body, headers=headers)
        answer = self._client.send(request, stream=True)
        try:
            content = b""
            for chunk in answer.iter_bytes():
                content += chunk
                if len(content) > _ANSWER_BYTES or time.monotonic() > self._deadline:
                    raise AccountError(
                        f"The answer of {self._host} is too long or takes too long.",
                        "Try again later; if it stays so, tell an administrator.",
                    )
        finally:
            answer.close()
        _refuse(answer, method, self._host)
        return answer.status_code, content


def _look(asker: _Asker, url: str) -> Space:
    """The folder's properties."""
    headers = {"Depth": "0", "Content-Type": "application/xml; charset=utf-8"}
    status, content = asker.ask("PROPFIND", url, _PROPFIND, headers)
    no_folder = AccountError(
        "There is a web server at this address, but no WebDAV folder.",
        "Tell an administrator: the address in the settings is wrong.",
    )
    if status != 207 or b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise no_folder
    try:
        root = ET.fromstring(content)  # noqa: S314 - no entities, see above
    except ET.ParseError:
        raise no_folder from None
    if root.tag != f"{_DAV}multistatus":
        raise no_folder
    if root.find(f".//{_DAV}resourcetype/{_DAV}collection") is None:
        raise AccountError(
            "The address is that of a file, not of a folder.",
            "Tell an administrator: the address in the settings is wrong.",
        )
    space = Space(_number(root, "quota-used-bytes"), _number(root, "quota-available-bytes"))
    if space.available == 0:
        raise _full()
    return space


def _number(root: ET.Element, name: str) -> int | None:
    text = (root.findtext(f".//{_DAV}{name}") or "").strip()
    # Nextcloud says -3 for "no limit"
    return int(text) if re.fullmatch(r"\d{1,18}", text) else None


def _write(asker: _Asker, url: str) -> None:
    """A file of a name that nobody has: written, read, removed."""
    name, content = f"{url}.pelagos-{secrets.token_hex(16)}", secrets.token_hex(32).encode()
    try:
        asker.ask("PUT", name, content, {"Content-Type": "application/octet-stream"})
        status, found = asker.ask("GET", name)
        if status != 200 or found != content:
            raise AccountError(
                "The server took a file and gave another one back.",
                "Don't keep files there; tell an administrator.",
            )
    except AccountError:
        with suppress(AccountError, httpx.HTTPError):  # the first error counts
            asker.ask("DELETE", name)
        raise
    asker.ask("DELETE", name)


def _refuse(answer: httpx.Response, method: str, host: str) -> None:
    """Raise AccountError for a status that says no; the sentence names what to do."""
    status = answer.status_code
    if answer.is_redirect:
        target = urlsplit(answer.headers.get("location", ""))
        there = f" ({target.scheme}://{target.netloc}{target.path})" if target.netloc else ""
        raise AccountError(
            f"The server {host} sends to another address{there}; passwords are not sent on.",
            "Tell an administrator: the address in the settings must be the final one.",
        )
    if status == 401:
        raise AccountError(
            f"The server {host} does not take this user name and password.",
            "Check both. With two-factor sign-in there you need an app password, made in the "
            "security settings of your account there.",
        )
    if status == 507:
        raise _full()
    if status < 400:
        return
    where = "open the folder" if method == "PROPFIND" else "write in the folder"
    told = {
        403: (
            f"The server {host} knows you, but does not let you {where}.",
            "Check there that the folder is yours and that the app password may write files.",
        ),
        404: (
            f"There is no such folder on {host}.",
            "Check the user name: it is part of the address. If it is right, tell an "
            "administrator that the address in the settings is wrong.",
        ),
        423: ("The folder is locked there.", "Close other programs that use it, and try again."),
        429: (f"The server {host} had too many requests.", "Wait some minutes and try again."),
    }
    not_dav = status in (400, 405, 501)
    if not_dav:
        message, mend = (
            f"The address on {host} is not a WebDAV folder: it does not know {method}.",
            "Tell an administrator: the address in the settings is wrong.",
        )
    else:
        message, mend = told.get(
            status,
            (
                f"The server {host} could not {where}: it answered {status}.",
                "Try again later; if it stays so, ask who runs that server.",
            ),
        )
    raise AccountError(message, mend)


def _full() -> AccountError:
    return AccountError(
        "Your space on the other server is full.", "Remove files there, then try again."
    )


@contextmanager
def _explained(host: str) -> Iterator[None]:
    """What goes wrong below HTTP, as sentences."""
    try:
        yield
    except httpx.TimeoutException as error:
        raise AccountError(
            f"The server {host} does not answer in time.", "Try again later."
        ) from error
    except httpx.HTTPError as error:
        causes = list(_causes(error))
        if any(isinstance(cause, ssl.SSLError) for cause in causes):
            message, mend = (
                f"The certificate of {host} is not valid, so nothing was sent.",
                "Don't try elsewhere with this password; tell an administrator.",
            )
        elif any(isinstance(cause, socket.gaierror) for cause in causes):
            message, mend = (
                f"There is no server called {host}.",
                "Tell an administrator: the address in the settings is wrong, or the name "
                "service of this VRE does not work.",
            )
        elif any(isinstance(cause, ConnectionRefusedError) for cause in causes):
            message, mend = (
                f"The server {host} refuses connections.",
                "It may be down: try again later.",
            )
        else:
            message, mend = (
                f"The connection to {host} broke.", "Try again later.",
            )  # fmt: skip
        raise AccountError(message, mend) from error


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
