"""Dataspaces on real file systems, as root: quotas, views, recovery. The sweep: test_sweep.py."""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pelagos.errors import RefusedError, StorageError
from pelagos.layout import Area, AreaKind, Layout
from pelagos.node import mounts
from pelagos.node.areas import Place, choose, kind_of
from pelagos.node.dataspaces import AreaState, Dataspaces
from pelagos.node.sweeper import Sweeper
from pelagos.settings import Dataspace, QuotaKind, Settings, Storage
from support import until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounts need root")

MIB = 2**20
QUOTA = 16 * MIB
LAB = "ocean-climate"


class Node:
    """A dataspace in a folder of its own, closed afterwards."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spaces = self.open()

    def open(self, kind: QuotaKind = QuotaKind.IMAGE, quota: int = QUOTA) -> Dataspaces:
        """As after a start of the agent."""
        dataspace = Dataspace(quota_kind=kind, quota=quota, virtual_lab_quota=quota)
        self.settings = Settings(storage=Storage(dataspace=dataspace))
        self.layout = Layout(self.folder, self.settings.storage)
        self.spaces = Dataspaces(self.layout, self.settings)
        return self.spaces

    def view(self, user: str) -> Path:
        return self.layout.view(user)

    def place(self, user: str) -> Place:
        return Place(self.layout.area(Area(AreaKind.USERS, user)))

    def status(self, user: str) -> dict[str, AreaState]:
        return {area.name: area.state for area in self.spaces.areas(user)}

    def close(self) -> None:
        for point in mounts.below(self.folder):
            mounts.unmount(point, lazy=True)


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    """A node with an image per owner, on a disk that counts as large enough."""
    monkeypatch.setattr("pelagos.node.dataspaces._LOW", 0)
    node = Node(tmp_path / "state")
    try:
        yield node
    finally:
        node.close()


def as_user(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Run a shell script as the containers' user, in `folder`."""
    return subprocess.run(
        ["sh", "-c", script],
        cwd=folder,
        user=1000,
        group=1000,
        extra_groups=[],
        capture_output=True,
        text=True,
        timeout=60,
    )


def tomorrow() -> float:
    return time.time() + 86400


def loops() -> str:
    return subprocess.run(["losetup", "--list"], capture_output=True, text=True).stdout


def fill(folder: Path) -> int:
    """Write until the system refuses; the bytes that went in."""
    done = as_user(folder, "dd if=/dev/zero of=full bs=1M")
    assert "No space left" in done.stderr, done.stderr
    return (folder / "full").stat().st_size


def test_a_view_shows_the_areas_and_the_pool_read_only(node: Node) -> None:
    node.spaces.ensure("anna", [LAB])
    view = node.view("anna")
    assert sorted(os.listdir(view)) == ["expiry.json", "me", LAB, "pool"]
    assert view.stat().st_mode & 0o777 == 0o555
    for name in ("me", LAB):
        done = as_user(view / name, "echo hello > file && ls -a && cat file")
        assert done.stdout.split() == [".", "..", "file", "hello"], done.stderr
    (node.layout.area(Area(AreaKind.POOL)) / "data.nc").write_text("data")
    assert as_user(view / "pool", "cat data.nc").stdout == "data"
    with pytest.raises(OSError, match="Read-only"):
        (view / "pool" / "new").touch()
    assert node.status("anna") == dict.fromkeys(["me", LAB, "pool"], AreaState.READY)


def test_no_account_of_the_machine_reads_areas_past_the_view(node: Node) -> None:
    node.spaces.ensure("anna", [])
    for kind in ("users", "virtual-labs"):
        assert (node.layout.dataspaces / kind).stat().st_mode & 0o777 == 0o700
    found = node.place("anna").files.stat()
    assert (found.st_uid, found.st_mode & 0o777) == (1000, 0o700)
    assert node.place("anna").image.stat().st_mode & 0o777 == 0o600


def test_a_full_area_harms_its_owner_only(node: Node) -> None:
    node.spaces.ensure("anna", [LAB])
    node.spaces.ensure("bert", [LAB])
    assert QUOTA * 0.95 < fill(node.view("anna") / "me") < QUOTA * 1.2
    area = node.spaces.areas("anna")[0]
    assert (area.name, area.enforced, area.quota) == ("me", True, QUOTA)
    assert area.used >= QUOTA
    for folder in (node.view("bert") / "me", node.view("anna") / LAB):
        done = as_user(folder, "dd if=/dev/zero of=file bs=1M count=5 && sync file")
        assert done.returncode == 0, done.stderr
    assert (node.view("bert") / LAB / "file").stat().st_size == 5 * MIB
    node.spaces.ensure("anna", [LAB])  # a full area is no reason against a server


