"""`python -m pelagos_client`: the same as `pelagos-data`."""

import sys

from pelagos_client.cli import main

sys.exit(main())
