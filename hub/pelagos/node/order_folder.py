"""An order's folder in an area of its owner, who may put anything in the way at any moment.

Everything is built where only root gets (`Place.parcels`), given to its owner there, and renamed
into the area: so the folder appears whole. If there is one already, each file and link changes
places with what lies at its name (renameat2(2)); what comes out that way and is not of ours goes
back beside it under a new name. Nothing of the person's is ever deleted, no link is followed, and
nothing is given away that they could have put there.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pelagos.errors import StorageError
from pelagos.node import order_notes
from pelagos.node.areas import Owner, Place
from pelagos.node.areas.base import make_private, remove_tree
from pelagos.node.order_content import DEPTH, LARGEST, NAME_BYTES, Content
from pelagos.node.order_names import HEAD, ORDERS, QUERY, chosen, whose
from pelagos.renames import exchange, rename_new

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
_LOOKED_AT = 500_000  # names in a folder of a person's, before it is given up
_TRIES = 20  # against somebody who keeps changing what is there


class OrderFolder:
    """The folder of one order in the area at `place`.

    `pool`: where the links lead. `workshop`: a folder in the file system of the area, where nobody
    but this process gets. One at a time for each area: the caller holds a lock. Every method raises
    StorageError.
    """

    def __init__(
        self, place: Place, number: int, owner: Owner, pool: str, workshop: Path | None = None
    ) -> None:
        self._place, self._number, self._owner, self._pool = place, number, owner, pool
        self._workshop = workshop or place.folder / "parcels"

    def there(self, folder: str = "") -> bool:
        """Whether any link of ours is still in `folder`, below the area.

        The sweep takes files first, and folders later; other files there are the person's own.
        """
        ours = _Ours(frozenset(), self._pool)
        names = (folder or f"{ORDERS}/{self._number}").split("/")
        try:
            with contextlib.ExitStack() as stack:
                inner = stack.enter_context(_opened(self._place.files))
                for name in names:
                    inner = stack.enter_context(_opened(name, inner))
                return any(ours.has_link(above, name) for above, name in _near(inner))
        except OSError as error:
            if error.errno in _NOT_THERE:
                return False
            raise self._failed(error) from error

    def write(self, content: Content) -> str:
        """Make the folder, or renew what is ours in it; its path below the area.

        Raises RefusedError too.
        """
        content.check()
        make_private(self._workshop)
        work = self._workshop / f"{self._number}.{secrets.token_hex(6)}.part"
        try:
            self._clean()
            with _opened(self._place.files) as files:
                name = self._name(files, whose(content.documents.get(QUERY, "")))
                known = self._remember(content, name)
                work.mkdir(mode=0o700)
                with _opened(work) as bench:
                    _build(bench, content, self._owner)
                    merge = _Merge(bench, self._owner, _Ours(known, self._pool))
                    orders = merge.folder(files, ORDERS)
                    try:
                        merge.put(name, bench, orders, ours="content")
                    finally:
                        os.close(orders)
        except OSError as error:
            raise self._failed(error) from error
        finally:
            if work.exists():
                remove_tree(work)
        return f"{ORDERS}/{name}"

    def _name(self, files: int, mine: str) -> str:
        """The folder of this order, and of no other one before it with the same number."""
        remembered = order_notes.read(self._notes(str(self._number))).folders

        def look(name: str) -> str:
            try:
                with _opened(ORDERS, files) as orders, _opened(name, orders) as folder:
                    # who has removed ours has not given the folder to another order
                    return _whose(folder) or remembered.get(name, "")
            except OSError as error:
                if error.errno in _NOT_THERE:
                    return ""
                raise

        return chosen(self._number, mine, look)

    def _clean(self) -> None:
        """What a crash has left; if it came while something of the person's was here, it goes back.

        That is between the exchange and the next step, in `_Merge`.
        """
        for path in self._workshop.glob("*.part"):
            ours = _Ours(
                frozenset(order_notes.read(self._notes(path.name.partition(".")[0])).texts),
                self._pool,
            )
            with _opened(path) as left:
                if all(ours.has(folder, name) for folder, name in _entries(left)):
                    continue
            with _opened(self._place.files) as files, _opened(self._workshop) as workshop:
                kept = f"{ORDERS}.kept-{path.name}"
                rename_new(workshop, os.fsencode(path.name), files, os.fsencode(kept))
                with _opened(kept, files) as folder:
                    _give(folder, self._owner)
        for path in self._workshop.glob("*.part"):
            remove_tree(path)

    def _notes(self, number: str) -> Path:
        return self._workshop / f"{number}.json"

    def _remember(self, content: Content, name: str) -> frozenset[str]:
        """Digests of all documents that were ever ours here, kept before any is there."""
        fresh = [_digest(text.encode()) for text in content.documents.values()]
        of = whose(content.documents.get(QUERY, ""))
        return frozenset(order_notes.keep(self._notes(str(self._number)), fresh, name, of).texts)

    def _failed(self, error: OSError) -> StorageError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return StorageError(
                "Your dataspace is full: the order's folder can't be made.",
                "Delete what you don't need in ~/dataspace/me, then try the order again.",
            )
        return StorageError(
            f"The order's folder can't be made: {error.strerror}.",
            f"Look at ~/dataspace/me/{ORDERS}, then try the order again.",
        )


@contextlib.contextmanager
def _opened(path: str | Path, above: int | None = None) -> Iterator[int]:
    number = os.open(path, _FOLDER, dir_fd=above)
    try:
        yield number
    finally:
        os.close(number)


def _whose(folder: int) -> str:
    """Of the `query.json` in an open folder of a person's."""
    try:
        number = os.open(QUERY, _READ, dir_fd=folder)
    except OSError:
        return ""
    try:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            return ""  # a file object could not be had for a folder
        return whose(os.read(number, HEAD).decode(errors="replace"))
    finally:
        os.close(number)


