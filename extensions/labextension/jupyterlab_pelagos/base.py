"""What all handlers have in common: who may ask, typed bodies, errors as sentences.

A handler's own work is a plain function that runs in a thread: what it asks of the hub's services
must not hold up a kernel's messages, which go through this server's one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from jupyter_server.base.handlers import APIHandler
from tornado.web import HTTPError

from jupyterlab_pelagos.models.problem import Problem

if TYPE_CHECKING:
    from jupyterlab_pelagos.shared import Shared

RESOURCE = "pelagos"
LARGEST = 16 * 2**20  # bytes of a body: a basket of 20,000 granules
_encoder = msgspec.json.Encoder()

T = TypeVar("T")
R = TypeVar("R")


class Refused(Exception):
    """An answer that is no success. `status` is HTTP's."""

    def __init__(self, status: int, problem: Problem) -> None:
        super().__init__(problem.reason)
        self.status, self.problem = status, problem


class PelagosHandler(APIHandler):
    """Base of all handlers. Each verb has `@authenticated` and `@authorized`; a test looks."""

    auth_resource = RESOURCE
    shared: Shared

    def initialize(self, shared: Shared) -> None:
        """Take what handlers share."""
        self.shared = shared

    def body(self, kind: type[T]) -> T:
        """The body of the request. Raises HTTPError naming the field that is wrong."""
        if len(self.request.body) > LARGEST:
            raise HTTPError(413, reason="The request is too large.")
        try:
            return msgspec.json.decode(self.request.body or b"{}", type=kind)
        except msgspec.DecodeError as error:
            raise Refused(400, Problem(f"The request can't be read: {error}.")) from error

    def query(self, kind: type[T]) -> T:
        """The query parameters, each once. Raises Refused naming the one that is wrong."""
        given = {
            name: self.get_query_argument(name)
            for name in self.request.query_arguments
            # JupyterLab adds the time in milliseconds, so that no cache answers in our place
            if name not in ("no_track_activity", "_xsrf", "token") and not name.isdigit()
        }
        try:
            return msgspec.convert(given, kind, strict=False)
        except msgspec.ValidationError as error:
            raise Refused(400, Problem(f"The request can't be read: {error}.")) from error

    async def answer(self, work: Callable[..., R], *arguments: Any, status: int = 200) -> None:
        """Do the work in a thread and send what it returns."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self.shared.threads, self._encoded, work, *arguments)
        self.set_status(status if found else 204)
        if found:
            self.set_header("Content-Type", "application/json")
        await self.finish(found or None)

    @staticmethod
    def _encoded(work: Callable[..., R], *arguments: Any) -> bytes:
        found = work(*arguments)
        # thousands of granules take a while to write, too
        return b"" if found is None else _encoder.encode(found)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Every error as a sentence; what went wrong inside is in the server's log only."""
        error = (kwargs.get("exc_info") or (None, None))[1]
        status, problem = self._problem(status_code, error)
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(_encoder.encode(problem))

    def _problem(self, status: int, error: BaseException | None) -> tuple[int, Problem]:
        if isinstance(error, Refused):
            return error.status, error.problem
        found = self.shared.problem_of(error) if error is not None else None
        if found is not None:
            return found
        if status in (401, 403):
            return status, Problem(
                "Your sign-in has ended, or you may not do this here.",
                "Reload the page to sign in again.",
            )
        if isinstance(error, HTTPError):
            return status, Problem(error.reason or error.log_message or f"Error {status}.")
        return 500, Problem(
            "Something went wrong in your server.", "Try again; its log says what it was."
        )

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """What was meant for a person is no fault to log with a traceback."""
        if isinstance(value, Refused) or (value and self.shared.problem_of(value)):
            self.log.info("%s %s: %s", self.request.method, self.request.path, value)
            return
        super().log_exception(typ, value, tb)


class TurnHandler(PelagosHandler):
    """Base of handlers whose work others may make slow: few at a time, so that all else that needs
    a thread goes on, and none for who has gone."""

    def initialize(  # type: ignore[override] # tornado passes a handler its own arguments by name
        self, shared: Shared, turns: asyncio.Semaphore
    ) -> None:
        """Take what handlers share, and the turns of this kind."""
        super().initialize(shared)
        self._turns, self._is_wanted = turns, True

    def on_connection_close(self) -> None:
        """Who types on wants the answer no more."""
        self._is_wanted = False

    async def answer_in_turn(self, work: Callable[..., R], *arguments: Any) -> None:
        """As `answer`, when it is this one's turn."""
        async with self._turns:
            if self._is_wanted:
                await self.answer(work, *arguments)
