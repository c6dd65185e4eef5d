"""What is in an image, and what of its build is not."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from image_server import LABEL
from pelagos.images import Image

ROOT = Path(__file__).resolve().parents[2]
# what the machine of the build may trust beyond the distribution's authorities
HOST_BUNDLES = [
    Path(name)
    for name in {
        "/etc/ssl/certs/ca-certificates.crt",
        *(os.environ.get(v, "") for v in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT")),
    }
    if name and Path(name).is_file()
]


class Still:
    """An image's file system, looked at by root, without the server running."""

    def __init__(self, engine: docker.DockerClient, reference: str) -> None:
        # entered with its network off: what is asked of an image must be in it
        self.container = engine.containers.run(
            reference, ["sleep", "600"], entrypoint="", user="root", detach=True, labels=LABEL,
            network_mode="none", init=True,
        )  # fmt: skip

    def run(self, script: str, **variables: str) -> str:
        """Output of a shell script. Raises AssertionError with it if it fails."""
        result = self.container.exec_run(["sh", "-c", script], environment=variables)
        output = result.output.decode(errors="replace")
        assert result.exit_code == 0, output
        return output

    def python(self, code: str, **variables: str) -> str:
        """Output of Python code."""
        return self.run("python - <<'END'\n" + code + "\nEND", **variables)


@pytest.fixture(scope="module")
def still(engine: docker.DockerClient, image: Image) -> Iterator[Still]:
    """The image's files."""
    looked_at = Still(engine, image.reference)
    yield looked_at
    looked_at.container.remove(force=True, v=True)


def test_the_build_leaves_no_trace_of_where_it_was_made(still: Still, image: Image) -> None:
    left = still.run(
        "ls -A /run /var/lib/apt/lists /var/cache/pelagos /run/secrets /root/.cache "
        "/root/.config /tmp /usr/local/share/ca-certificates 2>/dev/null | grep -v : || true"
    )
    assert left.split() == []
    for name in ("/tools", "/images", "/opt/build", "/opt/wheels", "/etc/pip.conf", "/etc/uv"):
        still.run(f"test ! -e {name}")
    still.run("! command -v uv && ! command -v gcc && ! command -v node")
    assert still.run("ls /opt").split() == ["pelagos"]


