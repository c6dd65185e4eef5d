"""PUT, MKCOL, DELETE and LOCK.

A file appears or changes only by a rename within its file system, after its content is on disk:
no failure, refusal or broken connection leaves half of anything.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from typing import Any

from wsgidav import util

from pelagos.services.dav.body import Body, IncompleteError
from pelagos.services.dav.common import Base
from pelagos.services.dav.disk import ENTRY, Root, cost, fresh_name, throw_away
from pelagos.services.dav.refusals import refuse
from pelagos.services.dav.resources import Folder, Place, names_of
from pelagos.services.dav.web import BODY


class Writing(Base):
    """Methods that change one thing."""

    def do_PUT(self, environ: Any, start: Any) -> Iterable[bytes]:
        """RFC 9110, 9.3.4."""
        names = names_of(environ["PATH_INFO"])
        place = self._writable(environ, names)
        if environ["PATH_INFO"].endswith("/") or not place.names:
            raise refuse(405, "A folder can't be replaced by a file.")
        if "HTTP_CONTENT_RANGE" in environ:
            raise refuse(400, "A part of a file can't be replaced: send it whole.")
        if "HTTP_CONTENT_ENCODING" in environ:
            raise refuse(501, "Send the file without Content-Encoding.")
        modified = _modified(environ)
        parent = self._parent(environ, names)
        old = self._before_put(environ, parent)
        with ExitStack() as stack:
            room = stack.enter_context(place.root.usage.reserve(_size(old)))
            if environ[BODY].length is not None:
                room.grow(ENTRY + environ[BODY].length)
            else:
                room.grow(ENTRY)
            stack.enter_context(
                self.provider.lock_manager.write_transaction(
                    url=place.ref,
                    token_list=environ["wsgidav.ifLockTokenList"],
                    principal=environ["wsgidav.user_name"],
                )
            )
            staging = stack.enter_context(place.root.staging())
            name = fresh_name()
            try:
                size = _receive(environ[BODY], staging, name, room)
                if modified is not None:
                    os.utime(name, (modified, modified), dir_fd=staging)
                with place.root.commit:
                    # what was true before the body came may not be true any more
                    old = self._before_put(environ, parent)
                    _rename(staging, name, place)
                    # right here: after that it may be somebody else's file
                    new = self._existing(environ)
                    place.root.usage.change(ENTRY + size - _size(old))
            except IncompleteError as error:
                raise refuse(400, f"{error} Nothing was changed.") from None
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=staging)
        return self._put_answer(new, start, created=old is None, timed=modified is not None)

    def _put_answer(self, new: Any, start: Any, *, created: bool, timed: bool) -> Iterable[bytes]:
        headers = [("ETag", f'"{new.get_etag()}"'), ("Content-Length", "0")]
        if timed:
            headers.append(("X-OC-Mtime", "accepted"))
        start("201 Created" if created else "204 No Content", headers)
        return []

    def _before_put(self, environ: Any, parent: Folder) -> Any:
        """What is going to be replaced, None if nothing. Raises what forbids that."""
        old = self.provider.get_resource_inst(environ["PATH_INFO"], environ)
        if old is not None and old.is_collection:
            raise refuse(405, "A folder can't be replaced by a file.")
        self._evaluate_if_headers(old, environ)
        if old is None:
            self._check_ref(parent.get_ref_url(), environ)
        else:
            self._check_ref(old.get_ref_url(), environ)
        return old

    def do_MKCOL(self, environ: Any, start: Any) -> Iterable[bytes]:
        """RFC 4918, 9.3."""
        if environ[BODY].present:
            raise refuse(415, "A folder is made without a body.")
        names = names_of(environ["PATH_INFO"])
        place = self._writable(environ, names)
        if self.provider.get_resource_inst(environ["PATH_INFO"], environ) is not None:
            raise refuse(405, "Something has that name already.")
        parent = self._parent(environ, names)
        self._check_ref(parent.get_ref_url(), environ)
        with place.root.usage.reserve() as room:
            room.grow(ENTRY)
            with place.root.folder(place.names[:-1]) as folder:
                try:
                    os.mkdir(place.names[-1], 0o700, dir_fd=folder)
                except FileExistsError:
                    raise refuse(405, "Something has that name already.") from None
                os.fsync(folder)
            place.root.usage.change(ENTRY)
        start("201 Created", [("Content-Length", "0")])
        return []

    def do_DELETE(self, environ: Any, start: Any) -> Iterable[bytes]:
        """RFC 4918, 9.6. All of it goes at once; the disk is cleared after that."""
        found = self._existing(environ)
        place = self._movable(environ)
        if found.is_collection and environ.get("HTTP_DEPTH", "infinity") != "infinity":
            raise refuse(400, "A folder can only be deleted as a whole: Depth must be infinity.")
        self._evaluate_if_headers(found, environ)
        self._check_parent(place, environ)
        self._check_tree(place.ref, environ)
        self._remove(place)
        start("204 No Content", [("Content-Length", "0")])
        return []

    def _remove(self, place: Place) -> None:
        """Take something out of the tree at once, with its locks and properties."""
        with place.root.commit, place.root.staging() as staging:
            name = self._set_aside(place, staging)
            self.provider.lock_manager.remove_all_locks_from_url(place.ref, recursive=True)
            self.provider.prop_manager.remove_properties(place.ref)
        self._dispose(place.root, name)

    def _movable(self, environ: Any) -> Place:
        place = self._writable(environ, names_of(environ["PATH_INFO"]))
        if not place.names:
            raise refuse(403, "This folder itself can't be moved or deleted.")
        return place

    def _set_aside(self, place: Place, staging: int) -> str:
        """Take something out of the tree; its name in staging."""
        name = fresh_name()
        with place.root.folder(place.names[:-1]) as folder:
            os.rename(place.names[-1], name, src_dir_fd=folder, dst_dir_fd=staging)
            os.fsync(folder)
        return name

    def _dispose(self, root: Root, staging_name: str) -> None:
        """Remove what was set aside, and count it out."""
        size = root.staged_size(staging_name)
        root.usage.change(-size)
        with root.staging() as staging:
            throw_away(staging, staging_name)

    def do_LOCK(self, environ: Any, start: Any) -> Iterable[bytes]:
        """RFC 4918, 9.10; an address without a file gets an empty one only if it may."""
        names = names_of(environ["PATH_INFO"])
        place = self._writable(environ, names)
        util.parse_if_header_dict(environ)
        for token in environ["wsgidav.ifLockTokenList"]:
            lock = self.provider.lock_manager.get_lock(token)
            if lock is not None and lock["principal"] != environ["wsgidav.user_name"]:
                raise refuse(403, "The lock is somebody else's.")
        if self.provider.get_resource_inst(environ["PATH_INFO"], environ) is None:
            parent = self._parent(environ, names)
            self._evaluate_if_headers(None, environ)
            self._check_ref(parent.get_ref_url(), environ)
            with place.root.usage.reserve() as room:
                room.grow(ENTRY)
        answer: Iterable[bytes] = super().do_LOCK(environ, start)
        return answer


def _rename(staging: int, name: str, place: Place) -> None:
    """Give a file in staging its name in the tree, for good."""
    with place.root.folder(place.names[:-1]) as folder:
        os.rename(name, place.names[-1], src_dir_fd=staging, dst_dir_fd=folder)
        os.fsync(folder)


def _size(found: Any) -> int:
    return 0 if found is None else cost(found.status)


def _modified(environ: Any) -> int | None:
    """The file's own time in X-OC-Mtime (ownCloud, rclone): seconds since 1970."""
    text = environ.get("HTTP_X_OC_MTIME", "").strip()
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,12}(\.[0-9]+)?", text):
        raise refuse(400, "X-OC-Mtime must be seconds since 1970.")
    return int(text.partition(".")[0])


def _receive(body: Body, staging: int, name: str, room: Any) -> int:
    """Write a body to a new file, on disk when this returns; its size.

    Room for a body without a known length is taken block by block. Raises IncompleteError,
    OSError, and a refusal (507) when there is no more.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    total = 0
    with os.fdopen(os.open(name, flags, 0o600, dir_fd=staging), "wb", buffering=0) as file:
        while block := body.read():
            if body.length is None:
                room.grow(len(block))
            view = memoryview(block)
            while view:
                view = view[file.write(view) :]
            total += len(block)
        os.fsync(file.fileno())
    return total
