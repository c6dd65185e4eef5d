"""`python -m pelagos.services.datapool`."""

from pelagos.services.datapool.service import main

main()
