"""Gets each file of an order, however its source gives it.

Who calls this has made sure that `plan.accept` was accepted. An order's job is made once and given
back in `Waiting`: keep it before asking again. If the program is killed (or the connection lost)
after the source has made the job and before it was kept, the next call makes another one; the first
one's result stays at the source, unused, until that removes it.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pelagos_client.access import jobs
from pelagos_client.access.formats import inspector
from pelagos_client.access.model import AccessError, EmptyError, FilePlan, Protocol, Waiting
from pelagos_client.access.opendap import fetch_cut
from pelagos_client.access.pages import fetch_pages
from pelagos_client.download.asking import Said, cookies
from pelagos_client.download.engine import Engine, Tell
from pelagos_client.download.errors import (
    AnswerError,
    DownloadError,
    NotAllowedError,
    StoppedError,
)
from pelagos_client.download.model import Existing, Fetched, Wanted

_EMPTY = "produced no matching results"  # ERDDAP's words, with HTTP 404
_PAGE_BYTES = 2**26
_PAGE_SECONDS = 600.0


def is_plain(plan: FilePlan) -> bool:
    """Whether `wanted` is all that it takes: then many can be given to one `Engine.fetch`.

    What a server cuts is not: `explained` tells its errors better.
    """
    return plan.protocol is Protocol.DIRECT and not plan.request


def wanted(plan: FilePlan, path: str, headers: Mapping[str, str] | None = None) -> Wanted:
    """What the engine is asked for. `headers` go to the plan's own host only.

    Raises AccessError for what is no single request.
    """
    if plan.protocol is not Protocol.DIRECT:
        raise AccessError(f"{plan.name} is not got by one request ({plan.protocol}).")
    # what a server cuts has neither a length nor a checksum to be held to
    inspect = inspector(plan.type, proven="protocol" in plan.request)
    size, checksum = plan.size, plan.checksum or None
    return Wanted(plan.url, path, size, checksum, headers or {}, inspect)


def obtain(
    plan: FilePlan,
    engine: Engine,
    into: Path,
    path: str,
    *,
    headers: Mapping[str, str] | None = None,
    job: dict[str, Any] | None = None,
    cancel: threading.Event | None = None,
    progress: Tell | None = None,
    existing: Existing = Existing.KEEP,
) -> Fetched | Waiting:
    """Get the file of `plan` as `into`/`path`, or learn when to ask again.

    `headers`, such as a source's token, go to the host of `plan.url` only. `job`: that of the last
    Waiting; none the first time and after an AccessError. Times are in seconds, sizes in bytes.

    Raises EmptyError if there is nothing within the criteria, AccessError if the source can't or
    won't, DownloadError if it was not downloaded (its `again`: trying again soon may help).
    """
    own = dict(headers or {})
    call = _Call(engine, plan, own, cancel)
    if plan.protocol is Protocol.LOCAL:
        raise AccessError(
            f"{plan.name} is a file of the machine that runs the catalogue.",
            "It is delivered there, by an order; it can't be downloaded.",
        )
    if plan.protocol is Protocol.PAGES:
        get = fetch_cut if plan.request.get("protocol") == "opendap" else fetch_pages
        return get(plan, engine, into, path, call.page, progress, existing)
    if plan.protocol is Protocol.ORDER:
        if existing is Existing.KEEP and (into / path).is_file() and job is None:
            # its result has no checksum of the source's, so it is the one that was fetched before
            found = Wanted(plan.url, path, inspect=inspector(plan.type, proven=False))
            return _one(engine, found, into, cancel, progress, existing)
        if job is None:
            return jobs.create(plan, call.once)
        state = jobs.poll(plan, job, call.once)
        if isinstance(state, Waiting):
            return state
        given = call.headers_for(state)
        result = Wanted(state, path, headers=given, inspect=inspector(plan.type, proven=True))
        return _one(engine, result, into, cancel, progress, existing)
    request = wanted(plan, path, {**own, **call.accepted()})
    try:
        return _one(engine, request, into, cancel, progress, existing)
    except DownloadError as error:
        raise explained(plan, error) from error


def explained(plan: FilePlan, error: DownloadError) -> DownloadError | AccessError:
    """The same error in the words of who asked for a part of a data set."""
    if plan.request.get("protocol") != "erddap":
        return error
    if error.status == 404 and _EMPTY in error.told:
        return EmptyError.of(plan)
    if error.status == 413 or "too much data" in error.told.lower():
        return AccessError(
            f"{plan.name}: that is more than the server gives at once.",
            "Order a smaller box or time range, or fewer variables.",
        )
    if error.status in (400, 404) and plan.is_subset:
        return AccessError(
            f"{plan.name}: the server does not cut it so (HTTP {error.status}).",
            "Its data may have changed since they were catalogued: try again tomorrow.",
        )
    return error


def _one(
    engine: Engine,
    request: Wanted,
    into: Path,
    cancel: threading.Event | None,
    progress: Tell | None,
    existing: Existing,
) -> Fetched:
    report = engine.fetch([request], into, progress=progress, cancel=cancel, existing=existing)
    return report.check().files[0]


class _Call:
    """The questions of one call."""

    def __init__(
        self,
        engine: Engine,
        plan: FilePlan,
        headers: Mapping[str, str],
        cancel: threading.Event | None,
    ) -> None:
        self._engine, self._plan, self._headers = engine, plan, headers
        self._cancel = cancel

    def headers_for(self, url: str) -> dict[str, str]:
        """The caller's headers, if this is the plan's own host."""
        return dict(self._headers) if _place(url) == _place(self._plan.url) else {}

    def once(self, method: str, url: str, body: Any = None) -> Said:
        """Ask once."""
        return self._engine.ask(
            method, url, json=body, headers=self.headers_for(url), cancel=self._cancel
        )

    def page(self, url: str) -> Said:
        """A page; asked for again if the source has a fault."""
        return self._patiently(
            lambda: self._engine.ask(
                "GET",
                url,
                headers=self.headers_for(url),
                largest=_PAGE_BYTES,
                seconds=_PAGE_SECONDS,
                cancel=self._cancel,
            )
        )

    def accepted(self) -> dict[str, str]:
        """What the source wants to see of who has accepted its terms. Raises DownloadError."""
        address = self._plan.request.get("accept")
        if not address:
            return {}
        said = self._patiently(
            lambda: self._engine.ask(
                "GET",
                str(address),
                headers=self.headers_for(str(address)),
                follow=False,
                cancel=self._cancel,
            )
        )
        cookie = cookies(said.headers.get("set-cookie", ""))
        if said.status >= 400 or not cookie:
            raise NotAllowedError(
                f"{self._plan.name}: the source did not take it that its terms are accepted "
                f"(HTTP {said.status}).",
                "Accept them at the source's web page, and tell the operator.",
            )
        if _place(str(address)) != _place(self._plan.url):
            return {}  # another host's cookie is not for this one
        return {"Cookie": cookie}

    def _patiently(self, ask: Callable[[], Said]) -> Said:
        limits = self._engine.limits
        wait = limits.first_wait
        for attempt in range(1, limits.attempts + 1):
            last = attempt == limits.attempts
            try:
                said = ask()
                if last or (said.status != 429 and said.status < 500):
                    return said
            except DownloadError as error:
                if last or not error.again:
                    raise
            self._pause(wait * (1 + random.random()))  # noqa: S311 (spreads the load)
            wait = min(2 * wait, limits.longest_wait)
        raise AnswerError(f"{self._plan.name}: the source gave no answer.", "Try again later.")

    def _pause(self, seconds: float) -> None:
        if self._cancel is None:
            time.sleep(seconds)
        elif self._cancel.wait(seconds):
            raise StoppedError(f"{self._plan.name}: cancelled.", "Ask for it again.")


def _place(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme.lower(), parts.netloc.lower()
