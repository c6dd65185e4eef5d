"""What lies beside an order's files: the query, citations, licences, checksums, an RO-Crate."""

from pelagos_client.documents.citing import citations
from pelagos_client.documents.model import Citation, DeliveredFile, OrderFacts
from pelagos_client.documents.writing import write

__all__ = ["Citation", "DeliveredFile", "OrderFacts", "citations", "write"]