def test_deleted_space_goes_back_to_the_disk(node: Node) -> None:
    node.spaces.ensure("anna", [])
    image = node.place("anna").image

    def on_disk() -> int:
        as_user(node.view("anna") / "me", "sync -f .")
        return image.stat().st_blocks * 512

    empty = on_disk()
    assert empty < MIB
    as_user(node.view("anna") / "me", "dd if=/dev/urandom of=file bs=1M count=10; sync file")
    assert on_disk() > empty + 9 * MIB
    (node.view("anna") / "me" / "file").unlink()
    until(lambda: on_disk() < empty + 2 * MIB, 30, "the file's blocks are still there")


def can_be_read_directly(file: Path) -> bool:
    """Whether the disk below a file reads past the page cache."""
    try:
        os.close(os.open(file, os.O_RDONLY | os.O_DIRECT))
    except OSError:
        return False
    return True


def test_an_image_is_not_kept_in_memory_twice(node: Node) -> None:
    node.spaces.ensure("anna", [])
    image = node.place("anna").image
    listed = subprocess.run(
        ["losetup", "--noheadings", "--output", "DIO", "--associated", image],
        capture_output=True,
        text=True,
        check=True,
    )
    assert listed.stdout.split() == ["1" if can_be_read_directly(image) else "0"]


def test_an_area_grows_while_a_server_has_it(node: Node) -> None:
    node.spaces.ensure("anna", [])
    me = node.view("anna") / "me"
    (me / "file").write_text("before")
    with (me / "file").open() as held:
        node.open(quota=4 * QUOTA).ensure("anna", [])
        area = node.spaces.areas("anna")[0]
        assert area.state is AreaState.READY
        # a root without SYS_RESOURCE can't resize what is in use
        capabilities = Path("/proc/self/status").read_text().split("CapEff:")[1].split()[0]
        if int(capabilities, 16) & 1 << 24:
            assert area.quota == 4 * QUOTA
        else:
            assert "when no server uses it" in area.reason
            assert QUOTA <= area.quota < 2 * QUOTA
        assert held.read() == "before"
    node.open(quota=4 * QUOTA).ensure("anna", [])
    assert node.spaces.areas("anna")[0].quota == 4 * QUOTA
    assert node.spaces.areas("anna")[0].reason == ""
    assert fill(me) > 3.8 * QUOTA
    assert (me / "file").read_text() == "before"


def test_a_quota_that_shrank_is_told_and_keeps_the_files(node: Node) -> None:
    node.open(quota=2 * QUOTA).ensure("anna", [])
    (node.view("anna") / "me" / "file").write_text("kept")
    node.open().ensure("anna", [])
    area = node.spaces.areas("anna")[0]
    assert "keeps them" in area.reason
    assert area.quota > 2 * QUOTA * 0.95
    assert (node.view("anna") / "me" / "file").read_text() == "kept"


@pytest.mark.parametrize("verb", ["recover", "ensure"])
def test_areas_come_back_after_a_reboot(node: Node, verb: str) -> None:
    node.spaces.ensure("anna", [LAB])
    for name in ("me", LAB):
        (node.view("anna") / name / "file").write_text("kept")
    node.close()
    assert not (node.view("anna") / "me" / "file").exists()
    spaces = node.open()
    spaces.recover() if verb == "recover" else spaces.ensure("anna", [LAB])
    for name in ("me", LAB):
        assert (node.view("anna") / name / "file").read_text() == "kept"
    with pytest.raises(OSError, match="Read-only"):
        (node.view("anna") / "pool" / "new").touch()


def test_an_image_that_was_not_unmounted_is_mended(node: Node) -> None:
    node.spaces.ensure("anna", [])
    me = node.view("anna") / "me"
    (me / "file").write_text("kept")
    as_user(me, "sync -f .")
    (me / "later").write_text("in the journal, perhaps")
    image = node.place("anna").image
    torn = image.read_bytes()  # what the disk holds when the power goes
    node.close()
    image.write_bytes(torn)
    state = subprocess.run(["dumpe2fs", "-h", image], capture_output=True, text=True).stdout
    assert "needs_recovery" in state
    node.open().ensure("anna", [])
    assert (me / "file").read_text() == "kept"
    as_user(me, "echo again > new")
    assert (me / "new").read_text() == "again\n"


def test_an_image_without_its_superblock_is_mended_from_the_copy(node: Node) -> None:
    node.open(quota=200 * MIB).ensure("anna", [])
    me = node.view("anna") / "me"
    (me / "file").write_text("kept")
    node.close()
    until(lambda: str(node.folder) not in loops(), 10, "a loop device is left")
    with node.place("anna").image.open("r+b") as image:
        image.seek(1024)
        image.write(bytes(1024))
    node.open(quota=200 * MIB).ensure("anna", [])
    assert (me / "file").read_text() == "kept"


