"""WebDAV: who may what: sign-in, shared folders, locks that hold for everybody."""

import httpx
import pytest
from dav_server import LOCK, Dav, answer_of, folder_of, move, names, propfind
from pelagos.deployment import DAV_PATH
from pelagos.node.aside import set_aside
from pelagos.services.dav.disk import ENTRY


@pytest.mark.parametrize(
    "authorization",
    ["", "Basic", "Basic !!!", "Basic YWxpY2U6", "Basic YWxpY2U=", "Bearer", "Bearer wrong",
     "Digest username=alice", "Basic YWxpY2U6d3Jvbmc="],
)  # fmt: skip
def test_without_a_right_token_nothing_opens(dav: Dav, authorization: str) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    for method in ("GET", "PROPFIND", "OPTIONS", "PUT", "DELETE"):
        answer = httpx.request(method, dav.url("alice", "a"), headers=headers)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")
        assert "/hub/token" in answer.text


def test_a_token_opens_as_bearer_too(dav: Dav) -> None:
    token = dav.hub_server.person("alice")
    for scheme in ("Bearer", "token"):
        headers = {"Authorization": f"{scheme} {token}", "Depth": "0"}
        answer = httpx.request("PROPFIND", dav.url("alice"), headers=headers)
        assert answer.status_code == 207


@pytest.mark.parametrize("scopes", [(), ("self",), ("access:services!service=other",)])
def test_a_token_without_the_scope_opens_nothing(dav: Dav, scopes: tuple[str, ...]) -> None:
    token = dav.hub_server.person("alice", scopes=scopes)
    assert httpx.get(dav.url("alice", "a"), auth=("alice", token)).status_code == 401


def test_a_services_token_opens_nothing(dav: Dav) -> None:
    token = dav.hub_server.person("alice")
    dav.hub_server.tokens[token]["kind"] = "service"
    assert httpx.get(dav.url("alice", "a"), auth=("alice", token)).status_code == 401


def test_a_token_opens_its_owners_files_only(dav: Dav, alice: httpx.Client) -> None:
    alice.put("a", content=b"1")
    token = dav.hub_server.person("bob")
    assert httpx.get(dav.url("alice", "a"), auth=("alice", token)).status_code == 401
    theirs = httpx.get(dav.url("alice", "a"), auth=("bob", token))
    assert (theirs.status_code, "somebody else" in theirs.text) == (403, True)
    listed = httpx.request(
        "PROPFIND", f"http://127.0.0.1:{dav.port}{DAV_PATH}/", auth=("bob", token),
        headers={"Depth": "1"},
    )  # fmt: skip
    assert names(listed) == [f"{DAV_PATH}/", f"{DAV_PATH}/bob/"]


def test_a_revoked_token_is_refused_within_seconds(dav: Dav) -> None:
    token = dav.hub_server.person("alice")
    with httpx.Client(auth=("alice", token), base_url=dav.url("alice")) as client:
        assert propfind(client).status_code == 207
        del dav.hub_server.tokens[token]
        dav.clock.now += 10
        assert propfind(client).status_code == 401


def test_while_the_hub_is_away_who_was_known_works_on_for_a_minute(dav: Dav) -> None:
    token = dav.hub_server.person("alice", "secret")
    with httpx.Client(auth=("alice", token), base_url=dav.url("alice")) as client:
        assert f"{DAV_PATH}/alice/shared/secret/" in names(propfind(client, "shared/"))
        dav.hub_server.leave()
        dav.clock.now += 59
        assert f"{DAV_PATH}/alice/shared/secret/" in names(propfind(client, "shared/"))
        dav.clock.now += 2
        refused = propfind(client)
        assert refused.status_code == 503
        assert refused.headers["Retry-After"]
        assert "JupyterHub does not answer" in refused.text
        dav.hub_server.come()
        assert propfind(client).status_code == 207


def test_the_mounts_password_works_without_the_hub_and_only_past_the_proxy(dav: Dav) -> None:
    dav.hub_server.leave()
    auth = ("alice", dav.mount_password("alice"))
    found = httpx.request(
        "PROPFIND", dav.url("alice", "shared/"), auth=auth, headers={"Depth": "1"}
    )
    # never known: what is open to all
    assert names(found)[1:] == [f"{DAV_PATH}/alice/shared/ocean/"]
    dav.hub_server.come()
    outside = httpx.get(dav.url("alice", "a"), auth=auth, headers={"X-Forwarded-For": "1.2.3.4"})
    assert outside.status_code == 401
    # the header that a WSGI environment could take for it is no way around
    assert httpx.get(dav.url("bob", "a"), auth=("bob", auth[1])).status_code == 401


def test_a_header_with_an_underscore_is_not_the_one_with_a_dash(dav: Dav) -> None:
    headers = "X_Forwarded_For: 1\r\nDepth: 0\r\n"
    with dav.raw("alice", "PROPFIND", f"{DAV_PATH}/alice/", headers) as connection:
        assert answer_of(connection)[0] == 207


