"""System packages on Debian and Ubuntu, and the mirrors that this machine is configured for."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pelagos.errors import PelagosError
from pelagos.ops.report import Reporter

_TIMEOUT = 1200  # seconds for one apt-get


def can_install() -> bool:
    """Whether this is root on a machine with apt."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(packages: list[str], reporter: Reporter) -> None:
    """Install Debian packages, saying so. Raises PelagosError with apt's own reason."""
    reporter.step(f"Installing system packages: {', '.join(packages)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages]
    reason = ""
    for first in (command, ["apt-get", "update", "-q"], command):
        try:
            done = subprocess.run(
                first,
                env=environment,
                capture_output=True,
                text=True,
                timeout=_TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise PelagosError(
                f"apt-get took more than {_TIMEOUT} s and was ended.",
                "Is this machine's Debian mirror reachable? Try apt-get update by hand.",
            ) from error
        if first is command and done.returncode == 0:
            return
        reason = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no reason given"
    raise PelagosError(
        f"The packages {', '.join(packages)} can't be installed: {reason}",
        "Install them by hand, then run the command again.",
    )


@dataclass(frozen=True)
class AptMirror:
    """Where this machine gets Debian from: base URLs of the archive and of security updates."""

    archive: str
    security: str

    def without_credentials(self) -> AptMirror:
        """The same mirror as it may stand in an image."""
        return AptMirror(
            *(re.sub(r"//[^/@]*@", "//", url) for url in (self.archive, self.security))
        )

    def sources(self, suite: str) -> str:
        """One-line-style sources for a Debian release."""
        lines = [
            f"deb {self.archive} {suite} main",
            f"deb {self.archive} {suite}-updates main",
        ]
        if self.security:
            lines.append(f"deb {self.security} {suite}-security main")
        return "\n".join(lines) + "\n"


def _entries(folder: Path) -> list[tuple[list[str], list[str]]]:
    """(URIs, suites) of every source in apt's configuration, both styles."""
    entries = []
    files = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    for path in files:
        if path.suffix not in (".list", ".sources") or not path.is_file():
            continue
        # the whole line: an empty one would end a stanza
        text = re.sub(r"^[ \t]*#.*\n", "", path.read_text(), flags=re.MULTILINE)
        if path.suffix == ".list":
            for line in text.splitlines():
                match = re.match(r"deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+(\S+)\s+(.*)", line)
                if match and "main" in match.group(3).split():
                    entries.append(([match.group(1)], [match.group(2)]))
            continue
        for stanza in re.split(r"\n\s*\n", text):
            fields = {
                key.lower(): value.split()
                for key, value in re.findall(r"^(\S+):[ \t]*(.*)$", stanza, flags=re.MULTILINE)
            }
            if "deb" in fields.get("types", []) and "main" in fields.get("components", []):
                entries.append((fields.get("uris", []), fields.get("suites", [])))
    return entries


def is_debian(os_release: Path = Path("/etc/os-release")) -> bool:
    """Whether this machine itself is Debian, whose mirror also serves its other releases."""
    return os_release.is_file() and "\nID=debian\n" in f"\n{os_release.read_text()}\n"


def apt_mirror(folder: Path = Path("/etc/apt"), *, debian: bool | None = None) -> AptMirror | None:
    """The Debian mirror in this machine's apt configuration; None where there is none.

    Other vendors' repositories are told apart by their suites: a distribution's archive serves
    `<release>-updates` too, its security archive `<release>-security`. On a relative of Debian
    (`debian` false) that archive is the relative's own.
    """
    if not (is_debian() if debian is None else debian):
        return None
    archive = security = ""
    entries = _entries(folder)
    updates = {u for uris, suites in entries for u in uris if any("-updates" in s for s in suites)}
    for uris, suites in entries:
        for uri in uris:
            if any(suite.endswith(("-security", "/updates")) for suite in suites):
                security = security or uri
            elif uri in updates or uri.rstrip("/").endswith("/debian"):
                archive = archive or uri
    return AptMirror(archive, security) if archive else None


def pip_setting(name: str) -> str:
    """A value of pip's configuration on this machine, such as `index-url`; empty if unset."""
    done = subprocess.run(
        ["pip", "config", "list"], capture_output=True, text=True, timeout=60, check=False
    )
    for line in done.stdout.splitlines():
        key, _, value = line.partition("=")
        if key.split(".")[-1] == name:
            return value.strip("'\"")
    return ""


def uv_settings(in_container: bool) -> dict[str, str]:
    """uv's index settings, from pip's configuration: names of environment variables.

    Folders of this machine (`file:`) are left out for a container, which can't see them.
    """
    extra = [
        url
        for url in pip_setting("extra-index-url").split()
        if not (in_container and url.startswith("file:"))
    ]
    found = {
        "UV_DEFAULT_INDEX": pip_setting("index-url"),
        "UV_INDEX": " ".join(extra),
        # hashes decide which file is right, whichever index has it
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }
    return {key: value for key, value in found.items() if value}


def npm_settings(
    home: Path | None = None, folders: Iterable[Path] = (Path("/etc"), Path("/usr/etc"))
) -> dict[str, str]:
    """The npm registry of this machine, as Yarn's environment variables; none if it has none.

    From Yarn's or npm's own variables, from npm itself, or from npm's files where no npm is
    installed: below `home` and in `folders`.
    """
    files: dict[str, str] = {}
    for path in [*(folder / "npmrc" for folder in folders), (home or Path.home()) / ".npmrc"]:
        if path.is_file():
            files |= _npmrc(path.read_text(errors="replace"))
    registry = (
        os.environ.get("YARN_NPM_REGISTRY_SERVER")
        or os.environ.get("npm_config_registry")  # noqa: SIM112 - npm's own spelling
        or os.environ.get("NPM_CONFIG_REGISTRY")
        or _npm_registry(home)
        or files.get("registry", "")
    )
    if not registry:
        return {}
    url = urlsplit(registry)
    found = {"YARN_NPM_REGISTRY_SERVER": registry}
    if url.scheme == "http":
        found["YARN_UNSAFE_HTTP_WHITELIST"] = url.hostname or ""
    # npm keeps them by the registry's address without its scheme
    place = f"//{url.netloc}{url.path.rstrip('/')}/"
    names = {"_authToken": "YARN_NPM_AUTH_TOKEN", "_auth": "YARN_NPM_AUTH_IDENT"}
    for name, variable in names.items():
        own = files.get(f"{place}:{name}", "")
        # as npm does: a variable of the environment in the place of the secret
        own = re.sub(r"\$\{(\w+)\}", lambda match: os.environ.get(match[1], ""), own)
        if value := os.environ.get(variable) or own:
            found |= {variable: value, "YARN_NPM_ALWAYS_AUTH": "true"}
    return found


def _npmrc(text: str) -> dict[str, str]:
    lines = (line.strip() for line in text.splitlines())
    pairs = (line.partition("=") for line in lines if line[:1] not in {"", "#", ";"})
    return {key.strip(): value.strip().strip("'\"") for key, _, value in pairs}


def _npm_registry(home: Path | None) -> str:
    """What an npm of this machine says; empty where there is none."""
    if home is not None or not (npm := shutil.which("npm")):
        return ""
    done = subprocess.run(
        [npm, "config", "get", "registry"],
        cwd="/",  # not what some folder's own .npmrc says
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    told = done.stdout.strip()
    return told if done.returncode == 0 and told.startswith("http") else ""
