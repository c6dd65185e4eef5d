"""One answer of a source: redirects followed by hand, each checked, then the body."""

from __future__ import annotations

import email.utils
import http.client
import re
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property

from pelagos_client.download.addresses import Guard, Location
from pelagos_client.download.errors import (
    AnswerError,
    AwayError,
    BusyError,
    CutError,
    DownloadError,
    NotAllowedError,
    NotThereError,
    ProtocolError,
    RefusedError,
    RequestError,
)
from pelagos_client.download.hosts import Hosts
from pelagos_client.download.model import Limits
from pelagos_client.download.unpack import KNOWN
from pelagos_client.download.watch import Watch
from pelagos_client.download.wire import Line, Lines

_REDIRECTS = 5
_MOVED = (301, 302, 303, 307, 308)
_ENDLESS = 2**63
_PIECE = 2**18  # bytes; how much is read at once
_OURS = frozenset(
    {"host", "range", "if-range", "accept-encoding", "connection", "content-length", "te"}
    | {"transfer-encoding", "upgrade", "expect", "trailer"}
)
_AGENT = "pelagos-client"
_WORDS = 2_000  # bytes of an answer that is no file


class Answer:
    """The head of an answer, and its body to be read once."""

    def __init__(self, location: Location, line: Line, response: http.client.HTTPResponse) -> None:
        self.location = location
        self.status = response.status
        self.ended = False
        self._line, self._response = line, response
        self._came = 0
        self._headers: dict[str, str] = {}
        for name, value in response.headers.items():
            self._headers.setdefault(name.lower(), value.strip())

    @property
    def headers(self) -> dict[str, str]:
        """All headers, by their names in lower case."""
        return dict(self._headers)

    def header(self, name: str) -> str:
        """A header, or nothing."""
        return self._headers.get(name.lower(), "")

    @property
    def packed(self) -> str:
        """How the body is packed, if it is; nothing otherwise. Raises ProtocolError."""
        encoding = self.header("Content-Encoding").lower()
        if encoding in ("", "identity"):
            return ""
        if encoding not in KNOWN:
            raise ProtocolError(
                f"{self.location.host}: the body is packed as {encoding[:40]!r}, "
                "which nobody asked for and which can't be unpacked here."
            )
        return encoding

    @cached_property
    def length(self) -> int | None:
        """Bytes of the body as it is sent, if announced. Raises ProtocolError."""
        if self.chunked:
            return None
        text = self.header("Content-Length")
        if text and not re.fullmatch(r"[0-9]{1,19}", text, re.ASCII):
            raise ProtocolError(f"{self.location.host}: its Content-Length is no number.")
        return int(text) if text else None

    @property
    def chunked(self) -> bool:
        """Whether the body's end is marked by a chunk. Raises ProtocolError."""
        coding = self.header("Transfer-Encoding").lower()
        if coding not in ("", "chunked", "identity"):
            raise ProtocolError(f"{self.location.host}: sends the body in an unknown coding.")
        return coding == "chunked"

    @property
    def surplus(self) -> bool:
        """Whether more came than was announced; known at the end."""
        return self._line.wire.surplus

    def pieces(self) -> Iterator[bytes]:
        """The body as it is sent. Raises CutError, and what the watch does."""
        while self.left:
            try:
                piece = self._response.read1(min(_PIECE, self.left))
            except (http.client.HTTPException, OSError, ValueError) as error:
                raise self._cut() from error
            if not piece:
                break
            self._came += len(piece)
            yield piece
        self.end()

    def receive(self, view: memoryview) -> int:
        """Some bytes of a body whose length is announced, into `view`; 0 at its end.

        Raises CutError, and what the watch does.
        """
        try:
            count = self._response.fp.readinto1(view[: self.left])
        except OSError as error:
            raise self._cut() from error
        self._came += count
        return count

    @property
    def left(self) -> int:
        """How many bytes may still come."""
        return _ENDLESS if self.length is None else self.length - self._came

    def end(self) -> None:
        """The body was read. Raises CutError if that was not all of it."""
        if self.length is not None and self.left:
            raise self._cut()
        self._response.close()  # the connection is good for another request
        self.ended = True

    def _cut(self) -> CutError:
        of = f" of {self.length}" if self.length is not None else ""
        return CutError(
            f"{self.location}: the connection ended after {self._came}{of} bytes of the body.",
            "It is continued from there the next time.",
            again=True,
        )


