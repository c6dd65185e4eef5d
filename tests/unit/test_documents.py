"""What lies beside an order's files, for people, for their usual programs and for a validator."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from pelagos.services.datapool.models import WantedOrder
from pelagos_client.access import AccessError, Criteria
from pelagos_client.documents import DeliveredFile, OrderFacts, citations, write
from roc_validator import validate

DAY = date(2026, 11, 21)
SEA = {
    "type": "Collection",
    "id": "sea",
    "title": "Temperature of a sea",
    "license": "CC-BY-4.0",
    "pelagos:licence_text": "Free to use. Name the source.",
    "providers": [
        {"name": "Institute A", "roles": ["producer"], "url": "https://a.example.org"},
        {"name": "Institute B", "roles": ["producer"]},
        {"name": "Archive", "roles": ["host"], "url": "https://archive.example.org/"},
    ],
    "sci:doi": "10.17882/42182",
    "updated": "2024-05-01T00:00:00Z",
    "links": [
        {"rel": "license", "href": "https://archive.example.org/terms"},
        {"rel": "about", "href": "https://archive.example.org/sea"},
    ],
}


def item(name: str, collection: str = "sea", **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "id": name, "collection": collection, "properties": properties}


def cite(collection: dict[str, Any], **properties: Any) -> str:
    return citations([item("i", **properties)], {"sea": collection}, DAY)[0].text


# citations


def test_a_citation_is_made_of_producers_year_title_host_and_doi() -> None:
    found = citations([item("a"), item("b")], {"sea": SEA}, DAY)
    assert [str(one) for one in found] == [
        "Institute A; Institute B (2024): Temperature of a sea. Archive. "
        "https://doi.org/10.17882/42182 (accessed 2026-11-21)"
    ]
    one = found[0]
    assert (one.title, one.doi, one.url) == (
        "Temperature of a sea",
        "10.17882/42182",
        "https://doi.org/10.17882/42182",
    )
    assert one.licence == "CC-BY-4.0"
    assert one.licence_text == "Free to use. Name the source. https://archive.example.org/terms"


def test_a_records_own_citation_is_taken_word_for_word_and_the_doi_added_once() -> None:
    own = {**SEA, "sci:citation": "Us (1999). Ours"}
    assert cite(own) == "Us (1999). Ours. https://doi.org/10.17882/42182 (accessed 2026-11-21)"
    own = {**SEA, "sci:citation": "Us (1999). Ours. doi:10.17882/42182"}
    assert cite(own) == "Us (1999). Ours. doi:10.17882/42182 (accessed 2026-11-21)"


def test_an_item_with_a_doi_or_citation_of_its_own_is_cited_itself() -> None:
    items = [
        item("a"),
        item("b", **{"sci:doi": "https://doi.org/10.5281/zenodo.7", "title": "Cruise 7"}),
        item("c", **{"sci:citation": "Them (2001): Theirs."}),
        item("d", **{"sci:doi": "10.17882/42182"}),
    ]
    found = citations(items, {"sea": SEA}, DAY)
    assert [one.doi for one in found] == ["10.17882/42182", "10.5281/zenodo.7", ""]
    assert "Cruise 7" in found[1].text
    assert found[1].licence == "CC-BY-4.0", "what an item does not say, its collection says"
    assert found[2].text == "Them (2001): Theirs. (accessed 2026-11-21)"


def test_items_may_come_by_their_keys() -> None:
    by_key = {("sea", "a"): item("a"), ("sea", "b"): item("b")}
    assert citations(by_key, {"sea": SEA}, DAY) == citations(by_key.values(), {"sea": SEA}, DAY)
    assert citations({}, {}, DAY) == []


def test_a_year_that_stands_for_an_unknown_time_is_not_told() -> None:
    bare = {"id": "sea", "title": "T", "extent": {"temporal": {"interval": [[None, None]]}}}
    assert cite(bare) == "Unknown producer (n.d.): T. (accessed 2026-11-21)"
    for interval in (["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"], [7, {}], "x", []):
        assert "(n.d.)" in cite({**bare, "extent": {"temporal": {"interval": [interval]}}})
    dated = {**bare, "extent": {"temporal": {"interval": [["2001-01-01T00:00:00Z", None]]}}}
    assert "(2001)" in cite(dated)


def test_a_collection_that_nobody_knows_is_cited_by_its_items() -> None:
    found = citations([item("a", "gone", updated="2020-01-01T00:00:00Z")], {}, DAY)
    assert [one.text for one in found] == ["Unknown producer (2020): gone. (accessed 2026-11-21)"]
    assert found[0].licence == "other"


@pytest.mark.parametrize(
    "junk", [None, 7, [], {}, ["x"], [{"name": 7, "roles": 7}], "x\n\x1b[31my"]
)
def test_fields_of_the_wrong_kind_end_no_citation(junk: Any) -> None:
    names = [*SEA, "sci:citation", "extent", "pelagos:infrastructure_title"]
    for name in names:
        found = citations([item("a")], {"sea": {**SEA, name: junk}}, DAY)
        assert len(found) == 1
        assert found[0].text.isprintable()
        for field in ("title", "doi", "licence", "licence_text", "url"):
            assert getattr(found[0], field).isprintable()
    assert len(citations([{**item("a"), "properties": junk, "links": junk}], {}, DAY)) == 1


@pytest.mark.parametrize(
    ("doi", "expected"),
    [("doi:10.1/x", ""), ("10.1234/a b", ""), ("http://dx.doi.org/10.1234/a", "10.1234/a"),
     ("DOI: 10.1234/a<b>", "10.1234/a<b>"), ("javascript:1", "")],
)  # fmt: skip
def test_only_a_doi_is_a_doi(doi: str, expected: str) -> None:
    found = citations([item("a")], {"sea": {**SEA, "sci:doi": doi}}, DAY)[0]
    assert found.doi == expected
    assert found.url == ("https://archive.example.org/sea" if not expected else found.url)
    assert "<" not in found.url


# the texts


def facts(count: int = 2, /, **changes: Any) -> OrderFacts:
    moment = datetime(2026, 11, 21, 10, 0, 0, tzinfo=UTC)
    delivered = tuple(
        DeliveredFile(
            path=f"sea/i{n}/ä b.nc",
            collection="sea",
            item=f"i{n}",
            asset="data",
            size=len(content(n)),
            checksum="1220" + hashlib.sha256(content(n)).hexdigest(),
            proof="length",
            url=f"https://data.example.org/{n}.nc",
            fetched=moment,
        )
        for n in range(count)
    )
    made = OrderFacts(
        number=12,
        owner="anna",
        title="Spring",
        created=moment,
        ready=moment.replace(minute=5),
        criteria=Criteria((1.0, 40.0, 5.0, 44.0), moment, None, ("temp",)),
        query={"q": "temperature"},
        files=delivered,
        items={("sea", f"i{n}"): item(f"i{n}") for n in range(count)},
        collections={"sea": SEA},
        site="Our VRE",
        version="0.1.0",
    )
    return replace(made, **changes)


def content(number: int) -> bytes:
    return b"data of %d" % number


def written(folder: Path, order: OrderFacts) -> dict[str, str]:
    """The order's folder as it would be, with its files."""
    documents = write(order)
    for name, text in documents.items():
        (folder / name).write_text(text)
    for number, file in enumerate(order.files):
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content(number))
    return documents


