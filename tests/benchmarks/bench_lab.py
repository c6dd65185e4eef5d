"""What the JupyterLab extension costs a start of JupyterLab, and how soon it finds something.

    ./pelagos bench lab -- [PAIRS]

The start, with and without it in turn: of the Python environment of the image `base` (made if
missing), in Chromium, from the request of the page until JupyterLab has restored its layout.
Medians, and their ratio.

The search, in a VRE of the starter data: from the last key until its results are drawn, and as a
floor the catalogue's own answer to the same words. Medians.
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
from pelagos.deployment import CATALOGUE_PATH, ROOT
from pelagos.images import load_graph
from pelagos.ops import environments
from pelagos.ops.report import Reporter
from playwright.sync_api import Browser, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "browser"))
from marine import Starter, panel, results, serve_starter

NAME = "jupyterlab-pelagos"
FLAGS = ["--disable-quic", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--no-first-run"]  # fmt: skip

WORDS = ("temperature", "salinity", "surface", "ocean", "monthly", "profiles", "model", "theta",
         "level", "potential")  # fmt: skip
ROUNDS = 2  # of all words
# from a key to the frame after the one in which the results are no longer awaited
SINCE_KEY = """region => {
  window.sinceKey = new Promise(done => {
    let began = 0, busy = false;
    const key = () => { began = performance.now(); };
    document.addEventListener('keydown', key, { capture: true, once: true });
    new MutationObserver((_, observer) => {
      const now = region.getAttribute('aria-busy') === 'true';
      if (busy && !now) {
        observer.disconnect();
        requestAnimationFrame(() => setTimeout(() => done(performance.now() - began)));
      }
      busy = now;
    }).observe(region, { attributes: true, attributeFilter: ['aria-busy'] });
  });
}"""


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


def starts(browser: Browser, pairs: int) -> None:
    """Measure and print what the extension costs a start."""
    environment = environments.build_environment(load_graph(ROOT)["base"], Silent())
    found: dict[bool, list[float]] = {True: [], False: []}
    with (
        tempfile.TemporaryDirectory() as folder,
        lab(environment, Path(folder), extension=True) as one,
        lab(environment, Path(folder), extension=False) as other,
    ):
        urls = {True: one, False: other}
        for url in urls.values():
            start(browser, url)  # caches of the servers and the disk
        for number in range(pairs):
            for extension in (True, False) if number % 2 else (False, True):
                found[extension].append(start(browser, urls[extension]))
    medians = {extension: statistics.median(seconds) for extension, seconds in found.items()}
    print(f"without the extension {medians[False]:.3f} s, with it {medians[True]:.3f} s")
    print(f"ratio {medians[True] / medians[False]:.3f} of {pairs} pairs")


def searches(browser: Browser, marine: Starter) -> list[float]:
    """Milliseconds from the last key of each word to its results."""
    marine.person("bench")
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    page = context.new_page()
    marine.sign_in(page, "bench")
    field = panel(page, "Search").get_by_role("combobox", name="Search marine data")
    found = []
    for word in WORDS * ROUNDS:
        field.fill(word[:-1])
        field.press("Enter")
        region = results(page)
        page.wait_for_timeout(500)  # counts of the results before are there
        region.evaluate(SINCE_KEY)
        field.press(word[-1])
        found.append(page.evaluate("window.sinceKey"))
    context.close()
    return found


def floor(marine: Starter) -> list[float]:
    """Milliseconds of the catalogue's answers to the same words."""
    found = []
    with httpx.Client(base_url=marine.url, trust_env=False) as client:
        client.get(f"{CATALOGUE_PATH}/collections").raise_for_status()
        for word in WORDS * ROUNDS:
            began = time.perf_counter()
            asked = client.get(f"{CATALOGUE_PATH}/collections", params={"q": word, "limit": 20})
            asked.raise_for_status()
            found.append((time.perf_counter() - began) * 1000)
    return found


def main(pairs: int) -> None:
    """Measure and print."""
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    program = shutil.which("chromium") or "/usr/bin/chromium"
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=program, args=[*FLAGS, *root])
        if pairs:
            starts(browser, pairs)
        with serve_starter(Path(folder) / "state") as marine:
            taken, least = searches(browser, marine), floor(marine)
        browser.close()
    print(
        f"results {statistics.median(taken):.0f} ms after the last key"
        f" ({min(taken):.0f} to {max(taken):.0f}, {len(taken)} searches);"
        f" the catalogue's own answer {statistics.median(least):.1f} ms"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