def test_tokens_are_neither_kept_nor_logged(
    dav: Dav, alice: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="pelagos")
    token = next(iter(dav.hub_server.tokens))
    alice.put("a?token=" + token, content=b"1")
    alice.get("a", headers={"Authorization": "Bearer wrong-token"})
    assert "PUT" in caplog.text
    assert "token" not in caplog.text
    assert token not in str(vars(dav.hub._tokens))


def test_a_user_name_may_hold_almost_anything(dav: Dav) -> None:
    for name in ("jörg@example.org", "a\\..\\b", "a%2fb", "shared", "☃", "..x"):
        with dav.client(name) as client:
            expected = 400 if "\\..\\" in name else 201
            assert client.put("x", content=name.encode()).status_code == expected
            if expected == 201:
                assert (folder_of(dav, name) / "x").read_bytes() == name.encode()


def test_members_share_and_others_see_nothing(
    dav: Dav, alice: httpx.Client, bob: httpx.Client
) -> None:
    base = f"{DAV_PATH}/alice/shared/"
    labs = [f"{base}{name}/" for name in ("course", "ocean", "reef")]
    assert names(propfind(alice, "shared/")) == [base, *labs]
    assert alice.put("shared/reef/a", content=b"1").status_code == 201
    assert bob.get("shared/reef/a").content == b"1"
    assert bob.delete("shared/reef/a").status_code == 204
    for answer in (
        bob.get("shared/course/a"), bob.put("shared/course/a", content=b"1"),
        propfind(bob, "shared/secret/"), bob.request("MKCOL", "shared/new"),
    ):  # fmt: skip
        assert answer.status_code == 404, answer.text


def test_only_managers_write_where_members_may_not(dav: Dav, alice: httpx.Client) -> None:
    with dav.client("zoe", "course:managers") as zoe:
        assert zoe.put("shared/course/a", content=b"1").status_code == 201
        assert alice.get("shared/course/a").content == b"1"
        alice.put("own", content=b"1")
        refused = [
            alice.put("shared/course/a", content=b"2"),
            alice.put("shared/course/b", content=b"2"),
            alice.delete("shared/course/a"),
            alice.request("MKCOL", "shared/course/d"),
            alice.request("PROPPATCH", "shared/course/a", content="<x/>"),
            alice.request("LOCK", "shared/course/a", content="<x/>"),
            move(alice, dav, "shared/course/a", "mine"),
            move(alice, dav, "own", "shared/course/own"),
            move(alice, dav, "own", "shared/course/own", "COPY"),
        ]
        assert [answer.status_code for answer in refused] == [403] * len(refused)
        assert all("Only managers of the virtual lab course" in r.text for r in refused)
        assert move(alice, dav, "shared/course/a", "mine", "COPY").status_code == 201
        assert alice.get("mine").content == b"1"


def test_the_folder_shared_is_the_servers(dav: Dav, alice: httpx.Client) -> None:
    alice.put("a", content=b"1")
    answers = [
        alice.delete("shared"), alice.delete("shared/reef"), alice.put("shared", content=b"1"),
        alice.put("shared/x", content=b"1"), alice.request("MKCOL", "shared/x"),
        alice.request("MKCOL", "shared"), move(alice, dav, "shared", "x"),
        move(alice, dav, "a", "shared"), move(alice, dav, "a", "shared/reef"),
        alice.delete(""), move(alice, dav, "", "x"),
        alice.request("LOCK", "shared", content="<x/>"),
    ]  # fmt: skip
    assert {answer.status_code for answer in answers} <= {403, 404, 405}
    hidden = folder_of(dav, "alice") / "shared"
    hidden.mkdir()
    (hidden / "reef").write_bytes(b"hidden")
    assert names(propfind(alice)).count(f"{DAV_PATH}/alice/shared/") == 1
    assert alice.get("shared/reef").status_code == 403  # the virtual lab's folder, not the file


def test_somebody_who_left_a_virtual_lab_is_out_within_half_a_minute(dav: Dav) -> None:
    with dav.client("carol", "secret") as carol:
        assert carol.put("shared/secret/a", content=b"1").status_code == 201
        dav.hub_server.groups["carol"] = []
        dav.clock.now += 30
        assert carol.get("shared/secret/a").status_code == 404


