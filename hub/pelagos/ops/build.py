"""Making the images: the Debian base, the graph of images/images.yaml, community images.

Nothing is ever pulled or built while a person waits for a server; it happens here.
"""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
import docker.errors
import requests.exceptions

from pelagos.deployment import LABEL, ROOT
from pelagos.errors import BuildError
from pelagos.images import Debian, Image, ImageGraph
from pelagos.ops import packages
from pelagos.ops.report import Reporter
from pelagos.settings import CommunityImage, Settings

CA_VARIABLE = "PELAGOS_BUILD_CA"
FINGERPRINT_LABEL = f"{LABEL}.fingerprint"
_PULL_SECONDS = 600
_DEBOOTSTRAP_SECONDS = 900
_BUILD_SECONDS = 3600
_NEEDED_BYTES = 4 * 2**30


def exists(client: docker.DockerClient, reference: str) -> bool:
    """Whether the engine has this image."""
    try:
        client.images.get(reference)
    except docker.errors.ImageNotFound:
        return False
    return True


def missing(client: docker.DockerClient, settings: Settings, graph: ImageGraph) -> list[str]:
    """Names of the configured images that are not there, or older than their recipes."""
    names = []
    for image in settings.images:
        reference = image.reference if isinstance(image, CommunityImage) else graph[image].reference
        if not exists(client, reference):
            names.append(image.name if isinstance(image, CommunityImage) else image)
    return names


def build(
    client: docker.DockerClient,
    graph: ImageGraph,
    settings: Settings,
    names: list[str],
    *,
    log: Path,
    reporter: Reporter,
    no_cache: bool = False,
) -> list[str]:
    """Make the named images and their missing parents; the references that were made.

    With `no_cache` the named ones are made anew even if nothing changed. Raises BuildError.
    """
    made = []
    community = {i.name: i for i in settings.images if isinstance(i, CommunityImage)}
    for name in names:
        if name not in community and name not in graph:
            raise BuildError(
                f"There is no image {name!r}.",
                f"Known: {', '.join([*graph.names, *community])}.",
            )
    wanted = {step for name in names if name in graph for step in graph[name].ancestry}
    for image in graph:
        force = no_cache and image.name in names
        if image.name in wanted and (force or not exists(client, image.reference)):
            check_space(client)
            parent = image.parent.reference if image.parent else base(client, graph, log, reporter)
            _build_one(image, parent, graph.debian, log, reporter, no_cache=force)
            made.append(image.reference)
    for name in names:
        if name in community:
            pull(client, community[name].reference, reporter)
            made.append(community[name].reference)
    return made


def check_space(client: docker.DockerClient) -> None:
    """Raise BuildError unless the engine's disk has room for an image."""
    folder = Path(str(client.info()["DockerRootDir"]))
    if folder.is_dir() and (free := shutil.disk_usage(folder).free) < _NEEDED_BYTES:
        raise BuildError(
            f"Only {free / 2**30:.1f} GiB are free in {folder}; an image needs "
            f"{_NEEDED_BYTES / 2**30:.0f} GiB.",
            "Free space: docker image prune, docker builder prune.",
        )


def pull(client: docker.DockerClient, reference: str, reporter: Reporter) -> None:
    """Fetch an image from its registry. Raises BuildError."""
    reporter.step(f"Pulling {reference}")
    try:
        # through the engine's own client, whose timeout is for silence, not for the whole
        client.images.pull(reference)
    except (docker.errors.APIError, requests.exceptions.RequestException) as error:
        raise BuildError(
            f"The image {reference} can't be pulled: {error}",
            "Check its name, and that this machine reaches its registry.",
        ) from error


def base(client: docker.DockerClient, graph: ImageGraph, log: Path, reporter: Reporter) -> str:
    """Reference of the Debian base: what is there, else pulled, else made by debootstrap."""
    debian = graph.debian
    local = f"pelagos/debian:{debian.suite}"
    for reference in (local, debian.image):
        if exists(client, reference):
            return reference
    try:
        pull(client, debian.image, reporter)
    except BuildError:
        reporter.detail("no registry answers")
        _debootstrap(client, debian, local, log, reporter)
        return local
    return debian.image


