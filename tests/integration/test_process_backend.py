"""The same VRE without an engine and without root: an ordinary user's checkout and processes."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pelagos.deployment import ROOT
from support import free_port

# Needs root to become somebody else, which the other tests with an engine need too.
pytestmark = pytest.mark.engine

PERSON = "pelagos-tester"
SETTINGS = """
site: {name: Without an engine}
images: [base, {name: outside, reference: example/outside:1}]
virtual_labs:
  - {name: open-sea, open: true}
  - {name: outsiders, open: true, images: [outside]}
"""


class Ordinary:
    """An ordinary user with a checkout of their own."""

    def __init__(self, home: Path) -> None:
        self.home, self.checkout = home, home / "pelagos"
        self.port = free_port()

    def run(self, *command: str, seconds: float = 600) -> subprocess.CompletedProcess[str]:
        """A command as that user, with nothing of root's environment but the mirrors."""
        kept = {k: v for k, v in os.environ.items() if "CERT" in k or k.startswith("PIP_")}
        return subprocess.run(
            command,
            cwd=self.checkout,
            user=PERSON,
            group=PERSON,
            extra_groups=[],
            umask=0o022,
            env={
                **kept,
                "HOME": str(self.home),
                "PATH": "/usr/bin:/bin",
                "LANG": "C.UTF-8",
                "PELAGOS_PYTHON": "/usr/bin/python3",
            },
            capture_output=True,
            text=True,
            timeout=seconds,
        )


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ordinary]:
    """A fresh account whose home holds this checkout's files and nothing else."""
    subprocess.run(["useradd", "--system", "--user-group", PERSON], check=False, timeout=60)
    home = Path("/var/tmp") / PERSON  # pytest's own folders are closed to other users
    shutil.rmtree(home, ignore_errors=True)
    person = Ordinary(home)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            target = person.checkout / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target)
    (home / "pelagos.yaml").write_text(SETTINGS)
    subprocess.run(["chown", "-R", f"{PERSON}:{PERSON}", str(home)], check=True, timeout=60)
    home.chmod(0o755)
    try:
        yield person
    finally:
        person.run("./pelagos", "down", "--servers")
        subprocess.run(["pkill", "-KILL", "-u", PERSON], check=False, timeout=60)
        subprocess.run(["userdel", PERSON], check=False, timeout=60)
        shutil.rmtree(home, ignore_errors=True)


def test_an_ordinary_user_gets_the_same_vre_with_a_notice(ordinary: Ordinary) -> None:
    done = ordinary.run(
        "./pelagos", "up", "--detach", "--port", str(ordinary.port), "--bind", "127.0.0.1",
        "--settings", str(ordinary.home / "pelagos.yaml"),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing keeps people apart" in done.stderr
    assert "no limit on cores or memory is enforced" in done.stderr
    assert "'outside' needs a container engine and is not offered" in done.stderr
    assert "backend: process" in done.stdout
    checked = ordinary.run("./pelagos", "check", "--json")
    result = json.loads(checked.stdout)
    assert checked.returncode == 0, result
    steps = {step["name"]: step["detail"] for step in result["steps"]}
    assert steps["limits"].startswith("not enforced")
    assert "arrived" in steps["workspace"]
    assert "no quota" in steps["dataspace"]
    assert "the old file went" in steps["expiry"]
    homes = ordinary.home / ".local" / "state" / "pelagos" / "homes"
    assert [path.name for path in homes.iterdir() if not path.name.startswith(".")] == []


def test_what_needs_an_engine_is_refused(ordinary: Ordinary) -> None:
    done = ordinary.run("./pelagos", "check", "--image", "outside")
    assert done.returncode == 1
    assert "No virtual lab offers the image 'outside'" in done.stderr


def test_docker_by_name_is_refused_without_root(ordinary: Ordinary) -> None:
    state = str(ordinary.home / "other")
    done = ordinary.run("./pelagos", "up", "--detach", "--backend", "docker", "--state", state)
    assert done.returncode == 1
    assert "Only root" in done.stderr
    assert "as root" in done.stderr


def test_somebody_elses_state_folder_is_refused(ordinary: Ordinary, tmp_path: Path) -> None:
    done = ordinary.run("./pelagos", "up", "--detach", "--state", "/var/tmp")
    assert done.returncode == 1
    assert "belongs to user 0" in done.stderr or "can't be made" in done.stderr
    assert "--state DIR" in done.stderr


def test_doctor_says_what_is_missing(ordinary: Ordinary) -> None:
    done = ordinary.run("./pelagos", "doctor")
    assert "process backend" in done.stdout or "No Docker Engine answers" in done.stdout
    assert "Traceback" not in done.stderr


def test_it_stops_and_leaves_no_process(ordinary: Ordinary) -> None:
    assert ordinary.run("./pelagos", "down", "--servers").returncode == 0
    left = subprocess.run(
        ["ps", "-u", PERSON, "-o", "stat=,args="], capture_output=True, text=True, timeout=60
    ).stdout
    # a machine without an init process keeps the dead (Z) for ever
    assert [line for line in left.splitlines() if not line.startswith("Z")] == []