def test_query_json_can_be_ordered_again_as_it_is() -> None:
    document = json.loads(write(facts())["query.json"])
    order = WantedOrder.model_validate(document["order"])
    assert [(one.collection, one.item, one.assets) for one in order.items] == [
        ("sea", "i0", ["data"]),
        ("sea", "i1", ["data"]),
    ]
    assert order.criteria.bbox == (1.0, 40.0, 5.0, 44.0)
    assert order.criteria.variables == ["temp"]
    assert order.query == {"q": "temperature"}
    assert Criteria.from_json(document["order"]["criteria"]) == facts().criteria
    assert document["files"][0]["url"] == "https://data.example.org/0.nc"


def test_what_no_json_or_text_can_hold_spoils_no_document() -> None:
    odd = {"q": float("nan"), "deep": [{"x": float("inf")}], "half": "a\ud800b"}
    order = facts(query=odd, title="half \ud800", owner="a\ud800")
    documents = write(order)
    for text in documents.values():
        text.encode()
    document = json.loads(documents["query.json"], parse_constant=pytest.fail)
    assert document["order"]["query"] == {"q": None, "deep": [{"x": None}], "half": "a?b"}


def test_sha256sum_takes_the_sums_and_finds_a_changed_file(tmp_path: Path) -> None:
    odd = replace(facts(3).files[2], path="sea/new\nline\\and.nc")
    order = facts(3, files=(*facts(3).files[:2], odd))
    written(tmp_path, order)
    check = ["sha256sum", "-c", "--strict", "SHA256SUMS"]
    done = subprocess.run(check, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(": OK") == 3
    (tmp_path / order.files[0].path).write_bytes(b"other")
    assert subprocess.run(check, cwd=tmp_path, capture_output=True).returncode == 1


def test_other_kinds_of_checksums_stand_in_a_file_of_their_own(tmp_path: Path) -> None:
    md5 = hashlib.md5(content(0), usedforsecurity=False).hexdigest()
    one, other, third = facts(3).files
    order = facts(3, files=(replace(one, checksum=f"md5:{md5}"), replace(other, checksum=""),
                            replace(third, checksum="1220nonsense")))  # fmt: skip
    documents = written(tmp_path, order)
    assert "SHA256SUMS" not in documents
    assert documents["CHECKSUMS.txt"] == f"MD5 ({one.path}) = {md5}\n"
    done = subprocess.run(["md5sum", "-c", "--strict", "CHECKSUMS.txt"], cwd=tmp_path)
    assert done.returncode == 0
    assert "SHA256SUMS" not in documents["README.txt"]


def test_the_readme_says_what_the_folder_is_until_when_and_how_to_get_it_again() -> None:
    until = datetime(2026, 12, 5, tzinfo=UTC)
    text = write(facts(expires=until, notes=("The source changed since.",)))["README.txt"]
    for part in ("Order 12: Spring", "2 files", "links into the data pool", "until 2026-12-05",
                 "pelagos-data order --again 12", "cp -rL", "The source changed since.",
                 "ro-crate-metadata.json"):  # fmt: skip
        assert part in text
    copies = write(facts(target="workspace"))
    assert "copies of yours" in copies["README.txt"]
    assert "links" not in copies["README.txt"]
    assert json.loads(copies["query.json"])["order"]["to"] == "workspace"


def test_licences_are_listed_with_their_data_sets() -> None:
    other = {"id": "ice", "title": "Ice", "license": "other"}
    order = facts()
    order = replace(
        order,
        items={**order.items, ("ice", "i"): item("i", "ice")},
        collections={**order.collections, "ice": other},
    )
    text = write(order)["LICENCES.txt"]
    assert "CC-BY-4.0\n  Free to use. Name the source." in text
    assert "  - Temperature of a sea (https://doi.org/10.17882/42182)" in text
    assert "The source says nothing. Ask it before you pass the files on.\n  - Ice" in text


def test_the_same_order_gives_the_same_texts_in_any_process() -> None:
    script = (
        "import sys; sys.path[:0] = sys.argv[1:]; from test_documents import *; "
        "print(hashlib.sha256(repr(write(facts(50))).encode()).hexdigest())"
    )
    paths = [str(Path(__file__).parent), *(path for path in sys.path if path)]
    found = {
        subprocess.run(
            [sys.executable, "-c", script, *paths], capture_output=True, text=True, check=True,
            env={"PYTHONHASHSEED": str(seed), "TZ": zone},
        ).stdout
        for seed, zone in ((1, "UTC"), (2, "Asia/Tokyo"))
    }  # fmt: skip
    assert len(found) == 1


def test_two_thousand_files_take_less_than_a_second() -> None:
    order = facts(2000)
    write(facts(1))  # imports the library
    started = time.process_time()
    write(order)
    assert time.process_time() - started < 1.0  # 0.2 s on two shared cores


def test_without_the_library_a_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "rocrate"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "rocrate", None)
    with pytest.raises(AccessError, match="pip install"):
        write(facts())


