"""`python -m pelagos.services.downloader`."""

from pelagos.services.downloader.service import main

main()
