"""The routes, one module for each part. All are below `/pelagos/`."""
