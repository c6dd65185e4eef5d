"""An independent validator of RO-Crates (PyPI `roc-validator`), without the internet.

It needs other versions of our own libraries, so it has an environment of its own, made once from
`roc-validator.lock`. What it would fetch is the JSON-LD context of the specification: its cache
gets the one that the library `rocrate` carries, which is that of version 1.3 and has all terms of
1.1.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import rocrate
from support import ROOT

LOCK = Path(__file__).with_name("roc-validator.lock")
FOLDER = ROOT / ".env" / "roc-validator"
CONTEXT = "https://w3id.org/ro/crate/1.1/context"
_SEED = """
import io, sys
import requests, requests_cache, urllib3

class Local(requests.adapters.HTTPAdapter):
    def send(self, request, **_):
        with open(sys.argv[2], "rb") as file:
            body = io.BytesIO(file.read())
        headers = {"Content-Type": "application/ld+json"}
        answer = urllib3.HTTPResponse(body, headers, 200, preload_content=False)
        return self.build_response(request, answer)

with requests_cache.CachedSession(sys.argv[1], expire_after=-1) as session:
    session.mount("https://", Local())
    session.get(sys.argv[3]).raise_for_status()
"""


@dataclass(frozen=True)
class Finding:
    """What it says of one rule. `severity`: REQUIRED or RECOMMENDED."""

    severity: str
    rule: str
    message: str


def environment() -> Path:
    """The interpreter of the validator's environment, made if it is missing or old."""
    python, stamp = FOLDER / "bin" / "python", FOLDER / "made-from"
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    FOLDER.parent.mkdir(exist_ok=True)
    with (FOLDER.parent / "roc-validator.busy").open("w") as busy:
        fcntl.flock(busy, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != digest:
            shutil.rmtree(FOLDER, ignore_errors=True)
            uv = str(Path(sys.executable).parent / "uv")
            _run(uv, "venv", "--quiet", "--python", sys.executable, str(FOLDER))
            install = ("pip", "install", "--quiet", "--python", str(python), "--require-hashes")
            _run(uv, *install, "-r", str(LOCK))
            context = Path(rocrate.__file__).parent / "data" / "ro-crate.jsonld"
            _run(str(python), "-c", _SEED, str(FOLDER / "cache"), str(context), CONTEXT)
            stamp.write_text(digest)
    return python


def validate(crate: Path, scratch: Path) -> list[Finding]:
    """All findings about the crate in a folder, required and recommended. It never connects."""
    cache = scratch / "cache"
    python = environment()
    shutil.copy(FOLDER / "cache.sqlite", f"{cache}.sqlite")
    report = scratch / "report.json"
    done = subprocess.run(
        [
            str(python.with_name("rocrate-validator")), "validate", str(crate),
            "--requirement-severity", "recommended", "--verbose", "--no-paging",
            "--offline", "--cache-path", str(cache), "--skip-availability-check",
            "--output-format", "json", "--output-file", str(report),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        env={"PATH": "/usr/bin:/bin", "HOME": str(scratch), "NO_PROXY": "*"},
    )  # fmt: skip
    assert report.exists(), f"it did not run ({done.returncode}): {done.stdout}{done.stderr}"
    found = [
        Finding(issue["severity"], issue["check"]["identifier"], issue["message"])
        for issue in json.loads(report.read_text())["issues"]
    ]
    assert done.returncode == (1 if found else 0), done.stdout
    return found


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, f"{command[:3]}: {done.stderr or done.stdout}"
