"""The outermost layer: checks the address, lets people in, writes errors and the log."""

from __future__ import annotations

import io
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import quote
from xml.parsers import expat

from wsgidav.dav_error import DAVError
from wsgidav.lock_man.lock_manager import LockManager

from pelagos.services.dav.addresses import request_path
from pelagos.services.dav.body import Body, IncompleteError
from pelagos.services.dav.disk import Disk
from pelagos.services.dav.methods import Methods
from pelagos.services.dav.people import Gate, Person
from pelagos.services.dav.refusals import of_system, refuse
from pelagos.services.dav.resources import PERSON, Provider, href_of
from pelagos.services.dav.store import LockStore, PropertyStore, Store
from pelagos.services.dav.web import BODY, DONE, THREADS_PER_PERSON

logger = logging.getLogger(__name__)
access = logging.getLogger("pelagos.services.dav.access")

MOST_XML = 256 << 10
_MOST_XML_DEPTH = 64
_WITH_XML = ("PROPFIND", "PROPPATCH", "LOCK")
_WITHOUT_USE = ("COPY", "MOVE")  # a body is read and ignored (RFC 2518 had one)
_CONFIG = {"default_charset": "utf-8", "add_header_MS_Author_Via": True, "hotfixes": {}}

for _name in ("wsgidav", "wsgidav.lock_man", "wsgidav.prop_man"):
    logging.getLogger(_name).setLevel(logging.ERROR)


