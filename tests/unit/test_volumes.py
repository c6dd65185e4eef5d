import re

from hypothesis import given
from hypothesis import strategies as st
from pelagos.volumes import container_name, home_volume

# Docker's own rule for names of containers and volumes.
ALLOWED = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")
LONGEST = 255

text = st.text(min_size=1, max_size=300)


@given(text, st.text(max_size=40))
def test_any_user_and_server_name_gives_a_name_that_docker_takes(user: str, server: str) -> None:
    for name in (container_name("abc123", user, server), home_volume("abc123", user)):
        assert ALLOWED.fullmatch(name)
        assert len(name) <= LONGEST


@given(text, st.text(max_size=40), text, st.text(max_size=40))
def test_two_servers_never_share_a_name(a: str, x: str, b: str, y: str) -> None:
    same = container_name("i", a, x) == container_name("i", b, y)
    assert same == ((a, x) == (b, y))


def test_names_that_look_alike_stay_apart() -> None:
    users = ["a-b", "a.b", "a_b", "a b", "ab", "a--b", "A-b", "a-2db", "a@b", "é", "e"]
    users += ["x" * 300, "x" * 299 + "y", "x" * 300 + "_"]
    assert len({home_volume("i", user) for user in users}) == len(users)
    assert container_name("i", "a", "b") != container_name("i", "a.b", "")
