"""What the browser and this server tell each other: the same names stand in `src/types/`.

Sizes are bytes, times RFC 3339 in UTC, places degrees in WGS 84.
"""
