"""What all methods need: what stands at an address, whether it may change, locks and `If`."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from wsgidav import util
from wsgidav.dav_error import DAVErrorCondition, PRECONDITION_CODE_LockConflict
from wsgidav.request_server import RequestServer

from pelagos.services.dav.refusals import Refusal, refuse
from pelagos.services.dav.resources import (
    PERSON,
    SHARED,
    Folder,
    Place,
    Provider,
    place_of,
)


class Base(RequestServer):  # type: ignore[misc]  # WsgiDAV has no types
    """One request. Everything raises a Refusal or OSError, or answers."""

    def __init__(self, provider: Provider) -> None:
        super().__init__(provider)
        self.provider = provider

    def _existing(self, environ: Any) -> Any:
        found = self.provider.get_resource_inst(environ["PATH_INFO"], environ)
        if found is None:
            raise refuse(404, "There is nothing at this address.")
        return found

    def _writable(self, environ: Any, names: tuple[str, ...]) -> Place:
        """The place that is going to change. Raises a refusal (403, 404)."""
        person = environ[PERSON]
        place = place_of(self.provider.disk, person, names)
        if place is None:
            if len(names) > 2 and names[:2] == (person.name, SHARED):
                raise refuse(404, "You are in no virtual lab of that name.")
            raise refuse(403, "This folder can't be changed: it is made by the server.")
        if place.read_only:
            raise refuse(403, place.read_only)
        return place

    def _evaluate_if_headers(self, res: Any, environ: Any) -> None:
        """See WsgiDAV; also for what does not exist, and for an `If` that names its address."""
        util.parse_if_header_dict(environ)
        if res is None:
            if "HTTP_IF_MATCH" in environ:
                raise refuse(412, "There is nothing at this address, so nothing matches.")
            return
        conditions = environ["wsgidav.conditions.if"]
        if conditions:
            mine = unquote_to_bytes(res.get_href()).rstrip(b"/")
            for tag in [tag for tag in conditions if tag != "*"]:
                with suppress(ValueError):
                    if unquote_to_bytes(urlsplit(tag).path).rstrip(b"/") == mine:
                        conditions[res.get_ref_url()] = conditions[tag]
        super()._evaluate_if_headers(res, environ)

    def _check_ref(self, ref: str, environ: Any) -> None:
        """Raise 423 if a lock of somebody else, or one not named, stands on an address."""
        util.parse_if_header_dict(environ)
        self.provider.lock_manager.check_write_permission(
            url=ref,
            depth="0",
            token_list=environ["wsgidav.ifLockTokenList"],
            principal=environ["wsgidav.user_name"],
        )

    def _check_tree(self, ref: str, environ: Any) -> None:
        """The same for an address and all below it."""
        self._check_ref(ref, environ)
        below = self.provider.lock_manager.storage.get_lock_list(
            ref, include_root=False, include_children=True, token_only=False
        )
        user, tokens = environ["wsgidav.user_name"], environ["wsgidav.ifLockTokenList"]
        condition = DAVErrorCondition(PRECONDITION_CODE_LockConflict)
        for lock in below:
            if lock["principal"] != user or lock["token"] not in tokens:
                condition.add_href(lock["root"])
        if condition.hrefs:
            raise Refusal(423, err_condition=condition)

    def _parent(self, environ: Any, names: tuple[str, ...]) -> Folder:
        """The folder that holds an address. Raises a refusal (409)."""
        found = self.provider.get_resource_inst("/" + "/".join(names[:-1]), environ)
        if not isinstance(found, Folder):
            raise refuse(409, "The folder that should hold this does not exist.")
        return found

    def _check_parent(self, place: Place, environ: Any) -> None:
        self._check_ref(Place(place.root, place.names[:-1]).ref, environ)
