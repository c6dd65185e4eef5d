"""The sweep on real file systems with real processes beside it, as root."""

import contextlib
import fcntl
import hashlib
import json
import mmap
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pelagos.deployment import Deployment
from pelagos.errors import StorageError
from pelagos.layout import Layout
from pelagos.node import mounts
from pelagos.node.areas import Owner, Place, backends
from pelagos.node.dataspaces import Dataspaces
from pelagos.node.pins import Pins
from pelagos.node.sweep import MARKED, Report, sweep_area
from pelagos.node.sweeper import Sweeper
from pelagos.settings import Dataspace, QuotaKind, Settings, Storage
from support import until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounts and leases need root")

DAY = 86400
SETTLE = 0.3  # seconds: enough here, where nobody stops between finding a file and opening it
AREA = "users/anna"


class Swept:
    """One area in an image, and its sweep."""

    def __init__(self, folder: Path, quota: int = 2**30) -> None:
        self.folder = folder
        self.place = Place(folder / "users" / "anna")
        self.place.folder.parent.mkdir()
        self.backend = backends(folder, Owner())[QuotaKind.IMAGE]
        self.backend.make(self.place, quota)
        self.files = self.place.files
        self.pins = Pins(folder / "pins")
        self.journal = folder / "journal.jsonl"

    def old(self, name: str, text: str = "old", days: float = 2) -> Path:
        """A file that was last changed `days` ago."""
        path = self.files / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return self.age(path, days)

    def age(self, path: Path, days: float = 2) -> Path:
        then = time.time() - days * DAY
        os.utime(path, (then, then), follow_symlinks=False)
        return path

    def sweep(self, expires_after: int = DAY) -> Report:
        return sweep_area(self.place, expires_after, self.pins, AREA, self.journal, settle=SETTLE)

    @property
    def left(self) -> list[str]:
        return sorted(
            os.path.relpath(os.path.join(above, name), self.files)
            for above, folders, files in os.walk(self.files)
            for name in folders + files
        )


@pytest.fixture
def area(tmp_path: Path) -> Iterator[Swept]:
    """An empty area of 1 GiB."""
    area = Swept(tmp_path)
    try:
        yield area
    finally:
        for point in mounts.below(tmp_path):
            mounts.unmount(point, lazy=True)


