"""The tables of the data pool: they are the queue, and all that is remembered of orders.

Times are Unix seconds, sizes bytes. The same on SQLite and PostgreSQL.

Who changes what, so that two programs never contradict each other:

- The service makes orders (queued), cancels and deletes them, and asks for another try (queued). It
  puts files that an order needs and that are absent or failed to queued.
- The downloader does all the rest: files from queued on, and orders from queued to ready, failed
  and expired. What no order under way wants any more it puts back to absent.

Each change of an order, by whichever program, takes the next number of `counter` in the same
transaction as `orders.changed`: what changed since is `changed > N`.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

counter = Table(
    "counter",
    metadata,
    Column("name", String(20), primary_key=True),  # one row: `changes`
    Column("value", BigInteger, nullable=False),
)

orders = Table(
    "orders",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("owner", String(255), nullable=False),
    Column("virtual_lab", String(40), nullable=False, default=""),
    Column("target", String(20), nullable=False),  # Target
    Column("state", String(20), nullable=False),  # OrderState
    Column("title", String(200), nullable=False, default=""),
    Column("criteria", Text, nullable=False),  # JSON: pelagos_client.access.Criteria
    Column("query", Text, nullable=False),  # JSON: the search as the person made it; any object
    Column("accepted", Text, nullable=False, default="[]"),  # JSON: keys of accepted terms
    Column("key", String(100), nullable=True),  # of the caller: the same key is the same order
    Column("error", Text, nullable=False, default=""),  # a sentence for its owner
    Column("notes", Text, nullable=False, default="[]"),  # JSON: sentences for its owner
    Column("attempt", Integer, nullable=False, default=1),
    Column("created", Double, nullable=False),
    Column("finished", Double, nullable=True),
    Column("expires", Double, nullable=True),  # until then its files are not evicted
    Column("changed", BigInteger, nullable=False, index=True),
    # what a progress bar needs, kept by the downloader at most twice a second
    Column("files", Integer, nullable=False),
    Column("files_ready", Integer, nullable=False, default=0),
    Column("files_failed", Integer, nullable=False, default=0),
    Column("files_waiting", Integer, nullable=False, default=0),
    Column("files_cached", Integer, nullable=False, default=0),  # were there when it was made
    Column("bytes_known", BigInteger, nullable=False, default=0),
    Column("sizes_unknown", Integer, nullable=False, default=0),  # files
    Column("bytes_done", BigInteger, nullable=False, default=0),
    Column("bytes_copied", BigInteger, nullable=False, default=0),  # to the workspace
    Column("folder", Text, nullable=False, default=""),  # below the target, once it is there
    UniqueConstraint("owner", "key"),
    Index("ix_orders_owner_number", "owner", "number"),
    Index("ix_orders_state", "state"),
    Index("ix_orders_virtual_lab_number", "virtual_lab", "number"),
    sqlite_autoincrement=True,  # a number is never given twice
)

# STAC documents as they were when they were ordered; by the SHA-256 of their text
records = Table(
    "records",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("document", Text, nullable=False),
)

order_items = Table(
    "order_items",
    metadata,
    Column("order", ForeignKey("orders.number", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("collection", String(600), nullable=False),
    Column("item", String(600), nullable=False),
    Column("item_record", ForeignKey("records.digest"), nullable=False, index=True),
    Column("collection_record", ForeignKey("records.digest"), nullable=True, index=True),
)

files = Table(
    "files",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    # what it is: SHA-256 of source, collection, item, asset, request, declared size and checksum
    Column("identity", String(64), nullable=False, unique=True),
    # where it is below the pool: SOURCE/COLLECTION/ITEM/NAME
    Column("place", String(1000), nullable=False, unique=True),
    Column("source", String(40), nullable=False),
    Column("collection", String(600), nullable=False),
    Column("item", String(600), nullable=False),
    Column("plan", Text, nullable=False),  # JSON: pelagos_client.access.FilePlan
    Column("item_record", ForeignKey("records.digest"), nullable=False, index=True),
    Column("state", String(20), nullable=False),  # FileState
    Column("declared", BigInteger, nullable=True),  # size
    Column("size", BigInteger, nullable=True),  # of what is there
    Column("checksum", String(200), nullable=False, default=""),  # multihash of what is there
    Column("proof", String(20), nullable=False, default=""),  # pelagos_client.download.Proof
    Column("url", Text, nullable=False, default=""),  # where it came from, without a query
    Column("etag", Text, nullable=False, default=""),
    Column("modified", Text, nullable=False, default=""),
    Column("notes", Text, nullable=False, default="[]"),  # JSON
    Column("error", Text, nullable=False, default=""),
    Column("done", BigInteger, nullable=False, default=0),
    Column("tries", Integer, nullable=False, default=0),
    Column("not_before", Double, nullable=False, default=0),
    Column("job", Text, nullable=False, default=""),  # JSON: what a source prepares
    Column("fetched", Double, nullable=True),
    Column("used", Double, nullable=False, default=0),  # the last order that took it
    Index("ix_files_state_not_before", "state", "not_before"),
    Index("ix_files_source", "source"),
)

order_files = Table(
    "order_files",
    metadata,
    Column("order", ForeignKey("orders.number", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("file", ForeignKey("files.id"), nullable=False, index=True),
    Column("path", Text, nullable=False),  # below the order's folder
    Column("cached", Boolean, nullable=False, default=False),
    # what the order had when it was ready: another one later means that the source changed
    Column("checksum", String(200), nullable=False, default=""),
    Column("note", Text, nullable=False, default=""),  # such as: the source changed since
)

# what only the downloader knows, since the beginning, for metrics: added to, never reset
tallies = Table(
    "tallies",
    metadata,
    Column("name", String(40), primary_key=True),  # bytes, files, failures, retries, evicted_…
    Column("source", String(40), primary_key=True),  # "" for what belongs to none
    Column("value", BigInteger, nullable=False, default=0),
)
