import json
from pathlib import Path

import pytest
from jinja2 import ChoiceLoader, DictLoader, Environment, FileSystemLoader
from pelagos.backends.base import server_spec
from pelagos.backends.docker import host_config
from pelagos.deployment import TEMPLATES, Deployment, State
from pelagos.hubconfig import configure
from pelagos.hubconfig.auth import groups_of
from pelagos.hubconfig.roles import SCOPES
from pelagos.images import ImageGraph
from pelagos.settings import BackendKind, Settings, VirtualLab
from pelagos.virtual_labs import select
from support import facts_of
from traitlets.config import Config


@pytest.fixture
def c(deployment: Deployment) -> Config:
    c = Config()
    configure(c, deployment)
    return c


def test_configuring_twice_changes_nothing(c: Config, deployment: Deployment) -> None:
    again = Config()
    configure(again, deployment)
    again.JupyterHub.template_vars = c.JupyterHub.template_vars  # functions compare by identity
    assert c == again


def test_servers_and_proxy_outlive_the_hub(c: Config) -> None:
    assert c.JupyterHub.cleanup_servers is False
    assert c.ConfigurableHTTPProxy.should_start is False


def test_the_hub_listens_on_the_servers_network_only(c: Config, deployment: Deployment) -> None:
    assert c.JupyterHub.hub_bind_url == f"http://{deployment.facts.hub_address}:8081"


def test_images_can_only_be_ours_and_are_never_pulled(c: Config, deployment: Deployment) -> None:
    assert set(c.DockerSpawner.allowed_images.values()) == {
        image.reference for image in deployment.images.values()
    }
    assert c.DockerSpawner.pull_policy == "skip"


def test_each_service_has_a_token_of_its_own_and_only_its_scopes(c: Config) -> None:
    tokens = {service["api_token"] for service in c.JupyterHub.services}
    assert len(tokens) == len(SCOPES)
    for role in c.JupyterHub.load_roles:
        if role["name"] in ("user", "server"):  # JupyterHub's own
            continue
        assert role["services"] == [role["name"]]
        assert role["scopes"] == SCOPES[role["name"]]


def test_no_service_has_every_scope() -> None:
    for scopes in SCOPES.values():
        assert not {"admin:hub", "inherit", "self"} & set(scopes)


def test_secrets_are_kept_and_private(c: Config, deployment: Deployment) -> None:
    secrets = deployment.state.secrets
    assert secrets.stat().st_mode & 0o777 == 0o700
    files = list(secrets.iterdir())
    assert {"cookie", "proxy", "user-password", "admin-password"} <= {f.name for f in files}
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in files)
    before = {path: path.read_text() for path in files}
    configure(Config(), deployment)
    assert {path: path.read_text() for path in files} == before


def test_the_process_backend_uses_local_processes(state: State, graph: ImageGraph) -> None:
    c = Config()
    deployment = Deployment(state, facts_of(state, BackendKind.PROCESS), Settings(), graph)
    configure(c, deployment)
    assert c.JupyterHub.spawner_class.endswith("PelagosProcessSpawner")
    assert "DockerSpawner" not in c


def test_a_virtual_lab_is_two_groups() -> None:
    settings = Settings(virtual_labs=[VirtualLab(name="reef", members=["ada"], managers=["zoe"])])
    assert groups_of(settings) == {
        "reef": {"users": ["ada"]},
        "reef:managers": {"users": ["zoe"]},
    }


def test_a_container_is_hardened_and_limited(deployment: Deployment) -> None:
    spec = server_spec(deployment, "ada", "", select(deployment.settings, [], {"size": "medium"}))
    config = host_config(spec)
    assert config["cap_drop"] == ["ALL"]
    assert config["security_opt"] == ["no-new-privileges:true"]
    assert config["mem_limit"] == config["memswap_limit"] == 4 * 2**30
    assert config["pids_limit"] == 1024
    assert config["read_only"] is True
    assert config["privileged"] is False
    assert config["network_mode"] == deployment.network


def test_labels_say_whose_a_container_is(deployment: Deployment) -> None:
    spec = server_spec(
        deployment, "ada", "ocean-climate", select(deployment.settings, [], {}, "ocean-climate")
    )
    assert spec.labels["org.pelagos.user"] == "ada"
    assert spec.labels["org.pelagos.server"] == "ocean-climate"
    assert spec.labels["org.pelagos.instance"] == deployment.facts.instance


def test_libraries_are_told_the_number_of_threads(deployment: Deployment) -> None:
    spec = server_spec(deployment, "ada", "", select(deployment.settings, [], {"size": "medium"}))
    assert spec.environment["OMP_NUM_THREADS"] == "2"
    assert spec.environment["PYTHON_CPU_COUNT"] == "2"


def test_the_config_file_stays_short(root: Path) -> None:
    assert len((root / "jupyterhub_config.py").read_text().splitlines()) <= 40


def test_facts_are_written_and_read_back(deployment: Deployment) -> None:
    deployment.state.write(deployment.facts, deployment.settings)
    assert deployment.state.facts() == deployment.facts
    assert deployment.state.settings() == deployment.settings
    assert json.loads(deployment.state.facts_file.read_text())["port"] == 8000
    assert deployment.state.facts_file.stat().st_mode & 0o777 == 0o600


def test_the_menu_names_pages_as_they_name_themselves() -> None:
    above = """{% for service in services %}{% block service scoped %}{% endblock %}{% endfor %}
        {% block logo %}{% endblock %}{% block title %}{% endblock %}
        {% block footer %}{% endblock %}{% block stylesheet %}{% endblock %}"""
    own = FileSystemLoader(TEMPLATES)
    loader = ChoiceLoader([DictLoader({"templates/page.html": above}), own])
    services = [{"name": name, "href": f"/services/{name}/"} for name in ("datapool", "wiki")]
    page = Environment(loader=loader, autoescape=True).get_template("page.html")
    text = page.render(services=services, site=Settings().site, base_url="/hub/")
    assert '<a class="dropdown-item" href="/services/datapool/">Your orders</a>' in text
    assert '<a class="dropdown-item" href="/services/wiki/">wiki</a>' in text
