"""Configuration of Jupyter Server in every image.

The hub's own settings come by environment and command line, and go before these.
"""
# ruff: noqa: F821, S108 (get_config is Jupyter's; /tmp is this container's own)

c = get_config()

# A server must start quickly: each extension costs imports. These serve nothing here.
c.ServerApp.jpserver_extensions = {
    "jupyter_lsp": False,  # no language server in the image
    "notebook_shim": False,  # for configuration files of the classic notebook
    "jupyter_builder": False,
    "jupyter_server_terminals": True,
    "jupyter_resource_usage": True,
    "jupyterlab": True,
    "jupyterlab_pelagos": True,
    "nbgitpuller": True,
}
c.LabApp.extension_manager = "readonly"

c.ServerApp.open_browser = False

# Sockets in the runtime folder instead of ports that every process on the network could try.
c.KernelManager.transport = "ipc"

# Kernels and terminals go before the server when memory runs out, and say so (pelagos-server).
c.KernelProvisionerFactory.default_provisioner_name = "pelagos"
c.ServerApp.kernel_websocket_connection_class = "pelagos_server.connection.PelagosConnection"
c.ServerApp.terminado_settings = {"shell_command": ["/opt/pelagos/libexec/terminal"]}

# A full or read-only home must not stop anything: the database of trusted notebooks is the
# container's own. A trash folder in the home would hold the space that a person wants back.
c.NotebookNotary.data_dir = "/tmp/pelagos/notary"
c.FileContentsManager.delete_to_trash = False

# Limits come from MEM_LIMIT and CPU_LIMIT, which the hub sets.
c.ResourceUseDisplay.track_cpu_percent = True
# Computed every second for nobody, asleep for 50 ms per process in the server's only thread.
c.ResourceUseDisplay.enable_prometheus_metrics = False
c.ResourceUseDisplay.mem_warning_threshold = 0.1
# Using one's cores is no reason for a warning (and it compares per cent with cores).
c.ResourceUseDisplay.cpu_warning_threshold = 0
