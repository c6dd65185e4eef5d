"""A few small requests at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from jupyterlab_pelagos.base import Refused
from jupyterlab_pelagos.models.problem import Problem

T = TypeVar("T")

SECONDS = 20.0  # for all of them
_WORKERS = 4  # a catalogue serves others, too


def together(
    work: Callable[[str], T], names: Sequence[str]
) -> tuple[dict[str, T], Exception | None]:
    """What `work` gives for each name, and why the first failed that did.

    What failed is left out, and so is what was not there when time was up.
    """
    from pelagos_client.errors import PelagosError

    found: dict[str, T] = {}
    error: Exception | None = None
    deadline = time.monotonic() + SECONDS
    pool = ThreadPoolExecutor(min(_WORKERS, max(1, len(names))))
    waiting: dict[str, Future[T]] = {name: pool.submit(work, name) for name in names}
    try:
        for name, one in waiting.items():
            try:
                found[name] = one.result(max(0.0, deadline - time.monotonic()))
            except (PelagosError, Refused) as failed:
                error = error or failed
            except TimeoutError:
                error = error or _late()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return found, error


def _late() -> Refused:
    return Refused(
        504,
        Problem(
            f"The catalogue did not answer within {SECONDS:.0f} seconds.",
            "Narrow the search, or try again in a minute.",
        ),
    )
