"""All of JupyterHub's configuration, one function per concern."""

from __future__ import annotations

from traitlets.config import Config

from pelagos.deployment import Deployment
from pelagos.hubconfig.auth import update_authentication
from pelagos.hubconfig.pages import update_pages
from pelagos.hubconfig.roles import update_roles
from pelagos.hubconfig.spawner import update_spawner


def configure(c: Config, deployment: Deployment) -> None:
    """Fill `c` for this VRE. Reads secrets from the state folder, touches nothing else."""
    update_hub(c, deployment)
    update_proxy(c, deployment)
    update_authentication(c, deployment)
    update_spawner(c, deployment)
    update_roles(c, deployment)
    update_pages(c, deployment)


def update_hub(c: Config, deployment: Deployment) -> None:
    """Addresses, database and the hub's own life."""
    facts, state = deployment.facts, deployment.state
    c.JupyterHub.bind_url = f"http://{facts.bind}:{facts.port}/"
    # on the gateway of the servers' network only, not on every interface of the machine
    c.JupyterHub.hub_bind_url = f"http://{facts.hub_address}:{facts.hub_port}"
    c.JupyterHub.db_url = f"sqlite:///{state.hub / 'jupyterhub.sqlite'}"
    c.JupyterHub.cookie_secret = bytes.fromhex(state.secret("cookie"))
    # servers outlive the hub: a restart or upgrade interrupts nobody
    c.JupyterHub.cleanup_servers = False
    c.JupyterHub.cleanup_proxy = False
    # the hub would refuse (429) what our own queue lets wait
    c.JupyterHub.concurrent_spawn_limit = 0
    c.JupyterHub.allow_named_servers = deployment.settings.servers.named
    c.JupyterHub.named_server_limit_per_user = len(deployment.settings.virtual_labs)
    c.JupyterHub.log_level = "INFO"


def update_proxy(c: Config, deployment: Deployment) -> None:
    """The proxy is a process of its own: it goes on while the hub restarts."""
    c.ConfigurableHTTPProxy.should_start = False
    c.ConfigurableHTTPProxy.auth_token = deployment.state.secret("proxy")
    c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{deployment.facts.proxy_api_port}"
    # with the activity the hub also compares routes: those of a proxy that was killed come back
    # within seconds, not the default's 5 minutes
    c.JupyterHub.last_activity_interval = 10