@dataclass(frozen=True)
class Question:
    """What is asked. `own`: headers for the host of the URL only; `given`: for every one."""

    own: Mapping[str, str] = field(default_factory=dict, repr=False)
    given: Mapping[str, str] = field(default_factory=dict, repr=False)
    method: str = "GET"
    body: bytes | None = field(default=None, repr=False)

    def moved(self, status: int) -> Question:
        """What is asked where a redirect leads (RFC 9110, 15.4)."""
        if status in (307, 308) or self.method in ("GET", "HEAD"):
            return self
        kept = {name: v for name, v in self.own.items() if name.lower() != "content-type"}
        return Question(kept, self.given)


class Session:
    """Asks for files, with a turn at each host."""

    def __init__(self, guard: Guard, lines: Lines, hosts: Hosts, limits: Limits) -> None:
        self._guard, self._lines, self._hosts, self._limits = guard, lines, hosts, limits

    @contextmanager
    def get(
        self, url: str, own: Mapping[str, str], ranged: Mapping[str, str], watch: Watch
    ) -> Iterator[Answer]:
        """An answer that is a file or a part of one. Raises DownloadError.

        `own`: headers for the host of `url` only. `ranged`: headers of the engine.
        """
        with self.exchange(url, Question(own, ranged), watch) as answer:
            self._judge(answer)
            yield answer

    @contextmanager
    def exchange(
        self, url: str, question: Question, watch: Watch, *, follow: bool = True
    ) -> Iterator[Answer]:
        """An answer, whatever its status. Raises DownloadError.

        `follow`: go where redirects lead; a question with a body never goes to another host.
        """
        location = first = self._guard.check(url)
        seen = {url}
        for _ in range(_REDIRECTS + 1):
            headers = {**(question.own if _same(first, location) else {}), **question.given}
            with ExitStack() as stack:
                stack.enter_context(self._hosts.turn(location.place, watch))
                line, response = self._ask(location, headers, watch, question)
                answer = Answer(location, line, response)
                stack.callback(self._done, answer, line, response)
                if answer.status not in _MOVED or not follow:
                    yield answer
                    return
                target = answer.header("Location")
            question = question.moved(answer.status)
            location = self._next(location, target, seen)
            if question.body is not None and not _same(first, location):
                raise RefusedError(
                    f"{first}: redirects what was sent to another host, {location.host}.",
                    "Tell the operator: the source's address may have changed.",
                )
        raise ProtocolError(
            f"{first}: more than {_REDIRECTS} redirects.", "Check the address in a browser."
        )

    def _done(self, answer: Answer, line: Line, response: http.client.HTTPResponse) -> None:
        response.close()
        if answer.ended:
            self._lines.give(line)
        else:
            line.close()

    def _next(self, here: Location, target: str, seen: set[str]) -> Location:
        """Where a redirect leads. Raises RefusedError, ProtocolError."""
        if not target:
            raise ProtocolError(f"{here}: a redirect that does not say where to.")
        # http.client reads headers as Latin-1; servers mean UTF-8
        text = target.encode("latin-1", "replace").decode("utf-8", "replace")
        try:
            url = urllib.parse.urljoin(here.url, text)
        except ValueError:
            raise ProtocolError(f"{here}: a redirect to what is no address.") from None
        location = self._guard.check(url)
        if here.scheme == "https" and location.scheme == "http":
            raise RefusedError(
                f"{here}: redirects from https to http, where anybody could change the file."
            )
        if location.url in seen:
            raise ProtocolError(f"{here}: redirects in a circle.", "Check it in a browser.")
        seen.add(location.url)
        return location

    def _ask(
        self, location: Location, headers: Mapping[str, str], watch: Watch, question: Question
    ) -> tuple[Line, http.client.HTTPResponse]:
        """Send a request and read the answer's head. Raises DownloadError."""
        while True:
            # nobody knows of an idle connection that ends whether a body was taken
            kept = self._lines.take(location) if question.body is None else None
            line = kept or self._lines.open(location, watch)
            try:
                return line, self._send(line, location, headers, watch, question)
            except (http.client.HTTPException, OSError, ValueError) as error:
                line.close()
                if kept:
                    continue  # it was closed while it was idle: that says nothing
                if isinstance(error, ConnectionError):
                    raise AwayError(
                        f"{location.host}: the connection ended before an answer.",
                        "Try again later.",
                        again=True,
                    ) from error
                raise ProtocolError(
                    f"{location.host}: its answer is not HTTP ({type(error).__name__}).", again=True
                ) from error
            except BaseException:
                line.close()
                raise

    def _send(
        self,
        line: Line,
        location: Location,
        headers: Mapping[str, str],
        watch: Watch,
        question: Question,
    ) -> http.client.HTTPResponse:
        watch.request()
        line.wire.watch = watch
        method, body = question.method, question.body
        line.http.putrequest(method, location.target, skip_host=True, skip_accept_encoding=True)
        given = {"Host": location.authority, "User-Agent": _AGENT, "Accept": "*/*"}
        if body is not None:
            given["Content-Length"] = str(len(body))
        for name, value in {**given, "Accept-Encoding": "identity", **headers}.items():
            line.http.putheader(name, value)
        line.http.endheaders(body)
        response = line.http.getresponse()
        if line.wire.headless:  # what it says of the body may be half of a number
            response.close()
            raise ConnectionResetError("in the middle of the answer's head")
        return response

    def _judge(self, answer: Answer) -> None:
        """Raises DownloadError for what is neither a file, nor a part, nor "no such part"."""
        if answer.status in (200, 206, 416):
            return
        error = self._fault(answer)
        error.status, error.told = answer.status, _told(answer)
        raise error

    def _fault(self, answer: Answer) -> DownloadError:
        """What an answer means that is no file."""
        status, where = answer.status, answer.location
        if status in (401, 403, 407, 451):
            return NotAllowedError(
                f"{where}: the source does not give this file to you (HTTP {status}).",
                "It may want a sign-in, or that you accept its terms: see its web page.",
            )
        if status in (404, 410):
            return NotThereError(
                f"{where}: the source has no such file (HTTP {status}).",
                "Search again: it may have been moved or replaced.",
            )
        if status in (429, 503):
            return self._busy(answer)
        if status in (408, 425) or (status >= 500 and status not in (501, 505)):
            return AnswerError(
                f"{where}: the source has a fault of its own (HTTP {status}).",
                "Try again later.",
                again=True,
            )
        return AnswerError(f"{where}: an answer that is no file (HTTP {status}).")

    def _busy(self, answer: Answer) -> DownloadError:
        seconds = retry_after(answer.header("Retry-After"))
        where, longest = answer.location, self._limits.retry_after
        if seconds is not None and seconds > longest:
            return BusyError(
                f"{where}: the source is busy, and asks to come back in {seconds:.0f} s.",
                "Try again then.",
                after=seconds,
            )
        if seconds:
            self._hosts.rest(where.place, seconds)
        return BusyError(
            f"{where}: the source is busy (HTTP {answer.status}).",
            "Try again later.",
            again=True if seconds is None else max(seconds, 0.001),
        )


