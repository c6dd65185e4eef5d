"""What a ready order leaves in its owner's area, while the owner does what they can to it."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from pelagos.datapool.delivery import DeliveryState, Parcel
from pelagos.datapool.model import Target
from pelagos.deployment import Deployment
from pelagos.errors import AwayError, RefusedError, StorageError
from pelagos.node import order_folder, parcel_stage
from pelagos.node.areas import Owner, Place
from pelagos.node.order_content import Content, check_paths
from pelagos.node.order_folder import OrderFolder
from pelagos.node.pins import Pins
from pelagos.node.sweep import MARKED, sweep_area
from pelagos.services.downloader import delivery
from pelagos.services.downloader.delivery import Deliveries
from pelagos.settings import BackendKind, Settings
from support import leeway
from webdav_peers import open_folder

POOL = "/dataspace/pool"
ROOT = os.geteuid() == 0
OWNER = Owner() if ROOT else Owner(os.geteuid(), os.getegid())


class Area:
    """An area, and the folder of order 7 in it."""

    def __init__(self, folder: Path) -> None:
        self.place = Place(folder / "users" / "anna")
        self.place.files.mkdir(parents=True)
        self.place.trash.mkdir()
        os.chown(self.place.files, OWNER.uid, OWNER.gid)
        self.files = self.place.files
        self.order = OrderFolder(self.place, 7, OWNER, POOL)
        self.path = self.files / "orders" / "7"

    def write(self, *links: str, **documents: str) -> None:
        named = {name.replace("_", "."): text for name, text in documents.items()}
        self.order.write(Content(named, {path: f"{POOL}/s/{path}" for path in links}))

    @property
    def there(self) -> dict[str, str]:
        """What is in the order's folder: texts, and where links lead."""
        return {
            str(path.relative_to(self.path)): (
                f"-> {path.readlink()}" if path.is_symlink() else path.read_text()
            )
            for path in self.path.rglob("*")
            if path.is_symlink() or path.is_file()
        }


@pytest.fixture
def area(tmp_path: Path) -> Area:
    return Area(tmp_path)


def test_the_folder_holds_documents_and_links_and_belongs_to_its_owner(area: Area) -> None:
    assert not area.order.there()
    area.write("c/i/a.nc", "c/j/a.nc", "top.nc", README_txt="Order 7", query_json="{}")
    assert area.order.there()
    assert area.there == {
        "README.txt": "Order 7",
        "query.json": "{}",
        "c/i/a.nc": "-> /dataspace/pool/s/c/i/a.nc",
        "c/j/a.nc": "-> /dataspace/pool/s/c/j/a.nc",
        "top.nc": "-> /dataspace/pool/s/top.nc",
    }
    for path in [area.path.parent, area.path, *area.path.rglob("*")]:
        found = path.lstat()
        assert (found.st_uid, found.st_gid) == (OWNER.uid, OWNER.gid), path
        if stat.S_ISDIR(found.st_mode):
            assert found.st_mode & 0o777 == 0o755
    assert not list((area.place.folder / "parcels").glob("*.part"))


def test_the_same_again_renews_what_is_ours_and_keeps_what_the_person_put_there(
    area: Area,
) -> None:
    area.write("a.nc", "c/b.nc", README_txt="first", CITATION_txt="cite")
    (area.path / "notes.txt").write_text("mine")
    (area.path / "CITATION.txt").write_text("cite, and a remark of mine")
    (area.path / "a.nc").unlink()
    (area.path / "a.nc").write_text("a real copy")
    (area.path / "c" / "b.nc").unlink()
    (area.path / "c" / "b.nc").symlink_to("/home/jovyan/own.nc")
    (area.path / "c" / "own.nc").symlink_to("/somewhere")

    area.write("a.nc", "c/b.nc", "c/d.nc", README_txt="second", CITATION_txt="cite")

    assert area.there == {
        "README.txt": "second",
        "CITATION.txt": "cite",
        "CITATION.txt.kept-1": "cite, and a remark of mine",
        "notes.txt": "mine",
        "a.nc": "-> /dataspace/pool/s/a.nc",
        "a.nc.kept-1": "a real copy",
        "c/b.nc": "-> /dataspace/pool/s/c/b.nc",
        "c/b.nc.kept-1": "-> /home/jovyan/own.nc",
        "c/d.nc": "-> /dataspace/pool/s/c/d.nc",
        "c/own.nc": "-> /somewhere",
    }


