from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pelagos.errors import RefusedError
from pelagos.settings import Limits, Settings, Size, VirtualLab
from pelagos.virtual_labs import Selection, images_of, select, sizes_of, virtual_labs_of

GIB = 2**30
SETTINGS = Settings(
    sizes=[
        Size(name="small", cores=1, memory=2 * GIB),
        Size(name="large", cores=8, memory=32 * GIB),
    ],
    virtual_labs=[
        VirtualLab(name="open-sea", open=True, limits=Limits(cores=2, memory=4 * GIB)),
        VirtualLab(name="reef", members=["ada"], images=["base"]),
    ],
)


def test_defaults_are_the_first_virtual_lab_image_and_size() -> None:
    chosen = select(SETTINGS, [], {})
    assert (chosen.virtual_lab.name, chosen.image, chosen.size.name) == (
        "open-sea",
        "python",
        "small",
    )


def test_members_and_managers_may_use_a_closed_virtual_lab() -> None:
    for group in ("reef", "reef:managers"):
        labs = virtual_labs_of(SETTINGS, [group])
        assert [lab.name for lab in labs] == ["open-sea", "reef"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"virtual_lab": "reef"}, "Virtual lab 'reef' is not offered"),
        ({"image": "evil/image:latest"}, "Image 'evil/image:latest' is not offered"),
        ({"size": "large"}, "has 8 cores, more than the 2 cores"),
        ({"size": "huge"}, "Size 'huge' is not offered"),
        ({"mounts": [{"source": "/", "target": "/host"}]}, "Unknown option 'mounts'"),
        ({"volumes": {"/": "/host"}}, "Unknown option 'volumes'"),
        ({"privileged": True}, "Unknown option 'privileged'"),
        ({"extra_host_config": {"privileged": True}}, "Unknown option"),
        ({"image": ["python", "base"]}, "is not offered"),
        ({"image": {"python": 1}}, "is not offered"),
        ({"cores": 64}, "Unknown option 'cores'"),
    ],
)
def test_what_is_not_offered_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(RefusedError) as caught:
        select(SETTINGS, [], options)
    assert words in str(caught.value)
    assert caught.value.mend


def test_a_person_in_no_virtual_lab_is_told_so() -> None:
    closed = SETTINGS.model_copy(update={"virtual_labs": SETTINGS.virtual_labs[1:]})
    with pytest.raises(RefusedError, match="not a member of any virtual lab"):
        select(closed, [], {})


def test_a_named_server_belongs_to_the_virtual_lab_of_its_name() -> None:
    assert select(SETTINGS, ["reef"], {}, "reef").virtual_lab.name == "reef"
    with pytest.raises(RefusedError, match="belongs to the virtual lab"):
        select(SETTINGS, ["reef"], {"virtual_lab": "open-sea"}, "reef")
    with pytest.raises(RefusedError, match="carries the name of a virtual lab"):
        select(SETTINGS, [], {}, "reef")


anything = st.one_of(
    st.none(), st.text(max_size=10), st.integers(), st.lists(st.text(max_size=3), max_size=2)
)
names = st.sampled_from(["open-sea", "reef", "python", "base", "small", "large", ""])


@given(
    st.dictionaries(
        st.sampled_from(["virtual_lab", "image", "size", "mem_limit", "x"]), names | anything
    ),
    st.lists(st.sampled_from(["reef", "reef:managers", "other"]), max_size=2),
)
def test_no_options_lead_above_the_limits_or_outside_the_virtual_lab(
    options: dict[str, Any], groups: list[str]
) -> None:
    try:
        chosen: Selection = select(SETTINGS, groups, options)
    except RefusedError:
        return
    lab = chosen.virtual_lab
    assert lab in virtual_labs_of(SETTINGS, groups)
    assert chosen.image in images_of(SETTINGS, lab)
    assert chosen.size in sizes_of(SETTINGS, lab)
    assert chosen.size.cores <= lab.limits.cores
    assert chosen.size.memory <= lab.limits.memory