@pytest.fixture(autouse=True)
def times_of_tests(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are as old as tests make them: nobody can set the time of arrival."""
    if "real_times" not in request.fixturenames:
        monkeypatch.setattr("pelagos.node.sweep.arrived_at", lambda found: found.st_mtime)


@pytest.fixture
def real_times() -> None:
    """Files arrive when the test makes them."""


@pytest.fixture
def during(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[[], object]], None]:
    """Do something right before the first (or a later) call of a system call, such as rename."""

    def hook(name: str, action: Callable[[], object], call: int = 1) -> None:
        module = fcntl if name == "fcntl" else os
        real = getattr(module, name)
        waiting = [lambda: None] * (call - 1) + [action]

        def first(*arguments: object, **options: object) -> object:
            if waiting:
                waiting.pop(0)()
            return real(*arguments, **options)

        monkeypatch.setattr(module, name, first)

    return hook


def test_what_is_older_than_its_expiry_goes(area: Swept) -> None:
    area.old("old.nc")
    area.old("run/old.nc", days=1.01)
    area.old("run/young.nc", days=0.99)
    report = area.sweep()
    assert area.left == ["run", "run/young.nc"]
    assert (report.swept_files, report.swept_bytes, report.files) == (2, 8192, 1)
    assert os.listdir(area.place.trash) == []


def test_with_no_expiry_everything_stays(area: Swept) -> None:
    area.old("ancient", days=10_000)
    report = area.sweep(0)
    assert area.left == ["ancient"]
    assert report.next == []


def test_reading_keeps_nothing(area: Swept) -> None:
    path = area.old("old")
    os.utime(path, (time.time(), path.stat().st_mtime))
    area.sweep()
    assert area.left == []


@pytest.mark.usefixtures("real_times")
def test_a_file_that_arrives_with_an_old_time_stays_until_its_own_time(area: Swept) -> None:
    path = area.old("woa18.nc", days=3000)
    report = area.sweep()
    assert area.left == ["woa18.nc"]
    assert report.next[0][0] == pytest.approx(path.stat().st_ctime + DAY, abs=2)
    until(lambda: area.sweep(1).swept_files, 20, "it is still there")


@pytest.mark.usefixtures("real_times")
def test_a_file_that_is_marked_goes_at_once(area: Swept) -> None:
    marked = area.old("marked")
    os.utime(marked, ns=(MARKED, MARKED))
    os.utime(area.old("epoch"), (0, 0))  # as reproducible archives have it
    area.old("other", days=3000)
    area.sweep()
    assert area.left == ["epoch", "other"]


@pytest.mark.usefixtures("real_times")
def test_a_time_in_the_future_does_not_keep_a_file_for_ever(area: Swept) -> None:
    path = area.old("future", days=-1000)
    assert area.sweep().next[0][0] == pytest.approx(path.stat().st_ctime + DAY, abs=2)
    until(lambda: area.sweep(1).swept_files, 20, "it is still there")


def test_a_symbolic_link_is_removed_and_not_followed(area: Swept, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    area.age(outside / "precious")
    (area.files / "etc").symlink_to("/etc")
    (area.files / "young").symlink_to(outside)
    (area.files / "old").symlink_to(outside / "precious")
    os.mkfifo(area.files / "fifo")
    for name in ("etc", "old", "fifo"):
        area.age(area.files / name)
    area.sweep()
    assert area.left == ["young"]
    assert (outside / "precious").read_text() == "x"
    assert Path("/etc/passwd").exists()


@pytest.mark.parametrize("how", ["reading", "writing", "mapped", "inherited"])
def test_a_file_that_somebody_has_open_stays(area: Swept, how: str) -> None:
    path = area.old("open", "x" * 8192)
    hold = {
        "reading": "file = open(name)",
        "writing": "file = open(name, 'r+')",
        "mapped": "import mmap; f = open(name, 'r+'); m = mmap.mmap(f.fileno(), 0); f.close()",
        "inherited": "import os; fd = os.open(name, os.O_RDONLY); os.dup2(fd, 0); os.close(fd)",
    }[how]
    code = (
        f"import sys, time; name = sys.argv[1]; {hold}; print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, path], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        report = area.sweep()
        holder.kill()
    assert (area.left, report.kept_open) == (["open"], 1)
    area.sweep()
    assert area.left == []


def test_pins_keep_files_and_whole_folders_until_they_end(area: Swept) -> None:
    for name in ("pinned", "unpinned", "run/deep/a", "run/b", "running"):
        area.old(name)
    area.age(area.files / "run" / "deep")
    soon = time.time() + 3
    area.pins.pin(AREA, "pinned", soon)
    area.pins.pin(AREA, "run/", soon)
    report = area.sweep()
    assert area.left == ["pinned", "run", "run/b", "run/deep", "run/deep/a"]
    assert report.next == []  # a pinned file does not go next
    until(lambda: time.time() > soon, 10)
    area.sweep()
    assert area.left == ["run", "run/deep"]


def test_a_pin_set_while_the_file_is_in_the_trash_brings_it_back(
    area: Swept, monkeypatch: pytest.MonkeyPatch
) -> None:
    area.old("late")
    monkeypatch.setattr(
        "pelagos.node.sweep.time.sleep",
        lambda seconds: area.pins.pin(AREA, "late", time.time() + 60),
    )
    report = area.sweep()
    assert (area.left, report.put_back) == (["late"], 1)


def test_damaged_pins_stop_the_sweep_of_their_area(area: Swept) -> None:
    area.old("old")
    area.pins.pin(AREA, "old", time.time() + 60)
    area.pins.file(AREA).write_text("{half")
    with pytest.raises(StorageError, match="can't be read"):
        area.sweep()
    assert area.left == ["old"]


def test_each_name_of_a_file_goes_and_the_content_with_the_last(area: Swept) -> None:
    first = area.old("first", "x" * 4096)
    os.link(first, area.files / "second")
    os.link(first, area.files / "pinned")
    area.pins.pin(AREA, "pinned", time.time() + 60)
    report = area.sweep()
    assert area.left == ["pinned"]
    assert (area.files / "pinned").read_text() == "x" * 4096
    assert (report.swept_files, report.swept_bytes) == (2, 0)
    area.pins.unpin(AREA, "pinned")
    report = area.sweep()
    assert (area.left, report.swept_bytes) == ([], 4096)


def test_strange_names_go_too_and_are_told(area: Swept) -> None:
    names = ["new\nline", "🐟" * 63, "x" * 255, " ", "-rf", "a'b\"c\\d", os.fsdecode(b"\xff\xfe")]
    for name in names:
        area.old(f"{name}/{name}", days=0.5)
    told = {path for _, path, _ in area.sweep().next}
    assert told == {f"{name}/{name}" for name in names}
    for name in names:
        area.age(area.files / name / name)
    assert area.sweep().swept_files == len(names)
    assert len(area.left) == len(names)  # the folders, which changed just now


def test_a_name_of_full_length_finds_its_place_again(area: Swept, during: Callable) -> None:
    name = "x" * 255
    area.old(name)

    def replace() -> None:
        (area.files / "new").write_text("new")
        (area.files / "new").rename(area.files / name)

    during("rename", replace)
    area.sweep()
    assert area.left == [name]
    assert (area.files / name).read_text() == "new"


def test_a_deep_tree_is_swept(area: Swept) -> None:
    here = os.open(area.files, os.O_RDONLY)
    for _ in range(600):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    fd = os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here)
    os.utime(fd, (0, 0))
    os.close(fd)
    os.close(here)
    report = area.sweep()
    assert (report.swept_files, report.errors) == (1, [])
    until(lambda: area.sweep(1).swept_folders or not area.left, 20)


def test_empty_folders_go_when_they_are_old_and_the_area_itself_does_not(area: Swept) -> None:
    for name in ("old/older", "young", "pinned", "above"):
        (area.files / name).mkdir(parents=True)
    for name in ("old/older", "old", "pinned", "above", "."):
        area.age(area.files / name)
    area.pins.pin(AREA, "pinned", time.time() + 60)
    area.pins.pin(AREA, "above/not/there/yet", time.time() + 60)
    area.sweep()
    # `old` changed when `older` went
    assert area.left == ["above", "old", "pinned", "young"]
    area.age(area.files / "old")
    area.sweep()
    assert area.left == ["above", "pinned", "young"]
    assert area.files.is_dir()


def test_a_folder_that_just_got_a_file_stays(area: Swept, during: Callable) -> None:
    (area.files / "folder").mkdir()
    area.age(area.files / "folder")
    during("rmdir", lambda: (area.files / "folder" / "new").write_text("new"))
    area.sweep()
    assert area.left == ["folder", "folder/new"]


# the area and its trash are opened first, then the folder, then the file in it
@pytest.mark.parametrize(("name", "call"), [("open", 3), ("open", 4), ("fcntl", 1), ("rename", 1)])
def test_a_folder_swapped_for_a_link_leads_nowhere(
    area: Swept, tmp_path: Path, during: Callable, name: str, call: int
) -> None:
    area.old("folder/passwd")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "passwd").write_text("precious")
    area.age(outside / "passwd")

    def swap() -> None:
        (area.files / "folder").rename(area.files / "moved")
        (area.files / "folder").symlink_to(outside)

    during(name, swap, call)
    area.sweep()
    area.sweep()
    assert (outside / "passwd").read_text() == "precious"
    assert "folder" in area.left


def test_a_file_replaced_before_the_rename_is_put_back(area: Swept, during: Callable) -> None:
    area.old("file")

    def replace() -> None:
        (area.files / "new").write_text("new")
        (area.files / "new").rename(area.files / "file")

    during("rename", replace)
    area.sweep()
    assert area.left == ["file"]
    assert (area.files / "file").read_text() == "new"


def test_a_write_with_a_faked_time_right_before_the_lease_is_seen(
    area: Swept, during: Callable
) -> None:
    path = area.old("file", "old text")
    before = path.stat()

    def write() -> None:
        path.write_text("new text")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    during("fcntl", write)
    assert area.sweep().swept_files == 0
    assert path.read_text() == "new text"


def test_who_waits_for_the_lease_does_not_end_the_sweep(area: Swept, during: Callable) -> None:
    path = area.old("file", "old text")
    code = "import sys; print('opening', flush=True); open(sys.argv[1], 'a').write('more')"
    waiting: list[subprocess.Popen[bytes]] = []

    def open_it() -> None:
        writer = subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE)
        waiting.append(writer)
        until(lambda: "BREAKING" in Path("/proc/locks").read_text(), 20, "nobody waits")

    during("rename", open_it)
    report = area.sweep()
    with waiting[0] as writer:
        assert writer.wait(20) == 0
    assert report.put_back == 1
    assert path.read_text() == "old textmore"


def test_who_opens_a_file_as_it_goes_keeps_it(area: Swept, monkeypatch: pytest.MonkeyPatch) -> None:
    """An opener that found the file before the rename has it, in the trash, after the lease."""
    path = area.old("dir/file", "old text")
    finder = os.open(path, os.O_PATH)

    def write(seconds: float) -> None:
        with open(f"/proc/self/fd/{finder}", "w") as file:
            file.write("new text")
        path.parent.rmdir()

    monkeypatch.setattr("pelagos.node.sweep.time.sleep", write)
    report = area.sweep()
    os.close(finder)
    assert report.put_back == 1
    assert path.read_text() == "new text"
    assert path.parent.stat().st_uid == 1000  # made again, and its owner's


def test_a_write_with_a_faked_time_in_the_trash_is_seen(
    area: Swept, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = area.old("file", "old text")
    before = path.stat()
    finder = os.open(path, os.O_PATH)

    def write(seconds: float) -> None:
        with open(f"/proc/self/fd/{finder}", "r+") as file:
            file.write("new text")
        os.utime(f"/proc/self/fd/{finder}", ns=(before.st_atime_ns, before.st_mtime_ns))

    monkeypatch.setattr("pelagos.node.sweep.time.sleep", write)
    assert area.sweep().put_back == 1
    os.close(finder)
    assert path.read_text() == "new text"


def test_a_file_that_comes_back_does_not_replace_a_new_one(
    area: Swept, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = area.old("file", "old text")
    finder = os.open(path, os.O_PATH)

    def write(seconds: float) -> None:
        with open(f"/proc/self/fd/{finder}", "w") as file:
            file.write("late text")
        path.write_text("newer text")

    monkeypatch.setattr("pelagos.node.sweep.time.sleep", write)
    area.sweep()
    os.close(finder)
    assert path.read_text() == "newer text"
    assert (area.files / "file.kept-1").read_text() == "late text"


@pytest.mark.parametrize("instead", ["file", "link"])
def test_a_file_whose_folder_became_something_else_comes_back_at_the_top(
    area: Swept, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, instead: str
) -> None:
    path = area.old("dir/file", "old text")
    finder = os.open(path, os.O_PATH)

    def write(seconds: float) -> None:
        with open(f"/proc/self/fd/{finder}", "w") as file:
            file.write("new text")
        path.parent.rmdir()
        if instead == "file":
            path.parent.write_text("no folder")
        else:
            path.parent.symlink_to(tmp_path)

    monkeypatch.setattr("pelagos.node.sweep.time.sleep", write)
    area.sweep()
    os.close(finder)
    assert (area.files / "file").read_text() == "new text"
    assert not (tmp_path / "file").exists()


@pytest.mark.parametrize("journal", ["kept", "lost"])
def test_a_crash_with_files_in_the_trash_is_mended(
    area: Swept, monkeypatch: pytest.MonkeyPatch, journal: str
) -> None:
    area.old("deleted")
    changed = area.old("dir/changed")
    finder = os.open(changed, os.O_PATH)

    class CrashError(Exception):
        pass

    def crash(seconds: float) -> None:
        raise CrashError

    with monkeypatch.context() as patch:
        patch.setattr("pelagos.node.sweep.time.sleep", crash)
        with pytest.raises(CrashError):
            area.sweep()
    assert len(os.listdir(area.place.trash)) == 2
    with open(f"/proc/self/fd/{finder}", "w") as file:
        file.write("new")
    os.close(finder)
    if journal == "lost":
        area.journal.unlink()
    report = area.sweep()
    assert (report.swept_files, report.put_back) == (1, 1)
    if journal == "kept":
        assert changed.read_text() == "new"
    else:
        (recovered,) = area.files.glob("recovered-*")
        assert recovered.read_text() == "new"
    assert os.listdir(area.place.trash) == []


def test_a_full_area_is_emptied(tmp_path: Path) -> None:
    area = Swept(tmp_path, 2**24)
    try:
        count = 0
        try:
            while True:
                area.old(f"{'long-name-' * 20}{count}", "x")
                count += 1
        except OSError:
            pass
        assert count > 1000
        report = area.sweep()
        assert report.swept_files >= count
        assert [name for name in area.left if area.files.joinpath(name).stat().st_size] == []
    finally:
        for point in mounts.below(tmp_path):
            mounts.unmount(point, lazy=True)


def test_what_goes_next_is_told_soonest_first(area: Swept) -> None:
    for hour in range(40):
        area.old(f"{hour:02}", days=hour / 24)
    report = area.sweep(2 * DAY)
    assert [path for _, path, _ in report.next] == [f"{hour:02}" for hour in range(39, 19, -1)]
    assert report.next[0][0] == pytest.approx(time.time() + 9 * 3600, abs=10)
    assert (report.due_files, report.due_bytes) == (16, 16 * 4096)


# ---- a writer at full speed ----

WRITER = """
import hashlib, json, os, random, sys
folder, first, last, log = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
names = [f"file-{i:05}" for i in range(first, last) if i % 4]  # every fourth is left alone
random.shuffle(names)
wrote = {}
for count, name in enumerate(names):
    path = os.path.join(folder, f"d{count % 7}-new" if count % 5 == 0 else "", name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    data = os.urandom(600)
    if count % 3 == 0:  # as editors do
        with open(path + ".tmp", "wb") as file:
            file.write(data)
        os.replace(path + ".tmp", path)
    else:
        with open(path, "wb") as file:  # truncates an old file in place
            file.write(data[:300])
            file.flush()
            file.write(data[300:])
    wrote[os.path.relpath(path, folder)] = hashlib.sha256(data).hexdigest()
    if count == 20:
        print("going", flush=True)
with open(log, "w") as file:
    json.dump(wrote, file)
"""


def naive(area: Swept) -> None:
    """What everybody writes first: list what is old, then delete it."""
    limit = time.time() - DAY
    listed = []
    for above, _, files in os.walk(area.files):
        for path in (os.path.join(above, name) for name in files):
            with contextlib.suppress(FileNotFoundError):
                if os.lstat(path).st_mtime < limit:
                    listed.append(path)
    for path in listed:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def lost(area: Swept, wrote: dict[str, str]) -> list[str]:
    """Files that were written and are not there as they were written; `wrote`: their hashes."""
    return [name for name, digest in wrote.items() if not _has(area.files / name, digest)]


@pytest.mark.parametrize(
    ("sweep", "last_moment", "losses"),
    [(Swept.sweep, "rename", []), (naive, "unlink", ["file"])],
    ids=["ours", "naive"],
)
def test_a_write_in_the_last_moment_is_lost_by_a_naive_sweep_and_not_by_ours(
    area: Swept,
    during: Callable,
    sweep: Callable[[Swept], object],
    last_moment: str,
    losses: list[str],
) -> None:
    path = area.old("file")
    during(last_moment, lambda: path.write_text("new"))
    sweep(area)
    assert lost(area, {"file": hashlib.sha256(b"new").hexdigest()}) == losses


def test_a_sweep_beside_writers_loses_nothing(area: Swept) -> None:
    count, workers = 16_000, 2
    for number in range(count):
        area.old(f"file-{number:05}")
    logs = [area.folder / f"log-{worker}" for worker in range(workers)]
    share = count // workers
    with contextlib.ExitStack() as stack:
        writers = [
            stack.enter_context(
                subprocess.Popen(
                    [
                        *(sys.executable, "-c", WRITER, area.files),
                        *(str(worker * share), str((worker + 1) * share), logs[worker]),
                    ],
                    stdout=subprocess.PIPE,
                )
            )
            for worker in range(workers)
        ]
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"going\n"
        sweeps = 0
        while any(writer.poll() is None for writer in writers):
            area.sweep()
            sweeps += 1
    assert [writer.returncode for writer in writers] == [0, 0]
    assert sweeps
    wrote = {name: digest for log in logs for name, digest in json.loads(log.read_text()).items()}
    assert lost(area, wrote) == []
    area.sweep()
    assert os.listdir(area.place.trash) == []
    # what nobody wrote went
    assert not [n for n in range(0, count, 4) if (area.files / f"file-{n:05}").exists()]


def _has(path: Path, digest: str) -> bool:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == digest
    except FileNotFoundError:
        return False


# ---- the program ----


def test_the_program_sweeps_by_itself_and_says_what_went(deployment: Deployment) -> None:
    dataspace = Dataspace(expiry=2, virtual_lab_expiry=0, quota_kind=QuotaKind.DIRECTORY)
    settings = Settings(storage=Storage(dataspace=dataspace))
    state = deployment.state
    state.write(deployment.facts, settings)
    spaces = Dataspaces(Layout(state.folder, settings.storage), settings)
    spaces.ensure("anna", ["ocean-climate"])
    view = Layout(state.folder, settings.storage).view("anna")
    try:
        (view / "me" / "new\nline").write_text("x")
        (view / "ocean-climate" / "file").write_text("x")
        command = [sys.executable, "-m", "pelagos.node.sweeper"]
        environment = {**os.environ, "PELAGOS_STATE": str(state.folder)}
        with subprocess.Popen(command, env=environment) as program:
            try:
                until(lambda: not os.listdir(view / "me"), 60, "nothing expired")
                until((state.logs / "sweep.log").read_text, 60, "nothing was logged")
                second = subprocess.run(
                    command, env=environment, capture_output=True, text=True, timeout=60
                )
            finally:
                program.terminate()
        assert "Another sweeper" in second.stderr
        line = json.loads((state.logs / "sweep.log").read_text())
        assert (line["area"], line["path"], line["did"]) == ("users/anna", "new\nline", "deleted")
        assert (view / "ocean-climate" / "file").exists()
        Sweeper(spaces._layout).run_once()
        assert Sweeper(spaces._layout).totals.swept_files == 1
        assert json.loads((view / "expiry.json").read_text())["areas"]["me"]["expires_after"] == 2
    finally:
        spaces.close_all()


def test_one_bad_area_does_not_stop_the_others(tmp_path: Path) -> None:
    layout = Layout(tmp_path, Storage(dataspace=Dataspace(expiry=DAY)))
    for name in ("anna", "bert"):
        place = Place(layout.dataspaces / "users" / name)
        place.folder.mkdir(parents=True)
        backends(layout.dataspaces, Owner())[QuotaKind.DIRECTORY].make(place, 2**24)
        (place.files / "file").write_text("x")
        os.utime(place.files / "file", (0, 0))
    bad = tmp_path / "agent" / "pins" / "users" / "anna.json"
    bad.parent.mkdir(parents=True)
    bad.write_text("[half")
    sweeper = Sweeper(layout)
    sweeper.run_once()
    assert (layout.dataspaces / "users" / "anna" / "files" / "file").exists()
    assert not (layout.dataspaces / "users" / "bert" / "files" / "file").exists()
    assert sweeper.totals.errors == 1


def test_a_map_that_writes_after_its_file_was_closed_keeps_the_file(area: Swept) -> None:
    path = area.old("mapped", "x" * 4096)
    with path.open("r+") as file:
        held = mmap.mmap(file.fileno(), 0)
    area.sweep()
    held[0:3] = b"new"
    held.close()
    assert path.read_text().startswith("new")
