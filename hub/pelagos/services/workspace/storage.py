"""A person's page of their storage: what it shows, and the account elsewhere that it keeps."""

from __future__ import annotations

import asyncio
import datetime
import logging
import time
from contextlib import suppress
from urllib.parse import quote, urlsplit

from fastapi import Request
from fastapi.responses import Response

from pelagos.deployment import DAV_PATH
from pelagos.errors import AccountError, AwayError, PelagosError, VaultError
from pelagos.services.application import Pages
from pelagos.services.web import CSRF_FIELD, Guard, caller, public_origin
from pelagos.services.workspace import elsewhere
from pelagos.services.workspace.agent import Agent, AgentRefusal, PersonStatus
from pelagos.settings import Workspace, WorkspaceKind
from pelagos.units import format_bytes
from pelagos.vault import Account, Vault

logger = logging.getLogger(__name__)

_CHECKS = 8  # accounts that are tried at once
DONE = {
    "retried": "Trying again. This page shows how it goes.",
    "kept": "The other server took your account. Your workspace is there from now on.",
    "forgotten": "Your account on the other server is forgotten.",
}


class StoragePage:
    """The page, over what it is made of. `prefix` is the service's path, without a final slash."""

    def __init__(
        self,
        pages: Pages,
        guard: Guard,
        agent: Agent,
        vault: Vault,
        workspace: Workspace,
        prefix: str,
    ) -> None:
        self.pages, self.agent, self.prefix = pages, agent, prefix
        self._guard, self._vault, self._workspace = guard, vault, workspace
        self._checks = asyncio.Semaphore(_CHECKS)
        pages.filters.update(bytes=format_bytes, about=about, moment=_moment)

    @property
    def elsewhere(self) -> bool:
        """Whether workspaces are on a server elsewhere, where people have accounts."""
        return self._workspace.kind is WorkspaceKind.WEBDAV

    async def show(
        self,
        request: Request,
        *,
        done: str = "",
        error: PelagosError | None = None,
        entered: str = "",
    ) -> Response:
        """The page. With `error` it says what went wrong; `entered` is the user name typed."""
        name = caller(request).name
        found, away = await self._status(name)
        kept, broken = await self._account(name)
        status = 200
        if error:
            status = 503 if isinstance(error, AwayError) else 400
        values = {
            "name": name,
            "csrf_field": CSRF_FIELD,
            "csrf": self._guard.csrf(request),
            "done": DONE.get(done, ""),
            "error": error.sentence if error else "",
            "status": found,
            "away": away,
            "elsewhere": self.elsewhere,
            "server": urlsplit(self._workspace.url).netloc,
            "in_clear": self._workspace.url.startswith("http:"),
            "kept": kept is not None,
            "broken": broken,
            "entered": entered or (kept.user if kept else ""),
            "address": f"{public_origin(request)}{DAV_PATH}/{quote(name, safe='@')}/",
        }
        return self.pages.render("storage.html", values, status)

    async def keep_account(self, name: str, user: str, password: str) -> None:
        """Keep an account once the server elsewhere took it. Raises AccountError, VaultError."""
        if not self.elsewhere:
            raise AccountError("Workspaces of this VRE need no account elsewhere.")
        wanted = elsewhere.account(self._workspace.url, user, password)
        async with self._checks:
            await asyncio.to_thread(elsewhere.check, wanted)
        await asyncio.to_thread(self._vault.put, name, wanted)
        logger.info("Kept the account of %r on %s", name, urlsplit(wanted.url).netloc)
        await self._connect(name)

    async def forget_account(self, name: str) -> None:
        """Forget the account elsewhere. Raises VaultError."""
        await asyncio.to_thread(self._vault.forget, name)
        logger.info("Forgot the account of %r", name)

    async def _connect(self, name: str) -> None:
        """Have the new password used now; the agent notices it by itself, later."""
        with suppress(AwayError, AgentRefusal):
            await self.agent.retry(name)

    async def _status(self, name: str) -> tuple[PersonStatus | None, str]:
        """How the storage is, or why that can't be said."""
        try:
            return await self.agent.status(name), ""
        except (AwayError, AgentRefusal) as error:
            return None, error.sentence

    async def _account(self, name: str) -> tuple[Account | None, str]:
        """The account that is kept, or what is wrong with it."""
        if not self.elsewhere:
            return None, ""
        try:
            return await asyncio.to_thread(self._vault.get, name), ""
        except VaultError as error:
            logger.error("%s", error.sentence)
            return None, "The account kept for you can't be read. Enter it again."


def _moment(when: float) -> str:
    """A Unix time as people read it, with how long that is from now."""
    moment = datetime.datetime.fromtimestamp(when, datetime.UTC)
    left = when - time.time()
    return f"{moment:%Y-%m-%d %H:%M} UTC ({f'in {about(left)}' if left > 0 else 'now'})"


def about(seconds: float) -> str:
    """A duration in its largest unit."""
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            number = int(seconds // size)
            return f"{number} {unit}{'' if number == 1 else 's'}"
    return "less than a minute"
