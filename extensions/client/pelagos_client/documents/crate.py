"""The order as an RO-Crate (https://w3id.org/ro/crate/1.1), by the library `rocrate`.

The root is the order's folder; a CreateAction tells who got which files out of which data sets with
which query (as the Provenance chapter of the specification has it). The same order gives the same
text, byte for byte.
"""

from __future__ import annotations

import hashlib
import mimetypes
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from pelagos_client.access import AccessError
from pelagos_client.documents.citing import Cited, plain
from pelagos_client.documents.model import Citation, DeliveredFile, OrderFacts
from pelagos_client.documents.texts import checksum, count, json_text, licence_name, moment

NAME = "ro-crate-metadata.json"
_VERSION = "1.1"
# of schema.org, but younger than the context of that version
_TERMS = {name: f"http://schema.org/{name}" for name in ("creditText", "sha256")}
_SPDX = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{1,60}")
_UNKNOWN_TYPE = "application/octet-stream"
_EXTRA_TYPES = {".nc": "application/x-netcdf", ".md": "text/markdown"}


def crate_text(facts: OrderFacts, found: list[Cited], documents: Mapping[str, str]) -> str:
    """`ro-crate-metadata.json`. `documents`: the other texts of the folder, by name.

    Raises AccessError if the library is not installed.
    """
    try:
        from rocrate.rocrate import ROCrate
    except ImportError as error:
        raise AccessError(
            "The library that writes RO-Crates is not installed.",
            "Install it: pip install 'pelagos-client[documents]'.",
        ) from error
    crate = ROCrate(version=_VERSION)
    crate.metadata.extra_terms.update(_TERMS)
    _Writer(crate, facts, found).write(documents)
    content = crate.metadata.generate()
    return json_text(content, indent=1, sort=True) + "\n"


