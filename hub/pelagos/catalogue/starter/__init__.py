"""Descriptions of the sources that Pelagos brings along."""
