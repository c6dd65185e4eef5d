"""The demonstration VRE as operators and scientists use it, with a real engine."""

import json
import re
import time

import httpx
import pytest
from pelagos.ops import engine
from pelagos.ops.kernel import CellError, Kernel
from pelagos.volumes import home_volume
from support import Person, Vre, docker_engine, leeway, pelagos, until

pytestmark = pytest.mark.engine


def test_check_passes_and_leaves_no_trace(vre: Vre) -> None:
    done = vre.run("check", "--json")
    result = json.loads(done.stdout)
    assert done.returncode == 0, result
    assert result["ok"]
    assert {"name", "ok", "seconds", "detail"} == set(result["steps"][0])
    assert not [c for c in vre.containers() if "pelagos-check" in c.name]
    mine = f"pelagos-{vre.state.instance()}-home.pelagos-2dcheck"
    assert not [v for v in docker_engine().volumes.list() if v.name.startswith(mine)]
    assert not list((vre.folder / "workspaces").glob("deleted/*")), "not even set aside"


def test_check_of_an_image_that_nobody_offers_fails_with_a_sentence(vre: Vre) -> None:
    done = vre.run("check", "--image", "matlab")
    assert done.returncode == 1
    assert "No virtual lab offers the image 'matlab'" in done.stderr
    assert "Traceback" not in done.stderr


def test_up_again_is_quick_and_changes_nothing(vre: Vre) -> None:
    before = [(p["name"], p["pid"]) for p in vre.status()["processes"]]
    began = time.monotonic()
    done = vre.run("up", "--detach")
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - began < leeway(10)
    assert vre.password() in done.stdout
    assert [(p["name"], p["pid"]) for p in vre.status()["processes"]] == before


@pytest.mark.parametrize("options", [[], ["--detach", "--port", "1999"]])
def test_a_second_up_is_refused_and_leaves_the_first_running(vre: Vre, options: list[str]) -> None:
    done = vre.run("up", *options)
    assert done.returncode == 1
    assert "A VRE runs" in done.stderr
    assert "./pelagos down" in done.stderr
    assert vre.status()["hub"]


def test_a_port_in_use_is_named_with_its_user(vre: Vre, tmp_path: object) -> None:
    done = pelagos("up", "--detach", "--state", f"{tmp_path}/other", "--port", str(vre.port))
    assert done.returncode == 1
    assert f"Port {vre.port}" in done.stderr
    assert "is in use" in done.stderr
    assert "--port" in done.stderr


def test_the_password_is_private(vre: Vre) -> None:
    assert (vre.folder / "secrets" / "user-password").stat().st_mode & 0o777 == 0o600
    assert (vre.folder / "run" / "supervisord.conf").stat().st_mode & 0o777 == 0o600


def test_no_secret_is_in_a_log_or_a_command_line(vre: Vre) -> None:
    secrets = [p.read_text().strip() for p in (vre.folder / "secrets").iterdir()]
    logs = "".join(p.read_text(errors="replace") for p in (vre.folder / "logs").glob("*.log"))
    import psutil

    lines = " ".join(" ".join(p.info["cmdline"] or []) for p in psutil.process_iter(["cmdline"]))
    assert [secret[:4] for secret in secrets if secret in logs or secret in lines] == []


def test_status_shows_servers_and_their_virtual_lab(vre: Vre) -> None:
    with vre.api() as hub:
        hub.call("POST", "/users/statler")
        try:
            hub.call("POST", "/users/statler/server", {"image": "base", "size": "small"})
            until(lambda: [s for s in vre.status()["servers"] if s["ready"]], 30)
            server = next(s for s in vre.status()["servers"] if s["user"] == "statler")
            assert (server["image"], server["size"]) == ("base", "small")
        finally:
            hub.call("DELETE", "/users/statler", missing_ok=True)
    until(lambda: not [c for c in vre.containers() if "statler" in c.name], 30)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"image": "debian:latest"}, "not offered"),
        ({"image": "pelagos/python:latest"}, "not offered"),
        ({"size": "huge"}, "not offered"),
        ({"virtual_lab": "marine-data-school", "size": "large"}, "more than the 2 cores"),
        ({"mounts": [{"type": "bind", "source": "/", "target": "/host"}]}, "Unknown option"),
        ({"privileged": True}, "Unknown option"),
        ({"extra_host_config": {"privileged": True}}, "Unknown option"),
        ({"cmd": ["sleep", "1d"]}, "Unknown option"),
    ],
)
def test_foreign_options_are_refused_and_start_nothing(
    vre: Vre, options: dict[str, object], words: str
) -> None:
    before = {c.id for c in vre.containers()}
    with Person(vre, "mallory") as person:
        answer = person.post("/hub/api/users/mallory/server", json=options)
        assert answer.status_code == 400
        assert words in answer.json()["message"]
        assert {c.id for c in vre.containers()} == before
        # nor do they stick as the next default
        model = person.client.get("/hub/api/users/mallory").json()
        assert not (model.get("servers") or {}).get("", {}).get("user_options")


