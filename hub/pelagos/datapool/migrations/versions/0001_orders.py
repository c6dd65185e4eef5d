"""The tables of orders and files, as the first version had them."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make all tables."""
    op.create_table(
        "counter",
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_counter")),
    )
    op.create_table(
        "orders",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("owner", sa.String(length=255), nullable=False),
        sa.Column("virtual_lab", sa.String(length=40), nullable=False),
        sa.Column("target", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("criteria", sa.Text(), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("accepted", sa.Text(), nullable=False),
        sa.Column("key", sa.String(length=100), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("finished", sa.Double(), nullable=True),
        sa.Column("expires", sa.Double(), nullable=True),
        sa.Column("changed", sa.BigInteger(), nullable=False),
        sa.Column("files", sa.Integer(), nullable=False),
        sa.Column("files_ready", sa.Integer(), nullable=False),
        sa.Column("files_failed", sa.Integer(), nullable=False),
        sa.Column("files_waiting", sa.Integer(), nullable=False),
        sa.Column("files_cached", sa.Integer(), nullable=False),
        sa.Column("bytes_known", sa.BigInteger(), nullable=False),
        sa.Column("sizes_unknown", sa.Integer(), nullable=False),
        sa.Column("bytes_done", sa.BigInteger(), nullable=False),
        sa.Column("bytes_copied", sa.BigInteger(), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_orders")),
        sa.UniqueConstraint("owner", "key", name=op.f("uq_orders_owner_key")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_orders_changed"), "orders", ["changed"], unique=False)
    op.create_index("ix_orders_owner_number", "orders", ["owner", "number"], unique=False)
    op.create_index("ix_orders_state", "orders", ["state"], unique=False)
    op.create_index(
        "ix_orders_virtual_lab_number", "orders", ["virtual_lab", "number"], unique=False
    )
    op.create_table(
        "records",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_records")),
    )
    op.create_table(
        "files",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("identity", sa.String(length=64), nullable=False),
        sa.Column("place", sa.String(length=1000), nullable=False),
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.Column("collection", sa.String(length=600), nullable=False),
        sa.Column("item", sa.String(length=600), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("item_record", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("declared", sa.BigInteger(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("checksum", sa.String(length=200), nullable=False),
        sa.Column("proof", sa.String(length=20), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.Column("modified", sa.Text(), nullable=False),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.Double(), nullable=False),
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("fetched", sa.Double(), nullable=True),
        sa.Column("used", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["item_record"], ["records.digest"], name=op.f("fk_files_item_record_records")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_files")),
        sa.UniqueConstraint("identity", name=op.f("uq_files_identity")),
        sa.UniqueConstraint("place", name=op.f("uq_files_place")),
    )
    op.create_index(op.f("ix_files_item_record"), "files", ["item_record"], unique=False)
    op.create_index("ix_files_source", "files", ["source"], unique=False)
    op.create_index("ix_files_state_not_before", "files", ["state", "not_before"], unique=False)
    op.create_table(
        "order_items",
        sa.Column("order", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("collection", sa.String(length=600), nullable=False),
        sa.Column("item", sa.String(length=600), nullable=False),
        sa.Column("item_record", sa.String(length=64), nullable=False),
        sa.Column("collection_record", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["collection_record"],
            ["records.digest"],
            name=op.f("fk_order_items_collection_record_records"),
        ),
        sa.ForeignKeyConstraint(
            ["item_record"], ["records.digest"], name=op.f("fk_order_items_item_record_records")
        ),
        sa.ForeignKeyConstraint(
            ["order"],
            ["orders.number"],
            name=op.f("fk_order_items_order_orders"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("order", "position", name=op.f("pk_order_items")),
    )
    op.create_index(
        op.f("ix_order_items_collection_record"), "order_items", ["collection_record"], unique=False
    )
    op.create_index(
        op.f("ix_order_items_item_record"), "order_items", ["item_record"], unique=False
    )
    op.create_table(
        "order_files",
        sa.Column("order", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("file", sa.Integer(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("cached", sa.Boolean(), nullable=False),
        sa.Column("checksum", sa.String(length=200), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["file"], ["files.id"], name=op.f("fk_order_files_file_files")),
        sa.ForeignKeyConstraint(
            ["order"],
            ["orders.number"],
            name=op.f("fk_order_files_order_orders"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("order", "position", name=op.f("pk_order_files")),
    )
    op.create_index(op.f("ix_order_files_file"), "order_files", ["file"], unique=False)
    op.execute("INSERT INTO counter (name, value) VALUES ('changes', 0)")
