"""Writes docs/reference/datapool-openapi.json from the application.

`python -m pelagos.services.datapool.generate` writes it; the tests fail where it is stale.
"""

from __future__ import annotations

import json
from pathlib import Path

from pelagos.datapool.database import url_of
from pelagos.deployment import ROOT
from pelagos.services.datapool.service import app_for
from pelagos.services.datapool.store import Store
from pelagos.services.identity import Hub
from pelagos.services.workspace.agent import Agent
from pelagos.settings import Settings

TARGET = ROOT / "docs" / "reference" / "datapool-openapi.json"


def description() -> str:
    """The OpenAPI description, as text."""
    nowhere = Path("/nonexistent")
    app = app_for(
        Settings(),
        Hub("http://127.0.0.1:1", "datapool", ""),
        "",
        Store(url_of(nowhere)),
        Agent(nowhere),
        folder=nowhere,
        index=nowhere,
        pool=nowhere,
    )
    return json.dumps(app.openapi(), indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write it."""
    TARGET.write_text(description())


if __name__ == "__main__":
    main()