def _told(answer: Answer) -> str:
    """The beginning of an answer that is no file, to look for known words in it."""
    if answer.header("Content-Encoding"):
        return ""
    words = b""
    with suppress(DownloadError):
        for piece in answer.pieces():
            words += piece
            if len(words) >= _WORDS:
                break
    return words[:_WORDS].decode(errors="replace")


def check_headers(headers: Mapping[str, str]) -> None:
    """Raises RequestError for headers that can't be sent, or that the engine sets itself."""
    for name, value in headers.items():
        if name.lower() in _OURS:
            raise RequestError(f"The header {name[:40]!r} can't be given: the engine sets it.")
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) or not re.fullmatch(
            r"[\t\x20-\x7e]*", value
        ):
            raise RequestError(f"The header {name[:40]!r} can't be sent: it is not plain text.")


def retry_after(text: str) -> float | None:
    """Seconds until a source wants to be asked again (RFC 9110, 10.2.3)."""
    if re.fullmatch(r"[0-9]{1,9}", text, re.ASCII):
        return float(text)
    try:
        return max(email.utils.parsedate_to_datetime(text).timestamp() - time.time(), 0)
    except (ValueError, TypeError, OverflowError):
        return None


def _same(first: Location, other: Location) -> bool:
    """Whether `first`'s headers, which may be secrets, may go there: itself, or its TLS form."""
    upgraded = (first.scheme, first.port, other.scheme, other.port) == ("http", 80, "https", 443)
    same = (first.scheme, first.port) == (other.scheme, other.port)
    return first.host == other.host and (same or upgraded)
