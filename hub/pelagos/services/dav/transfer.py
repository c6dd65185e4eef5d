"""COPY and MOVE, between a person's own folders and shared ones too."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from typing import Any

from pelagos.renames import exchange
from pelagos.services.dav.addresses import destination
from pelagos.services.dav.disk import (
    ENTRY,
    copy_file,
    copy_tree,
    cost,
    fresh_name,
    look,
    throw_away,
)
from pelagos.services.dav.refusals import refuse
from pelagos.services.dav.resources import PERSON, File, Place, Virtual
from pelagos.services.dav.writing import Writing


class Transfer(Writing):
    """Methods with a destination."""

    def do_COPY(self, environ: Any, start: Any) -> Iterable[bytes]:
        """RFC 4918, 9.8."""
        return self._transfer(environ, start, move=False)

    def do_MOVE(self, environ: Any, start: Any) -> Iterable[bytes]:
        """RFC 4918, 9.9."""
        return self._transfer(environ, start, move=True)

    def _transfer(self, environ: Any, start: Any, *, move: bool) -> Iterable[bytes]:
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
        if not move:
            self._copy(source, target, deep=depth == "infinity")
        elif source.place.root.device() == target.root.device():
            self._move(source.place, target)
        else:
            self._move_by_copy(source, target)
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
        """Rename: what is moved stands at one of both addresses at any moment."""
        across = source.root is not target.root
        size = source.root.size(source.names) if across else 0
        first, second = sorted((source.root, target.root), key=lambda root: root.ref)
        with ExitStack() as stack:
            if across:
                replaced = target.root.size(target.names)
                stack.enter_context(target.root.usage.reserve(replaced)).grow(size)
            stack.enter_context(first.commit)
            stack.enter_context(second.commit)
            with source.root.folder(source.names[:-1]) as folder:
                aside = self._put_in_place(folder, source.names[-1], target)
                os.fsync(folder)
            self.provider.lock_manager.remove_all_locks_from_url(source.ref, recursive=True)
            self.provider.prop_manager.move_properties(source.ref, target.ref)
            if across:
                source.root.usage.change(-size)
                target.root.usage.change(size)
        if aside:
            self._dispose(target.root, aside)

    def _move_by_copy(self, source: Any, target: Place) -> None:
        """Between file systems. Raises a refusal (409) where a copy would leave something out."""
        if not source.place.root.has_only_listed(source.place.names):
            raise refuse(
                409,
                "The folder holds symbolic links, or names that are not UTF-8, which can't be "
                "moved to another disk: take them out, or copy the folder without them.",
            )
        self._copy(source, target, deep=True)
        self._remove(source.place)

    def _copy(self, source: Any, target: Place, *, deep: bool) -> None:
        place = source.place
        size = place.root.size(place.names) if deep or isinstance(source, File) else ENTRY
        with ExitStack() as stack:
            credit = target.root.size(target.names)
            stack.enter_context(target.root.usage.reserve(credit)).grow(size)
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
    def _put_in_place(source: int, name: str, target: Place) -> str:
        """Rename `name` in the folder `source` to the target.

        What stood there is set aside, unless a file replaces a file. Both change places in one
        step, so that something stands at the target at any moment; if the server is killed right
        after that, what stood there is at the other one's address. Returns its name in staging.
        """
        last = target.names[-1]
        with target.root.folder(target.names[:-1]) as folder, target.root.staging() as staging:
            new, old = look(source, name), look(folder, last)
            aside = ""
            if new and old and stat.S_ISREG(new.st_mode) and stat.S_ISREG(old.st_mode):
                os.rename(name, last, src_dir_fd=source, dst_dir_fd=folder)
                target.root.usage.change(-cost(old))
            else:
                fresh = fresh_name()
                try:
                    if exchange(source, os.fsencode(name), folder, os.fsencode(last)):
                        os.rename(name, fresh, src_dir_fd=source, dst_dir_fd=staging)
                    else:
                        _replace_in_two_steps(source, name, folder, last, staging, fresh)
                    aside = fresh
                except FileNotFoundError:  # nothing stands there
                    os.rename(name, last, src_dir_fd=source, dst_dir_fd=folder)
            os.fsync(folder)
        return aside


def _replace_in_two_steps(
    source: int, name: str, folder: int, last: str, staging: int, fresh: str
) -> None:
    """For file systems that can't exchange: killed in between, what is replaced is lost."""
    os.rename(last, fresh, src_dir_fd=folder, dst_dir_fd=staging)
    try:
        os.rename(name, last, src_dir_fd=source, dst_dir_fd=folder)
    except BaseException:
        os.rename(fresh, last, src_dir_fd=staging, dst_dir_fd=folder)
        raise