class _Writer:
    """Puts one order into a crate."""

    def __init__(self, crate: Any, facts: OrderFacts, found: list[Cited]) -> None:
        self._crate, self._facts, self._found = crate, facts, found
        self._source: dict[tuple[str, str], str] = {}  # of an item: the entity of its data set

    def write(self, documents: Mapping[str, str]) -> None:
        """Everything."""
        facts = self._facts
        sources = [self._data_set(one) for one in self._found]
        files = [self._file(file) for file in facts.files]
        for name, text in documents.items():
            self._document(name, text)
        person = self._entity(f"#person-{_anchor(facts.owner)}", "Person", name=facts.owner)
        publisher = self._organization(facts.site or "Pelagos")
        root = self._crate.root_dataset
        for key, value in {
            "name": plain(facts.title) or f"Order {facts.number}",
            "description": self._description(),
            "datePublished": moment(facts.ready),
            "identifier": f"{plain(facts.site) or 'Pelagos'}: order {facts.number}",
            "license": [{"@id": one} for one in self._licences()] or {"@id": "LICENCES.txt"},
            "author": person,
            "publisher": publisher,
            "isBasedOn": [{"@id": one} for one in sources],
            "mentions": self._action(person, sources, files),
        }.items():
            root[key] = _compact(value)

    def _description(self) -> str:
        facts, titles = self._facts, [one.citation.title for one in self._found]
        shown = "; ".join(titles[:5]) + (" and others" if len(titles) > 5 else "")
        return (
            f"{count(len(facts.files))} of {shown or 'no data set'}, ordered by {facts.owner} on "
            f"{moment(facts.created)[:10]} in the data pool of {facts.site or 'Pelagos'}."
        )

    def _entity(self, identifier: str, kind: str, /, **fields: Any) -> dict[str, str]:
        from rocrate.model import ContextEntity

        present = {
            key: _compact(value) for key, value in fields.items() if value not in ("", None, [])
        }
        self._crate.add(ContextEntity(self._crate, identifier, {"@type": kind, **present}))
        return {"@id": identifier}

    def _part(self, path: str, fields: dict[str, Any]) -> dict[str, str]:
        from rocrate.model import File

        entity = File(self._crate, None, path, properties=fields)
        self._crate.add(entity)
        return {"@id": entity.id}

    def _organization(self, name: str, url: str = "") -> dict[str, str]:
        identifier = url or f"#organization-{_anchor(name)}"
        return self._entity(identifier, "Organization", name=name, url=url)

    def _data_set(self, one: Cited) -> str:
        citation = one.citation
        name = citation.url or f"#dataset-{_anchor(one.collections[0] + citation.title)}"
        for key in one.items:
            self._source[key] = name
        self._entity(
            name,
            # not `Dataset`: that would be a part of the crate
            "CreativeWork",
            additionalType="https://schema.org/Dataset",
            name=citation.title,
            identifier=citation.url if citation.doi else [*one.collections],
            creditText=citation.text,
            url=citation.url,
            license={"@id": self._licence(citation)},
            publisher=self._publisher(one),
        )
        return name

    def _publisher(self, one: Cited) -> dict[str, str] | None:
        if not one.publisher:
            return None
        # one page may be of an organisation and of a data set: then it is the data set's
        taken = {other.citation.url for other in self._found}
        return self._organization(
            one.publisher, "" if one.publisher_url in taken else one.publisher_url
        )

    def _licences(self) -> list[str]:
        return list(dict.fromkeys(_licence_id(one.citation) for one in self._found))

    def _licence(self, citation: Citation) -> str:
        name = _licence_id(citation)
        self._entity(
            name,
            "CreativeWork",
            name=licence_name(citation.licence),
            description=citation.licence_text or f"See LICENCES.txt: {citation.licence}.",
            identifier=name if name.startswith("http") else "",
        )
        return name

    def _file(self, file: DeliveredFile) -> dict[str, str]:
        found = checksum(file)
        source = self._source.get((file.collection, file.item))
        fields: dict[str, Any] = {
            "name": file.path.rpartition("/")[2],
            "description": f"{file.asset} of {file.item}{', a part' if file.is_subset else ''}",
            "contentSize": str(file.size),
            "encodingFormat": _type(file),
        }
        if found is not None and found.kind == "sha256":
            fields["sha256"] = found.digest.hex()
        if file.fetched:
            fields["sdDatePublished"] = moment(file.fetched)
        # one of the VRE's own files has no address that anybody else could follow
        if file.url.startswith(("https://", "http://", "ftp://")):
            fields["url"] = file.url
        if source:
            fields["isBasedOn"] = {"@id": source}
        return self._part(file.path, fields)

    def _document(self, name: str, text: str) -> None:
        data = text.encode()
        kind = "application/json" if name.endswith(".json") else "text/plain"
        self._part(
            name,
            {
                "name": name,
                "description": _ABOUT.get(name, "a document of the order"),
                "contentSize": str(len(data)),
                "encodingFormat": kind,
                "sha256": hashlib.sha256(data).hexdigest(),
            },
        )

    def _action(
        self, person: dict[str, str], sources: list[str], files: list[dict[str, str]]
    ) -> dict[str, str]:
        facts = self._facts
        program = self._entity(
            "#pelagos", "SoftwareApplication", name="Pelagos", version=facts.version
        )
        asked = {"criteria": facts.criteria.to_json(), "query": facts.query}
        parameter = self._entity(
            "#query",
            "PropertyValue",
            name="query",
            value=json_text(asked, sort=True),
        )
        return self._entity(
            f"#order-{facts.number}",
            "CreateAction",
            name=f"Order {facts.number}",
            description="Files were fetched from their sources into the data pool.",
            agent=person,
            instrument=program,
            object=[*({"@id": one} for one in sources), parameter],
            result=files,
            startTime=moment(facts.created),
            endTime=moment(facts.ready),
            actionStatus="http://schema.org/CompletedActionStatus",
        )


_ABOUT = {
    "README.txt": "what this folder is",
    "query.json": "what was searched and ordered, and every file with its source",
    "CITATION.txt": "how to cite the data",
    "LICENCES.txt": "under which terms the data may be used",
    "SHA256SUMS": "checksums of the files",
    "CHECKSUMS.txt": "checksums of other kinds",
}


def _compact(value: Any) -> Any:
    """As JSON-LD has it in compacted form: one value is not a list."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _licence_id(citation: Citation) -> str:
    if citation.licence not in ("other", "proprietary") and _SPDX.fullmatch(citation.licence):
        return f"https://spdx.org/licenses/{citation.licence}"
    return f"#licence-{_anchor(citation.licence + citation.licence_text)}"


def _anchor(text: str) -> str:
    """A name as a fragment; different texts are different fragments."""
    if re.fullmatch(r"[A-Za-z0-9._-]{1,64}", text):
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    return f"{quote(plain(text, 40).replace(' ', '-'), safe='')}-{digest}"


def _type(file: DeliveredFile) -> str:
    if file.type:
        return plain(file.type, 200)
    ending = re.search(r"\.[A-Za-z0-9]+$", file.path)
    extra = _EXTRA_TYPES.get(ending[0].lower()) if ending else None
    # not what the machine's own tables say: the same order is the same text everywhere
    return extra or mimetypes.types_map.get(ending[0].lower() if ending else "", _UNKNOWN_TYPE)
