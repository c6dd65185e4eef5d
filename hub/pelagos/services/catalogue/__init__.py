"""The catalogue service: a STAC API over the index, and its pages."""

import logging

# it warns of settings that it reads when it is imported, and that we never use
logging.getLogger("stac_fastapi.types.config").setLevel(logging.ERROR)
