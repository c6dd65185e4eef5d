"""A quick look at data: what to show of an xarray.Dataset or a pandas.DataFrame, made small.

Runs in a process of its own (`jupyterlab_pelagos.preview_child`), never in the server.
"""
