"""The methods of WebDAV: locks, `If` and properties are WsgiDAV's, what touches files is ours."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pelagos.services.dav.reading import Reading
from pelagos.services.dav.refusals import refuse
from pelagos.services.dav.resources import PERSON, names_of
from pelagos.services.dav.transfer import Transfer

WRITING = ("PUT", "DELETE", "MKCOL", "PROPPATCH", "LOCK", "MOVE")


class Methods(Reading, Transfer):
    """All of them."""

    def check(self, method: str) -> None:
        """Raise a refusal (405) for one that there is not."""
        if method == "POST" or method not in self._possible_methods:
            allowed = ", ".join(name for name in self._possible_methods if name != "POST")
            raise refuse(
                405, f"{method} is no method of a workspace.", headers=[("Allow", allowed)]
            )

    def handle(self, environ: Any, start: Any) -> Iterable[bytes]:
        """Answer a request that was let in and whose address was checked."""
        environ["wsgidav.user_name"] = environ[PERSON].name
        if "HTTP_DEPTH" in environ:
            environ["HTTP_DEPTH"] = environ["HTTP_DEPTH"].lower()
        environ["HTTP_OVERWRITE"] = environ.get("HTTP_OVERWRITE", "T").upper()
        method = environ["REQUEST_METHOD"]
        if method in WRITING:
            self._writable(environ, names_of(environ["PATH_INFO"]))
        answer: Iterable[bytes] = getattr(self, f"do_{method}")(environ, start)
        return answer
