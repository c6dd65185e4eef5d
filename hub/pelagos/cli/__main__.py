"""`python -m pelagos.cli`."""

from pelagos.cli import main

main()