def test_the_form_refuses_with_a_message_on_the_page(vre: Vre) -> None:
    with Person(vre, "mallory") as person:
        answer = person.post("/hub/spawn/mallory", files={"image": (None, "evil:latest")})
        assert answer.status_code == 400
        assert 'role="alert">Image &#39;evil:latest&#39; is not offered' in answer.text
        assert "not offered" in answer.text


def test_a_link_with_options_starts_that_server(vre: Vre) -> None:
    with Person(vre, "linda") as person:
        answer = person.client.get(
            "/hub/spawn?opt-image=base&opt-size=small", headers={"Sec-Fetch-Site": "none"}
        )
        assert answer.status_code < 400, answer.text
        with vre.api() as hub:
            until(lambda: hub.call("GET", "/users/linda")["servers"][""]["ready"], 60)
            options = hub.call("GET", "/users/linda")["servers"][""]["user_options"]
            assert options == {"image": "base", "size": "small"}
            hub.call("DELETE", "/users/linda")


def test_progress_tells_each_stage(vre: Vre) -> None:
    with vre.api() as hub:
        hub.call("POST", "/users/petra")
        import threading

        post = threading.Thread(
            target=lambda: hub.call("POST", "/users/petra/server", {"image": "base"})
        )
        post.start()
        until(lambda: hub.call("GET", "/users/petra")["servers"], 20)
        with vre.api() as second:
            messages = [event["message"] for event in second.progress("petra")]
        post.join()
        hub.call("DELETE", "/users/petra")
    told = " | ".join(messages)
    for words in ("Server requested", "Image base is ready", "Starting with 1 core", "ready"):
        assert words in told


@pytest.mark.parametrize("name", ["a-b", "a.b", "ada@example.org", "zoë", "x" * 200, "a--b"])
def test_any_user_name_gets_a_server_and_a_home_of_its_own(vre: Vre, name: str) -> None:
    from urllib.parse import quote

    path = f"/users/{quote(name)}"
    with vre.api() as hub:
        hub.call("POST", path)
        try:
            hub.call("POST", f"{path}/server", {"image": "base"})
            until(lambda: hub.call("GET", path)["servers"][""]["ready"], 60)
            found = engine.containers(docker_engine(), vre.deployment, name)
            assert len(found) == 1
            mounts = {m["Destination"]: m.get("Name") for m in found[0].attrs["Mounts"]}
            home = home_volume(vre.deployment.facts.instance, name)
            assert mounts["/home/jovyan"] == home
        finally:
            hub.call("DELETE", f"{path}/server", missing_ok=True)
            until(lambda: not (hub.call("GET", path)["servers"]), 60)
            hub.call("DELETE", path)
    assert home not in [v.name for v in docker_engine().volumes.list()]


async def _run(vre: Vre, user: str, code: str, server: str = "") -> str:
    url = f"{vre.url}/user/{user}/{server}{'/' if server else ''}"
    from pelagos.hubconfig.roles import OPERATOR

    async with Kernel(url, vre.state.secret(OPERATOR)) as kernel:
        return (await kernel.run(code)).text.strip()


async def test_people_reach_neither_each_other_nor_the_host_but_the_internet_side(vre: Vre) -> None:
    with vre.api() as hub:
        for user in ("anna", "boris"):
            hub.call("POST", f"/users/{user}")
            hub.call("POST", f"/users/{user}/server", {"image": "base"})
            until(lambda user=user: hub.call("GET", f"/users/{user}")["servers"][""]["ready"], 60)
        try:
            [boris] = engine.containers(docker_engine(), vre.deployment, "boris")
            network = boris.attrs["NetworkSettings"]["Networks"][vre.deployment.network]
            facts = vre.deployment.facts
            targets = {
                "boris by address": (network["IPAddress"], 8888),
                "boris by name": (boris.name, 8888),
                "proxy": (facts.hub_address, facts.port),
                "proxy api": (facts.hub_address, facts.proxy_api_port),
                "ssh of the host": (facts.hub_address, 22),
                "metadata": ("169.254.169.254", 80),
                "hub": (facts.hub_address, facts.hub_port),
            }
            code = (
                "import socket\n"
                "def reach(host, port):\n"
                "    try:\n"
                "        socket.create_connection((host, port), timeout=3).close(); return True\n"
                "    except OSError:\n"
                "        return False\n"
                f"print({{k: reach(*v) for k, v in {targets!r}.items()}})"
            )
            reached = eval(await _run(vre, "anna", code))  # noqa: S307 - our own print
            assert [name for name, open_ in reached.items() if open_] == ["hub"]
        finally:
            for user in ("anna", "boris"):
                hub.call("DELETE", f"/users/{user}/server", missing_ok=True)
                until(lambda user=user: not hub.call("GET", f"/users/{user}")["servers"], 60)
                hub.call("DELETE", f"/users/{user}")


