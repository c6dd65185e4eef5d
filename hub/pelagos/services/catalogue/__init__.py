"""The catalogue service: a STAC API over the index, and its pages."""