def _build(bench: int, content: Content, owner: Owner) -> None:
    """The whole folder as `content` on the bench, where nobody else gets."""
    os.mkdir("content", 0o755, dir_fd=bench)
    folders = {"": os.open("content", _FOLDER, dir_fd=bench)}  # those that are open, by path
    try:
        entries = [(path, text, True) for path, text in content.documents.items()]
        entries += [(path, target, False) for path, target in content.links.items()]
        last = ""
        # by folder, so that only those above the present one are open
        for path, text, is_document in sorted(entries, key=lambda one: one[0].rpartition("/")[::2]):
            above, _, name = path.rpartition("/")
            if above != last:
                for one in [one for one in folders if not f"/{above}/".startswith(f"/{one}/")]:
                    if one:
                        os.close(folders.pop(one))
                last = above
            folder = _made(folders, above, owner)
            if is_document:
                _write(folder, name, text.encode(), owner)
            else:
                os.symlink(text, name, dir_fd=folder)
                os.chown(name, owner.uid, owner.gid, dir_fd=folder, follow_symlinks=False)
        _give(folders[""], owner)
    finally:
        for number in folders.values():
            os.close(number)


def _made(folders: dict[str, int], path: str, owner: Owner) -> int:
    """A folder below the content, made if it is missing; open ones stand in `folders`."""
    if path not in folders:
        above, _, name = path.rpartition("/")
        parent = _made(folders, above, owner)
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o755, dir_fd=parent)
        folders[path] = os.open(name, _FOLDER, dir_fd=parent)
        _give(folders[path], owner)
    return folders[path]


def _give(folder: int, owner: Owner) -> None:
    os.fchmod(folder, 0o755)  # whatever the umask
    os.fchown(folder, owner.uid, owner.gid)


def _write(folder: int, name: str, data: bytes, owner: Owner) -> None:
    number = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=folder)
    with open(number, "wb") as file:
        file.write(data)
        os.fchmod(number, 0o644)
        os.fchown(number, owner.uid, owner.gid)
        file.flush()
        os.fsync(number)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _entries(folder: int) -> Iterator[tuple[int, str]]:
    """Everything below a folder that is no folder: the open one above it, and its name."""
    for _, folders, names, above in os.fwalk(".", dir_fd=folder):
        # fwalk takes a link to a folder for a folder, and does not follow it
        yield from ((above, name) for name in (*names, *folders) if not _is_folder(above, name))


