"""What the JupyterLab extension costs a start of JupyterLab: with and without it, in turn.

    ./pelagos bench lab -- [PAIRS]

Of the Python environment of the image `base` (made if missing), in Chromium: the time from the
request of the page until JupyterLab has restored its layout. Medians, and their ratio.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from pelagos.deployment import ROOT
from pelagos.images import load_graph
from pelagos.ops import environments
from pelagos.ops.report import Reporter
from playwright.sync_api import Browser, sync_playwright

NAME = "jupyterlab-pelagos"
FLAGS = ["--disable-quic", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--no-first-run"]  # fmt: skip


class Silent(Reporter):
    """The numbers are what is read."""

    def __init__(self) -> None:
        pass

    def step(self, message: str) -> None:
        pass

    def detail(self, message: str) -> None:
        pass


@contextmanager
def lab(environment: Path, folder: Path, *, extension: bool) -> Iterator[str]:
    """A JupyterLab; its address with a token."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / ("with" if extension else "without")
    (config / "labconfig").mkdir(parents=True)
    disabled = {"@jupyterlab/apputils-extension:announcements": True, NAME: not extension}
    (config / "labconfig/page_config.json").write_text(json.dumps({"disabledExtensions": disabled}))
    enabled = {"jupyterlab_pelagos": extension}
    (config / "jupyter_server_config.json").write_text(
        json.dumps({"ServerApp": {"jpserver_extensions": enabled}})
    )
    process = subprocess.Popen(
        [environment / "bin/jupyter", "lab", "--no-browser", "--allow-root", "--ip=127.0.0.1",
         f"--port={port}", "--IdentityProvider.token=t", "--LabApp.expose_app_in_browser=True",
         f"--ServerApp.root_dir={folder}"],
        env={**os.environ, "HOME": str(folder), "JUPYTER_CONFIG_DIR": str(config)},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                httpx.get(f"{url}/api", trust_env=False).raise_for_status()
                break
            except httpx.HTTPError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        yield f"{url}/lab?reset&token=t"
    finally:
        process.terminate()
        process.wait(30)


def start(browser: Browser, url: str) -> float:
    """Seconds until a browser that was never here has JupyterLab restored."""
    context = browser.new_context()
    page = context.new_page()
    began = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.wait_for_function("window.jupyterapp !== undefined")
    page.evaluate("window.jupyterapp.restored.then(() => true)")
    seconds = time.perf_counter() - began
    context.close()
    return seconds


def main(pairs: int) -> None:
    """Measure and print."""
    environment = environments.build_environment(load_graph(ROOT)["base"], Silent())
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    program = shutil.which("chromium") or "/usr/bin/chromium"
    found: dict[bool, list[float]] = {True: [], False: []}
    with (
        tempfile.TemporaryDirectory() as folder,
        sync_playwright() as playwright,
        lab(environment, Path(folder), extension=True) as one,
        lab(environment, Path(folder), extension=False) as other,
    ):
        browser = playwright.chromium.launch(executable_path=program, args=[*FLAGS, *root])
        urls = {True: one, False: other}
        for url in urls.values():
            start(browser, url)  # caches of the servers and the disk
        for number in range(pairs):
            for extension in (True, False) if number % 2 else (False, True):
                found[extension].append(start(browser, urls[extension]))
        browser.close()
    medians = {extension: statistics.median(seconds) for extension, seconds in found.items()}
    print(f"without the extension {medians[False]:.3f} s, with it {medians[True]:.3f} s")
    print(f"ratio {medians[True] / medians[False]:.3f} of {pairs} pairs")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
