"""What runs beside JupyterHub with a scoped token of its own."""
