"""What this server remembers of orders: those that it carries out itself, by number, and keys."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct, field

from jupyterlab_pelagos.shared import Shared
from jupyterlab_pelagos.state_file import StateFile

LOCAL = "local-"
_KEYS = 500  # of the last orders: a browser tries again within minutes


class LocalEntry(Struct):
    """An order in a folder. `running`: it is to go on when a server stops meanwhile."""

    folder: str
    running: bool = True


class Known(Struct):
    """`last`: number of the last local order; none is given twice. `keys`: order by the browser's
    key. `under_way`: numbers of the data pool's orders that were not over."""

    last: int = 0
    local: dict[str, LocalEntry] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    under_way: list[int] = field(default_factory=list)


class KnownOrders:
    """Kept in the home, so that the next server knows them too."""

    def __init__(self, shared: Shared) -> None:
        self._file = StateFile("orders.json", Known, shared.log)

    def get(self) -> Known:
        """All of it; not to be changed."""
        return self._file.read()

    def local(self) -> dict[str, LocalEntry]:
        """Local orders by identifier, the oldest first."""
        return dict(self._file.read().local)

    def folder(self, order: str) -> Path | None:
        """Where a local order is."""
        entry = self._file.read().local.get(order)
        return Path(entry.folder) if entry else None

    def add(self, folder: Path) -> str:
        """Remember a local order; its identifier."""
        with self._file.locked():
            known = self._file.read()
            order = f"{LOCAL}{known.last + 1}"
            local = {**known.local, order: LocalEntry(str(folder))}
            self._file.write(msgspec.structs.replace(known, last=known.last + 1, local=local))
        return order

    def forget(self, order: str) -> None:
        """Forget a local order; its files stay."""
        with self._file.locked():
            known = self._file.read()
            local = {name: entry for name, entry in known.local.items() if name != order}
            self._file.write(msgspec.structs.replace(known, local=local))

    def set_running(self, order: str, running: bool) -> None:
        """Whether a local order is to go on with the next server."""
        with self._file.locked():
            known = self._file.read()
            entry = known.local.get(order)
            if entry is None or entry.running == running:
                return
            local = {**known.local, order: LocalEntry(entry.folder, running)}
            self._file.write(msgspec.structs.replace(known, local=local))

    def by_key(self, key: str) -> str | None:
        """The order that was made with this key."""
        return self._file.read().keys.get(key) if key else None

    def set_key(self, key: str, order: str) -> None:
        """Remember which order a key made."""
        if not key:
            return
        with self._file.locked():
            known = self._file.read()
            keys = dict([*known.keys.items(), (key, order)][-_KEYS:])
            self._file.write(msgspec.structs.replace(known, keys=keys))

    def set_under_way(self, numbers: list[int]) -> None:
        """Which of the data pool's orders are not over."""
        with self._file.locked():
            known = self._file.read()
            if known.under_way != numbers:
                self._file.write(msgspec.structs.replace(known, under_way=numbers))

    def add_under_way(self, number: int) -> None:
        """One more of them."""
        with self._file.locked():
            self.set_under_way(sorted({*self._file.read().under_way, number}))