def test_a_folder_is_looked_at_whatever_its_owner_has_put_into_it(
    area: Area, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The agent looks: with a folder open for each level it had none left for anybody's storage."""
    area.write("c/i/a.nc")
    (area.path / "c" / "i" / "a.nc").unlink()
    folder = os.open(area.path, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("deep", dir_fd=folder)
        below = os.open("deep", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    os.close(folder)
    assert not area.order.there()
    (area.path / "c" / "i" / "a.nc").symlink_to(f"{POOL}/s/a.nc")
    assert area.order.there()
    monkeypatch.setattr(order_folder, "_LOOKED_AT", 20)
    for number in range(30):
        (area.path / "c" / f"mine-{number}").touch()
    (area.path / "c" / "i" / "a.nc").unlink()
    with pytest.raises(StorageError, match="too many files"):
        area.order.there()
    subprocess.run(["rm", "-rf", area.path], check=True)  # shutil has no depth for it


def test_links_and_texts_are_new_when_they_are_brought_again(area: Area) -> None:
    area.write("a.nc", README_txt="text")
    for name in ("a.nc", "README.txt"):
        os.utime(area.path / name, (1, 1), follow_symlinks=False)
    area.write("a.nc", README_txt="text")
    now = time.time()
    for name in ("a.nc", "README.txt"):
        assert now - (area.path / name).lstat().st_mtime < 60
    assert len(area.there) == 2


@pytest.mark.parametrize("what", ["link", "file", "fifo", "socket"])
@pytest.mark.parametrize("where", ["orders", "orders/7", "orders/7/c", "orders/7/c/a.nc"])
def test_whatever_is_in_the_way_is_kept_and_never_followed(
    area: Area, tmp_path: Path, what: str, where: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "README.txt").write_text("untouched")
    before = outside.stat()
    path = area.files / where
    path.parent.mkdir(parents=True, exist_ok=True)
    if what == "link":
        path.symlink_to(outside)
    elif what == "file":
        path.write_text("mine")
    elif what == "fifo":
        os.mkfifo(path)
    else:
        os.mknod(path, stat.S_IFSOCK | 0o600)
    mine = path.lstat().st_ino

    area.write("c/a.nc", README_txt="Order 7")

    assert area.there["README.txt"] == "Order 7"
    assert area.there["c/a.nc"] == "-> /dataspace/pool/s/c/a.nc"
    assert path.with_name(f"{path.name}.kept-1").lstat().st_ino == mine
    assert {one.name for one in outside.iterdir()} == {"README.txt"}
    assert (outside / "README.txt").read_text() == "untouched"
    assert outside.stat().st_uid == before.st_uid
    assert outside.stat().st_mode == before.st_mode


SWAPPER = """
import os, sys
outside, number = sys.argv[1], 0
os.setgroups([])
os.setresgid(1000, 1000, 1000)
os.setresuid(1000, 1000, 1000)
print("begun", flush=True)
while True:
    number += 1
    for name, to in (("orders", ""), ("orders/7", "7"), ("orders/7/c", "7/c")):
        try:
            os.rename(name, f"away-{number}-{name.replace('/', '-')}")
            os.symlink(f"{outside}/{to}", name)
        except OSError:
            pass
"""


@pytest.mark.skipif(not ROOT, reason="another account needs root")
def test_an_owner_who_swaps_folders_for_links_all_the_time_gets_nothing_written_elsewhere() -> None:
    with open_folder() as folder:
        area = Area(folder)
        area.place.folder.chmod(0o700)
        outside = folder / "outside"
        (outside / "7" / "c").mkdir(parents=True)
        (outside / "secret").write_text("root's")
        swapper = subprocess.Popen(
            [sys.executable, "-I", "-c", SWAPPER, str(outside)],
            cwd=area.files,
            stdout=subprocess.PIPE,
        )
        written = 0
        try:
            assert swapper.stdout is not None
            assert swapper.stdout.readline() == b"begun\n"
            deadline = time.monotonic() + 4
            while time.monotonic() < deadline:
                with contextlib.suppress(StorageError):  # it gave up, which is right
                    area.write(*(f"c/{n}.nc" for n in range(20)), README_txt="Order 7")
                    written += 1
            assert swapper.poll() is None
        finally:
            swapper.kill()
            swapper.communicate()
        swapped = len(list(area.files.glob("away-*")))
        assert written
        assert swapped > written, "it came in between"
        found = sorted(str(path.relative_to(outside)) for path in outside.rglob("*"))
        assert found == ["7", "7/c", "secret"]
        assert all(path.lstat().st_uid == 0 for path in [outside, *outside.rglob("*")])
        area.write("c/a.nc", README_txt="Order 7")
        assert area.there["README.txt"] == "Order 7"


def test_what_a_crash_left_is_cleared_and_a_file_of_the_persons_in_it_comes_back(
    area: Area, monkeypatch: pytest.MonkeyPatch
) -> None:
    area.write("a.nc", README_txt="first")
    (area.path / "README.txt").write_text("a remark of mine")

    def die(*arguments: object) -> None:
        raise KeyboardInterrupt  # as a kill would: between the exchange and what follows

    with monkeypatch.context() as patched:
        patched.setattr(order_folder._Merge, "_aside", die)
        patched.setattr(order_folder, "remove_tree", lambda _: None)
        with pytest.raises(KeyboardInterrupt):
            area.write("a.nc", README_txt="second")
    area.write("a.nc", README_txt="third")
    assert area.there["README.txt"] == "third"
    texts = [p.read_text() for p in area.files.rglob("*") if p.is_file() and not p.is_symlink()]
    assert "a remark of mine" in texts
    assert not list((area.place.folder / "parcels").glob("*.part"))


@pytest.mark.parametrize(
    "path",
    ["", "/etc/passwd", "../a", "a/../b", "a//b", "a/", ".", "./a", "a\nb", "a\x00b", "x" * 256,
     "a/" * 30 + "a", "\x7f", "a\u202eb", "/".join(["y" * 200] * 11), "a\ud800"],
)  # fmt: skip
def test_a_path_that_is_none_is_refused(area: Area, path: str) -> None:
    with pytest.raises(RefusedError):
        check_paths([path])
    with pytest.raises(RefusedError):
        area.order.write(Content({}, {path: f"{POOL}/x"}))
    with pytest.raises(RefusedError):
        area.order.write(Content({path: "text"}, {}))
    assert not (area.files / "orders").exists()


def test_a_document_that_is_no_text_is_refused(area: Area) -> None:
    with pytest.raises(RefusedError, match="no text"):
        area.write(README_txt="\ud800")


def test_a_file_below_another_file_is_refused() -> None:
    with pytest.raises(RefusedError, match="lies below"):
        check_paths(["a", "a/b"])
    with pytest.raises(RefusedError, match="same path"):
        check_paths(["a", "a"])
    check_paths(["a.b", "a/b", "a c/ü.nc"])


def test_ten_thousand_links_take_a_second_or_two(area: Area) -> None:
    paths = [f"collection/item-{n}/file-{n}.nc" for n in range(10_000)]
    started = time.perf_counter()
    area.write(*paths, README_txt="Order 7")
    assert time.perf_counter() - started < leeway(10)  # 1 s on an idle machine
    assert sum(1 for path in area.path.rglob("*.nc")) == 10_000


def test_links_expire_like_files_after_their_last_change(area: Area, tmp_path: Path) -> None:
    if not ROOT:
        pytest.skip("leases on files of others need root")
    pool = tmp_path / "pool"
    pool.mkdir()
    (pool / "a.nc").write_text("data")
    old = time.time() - 10 * 86400
    os.utime(pool / "a.nc", (old, old))
    folder = OrderFolder(area.place, 7, OWNER, str(pool))
    folder.write(Content({"README.txt": "x"}, {"a.nc": f"{pool}/a.nc"}))

    def sweep() -> None:
        sweep_area(
            area.place, 86400, Pins(tmp_path / "pins"), "users/anna", tmp_path / "j", settle=0.1
        )

    sweep()
    assert folder.there(), "the age of what a link leads to does not count"
    (area.path / "notes.txt").write_text("the person's, and newer")
    for name in ("README.txt", "a.nc"):
        os.utime(area.path / name, ns=(MARKED, MARKED), follow_symlinks=False)
    sweep()
    assert [path.name for path in area.path.iterdir()] == ["notes.txt"]
    assert not folder.there()
    assert (pool / "a.nc").read_text() == "data"


# the folder that is copied from


def test_only_regular_files_of_the_pool_are_staged(tmp_path: Path) -> None:
    pool, work = tmp_path / "pool", tmp_path / "stages" / "one"
    (pool / "s").mkdir(parents=True)
    (pool / "s" / "a.nc").write_text("data")
    (tmp_path / "secret").write_text("root's")
    (pool / "s" / "link").symlink_to(tmp_path / "secret")
    (pool / "folder").symlink_to(tmp_path)
    os.mkfifo(pool / "s" / "fifo")
    parcel_stage.stage(pool, work, {"README.txt": "x"}, {"c/a.nc": "s/a.nc"})
    assert (work / "c" / "a.nc").read_text() == "data"
    assert (work / "c" / "a.nc").stat().st_ino == (pool / "s" / "a.nc").stat().st_ino
    assert work.stat().st_mode & 0o777 == 0o700
    for place in ("s/link", "folder/secret", "s/fifo", "s", "s/missing"):
        with pytest.raises(StorageError, match="not in the data pool any more"):
            parcel_stage.stage(pool, work, {}, {"x": place})


# without an agent


@pytest.fixture
def alone(deployment: Deployment) -> Deployment:
    """A deployment of the process backend."""
    deployment.facts = deployment.facts.model_copy(update={"backend": BackendKind.PROCESS})
    pool = deployment.layout.dataspaces / "pool" / "s"
    pool.mkdir(parents=True)
    (pool / "a.nc").write_bytes(b"data" * 1000)
    return deployment


def parcel(target: Target, place: str = "s/a.nc") -> Parcel:
    return Parcel(7, "anna", target, {"README.txt": "Order 7"}, {"c/a.nc": place}, 4000)


def test_without_an_agent_links_lead_to_the_pool_itself(alone: Deployment) -> None:
    deliveries = Deliveries(alone)
    assert not deliveries.there("anna", 7, Target.DATASPACE)
    for _ in range(2):
        outcome = deliveries.deliver(parcel(Target.DATASPACE))
        assert outcome.state is DeliveryState.DONE, outcome.reason
    assert outcome.folder == "orders/7"
    files = alone.layout.dataspaces / "users" / "anna" / "files" / "orders" / "7"
    assert (files / "c" / "a.nc").read_bytes() == b"data" * 1000
    assert (files / "c" / "a.nc").is_symlink()
    assert deliveries.there("anna", 7, Target.DATASPACE)
    assert not list(files.rglob("*.kept-*"))


def test_without_an_agent_the_embedded_workspace_gets_real_files(alone: Deployment) -> None:
    deliveries = Deliveries(alone)
    assert not deliveries.there("anna", 7, Target.WORKSPACE)
    outcome = deliveries.deliver(parcel(Target.WORKSPACE))
    assert outcome.state is DeliveryState.DONE, outcome.reason
    files = alone.layout.user_workspace("anna") / "orders" / "7"
    assert (files / "c" / "a.nc").read_bytes() == b"data" * 1000
    assert not (files / "c" / "a.nc").is_symlink()
    assert (files / "README.txt").read_text() == "Order 7"
    assert deliveries.there("anna", 7, Target.WORKSPACE)
    (files / "c" / "a.nc").write_bytes(b"bad!" * 1000)
    assert deliveries.deliver(parcel(Target.WORKSPACE)).state is DeliveryState.DONE
    assert (files / "c" / "a.nc").read_bytes() == b"data" * 1000


def test_without_an_agent_a_long_copy_goes_on_while_one_asks(
    alone: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    copy = shutil.copyfile

    def slow(source: Path, target: Path) -> Path:
        assert go_on.wait(30)
        return copy(source, target)

    monkeypatch.setattr(shutil, "copyfile", slow)
    monkeypatch.setattr(delivery, "_PATIENCE", 0.01)
    deliveries = Deliveries(alone)
    for _ in range(2):
        assert deliveries.deliver(parcel(Target.WORKSPACE)).state is DeliveryState.COPYING
    assert deliveries.deliver(parcel(Target.DATASPACE)).state is DeliveryState.DONE
    go_on.set()
    monkeypatch.setattr(delivery, "_PATIENCE", 30)
    assert deliveries.deliver(parcel(Target.WORKSPACE)).state is DeliveryState.DONE
    files = alone.layout.user_workspace("anna") / "orders" / "7"
    assert (files / "c" / "a.nc").read_bytes() == b"data" * 1000


def test_without_an_agent_a_workspace_elsewhere_is_refused_with_a_sentence(
    alone: Deployment,
) -> None:
    workspace = {"kind": "webdav", "url": "https://dav.example.org/{user}/"}
    alone.settings = Settings.model_validate({"storage": {"workspace": workspace}})
    outcome = Deliveries(alone).deliver(parcel(Target.WORKSPACE))
    assert outcome.state is DeliveryState.FAILED
    assert "workspace elsewhere" in outcome.reason
    assert "Order into the dataspace" in outcome.reason


@pytest.mark.parametrize("place", ["../a", "/etc/passwd", "s/../../x", ""])
def test_a_place_outside_the_pool_is_refused(alone: Deployment, place: str) -> None:
    for target in Target:
        outcome = Deliveries(alone).deliver(parcel(target, place))
        assert outcome.state is DeliveryState.FAILED
        assert "can't be a path" in outcome.reason


def test_an_agent_that_is_away_is_no_failure_of_the_order(deployment: Deployment) -> None:
    deliveries = Deliveries(deployment)
    with pytest.raises(AwayError):
        deliveries.deliver(parcel(Target.DATASPACE))
    with pytest.raises(AwayError):
        deliveries.there("anna", 7, Target.DATASPACE)
