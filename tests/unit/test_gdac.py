"""The loopback GDAC is one: its index can be harvested, and leads to files that can be fetched."""

from __future__ import annotations

import hashlib
from pathlib import Path

import httpx
import netCDF4
from gdac import index_of, recorded_files, serve_gdac
from pelagos_client.download import Guard, Wanted, fetch

PROFILE = "/dac/meds/4900882/profiles/D4900882_029.nc"


def test_the_index_is_made_of_what_the_files_say() -> None:
    lines = index_of(recorded_files()).decode().splitlines()
    rows = [line.split(",") for line in lines if line[0] != "#"]
    profiles = {row[0]: row for row in rows[1:]}
    # 17 files, one of them the real-time file of a profile that is there in delayed mode
    assert len(profiles) == 17 - 1
    assert "aoml/13857/profiles/D13857_003.nc" in profiles
    assert "aoml/13857/profiles/R13857_003.nc" not in profiles
    line = profiles[PROFILE.removeprefix("/dac/")]
    assert line[1:7] == ["20070801140600", "43.274", "-56.656", "A", "846", "ME"]


def test_its_files_are_fetched_whole_in_parts_and_not_again(tmp_path: Path) -> None:
    with serve_gdac() as gdac:
        address = gdac.server.url + PROFILE
        report = fetch([Wanted(address, "one.nc")], tmp_path, guard=Guard(named=["127.0.0.1"]))
        [file] = report.check().files
        content = gdac.file("D4900882_029.nc").read_bytes()
        assert file.checksum == "1220" + hashlib.sha256(content).hexdigest()
        with netCDF4.Dataset(tmp_path / "one.nc") as opened:
            assert opened["TEMP"].shape == (1, 72)
        assert gdac.gets(PROFILE) == 1
        assert gdac.gets() == 1
        with httpx.Client(trust_env=False) as client:
            tag = client.head(address).headers["etag"]
            part = client.get(address, headers={"Range": "bytes=10-19", "If-Range": tag})
            assert (part.status_code, part.content) == (206, content[10:20])
            changed = client.get(address, headers={"Range": "bytes=10-", "If-Range": '"other"'})
            assert (changed.status_code, changed.content) == (200, content)
            assert client.get(address, headers={"If-None-Match": tag}).status_code == 304
            beyond = client.get(address, headers={"Range": f"bytes={len(content)}-"})
            assert beyond.status_code == 416
            assert client.get(gdac.server.url + "/dac/nothing.nc").status_code == 404
