"""All documents of an order."""

from __future__ import annotations

from pelagos_client.documents import crate, texts
from pelagos_client.documents.citing import cited
from pelagos_client.documents.model import OrderFacts


def write(facts: OrderFacts) -> dict[str, str]:
    """The texts of an order's folder by file name; the same facts give the same texts.

    Raises AccessError if the library `rocrate` is not installed.
    """
    found = cited(facts.items, facts.collections, facts.ready)
    documents = {
        "query.json": texts.query(facts),
        "CITATION.txt": texts.citation_text(found),
        "LICENCES.txt": texts.licences(found),
        **texts.checksums(facts.files),
    }
    readme = texts.readme(facts, [*documents, crate.NAME])
    documents = {"README.txt": readme, **documents}
    return {**documents, crate.NAME: crate.crate_text(facts, found, documents)}
