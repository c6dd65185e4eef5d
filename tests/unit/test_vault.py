import os
import shutil
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pelagos.errors import VaultError
from pelagos.vault import Account, Vault
from pelagos.volumes import safe_name

KEY = "5a" * 32
ADA = Account("https://dav.example.org/ada/", "ada@example.org", "app-password-of-ada")


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "storage" / "credentials", KEY)


def files(tmp_path: Path) -> list[Path]:
    return [path for path in tmp_path.rglob("*") if path.is_file()]


def test_what_was_put_is_got_by_another_process(vault: Vault, tmp_path: Path) -> None:
    vault.put("ada", ADA)
    assert Vault(tmp_path / "storage" / "credentials", KEY).get("ada") == ADA
    assert vault.get("bob") is None


@given(st.text(min_size=1, max_size=200))
def test_any_name_and_password_come_back(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    vault = Vault(tmp_path_factory.getbasetemp() / "vault-any", KEY)
    account = Account("https://dav.example.org/", text, text)
    vault.put(text, account)
    assert vault.get(text) == account
    assert text in vault.users()


def test_nothing_can_be_read_from_disk_or_from_a_log(vault: Vault, tmp_path: Path) -> None:
    vault.put("ada", ADA)
    for path in files(tmp_path):
        content = path.read_bytes()
        for secret in (ADA.password, ADA.user, ADA.url):
            assert secret.encode() not in content
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "storage" / "credentials").stat().st_mode) == 0o700
    assert ADA.password not in f"{ADA!r} {ADA}"


def test_a_file_copied_to_another_persons_name_is_refused(vault: Vault, tmp_path: Path) -> None:
    vault.put("ada", ADA)
    folder = tmp_path / "storage" / "credentials"
    shutil.copy(folder / safe_name("ada"), folder / safe_name("mallory"))
    with pytest.raises(VaultError, match="of another person"):
        vault.get("mallory")
    assert vault.users() == ["ada"]


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\x00" * 50])
def test_a_damaged_file_is_said_so_and_can_be_replaced(
    vault: Vault, tmp_path: Path, content: bytes
) -> None:
    vault.put("ada", ADA)
    path = tmp_path / "storage" / "credentials" / safe_name("ada")
    path.write_bytes(content)
    with pytest.raises(VaultError, match="damaged") as caught:
        vault.get("ada")
    assert "Enter the password again" in caught.value.mend
    assert vault.users() == []
    vault.put("ada", ADA)
    assert vault.get("ada") == ADA


def test_a_changed_byte_is_noticed(vault: Vault, tmp_path: Path) -> None:
    vault.put("ada", ADA)
    path = tmp_path / "storage" / "credentials" / safe_name("ada")
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(content)
    with pytest.raises(VaultError, match="damaged"):
        vault.get("ada")


def test_another_key_reads_nothing(vault: Vault, tmp_path: Path) -> None:
    vault.put("ada", ADA)
    with pytest.raises(VaultError, match="of another key"):
        Vault(tmp_path / "storage" / "credentials", "00" * 32).get("ada")


@pytest.mark.parametrize("key", ["", "5a" * 31, "no hex"])
def test_a_key_that_is_none_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(VaultError, match="key") as caught:
        Vault(tmp_path, key)
    assert key == "" or key not in caught.value.sentence


def test_forgetting_leaves_nothing_and_may_be_repeated(vault: Vault, tmp_path: Path) -> None:
    vault.put("ada", ADA)
    vault.forget("ada")
    vault.forget("ada")
    assert vault.get("ada") is None
    assert files(tmp_path) == []


def test_the_stamp_changes_with_every_new_password(vault: Vault, tmp_path: Path) -> None:
    assert vault.stamp("ada") is None
    vault.put("ada", ADA)
    # as if it had been kept a while ago
    os.utime(tmp_path / "storage" / "credentials" / safe_name("ada"), ns=(1, 1))
    before = vault.stamp("ada")
    vault.put("ada", Account(ADA.url, ADA.user, "another"))
    assert before == 1
    assert vault.stamp("ada") not in (None, before)


def test_what_an_interrupted_write_left_is_nobody(vault: Vault, tmp_path: Path) -> None:
    vault.put("ada", ADA)
    (tmp_path / "storage" / "credentials" / ".bob.0123").write_bytes(b"half")
    assert vault.users() == ["ada"]


def test_a_folder_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(VaultError, match="can't be kept"):
        Vault(tmp_path / "file" / "credentials", KEY).put("ada", ADA)


def test_a_link_or_pipe_in_a_files_place_leads_nowhere_and_hangs_nobody(
    vault: Vault, tmp_path: Path
) -> None:
    vault.put("ada", ADA)
    mine = tmp_path / "storage" / "credentials" / safe_name("ada")
    mine.rename(tmp_path / "moved")
    mine.symlink_to(tmp_path / "moved")
    with pytest.raises(VaultError):
        vault.get("ada")
    mine.unlink()
    os.mkfifo(mine)
    with pytest.raises(VaultError):
        vault.get("ada")
