"""`python -m pelagos.services.workspace`."""

from pelagos.services.workspace.service import main

main()