async def test_a_servers_token_reaches_its_own_user_only(vre: Vre) -> None:
    with vre.api() as hub:
        for user in ("carla", "dora"):
            hub.call("POST", f"/users/{user}")
        hub.call("POST", "/users/carla/server", {"image": "base"})
        until(lambda: hub.call("GET", "/users/carla")["servers"][""]["ready"], 60)
        code = (
            "import os, urllib.request, urllib.error\n"
            "def status(path):\n"
            "    url = os.environ['JUPYTERHUB_API_URL'] + path\n"
            "    auth = {'Authorization': 'token ' + os.environ['JUPYTERHUB_API_TOKEN']}\n"
            "    try:\n"
            "        request = urllib.request.Request(url, headers=auth)\n"
            "        return urllib.request.urlopen(request).status\n"
            "    except urllib.error.HTTPError as error:\n"
            "        return error.code\n"
            "print([status(p) for p in ('/user', '/users', '/users/dora', '/groups', '/proxy')])"
        )
        try:
            assert await _run(vre, "carla", code) == "[200, 403, 404, 403, 403]"
        finally:
            hub.call("DELETE", "/users/carla/server", missing_ok=True)
            until(lambda: not hub.call("GET", "/users/carla")["servers"], 60)
            for user in ("carla", "dora"):
                hub.call("DELETE", f"/users/{user}")


async def test_each_virtual_lab_can_have_a_named_server(vre: Vre) -> None:
    with vre.api() as hub:
        hub.call("POST", "/users/nina")
        hub.call("POST", "/users/nina/server", {"image": "base"})
        hub.call("POST", "/users/nina/servers/marine-data-school", {"size": "medium"})
        try:
            until(lambda: len(vre.containers()) >= 2, 60)
            until(
                lambda: all(s["ready"] for s in hub.call("GET", "/users/nina")["servers"].values()),
                60,
            )
            lab = await _run(
                vre, "nina", "import os; print(os.environ['PELAGOS_VIRTUAL_LAB'])",
                "marine-data-school",
            )  # fmt: skip
            assert lab == "marine-data-school"
            with pytest.raises(Exception, match="carries the name of a virtual lab"):
                hub.call("POST", "/users/nina/servers/other", {})
        finally:
            for path in ("server", "servers/marine-data-school"):
                hub.call("DELETE", f"/users/nina/{path}", missing_ok=True)
            until(lambda: not hub.call("GET", "/users/nina")["servers"], 60)
            hub.call("DELETE", "/users/nina")


async def test_running_out_of_memory_kills_the_kernel_and_not_the_server(vre: Vre) -> None:
    with vre.api() as hub:
        hub.call("POST", "/users/otto")
        hub.call("POST", "/users/otto/server", {"image": "python", "size": "small"})
        until(lambda: hub.call("GET", "/users/otto")["servers"][""]["ready"], 60)
        try:
            with pytest.raises(CellError) as caught:
                await _run(vre, "otto", "x = bytearray(4 * 2**30); x[::4096] = x[::4096]")
            assert re.search(r"memory", str(caught.value))
            assert await _run(vre, "otto", "print('alive')") == "alive"
        finally:
            hub.call("DELETE", "/users/otto/server", missing_ok=True)
            until(lambda: not hub.call("GET", "/users/otto")["servers"], 60)
            hub.call("DELETE", "/users/otto")


def test_pages_need_a_sign_in(vre: Vre) -> None:
    for path in ("/hub/home", "/hub/spawn", "/hub/admin", "/user/ada/lab"):
        answer = httpx.get(f"{vre.url}{path}", follow_redirects=True, timeout=30)
        assert "/hub/login" in str(answer.url), path
    assert httpx.get(f"{vre.url}/hub/api/users", timeout=30).status_code == 403


def test_doctor_finds_nothing_wrong_with_it(vre: Vre) -> None:
    done = vre.run("doctor", "--json")
    found = json.loads(done.stdout)
    wrong = [f for f in found["findings"] if f["level"] == "error"]
    assert done.returncode == 0, wrong
    assert {"settings", "engine", "isolation", "image python", "clock", "names"} <= {
        f["name"] for f in found["findings"]
    }