# the RO-Crate


def crate(order: OrderFacts) -> dict[str, dict[str, Any]]:
    """Its entities by identifier."""
    document = json.loads(write(order)["ro-crate-metadata.json"])
    return {entity["@id"]: entity for entity in document["@graph"]}


def test_the_crate_tells_who_got_which_files_out_of_what_and_how() -> None:
    order = facts()
    found = crate(order)
    assert found["./"]["license"] == {"@id": "https://spdx.org/licenses/CC-BY-4.0"}
    file = found["sea/i0/%C3%A4%20b.nc"]
    assert file["sha256"] == hashlib.sha256(content(0)).hexdigest()
    assert file["contentSize"] == str(len(content(0)))
    assert file["encodingFormat"] == "application/x-netcdf"
    assert file["url"] == "https://data.example.org/0.nc"
    assert file["isBasedOn"] == {"@id": "https://doi.org/10.17882/42182"}
    source = found["https://doi.org/10.17882/42182"]
    assert source["license"] == {"@id": "https://spdx.org/licenses/CC-BY-4.0"}
    assert found[source["publisher"]["@id"]]["name"] == "Archive"
    action = found["#order-12"]
    assert action["@type"] == "CreateAction"
    assert found[action["agent"]["@id"]] == {
        "@id": "#person-anna", "@type": "Person", "name": "anna",
    }  # fmt: skip
    assert found[action["instrument"]["@id"]]["version"] == "0.1.0"
    assert {one["@id"] for one in action["result"]} >= {file["@id"]}
    assert (action["startTime"], action["endTime"]) == (
        "2026-11-21T10:00:00Z",
        "2026-11-21T10:05:00Z",
    )
    assert json.loads(found["#query"]["value"])["query"] == {"q": "temperature"}
    references = json.dumps(list(found.values()))
    for identifier in found:
        assert identifier in references