def test_no_certificate_of_an_inspecting_proxy_is_in_the_image(
    still: Still, engine: docker.DockerClient
) -> None:
    # the distribution's own bundle, and nothing in it that its packages did not bring
    still.run(
        "cd /etc/ssl/certs && test $(grep -c BEGIN ca-certificates.crt) = "
        "$(sed -e '/^[#!]/d' -e '/^$/d' /etc/ca-certificates.conf | wc -l)"
    )
    distribution = still.run("cat /etc/ssl/certs/ca-certificates.crt")
    own = _certificates(distribution)
    assert len(own) > 50
    foreign = set()
    for bundle in HOST_BUNDLES:
        foreign |= _certificates(bundle.read_text(errors="replace")) - own
    # and none that only this machine trusts, anywhere: look for a line from the middle of each
    lines = sorted(text.split("\n")[len(text.split("\n")) // 2] for text in foreign)
    if lines:
        found = still.run(
            'printf "%s\\n" "$LINES" >/dev/shm/lines; '
            "grep -rIlF -f /dev/shm/lines /etc /opt /usr /var /home /root /srv || true",
            LINES="\n".join(lines),
        )
        # certifi's bundle carries public authorities that a distribution may have dropped
        assert [f for f in found.split() if not f.endswith("/certifi/cacert.pem")] == []


def _certificates(bundle: str) -> set[str]:
    parts = bundle.split("-----BEGIN CERTIFICATE-----")[1:]
    return {part.partition("-----END")[0].strip() for part in parts}


def test_the_image_runs_with_no_setting_of_the_machine_that_built_it(
    engine: docker.DockerClient, image: Image
) -> None:
    attributes = engine.images.get(image.reference)
    environment = dict(entry.split("=", 1) for entry in attributes.attrs["Config"]["Env"])
    assert not [name for name in environment if "proxy" in name.lower() or "CERT" in name]
    assert attributes.attrs["Config"]["User"] == "jovyan"
    for step in attributes.history():
        assert "://" not in step["CreatedBy"], step["CreatedBy"]


def test_the_python_environment_is_consistent(still: Still) -> None:
    overrides = (ROOT / "images/tools/overrides.txt").read_text()
    dropped = [line.split()[0] for line in overrides.splitlines() if line[:1] not in {"", "#"}]
    problems = still.python(_CHECK, DROPPED=json.dumps(dropped))
    assert problems.splitlines() == ["checked"]


# what `pip check` does: each requirement installed, in a version that is asked for
_CHECK = """
import json, os
from importlib.metadata import distributions
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

here = {canonicalize_name(d.metadata["Name"]): d for d in distributions()}
dropped = {canonicalize_name(name) for name in json.loads(os.environ["DROPPED"])}
for name, found in here.items():
    assert name not in dropped, name
    for text in found.requires or []:
        wanted = Requirement(text)
        if wanted.marker and not wanted.marker.evaluate({"extra": ""}):
            continue
        key = canonicalize_name(wanted.name)
        if key in dropped:
            continue
        if key not in here:
            print(f"{name} needs {text}, which is not installed")
        elif not wanted.specifier.contains(here[key].version, prereleases=True):
            print(f"{name} needs {text}, and {here[key].version} is installed")
print("checked")
"""


def test_what_is_installed_is_what_is_locked(still: Still, image: Image) -> None:
    locked: dict[str, set[str]] = {}
    for lock in image.requirements:
        for line in lock.read_text().splitlines():
            if "==" in line and not line.startswith((" ", "#")):
                name, _, rest = line.partition("==")
                locked.setdefault(name, set()).add(rest.split()[0])
    installed = json.loads(still.python(_LIST))
    assert installed.pop("pelagos-client")
    assert installed.pop("pelagos-server")
    assert installed.pop("jupyterlab-pelagos")
    wrong = {n: v for n, v in installed.items() if v not in locked.get(n, set())}
    assert wrong == {}


_LIST = """
import json
from importlib.metadata import distributions
from packaging.utils import canonicalize_name
print(json.dumps({canonicalize_name(d.metadata["Name"]): d.version for d in distributions()}))
"""


def test_all_python_code_is_compiled(still: Still) -> None:
    assert still.python(_COMPILED).splitlines() == ["checked"]
    # and what is compiled is used: importing most of a server compiles nothing
    told = still.run(
        "python -v -c 'import jupyterlab.labapp, ipykernel.kernelapp, IPython' 2>&1 | "
        "grep \"^# code object from '/opt.*\\.py'\" | head -5 || true"
    )
    assert told == ""


# a module that is not compiled must be one that cannot be, as templates of code are
_COMPILED = """
import pathlib, warnings
warnings.simplefilter("ignore")
for source in pathlib.Path("/opt/pelagos/lib").rglob("*.py"):
    if list((source.parent / "__pycache__").glob(source.stem + ".cpython-*.pyc")):
        continue
    try:
        compile(source.read_bytes(), str(source), "exec")
    except (SyntaxError, ValueError):
        continue
    print(source)
print("checked")
"""


def test_every_entry_point_of_ours_exists(still: Still) -> None:
    told = still.python(
        "from importlib.metadata import distribution\n"
        "for e in distribution('pelagos-server').entry_points: print(e.name, e.load().__name__)"
    )
    assert set(told.splitlines()) == {"pelagos PelagosProvisioner", "pelagos-singleuser main"}


@pytest.mark.parametrize("tool", ["git", "curl", "less", "nano", "ps", "ssh", "tini"])
def test_a_tool_that_people_expect_is_there(still: Still, tool: str) -> None:
    still.run(f"command -v {tool}")


def test_the_image_stays_reasonably_small(engine: docker.DockerClient, image: Image) -> None:
    limit = {"base": 0.75e9, "python": 2e9}
    size = engine.images.get(image.reference).attrs["Size"]
    nearest = next(name for name in reversed(image.ancestry) if name in limit)
    if image.name == nearest:
        assert size < limit[nearest], f"{size / 1e9:.2f} GB"