class App:
    """The WSGI application. `gate` lets people in; each may have `at_once` requests."""

    def __init__(
        self, disk: Disk, store: Store, gate: Gate, at_once: int = THREADS_PER_PERSON
    ) -> None:
        self._gate = gate
        self._at_once = at_once
        self._busy: Counter[str] = Counter()
        self._lock = threading.Lock()
        self.provider = Provider(
            disk, LockManager(LockStore(store)), PropertyStore(store, disk.usage_at)
        )

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        began = time.monotonic()
        # kept until the end, so that an error can still replace it
        pending: list[Any] = ["500 Internal Server Error", []]

        def starting(status: str, headers: list[tuple[str, str]], info: Any = None) -> None:
            pending[:] = [status, headers]

        environ.pop("wsgi.input", None)
        try:
            answer = self._answer(environ, starting)
        except DAVError as error:
            answer = self._refuse(environ, starting, error)
        except OSError as error:
            logger.warning("%s %s: %s", *_request(environ), error)
            answer = self._refuse(environ, starting, of_system(error))
        except Exception:  # whatever it is: a client gets a sentence, the log the rest
            logger.exception("%s %s failed", *_request(environ))
            sentence = "The server could not do that; its log says why."
            answer = self._refuse(environ, starting, refuse(500, sentence))
        start(*pending)
        _log(environ, pending, time.monotonic() - began)
        return answer

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        person = self._gate.admit(environ)
        environ[PERSON] = person
        environ[DONE] = self._enter(person.name)
        names, slash = request_path(environ["REQUEST_URI"])
        if names and names[0] != person.name:
            raise refuse(403, "This is somebody else's workspace.")
        environ["PATH_INFO"] = "/" + "/".join(names) + ("/" if slash and names else "")
        environ["SCRIPT_NAME"] = ""
        environ["wsgidav.provider"] = self.provider
        environ["wsgidav.config"] = _CONFIG
        environ["wsgidav.verbose"] = 1
        methods = Methods(self.provider)
        methods.check(environ["REQUEST_METHOD"])
        self._take_body(environ)
        return methods.handle(environ, start)

    def _enter(self, name: str) -> Callable[[], None]:
        """Count a request until what is returned is called, so that nobody takes all threads."""
        with self._lock:
            if self._busy[name] >= self._at_once:
                sentence = f"You have {self._at_once} requests under way: wait for one of them."
                raise refuse(503, sentence, headers=[("Retry-After", "1")])
            self._busy[name] += 1

        def leave() -> None:
            with self._lock:
                self._busy[name] -= 1
                if not self._busy[name]:
                    del self._busy[name]

        return leave

    def _take_body(self, environ: dict[str, Any]) -> None:
        """XML is read and checked here; every other body but a PUT's is not wanted."""
        body: Body = environ[BODY]
        method = environ["REQUEST_METHOD"]
        environ["wsgi.input"] = io.BytesIO()
        if method == "PUT" or not body.present:
            return
        if method not in (*_WITH_XML, *_WITHOUT_USE):
            raise refuse(415, f"{method} takes no body.")
        try:
            text = body.read_all(MOST_XML)
        except IncompleteError as error:
            raise refuse(400, str(error)) from None
        if text is None:
            raise refuse(413, f"The body may have {MOST_XML} bytes at most.")
        if text and method in _WITH_XML:
            check_xml(text)
            environ["wsgi.input"] = io.BytesIO(text)
            environ["CONTENT_LENGTH"] = str(len(text))
        else:
            environ.pop("CONTENT_LENGTH", None)

    def _refuse(
        self, environ: dict[str, Any], start: Callable[..., Any], error: Any
    ) -> Iterable[bytes]:
        """One sentence, or the XML that RFC 4918 (section 16) wants."""
        person: Person | None = environ.get(PERSON)
        headers = [("X-Content-Type-Options", "nosniff"), *(error.add_headers or [])]
        if error.value in (204, 304):
            start(_status(error.value), headers)
            return []
        if error.err_condition is not None and person is not None:
            condition = error.err_condition
            condition.hrefs = [href_of(person, ref) for ref in condition.hrefs]
            kind, body = "application/xml; charset=utf-8", condition.as_string().encode()
        else:
            kind, body = "text/plain; charset=utf-8", f"{_sentence(error)}\n".encode()
        headers += [("Content-Type", kind), ("Content-Length", str(len(body)))]
        start(_status(error.value), headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def check_xml(text: bytes) -> None:
    """Raise a refusal (400) unless this is plain XML: no DTD, so no entities, and not too deep."""
    parser = expat.ParserCreate()
    depth = 0

    def refuse_dtd(*_: Any) -> None:
        raise refuse(400, "The body must not hold a document type declaration.")

    def enter(*_: Any) -> None:
        nonlocal depth
        depth += 1
        if depth > _MOST_XML_DEPTH:
            raise refuse(400, "The elements of the body are too deep inside each other.")

    def leave(_: str) -> None:
        nonlocal depth
        depth -= 1

    parser.StartDoctypeDeclHandler = refuse_dtd
    parser.StartElementHandler = enter
    parser.EndElementHandler = leave
    try:
        parser.Parse(text, True)
    except (expat.ExpatError, ValueError, LookupError):
        raise refuse(400, "The body is no XML.") from None


def _sentence(error: Any) -> str:
    """What happened. WsgiDAV's own refusals may hold a mere path, or nothing."""
    text = error.context_info or ""
    if not text or text.startswith("/"):
        text = HTTPStatus(error.value).description or HTTPStatus(error.value).phrase
    return text if text.endswith(".") else f"{text}."


def _status(code: int) -> str:
    return f"{code} {HTTPStatus(code).phrase}"


def _request(environ: dict[str, Any]) -> tuple[str, str]:
    """Method and address without its query, safe for a log."""
    uri = str(environ.get("REQUEST_URI", "")).partition("?")[0]
    return environ["REQUEST_METHOD"], quote(uri, safe="/%!*'(),$-_.~@+=:;&")[:1000]


def _log(environ: dict[str, Any], answer: list[Any], seconds: float) -> None:
    person: Person | None = environ.get(PERSON)
    status, headers = answer
    access.info(
        "%s %s %s -> %s %s %.0f ms",
        quote(person.name) if person else "-",
        *_request(environ),
        status[:3],
        dict(headers).get("Content-Length", "-"),
        seconds * 1000,
    )
