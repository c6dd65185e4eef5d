"""Every recording, through the real harvester into a real index: each record is accounted for."""

from __future__ import annotations

import threading
from pathlib import Path

from connector_cases import Case
from pelagos.catalogue.harvest import INDEX_FILE, RUNS_FILE
from pelagos.catalogue.harvest.harvester import Options
from pelagos.catalogue.harvest.records import Rejection, Run, RunState
from pelagos.catalogue.harvest.runs import Runs
from pelagos.catalogue.index import Reader, check
from pelagos.catalogue.query import Criteria, Slice
from pelagos.services.harvester import opened
from stac_schemas import problems
from support import until
from test_connectors_contract import each_case, replay


def harvested(case: Case, url: str, folder: Path) -> tuple[Run, list[Rejection]]:
    """One run of the case's source, as the harvester does it."""
    source = case.source(url)
    stop = threading.Event()
    with opened(folder, [source], Options(contact="tests"), stop) as harvester:
        thread = threading.Thread(target=harvester.run)
        thread.start()
        try:
            with Runs(folder / RUNS_FILE, write=False) as runs:

                def over() -> Run | None:
                    last = runs.source(source.name).last
                    return last if last and last.state.over else None

                run: Run = until(over, 60, "the run")
                rejections = runs.rejections(run.id)
        finally:
            stop.set()
            thread.join(30)
    return run, rejections


@each_case
def test_what_a_recording_has_is_found_by_a_search_or_rejected_with_a_reason(
    case: Case, tmp_path: Path
) -> None:
    with replay(case) as server:
        run, rejections = harvested(case, server.url, tmp_path)
    counts = run.progress.counts
    assert run.state is RunState.DONE, run.error
    assert (counts.collections, counts.stored) == (case.collections, case.granules), rejections
    assert counts.rejected == case.rejected == len(rejections), rejections
    assert all(one.which and one.reason for one in rejections)
    assert check(tmp_path / INDEX_FILE) == []
    reader = Reader(tmp_path / INDEX_FILE)
    try:
        collections = reader.collections(Criteria(), Slice(limit=500))
        assert collections.total == case.collections
        assert reader.granules(Criteria(), Slice(limit=1)).total == min(case.granules, 10_000)
        for document in collections.documents:
            assert problems(document) == []
            of_it = Criteria(collections=(document["id"],))
            for item in reader.granules(of_it, Slice(limit=20)).documents:
                assert problems(item) == []
                assert reader.granule(document["id"], item["id"], None) == item
    finally:
        reader.close()
