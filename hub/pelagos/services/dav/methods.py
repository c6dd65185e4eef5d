"""The methods of WebDAV. Locks, `If` and properties are WsgiDAV's; what changes files is ours.

A file appears or changes only by a rename within its file system, after its content is on disk:
no failure, refusal or broken connection leaves half of anything.
"""

from __future__ import annotations

import email.utils
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit
from xml.etree import ElementTree

from wsgidav import util
from wsgidav.dav_error import DAVErrorCondition, PRECONDITION_CODE_LockConflict
from wsgidav.request_server import RequestServer

from pelagos.services.dav.addresses import destination
from pelagos.services.dav.body import Body, IncompleteError
from pelagos.services.dav.disk import (
    Root,
    copy_file,
    copy_tree,
    fresh_name,
    look,
    throw_away,
)
from pelagos.services.dav.refusals import Refusal, refuse
from pelagos.services.dav.resources import (
    PERSON,
    SHARED,
    File,
    Folder,
    Place,
    Provider,
    Virtual,
    names_of,
    place_of,
)
from pelagos.services.dav.web import BODY, CLOSE, FileBody

ElementTree.register_namespace("D", "DAV:")

WRITING = ("PUT", "DELETE", "MKCOL", "PROPPATCH", "LOCK", "MOVE")
_MULTISTATUS = b'<?xml version="1.0" encoding="utf-8"?>\n<D:multistatus xmlns:D="DAV:">'
_FEW = 1000
_RANGE = re.compile(r"bytes=(?:(\d+)-(\d*)|-(\d+))")
# a workspace has the origin of the hub: nothing in it may run there
_HARMLESS = [
    ("Content-Security-Policy", "default-src 'none'; sandbox"),
    ("X-Content-Type-Options", "nosniff"),
]
Start = Any


