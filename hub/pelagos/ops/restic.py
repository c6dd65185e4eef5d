"""The program restic: encrypted, deduplicated snapshots in a folder.

Nothing secret stands on its command line: the password is read from a file. restic holds no cache,
because the folder is on a disk of this machine.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pelagos.errors import PelagosError
from pelagos.ops import packages
from pelagos.ops.report import Reporter
from pelagos.ops.restic_output import (
    ResticError,
    lines,
    microseconds,
    progress,
    reason,
    reason_of,
    started,
)

PACKAGE = "restic"
TAG = "pelagos"
_PARTS = {"data", "index", "keys", "locks", "snapshots"}
_STALL = 1800  # seconds without a word from a backup, which tells its state every second
_DAY = 24 * 3600  # seconds; for what says nothing while it reads everything
_UNREAD = 3  # restic's exit code when a snapshot lacks files that could not be read


@dataclass(frozen=True)
class Snapshot:
    """One backup. `owner` is the instance of its VRE, `paths` what it was told to keep."""

    id: str
    time: datetime
    host: str
    owner: str
    paths: tuple[str, ...]


@dataclass(frozen=True)
class Kept:
    """What a backup did. Sizes in bytes; `unread`: paths with the reason why they are not in it."""

    snapshot: str
    files: int
    size: int
    added: int
    unread: dict[str, str]


def ensure(reporter: Reporter) -> None:
    """Have restic on this machine; as root on Debian it is installed. Raises PelagosError."""
    if shutil.which("restic"):
        return
    if not packages.can_install():
        raise PelagosError(
            "The program restic, which makes and reads backups, is not on this machine.",
            f"Install it (Debian: apt-get install {PACKAGE}), then run the command again.",
        )
    packages.install([PACKAGE], reporter)


class Repository:
    """A restic repository in a folder of this machine."""

    def __init__(self, folder: Path, password_file: Path) -> None:
        self.folder = folder
        self._password_file = password_file

    def exists(self) -> bool:
        """Whether the folder holds a repository. Raises PelagosError if it is not to be read."""
        try:
            return (self.folder / "config").is_file() and (self.folder / "keys").is_dir()
        except OSError as error:
            raise PelagosError(f"{self.folder} can't be read: {error.strerror}.") from error

    def open_or_make(self, reporter: Reporter) -> None:
        """The repository, made if the folder is new or empty.

        Raises PelagosError if it holds something else, can't be written, or has another password.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            entries = {path.name for path in self.folder.iterdir()}
        except (FileExistsError, NotADirectoryError) as error:
            raise PelagosError(f"{self.folder} is not a folder.", "Name another one.") from error
        except OSError as error:
            raise PelagosError(
                f"The folder {self.folder} can't be made or read: {error.strerror}.",
                "Name another one, or mend its owner and modes.",
            ) from error
        if not os.access(self.folder, os.W_OK | os.X_OK):
            raise PelagosError(
                f"The folder {self.folder} can't be written by this user.",
                "Name another one, or mend its owner and modes (a disk mounted read-only?).",
            )
        if self.exists():
            self.check_password()
            return
        if entries - {"lost+found"} and not self._half_made(entries):
            raise PelagosError(
                f"The folder {self.folder} holds something else than backups.",
                "Name an empty folder, a new one, or one that a backup was made in.",
            )
        reporter.step(f"Making a place for backups in {self.folder}")
        self._run("init")

    def _half_made(self, entries: set[str]) -> bool:
        """Whether an interrupted first backup left the folder; its useless keys are taken away."""
        keys = self.folder / "keys"
        if not entries - {"lost+found"} <= _PARTS:
            return False
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        if any(path.parent != keys for path in files):
            return False
        for path in files:
            path.unlink()
        return True

    def check_password(self) -> None:
        """Raise ResticError if the password does not open the repository."""
        self._run("cat", "config", "--no-lock")

    def unlock(self) -> None:
        """Take away locks whose process is dead. Those of living ones, and of elsewhere, stay."""
        self._run("unlock")

    def backup(
        self, paths: list[Path], owner: str, excluded: list[str], reporter: Reporter
    ) -> Kept:
        """Keep these paths in a new snapshot. Raises ResticError if there is none."""
        unread: dict[str, str] = {}
        summary: dict[str, Any] = {}

        def take(message: dict[str, Any]) -> None:
            kind = message.get("message_type")
            if kind == "status":
                reporter.detail(progress(message))
            elif kind == "error" and message.get("item"):
                unread[message["item"]] = reason(message.get("error"))
            elif kind == "summary":
                summary.update(message)

        command = ["backup", "--json", "--tag", TAG, "--tag", f"{TAG}-{owner}"]
        for pattern in excluded:
            command += ["--exclude", pattern]
        self._stream([*command, "--", *map(str, paths)], take, good=(0, _UNREAD))
        if "snapshot_id" not in summary:
            raise ResticError("restic told of no snapshot.", "Run the command again.")
        return Kept(
            summary["snapshot_id"],
            summary["total_files_processed"],
            summary["total_bytes_processed"],
            summary["data_added"],
            # people delete files while they are read
            {path: reason for path, reason in unread.items() if os.path.lexists(path)},
        )

    def snapshots(self, *arguments: str) -> list[Snapshot]:
        """The VREs' snapshots in the repository, oldest first."""
        text = self._run("snapshots", "--json", "--no-lock", "--tag", TAG, *arguments)
        found = []
        for entry in json.loads(text) or []:
            owners = [tag for tag in entry.get("tags") or [] if tag.startswith(f"{TAG}-")]
            found.append(
                Snapshot(
                    entry["short_id"],
                    datetime.fromisoformat(microseconds(entry["time"])),
                    entry["hostname"],
                    owners[0].removeprefix(f"{TAG}-") if owners else "",
                    tuple(entry["paths"]),
                )
            )
        return sorted(found, key=lambda snapshot: snapshot.time)

    def keep_last(self, count: int, owner: str) -> int:
        """Forget all but the newest `count` snapshots of a VRE and free their space.

        How many were forgotten. Needs the repository for itself.
        """
        before = len(self.snapshots())
        tag = f"{TAG},{TAG}-{owner}"
        self._run(
            "forget", "--prune", "--keep-last", str(count), "--tag", tag, "--group-by", "",
            seconds=_DAY,
        )  # fmt: skip
        return before - len(self.snapshots())

    def check(self) -> None:
        """Raise ResticError if the repository's own structure is damaged."""
        self._run("check", *self._no_lock(), seconds=_DAY)

    def dump(self, snapshot: str, path: str) -> str:
        """One small text file of a snapshot."""
        return self._run("dump", *self._no_lock(), snapshot, path)

    def restore(self, snapshot: str, path: str, target: Path, reporter: Reporter) -> Path:
        """Bring back what is below `path`, compared with the repository; where it is now.

        It is below `target`, with the whole path that it once had.
        """
        escaped = re.sub(r"([*?\[\]\\])", r"\\\1", path)

        def take(message: dict[str, Any]) -> None:
            reporter.detail(str(message.get("text", "")))

        self._stream(
            ["restore", *self._no_lock(), "--verify", "--include", escaped, "--target",
             str(target), snapshot],
            take,
            stall=_DAY,
        )  # fmt: skip
        return target / path.lstrip("/")

    def contents(self, snapshot: str, path: str) -> tuple[int, int]:
        """How many regular files a snapshot holds below `path`, and how many bytes they have."""
        count = size = 0

        def take(message: dict[str, Any]) -> None:
            nonlocal count, size
            inside = str(message.get("path", "")).startswith(path.rstrip("/") + "/")
            if inside and message.get("type") == "file":
                count += 1
                size += int(message.get("size", 0))

        self._stream(["ls", "--json", *self._no_lock(), snapshot], take)
        return count, size

    def _no_lock(self) -> list[str]:
        """Backups on a medium that can't be written can be read all the same."""
        return [] if os.access(self.folder, os.W_OK) else ["--no-lock"]

    def _command(self, arguments: list[str]) -> list[str]:
        return [
            "restic", "--repo", str(self.folder), "--password-file", str(self._password_file),
            "--no-cache", *arguments,
        ]  # fmt: skip

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
        return {"RESTIC_PROGRESS_FPS": "1", "LC_ALL": "C", **kept}

    def _run(self, *arguments: str, seconds: float = 600) -> str:
        """One short command; its output."""
        try:
            done = subprocess.run(
                self._command(list(arguments)),
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ResticError(
                f"restic {arguments[0]} took more than {seconds:.0f} s and was ended.",
                "Does the disk with the backups answer?",
            ) from error
        if done.returncode != 0:
            raise self._refused(done.stderr or done.stdout)
        return done.stdout

    def _stream(
        self,
        arguments: list[str],
        take: Callable[[dict[str, Any]], None],
        good: tuple[int, ...] = (0,),
        stall: float = _STALL,
    ) -> None:
        """A long command, whose lines are told as they come (as JSON, or as `text`)."""
        with started(self._command(arguments), self._environment()) as process:
            last: list[str] = []
            for line in lines(process, stall):
                try:
                    message = json.loads(line)
                except ValueError:
                    message = {"text": line}
                    last = [*last, line][-20:]
                if isinstance(message, dict):
                    take(message)
            code = process.wait(60)
        if code not in good:
            raise self._refused("\n".join(last))

    def _refused(self, text: str) -> ResticError:
        """restic's own reason as a sentence with a mend."""
        reason = reason_of(text)
        if "wrong password" in reason or "no key found" in reason:
            return ResticError(
                f"The password in {self._password_file} does not open the backups in "
                f"{self.folder}.",
                "Name the file with the right one: --password-file FILE.",
            )
        if full := re.search(r".*(no space left on device|disk quota exceeded).*", text):
            return ResticError(
                f"A disk is full: {full.group().strip()}",
                "Free space, or keep fewer backups (--keep N). Older backups are whole.",
            )
        if "already locked" in reason:
            return ResticError(
                f"Another command works on the backups in {self.folder}: {reason}",
                "Wait for it. If it ran on another machine and is dead: restic unlock.",
            )
        if re.search(r"verification failed|contains errors|hash (does not|mismatch)", text):
            return ResticError(
                f"The backups in {self.folder} are damaged: {reason}",
                "Try another one (--snapshot ID), then look at the disk: ./pelagos doctor.",
            )
        return ResticError(
            f"restic failed on {self.folder}: {reason}",
            "./pelagos doctor looks at the disk. Older backups are not touched.",
        )
