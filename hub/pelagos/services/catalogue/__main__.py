"""`python -m pelagos.services.catalogue`."""

from pelagos.services.catalogue.service import main

main()
