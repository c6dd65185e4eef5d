"""A real Chromium in front of a real VRE."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from extension_packages import install
from marine import Marine, Outside, serve_marine
from pelagos.deployment import ROOT
from pelagos.images import load_graph
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from support import Vre, docker_engine

SCREENSHOTS = Path(__file__).parent / "screenshots"
BROKEN = "pelagos-test/broken:1"
FLAGS = [
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="module")
def vre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vre]:
    """The demonstration VRE, with one more image whose server ends while it starts."""
    recipe = (
        f"FROM {load_graph(ROOT)['base'].reference}\n"
        "USER root\n"
        "RUN printf '#!/bin/sh\\nsleep 3; exit 3\\n' > /opt/pelagos/bin/pelagos-singleuser\n"
        "USER jovyan\n"
    )
    docker_engine().images.build(fileobj=io.BytesIO(recipe.encode()), tag=BROKEN, rm=True)
    vre = Vre(
        tmp_path_factory.mktemp("browser") / "state",
        f"images: [python, base, {{name: broken, reference: '{BROKEN}', title: Broken}}]\n"
        "virtual_labs:\n"
        "- {name: ocean-climate, title: Ocean climate, open: true}\n"
        "- {name: marine-data-school, title: Marine data school, open: true, images: [python],\n"
        "   sizes: [small, medium], limits: {cores: 2, memory: 4 GiB}}\n",
    )
    try:
        yield vre.up("--backend", "docker")
    finally:
        vre.down()


@pytest.fixture(scope="session")
def marine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Marine]:
    """One VRE with real profiles to order, for all tests of the panel of marine data."""
    install()  # axe-core is among them
    expect.set_options(timeout=30_000)  # a machine of CI has two cores for all of it
    with serve_marine(tmp_path_factory.mktemp("marine") / "state") as running:
        yield running


@pytest.fixture(scope="module")
def outside() -> Outside:
    """What browsers asked of other machines."""
    return Outside()


@pytest.fixture(scope="module")
def browser(outside: Outside) -> Iterator[Browser]:
    """Debian's Chromium; whatever its pages ask for is looked at."""
    program = shutil.which("chromium") or "/usr/bin/chromium"
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright, pytest.MonkeyPatch.context() as patch:
        browser = playwright.chromium.launch(executable_path=program, args=[*FLAGS, *root])
        plain = browser.new_context

        def watched(**options: Any) -> BrowserContext:
            context = plain(**options)
            outside.watch(context)
            return context

        patch.setattr(browser, "new_context", watched)
        yield browser
        browser.close()


@pytest.fixture(autouse=True)
def stays_on_this_machine(outside: Outside) -> Iterator[None]:
    """No test's page asks anything of another machine."""
    outside.asked.clear()
    yield
    assert outside.asked == []


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of a person who was never here, on a laptop's screen."""
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    context.set_default_timeout(60_000)
    page = context.new_page()
    yield page
    context.close()


@pytest.fixture
def shot() -> Callable[[Page, str], None]:
    """Saves what is seen, to be looked at after the run."""
    SCREENSHOTS.mkdir(exist_ok=True)

    def save(page: Page, name: str) -> None:
        page.screenshot(path=SCREENSHOTS / f"{name}.png")

    return save
