"""What lies beside an order's files: the query, citations, licences, checksums, an RO-Crate."""

from pelagos_client.documents.model import Citation, DeliveredFile, OrderFacts

__all__ = ["Citation", "DeliveredFile", "OrderFacts"]
