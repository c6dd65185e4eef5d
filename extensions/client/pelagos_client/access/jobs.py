"""Exports that a source prepares: a job is made, asked about, and its result fetched.

Protocol: see `ecotaxa`. What is known of a job stands in a dict that its caller keeps.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from pelagos_client.access.model import AccessError, FilePlan, Waiting
from pelagos_client.download.asking import Said
from pelagos_client.download.errors import BusyError, DownloadError, NotAllowedError, ProtocolError
from pelagos_client.download.exchange import retry_after

_FIRST, _LONGEST, _GROWTH = 5.0, 300.0, 1.6  # seconds between two polls
_PATIENCE = 3 * 24 * 3600.0
_QUEUED = "The source prepares it, or has it in a queue."
_SHOWN = 200  # characters of a source's reason
_READ = 4_000  # and so many are looked at
Ask = Callable[[str, str, Any], Said]  # method, address, JSON


def create(plan: FilePlan, ask: Ask) -> Waiting:
    """Ask the source to prepare the file. Raises DownloadError, AccessError."""
    order = plan.request["create"]
    said = ask("POST", order["url"], order["body"])
    found = _answer(plan, said)
    errors, number = found.get(order["errors"]), found.get(order["job"])
    if errors:
        raise _failed(plan, errors)
    if type(number) is not int or number <= 0:
        raise ProtocolError(
            f"{plan.name}: the source gave no number of a job.", "Try again later.", again=True
        )
    job = {"protocol": "ecotaxa", "number": number, "since": time.time(), "polls": 0}
    return Waiting(_FIRST, job, "The source prepares it.")


def poll(plan: FilePlan, job: dict[str, Any], ask: Ask) -> Waiting | str:
    """How a job stands: the address of its result once it is done.

    Raises DownloadError, AccessError if it ended otherwise.
    """
    number, polls, since = job.get("number"), job.get("polls"), job.get("since")
    if type(number) is not int or type(polls) is not int or not isinstance(since, int | float):
        raise AccessError(f"{plan.name}: what was kept of its job can't be read.", "Retry it.")
    order = plan.request["poll"]
    said = ask("GET", order["url"].replace("{job}", str(number)), None)
    if said.status in (404, 410):
        raise AccessError(
            f"{plan.name}: the source does not know its job any more.",
            "Retry it: the source prepares it anew.",
        )
    found = _answer(plan, said)
    state = found.get(order["state"])
    if state in order["done"]:
        return str(plan.request["fetch"]["url"]).replace("{job}", str(number))
    if state in order["failed"]:
        raise _failed(plan, found.get("errors"))
    if state in order["asks"]:
        raise AccessError(
            f"{plan.name}: the source wants an answer of the owner of its job.",
            "Tell the operator, whose account prepares it; or order it at the source.",
        )
    if time.time() - since > _PATIENCE:
        raise DownloadError(
            f"{plan.name}: the source has not prepared it within three days.", "Retry it."
        )
    seconds = min(_FIRST * _GROWTH ** min(polls + 1, 20), _LONGEST)
    percent = found.get("progress_pct")
    note = f"The source prepares it ({percent} %)." if type(percent) is int else ""
    return Waiting(
        seconds,
        {**job, "polls": polls + 1},
        note or "The source prepares it, or has it in a queue.",
    )


def _answer(plan: FilePlan, said: Said) -> dict[str, Any]:
    """The answer, if it is one. Raises DownloadError."""
    if said.status in (401, 403):
        raise NotAllowedError(
            f"{plan.name}: the source does not prepare it for us (HTTP {said.status}).",
            "It may want a token, which the operator sets for this source (token_file).",
        )
    if said.status in (429, 503):
        raise BusyError(
            f"{plan.name}: the source is busy (HTTP {said.status}).",
            "Try again later.",
            again=retry_after(said.headers.get("retry-after", "")) or True,
        )
    if said.status != 200:
        raise DownloadError(
            f"{plan.name}: the source answered HTTP {said.status}.",
            "Try again later.",
            again=said.status >= 500,
        )
    found = said.json()
    if not isinstance(found, dict):
        raise ProtocolError(f"{plan.name}: the source's answer can't be read.", "Try again later.")
    return found


def _failed(plan: FilePlan, errors: Any) -> AccessError:
    """What the source says, as far as it is for people."""
    words = [one for one in errors if isinstance(one, str)] if isinstance(errors, list) else []
    said = " ".join(words)[:_READ]
    text = " ".join(re.sub(r"[^\x20-\x7e\xa0-\uffff]+|<[^<>]*>", " ", said).split())
    # paths, addresses and traces say something of the source's machine, and nothing to a person
    if re.search(r"://|/\w+/\w+|\\|Traceback|File \"", text):
        text = ""
    reason = f": {text[:_SHOWN].rstrip('. ')}" if text else ""
    return AccessError(
        f"{plan.name}: the source could not prepare it{reason}.",
        "Order less of it, or try again later.",
    )
