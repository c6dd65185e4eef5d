from pathlib import Path

from pelagos.node import mounts

TABLE = """\
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
42 27 0:39 / /srv/with\\040space\\011tab rw,nosuid,nodev shared:7 master:1 - fuse.rclone ws: rw
43 27 7:0 /files /srv/view/me ro,nosuid - ext4 /dev/loop0 rw
44 43 0:40 / /srv/back\\134slash rw - tmpfs none rw
"""


def test_escaped_mount_points_are_read() -> None:
    points = [mount.point for mount in mounts.parse(TABLE)]
    assert points[1:] == [
        Path("/srv/with space\ttab"),
        Path("/srv/view/me"),
        Path("/srv/back\\slash"),
    ]


def test_a_mount_knows_its_kind_its_flags_and_whether_it_is_shared() -> None:
    root, rclone, view, _ = mounts.parse(TABLE)
    assert (root.shared, rclone.shared, view.shared) == (True, True, False)
    assert (rclone.kind, rclone.source) == ("fuse.rclone", "ws:")
    assert view.read_only
    assert not rclone.read_only
    assert root.super_options == {"rw", "discard"}


def test_a_path_lies_in_the_deepest_mount_above_it(tmp_path: Path) -> None:
    assert mounts.holding(Path("/proc/nothing/there")).point == Path("/proc")
    assert not mounts.is_mount(tmp_path)
    assert mounts.is_mount(Path("/proc"))