def _near(top: int) -> Iterator[tuple[int, str]]:
    """What lies below a folder of a person's, as deep as anything of ours may be.

    They may have put any number of folders into each other: few are open at a time, and after
    _LOOKED_AT names it is enough. Raises StorageError then.
    """
    folders, count = [""], 0
    while folders:
        path = folders.pop()
        try:
            above = _reached(top, path)
        except OSError:  # changed meanwhile
            continue
        try:
            with os.scandir(above) as entries:
                for entry in entries:
                    count += 1
                    if count > _LOOKED_AT:
                        raise StorageError("There are too many files in the order's folder.")
                    if not entry.is_dir(follow_symlinks=False):
                        yield above, entry.name
                    elif path.count("/") < DEPTH:
                        folders.append(f"{path}/{entry.name}")
        finally:
            os.close(above)


def _reached(top: int, path: str) -> int:
    """An open folder below another one, reached without links. Raises OSError."""
    current = os.dup(top)
    for name in path.split("/")[1:]:
        try:
            below = os.open(name, _FOLDER, dir_fd=current)
        finally:
            os.close(current)
        current = below
    return current


def _is_folder(above: int, name: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=above, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return True


@dataclass(frozen=True)
class _Ours:
    """Tells what was put there by us: digests of texts, and where links lead."""

    known: frozenset[str]
    pool: str

    def has_link(self, folder: int, name: str) -> bool:
        """Whether it is a link into the pool."""
        try:
            return os.readlink(name, dir_fd=folder).startswith(f"{self.pool}/")
        except OSError:
            return False  # no link, or gone

    def has(self, folder: int, name: str) -> bool:
        """Whether it is a link into the pool, or a text of ours as we wrote it."""
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISLNK(found.st_mode):
            return self.has_link(folder, name)
        if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST:
            return False
        with open(os.open(name, _READ, dir_fd=folder), "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() in self.known


class _Merge:
    """Brings what was built on the bench into the area."""

    def __init__(self, bench: int, owner: Owner, ours: _Ours) -> None:
        self._bench, self._owner, self._ours = bench, owner, ours
        self._count = 0

    def folder(self, above: int, name: str) -> int:
        """A folder of the owner's in `above`, open; made if it is missing."""
        for _ in range(_TRIES):
            try:
                return os.open(name, _FOLDER, dir_fd=above)
            except FileNotFoundError:
                pass
            except OSError as error:
                if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                    raise
            spare = self._spare()
            os.mkdir(spare, 0o755, dir_fd=self._bench)
            with _opened(spare, self._bench) as made:
                _give(made, self._owner)
            self._place(self._bench, spare, above, name)
        raise OSError(errno.EBUSY, f"{name} changes all the time")

    def put(self, name: str, source: int, target: int, *, ours: str = "") -> None:
        """Bring `ours` (else `name`) of the folder `source` into `target` as `name`."""
        own = ours or name
        found = os.stat(own, dir_fd=source, follow_symlinks=False)
        if not stat.S_ISDIR(found.st_mode):
            self._place(source, own, target, name)
            return
        if rename_new(source, os.fsencode(own), target, os.fsencode(name)):
            return
        there = self.folder(target, name)
        try:
            with _opened(own, source) as inside:
                for entry in os.listdir(inside):
                    self.put(entry, inside, there)
        finally:
            os.close(there)

    def _place(self, source: int, own: str, target: int, name: str) -> None:
        """Rename into place; what lay there is ours and goes, or is put beside it."""
        old, new = os.fsencode(own), os.fsencode(name)
        for _ in range(_TRIES):
            if rename_new(source, old, target, new):
                return
            with contextlib.suppress(FileNotFoundError):  # gone in this moment: again
                if not exchange(source, old, target, new):
                    self._aside(target, name, target, name)  # a file system without exchange
                    continue
                if self._ours.has(source, own):
                    os.unlink(own, dir_fd=source)
                else:
                    self._aside(source, own, target, name)
                return
        raise OSError(errno.EBUSY, f"{name} changes all the time")

    def _aside(self, source: int, own: str, target: int, name: str) -> None:
        """Give back what is the person's, beside its old name."""
        short = name.encode()[: NAME_BYTES - 12].decode(errors="ignore")
        for number in range(1, 10_000):
            kept = f"{short}.kept-{number}"
            if rename_new(source, os.fsencode(own), target, os.fsencode(kept)):
                return
        raise OSError(errno.EEXIST, f"There are too many files beside {name}")

    def _spare(self) -> str:
        self._count += 1
        return f"spare-{self._count}"
