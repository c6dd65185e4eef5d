"""WebDAV servers of others, for real: Apache with mod_dav on the loopback."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from support import free_port, until

_MODULES = Path("/usr/lib/apache2/modules")
_CONFIGURATION = """
ServerRoot {root}
PidFile {root}/pid
DefaultRuntimeDir {root}
Mutex file:{root}
Listen 127.0.0.1:{port}
ServerName 127.0.0.1:{port}
ErrorLog {root}/error.log
{modules}
{account}
DocumentRoot {root}/plain
DavLockDB {root}/locks
LimitXMLRequestBody 1000000
{tls}
<Directory />
  Require all denied
</Directory>
<Directory {root}/plain>
  Require all granted
</Directory>
Alias /dav {root}/files
<Directory {root}/files>
  Dav On
  AuthType Basic
  AuthName files
  AuthUserFile {root}/passwords
  Require valid-user
</Directory>
<Directory {root}/files/read-only>
  <LimitExcept GET HEAD OPTIONS PROPFIND>
    Require all denied
  </LimitExcept>
</Directory>
<Directory {root}/files/closed>
  Require all denied
</Directory>
Redirect 302 /elsewhere http://127.0.0.1:9/dav
Redirect 507 /full
"""
_NEEDED = (
    "mpm_event", "authn_core", "authn_file", "authz_core", "authz_user", "auth_basic", "alias",
    "dav", "dav_fs",
)  # fmt: skip


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that other accounts can pass through, removed at the end.

    Not below pytest's own, which each session of pytest closes to others when it begins.
    """
    with tempfile.TemporaryDirectory(prefix="pelagos-test-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder


@contextlib.contextmanager
def apache_server(*, tls: bool = False) -> Iterator[Apache]:
    """A running Apache in a folder of its own."""
    with open_folder() as folder, Apache(folder, tls=tls) as server:
        yield server


class Apache:
    """Apache httpd: `url` is a WebDAV folder for the user `user` with the password `password`.

    Below `url` `read-only/` takes no files and `closed/` nothing; `origin` serves plain files,
    `/elsewhere/` leads to another server and `/full/` answers 507. With `tls` it has a
    certificate that nobody trusts.
    """

    user, password = "ada@elsewhere", "app-password of ada"

    def __init__(self, root: Path, *, tls: bool = False) -> None:
        self.root, self.port, self.tls = root, free_port(), tls
        self._process: subprocess.Popen[bytes] | None = None
        self._passwords: dict[str, str] = {}
        for name in ("plain", "files", "files/read-only", "files/closed"):
            (root / name).mkdir(parents=True, exist_ok=True)
        self.add_user(self.user, self.password)
        modules = [*_NEEDED, *(("ssl", "socache_shmcb") if tls else ())]
        account = ""
        if os.geteuid() == 0:
            account = "User www-data\nGroup www-data"
            shutil.chown(root, "www-data", "www-data")
            for path in root.rglob("*"):
                shutil.chown(path, "www-data", "www-data")
        (root / "httpd.conf").write_text(
            _CONFIGURATION.format(
                root=root,
                port=self.port,
                account=account,
                tls=self._certificate() if tls else "",
                modules="\n".join(
                    f"LoadModule {name}_module {_MODULES}/mod_{name}.so" for name in modules
                ),
            )
        )

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The WebDAV folder, with a final slash."""
        return f"{self.origin}/dav/"

    @property
    def files(self) -> Path:
        """What it serves at `url`."""
        return self.root / "files"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def add_user(self, user: str, password: str) -> Path:
        """One more user; their folder, which has their name."""
        self.set_password(password, user)
        return self.add_folder(user)

    def add_folder(self, name: str) -> Path:
        """A folder below `url` that every user may write."""
        folder = self.files / name
        folder.mkdir(exist_ok=True)
        if os.geteuid() == 0:
            shutil.chown(folder, "www-data", "www-data")
        return folder

    def set_password(self, password: str, user: str = "") -> None:
        """Another password for a user (the first one if none is named), from now on."""
        digest = base64.b64encode(hashlib.sha1(password.encode()).digest()).decode()  # noqa: S324 - htpasswd's {SHA}
        self._passwords[user or self.user] = digest
        text = "".join(f"{name}:{{SHA}}{one}\n" for name, one in self._passwords.items())
        # at once: httpd reads it for every request
        (self.root / "passwords.new").write_text(text)
        (self.root / "passwords.new").replace(self.root / "passwords")

    def start(self) -> None:
        """Serve; returns once it listens."""
        program = shutil.which("apache2") or "/usr/sbin/apache2"
        # a session of its own: its children end with it
        self._process = subprocess.Popen(
            [program, "-f", str(self.root / "httpd.conf"), "-D", "FOREGROUND"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        until(self._listens, 30, f"Apache; {self.root}/error.log")

    def stop(self) -> None:
        """End it at once, with its open connections."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGTERM)
            self._process.wait(30)
            self._process = None

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.root / "error.log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _certificate(self) -> str:
        command = [
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
            "-keyout", str(self.root / "key.pem"), "-out", str(self.root / "cert.pem"),
        ]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        return (
            f"SSLEngine on\nSSLCertificateFile {self.root}/cert.pem\n"
            f"SSLCertificateKeyFile {self.root}/key.pem"
        )
