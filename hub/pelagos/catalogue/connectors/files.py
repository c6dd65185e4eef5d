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
from pelagos.catalogue.connectors.files_records import cleaned, collection_record, granule_record
from pelagos.catalogue.connectors.thredds import Thredds
from pelagos.catalogue.described import NAME, DescribedCollection, Description, describe
from pelagos.catalogue.folders import Entry, Tree, is_odv, locate
from pelagos.catalogue.formats.aside import Reader
from pelagos.catalogue.formats.summary import Summary, UnreadableError
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

    It remembers the checksum of every file with its size, time and inode, and a stamp of the whole
    and of each collection: what has not changed is neither hashed nor read again.
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
        entries = self._groups[identifier]
        described = self._described.get(identifier)
        held: dict[str, Summary] = {}

        def summaries() -> Iterator[Summary]:
            for entry in entries:
                try:
                    summary = self._summary(tree, reader, entry)
                except (UnreadableError, OSError):
                    continue  # said with the granules
                if len(held) < _KEPT:
                    held[entry.path] = summary
                yield summary

        folder = entries[0].folder
        try:
            record = collection_record(self.source, identifier, described, folder, summaries())
        except RecordError as error:
            yield Rejected(identifier, str(error))
            return
        if not held:  # nothing in it could be read
            yield Rejected(identifier, "none of its files can be read")
            yield from self._refused(tree, reader, entries)
            return
        self._held = (identifier, held)
        yield record

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
        stamp = self._stamp({collection.id: entries}, _text_of(described), [])
        stamps = self.memory.setdefault("collections", {})
        if stamps.get(collection.id) == stamp:
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
        stamps[collection.id] = stamp

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

    def _stamp(self, groups: dict[str, list[Entry]], text: str, more: list[str]) -> str:
        digest = hashlib.sha256(json.dumps([_VERSION, self.source.model_dump(mode="json"), text,
                                            more]).encode())  # fmt: skip
        for identifier, entries in groups.items():
            digest.update(identifier.encode() + b"\n")
            for entry in entries:
                line = f"{entry.path}\0{entry.size}\0{entry.modified}\0{entry.inode}\n"
                digest.update(line.encode())
        return digest.hexdigest()


def open_file(source: FilesSource, path: str) -> int:
    """A descriptor of a file that the source lists, for reading; the caller closes it.

    `path` is that of an asset's `files/…`, decoded. Raises FileNotFoundError for whatever is not
    listed, whether it is there or not; OSError, and SourceError if the source itself can't be read.
    """
    if not source.path:
        raise FileNotFoundError(path)
    with Tree(locate(source.path)) as tree:
        description, _, _ = describe(source, tree)
        if path == NAME or not description.lists(path):
            raise FileNotFoundError(path)
        return tree.open(path)


def _free(identifier: str, taken: set[str]) -> str:
    """The identifier, or with a number if it is taken."""
    number, free = 1, identifier
    while free in taken:
        number += 1
        free = f"{identifier}-{number}"
    taken.add(free)
    return free


def _text_of(described: DescribedCollection | None) -> str:
    return described.model_dump_json() if described else ""


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"can't be read: {error.strerror or 'it is gone, or no plain file'}"
    return str(error)
