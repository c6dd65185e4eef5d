"""Transfers of a workspace: through its mount, and straight to the WebDAV server."""

from __future__ import annotations

import os
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx

CHUNK = 4 * 2**20
_DEADLINE = 900  # seconds for one transfer


class Content:
    """`size` incompressible bytes that need no disk, and their checksum."""

    def __init__(self, size: int) -> None:
        self._chunk = os.urandom(min(size, CHUNK))
        self._times = size // len(self._chunk)
        self.size = self._times * len(self._chunk)
        self.checksum = 0
        for chunk in self.chunks():
            self.checksum = zlib.crc32(chunk, self.checksum)

    def chunks(self) -> Iterator[bytes]:
        """The bytes, piece by piece."""
        for _ in range(self._times):
            yield self._chunk


def checksum_of(chunks: Iterator[bytes]) -> int:
    """CRC-32 of what is read: quick enough not to count."""
    found = 0
    for chunk in chunks:
        found = zlib.crc32(chunk, found)
    return found


def chunks_of(path: Path) -> Iterator[bytes]:
    """A file's bytes, piece by piece."""
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            yield chunk


class Direct:
    """The WebDAV server without a mount. Use as a context manager."""

    def __init__(self, url: str, user: str, token: str) -> None:
        self._make: Callable[[], httpx.Client] = lambda: httpx.Client(
            base_url=url, auth=(user, token), timeout=_DEADLINE, trust_env=False
        )
        self._client = self._make()

    def __enter__(self) -> Direct:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def put(self, name: str, content: Content) -> float:
        """Seconds until the server has said that it has all of it."""
        began = time.monotonic()
        answer = self._client.put(
            name, content=content.chunks(), headers={"Content-Length": str(content.size)}
        )
        answer.raise_for_status()
        return time.monotonic() - began

    def get(self, name: str, content: Content) -> float:
        """Seconds to read all of it, checked."""
        began = time.monotonic()
        with self._client.stream("GET", name) as answer:
            answer.raise_for_status()
            found = checksum_of(answer.iter_raw(CHUNK))
        assert found == content.checksum, f"{name} is not what was written"
        return time.monotonic() - began

    def save(self, name: str, path: Path) -> float:
        """Seconds to download it into a file."""
        began = time.monotonic()
        with self._client.stream("GET", name) as answer, path.open("wb") as file:
            answer.raise_for_status()
            for chunk in answer.iter_raw(CHUNK):
                file.write(chunk)
        return time.monotonic() - began

    def delete(self, name: str) -> None:
        """Remove a file or folder; behind the server's back it would count on in the quota."""
        self._client.delete(name).raise_for_status()

    def put_many(self, folder: str, count: int, data: bytes, connections: int) -> float:
        """Seconds for `count` small files over so many connections, made before."""
        self._client.request("MKCOL", f"{folder}/").raise_for_status()
        failures: list[BaseException] = []
        clients = [self._make() for _ in range(connections)]
        for client in clients:
            client.request("PROPFIND", f"{folder}/", headers={"Depth": "0"}).raise_for_status()

        def work(first: int) -> None:
            try:
                for number in range(first, count, connections):
                    answer = clients[first].put(f"{folder}/{number}", content=data)
                    answer.raise_for_status()
            except httpx.HTTPError as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(connections)]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.monotonic() - began
        for client in clients:
            client.close()
        if failures:
            raise failures[0]
        return seconds


class Mounted:
    """A mounted workspace; `server` is the same folder on the WebDAV server's disk."""

    def __init__(self, mount: Path, server: Path, pending: Callable[[], int]) -> None:
        self.mount, self.server, self._pending = mount, server, pending

    def _wait(self, there: Callable[[], bool], what: str, began: float) -> float:
        while not (there() and self._pending() == 0):
            assert time.monotonic() - began < _DEADLINE, f"{what} did not arrive"
            time.sleep(0.02)
        return time.monotonic() - began

    def put(self, name: str, content: Content) -> tuple[float, float]:
        """Seconds until the application is done, and until the server has all of it."""
        target = self.server / name
        began = time.monotonic()
        with (self.mount / name).open("wb", buffering=0) as file:
            for chunk in content.chunks():
                file.write(chunk)
        done = time.monotonic() - began
        arrived = self._wait(
            lambda: target.exists() and target.stat().st_size == content.size, name, began
        )
        assert checksum_of(chunks_of(target)) == content.checksum, f"{name} arrived otherwise"
        return done, arrived

    def put_many(self, folder: str, count: int, data: bytes) -> tuple[float, float]:
        """The same for `count` small files in a new folder."""
        target = self.server / folder
        began = time.monotonic()
        (self.mount / folder).mkdir()
        for number in range(count):
            (self.mount / folder / str(number)).write_bytes(data)
        done = time.monotonic() - began
        arrived = self._wait(
            lambda: target.is_dir() and len(os.listdir(target)) >= count, folder, began
        )
        wrong = [path.name for path in target.iterdir() if path.read_bytes() != data]
        assert not wrong, f"{len(wrong)} small files arrived otherwise"
        return done, arrived

    def place(self, name: str, source: Callable[[Path], None]) -> None:
        """A file that comes to the server past the mount, and that the mount has not read yet."""
        part = self.server / f".{name}.part"
        source(part)
        found = self.server.stat()
        os.chown(part, found.st_uid, found.st_gid)
        part.rename(self.server / name)
        until = time.monotonic() + 60
        while not (self.mount / name).exists():  # its listing is some seconds old
            assert time.monotonic() < until, f"{name} does not appear in the mount"
            time.sleep(0.2)

    def get(self, name: str, content: Content) -> float:
        """Seconds to read a file through the mount, checked."""
        began = time.monotonic()
        found = checksum_of(chunks_of(self.mount / name))
        assert found == content.checksum, f"{name} is not what was written"
        return time.monotonic() - began