def test_a_lock_holds_for_everybody_and_over_a_restart(
    dav: Dav, alice: httpx.Client, bob: httpx.Client
) -> None:
    alice.put("shared/reef/a", content=b"1")
    locked = alice.request("LOCK", "shared/reef/a", content=LOCK)
    assert locked.status_code == 200, locked.text
    token = locked.headers["Lock-Token"]
    assert f"{DAV_PATH}/alice/shared/reef/a" in locked.text
    refused = bob.put("shared/reef/a", content=b"2")
    assert refused.status_code == 423
    assert f"{DAV_PATH}/bob/shared/reef/a" in refused.text
    for answer in (
        bob.delete("shared/reef/a"), move(bob, dav, "shared/reef/a", "x"),
        bob.request("LOCK", "shared/reef/a", content=LOCK),
        bob.put("shared/reef/a", content=b"2", headers={"If": f"({token}) (Not <x:y>)"}),
    ):  # fmt: skip
        assert answer.status_code == 423
    assert bob.request("UNLOCK", "shared/reef/a", headers={"Lock-Token": token}).status_code == 403
    assert bob.request("LOCK", "shared/reef/a", headers={"If": f"({token})"}).status_code == 403
    seen = bob.request("PROPFIND", "shared/reef/a", headers={"Depth": "0"})
    assert f"<D:href>{DAV_PATH}/bob/shared/reef/a</D:href></D:lockroot>" in seen.text
    dav.stop()
    dav.start()
    alice.base_url, bob.base_url = dav.url("alice"), dav.url("bob")
    assert bob.put("shared/reef/a", content=b"2").status_code == 423
    assert alice.put("shared/reef/a", content=b"2").status_code == 423
    mine = {"If": f"({token})"}
    assert alice.put("shared/reef/a", content=b"2", headers=mine).status_code == 204
    assert alice.request("UNLOCK", "shared/reef/a", headers={"Lock-Token": token}).is_success
    assert bob.put("shared/reef/a", content=b"3").status_code == 204


def test_a_refused_lock_leaves_no_file(dav: Dav, alice: httpx.Client, bob: httpx.Client) -> None:
    alice.request("MKCOL", "shared/reef/d")
    assert alice.request("LOCK", "shared/reef/d", content=LOCK).status_code == 200
    assert bob.request("LOCK", "shared/reef/d/new", content=LOCK).status_code == 423
    assert bob.put("shared/reef/d/new", content=b"1").status_code == 423
    assert alice.get("shared/reef/d/new").status_code == 404


def test_an_if_with_an_address_is_evaluated(dav: Dav, alice: httpx.Client) -> None:
    tag = alice.put("a", content=b"1").headers["ETag"]
    for address in (dav.url("alice", "a"), f"{DAV_PATH}/alice/a"):
        wrong = alice.put("a", content=b"2", headers={"If": f'<{address}> (["nothing"])'})
        assert wrong.status_code == 412
        assert alice.get("a").content == b"1"
    right = alice.put("a", content=b"2", headers={"If": f"<{dav.url('alice', 'a')}> ([{tag}])"})
    assert right.status_code == 204


def test_properties_are_the_same_for_everybody_and_travel(
    dav: Dav, alice: httpx.Client, bob: httpx.Client
) -> None:
    body = (
        '<propertyupdate xmlns="DAV:"><set><prop><x:note xmlns:x="urn:x">deep</x:note></prop>'
        "</set></propertyupdate>"
    )
    alice.request("MKCOL", "shared/reef/d")
    alice.put("shared/reef/d/a", content=b"1")
    assert alice.request("PROPPATCH", "shared/reef/d/a", content=body).status_code == 207
    assert "deep" in propfind(bob, "shared/reef/d/a", "0").text
    assert move(alice, dav, "shared/reef/d", "mine", "COPY").status_code == 201
    assert move(alice, dav, "mine", "moved").status_code == 201
    dav.stop()
    dav.start()
    alice.base_url, bob.base_url = dav.url("alice"), dav.url("bob")
    assert "deep" in propfind(alice, "moved/a", "0").text
    alice.delete("moved")
    alice.request("MKCOL", "moved")
    alice.put("moved/a", content=b"1")
    assert "deep" not in propfind(alice, "moved/a", "0").text


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("content", [b"x" * 1000, None])
def test_a_workspace_that_was_set_aside_leaves_nothing_to_a_namesake(
    dav: Dav, alice: httpx.Client, content: bytes | None, restarted: bool
) -> None:
    if content is not None:
        alice.put("a", content=content)
    propfind(alice)
    properties = (
        '<D:propertyupdate xmlns:D="DAV:" xmlns="urn:x"><D:set><D:prop><hers>secret</hers></D:prop>'
        "</D:set></D:propertyupdate>"
    )
    assert alice.request("PROPPATCH", "", content=properties).status_code == 207
    locked = LOCK.replace("</lockinfo>", "<owner>alice</owner></lockinfo>")
    assert alice.request("LOCK", "", content=locked).status_code == 200
    assert dav.disk.user("alice").usage.used() > 0
    set_aside(dav.deployment.layout, "alice")
    if restarted:
        dav.stop()
        dav.start()
        alice.base_url = dav.url("alice")
    answer = propfind(alice, depth="0")
    assert "secret" not in answer.text
    assert "activelock" not in answer.text
    assert dav.disk.user("alice").usage.used() == 0
    assert alice.put("a", content=b"").status_code == 201


def test_a_folder_that_somebody_else_put_there_is_known_as_new(
    dav: Dav, alice: httpx.Client
) -> None:
    alice.put("a", content=b"x" * 1000)
    assert alice.request("LOCK", "a", content=LOCK).status_code == 200
    set_aside(dav.deployment.layout, "alice")
    folder_of(dav, "alice").mkdir()
    assert alice.put("a", content=b"").status_code == 201
    assert dav.disk.user("alice").usage.used() == ENTRY