def test_a_file_system_that_turned_read_only_is_mended(node: Node) -> None:
    node.spaces.ensure("anna", [])
    me = node.view("anna") / "me"
    (me / "file").write_text("kept")
    # as the kernel does after an error
    subprocess.run(["mount", "-o", "remount,ro", node.place("anna").folder], check=True)
    assert as_user(me, "touch new").returncode != 0
    node.spaces.ensure("anna", [])
    assert as_user(me, "touch new && cat file").stdout == "kept"


@pytest.mark.parametrize("crash", ["part", "unmounted", "no folders", "folder of root's"])
def test_a_crash_while_an_area_is_made_is_mended(node: Node, crash: str) -> None:
    node.spaces.ensure("bert", [])  # the folders above
    place = node.place("anna")
    if crash == "part":
        place.image.with_name("anna.img.part").write_bytes(b"half" * 1000)
    else:
        node.spaces.ensure("anna", [])
        if crash == "no folders":
            place.files.rmdir()
            place.trash.rmdir()
        if crash == "folder of root's":
            os.chown(place.files, 0, 0)
        node.spaces.release("anna")
        if crash == "unmounted":
            mounts.unmount(place.folder)
    node.open().ensure("anna", [])
    assert as_user(node.view("anna") / "me", "echo works > file").returncode == 0
    assert not list(place.folder.parent.glob("*.part"))


def test_a_failing_area_leaves_a_note_and_the_others_and_heals(node: Node) -> None:
    place = node.place("anna")
    node.spaces.ensure("bert", [])
    place.image.mkdir()  # nobody can make an image there
    node.spaces.ensure("anna", [LAB])
    view = node.view("anna")
    assert os.listdir(view / "me") == ["README.txt"]
    assert "can't be used now" in (view / "me" / "README.txt").read_text()
    assert as_user(view / "me", "touch new").returncode != 0
    assert as_user(view / LAB, "touch new").returncode == 0
    assert node.status("anna")["me"] is AreaState.UNAVAILABLE
    assert node.spaces.areas("anna")[0].reason
    place.image.rmdir()
    node.spaces.ensure("anna", [LAB])
    assert as_user(view / "me", "touch new && ls").stdout == "new\n"
    assert node.status("anna")["me"] is AreaState.READY


def test_an_area_that_comes_later_appears_in_a_running_server(node: Node) -> None:
    node.spaces.ensure("anna", [])
    view = node.view("anna")
    script = f"echo ready; read line; cat {view}/{LAB}/file; read line; ls {view}"
    with subprocess.Popen(
        ["unshare", "--mount", "--propagation", "slave", "sh", "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        node.spaces.ensure("anna", [LAB])
        (view / LAB / "file").write_text("here\n")
        server.stdin.write("\n")
        server.stdin.flush()
        assert server.stdout.readline() == "here\n"
        node.spaces.ensure("anna", [])  # no member any more
        server.stdin.write("\n")
        server.stdin.flush()
        assert server.stdout.read().split() == ["expiry.json", "me", "pool"]


def test_a_second_ensure_changes_nothing(node: Node) -> None:
    for _ in range(2):
        node.spaces.ensure("anna", [LAB])
        points = mounts.below(node.folder)
    assert len(points) == 1 + 2 + 3  # the views, two images, three binds
    assert sorted(points) == sorted(set(points))


def test_many_servers_may_start_at_once(node: Node) -> None:
    users = ["anna", "bert", "cara"] * 4
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda user: node.spaces.ensure(user, [LAB]), users))
    assert len(mounts.below(node.folder)) == 1 + 4 + 3 * 3
    for user in users:
        assert set(node.status(user).values()) == {AreaState.READY}


def test_people_with_like_names_have_areas_of_their_own(node: Node) -> None:
    names = ["anna", "Anna", "ann.a", "../anna", "a" * 200, "me", "pool", "änna"]
    for name in names:
        node.spaces.ensure(name, [])
        (node.view(name) / "me" / "mine").write_text(name)
    assert [(node.view(name) / "me" / "mine").read_text() for name in names] == names


def test_a_virtual_lab_with_a_bad_name_gets_no_area(node: Node) -> None:
    node.spaces.ensure("anna", ["../../etc", "pool", "me", "a/b", LAB])
    assert sorted(os.listdir(node.view("anna"))) == ["expiry.json", "me", LAB, "pool"]