class Methods(RequestServer):  # type: ignore[misc]
    """One request's method. Every `do_` raises a Refusal or OSError, or answers."""

    def __init__(self, provider: Provider) -> None:
        super().__init__(provider)
        self.allow_propfind_infinite = False
        self.provider = provider

    def handle(self, environ: Any, start: Start) -> Iterable[bytes]:
        """Answer a request that was let in and whose address was checked."""
        environ["wsgidav.user_name"] = environ[PERSON].name
        if "HTTP_DEPTH" in environ:
            environ["HTTP_DEPTH"] = environ["HTTP_DEPTH"].lower()
        environ["HTTP_OVERWRITE"] = environ.get("HTTP_OVERWRITE", "T").upper()
        method = environ["REQUEST_METHOD"]
        if method not in self._possible_methods:
            raise refuse(405, f"{method} is no method of a workspace.")
        if method in WRITING:
            self._writable(environ, names_of(environ["PATH_INFO"]))
        answer: Iterable[bytes] = getattr(self, f"do_{method}")(environ, start)
        return answer

    # --- What all need ---

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

    # --- Reading ---

    def do_GET(self, environ: Any, start: Start) -> Iterable[bytes]:
        """RFC 9110, 9.3.1, with one range (14.2)."""
        found = self._existing(environ)
        if not isinstance(found, File):
            raise refuse(403, "This is a folder: open it with a WebDAV client.")
        file = found.get_content()
        try:
            self._evaluate_if_headers(found, environ)
            offset, count, partial = _range(environ, found)
            size = found.get_content_length()
            headers = [
                ("Content-Type", found.get_content_type()),
                ("Content-Length", str(count)),
                ("Last-Modified", util.get_rfc1123_time(found.get_last_modified())),
                ("ETag", f'"{found.get_etag()}"'),
                ("Accept-Ranges", "bytes"),
                *_HARMLESS,
            ]
            if partial:
                headers.append(("Content-Range", f"bytes {offset}-{offset + count - 1}/{size}"))
        except BaseException:
            file.close()
            raise
        start("206 Partial Content" if partial else "200 OK", headers)
        if environ["REQUEST_METHOD"] == "HEAD":
            file.close()
            return []
        return FileBody(file, offset, count)

    do_HEAD = do_GET

    def do_PROPFIND(self, environ: Any, start: Start) -> Iterable[bytes]:
        """RFC 4918, 9.1. A large folder is answered piece by piece."""
        found = self._existing(environ)
        depth = environ.get("HTTP_DEPTH", "infinity")
        if depth not in ("0", "1", "infinity"):
            raise refuse(400, "Depth must be 0 or 1.")
        if depth == "infinity" and found.is_collection:
            raise refuse(403, condition="{DAV:}propfind-finite-depth")
        self._evaluate_if_headers(found, environ)
        mode, names = _wanted(util.parse_xml_body(environ, allow_empty=True))
        members = list(found.members()) if depth == "1" and found.is_collection else []
        pieces = _multistatus([found, *members], mode, names)
        headers = [("Content-Type", "application/xml; charset=utf-8")]
        if len(members) > _FEW:
            start("207 Multi-Status", headers)
            return pieces
        body = b"".join(pieces)
        start("207 Multi-Status", [*headers, ("Content-Length", str(len(body)))])
        return [body]

    # --- Writing ---

    def do_PUT(self, environ: Any, start: Start) -> Iterable[bytes]:
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
        body: Body = environ[BODY]
        usage = place.root.usage
        manager = self.provider.lock_manager
        with ExitStack() as stack:
            room = stack.enter_context(usage.reserve(_size(old)))
            if body.length is not None:
                room.grow(body.length)
            stack.enter_context(
                manager.write_transaction(
                    url=place.ref,
                    token_list=environ["wsgidav.ifLockTokenList"],
                    principal=environ["wsgidav.user_name"],
                )
            )
            staging = stack.enter_context(place.root.staging())
            name = fresh_name()
            try:
                size = _receive(body, staging, name, room if body.length is None else None)
                if modified is not None:
                    os.utime(name, (modified, modified), dir_fd=staging)
                with place.root.commit:
                    old = self._before_put(environ, parent)
                    with place.root.folder(place.names[:-1]) as folder:
                        os.rename(name, place.names[-1], src_dir_fd=staging, dst_dir_fd=folder)
                        os.fsync(folder)
                    usage.change(size - _size(old))
            except IncompleteError as error:
                environ[CLOSE]()
                raise refuse(400, f"{error} Nothing was changed.") from None
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=staging)
        new = self._existing(environ)
        headers = [("ETag", f'"{new.get_etag()}"'), ("Content-Length", "0")]
        if modified is not None:
            headers.append(("X-OC-Mtime", "accepted"))
        start("204 No Content" if old else "201 Created", headers)
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

    def do_MKCOL(self, environ: Any, start: Start) -> Iterable[bytes]:
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
            room.grow(1)
            with place.root.folder(place.names[:-1]) as folder:
                try:
                    os.mkdir(place.names[-1], 0o700, dir_fd=folder)
                except FileExistsError:
                    raise refuse(405, "Something has that name already.") from None
                os.fsync(folder)
        start("201 Created", [("Content-Length", "0")])
        return []

    def do_DELETE(self, environ: Any, start: Start) -> Iterable[bytes]:
        """RFC 4918, 9.6. All of it goes at once; the disk is cleared after that."""
        found = self._existing(environ)
        place = self._movable(environ)
        if found.is_collection and environ.get("HTTP_DEPTH", "infinity") != "infinity":
            raise refuse(400, "A folder can only be deleted as a whole: Depth must be infinity.")
        self._evaluate_if_headers(found, environ)
        self._check_parent(place, environ)
        self._check_tree(place.ref, environ)
        with place.root.commit, place.root.staging() as staging:
            name = self._set_aside(place, staging)
            self._forget(place.ref)
        self._dispose(place.root, staging_name=name)
        start("204 No Content", [("Content-Length", "0")])
        return []

    def _movable(self, environ: Any) -> Place:
        place = self._writable(environ, names_of(environ["PATH_INFO"]))
        if not place.names:
            raise refuse(403, "This folder itself can't be moved or deleted.")
        return place

    def _check_parent(self, place: Place, environ: Any) -> None:
        self._check_ref(Place(place.root, place.names[:-1]).ref, environ)

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

    def _forget(self, ref: str) -> None:
        self.provider.lock_manager.remove_all_locks_from_url(ref, recursive=True)
        self.provider.prop_manager.remove_properties(ref)

    # --- COPY and MOVE ---

    def do_COPY(self, environ: Any, start: Start) -> Iterable[bytes]:
        """RFC 4918, 9.8."""
        return self._transfer(environ, start, move=False)

    def do_MOVE(self, environ: Any, start: Start) -> Iterable[bytes]:
        """RFC 4918, 9.9."""
        return self._transfer(environ, start, move=True)

    def _transfer(self, environ: Any, start: Start, *, move: bool) -> Iterable[bytes]:
        source = self._existing(environ)
        if isinstance(source, Virtual):
            raise refuse(403, "This folder is made by the server: copy what is in it.")
        if move:
            self._movable(environ)
        target, old = self._target(environ, source.place)
        depth = environ.get("HTTP_DEPTH", "infinity")
        if depth not in ("0", "infinity") or (move and source.is_collection and depth == "0"):
            raise refuse(400, "Depth must be infinity.")
        self._evaluate_if_headers(source, environ)
        if move:
            self._check_parent(source.place, environ)
            self._check_tree(source.place.ref, environ)
        if old is None:
            self._check_parent(target, environ)
        self._check_tree(target.ref, environ)
        if environ["HTTP_OVERWRITE"] == "F" and old is not None:
            raise refuse(412, "The destination exists and must not be overwritten.")
        if move:
            self._move(source.place, target)
        else:
            self._copy(source, target, deep=depth == "infinity")
        start("201 Created" if old is None else "204 No Content", [("Content-Length", "0")])
        return []

    def _target(self, environ: Any, source: Place) -> tuple[Place, Any]:
        """Where to, and what is there. Raises a refusal."""
        header = environ.get("HTTP_DESTINATION")
        if not header:
            raise refuse(400, "The Destination header is missing.")
        forwarded = environ.get("HTTP_X_FORWARDED_HOST", "").partition(",")[0]
        names = destination(header, (environ.get("HTTP_HOST", ""), forwarded))
        if not names or names[0] != environ[PERSON].name:
            raise refuse(403, "The destination is in somebody else's workspace.")
        target = self._writable(environ, names)
        if not target.names:
            raise refuse(403, "The destination is a folder that can't be replaced.")
        if target.root is source.root:
            shorter = min(len(target.names), len(source.names))
            if target.names[:shorter] == source.names[:shorter]:
                raise refuse(403, "Nothing can be copied or moved onto, into or over itself.")
        self._parent(environ, names)
        return target, self.provider.get_resource_inst("/" + "/".join(names), environ)

    def _move(self, source: Place, target: Place) -> None:
        across = source.root is not target.root
        size = source.root.size(source.names) if across else 0
        replaced = target.root.size(target.names) if across else 0
        first, second = sorted((source.root, target.root), key=lambda root: root.ref)
        with ExitStack() as stack:
            if across:
                stack.enter_context(target.root.usage.reserve(replaced)).grow(size)
            stack.enter_context(first.commit)
            stack.enter_context(second.commit)
            staging = stack.enter_context(target.root.staging())
            name = fresh_name()
            with source.root.folder(source.names[:-1]) as folder:
                os.rename(source.names[-1], name, src_dir_fd=folder, dst_dir_fd=staging)
                try:
                    aside = self._put_in_place(staging, name, target)
                except BaseException:
                    os.rename(name, source.names[-1], src_dir_fd=staging, dst_dir_fd=folder)
                    raise
                os.fsync(folder)
            self.provider.lock_manager.remove_all_locks_from_url(source.ref, recursive=True)
            self.provider.prop_manager.move_properties(source.ref, target.ref)
            if across:
                source.root.usage.change(-size)
                target.root.usage.change(size)
        if aside:
            self._dispose(target.root, aside)

    def _copy(self, source: Any, target: Place, *, deep: bool) -> None:
        place = source.place
        size = place.root.size(place.names) if deep or isinstance(source, File) else 0
        with ExitStack() as stack:
            credit = target.root.size(target.names)
            stack.enter_context(target.root.usage.reserve(credit)).grow(size or 1)
            staging = stack.enter_context(target.root.staging())
            name = fresh_name()
            try:
                if isinstance(source, File):
                    with source.get_content() as file:
                        copy_file(file.fileno(), staging, name, source.status)
                else:
                    copy_tree(place.root, place.names, staging, name, deep=deep)
                with target.root.commit:
                    aside = self._put_in_place(staging, name, target)
                    self.provider.prop_manager.copy_properties(
                        place.ref, target.ref, with_children=deep
                    )
                    target.root.usage.change(size)
            finally:
                with suppress(FileNotFoundError):
                    os.stat(name, dir_fd=staging, follow_symlinks=False)
                    throw_away(staging, name)
        if aside:
            self._dispose(target.root, aside)

    @staticmethod
    def _put_in_place(staging: int, name: str, target: Place) -> str:
        """Give what is in staging its name in the tree; what stood there, if it was set aside."""
        aside = fresh_name()
        with target.root.folder(target.names[:-1]) as folder:
            new, old = look(staging, name), look(folder, target.names[-1])
            if new and old and stat.S_ISREG(new.st_mode) and stat.S_ISREG(old.st_mode):
                os.rename(name, target.names[-1], src_dir_fd=staging, dst_dir_fd=folder)
                os.fsync(folder)
                target.root.usage.change(-old.st_size)
                return ""
            try:
                os.rename(target.names[-1], aside, src_dir_fd=folder, dst_dir_fd=staging)
            except FileNotFoundError:
                aside = ""
            try:
                os.rename(name, target.names[-1], src_dir_fd=staging, dst_dir_fd=folder)
            except BaseException:
                if aside:
                    os.rename(aside, target.names[-1], src_dir_fd=staging, dst_dir_fd=folder)
                raise
            os.fsync(folder)
        return aside

    # --- Locks ---

    def do_LOCK(self, environ: Any, start: Start) -> Iterable[bytes]:
        """RFC 4918, 9.10; an address without a file gets an empty one only if it may."""
        names = names_of(environ["PATH_INFO"])
        place = self._writable(environ, names)
        if self.provider.get_resource_inst(environ["PATH_INFO"], environ) is None:
            parent = self._parent(environ, names)
            self._evaluate_if_headers(None, environ)
            self._check_ref(parent.get_ref_url(), environ)
            with place.root.usage.reserve() as room:
                room.grow(1)
        answer: Iterable[bytes] = super().do_LOCK(environ, start)
        return answer