def test_an_independent_validator_accepts_the_crate(tmp_path: Path) -> None:
    other = {"id": "ice", "title": "Ice", "license": "other"}
    order = facts()
    order = replace(
        order,
        owner="Anna Ö. <a@b>",
        title="",
        items={**order.items, ("ice", "i"): item("i", "ice")},
        collections={**order.collections, "ice": other},
    )
    crates = {"one": facts(), "two": order, "none": facts(0, title="x"), "copies": facts(
        target="workspace", site="", version="")}  # fmt: skip
    for name, made in crates.items():
        folder = tmp_path / name
        folder.mkdir()
        written(folder, made)
        found = validate(folder, tmp_path)
        required = [one for one in found if one.severity == "REQUIRED"]
        assert not required, name
        # recommended, and nothing that we know: whose institute a person is of, and its address
        left = {one.message for one in found}
        known = ("organizational", "The organization SHOULD have a URL")
        assert not [text for text in left if not any(part in text for part in known)], name


@pytest.mark.parametrize("fault", ["no date", "no root", "no file", "no licence"])
def test_the_validator_can_fail(tmp_path: Path, fault: str) -> None:
    folder = tmp_path / "crate"
    folder.mkdir()
    documents = written(folder, facts())
    document = json.loads(documents["ro-crate-metadata.json"])
    entities = {entity["@id"]: entity for entity in document["@graph"]}
    if fault == "no date":
        del entities["./"]["datePublished"]
    elif fault == "no root":
        document["@graph"].remove(entities["./"])
    elif fault == "no file":
        (folder / facts().files[0].path).unlink()
    else:
        del entities["./"]["license"]
    (folder / "ro-crate-metadata.json").write_text(json.dumps(document))
    assert [one for one in validate(folder, tmp_path) if one.severity == "REQUIRED"]
