"""What the panel is told of its server."""

from __future__ import annotations

import pytest
from lab_server import Ask


def test_without_a_hub_there_is_no_catalogue(ask: Ask) -> None:
    told = ask("GET", "about").json
    assert told["hub"] is False
    assert told["catalogue"] == "none"
    assert told["links"] == {}


def test_no_token_is_told(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "very-secret")
    monkeypatch.setenv("PELAGOS_CATALOGUE_API", "http://127.0.0.1:9/services/catalogue/")
    answer = ask("GET", "about")
    assert b"very-secret" not in answer.body
    assert answer.json["catalogue"] == "vre"
