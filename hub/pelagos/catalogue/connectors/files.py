"""Connector `files`: a folder of NetCDF files and ODV spreadsheets, or a THREDDS catalogue.

A folder is verified against recorded files (Argo GDAC, SeaDataNet, World Ocean Database, GEBCO,
ERDDAP) and the files of iris-sample-data; THREDDS: see `thredds.py`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from typing import Any

from pelagos.catalogue.connectors.base import Connector
from pelagos.catalogue.connectors.files_records import (
    Gathered,
    cleaned,
    collection_record,
    granule_record,
)
from pelagos.catalogue.connectors.thredds import Thredds
from pelagos.catalogue.described import NAME, Description, describe
from pelagos.catalogue.folders import Entry, Tree, is_odv, locate
from pelagos.catalogue.formats.aside import Reader
from pelagos.catalogue.formats.summary import (
    Summary,
    UnreadableError,
    from_json,
    to_json,
)
from pelagos.catalogue.records import (
    CollectionRecord,
    GranuleRecord,
    RecordError,
    Rejected,
    Unchanged,
    identify,
)
from pelagos.errors import SourceError
from pelagos.settings.sources import FilesSource, SourceKind

# raised when files are read in another way, so that known files are read again
_VERSION = 1
_KEPT = 2_000  # summaries that are held from a collection to its granules
TOP = "files"  # identifier of the collection of files at the top of the folder


class FilesConnector(Connector[FilesSource]):
    """Reads a folder, or a THREDDS catalogue.

    It remembers the checksum of every file with its size, time and inode, and of each collection
    what its files say together: a collection of files that have not changed is not read again, and
    of another one only the changed files are hashed.
    """

    kind = SourceKind.FILES

    def collections(self) -> Iterator[CollectionRecord | Rejected | Unchanged]:
        """Those of the description, then one per folder with other files."""
        if bool(self.source.path) == bool(self.source.url):
            raise SourceError(
                f"source {self.source.name}: it needs either a path or a url",
                "Give one of them in pelagos.yaml.",
            )
        if self.source.url:
            self._thredds = Thredds(self.source, self.fetch)
            yield from self._thredds.collections()
        else:
            yield from self._folder_collections()

    def granules(
        self, collection: CollectionRecord
    ) -> Iterator[GranuleRecord | Rejected | Unchanged]:
        """One per file."""
        if self.source.url:
            yield from self._thredds.granules(collection)
        else:
            yield from self._folder_granules(collection)

    # a folder

    def _folder_collections(self) -> Iterator[CollectionRecord | Rejected | Unchanged]:
        with Tree(locate(self.source.path)) as tree, Reader() as reader:
            description, text, document = describe(self.source, tree)
            self._groups: dict[str, list[Entry]] = {}
            self._described = {one.id: one for one in description.collections}
            self._held: tuple[str, dict[str, Summary]] = ("", {})
            self._refusing: set[str] = set()  # collections of which no file can be read
            self._new: dict[str, dict[str, Any]] = {}  # what collections say that have changed
            skipped = list(self._gather(tree, description))
            stamp = self._stamp(self._groups, text, [str(one) for one in skipped])
            if self.memory.get("stamp") == stamp:
                yield Unchanged("")
                return
            yield from skipped
            self._forget_removed()
            for position, one in enumerate(description.collections):
                if one.id not in self._groups and document:
                    at = ("collections", position, "files")
                    reason = f"no file fits {', '.join(one.files[:3])}"
                    yield Rejected(one.id, document.problem(at, reason))
            for identifier in self._groups:
                yield from self._collection(tree, reader, identifier)
            if all(self._is_known(identifier) for identifier in self._groups):
                self.memory["stamp"] = stamp

    def _gather(self, tree: Tree, description: Description) -> Iterator[Rejected]:
        """Sort files into collections; say what is skipped."""
        self._groups = {identifier: [] for identifier in self._described}
        taken = set(self._described)
        folders: dict[str, str] = {}
        count = 0
        for entry in tree.walk():
            if isinstance(entry, Rejected):
                if description.others:
                    yield entry
                continue
            if entry.path == NAME or not description.lists(entry.path):
                continue
            count += 1
            if count > self.source.record_limit:
                yield Rejected(entry.path, f"more than {self.source.record_limit} files")
                break
            one = description.collection_of(entry.path)
            if one:
                self._groups[one.id].append(entry)
                continue
            if entry.folder not in folders:
                folders[entry.folder] = _free(identify(entry.folder or TOP), taken)
            self._groups.setdefault(folders[entry.folder], []).append(entry)
        self._groups = {key: entries for key, entries in self._groups.items() if entries}

    def _collection(
        self, tree: Tree, reader: Reader, identifier: str
    ) -> Iterator[CollectionRecord | Rejected]:
        entries, described = self._groups[identifier], self._described.get(identifier)
        summary = self._known(identifier)
        if summary is None:
            summary = self._gathered(tree, reader, identifier)
        if summary is None:
            self._refusing.add(identifier)
            yield Rejected(identifier, "none of its files can be read")
            yield from self._refused(tree, reader, entries)
            return
        try:
            yield collection_record(self.source, identifier, described, entries, summary)
        except RecordError as error:
            yield Rejected(identifier, str(error))

    def _is_known(self, identifier: str) -> bool:
        """Whether this run, or one before, has read a collection as it is, with its granules."""
        known = self.memory.get("collections", {}).get(identifier, {})
        stamp: str = known.get("stamp", "")
        return identifier in self._refusing or stamp == self._stamp_of(identifier)

    def _known(self, identifier: str) -> Summary | None:
        """What the files of a collection said together, if none of them has changed."""
        if not self._is_known(identifier):
            return None
        try:
            return from_json(self.memory["collections"][identifier]["summary"])
        except (KeyError, TypeError, ValueError):  # of another version
            return None

    def _gathered(self, tree: Tree, reader: Reader, identifier: str) -> Summary | None:
        """What the files of a collection say together; None if none can be read."""
        gathered = Gathered()
        held: dict[str, Summary] = {}
        for entry in self._groups[identifier]:
            try:
                summary = self._summary(tree, reader, entry)
                gathered.add(summary)
            except (UnreadableError, RecordError, OSError):
                continue  # said with the granules
            if len(held) < _KEPT:
                held[entry.path] = summary
        self._held = (identifier, held)
        if not held:
            return None
        found = gathered.summary()
        self._new[identifier] = to_json(found)
        return found

    def _refused(self, tree: Tree, reader: Reader, entries: list[Entry]) -> Iterator[Rejected]:
        for entry in entries:
            try:
                self._summary(tree, reader, entry)
            except (UnreadableError, OSError) as error:
                yield Rejected(entry.path, _reason(error))

    def _summary(self, tree: Tree, reader: Reader, entry: Entry) -> Summary:
        descriptor = tree.open(entry.path)
        try:
            read = reader.odv if is_odv(entry.path) else reader.netcdf
            return cleaned(read(descriptor))
        finally:
            os.close(descriptor)

    def _folder_granules(
        self, collection: CollectionRecord
    ) -> Iterator[GranuleRecord | Rejected | Unchanged]:
        entries = self._groups.get(collection.id, [])
        described = self._described.get(collection.id)
        if collection.id not in self._new:
            yield Unchanged(collection.id)
            return
        held = self._held[1] if self._held[0] == collection.id else {}
        with Tree(locate(self.source.path)) as tree, Reader() as reader:
            for entry in entries:
                try:
                    summary = held.get(entry.path) or self._summary(tree, reader, entry)
                    checksum = self._checksum(tree, entry)
                    yield granule_record(collection, described, entry, summary, checksum)
                except (UnreadableError, RecordError, OSError) as error:
                    yield Rejected(entry.path, _reason(error))
        known = self.memory.setdefault("collections", {})
        known[collection.id] = {
            "stamp": self._stamp_of(collection.id),
            "summary": self._new[collection.id],
        }

    def _checksum(self, tree: Tree, entry: Entry) -> str:
        """SHA-256 as a multihash in hex; of a file that is as it was, without reading it.

        Raises UnreadableError if it is being written, OSError.
        """
        known: dict[str, Any] = self.memory.setdefault("files", {})
        found = known.get(entry.path)
        sign = [entry.size, entry.modified, entry.inode]
        if isinstance(found, list) and found[:3] == sign and len(found) == 4:
            return str(found[3])
        descriptor = tree.open(entry.path)
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            after = os.fstat(descriptor)
        if [after.st_size, after.st_mtime_ns, after.st_ino] != sign:
            raise UnreadableError("it changed while it was read; the next run reads it again")
        checksum = f"1220{digest}"
        known[entry.path] = [*sign, checksum]
        return checksum

    def _forget_removed(self) -> None:
        here = {entry.path for entries in self._groups.values() for entry in entries}
        known = self.memory.get("files", {})
        self.memory["files"] = {path: known[path] for path in known if path in here}
        stamps = self.memory.get("collections", {})
        self.memory["collections"] = {key: stamps[key] for key in stamps if key in self._groups}

    def _stamp_of(self, identifier: str) -> str:
        described = self._described.get(identifier)
        text = described.model_dump_json() if described else ""
        return self._stamp({identifier: self._groups.get(identifier, [])}, text, [])

    def _stamp(self, groups: dict[str, list[Entry]], text: str, more: list[str]) -> str:
        digest = hashlib.sha256(json.dumps([_VERSION, self.source.model_dump(mode="json"), text,
                                            more]).encode())  # fmt: skip
        for identifier, entries in groups.items():
            digest.update(identifier.encode() + b"\n")
            for entry in entries:
                line = f"{entry.path}\0{entry.size}\0{entry.modified}\0{entry.inode}\n"
                digest.update(line.encode())
        return digest.hexdigest()


def _free(identifier: str, taken: set[str]) -> str:
    """The identifier, or with a number if it is taken."""
    number, free = 1, identifier
    while free in taken:
        number += 1
        free = f"{identifier}-{number}"
    taken.add(free)
    return free


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"can't be read: {error.strerror or 'it is gone, or no plain file'}"
    return str(error)
