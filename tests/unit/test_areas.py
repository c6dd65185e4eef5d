import os
import time
from pathlib import Path

import pytest
from pelagos.errors import StorageError
from pelagos.layout import Area, AreaKind, Layout
from pelagos.node.areas import Place, choose, kind_of, possibilities, xfs
from pelagos.node.areas.directory import count
from pelagos.node.areas.image import image_size, journal_size
from pelagos.node.mounts import Mount
from pelagos.node.sweep import changed_at
from pelagos.node.sweeper import area_of, interval
from pelagos.settings import Dataspace, QuotaKind, Storage

MIB = 2**20


def mount(kind: str, *options: str) -> Mount:
    return Mount(
        device="254:0",
        point=Path("/data"),
        root="/",
        options=frozenset({"rw"}),
        shared=False,
        kind=kind,
        source="/dev/vdb",
        super_options=frozenset(options),
    )


def test_xfs_commands_name_the_project_by_number_and_need_no_files_of_names() -> None:
    files = ["-D", "/dev/null", "-P", "/dev/null"]
    assert xfs.project_command(Path("/data"), Path("/data/users/anna"), 1_700_000_001) == [
        *("xfs_quota", "-x", *files),
        *("-c", "project -s -p /data/users/anna 1700000001", "/data"),
    ]
    assert xfs.limit_command(Path("/data"), 7, 20 * 2**30) == [
        *("xfs_quota", "-x", *files),
        *("-c", "limit -p bhard=20971520k 7", "/data"),
    ]


@pytest.mark.parametrize(
    ("holding", "folder", "reason"),
    [
        (mount("xfs", "rw", "prjquota"), "/data/areas", ""),
        (mount("xfs", "rw", "usrquota", "pquota"), "/data/areas", ""),
        (mount("ext4", "rw", "prjquota"), "/data/areas", "is ext4, not XFS"),
        (mount("xfs", "rw", "noquota"), "/data/areas", "without the option prjquota"),
        (mount("xfs", "rw", "pqnoenforce"), "/data/areas", "without the option prjquota"),
        (mount("xfs", "rw", "prjquota"), "/data/my areas", "has a space"),
    ],
)
def test_xfs_quotas_need_xfs_its_option_and_a_plain_path(
    holding: Mount, folder: str, reason: str
) -> None:
    found = xfs.why_not(holding, Path(folder))
    assert reason in found
    assert bool(found) == bool(reason)


def test_projects_of_xfs_are_given_once_and_kept(tmp_path: Path) -> None:
    backend = xfs.XfsBackend(tmp_path, xfs.Owner())
    anna, bert = (Place(tmp_path / "users" / name) for name in ("anna", "bert"))
    numbers = [backend._number(place) for place in (anna, bert, anna)]
    first = xfs.first_project(tmp_path)
    assert numbers == [first, first + 1, first]
    assert 2**30 <= first < 2**31
    assert first != xfs.first_project(tmp_path / "another")
    again = xfs.XfsBackend(tmp_path, xfs.Owner())
    assert again._number(bert) == first + 1
    (tmp_path / "projects.json").write_text("{half")
    with pytest.raises(StorageError, match="can't be read"):
        again._number(anna)


def test_an_image_has_room_for_its_quota_and_little_more() -> None:
    for quota in (16 * MIB, 100 * MIB, 2**30, 20 * 2**30, 2**41):
        size = image_size(quota)
        assert size % 4096 == 0
        # what ext4 takes: inodes, bitmaps and the journal
        assert (
            quota * 1.02 + journal_size(quota)
            <= size
            <= quota * 1.03 + journal_size(quota) + MIB * 2
        )


def test_every_kind_has_a_reason_and_plain_folders_always_work(tmp_path: Path) -> None:
    found = possibilities(tmp_path / "not" / "there")
    assert [possibility.kind for possibility in found] == [
        QuotaKind.XFS,
        QuotaKind.IMAGE,
        QuotaKind.DIRECTORY,
    ]
    assert all(possibility.reason.endswith(".") for possibility in found)
    assert found[-1].possible


def test_the_settings_can_ask_for_plain_folders(tmp_path: Path) -> None:
    storage = Storage(dataspace=Dataspace(quota_kind=QuotaKind.DIRECTORY))
    assert choose(Layout(tmp_path, storage)).kind is QuotaKind.DIRECTORY


def test_the_image_of_an_area_is_not_another_persons_area(tmp_path: Path) -> None:
    layout = Layout(tmp_path, Storage())
    places = [
        Place(layout.area(Area(AreaKind.USERS, user))) for user in ("a", "a.img", "a.img.part")
    ]
    paths = [path for place in places for path in (place.folder, place.image)]
    assert len(set(paths)) == 6


def test_an_area_with_plain_files_does_not_become_an_image(tmp_path: Path) -> None:
    place = Place(tmp_path / "anna")
    place.files.mkdir(parents=True)
    assert kind_of(place, QuotaKind.IMAGE) is QuotaKind.IMAGE
    (place.files / "file").touch()
    assert kind_of(place, QuotaKind.IMAGE) is QuotaKind.DIRECTORY
    place.image.touch()
    assert kind_of(place, QuotaKind.DIRECTORY) is QuotaKind.IMAGE


def test_counting_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "area" / "folder").mkdir(parents=True)
    (tmp_path / "area" / "folder" / "file").write_bytes(b"x" * 8192)
    (tmp_path / "area" / "link").symlink_to("/usr")
    assert 8192 <= count(tmp_path / "area") <= 16384


def test_a_file_is_as_old_as_its_last_change_or_arrival(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    now = time.time()
    arrived = path.stat().st_ctime
    for mtime, wanted in ((now - 100, arrived), (now + 1e6, arrived), (0, arrived)):
        os.utime(path, (now, mtime))
        assert changed_at(path.stat(), now + 1) == pytest.approx(wanted, abs=2)


@pytest.mark.parametrize(
    ("expiry", "virtual_lab_expiry", "seconds"),
    [(7 * 86400, 30 * 86400, 600), (3600, 0, 180), (10, 86400, 2), (0, 0, 600)],
)
def test_sweeps_come_often_enough_for_the_shortest_expiry(
    tmp_path: Path, expiry: int, virtual_lab_expiry: int, seconds: float
) -> None:
    dataspace = Dataspace(expiry=expiry, virtual_lab_expiry=virtual_lab_expiry)
    assert interval(Layout(tmp_path, Storage(dataspace=dataspace))) == seconds


def test_names_in_a_view_lead_to_the_areas_of_the_layout(tmp_path: Path) -> None:
    layout = Layout(tmp_path, Storage())
    view = layout.view("Anna.B")
    assert area_of(view, "me") == Area(AreaKind.USERS, "Anna.B").folder
    assert area_of(view, "ocean-climate") == Area(AreaKind.VIRTUAL_LABS, "ocean-climate").folder
    assert area_of(view, "pool") == area_of(view, "expiry.json") == ""
