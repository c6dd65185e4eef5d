"""The index: a SQLite file with collections and granules, searched while it is written."""