def _size(found: Any) -> int:
    return found.get_content_length() if isinstance(found, File) else 0


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

    Raises IncompleteError, OSError, and a refusal (507) if `room` is given and ends.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    total = 0
    with os.fdopen(os.open(name, flags, 0o600, dir_fd=staging), "wb", buffering=0) as file:
        while block := body.read():
            if room is not None:
                room.grow(len(block))
            view = memoryview(block)
            while view:
                view = view[file.write(view) :]
            total += len(block)
        os.fsync(file.fileno())
    return total


def _range(environ: Any, found: File) -> tuple[int, int, bool]:
    """Offset, length, and whether that is a part. Raises a refusal (416)."""
    size = found.get_content_length()
    match = _RANGE.fullmatch(environ.get("HTTP_RANGE", "").replace(" ", ""))
    if match is None or not _still(environ, found):
        return 0, size, False
    first, last, suffix = match.groups()
    begin = max(0, size - int(suffix)) if suffix else int(first)
    end = min(size - 1, int(last)) if last else size - 1
    if suffix == "0" or begin >= size or (last and int(last) < begin):
        headers = [("Content-Range", f"bytes */{size}")]
        raise refuse(416, f"The file has {size} bytes.", headers=headers)
    return begin, end - begin + 1, True


def _still(environ: Any, found: File) -> bool:
    """Whether a range is still of the file that the client knows (RFC 9110, 13.1.5)."""
    known = environ.get("HTTP_IF_RANGE", "").strip()
    if not known:
        return True
    if known.startswith('"'):
        return bool(known == f'"{found.get_etag()}"')
    when = email.utils.parsedate_to_datetime(known) if "," in known else None
    return when is not None and int(when.timestamp()) == int(found.get_last_modified())


def _wanted(request: Any) -> tuple[str, list[str] | None]:
    """What a PROPFIND asks for: WsgiDAV's mode, and names (RFC 4918, 14.20)."""
    if request is None:
        return "allprop", None
    if request.tag != "{DAV:}propfind":
        raise refuse(400, "The body must be a propfind element.")
    kinds = [child for child in request if child.tag != "{DAV:}include"]
    if len(kinds) != 1:
        raise refuse(400, "A propfind element holds one of prop, allprop and propname.")
    match kinds[0].tag:
        case "{DAV:}allprop":
            return "allprop", None
        case "{DAV:}propname":
            return "name", None
        case "{DAV:}prop":
            return "named", [child.tag for child in kinds[0]]
    raise refuse(400, "A propfind element holds one of prop, allprop and propname.")


def _multistatus(found: list[Any], mode: str, names: list[str] | None) -> Iterator[bytes]:
    yield _MULTISTATUS
    for one in found:
        holder = ElementTree.Element("{DAV:}multistatus")
        util.add_property_response(
            holder, one.get_href(), one.get_properties(mode, name_list=names)
        )
        yield ElementTree.tostring(holder[0], encoding="utf-8", xml_declaration=False)
    yield b"</D:multistatus>\n"
