"""Copy an image's tutorials to a home, without ever touching what a person changed.

Usage: tutorials.py SHIPPED HOME_FOLDER. SHIPPED has a `.manifest`: a line with the version, then
`sha256  path` lines, as sha256sum writes them. The copy keeps the manifest of what it was given,
which is how it tells an untouched file (refreshed) from a changed one (left) and from one that was
thrown away (not brought back).

    tutorials.py --manifest SHIPPED      write that manifest, when an image is built
"""

import hashlib
import os
import sys


def digest(path: str) -> str:
    """SHA-256 of a file, in hexadecimal; empty if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except OSError:
        return ""


def read_manifest(folder: str) -> tuple[str, dict[str, str]]:
    """Version, and digest by path; empty if there is none."""
    try:
        with open(os.path.join(folder, ".manifest"), encoding="utf-8") as file:
            version, *lines = file.read().splitlines()
        return version, {path: sha for sha, path in (line.split("  ", 1) for line in lines)}
    except (OSError, ValueError):
        return "", {}


def write_manifest(folder: str, version: str, files: dict[str, str]) -> None:
    """Write it for `folder`. Raises OSError."""
    lines = [version, *(f"{sha}  {path}" for path, sha in sorted(files.items()))]
    replace(os.path.join(folder, ".manifest"), ("\n".join(lines) + "\n").encode())


def replace(path: str, content: bytes) -> None:
    """Write a file whole or not at all: a full home leaves what was there. Raises OSError."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    part = f"{path}.part"
    try:
        with open(part, "wb") as file:
            file.write(content)
        os.replace(part, path)
    except OSError:
        if os.path.exists(part):
            os.unlink(part)
        raise


def update(shipped: str, home: str) -> None:
    """Bring `home` up to date with `shipped`. Raises OSError."""
    version, new = read_manifest(shipped)
    _, given = read_manifest(home)
    known = dict(given)
    for path, sha in new.items():
        target = os.path.join(home, path)
        here = digest(target)
        absent = not os.path.lexists(target)
        if (absent and path not in given) or (here and here == given.get(path) != sha):
            with open(os.path.join(shipped, path), "rb") as file:
                replace(target, file.read())
            known[path] = sha
        elif not absent and here == sha:
            known[path] = sha
    write_manifest(home, version, known)


def ship(folder: str) -> None:
    """Write the manifest of a folder of an image. Raises OSError."""
    files = {}
    for directory, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(directory, name)
            if not name.startswith("."):
                files[os.path.relpath(path, folder)] = digest(path)
    version = hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()
    write_manifest(folder, version, files)


if __name__ == "__main__":
    if sys.argv[1] == "--manifest":
        ship(sys.argv[2])
    else:
        try:
            update(sys.argv[1], sys.argv[2])
        except OSError as error:
            # a full or read-only home: the server starts all the same
            print(f"Tutorials not copied: {error}", file=sys.stderr)