def _debootstrap(
    client: docker.DockerClient, debian: Debian, reference: str, log: Path, reporter: Reporter
) -> None:
    reporter.step(f"No registry answers: making Debian {debian.suite} with debootstrap")
    if shutil.which("debootstrap") is None:
        if not packages.can_install():
            raise BuildError(
                "There is no registry to pull Debian from, and no debootstrap to make it.",
                "Install debootstrap, or run as root.",
            )
        packages.install(["debootstrap"], reporter)
    mirror = packages.apt_mirror()
    if mirror is None:
        raise BuildError(
            "There is no registry to pull Debian from, and apt names no Debian mirror.",
            "Configure a mirror in /etc/apt, or load an image: docker load.",
        )
    with tempfile.TemporaryDirectory(prefix="pelagos-debian-") as folder:
        root = Path(folder) / "root"
        command = ["debootstrap", "--variant=minbase", debian.suite, str(root), mirror.archive]
        with log.open("ab") as file:
            try:
                done = subprocess.run(
                    command, stdout=file, stderr=file, timeout=_DEBOOTSTRAP_SECONDS, check=False
                )
            except subprocess.TimeoutExpired as error:
                raise BuildError("debootstrap took too long.", f"Its log: {log}") from error
        if done.returncode != 0:
            raise BuildError("debootstrap failed.", f"Its log says why: {log}")
        shutil.rmtree(root / "var/cache/apt/archives", ignore_errors=True)
        shutil.rmtree(root / "var/lib/apt/lists", ignore_errors=True)
        (root / "var/lib/apt/lists/partial").mkdir(parents=True)
        (root / "var/cache/apt/archives/partial").mkdir(parents=True)
        (root / "etc/apt/sources.list").write_text(
            mirror.without_credentials().sources(debian.suite)
        )
        (root / "etc/hostname").unlink(missing_ok=True)
        (root / "etc/resolv.conf").write_text("")
        tar = subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE)
        repository, tag = reference.split(":")
        client.api.import_image_from_stream(tar.stdout, repository=repository, tag=tag)
        if tar.wait() != 0:
            raise BuildError("The Debian tree could not be packed.", "Is the disk full?")


def docker_program() -> str:
    """A docker client that can build with BuildKit. Raises BuildError.

    A newer client needs the buildx plugin for it, an older one has it inside.
    """
    for folder in [*os.environ.get("PATH", "").split(":"), "/usr/bin"]:
        program = Path(folder) / "docker"
        if not os.access(program, os.X_OK):
            continue
        done = subprocess.run(
            [str(program), "build", "--help"],
            env={**os.environ, "DOCKER_BUILDKIT": "1"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if "--secret" in done.stdout:
            return str(program)
    raise BuildError(
        "No docker client here can build with BuildKit.",
        "Install docker.io, or the buildx plugin of your client.",
    )


def ca_bundle() -> str:
    """PEM certificates that builds trust: PELAGOS_BUILD_CA, or this host's own bundle.

    A machine behind a TLS-inspecting proxy has the proxy's certificate in its own bundle.
    """
    named = os.environ.get(CA_VARIABLE)
    path = named or os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
    if not path or not Path(path).is_file():
        if named:
            raise BuildError(f"{CA_VARIABLE} names {named}, which is no file.", "Mend the path.")
        return ""
    return Path(path).read_text()


@contextmanager
def _secrets(debian: Debian) -> Iterator[list[str]]:
    """Arguments that lend the machine's CA and mirrors to the build; nothing of them stays."""
    mirror = packages.apt_mirror()
    settings = packages.uv_settings(in_container=True)
    keys = {"UV_DEFAULT_INDEX": "index-url", "UV_INDEX": "extra-index-url"}
    lines = []
    for variable, key in keys.items():
        if value := settings.get(variable):
            urls = value.split()
            lines.append(f'{key} = "{urls[0]}"' if key == "index-url" else f"{key} = {urls}")
    texts = {
        "ca": ca_bundle(),
        "apt": mirror.sources(debian.suite) if mirror else "",
        "uv": "\n".join(lines),
        "npm": "".join(f"{k}={v}\n" for k, v in packages.npm_settings().items()),
    }
    with tempfile.TemporaryDirectory(prefix="pelagos-build-") as folder:
        arguments = []
        for name, text in texts.items():
            path = Path(folder) / name
            path.write_text(text)
            arguments += ["--secret", f"id={name},src={path}"]
        yield arguments


def _build_one(
    image: Image, parent: str, debian: Debian, log: Path, reporter: Reporter, *, no_cache: bool
) -> None:
    reporter.step(f"Building image {image.name}")
    began = time.monotonic()
    with _secrets(debian) as secrets:
        command = [
            docker_program(),
            "build",
            "--progress=plain",
            "--file",
            str(ROOT / "images" / image.name / "Dockerfile"),
            "--build-arg",
            f"PARENT={parent}",
            "--label",
            f"{FINGERPRINT_LABEL}={image.fingerprint}",
            "--tag",
            image.reference,
            "--tag",
            f"{image.repository}:latest",
            *secrets,
            *(["--no-cache"] if no_cache else []),
            str(ROOT),
        ]
        tail = _run_build(command, log, reporter)
    if tail:
        raise BuildError(
            f"The image {image.name} could not be built:\n  " + "\n  ".join(tail),
            f"The whole log: {log}",
        )
    reporter.detail(f"done in {time.monotonic() - began:.0f} s")


def _run_build(command: list[str], log: Path, reporter: Reporter) -> list[str]:
    """Run a build, reporting its steps; its last lines if it failed, else nothing."""
    process = subprocess.Popen(
        command,
        env={**os.environ, "DOCKER_BUILDKIT": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    tail: list[str] = []
    deadline = time.monotonic() + _BUILD_SECONDS
    assert process.stdout is not None  # noqa: S101 - for the type checker: it is a pipe
    with log.open("a") as file:
        for line in process.stdout:
            file.write(line)
            tail = [*tail[-24:], line.rstrip()]
            if "] " in line and line.startswith("#"):
                reporter.detail(line.split(" ", 1)[1].strip()[:100])
            if time.monotonic() > deadline:
                process.kill()
    return tail if process.wait() != 0 else []