def test_release_keeps_the_files_and_remove_does_not(node: Node) -> None:
    node.spaces.ensure("anna", [LAB])
    me = node.view("anna") / "me"
    (me / "file").write_text("kept")
    node.spaces.pin("anna", "me", "file", tomorrow())
    node.spaces.release("anna")
    assert os.listdir(me) == []
    node.spaces.ensure("anna", [LAB])
    assert (me / "file").read_text() == "kept"
    with (me / "file").open() as held:  # busy
        node.spaces.remove_user("anna")
        assert held.read() == "kept"
    assert not node.view("anna").exists()
    assert not node.place("anna").image.exists()
    assert node.place("anna").folder.exists() is False
    node.spaces.ensure("anna", [LAB])
    assert os.listdir(me) == []
    assert node.spaces.pins("anna", "me") == {}


def test_closing_loses_nothing_and_leaves_no_mount(node: Node) -> None:
    node.spaces.ensure("anna", [LAB])
    (node.view("anna") / "me" / "file").write_text("kept")
    node.spaces.close_all()
    assert mounts.below(node.folder) == []
    until(lambda: str(node.folder) not in loops(), 10, "a loop device is left")
    node.spaces.ensure("anna", [LAB])
    assert (node.view("anna") / "me" / "file").read_text() == "kept"


def test_a_removed_virtual_lab_goes_from_every_view(node: Node) -> None:
    for user in ("anna", "bert"):
        node.spaces.ensure(user, [LAB])
    node.spaces.remove_virtual_lab(LAB)
    for user in ("anna", "bert"):
        assert sorted(os.listdir(node.view(user))) == ["expiry.json", "me", "pool"]
    assert not list((node.layout.dataspaces / "virtual-labs").iterdir())


def test_a_plain_folder_is_measured_and_not_enforced(node: Node) -> None:
    node.open(QuotaKind.DIRECTORY).ensure("anna", [])
    as_user(node.view("anna") / "me", "dd if=/dev/zero of=file bs=1M count=20")
    area = node.spaces.areas("anna")[0]
    assert not area.enforced
    assert area.used >= 20 * MIB > area.quota
    assert node.spaces.usages()["users/anna"].used == area.used
    with contextlib.suppress(FileNotFoundError):
        node.spaces.remove_user("anna")
    assert not node.place("anna").folder.exists()


def test_an_area_keeps_the_kind_it_was_made_as(node: Node) -> None:
    node.open(QuotaKind.DIRECTORY).ensure("anna", [])
    (node.view("anna") / "me" / "file").write_text("kept")
    node.open(QuotaKind.IMAGE).ensure("anna", [])
    assert (node.view("anna") / "me" / "file").read_text() == "kept"
    assert "directory" in node.spaces.areas("anna")[0].reason
    (node.view("anna") / "me" / "file").unlink()
    node.spaces.ensure("anna", [])
    assert node.spaces.areas("anna")[0].enforced
    node.open(QuotaKind.DIRECTORY).ensure("anna", [])
    assert kind_of(node.place("anna"), QuotaKind.DIRECTORY) is QuotaKind.IMAGE
    assert node.spaces.areas("anna")[0].enforced


def test_a_kind_that_the_machine_cannot_do_is_told_and_starts_go_on(node: Node) -> None:
    if mounts.holding(node.folder).kind == "xfs":
        pytest.skip("this machine may have XFS quotas")
    spaces = node.open(QuotaKind.XFS)
    with pytest.raises(StorageError, match="not XFS") as caught:
        choose(node.layout)
    assert "quota_kind" in caught.value.mend
    spaces.ensure("anna", [LAB])
    [me, *_] = spaces.areas("anna")
    assert not me.enforced
    assert "not XFS" in me.reason
    assert node.open(QuotaKind.AUTO).choice.kind is QuotaKind.IMAGE


def test_a_server_reads_in_its_view_what_goes_next(node: Node) -> None:
    node.spaces.ensure("anna", [LAB])
    (node.view("anna") / LAB / "soon.nc").write_text("data")
    Sweeper(node.layout).run_once()
    text = as_user(node.view("anna"), "cat expiry.json").stdout
    assert "soon.nc" in text
    lab = node.spaces.areas("anna")[1]
    assert [file.path for file in lab.next] == ["soon.nc"]
    assert lab.expires_after == node.settings.storage.dataspace.virtual_lab_expiry
    assert as_user(node.view("anna"), "rm -f expiry.json").returncode != 0


def test_a_disk_that_is_nearly_full_is_told(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.spaces.ensure("anna", [])
    assert node.spaces.areas("anna")[0].reason == ""
    monkeypatch.setattr("pelagos.node.dataspaces._LOW", 1.0)
    assert "nearly full" in node.spaces.areas("anna")[0].reason


def test_pins_of_unknown_areas_and_paths_are_refused(node: Node) -> None:
    node.spaces.ensure("anna", [])
    with pytest.raises(StorageError, match="no area"):
        node.spaces.pin("anna", "../bert", "file", tomorrow())
    with pytest.raises(RefusedError, match="out of the area"):
        node.spaces.pin("anna", "me", "a/../../b", tomorrow())
