"""What a Pelagos server adds to Jupyter Server. Import the submodules; this one stays empty."""
